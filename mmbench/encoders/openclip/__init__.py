"""The CLIP family through open_clip: any of its names and tags, and its models on the hub."""

from mmbench.encoders.torchvision_guard import import_torchvision_safely

import_torchvision_safely()  # before the first import of open_clip, in the modules of this package

from mmbench.encoders.openclip.backend import OpenClip  # noqa: E402

__all__ = ["OpenClip"]
