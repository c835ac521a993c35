"""VLMo (Bao et al., 2022): one transformer with an expert per modality, in plain PyTorch."""

from mmbench.encoders.checkpoint import read_checkpoint
from mmbench.encoders.vlmo.backend import Vlmo
from mmbench.encoders.vlmo.checkpoint import load_vlmo
from mmbench.encoders.vlmo.config import SIZES, Config
from mmbench.encoders.vlmo.model import VLMo, random_vlmo

__all__ = ["SIZES", "Config", "VLMo", "Vlmo", "load_vlmo", "random_vlmo", "read_checkpoint"]
