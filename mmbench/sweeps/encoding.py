"""The features that the cells of a sweep need: each made once, on whatever machine is free."""

import queue
import threading
import traceback
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

import ray

from mmbench.cells import Cell
from mmbench.datasets.dataset import Dataset
from mmbench.errors import UsageError
from mmbench.extract import encode
from mmbench.feature_plan import FeaturePlan
from mmbench.features import META
from mmbench.home import Home
from mmbench.opened import Opened
from mmbench.plan import plan
from mmbench.progress import Progress
from mmbench.sweeps.cluster import most_of, total_of
from mmbench.sweeps.parcel import Parcels, Post, laid_out, lay_out, send

TRIES = 3  # machines may die under an extraction
_PAUSE = 0.5  # seconds between two steps that a person is shown
_HELD = 8  # messages of an extraction that wait to be read


@dataclass(frozen=True)
class Wanted:
    """Features that are not there yet, in plain values.

    how: keyword arguments of `mmbench.extract.encode` but the home.
    folder: where they belong, below the home. needed: the folders that they are made from.
    """

    dataset: str
    encoder: str
    how: Mapping[str, Any]
    fingerprint: str
    folder: str
    needed: tuple[str, ...]

    @property
    def name(self) -> str:
        """What they are called where a person reads it."""
        return f"{self.dataset} · {self.encoder}"


Waves = Mapping[int, Sequence[Wanted]]  # how many others they are made from → features


def encode_all(waves: Waves, home: Home, progress: Progress, post: Post | None = None) -> None:
    """Make all features that are wanted; Ray is connected already.

    Args:
        waves: as `wanted` gives them, those go first that are made from no others.
        post: where some machines do not see the home: datasets are sent and features come back.

    What breaks an extraction is said and stops nothing: the trials that need it record it.

    Raises:
        UsageError: what a person can mend (a damaged picture, a full disk).
    """
    for _, each in sorted(waves.items()):
        _Wave(each, home, progress, post).run()


def wanted(cells: Iterable[Cell], home: Home, opened: Opened) -> Waves:
    """Return the features of some cells that are not there."""
    waves: dict[int, list[Wanted]] = defaultdict(list)
    seen: set[Path] = set()
    for cell in cells:
        planned = plan(**cell.request, seeds=cell.seeds[:1], home=home, opened=opened)[0]
        for depth, each in enumerate(reversed(list(_chain(planned.features)))):
            if each.folder in seen or (each.folder / META).is_file() or not each.modalities:
                continue
            seen.add(each.folder)
            waves[depth].append(_wanted(each, planned.dataset, cell.request, home))
    return dict(waves)


def folders(cells: Iterable[Cell], home: Home, opened: Opened) -> list[str]:
    """Return the folders below a home that trials of some cells read."""
    read: dict[Path, None] = {}
    for cell in cells:
        planned = plan(**cell.request, seeds=cell.seeds[:1], home=home, opened=opened)[0]
        origin = planned.features.origin
        read |= dict.fromkeys([planned.dataset.folder, planned.features.folder])
        read |= {origin.folder: None} if origin else {}
    return [folder.relative_to(home.root).as_posix() for folder in read if folder.is_dir()]


def _chain(features: FeaturePlan | None) -> Iterator[FeaturePlan]:
    while features is not None:
        yield features
        features = features.base


def _wanted(
    features: FeaturePlan, dataset: Dataset, request: Mapping[str, Any], home: Home
) -> Wanted:
    fed = {key: request[key] for key in ("device", "batch_size", "workers") if key in request}
    needed = [dataset.folder, *(each.folder for each in _chain(features.base))]
    if features.origin is not None:
        needed.append(features.origin.folder)
    return Wanted(
        dataset=dataset.name,
        encoder=features.spec.name,
        how=features.encoding.model_dump() | fed,
        fingerprint=features.fingerprint,
        folder=features.folder.relative_to(home.root).as_posix(),
        needed=tuple(folder.relative_to(home.root).as_posix() for folder in needed),
    )


class _Wave:
    """Extractions that do not wait for each other."""

    def __init__(
        self, wanted: Sequence[Wanted], home: Home, progress: Progress, post: Post | None
    ) -> None:
        self._wanted, self._home = wanted, home
        self._progress, self._post = progress, post
        self._chunks: dict[str, list[Any]] = {}

    def run(self) -> None:
        """Return when all are made or have failed."""
        tries = dict.fromkeys((one.folder for one in self._wanted), TRIES)
        running = {self._begun(one): one for one in self._wanted}
        while running:
            ready, _ = ray.wait(list(running), num_returns=1)
            stream, one = ready[0], running[ready[0]]
            try:
                self._take(one, next(stream))
            except StopIteration:
                del running[stream]
                self._ended(one)
            except ray.exceptions.RayError as error:
                del running[stream]
                tries[one.folder] -= 1
                if tries[one.folder]:
                    self._progress.say(f"{one.name}: its machine or process died; begun again")
                    running[self._begun(one)] = one
                else:
                    self._progress.say(f"{one.name}: not encoded: {_last_line(str(error))}")

    def _begun(self, one: Wanted) -> Any:
        self._chunks[one.folder] = []
        parcels = self._post.parcels(one.needed) if self._post else None
        gpu = min(1.0, most_of("GPU")) if one.how.get("device") != "cpu" else 0
        share = total_of("CPU") // len(self._wanted)
        options = {"num_cpus": max(1, min(share, most_of("CPU"))), "num_gpus": gpu}
        task = ray.remote(_encoded).options(num_returns="streaming", max_retries=0, **options)
        return task.remote(one, str(self._home.root), parcels)

    def _take(self, one: Wanted, message: Any) -> None:
        kind, told = ray.get(message)
        if kind == "advance":
            task, *rest = told
            self._progress.advance(f"{one.name}: {task}", *rest)
        elif kind == "say":
            self._progress.say(f"{one.name}: {told}")
        elif kind == "chunk":
            self._chunks[one.folder].append(message)
        elif kind == "failed":
            self._progress.say(f"{one.name}: not encoded: {_last_line(told)}")
        elif self._post is None:
            raise UsageError(f"{one.name}: {told}")
        else:  # weights that are on this machine only
            self._progress.say(f"{one.name}: encoded here: {told}")
            encode(one.dataset, one.encoder, home=self._home, progress=self._progress, **one.how)

    def _ended(self, one: Wanted) -> None:
        chunks = self._chunks.pop(one.folder)
        if chunks:
            lay_out(self._home.root / one.folder, (ray.get(chunk)[1] for chunk in chunks))


def _encoded(
    one: Wanted, root: str, parcels: Parcels | None
) -> Iterator[tuple[str, Any]]:  # on any machine
    """Make features; yield how it goes, and their chunks where this machine has its own home."""
    told: queue.Queue[tuple[str, Any] | None] = queue.Queue(_HELD)
    thread = threading.Thread(target=_encode, args=(one, root, parcels, told), daemon=True)
    thread.start()
    while (message := told.get()) is not None:
        yield message
    thread.join()


def _encode(
    one: Wanted, root: str, parcels: Parcels | None, told: "queue.Queue[tuple[str, Any] | None]"
) -> None:
    try:
        home = Home(Path(root)) if parcels is None else laid_out(parcels)
        made = encode(one.dataset, one.encoder, home=home, progress=_Relay(told), **one.how)
        if made.fingerprint != one.fingerprint:
            raise UsageError("the encoder of another machine is not the one here")
        if parcels is not None:
            send(home.root / one.folder, _all, lambda chunk: told.put(("chunk", chunk)))
    except UsageError as error:
        told.put(("refused", str(error)))
    except Exception:  # it is told where a person reads it, and the trials record it
        told.put(("failed", traceback.format_exc()))
    finally:
        told.put(None)


class _Relay:
    """Progress that is told to another machine, not more often than a person can read."""

    def __init__(self, told: "queue.Queue[tuple[str, Any] | None]") -> None:
        self._told, self._last = told, 0.0

    def advance(self, task: str, done: int, total: int, note: str = "") -> None:
        """Tell the step, if it is the last or some time has passed."""
        if done >= total or monotonic() - self._last > _PAUSE:
            self._last = monotonic()
            self._told.put(("advance", (task, done, total, note)))

    def say(self, line: str) -> None:
        """Tell the line."""
        self._told.put(("say", line))


def _all(path: Path) -> bool:
    return not path.name.startswith(".")


def _last_line(text: str) -> str:
    return text.strip().splitlines()[-1]
