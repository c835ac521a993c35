"""Comparisons on records: users matched by id, seeds averaged first, nothing silently dropped."""

import json

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

import mmbench
from mmbench.comparison import Bootstrap, compare, compare_family
from mmbench.errors import UsageError
from mmbench.records import Record
from mmbench.systems import system

QUICK = Bootstrap(resamples=200)
SETTINGS = {"epochs": 3, "stopping_step": 3}


@pytest.fixture(scope="module")
def real(toyshop_home):
    """Two real systems of two seeds each: (baseline, other)."""
    return [
        [
            mmbench.run(
                "VBPR",
                encoder,
                "toyshop",
                seed=seed,
                hyperparameters=SETTINGS,
                home=toyshop_home,
            )
            for seed in (1, 2)
        ]
        for encoder in ("classic", "oracle")
    ]


@pytest.fixture
def write(tmp_path):
    """Return what writes a record: an encoder's name, a seed, users and their recall."""

    def written(name, seed, users, recall, metric="recall@20", **changed):
        values = {
            "schema": 1,
            "status": changed.get("status", "ok"),
            "error": changed.get("error"),
            "trial": {"dataset": "shop", "protocol": "random", "model": "M", "encoder": name}
            | {"seed": seed, "hyperparameters": changed.get("settings", {})},
            "fingerprints": {"dataset": "d1", "protocol": "p1", "trial": f"{name:0<64}"}
            | changed.get("prints", {}),
            "encoder": {},
            "metrics": {
                "test": {metric: float(np.nanmean(np.clip(recall, 0, 1))), "itemcoverage@20": 0.5}
            },
        }
        values |= changed.get("values", {})
        record = Record(tmp_path / name / f"{name}-s{seed}.json", values)
        vectors = {"users": np.array(users), metric: np.array(recall, float)}
        record.write(vectors if changed.get("vectors", True) else None)
        return record

    return written


USERS = ["u1", "u2", "u3", "u4"]


def test_real_records_against_scipy(real):
    found = mmbench.compare(*real, bootstrap=QUICK)
    a, b = (np.mean([r.per_user()["recall@20"] for r in records], axis=0) for records in real)
    assert found.t_test.p == pytest.approx(stats.ttest_rel(b, a).pvalue)
    d = np.round(b - a, 12)
    assert found.wilcoxon.p == pytest.approx(stats.wilcoxon(d[d != 0]).pvalue)
    tests = [[r.values["metrics"]["test"]["recall@20"] for r in records] for records in real]
    assert found.baseline.mean == pytest.approx(np.mean(tests[0]))
    assert found.system.mean == pytest.approx(np.mean(tests[1]))
    assert found.system.deviation == pytest.approx(np.std(tests[1], ddof=1))
    assert found.difference == pytest.approx(np.mean(tests[1]) - np.mean(tests[0]))
    assert found.relative == pytest.approx(found.difference / np.mean(tests[0]))
    low, high = found.interval
    assert low < found.difference < high
    assert found.d_z == pytest.approx(d.mean() / d.std(ddof=1))
    assert (found.better, found.equal, found.worse) == (
        (d > 0).sum(),
        (d == 0).sum(),
        (d < 0).sum(),
    )
    assert found.users == len(a)
    assert (found.t_test_holm, found.wilcoxon_holm) == (found.t_test.p, found.wilcoxon.p)
    assert found.notes == ()


def test_the_other_way_round_is_the_negative(real):
    one, back = compare(*real, bootstrap=QUICK), compare(*real[::-1], bootstrap=QUICK)
    assert back.difference == pytest.approx(-one.difference)
    assert back.t_test.p == pytest.approx(one.t_test.p)
    assert (back.better, back.worse) == (one.worse, one.better)


def test_a_system_with_itself(real):
    found = compare(real[0], real[0], bootstrap=QUICK)
    assert (found.difference, found.d_z, found.t_test.p, found.wilcoxon.p) == (0, 0, 1, 1)
    assert found.interval == (0, 0)
    assert (found.equal, found.wilcoxon.n) == (found.users, 0)


def test_seeds_are_no_further_users(write):
    """Copying a seed changes no p; a user is averaged over the seeds by id, in whatever order."""
    recall = [0.0, 0.25, 0.5, 0.75]
    a = [write("a", 1, USERS, [0.1, 0.0, 0.3, 0.2])]
    b = [write("b", 1, USERS, recall)]
    twice = [*b, write("b", 2, USERS[::-1], recall[::-1])]
    thrice = [*twice, write("b", 3, USERS, np.array(recall) + 0.03)]
    one, two = compare(a, b, bootstrap=QUICK), compare(a, twice, bootstrap=QUICK)
    assert two.t_test == one.t_test
    assert two.wilcoxon == one.wilcoxon
    assert two.system.deviation == 0
    assert two.users == 4
    assert compare(a, thrice, bootstrap=QUICK).difference == pytest.approx(one.difference + 0.01)


def test_seeds_may_be_chosen(write):
    a = [write("a", seed, USERS, [seed / 10] * 4) for seed in (1, 2, 3)]
    b = [write("b", seed, USERS, [seed / 5] * 4) for seed in (1, 2)]
    found = compare(a, b, seeds=[2], bootstrap=QUICK)
    assert (found.baseline.seeds, found.baseline.mean) == ((2,), pytest.approx(0.2))
    assert found.difference == pytest.approx(0.2)
    with pytest.raises(UsageError, match="M/b has no record of seed 3; it has: 1, 2"):
        compare(a, b, seeds=[3])


def test_different_numbers_of_seeds_are_told(write):
    a = [write("a", seed, USERS, [0.1, 0.2, 0.3, 0.4]) for seed in (1, 2)]
    notes = compare(a, write("b", 1, USERS, [0.1, 0.2, 0.3, 0.5]), bootstrap=QUICK).notes
    assert "different numbers of seeds (M/a 2, M/b 1)" in notes[0]
    assert "one seed of M/b" in notes[1]


def test_users_in_common(write):
    a = write("a", 1, ["u1", "u2", "u3"], [0.1, 0.2, 0.3])
    b = write("b", 1, ["u9", "u3", "u2", "u8"], [0.9, 0.4, 0.5, 0.8])
    found = compare(a, b, bootstrap=QUICK)
    assert found.users == 2
    assert found.difference == pytest.approx((0.1 + 0.3) / 2)
    assert any(note.startswith("M/a: 1 of its users") for note in found.notes)
    assert any(note.startswith("M/b: 2 of its users") for note in found.notes)
    with pytest.raises(UsageError, match="no user in common"):
        compare(a, write("c", 1, ["v1"], [0.2]))
    with pytest.raises(UsageError, match="two users at least, there is one"):
        compare(a, write("d", 1, ["u1"], [0.2]))


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"prints": {"dataset": "d2"}}, "their dataset differs"),
        ({"prints": {"protocol": "p2"}}, "their protocol differs"),
        ({"values": {"dropped": {"items": 3}}}, "their catalogue differs"),
    ],
)
def test_other_test_sets_are_refused(write, changed, told):
    a, b = write("a", 1, USERS, [0.1] * 4), write("b", 1, USERS, [0.2] * 4, **changed)
    with pytest.raises(UsageError, match=told):
        compare(a, b)


def test_records_without_vectors_are_refused_with_the_reason(write):
    a, b = write("a", 1, USERS, [0.1] * 4), write("b", 1, USERS, [0.2] * 4, vectors=False)
    with pytest.raises(UsageError, match=r"b-s1\.json: its per-user metrics .* not beside it"):
        compare(a, b)
    b.path.with_suffix(".npz").write_bytes(b"PK\x03\x04 half a file")
    with pytest.raises(UsageError, match=r"cannot read the per-user metrics .*b-s1\.npz"):
        compare(a, b)


def test_metrics_that_cannot_be_tested(write):
    a, b = write("a", 1, USERS, [0.1] * 4), write("b", 1, USERS, [0.2] * 4)
    with pytest.raises(UsageError, match="the nearest is recall@20"):
        compare(a, b, metric="recal@20")
    with pytest.raises(UsageError, match="of all lists together"):
        compare(a, b, metric="itemcoverage@20")


def test_nan_is_refused_naming_record_and_user(write):
    a = write("a", 1, USERS, [0.1] * 4)
    with pytest.raises(UsageError, match=r"b-s1\.json: recall@20 of user u3 is NaN"):
        compare(a, write("b", 1, USERS, [0.1, 0.2, np.nan, 0.3]))
    with pytest.raises(UsageError, match=r"b-s4\.json: recall@20 of user u2 is infinite"):
        compare(a, write("b", 4, USERS, [0.1, np.inf, 0.2, 0.3]))
    mean = {"metrics": {"test": {"recall@20": float("nan")}}}
    with pytest.raises(UsageError, match=r"b-s2\.json: recall@20 is nan"):
        compare(a, write("b", 2, USERS, [0.1] * 4, values=mean))
    never = [write(name, 3, USERS, [0.1, *[np.nan] * 3]) for name in "ab"]
    for record in never:
        vectors = {"users": np.array(USERS), "recall@20": np.full(4, np.nan)}
        record.write(vectors)
    with pytest.raises(UsageError, match="NaN for every user"):
        compare(*never)


def test_users_of_whom_a_metric_says_nothing_are_counted(write):
    """Recall of rare items: NaN for the same users in all records, as they hold out none."""
    a = write("a", 1, USERS, [0.1, np.nan, 0.3, 0.2], metric="recall-tail@20")
    b = write("b", 1, USERS[::-1], [0.4, 0.5, np.nan, 0.1], metric="recall-tail@20")
    found = compare(a, b, metric="recall-tail@20", bootstrap=QUICK)
    assert found.users == 3
    assert found.difference == pytest.approx((0.0 + 0.2 + 0.2) / 3)
    assert any("1 users of whom recall-tail@20 says nothing" in note for note in found.notes)


def test_a_user_twice_is_refused(write):
    a, b = write("a", 1, USERS, [0.1] * 4), write("b", 1, ["u1", "u1", "u2", "u3"], [0.2] * 4)
    with pytest.raises(UsageError, match=r"b-s1\.json: a user stands twice"):
        compare(a, b)


def test_a_family_is_corrected_together(write):
    rng = np.random.default_rng(0)
    users = [f"u{n}" for n in range(90)]
    base = rng.uniform(size=90)
    a = write("a", 1, users, base)
    others = [
        write(name, 1, users, base + rng.normal(step, 0.2, 90))
        for name, step in (("b", 0.0), ("c", 0.06), ("d", 0.1), ("e", 0.0))
    ]
    family = compare_family(a, others, bootstrap=QUICK)
    for test in ("t_test", "wilcoxon"):
        p = [getattr(each, test).p for each in family]
        corrected = [getattr(each, f"{test}_holm") for each in family]
        assert corrected == pytest.approx(multipletests(p, method="holm")[1])
        assert any(c > each for c, each in zip(corrected, p, strict=True))
    assert {each.family for each in family} == {4}
    alone = compare(a, others[1], bootstrap=QUICK)
    assert alone.t_test == family[1].t_test
    assert alone.interval == pytest.approx(family[1].interval)
    with pytest.raises(UsageError, match="two systems at least"):
        compare_family(a, [])


def test_nothing_of_a_comparison_breaks_json(write):
    """A baseline of zeros has no relative difference, one constant gain an infinite effect."""
    a, b = write("a", 1, USERS, [0.0] * 4), write("b", 1, USERS, [0.2] * 4)
    found = compare(a, b, bootstrap=QUICK)
    assert (found.relative, found.d_z, found.t_test.p) == (None, np.inf, 0)
    values = json.loads(json.dumps(found.json_values(), allow_nan=False))
    assert values["d_z"] is values["t_test"]["statistic"] is None
    assert values["system"]["seeds"] == [1]


def test_several_trials_are_no_system(write):
    records = [write("a", 1, USERS, [0.1] * 4, settings={"layers": 1})]
    records += [write("b", 1, USERS, [0.1] * 4, settings={"layers": 2})]
    with pytest.raises(UsageError, match="2 trials match, .*encoder a, .*encoder b"):
        system(records)


def test_failed_seeds_are_told(write):
    error = {"type": "ValueError", "message": "the model's scores are NaN"}
    whole = [write("b", seed, USERS, [0.1, 0.2, 0.3, 0.5]) for seed in (1, 2)]
    broken = write("b", 3, USERS, [0.1] * 4, status="failed", error=error)
    a = [write("a", seed, USERS, [0.1, 0.2, 0.3, 0.4]) for seed in (1, 2)]
    notes = compare(a, [broken, *whole], bootstrap=QUICK).notes
    assert notes == ("M/b: b-s3.json: seed 3 is left out, it failed: the model's scores are NaN",)
    with pytest.raises(UsageError, match="no whole record .*scores are NaN"):
        compare(a, broken)
