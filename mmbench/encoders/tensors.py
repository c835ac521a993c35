"""Files of named tensors, whichever of the two usual formats they have; no code in them runs."""

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from mmbench.encoders.checkpoint import read_checkpoint, unwrapped
from mmbench.errors import UsageError


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a .safetensors, or of a file that torch saved.

    Raises:
        UsageError: the file is missing, truncated, or holds anything but tensors.
    """
    if path.suffix == ".safetensors":
        try:
            return load_file(path)
        except (SafetensorError, OSError) as error:
            reason = " ".join(str(error).split())[:160]
            raise UsageError(f"{path}: no whole .safetensors ({reason}): fetch it again") from error
    try:
        return unwrapped(read_checkpoint(path), ())
    except UsageError as error:
        told = str(error)
        raise error if told.startswith(str(path)) else UsageError(f"{path}: {told}") from error
