"""Frozen lower layers, run once: what they give for each item is kept on disk.

Where only the top blocks of an encoder train, all that lies below gives the same for an item at
every step. It is computed once, and from then on a pass begins at the first block that trains.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mmbench.atomic import locked
from mmbench.encoders.memory import within_memory
from mmbench.encoders.network import Network, Tokens
from mmbench.encoders.skipping import Skipping
from mmbench.encoders.state_file import CHUNK, Floats, StateFile
from mmbench.errors import UsageError
from mmbench.fingerprint import SHORT, fingerprint
from mmbench.progress import Progress

Places = NDArray[np.int64]
VERSION = 1  # of the file's layout
CLOSE = 1e-4  # of vectors, relative to the greatest; rounding alone stays below 1e-5


@dataclass(frozen=True)
class Inputs:
    """What an encoder reads of n items.

    pixels: places among the items → what `Network.forward` takes of their pictures, on the device;
        None where it reads none.
    tokens: n token lists; None where it reads no texts.
    """

    n: int
    pixels: Callable[[Places], Tensor] | None
    tokens: Sequence[Tokens] | None

    def read(self, places: Places) -> tuple[Tensor | None, list[Tokens] | None]:
        """Return what `Network.forward` takes of some items."""
        pixels = None if self.pixels is None else self.pixels(places)
        tokens = None if self.tokens is None else [self.tokens[int(place)] for place in places]
        return pixels, tokens


class LowerLayers:
    """An encoder that starts from kept activations.

    Args:
        network: it, loaded; what lies below its top blocks does not train.
        skipping: passes over those blocks.
        inputs: what it reads.
        states: the activations.
    """

    def __init__(
        self, network: Network, skipping: Skipping, inputs: Inputs, states: StateFile
    ) -> None:
        self.network, self.inputs, self.states = network, inputs, states
        self._skipping = skipping
        # Below the cut one picture stands for all: nothing that is made of it is used.
        self._picture = None if inputs.pixels is None else inputs.pixels(np.zeros(1, np.int64))

    def forward(self, places: Places) -> Tensor:
        """Return the vectors of some items, (len(places), dim), as the whole encoder gives them.

        Gradients reach the top blocks and what is above them.
        """
        rows = np.argsort(places, kind="stable")  # read in the order of the file
        read = {int(row): self.states.read(int(places[row])) for row in rows}
        return self.from_states(places, [read[row] for row in range(len(places))])

    def from_states(self, places: Places, arrays: Sequence[Floats]) -> Tensor:
        """Return the vectors of some items from their activations."""
        states = torch.from_numpy(_stacked(arrays)).to(self.network.surroundings.device)
        tokens = self.inputs.tokens
        texts = None if tokens is None else [tokens[int(place)] for place in places]
        pixels = self._picture
        if pixels is not None and texts is not None:
            pixels = pixels.expand(len(places), *pixels.shape[1:])
        with self._skipping.to(states):
            return self.network.forward(pixels, texts)

    def release(self) -> None:
        """Let go of the weights of the lower blocks: the encoder runs from kept states only."""
        self._skipping.release()


def lower_layers(
    network: Network,
    train_layers: int,
    inputs: Inputs,
    folder: Path,
    items: Mapping[str, Any],
    progress: Progress,
) -> LowerLayers:
    """Return an encoder that starts below its top blocks, with the activations made or found.

    An interrupted run goes on where it was; what is damaged on disk is made anew.

    Args:
        network: it, loaded; adapted so that only its top blocks train.
        train_layers: how many those are; at least one block is below them.
        inputs: what it reads of the items.
        folder: the activations lie in a folder below it, named after all that they depend on.
        items: JSON that fixes which items these are and what they show, in this order.
        progress: told about it.

    Raises:
        UsageError: there are not so many blocks, the encoder's pass does not simply go from block
            to block, or the disk is full.
        ValueError: something below the cut trains.
    """
    blocks = network.top_blocks(None)
    top = network.top_blocks(train_layers)
    below = [name for name in blocks if name not in top]
    if not below:
        raise UsageError(f"train_layers {train_layers} of {len(blocks)}: no block is left to keep")
    _check_frozen(network, next(iter(top.values())))
    skipping = Skipping(network.trainable(), below)
    shapes = _shapes(network, skipping, inputs)
    said = {"version": VERSION, "encoder": network.identity(), "inputs": list(network.inputs)}
    said |= {"blocks": len(below), "items": items, "shapes": fingerprint(shapes)}
    states = StateFile(folder / fingerprint(said)[:SHORT], shapes)
    lower = LowerLayers(network, skipping, inputs, states)
    _check_same(lower)
    with locked(states.folder.with_suffix(".lock")):
        _fill(lower, network.batch_size, progress)
    return lower


def _check_frozen(network: Network, first: nn.Module) -> None:
    parameters = dict(network.trainable().named_parameters())
    for name in network.cut(first).below:
        if parameters[name].requires_grad:
            raise ValueError(f"'{name}' trains below the top blocks: adapt with train_layers first")


def _shapes(network: Network, skipping: Skipping, inputs: Inputs) -> list[tuple[int, ...]]:
    """Return the shape of the activations of each item, from those of two."""
    lengths = np.array([len(one) for one in inputs.tokens or ()] or [0] * inputs.n)
    ends = np.array([lengths.argmin(), lengths.argmax()])
    short, long = (_states(network, skipping, inputs, ends[i : i + 1])[0].shape for i in (0, 1))
    if short == long:
        return [short] * inputs.n
    if short[1:] != long[1:] or long[0] - short[0] != lengths[ends[1]] - lengths[ends[0]]:
        raise _unkept(network, f"its states have shapes {list(short)} and {list(long)}")
    extra = short[0] - lengths[ends[0]]  # tokens that are put before or behind those of the text
    return [(int(length + extra), *short[1:]) for length in lengths]


def _check_same(lower: LowerLayers) -> None:
    """Compare passes with and without the lower layers, on a few items."""
    lengths = [shape[0] for shape in lower.states.shapes]
    some = {0, len(lengths) - 1, int(np.argmin(lengths)), int(np.argmax(lengths))}
    places = np.array(sorted(some))
    arrays = _states(lower.network, lower._skipping, lower.inputs, places)
    with torch.no_grad():
        whole = lower.network.forward(*lower.inputs.read(places)).float()
        short = lower.from_states(places, list(arrays)).float()
    if whole.shape != short.shape or (whole - short).abs().max() > CLOSE * whole.abs().max():
        raise _unkept(lower.network, "it gives other vectors from its own states")


def _fill(lower: LowerLayers, size: int, progress: Progress) -> None:
    n = lower.inputs.n
    for chunk in lower.states.lacking():
        arrays, size = _made(lower, chunk, size)
        lower.states.write(chunk, arrays)
        progress.advance("keep lower layers", min(chunk.start + CHUNK, n), n)


def _made(lower: LowerLayers, chunk: range, size: int) -> tuple[list[Floats], int]:
    """Return the activations of a chunk of items, and how many at once fitted into memory."""
    arrays: list[Floats] = []

    def some(n: int) -> list[Floats]:
        return _cut(lower, np.array(chunk[len(arrays) : len(arrays) + n]))

    while len(arrays) < len(chunk):
        found, size = within_memory(some, size)
        arrays += found
    return arrays, size


def _cut(lower: LowerLayers, places: Places) -> list[Floats]:
    """Return the activations of some items, each without padding."""
    states = _states(lower.network, lower._skipping, lower.inputs, places)
    shapes = lower.states.shapes
    return [array[: shapes[int(place)][0]] for place, array in zip(places, states, strict=True)]


def _states(network: Network, skipping: Skipping, inputs: Inputs, places: Places) -> Floats:
    """Return the activations below the cut, (len(places), ...), padded as the batch is."""
    with torch.no_grad(), skipping.watched() as seen:
        network.forward(*inputs.read(places))
    found: Floats = seen[0].float().cpu().numpy()
    if len(found) != len(places):
        raise _unkept(network, "its states have another first axis than the items")
    return found


def _stacked(arrays: Sequence[Floats]) -> Floats:
    longest = max(len(array) for array in arrays)
    stacked = np.zeros((len(arrays), longest, *arrays[0].shape[1:]), np.float32)
    for row, array in zip(stacked, arrays, strict=True):
        row[: len(array)] = array
    return stacked


def _unkept(network: Network, why: str) -> UsageError:
    name = type(network).__name__
    return UsageError(f"the lower layers of this {name} cannot be kept on disk: {why}")
