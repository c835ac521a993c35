"""A model run over units in batches: the input of the next is made ready while it computes."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmbench.datasets.catalog import Catalog
from mmbench.datasets.pictures import UnreadablePicture
from mmbench.encoders.base import Backend, Content
from mmbench.encoders.network import Network, Tokens
from mmbench.errors import UsageError
from mmbench.extraction.decoding import Decoded, decoded
from mmbench.extraction.units import Units
from mmbench.machine import Machine

PLAIN = 256  # items a call for a backend that has no sizes of its own


class Batch(NamedTuple):
    """Some units in a row.

    kept: (n,) whether the unit could be read. vectors: (n kept, dim) float32.
    waited: seconds for which the model had no input.
    """

    kept: NDArray[np.bool_]
    vectors: NDArray[np.float32]
    waited: float


class Batches:
    """The passes of a backend over the units of a catalogue.

    Args:
        backend: a loaded one.
        catalog: the items.
        units: what is encoded.
        precision: float32, or bf16 for autocast.
        machine: the device and how it is fed.

    `size` is that of a forward pass; it is halved where memory does not suffice.
    """

    def __init__(
        self, backend: Backend, catalog: Catalog, units: Units, precision: str, machine: Machine
    ) -> None:
        self.backend, self.catalog, self.units = backend, catalog, units
        self.precision, self.machine = precision, machine
        usual = backend.batch_size if isinstance(backend, Network) else PLAIN
        self.size = machine.batch_size or usual

    def run(self, first: int) -> Iterator[Batch]:
        """Yield the batches from a unit on.

        Raises:
            UsageError: a batch that was asked for, or one of a single unit, exceeds the memory;
                or the encoder gave numbers that are not finite.
        """
        size = self.size
        parts = [
            range(s, min(s + size, len(self.units))) for s in range(first, len(self.units), size)
        ]
        made = (
            self._network(self.backend, parts)
            if isinstance(self.backend, Network)
            else map(self._plain, parts)
        )
        for part, batch in zip(parts, made, strict=True):
            self._check_finite(part, batch)
            yield batch

    def _check_finite(self, part: range, batch: Batch) -> None:
        bad = np.flatnonzero(~np.isfinite(batch.vectors).all(axis=1))
        if bad.size:
            place = part[int(np.flatnonzero(batch.kept)[bad[0]])]
            item = self.catalog.ids[int(self.units.sources[place])]
            raise UsageError(
                f"the encoder gave numbers that are not finite, first for item '{item}': its "
                "weights are damaged, or --precision is too low"
            )

    def _plain(self, part: range) -> Batch:
        """Encode with a backend that takes whole content."""
        kept, contents = [], []
        for row in self.units.sources[part.start : part.stop]:
            needs = self.backend.inputs
            try:
                image = self.catalog.picture(int(row)) if "image" in needs else None
            except UnreadablePicture:
                kept.append(False)
                continue
            kept.append(True)
            text = self.catalog.text(int(row)) if "text" in needs else None
            contents.append(Content(image, text))
        none = np.zeros((0, 1), np.float32)
        return Batch(np.array(kept), self.backend.encode(contents) if contents else none, 0.0)

    def _network(self, backend: Network, parts: Sequence[range]) -> Iterator[Batch]:
        """Encode with the model one batch ahead: its result is fetched when the next one runs."""
        pictures = self._pictures(backend, parts)
        running: tuple[NDArray[np.bool_], Tensor | None, float] | None = None
        for part in parts:
            since = perf_counter()
            seen = next(pictures) if pictures else Decoded(list(range(len(part))), None)
            waited = perf_counter() - since
            kept = np.zeros(len(part), bool)
            kept[seen.kept] = True
            tokens = self.units.tokens
            texts = [tokens[part[place]] for place in seen.kept] if tokens is not None else None
            vectors = self._forward(backend, seen.pixels, texts) if seen.kept else None
            if running:
                yield _fetched(*running)
            running = kept, vectors, waited
        if running:
            yield _fetched(*running)

    def _pictures(self, backend: Network, parts: Sequence[range]) -> Iterator[Decoded] | None:
        if "image" not in backend.inputs:
            return None
        paths = [self.catalog.picture_path(int(row)) or Path() for row in self.units.sources]
        on_gpu = self.machine.device != "cpu"
        return decoded(paths, parts, backend.picture(), self.machine.workers, pin=on_gpu)

    def _forward(
        self, backend: Network, pixels: Tensor | None, tokens: Sequence[Tokens] | None
    ) -> Tensor:
        n_units = len(tokens) if tokens is not None else len(pixels) if pixels is not None else 0
        while True:
            try:
                with torch.inference_mode(), self._precision():
                    parts = [
                        self._part(backend, pixels, tokens, slice(start, start + self.size))
                        for start in range(0, n_units, self.size)
                    ]
                return torch.cat(parts)  # (n_units, dim)
            except (RuntimeError, MemoryError) as error:
                self._shrink(error)

    def _part(
        self, backend: Network, pixels: Tensor | None, tokens: Sequence[Tokens] | None, part: slice
    ) -> Tensor:
        device = self.machine.device
        on_device = None if pixels is None else pixels[part].to(device, non_blocking=True)
        return backend.forward(on_device, None if tokens is None else tokens[part]).float()

    def _precision(self) -> AbstractContextManager[Any]:
        if self.precision == "float32":
            return nullcontext()
        return torch.autocast(self.machine.device.partition(":")[0], torch.bfloat16)

    def _shrink(self, error: Exception) -> None:
        """Halve the batch after an error that says that memory ran out; raise any other."""
        told = " ".join(str(error).split())
        known = isinstance(error, (torch.OutOfMemoryError, MemoryError))
        if not known and "allocate memory" not in told:
            raise error
        if self.machine.batch_size or self.size == 1:
            asked = "a smaller --batch-size, or auto" if self.size > 1 else "a smaller encoder"
            raise UsageError(
                f"a batch of {self.size} does not fit into memory ({told[:120]}): use {asked}"
            ) from error
        self.size //= 2
        if self.machine.device != "cpu":
            torch.cuda.empty_cache()


def _fetched(kept: NDArray[np.bool_], vectors: Tensor | None, waited: float) -> Batch:
    none = np.zeros((0, 1), np.float32)
    return Batch(kept, none if vectors is None else vectors.cpu().numpy(), waited)
