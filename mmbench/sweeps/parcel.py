"""Folders of a home for machines that do not see it: sent once, laid out there, taken away."""

import io
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import numpy as np
import ray
from numpy.typing import NDArray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from mmbench import __version__
from mmbench.atomic import locked, told_of_disk, whole_folder
from mmbench.errors import UsageError
from mmbench.home import Home
from mmbench.sweeps.cluster import alive

_FAREWELL = 5.0  # seconds that machines have to clean up; one that died takes its disk along
CHUNK = 16 * 2**20  # bytes of an object: a small store holds a few
Chunk = NDArray[np.uint8]
PICTURES = "images"  # the folder of a dataset's pictures
Goes = Callable[[Path], bool]  # tells of a file whether it is sent
# The name of a home and a folder below it → the folder's chunks in Ray's object store.
Parcels = Mapping[str, Sequence[Any]]


class Post:
    """What is sent of a home to machines that do not see it, each folder once.

    pictures: whether those of datasets are sent along; a frozen encoder needs none any more.
    """

    def __init__(self, home: Home, pictures: bool) -> None:
        self._home, self._pictures = home, pictures
        self._name = f"mmbench-home-{uuid4().hex}"
        self._sent: dict[str, Sequence[Any]] = {}

    def parcels(self, folders: Iterable[str]) -> Parcels:
        """Return folders of the home, put into Ray's object store where they are not there yet.

        Args:
            folders: below the home; a few megabytes of each are in memory at a time.
        """
        asked = list(folders)
        for folder in asked:
            if folder not in self._sent:
                self._sent[folder] = self._put(folder)
        return {f"{self._name}/{folder}": self._sent[folder] for folder in asked}

    def take_away(self) -> None:
        """Remove the homes that were laid out, on all machines that are left."""
        if self._sent:
            begun = [reference for _, reference in _on_all(_remove, self._name)]
            ray.wait(begun, num_returns=len(begun), timeout=_FAREWELL)
            self._sent.clear()

    def _put(self, folder: str) -> Sequence[Any]:
        parts: list[Any] = []
        send(self._home.root / folder, self._goes, lambda chunk: parts.append(ray.put(chunk)))
        return parts

    def _goes(self, path: Path) -> bool:
        return self._pictures or path.parent.name != PICTURES


def laid_out(parcels: Parcels) -> Home:
    """Return a home of this machine that has the folders; it is made where it is not there yet."""
    above = Path(tempfile.gettempdir())
    for folder, parts in parcels.items():
        lay_out(above / folder, map(ray.get, parts))
    return Home(above / next(iter(parcels)).partition("/")[0])


def lay_out(folder: Path, parts: Iterable[Chunk]) -> None:
    """Make a folder of its chunks, whole or not at all; one that is there stays as it is."""
    with locked(folder.with_name(f".{folder.name}.parcel.lock")):
        if folder.is_dir():
            return
        with whole_folder(folder) as part:
            stream = io.BufferedReader(cast(io.RawIOBase, _Reader(iter(parts))))
            with tarfile.open(fileobj=stream, mode="r|") as tar:
                for member in tar:
                    _write(tar, member, part)


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    source = tar.extractfile(member)
    if source is None:
        return
    path = folder / member.name
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        shutil.copyfileobj(source, file)


def send(folder: Path, goes: Goes, take: Callable[[Chunk], None]) -> None:
    """Hand the files of a folder over as one tar, in chunks of `CHUNK` bytes."""
    writer = _Writer(take)
    with tarfile.open(fileobj=writer, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and goes(path):
                tar.add(path, path.relative_to(folder).as_posix(), recursive=False)
    writer.rest()


class _Writer(io.RawIOBase):
    """What a tar is written to: it is handed on in chunks."""

    def __init__(self, take: Callable[[Chunk], None]) -> None:
        self._held, self._take = bytearray(), take

    def write(self, data: Any) -> int:
        self._held += data
        if len(self._held) >= CHUNK:
            self.rest()
        return len(data)

    def rest(self) -> None:
        if self._held:
            self._take(np.frombuffer(bytes(self._held), np.uint8))
            self._held.clear()


class _Reader(io.RawIOBase):
    """The chunks of a tar, read one after the other."""

    def __init__(self, parts: Iterator[Chunk]) -> None:
        self._parts, self._held = parts, memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, into: Any) -> int:
        if not self._held:
            self._held = next(self._parts, np.zeros(0, np.uint8)).data
        taken = self._held[: len(into)]
        into[: len(taken)] = taken
        self._held = self._held[len(taken) :]
        return len(taken)


def everywhere(home: Home) -> bool:
    """Return whether all machines of the cluster see a home, which holds a mark for the moment.

    Raises:
        UsageError: a machine cannot run this mmbench.
    """
    if len(alive()) == 1:
        return True
    mark = home.root / f".seen-{uuid4().hex}"
    with told_of_disk(mark):
        mark.write_bytes(b"mmbench")
    try:
        told = {address: _told(address, look) for address, look in _on_all(_look, str(mark))}
    finally:
        mark.unlink(missing_ok=True)
    for address, (version, _) in told.items():
        if version != __version__:
            raise UsageError(
                f"machine {address} of the cluster has mmbench {version}, this one {__version__}: "
                "install the same"
            )
    return all(seen for _, seen in told.values())


def _look(mark: str) -> tuple[str, bool]:
    return __version__, Path(mark).is_file()


def _remove(name: str) -> None:
    shutil.rmtree(Path(tempfile.gettempdir()) / name, ignore_errors=True)


def _on_all(work: Callable[[str], Any], given: str) -> list[tuple[str, Any]]:
    """Begin a function on each machine; return the machines' addresses, each with its reference."""
    begun = []
    for node in alive():
        there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        task = ray.remote(work).options(num_cpus=0, scheduling_strategy=there)
        begun.append((f"{node['NodeManagerAddress']} ({node['NodeID'][:6]})", task.remote(given)))
    return begun


def _told(address: str, reference: Any) -> Any:
    try:
        return ray.get(reference)
    except ray.exceptions.RayError as error:
        reason = str(error).strip().splitlines()[-1]
        raise UsageError(
            f"machine {address} of the cluster cannot run mmbench ({reason}): install it there"
        ) from error
