"""Questions without a test: rank correlation, test-selection optimism, the Pareto front."""

import json

import numpy as np
import pytest
from scipy.stats import kendalltau, spearmanr
from study_records import answer, bare, content, control, put

import mmbench
from mmbench.questions.quality_cost import dominators
from mmbench.questions.ranking import kendall, spearman


def ask(folder, question, **options):
    return answer(mmbench.report(folder, questions=[question], **options), question)


@pytest.mark.parametrize(("high", "size"), [(1000, 30), (4, 12)], ids=["no ties", "ties"])
def test_correlations_are_those_of_scipy(high, size):
    for seed in range(5):
        one, other = np.random.default_rng(seed).integers(0, high, (2, size))
        assert kendall(one, other) == pytest.approx(kendalltau(one, other).statistic)
        assert spearman(one, other) == pytest.approx(spearmanr(one, other).statistic)
    assert kendall([1, 1, 1], [1, 2, 3]) is None


def order(folder, model, reached, **more):
    encoders = ("clip", "siglip", "classic", "vlmo")
    for encoder, value in zip(encoders, reached, strict=True):
        put(folder, model, encoder, value, **more)


def test_encoders_across_recommenders(tmp_path):
    order(tmp_path, "VBPR", (0.1, 0.2, 0.3, 0.4))
    order(tmp_path, "BM3", (0.1, 0.2, 0.4, 0.3))  # one of six pairs is the other way round
    put(tmp_path, "VBPR", "noise", 0.0, control())
    put(tmp_path, "BM3", "noise", 0.0, control())
    told = ask(tmp_path, "rank-correlation")
    (row,) = told.rows
    assert row["n"] == 4  # without the control
    assert row["tau"] == pytest.approx(4 / 6)
    assert row["rho"] == pytest.approx(0.8)
    assert "Kendall's tau +0.67, Spearman's rho +0.80 (4 ranked)" in told.verdict
    assert any("prepare shop anew with --protocol" in note for note in told.notes)


def test_systems_across_protocols_of_one_dataset(tmp_path):
    order(tmp_path, "VBPR", (0.1, 0.2, 0.3, 0.4))
    later = {"protocol": "global-time", "rule": "p2", "version": "d2"}
    order(tmp_path, "VBPR", (0.4, 0.3, 0.2, 0.1), **later)
    order(tmp_path, "VBPR", (0.4, 0.3, 0.2, 0.1), dataset="other", **later | {"version": "d3"})
    told = ask(tmp_path, "rank-correlation")
    (row,) = told.rows
    assert (row["across"], row["n"], row["tau"]) == ("protocols", 4, -1)
    assert {row["one"], row["other"]} == {"random", "global-time"}


def test_folders_of_the_same_files_are_one_dataset(tmp_path):
    home = tmp_path / "home"
    for name, rule, version in (("shop", "p1", "d1"), ("shop-by-time", "p2", "d2")):
        order(
            home / "results", "VBPR", (0.1, 0.2, 0.3, 0.4), dataset=name, rule=rule, version=version
        )
        manifest(home, name, version, {"ratings.csv": "abc"})
    order(home / "results", "VBPR", (0.1, 0.2, 0.3, 0.4), dataset="third", rule="p3", version="d3")
    manifest(home, "third", "d3", {"ratings.csv": "another"})
    (row,) = ask(None, "rank-correlation", home=home).rows
    assert {row["one"], row["other"]} == {"shop · random (p1)", "shop-by-time · random (p2)"}


def manifest(home, name, version, inputs):
    keys = ("protocol", "split", "counts", "attributes", "unreadable_pictures", "files")
    values = {"schema": 1, "fingerprint": version, "inputs": inputs, **dict.fromkeys(keys)}
    path = home / "datasets" / name / "dataset.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(values))


def test_optimism_is_the_best_on_test_less_the_best_on_validation(tmp_path):
    for print_, valid, test in (("a", 0.30, 0.20), ("b", 0.25, 0.26), ("c", 0.10, 0.10)):
        put(tmp_path, "VBPR", "classic", test, valid=valid, print_=print_)
    for print_, valid, test in (("d", 0.3, 0.3), ("e", 0.2, 0.2)):
        put(tmp_path, "BM3", "classic", test, valid=valid, print_=print_)
    put(tmp_path, "GRCN", "classic", 0.3)
    told = ask(tmp_path, "test-selection")
    found = {row["model"]: row for row in told.rows}
    assert set(found) == {"VBPR", "BM3"}
    assert found["VBPR"]["optimism"] == pytest.approx(0.06)
    assert found["VBPR"]["relative"] == pytest.approx(0.3)
    assert found["BM3"]["optimism"] == 0
    assert "more in 1 of 2 cells" in told.verdict
    assert "+15.0% at the median, +30.0% at most" in told.verdict


def test_optimism_is_measured_over_the_seeds_of_all_points(tmp_path):
    put(tmp_path, "VBPR", "classic", 0.2, valid=0.3, print_="a", seeds=[1, 2, 3])
    put(tmp_path, "VBPR", "classic", 0.9, valid=0.9, print_="b", seeds=[4])
    told = ask(tmp_path, "test-selection")
    assert told.rows == ()
    assert "no cell has 2 points that were tested with the same seeds" in told.verdict
    assert any("--no-search --set learning_rate=" in note for note in told.notes)
    put(tmp_path, "VBPR", "classic", 0.5, valid=0.1, print_="b", seeds=[2])
    (row,) = ask(tmp_path, "test-selection").rows
    assert (row["seeds"], row["points"]) == (1, 2)
    assert row["optimism"] == pytest.approx(0.3)


def test_a_search_alone_says_nothing_of_optimism(tmp_path):
    put(tmp_path, "VBPR", "classic", 0.2, search={"algorithm": "tpe", "trials": 20, "points": []})
    told = ask(tmp_path, "test-selection")
    assert told.verdict.startswith("These records do not answer it")
    assert "1 systems were chosen by a search" in told.notes[-1].replace("1 system ", "1 systems ")


def cost(encode, train, memory):
    return {"seconds": {"encode": encode, "train": train}, "memory": {"host_peak_mb": memory}}


def test_the_front_is_that_of_hand_made_points(tmp_path):
    put(tmp_path, "VBPR", "clip", 0.5, **cost(50, 50, 900.0))  # the best
    put(tmp_path, "VBPR", "classic", 0.4, **cost(1, 9, 500.0))  # cheap, and good
    put(tmp_path, "VBPR", "siglip", 0.4, **cost(1, 10, 400.0))  # dearer in seconds, not in memory
    put(tmp_path, "VBPR", "vlmo", 0.3, **cost(100, 100, 1000.0))  # dominated by all
    put(tmp_path, "BPR", "id", 0.1, bare(), **cost(None, 1, 100.0))  # the cheapest
    put(tmp_path, "VBPR", "noise", 0.9, control(), **cost(0, 0, 1.0))  # a control is on no front
    told = ask(tmp_path, "quality-cost")
    found = {row["system"]: row for row in told.rows}
    assert {name for name, row in found.items() if row["seconds_front"]} == {
        "VBPR clip",
        "VBPR classic",
        "BPR id",
    }
    assert {name for name, row in found.items() if row["memory_mb_front"]} == {
        "VBPR clip",
        "VBPR siglip",
        "BPR id",
    }
    assert found["VBPR siglip"]["seconds_dominated_by"] == ["VBPR classic"]
    assert set(found["VBPR vlmo"]["seconds_dominated_by"]) == {"VBPR clip", "VBPR classic"}
    assert found["VBPR clip"]["seconds"] == 100
    assert "3 of 5 on that of recall@20 against seconds" in told.verdict


def test_fine_tuning_is_part_of_the_cost(tmp_path):
    tuned = content(weights="finetuned", finetuned={"encoder": "clip", "seconds": 1000})
    name = "clip@finetuned:0123456789ab"
    put(tmp_path, "VBPR", name, 0.5, tuned, paradigm="finetuned", **cost(1, 1, 1.0))
    put(tmp_path, "VBPR", "clip", 0.4, **cost(1, 1, 1.0))
    found = {row["system"]: row["seconds"] for row in ask(tmp_path, "quality-cost").rows}
    assert found == {f"VBPR {name}": 1002, "VBPR clip": 2}


def test_equal_systems_do_not_dominate_each_other():
    assert not dominators([0.5, 0.5], [1, 1]).any()
    assert dominators([0.5, 0.4], [1, 1]).tolist() == [[False, False], [True, False]]


def test_tables_have_their_own_fronts(tmp_path):
    for rule, protocol in (("p1", "random"), ("p2", "global-time")):
        place = {"rule": rule, "protocol": protocol, "version": f"d{rule}"}
        high = 0.5 if rule == "p1" else 0.2
        put(tmp_path, "VBPR", "clip", high, **cost(1, 1, 1.0), **place)
        put(tmp_path, "BM3", "clip", high / 2, **cost(2, 2, 2.0), **place)
    told = ask(tmp_path, "quality-cost")
    fronts = {(row["protocol"], row["system"]) for row in told.rows if row["seconds_front"]}
    assert fronts == {("random", "VBPR clip"), ("global-time", "VBPR clip")}
    assert "the fronts of 2 tables" in told.verdict
