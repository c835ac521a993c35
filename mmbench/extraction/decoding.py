"""Pictures of a catalogue, decoded and made ready: ahead of a GPU, between the batches of a CPU."""

import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from shutil import disk_usage
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from mmbench.datasets.pictures import UnreadablePicture, read_picture

AHEAD = 4  # batches a worker holds ready
ROOM = 2**30  # bytes of shared memory that all of them may take
SHARED = Path("/dev/shm")  # noqa: S108 - a container often has little of it
FEWEST = 64  # pictures for which a further process is worth its start


class Decoded(NamedTuple):
    """A batch of pictures.

    kept: positions in the batch whose picture could be read.
    pixels: (len(kept), ...) of them; None where no one could be read.
    """

    kept: list[int]
    pixels: Tensor | None


def decoded(
    paths: Sequence[Path],
    batches: Sequence[Sequence[int]],
    picture: Callable[[Image.Image], Any],
    workers: int,
    pin: bool = False,
) -> Iterator[Decoded]:
    """Yield the pictures of each batch in turn; what cannot be read is left out.

    Args:
        paths: picture files.
        batches: positions in `paths`.
        picture: what makes an array of an RGB picture.
        workers: processes at it; few pictures take fewer, 0 decodes in this one.
        pin: whether the pixels go to a GPU.
    """
    n_pictures, longest = sum(map(len, batches)), max(map(len, batches), default=0)
    held = _room() // max(longest * picture(Image.new("RGB", (8, 8))).nbytes, 1)  # batches
    count = min(workers, n_pictures // FEWEST, held)
    if not count:
        return _here(_Pictures(paths, picture), batches)
    loader: DataLoader[Any] = DataLoader(
        _Pictures(paths, picture),
        batch_sampler=[list(batch) for batch in batches],
        num_workers=count,
        collate_fn=_stacked,
        prefetch_factor=min(AHEAD, held // count),
        pin_memory=pin,
        worker_init_fn=_quiet_worker,
    )
    return iter(loader)


def _here(pictures: "_Pictures", batches: Sequence[Sequence[int]]) -> Iterator[Decoded]:
    """Decode in this process, on the cores that wait for the model's next batch meanwhile."""
    with ThreadPoolExecutor(torch.get_num_threads()) as threads:
        for batch in batches:
            yield _stacked(list(threads.map(pictures.__getitem__, batch)))


def _room() -> int:
    return min(ROOM, disk_usage(SHARED).free // 2) if SHARED.is_dir() else ROOM


def _quiet_worker(number: int) -> None:  # noqa: ARG001 - the loader's signature
    # Ctrl-C reaches the whole group: the process that reads the pictures tells the person, once.
    # What goes wrong with a picture travels there; only the end of a broken pipe is lost here.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.excepthook = lambda *_: None


@dataclass(frozen=True)
class _Pictures(Dataset[Any]):
    paths: Sequence[Path]
    picture: Callable[[Image.Image], Any]

    def __getitem__(self, position: int) -> Any:
        try:
            return self.picture(read_picture(self.paths[position]))
        except UnreadablePicture:
            return None


def _stacked(pictures: Sequence[Any]) -> Decoded:
    kept = [place for place, pixels in enumerate(pictures) if pixels is not None]
    if not kept:
        return Decoded(kept, None)
    return Decoded(kept, torch.from_numpy(np.stack([pictures[place] for place in kept])))
