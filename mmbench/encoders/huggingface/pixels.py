"""Pictures as a model of transformers takes them, resized by Pillow on every machine."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from transformers import AutoImageProcessor

from mmbench.encoders.huggingface.files import PIXELS, require_one_of
from mmbench.encoders.network import Pixels
from mmbench.errors import UsageError

CLOSE = 1e-6  # how near pixels scaled on the device must come to those the processor scales
PROBES = ((51, 40), (37, 64))  # height, width: odd, and neither square nor alike


def read_processor(folder: Path) -> Any:
    """Return the image processor of a model's folder, the one that works through Pillow.

    Raises:
        UsageError: the folder has none, or one that gives more than pixels of one size.
    """
    require_one_of(folder, PIXELS, "settings of an image processor")
    # Left to itself, transformers resizes on tensors wherever torchvision can be imported, which
    # gives other pixels.
    new = int(transformers.__version__.split(".")[0]) >= 5
    pillow: dict[str, Any] = {"backend": "pil"} if new else {"use_fast": False}
    try:
        found = AutoImageProcessor.from_pretrained(  # type: ignore[no-untyped-call]
            folder, local_files_only=True, trust_remote_code=False, **pillow
        )
    except (OSError, ValueError, KeyError, TypeError, ImportError) as error:
        reason = " ".join(str(error).split())[:160]
        raise UsageError(f"{folder}: no image processor can be made of it ({reason})") from error
    if getattr(found, "backend", "pil") != "pil" or type(found).__name__.endswith("Fast"):
        raise UsageError(f"{folder}: {type(found).__name__} cannot work through Pillow")
    if list(found.model_input_names) != ["pixel_values"]:
        raise UsageError(
            f"{folder}: {type(found).__name__} gives each picture its own resolution "
            f"({', '.join(found.model_input_names)}): choose a model of one resolution"
        )
    return found


@dataclass(frozen=True)
class Picture:
    """A picture → the pixels of a model.

    processor: of transformers, through Pillow.
    whole: it scales and normalises, too; if not, the pixels are uint8.
    """

    processor: Any
    whole: bool

    def __call__(self, image: Image.Image) -> Pixels:
        """Return (3, height, width) float32 or uint8 of an RGB picture."""
        steps = {} if self.whole else {"do_rescale": False, "do_normalize": False}
        made = self.processor(images=image, return_tensors="np", **steps)
        pixels: Pixels = made["pixel_values"][0]
        return pixels


@dataclass(frozen=True)
class Scaling:
    """What is left to do on the device: pixels · factor + shift, (3, 1, 1) each."""

    factor: Tensor
    shift: Tensor

    def __call__(self, pixels: Tensor) -> Tensor:
        """Return float32 of (n, 3, height, width) uint8; other pixels as they are."""
        if pixels.dtype != torch.uint8:
            return pixels
        factor, shift = self.factor.to(pixels.device), self.shift.to(pixels.device)
        return pixels.float() * factor + shift


def divided(processor: Any, folder: Path) -> tuple[Picture, Scaling]:
    """Divide a processor's work: what Pillow does anywhere, and what is done on the device.

    Where the second half is not one factor and shift a channel, the first does everything.

    Raises:
        UsageError: pictures come out in different sizes.
    """
    whole, short = Picture(processor, True), Picture(processor, False)
    wanted = [whole(_noise(size)) for size in PROBES]
    if len({pixels.shape for pixels in wanted}) > 1:
        raise UsageError(f"{folder}: its image processor gives pictures of different sizes")
    raw = [short(_noise(size)) for size in PROBES]
    scaling = _fitted(np.stack(raw), np.stack(wanted))
    same = (
        raw[0].dtype == np.uint8
        and np.abs(scaling(torch.from_numpy(np.stack(raw))).numpy() - wanted).max() <= CLOSE
    )
    return (short if same else whole), scaling


def _noise(size: tuple[int, int]) -> Image.Image:
    pixels = np.random.RandomState(0).randint(0, 256, (*size, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def _fitted(raw: NDArray[Any], wanted: NDArray[Any]) -> Scaling:
    lines = [
        np.polyfit(raw[:, channel].ravel().astype(float), wanted[:, channel].ravel(), 1)
        for channel in range(raw.shape[1])
    ]
    made = torch.tensor(np.array(lines), dtype=torch.float32)[:, :, None, None]  # (3, 2, 1, 1)
    return Scaling(made[:, 0], made[:, 1])
