"""The encoder `file:PATH`: features that were made elsewhere, taken by item id."""

from mmbench.encoders.ready.control import Ready, modalities

__all__ = ["Ready", "modalities"]
