"""One modality of a catalogue, encoded: the model runs, the next batch is made ready beside it."""

from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

from mmbench.datasets.catalog import Catalog
from mmbench.encoders.base import Backend, Content
from mmbench.encoders.network import Network
from mmbench.errors import UsageError
from mmbench.extraction.batches import Batch, Batches
from mmbench.extraction.shards import Shard, Shards
from mmbench.extraction.units import Units, units
from mmbench.features import Feature
from mmbench.machine import Machine
from mmbench.progress import Progress
from mmbench.specs import Encoding

SHARD = 256  # units, or
FLUSH = 10.0  # seconds of work: no more is lost by an interruption


class Extracted(NamedTuple):
    """A modality, the items whose picture could not be read, and what it took."""

    feature: Feature
    unreadable: set[str]
    figures: dict[str, Any]


def extracted(
    name: str,
    backend: Backend,
    catalog: Catalog,
    encoding: Encoding,
    machine: Machine,
    folder: Path,
    progress: Progress,
) -> Extracted:
    """Encode a modality, going on after the shards that `folder` holds.

    Raises:
        UsageError: a batch of one does not fit into memory, no picture can be read, or the encoder
            gave numbers that are not finite.
    """
    began = perf_counter()
    mask = np.logical_and.reduce([catalog.present[need] for need in backend.inputs])
    rows = np.flatnonzero(mask)
    backend.load()
    if backend.fits:
        backend.fit([Content(None, catalog.text(int(row))) for row in rows])
    plan = units(catalog, rows, backend, encoding.long_texts)
    preparing = perf_counter() - began
    shards = Shards(folder)
    batches = Batches(backend, catalog, plan, encoding.precision, machine)
    for start, shard in _shards(batches, name, shards.done(), len(plan), progress):
        shards.write(start, shard)
    parts = list(shards.read())
    feature = _joined(parts, plan, len(catalog.ids), backend)
    unreadable = {catalog.ids[row] for row in np.flatnonzero(mask & ~feature.mask)}
    if len(rows) and not feature.mask.any():
        raise UsageError(f"none of the {len(rows)} pictures can be read: prepare the dataset again")
    return Extracted(feature, unreadable, _figures(parts, plan, len(rows), preparing, batches))


def _shards(
    batches: Batches, name: str, done: int, total: int, progress: Progress
) -> Iterator[tuple[int, Shard]]:
    """Yield the shards that are still to be made, each with its first unit."""
    gathered: list[Batch] = []
    start, since = done, perf_counter()
    for batch in batches.run(done):
        gathered.append(batch)
        done += len(batch.kept)
        seconds = perf_counter() - since
        if done - start >= SHARD or seconds >= FLUSH or done == total:
            yield start, _shard(gathered, seconds)
            gathered, start, since = [], done, perf_counter()
        progress.advance(f"encode {name}", done, total)


def _shard(gathered: list[Batch], seconds: float) -> Shard:
    filled = [batch.vectors for batch in gathered if len(batch.vectors)]
    vectors = np.concatenate(filled) if filled else np.zeros((0, 1), np.float32)
    kept = np.concatenate([batch.kept for batch in gathered])
    return Shard(kept, vectors, seconds, sum(batch.waited for batch in gathered))


def _joined(parts: list[Shard], plan: Units, n_items: int, backend: Backend) -> Feature:
    kept = np.concatenate([part.kept for part in parts] or [np.zeros(0, bool)])  # (n_units,)
    filled = [part.vectors for part in parts if part.kept.any()]
    dim = filled[0].shape[1] if filled else 1
    vectors = np.zeros((len(kept), dim), np.float32)  # (n_units, dim)
    if filled:
        vectors[kept] = np.concatenate(filled)
    good = kept[plan.of]
    counts = np.bincount(plan.rows[good], minlength=n_items)  # (n_items,)
    matrix = np.zeros((n_items, dim), np.float32)
    np.add.at(matrix, plan.rows[good], vectors[plan.of[good]])
    several = counts > 1
    matrix[several] /= counts[several, None]
    if isinstance(backend, Network) and backend.unit:
        lengths = np.linalg.norm(matrix[several], axis=1, keepdims=True)
        matrix[several] /= np.where(lengths > 0, lengths, 1)  # chunks may cancel out
    return Feature(matrix, counts > 0)


def _figures(
    parts: list[Shard], plan: Units, n_rows: int, preparing: float, batches: Batches
) -> dict[str, Any]:
    seconds = sum(part.seconds for part in parts)
    told: dict[str, Any] = {
        "items": n_rows,
        "encoded": len(plan),  # fewer where items share their content, more where texts are long
        "seconds": seconds,
        "preparing_seconds": preparing,
        "items_per_second": n_rows / seconds if seconds else None,
        "waiting_share": sum(part.waited for part in parts) / seconds if seconds else None,
        "batch_size": batches.size,
    }
    if "text" in batches.backend.inputs and isinstance(batches.backend, Network):
        told |= {"long_texts": plan.cut, "long_texts_share": plan.cut / max(n_rows, 1)}
    return told
