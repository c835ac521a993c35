"""Models of transformers that have features for pictures and for texts, from hub or folder."""

from mmbench.encoders.torchvision_guard import import_torchvision_safely

import_torchvision_safely()  # before the first import of a model of transformers

from mmbench.encoders.huggingface.backend import HuggingFace  # noqa: E402

__all__ = ["HuggingFace"]
