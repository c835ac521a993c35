"""Marks against a baseline: SciPy's test, corrected over the table; or the reason why not."""

import numpy as np
import pytest
from board_records import add
from scipy import stats

from mmbench.board.leaderboard import leaderboard
from mmbench.errors import UsageError

USERS = 200
METRIC = {"metrics": ["recall@20"]}


@pytest.fixture
def vectors():
    """Per-user recall of a baseline, of one as good, and of a better one; two seeds each."""
    draw = np.random.default_rng(0)
    base = draw.random((2, USERS))
    return {
        "base": base,
        "same": base + draw.normal(0, 0.1, (2, USERS)),
        "more": base + 0.1 + draw.normal(0, 0.1, (2, USERS)),
    }


def write(folder, vectors, model="VBPR"):
    for encoder, values in vectors.items():
        for seed, per_user in enumerate(values, 1):
            add(folder, model, encoder, seed, float(per_user.mean()), per_user)


def entries(board):
    """Return the labels of a flat row → its entry."""
    (table,) = board.tables
    return {row.labels[:2]: row.entries[0] for row in table.rows}


def test_the_mark_is_that_of_the_paired_t_test_over_users(tmp_path, vectors):
    write(tmp_path, vectors)
    board = leaderboard(tmp_path, compare="base", **METRIC)
    found = entries(board)
    means = {name: values.mean(axis=0) for name, values in vectors.items()}
    p = {name: stats.ttest_rel(means[name], means["base"]).pvalue for name in ("same", "more")}
    small, large = sorted(p, key=p.get)
    assert found["VBPR", small].p == pytest.approx(2 * p[small])
    assert found["VBPR", large].p == pytest.approx(p[large])
    assert found["VBPR", "base"].p is None
    assert found["VBPR", "more"].marks == ("†",)
    assert found["VBPR", "same"].marks == ()
    text = board.markdown()
    assert "± " in text
    assert "† differs from base, p < 0.05: paired t-test over users, Holm–Bonferroni" in text
    assert "over the 2 comparisons of a metric" in text
    assert "significant" not in text
    assert r"$^{\dagger}$" in board.latex()


def test_a_recommender_is_compared_on_the_same_encoder(tmp_path, vectors):
    write(tmp_path, vectors, "VBPR")
    write(tmp_path, {name: values + 0.05 for name, values in vectors.items()}, "FREEDOM")
    board = leaderboard(tmp_path, by=["model"], columns=["encoder"], compare="VBPR", **METRIC)
    freedom, vbpr = board.tables[0].rows
    assert all(entry.p is not None and entry.p < 1e-9 for entry in freedom.entries)
    assert [entry.p for entry in vbpr.entries] == [None] * 3
    one = entries(leaderboard(tmp_path, compare="VBPR/base", **METRIC))
    assert sum(entry.p is not None for entry in one.values()) == 5


def test_no_vectors_no_test_but_a_table(tmp_path, vectors):
    write(tmp_path, vectors)
    add(tmp_path, "VBPR", "bare", 1, 0.5)
    add(tmp_path, "BPR", "id", 1, 0.1)
    board = leaderboard(tmp_path, compare="base", **METRIC)
    assert len(board.tables[0].rows) == 5
    other, bare = sorted(board.left_out)
    assert "VBPR bare: not tested" in bare
    assert "per-user metrics" in bare
    assert "BPR id: not tested: no trial is its baseline base" in other
    assert "over the 2 comparisons" in board.markdown()


def test_other_users_are_told(tmp_path, vectors):
    write(tmp_path, {"base": vectors["base"], "fewer": vectors["more"][:, :150]})
    board = leaderboard(tmp_path, compare="base", **METRIC)
    assert entries(board)["VBPR", "fewer"].p < 1e-9
    assert board.left_out == (
        "shop · VBPR fewer: tested over the 150 users of all its records",
    )  # fmt: skip


def test_a_baseline_of_several_trials_is_not_guessed(tmp_path, vectors):
    write(tmp_path, vectors)
    add(tmp_path, "VBPR", "base", 1, 0.5, vectors["more"][0], print_="another")
    board = leaderboard(tmp_path, compare="base", **METRIC)
    assert all("2 trials are its baseline base" in line for line in board.left_out)
    assert len(board.left_out) == 2
    assert "†" not in board.markdown()


def test_an_unknown_baseline(tmp_path, vectors):
    write(tmp_path, vectors)
    with pytest.raises(UsageError, match="--compare VPBR: the nearest is VBPR"):
        leaderboard(tmp_path, compare="VPBR")
