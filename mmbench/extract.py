"""Catalogue × encoder → features: in shards, so that an interrupted run loses one at most."""

import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from time import perf_counter
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch
from numpy.typing import NDArray

from mmbench.atomic import locked, whole_file
from mmbench.datasets.catalog import Catalog
from mmbench.datasets.dataset import Dataset
from mmbench.datasets.pictures import UnreadablePicture
from mmbench.encoders import BACKENDS
from mmbench.encoders.base import Backend, Content, Control, Items, Rows, Surroundings
from mmbench.errors import UsageError
from mmbench.features import META, Feature, FeatureSet
from mmbench.fingerprint import SHORT, fingerprint
from mmbench.home import Home
from mmbench.progress import Progress, Silent
from mmbench.specs import ANY, EncoderSpec, encoder_spec
from mmbench.versions import versions

SHARD = 256  # items between two points at which an interrupted extraction can go on


@dataclass(frozen=True)
class Plan:
    """An extraction that can start: its parts are built, its identity known, nothing is loaded."""

    spec: EncoderSpec
    members: Mapping[str, Backend | Control]  # modality → what makes its vectors
    identity: Mapping[str, Any]
    base: "Plan | None"
    folder: Path

    @property
    def fingerprint(self) -> str:
        """The identity of the features this makes."""
        return fingerprint(self.identity)


def encode(
    dataset: Dataset | str,
    encoder: str,
    *,
    random_weights: bool = False,
    device: str = "auto",
    home: Home | str | PathLike[str] | None = None,
    progress: Progress | None = None,
) -> FeatureSet:
    """Return the features of a dataset under an encoder, from disk where they are there.

    Args:
        dataset: a dataset, or the name of a prepared one.
        encoder: its name.
        random_weights: allow a model without weights.
        device: auto, cpu, cuda or cuda:N.
        home: see `Home.find`.
        progress: told about long work.

    Raises:
        UsageError: an unknown encoder, missing weights, a device that is not there.
    """
    home, progress = Home.of(home), progress or Silent()
    opened = Dataset.load(home, dataset) if isinstance(dataset, str) else dataset
    return extract(plan(opened, encoder, random_weights, device, home), opened, progress)


def plan(dataset: Dataset, encoder: str, random_weights: bool, device: str, home: Home) -> Plan:
    """Check everything that can be checked before a model is loaded."""
    spec = encoder_spec(encoder)
    base = plan(dataset, spec.of, random_weights, device, home) if spec.of else None
    around = Surroundings(resolve_device(device), home.models)
    members = {
        modality: _build(spec.name, modality, dict(options), random_weights, around)
        for modality, options in _expand(spec, base).items()
    }
    identity = {
        "dataset": dataset.fingerprint,
        "encoder": {name: dict(member.identity()) for name, member in members.items()},
        "base": base.fingerprint if base else None,
    }
    slug = f"{file_name(spec.name)}-{fingerprint(identity)[:SHORT]}"
    return Plan(spec, members, identity, base, home.features / dataset.name / slug)


def extract(plan: Plan, dataset: Dataset, progress: Progress) -> FeatureSet:
    """Return the planned features, made now or read from disk."""
    if not (plan.folder / META).is_file():
        # Another process may be at it: then this one waits and reads what that one wrote.
        with locked(plan.folder.with_name(f".{plan.folder.name}.lock")):
            if not (plan.folder / META).is_file():
                _make(plan, dataset, progress)
    return FeatureSet.load(plan.folder, plan.fingerprint, dataset.catalog.ids)


def _make(plan: Plan, dataset: Dataset, progress: Progress) -> None:
    # A cache must never hold the content of files that are not the fingerprint's.
    for line in dataset.damage() or dataset.damaged_pictures():
        raise UsageError(f"{line}: prepare the dataset again with --force")
    catalog = dataset.catalog
    base = extract(plan.base, dataset, progress) if plan.base else None
    shards = plan.folder.with_name(f".{plan.folder.name}.shards")
    modalities, seconds, unreadable = {}, 0.0, set()
    for name, member in plan.members.items():
        if isinstance(member, Control):
            start = perf_counter()
            modalities[name] = _control(member, name, catalog, base)
            seconds += perf_counter() - start
        else:
            made = _Extraction(name, member, catalog, shards / name, progress)
            modalities[name] = made.run()
            seconds += made.seconds
            unreadable |= made.unreadable
    if unreadable:
        told = f"{len(unreadable)} pictures can no longer be read and are masked"
        progress.say(f"{told}; all in {plan.folder / META}")
    meta = _meta(plan, dataset, seconds, sorted(unreadable))
    FeatureSet(catalog.ids, modalities, meta).save(plan.folder)
    shutil.rmtree(shards, ignore_errors=True)


def resolve_device(device: str) -> str:
    """Return cpu, cuda or cuda:N for auto or a wish; UsageError where the wish cannot be met."""
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if not re.fullmatch(r"cpu|cuda(:\d+)?", device):
        raise UsageError(f"--device '{device}': use auto, cpu, cuda or cuda:N")
    index = int(device.partition(":")[2] or 0)
    if device != "cpu" and index >= torch.cuda.device_count():
        raise UsageError(f"--device {device}: this machine has {torch.cuda.device_count()} GPUs")
    return device


def file_name(name: str) -> str:
    """Return an encoder's name as a part of a path."""
    return re.sub(r"[^A-Za-z0-9._+-]+", "-", name).strip("-.")[:80] or "encoder"


def _expand(spec: EncoderSpec, base: Plan | None) -> Mapping[str, Mapping[str, Any]]:
    if ANY not in spec.modalities:
        return spec.modalities
    options = spec.modalities[ANY]
    if base is not None:
        return dict.fromkeys(base.members, options)
    made = BACKENDS.resolve(str(options["backend"]))
    return dict.fromkeys(made.modalities(options), options)


def _build(
    encoder: str, modality: str, options: dict[str, Any], random_weights: bool, around: Surroundings
) -> Backend | Control:
    made = BACKENDS.resolve(str(options.pop("backend")))
    allowed = {"random_weights": random_weights} if issubclass(made, Backend) else {}
    try:
        built: Backend | Control = made(
            modality=modality, surroundings=around, **allowed, **options
        )
    except TypeError as error:
        raise UsageError(f"encoder '{encoder}', {modality}: {error}") from error
    return built


def _control(member: Control, name: str, catalog: Catalog, base: FeatureSet | None) -> Feature:
    items = Items(catalog.ids, catalog.present, catalog.columns, catalog.attributes)
    rows = member.rows(items, Rows(*base.modalities[name]) if base else None)
    return Feature(rows.matrix, rows.mask)


class _Extraction:
    """One modality of a catalogue, encoded shard by shard."""

    def __init__(
        self, name: str, backend: Backend, catalog: Catalog, folder: Path, progress: Progress
    ) -> None:
        self.name, self.backend, self.catalog = name, backend, catalog
        self.folder, self.progress = folder, progress
        self.mask = np.logical_and.reduce([catalog.present[need] for need in backend.inputs])
        self.rows = np.flatnonzero(self.mask)
        self.seconds = 0.0
        self.unreadable: set[str] = set()

    def run(self) -> Feature:
        """Encode what is not yet on disk and return the whole matrix."""
        starts = range(0, len(self.rows), SHARD)
        todo = [start for start in starts if not self._is_done(start)]
        if todo:
            began = perf_counter()
            self._prepare()
            self.seconds += perf_counter() - began
        for start in todo:
            self._encode(start)
            done = min(start + SHARD, len(self.rows))
            self.progress.advance(f"encode {self.name}", done, len(self.rows))
        return self._join(starts)

    def _file(self, start: int) -> Path:
        return self.folder / f"{start:09d}.npz"

    def _is_done(self, start: int) -> bool:
        # A machine that lost its power may have left a shard that is there but not whole.
        try:
            self._read(start)
        except (OSError, EOFError, ValueError, KeyError, BadZipFile):
            return False
        return True

    def _read(self, start: int) -> dict[str, NDArray[Any]]:
        with np.load(self._file(start), allow_pickle=False) as shard:
            return {name: shard[name] for name in ("vectors", "rows", "seconds")}

    def _prepare(self) -> None:
        self.backend.load()
        if self.backend.fits:
            self.backend.fit([Content(None, self.catalog.text(int(row))) for row in self.rows])

    def _encode(self, start: int) -> None:
        began = perf_counter()
        rows = self.rows[start : start + SHARD]
        readable, contents = [], []
        for row, content in self._contents(rows):
            readable.append(row)
            contents.append(content)
        vectors = self.backend.encode(contents) if contents else np.zeros((0, 0), np.float32)
        if not np.isfinite(vectors).all():
            raise FloatingPointError(f"{self.name}: the encoder gave numbers that are not finite")
        with whole_file(self._file(start)) as part, part.open("wb") as file:
            seconds = perf_counter() - began
            np.savez(file, vectors=vectors, rows=np.array(readable, int), seconds=seconds)

    def _contents(self, rows: NDArray[Any]) -> Iterator[tuple[int, Content]]:
        for row in rows:
            needs = self.backend.inputs
            try:
                image = self.catalog.picture(int(row)) if "image" in needs else None
            except UnreadablePicture:
                continue  # told by its absence from the shard: masked and counted in meta.json
            yield int(row), Content(image, self.catalog.text(int(row)) if "text" in needs else None)

    def _join(self, starts: range) -> Feature:
        n_items = len(self.catalog.ids)
        matrix: NDArray[Any] = np.zeros((n_items, 1), np.float32)  # (n_items, dim)
        mask = np.zeros(n_items, bool)
        for shard in map(self._read, starts):  # one at a time: a catalogue may be large
            rows, vectors = shard["rows"], shard["vectors"]
            if len(rows) and not mask.any():
                matrix = np.zeros((n_items, vectors.shape[1]), np.float32)
            if len(rows):
                matrix[rows], mask[rows] = vectors, True
            self.seconds += float(shard["seconds"])
        self.unreadable = {self.catalog.ids[row] for row in np.flatnonzero(self.mask & ~mask)}
        return Feature(matrix, mask)


def _meta(plan: Plan, dataset: Dataset, seconds: float, unreadable: list[str]) -> dict[str, Any]:
    said = dict(plan.identity["encoder"])
    n_items = len(dataset.catalog.ids)
    return {
        "dataset": dataset.name,
        "dataset_fingerprint": dataset.fingerprint,
        "encoder": plan.spec.name,
        "weights": weights(plan),
        "identity": said,
        "of": plan.spec.of,
        "fingerprint": plan.fingerprint,
        "unreadable_pictures": unreadable,
        "seconds": seconds,
        "items_per_second": n_items / seconds if seconds else None,
        "versions": versions(),
    }


def weights(plan: Plan) -> str:
    """Return what the vectors rest on: random if any part does, else pretrained, else none."""
    kinds = {str(said["weights"]) for said in plan.identity["encoder"].values()}
    kinds |= {weights(plan.base)} if plan.base else set()
    return next((kind for kind in ("random", "finetuned", "pretrained") if kind in kinds), "none")
