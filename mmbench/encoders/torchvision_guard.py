"""Make torchvision importable beside a torch that its C library does not fit.

PyPI's torchvision is built for CUDA. Beside a CPU build of torch its operators are missing, so
that `import torchvision`, and with it open_clip, timm and the models of transformers, fails.
Their Python parts need nothing but the names of two operators.
"""

import sys
from functools import cache
from importlib import import_module

import torch

_MISSING = "torchvision::nms"
_SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


def import_torchvision_safely() -> None:
    """Import torchvision, with stand-ins for the operators it misses where it cannot load them.

    Does nothing where torchvision imports as it is, or is not installed. Call it before the first
    import of open_clip, timm or a model of transformers; a second call is harmless.

    Raises:
        RuntimeError: torchvision fails for another reason.
    """
    try:
        import_module("torchvision")
    except ModuleNotFoundError as error:
        if error.name != "torchvision":
            raise
    except RuntimeError as error:
        if _MISSING not in str(error):
            raise
        _forget_torchvision()
        _declare_operators()
        import_module("torchvision")


def _forget_torchvision() -> None:
    # A failed import leaves half-made submodules behind, which the next import would take up.
    for name in list(sys.modules):
        if name.split(".")[0] == "torchvision":
            del sys.modules[name]


@cache  # keeps the library alive: its operators go when it does
def _declare_operators() -> torch.library.Library:
    library = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
    for operator in ("nms", "qnms"):
        library.define(operator + _SCHEMA)  # type: ignore[no-untyped-call]
    return library
