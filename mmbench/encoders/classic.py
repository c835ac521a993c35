"""Encoders without weights: colours and edges of a picture, words of a text."""

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import normalize
from torch import Tensor

from mmbench.encoders.base import Backend, Content, Matrix, Surroundings, texts_of
from mmbench.encoders.named_weights import named_weights
from mmbench.encoders.network import Network, Pixels, Tokens
from mmbench.errors import UsageError

SIDE = 64  # pixels; every picture is squashed to SIDE × SIDE
GRID = 8  # cells a side, for mean colours and for edges
COLOURS = 5  # histogram bins a channel
ANGLES = 9  # histogram bins of the half circle
FLAT = 0.01  # mean gradient under which a picture has no edges worth telling
MAX_WORDS = 100_000  # bounds the memory of the decomposition

Floats = NDArray[np.float64]


class ClassicImage(Network):
    """Joint colour histogram, grid of mean colours and histograms of oriented gradients.

    Gives 893 numbers: 125 for the histogram, 192 for the grid, 576 for the gradients. They are
    counted where a picture is opened, so that the processes that do so share the work.

    Raises:
        UsageError: weights were named.
    """

    inputs = ("image",)
    weighted = False
    unit = False

    def __init__(self, modality: str, random_weights: bool, surroundings: Surroundings) -> None:
        super().__init__(modality, random_weights, surroundings)
        _refuse_weights(surroundings, modality)

    def identity(self) -> Mapping[str, Any]:
        """Return the model and its sizes; there are no weights."""
        return {
            "weights": "none",
            "model": "colours+grid+gradients",
            "preprocessing": f"squash to {SIDE}x{SIDE}, box filter",
            "bins": {"colours": COLOURS, "grid": GRID, "angles": ANGLES},
        }

    def load(self) -> None:
        """Do nothing: there are no weights."""

    def picture(self) -> Callable[[Image.Image], Pixels]:
        """Return what makes the 893 numbers of a picture, float32."""
        return _picture

    def forward(self, pixels: Tensor | None, tokens: Sequence[Tokens] | None) -> Tensor:  # noqa: ARG002
        """Return the numbers as they are, (n, 893)."""
        if pixels is None:
            raise ValueError("a batch for a picture encoder holds no pictures")
        return pixels


class ClassicText(Backend):
    """TF-IDF over words and pairs of words, reduced by a truncated SVD to unit vectors.

    A text without a known word is a zero vector.

    Args:
        dim: length of the vectors; a catalogue with fewer texts or words gets shorter ones.

    Raises:
        UsageError: weights were named.
    """

    inputs = ("text",)
    fits = True

    def __init__(
        self, modality: str, random_weights: bool, surroundings: Surroundings, dim: int = 128
    ) -> None:
        super().__init__(modality, random_weights, surroundings)
        _refuse_weights(surroundings, modality)
        self.dim = dim
        self._words: TfidfVectorizer | None = None
        self._svd: TruncatedSVD | None = None

    def identity(self) -> Mapping[str, Any]:
        """Return the model and its sizes; there are no weights."""
        return {
            "weights": "none",
            "model": "tf-idf+svd",
            "preprocessing": "lower case, words and pairs of words, sublinear counts, L2",
            "dim": self.dim,
            "max_words": MAX_WORDS,
        }

    def load(self) -> None:
        """Do nothing: there are no weights."""

    def fit(self, contents: Sequence[Content]) -> None:
        """Learn the words of all texts and the directions in which they differ."""
        texts = [item.text for item in contents if item.text is not None]
        self._words = _vocabulary(texts, self.dim)
        self._svd = None
        if self._words is not None and len(self._words.vocabulary_) > 1:
            counts = self._words.transform(texts)  # (n_texts, n_words) sparse
            dim = max(1, min(self.dim, counts.shape[0] - 1, counts.shape[1] - 1))
            # Texts that are all alike have no variance, whose shares are then 0 / 0.
            with np.errstate(invalid="ignore"):
                self._svd = TruncatedSVD(dim, random_state=0).fit(counts)

    def encode(self, batch: Sequence[Content]) -> Matrix:
        """Return (len(batch), dim) float32; one column of zeros where no text has a word."""
        if self._words is None:
            return np.zeros((len(batch), 1), dtype=np.float32)
        counts = self._words.transform(texts_of(batch))
        vectors = counts.toarray() if self._svd is None else self._svd.transform(counts)
        return np.asarray(normalize(vectors), dtype=np.float32)


def _refuse_weights(surroundings: Surroundings, modality: str) -> None:
    named = named_weights(surroundings, modality)
    if named is not None:
        raise UsageError(f"--weights {named}: this encoder has no weights to read: leave it out")


def _vocabulary(texts: Sequence[str], dim: int) -> TfidfVectorizer | None:
    # Words of a single text relate no two items; a small catalogue has hardly any others.
    for min_df in (2, 1):
        words = TfidfVectorizer(
            ngram_range=(1, 2),
            token_pattern=r"(?u)\b\w+\b",  # noqa: S106 - no password
            sublinear_tf=True,
            min_df=min_df,
            max_features=MAX_WORDS,
        )
        try:
            words.fit(texts)
        except ValueError:  # scikit-learn's word for "no word is left"
            continue
        if min_df == 1 or len(words.vocabulary_) > dim:
            return words
    return None


def _picture(image: Image.Image) -> Matrix:
    small = image.resize((SIDE, SIDE), Image.Resampling.BOX)
    pixels = np.asarray(small, dtype=np.float64) / 255  # (SIDE, SIDE, 3)
    blocks = (_colour_histogram(pixels.reshape(-1, 3)), _mean_colours(pixels), _edges(pixels))
    return np.concatenate(blocks).astype(np.float32)


def _colour_histogram(pixels: Floats) -> Floats:
    # Each pixel is shared among its eight nearest bins, so that no colour sits on an edge.
    place = pixels * (COLOURS - 1)  # (n_pixels, 3) in bins
    low = np.minimum(place.astype(np.int64), COLOURS - 2)
    upper = place - low
    histogram = np.zeros(COLOURS**3)
    for corner in product((0, 1), repeat=3):
        shares = np.where(corner, upper, 1 - upper).prod(axis=1)
        bins = np.ravel_multi_index(tuple((low + corner).T), (COLOURS,) * 3)
        histogram += np.bincount(bins, shares, COLOURS**3)
    root: Floats = np.sqrt(histogram / len(pixels))  # Hellinger: the L2 norm is 1
    return root


def _mean_colours(pixels: Floats) -> Floats:
    step = SIDE // GRID
    means: Floats = pixels.reshape(GRID, step, GRID, step, 3).mean(axis=(1, 3)).ravel()
    # Divided by the greatest norm there is, not by its own: an even grey stays near zero.
    return (means - 0.5) * 2 / float(np.sqrt(means.size))


def _edges(pixels: Floats) -> Floats:
    down, right = np.gradient(pixels.mean(axis=2))  # (SIDE, SIDE) each
    strength = np.hypot(down, right)
    angle = np.arctan2(down, right) % np.pi / np.pi * ANGLES  # in bins
    rows, columns = np.indices(strength.shape) // (SIDE // GRID)
    cells = (rows * GRID + columns) * ANGLES
    low = angle.astype(np.int64)
    histogram = np.zeros(GRID * GRID * ANGLES)
    for step, share in ((0, 1 - (angle - low)), (1, angle - low)):
        bins = cells + (low + step) % ANGLES
        histogram += np.bincount(bins.ravel(), (share * strength).ravel(), histogram.size)
    root: Floats = np.sqrt(histogram / (histogram.sum() + FLAT * strength.size))  # Hellinger
    return root
