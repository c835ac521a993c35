"""The numbers said of features are those of their definitions, on features made to have them."""

import numpy as np
import pytest

from mmbench.feature_report.diagnostics.attributes import shared_attributes
from mmbench.feature_report.diagnostics.diagnosis import diagnose
from mmbench.feature_report.diagnostics.modality import modality
from mmbench.feature_report.diagnostics.neighbours import BLOCK, nearest, unit
from mmbench.feature_report.diagnostics.pair import pair
from mmbench.feature_report.diagnostics.sample import SIZE, sample
from mmbench.feature_report.diagnostics.table import tables
from mmbench.features import Feature, FeatureSet

DRAWN = np.random.RandomState(0)


def drawn(n=120, dim=6, dtype=np.float32):
    return DRAWN.randn(n, dim).astype(dtype)


def feature(matrix, masked=()):
    mask = np.ones(len(matrix), bool)
    mask[list(masked)] = False
    return Feature(np.asarray(matrix), mask)


def ids(n):
    return tuple(f"i{row}" for row in range(n))


def numbers(matrix, masked=()):
    return modality(ids(len(matrix)), feature(matrix, masked))


def diagnosed(**matrices):
    names = ids(len(next(iter(matrices.values()))))
    return diagnose(FeatureSet(names, {k: feature(v) for k, v in matrices.items()}, {}))


def cosines(one, other):
    lengths = np.linalg.norm(one, axis=1)[:, None], np.linalg.norm(other, axis=1)[:, None]
    return (one / lengths[0]) @ (other / lengths[1]).T


def test_neighbours_are_those_of_the_whole_cosine_matrix_across_blocks():
    matrix = drawn(BLOCK + 300, 5)
    rows = np.setdiff1d(np.arange(len(matrix)), [7, BLOCK])  # these two may not be neighbours
    queries = np.array([0, 8, BLOCK + 1])
    found = nearest(matrix, rows, queries, 9)
    expected = cosines(matrix[queries], matrix)
    expected[:, [7, BLOCK]] = expected[[0, 1, 2], queries] = -2
    assert (found.rows == np.argsort(-expected, axis=1)[:, :9]).all()
    np.testing.assert_allclose(found.cosines, -np.sort(-expected, axis=1)[:, :9], atol=2e-6)


def test_equal_cosines_stand_in_the_order_of_the_rows():
    found = nearest(np.ones((5, 2), np.float16), np.arange(5), np.array([2]), 9)
    assert found.rows.tolist() == [[0, 1, 3, 4]]


@pytest.mark.parametrize("scale", [1e-44, 1e-3, 1e37])
def test_unit_vectors_survive_the_ends_of_single_precision(scale):
    vectors = (np.array([[3, 4], [0, 0]]) * scale).astype(np.float32)
    np.testing.assert_allclose(unit(vectors), [[0.6, 0.8], [0, 0]], rtol=0.2)


def test_norms_zero_rows_and_constant_columns():
    matrix = np.array([[3, 4, 1], [0, 0, 1], [6, 8, 1], [99, 99, 99]], np.float32) - [0, 0, 1]
    found = numbers(matrix, masked=[3])
    assert (found.items, found.masked, found.dimension) == (4, 1, 3)
    assert (found.norms.min, found.norms.median, found.norms.max) == (0, 5, 10)
    assert found.zero_rows == pytest.approx(1 / 3)
    assert found.constant_columns == pytest.approx(1 / 3)


def test_equal_rows_are_grouped_and_named():
    matrix = drawn(20)
    matrix[[3, 5, 9]] = matrix[3]
    matrix[[1, 2]] = 0.0
    matrix[2] = -0.0
    found = numbers(matrix, masked=[9])
    assert found.repeated_rows == pytest.approx(4 / 19)
    assert {group.ids for group in found.repeated} == {("i3", "i5"), ("i1", "i2")}


def test_mean_cosine_is_that_of_all_pairs():
    matrix = drawn() + 1
    whole = cosines(matrix, matrix)
    expected = whole[~np.eye(len(matrix), dtype=bool)].mean()
    assert numbers(matrix).mean_cosine == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("n", [40, 400])  # fewer and more rows than columns: two ways to reckon
def test_isotropy_is_that_of_the_definitions(n):
    dim = 60
    matrix = drawn(n, dim, np.float64) * np.linspace(0.1, 3, dim)
    found = numbers(matrix)
    variance = np.zeros(dim)
    variance[: min(n, dim)] = np.linalg.svd(matrix - matrix.mean(axis=0))[1] ** 2
    # IsoScore as its authors reckon it (Rudman et al. 2022, section 4)
    scaled = np.sqrt(dim) * variance / np.linalg.norm(variance)
    defect = np.linalg.norm(scaled - 1) / np.sqrt(2 * (dim - np.sqrt(dim)))
    used = (dim - defect**2 * (dim - np.sqrt(dim))) ** 2 / dim**2
    assert found.isoscore == pytest.approx((dim * used - 1) / (dim - 1))
    share = np.sqrt(variance[variance > 0]) / np.sqrt(variance).sum()
    assert found.effective_rank == pytest.approx(np.exp(-(share * np.log(share)).sum()), rel=1e-6)
    assert found.first_component == pytest.approx(variance[0] / variance.sum())


def test_a_hub_is_found():
    matrix = np.eye(40, dtype=np.float32) + 0.02 * drawn(40, 40)
    matrix[7] = 1  # near to all, who are far from one another
    found = numbers(matrix)
    assert (found.hub.item, found.hub.times) == ("i7", 39)
    assert found.hubness > numbers(drawn(40)).hubness


def test_matching_pairs_retrieval_and_gap_in_one_space():
    image = drawn(60)
    text = image + 0.3 * drawn(60) + [1, 0, 0, 0, 0, 0]
    found = pair(("image", "text"), feature(image), feature(text)).one_space
    whole = cosines(image, text)
    assert found.matching == pytest.approx(np.diag(whole).mean(), abs=1e-6)
    assert found.random == pytest.approx(whole[~np.eye(60, dtype=bool)].mean(), abs=1e-6)
    best = whole.argmax(axis=1) == np.arange(60)
    assert found.recall["image-to-text@1"] == pytest.approx(best.mean())
    centroids = [(m / np.linalg.norm(m, axis=1)[:, None]).mean(axis=0) for m in (image, text)]
    assert found.gap == pytest.approx(np.linalg.norm(centroids[0] - centroids[1]), abs=1e-6)


def test_without_one_space_common_neighbours_still_tell():
    image = drawn(200, 8)
    text = image @ drawn(8, 8) @ np.eye(8, 30, dtype=np.float32)
    found = pair(("image", "text"), feature(image), feature(text, masked=[4]))
    assert (found.items, found.one_space) == (199, None)
    assert found.overlap > 4 * found.chance
    shuffled = pair(("image", "text"), feature(image), feature(DRAWN.permutation(text)))
    assert shuffled.overlap == pytest.approx(shuffled.chance, abs=0.03)


def test_neighbours_share_an_attribute_that_the_vectors_show():
    kinds = [None if row % 9 == 8 else "abc"[row % 3] for row in range(90)]
    matrix = np.eye(3)[np.arange(90) % 3] + 0.1 * drawn(90, 3)
    found = shared_attributes(feature(matrix), {"kind": kinds, "luck": list(range(90))})
    assert found["kind"].neighbours == 1
    assert found["kind"].random == pytest.approx(1 / 3, abs=0.05)
    assert found["luck"].neighbours == 0


def test_a_large_catalogue_is_sampled_always_alike():
    rows = np.arange(0, 2 * SIZE + 2, 2)
    taken = sample(rows)
    assert len(taken) == SIZE
    assert (np.diff(taken) > 0).all()
    assert np.isin(taken, rows).all()
    assert (taken == sample(rows)).all()
    assert sample(rows[:SIZE]).tolist() == rows[:SIZE].tolist()


def test_nothing_odd_gives_no_warning():
    image = drawn(200, 40)
    assert diagnosed(image=image, text=image @ drawn(40, 20)).warnings == ()


def odd(**made):
    return "\n".join(diagnosed(**made).warnings)


def test_each_oddity_is_told_in_words():
    image, one = drawn(200, 40), np.ones((200, 40), np.float32)
    half = np.where(np.arange(200)[:, None] < 60, image[0], image)
    flat = np.where(np.arange(40) < 8, 1.0, image)
    assert "narrow cone (mean cosine of random pairs 0.9" in odd(image=image + 4)
    assert "30 % of the rows equal another, up to 60 at once" in odd(image=half)
    assert "all rows are one and the same vector" in odd(image=one)
    assert "100 % of the rows are zero vectors" in odd(image=0 * one)
    assert "20 % of the columns never change" in odd(image=flat)
    assert "norms differ by a factor" in odd(image=image * np.geomspace(1, 9, 200)[:, None])
    assert "one direction holds" in odd(image=image * ([20] + [1] * 39))
    assert "have collapsed" in odd(image=image * ([1] + [1e-3] * 39))
    assert "two separate clouds" in odd(image=image + 1, text=image - 1)
    misaligned = odd(image=image, text=image[::-1])
    assert "image and text: they do not agree" in misaligned
    assert "items find themselves no better than by chance" in misaligned


def test_neighbours_that_share_nothing_are_told():
    kinds = ["abcd"[row % 4] for row in range(200)]
    features = FeatureSet(ids(200), {"image": feature(drawn(200))}, {})
    told = diagnose(features, {"kind": kinds}, {"image": ["kind"]}).warnings
    assert told == ("image: neighbours share kind no more often than random pairs do",)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("n", [1, 2, 11, 12])
@pytest.mark.parametrize("dim", [1, 3])
@pytest.mark.parametrize("make", [drawn, lambda n, dim: np.full((n, dim), 7.0, np.float16)])
def test_few_items_and_one_dimension_are_no_trouble(n, dim, make):
    found = diagnosed(image=make(n, dim), text=make(n, dim))
    assert found.modalities["image"].norms.max > 0
    assert all(len(row) == len(t.columns) + 1 for t in tables(found) for row in t.rows)


@pytest.mark.filterwarnings("error")
def test_a_modality_that_no_item_has():
    empty = Feature(np.zeros((4, 1), np.float32), np.zeros(4, bool))
    found = diagnose(FeatureSet(ids(4), {"image": empty, "text": feature(drawn(4))}, {}))
    assert found.modalities["image"].masked == 4
    assert found.pairs["image", "text"].items == 0
    assert "image: no item has a vector" in found.warnings
    assert "image" in tables(found)[0].text()
