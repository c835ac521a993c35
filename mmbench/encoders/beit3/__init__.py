"""BEiT-3 (Wang et al., 2023) as a dual encoder: retrieval and itc checkpoints, plain PyTorch."""

from mmbench.encoders.beit3.backend import Beit3
from mmbench.encoders.beit3.checkpoint import load_beit3
from mmbench.encoders.beit3.config import SIZES, Config
from mmbench.encoders.beit3.model import BEiT3, random_beit3

__all__ = ["SIZES", "BEiT3", "Beit3", "Config", "load_beit3", "random_beit3"]
