"""One matrix of several, with what an item lacks left out."""

import numpy as np
import pytest

from mmbench.errors import UsageError
from mmbench.extraction.fusion import fuse
from mmbench.features import Feature

MASKS = np.array([[1, 1, 0, 0], [1, 0, 1, 0]], bool)


def feature(matrix, mask):
    return Feature(np.where(mask[:, None], matrix, 0).astype(np.float32), mask)


@pytest.fixture
def two():
    rng = np.random.RandomState(0)
    return {
        name: feature(rng.rand(4, 3), mask)
        for name, mask in zip(("image", "text"), MASKS, strict=True)
    }


def test_concat_puts_zeros_for_what_is_missing(two):
    fused = fuse(two, "concat")
    assert fused.mask.tolist() == [True, True, True, False]
    assert (fused.matrix == np.concatenate([two["image"].matrix, two["text"].matrix], axis=1)).all()
    assert fused.matrix.dtype == np.float32


def test_mean_is_over_what_there_is(two):
    fused = fuse(two, "mean")
    image, text = two["image"].matrix, two["text"].matrix
    assert np.allclose(fused.matrix[0], (image[0] + text[0]) / 2)
    assert (fused.matrix[1] == image[1]).all()
    assert (fused.matrix[2] == text[2]).all()
    assert (fused.matrix[3] == 0).all()


def test_sum(two):
    assert np.allclose(fuse(two, "sum").matrix, two["image"].matrix + two["text"].matrix)


@pytest.mark.parametrize("how", ["mean", "sum"])
def test_other_dimensions_cannot_be_added(two, how):
    two["text"] = feature(np.ones((4, 5)), MASKS[1])
    with pytest.raises(UsageError, match="image 3, text 5: use concat or pca:128"):
        fuse(two, how)


def test_pca_keeps_the_distances_and_balances_the_modalities():
    rng = np.random.RandomState(1)
    mask = np.ones(50, bool)
    parts = {
        "image": feature(1000 * rng.randn(50, 4), mask),
        "text": feature(rng.randn(50, 6), mask),
    }
    fused = fuse(parts, "pca:10").matrix
    scaled = [f.matrix / np.linalg.norm(f.matrix, axis=1).mean() for f in parts.values()]
    whole = np.concatenate(scaled, axis=1)
    for i, j in ((0, 1), (5, 40), (17, 3)):
        assert np.isclose(
            np.linalg.norm(fused[i] - fused[j]), np.linalg.norm(whole[i] - whole[j]), rtol=1e-4
        )
    few = fuse(parts, "pca:2").matrix
    assert few.shape == (50, 2)
    assert np.allclose(few, fused[:, :2], atol=1e-5)


def test_pca_leaves_items_without_content_at_zero(two):
    fused = fuse(two, "pca:2")
    assert (fused.matrix[3] == 0).all()
    assert not fused.mask[3]


def test_more_components_than_there_are(two):
    with pytest.raises(UsageError, match="pca:128: these features have 2 components at most"):
        fuse(two, "pca:128")
