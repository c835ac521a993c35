"""The square that unified encoders see, and its scale."""

import pickle

import numpy as np
import pytest
import torch
from PIL import Image

from mmbench.encoders.squash import Squash, centred


@pytest.mark.parametrize("size", [(1, 1), (2000, 3), (64, 48)])
def test_any_picture_becomes_a_square_of_bytes(size):
    noise = np.random.RandomState(0).randint(0, 255, (*size[::-1], 3), dtype=np.uint8)
    squash = pickle.loads(pickle.dumps(Squash(32)))
    square = squash(Image.fromarray(noise))
    assert square.shape == (32, 32, 3)
    assert square.dtype == np.uint8
    assert square.flags.writeable


def test_all_of_a_picture_is_seen():
    halves = np.zeros((20, 200, 3), np.uint8)
    halves[:, 100:] = (255, 128, 0)
    square = Squash(32)(Image.fromarray(halves))
    assert (square[:, :12] == 0).all()
    assert (square[:, 20:] == (255, 128, 0)).all()


def test_bytes_are_centred_channels_first():
    square = torch.tensor([0, 255, 51], dtype=torch.uint8).expand(1, 4, 4, 3)
    planes = centred(square)  # (1, 3, 4, 4)
    assert planes.dtype == torch.float32
    assert planes.is_contiguous()
    wanted = torch.tensor([-1.0, 1.0, -0.6]).view(1, 3, 1, 1).expand(1, 3, 4, 4)
    torch.testing.assert_close(planes, wanted)
