"""The time of a training is told from records that are like it, or said to be unknown."""

import pytest

from mmbench.estimate import Timing, estimate, in_words, timings
from mmbench.trial import run

SLOW = Timing("VBPR", "cpu", epoch=2.0, epochs=10, ended=False, rank=1.0)
ENDED = Timing("LATTICE", "cpu", epoch=3.0, epochs=40, ended=True, rank=1.0)
UNTRAINED = Timing("Pop", "cpu", epoch=0.0, epochs=0, ended=False, rank=0.5)
KNOWN = (SLOW, ENDED, UNTRAINED)


def test_what_ran_to_its_end_takes_its_time_an_epoch():
    assert SLOW.seconds(100) == 201.0


def test_what_stopped_by_itself_will_do_so_again():
    assert ENDED.seconds(300) == 121.0
    assert ENDED.seconds(10) == 31.0


@pytest.mark.parametrize(
    ("model", "epochs", "seconds", "basis"),
    [
        ("VBPR", 10, 21.0, "records of VBPR"),
        ("FREEDOM", 10, (21.0 + 31.0) / 2, "records of other recommenders"),
        ("Pop", None, 0.5, "records of Pop"),
        ("ItemKNN", None, 0.5, "records of other recommenders"),
    ],
)
def test_the_same_recommender_goes_before_others(model, epochs, seconds, basis):
    found = estimate(KNOWN, "toyshop", model, "cpu", epochs)
    assert (found.seconds, found.basis) == (seconds, basis)


def test_points_of_a_search_tell_more_than_other_recommenders():
    points = [
        Timing("FREEDOM", "cpu", epoch=seconds, epochs=4, ended=False, rank=0.0)
        for seconds in (7.0, 9.0, 20.0)
    ]
    found = estimate(KNOWN, "toyshop", "FREEDOM", "cpu", 10, points)
    assert (found.seconds, found.basis) == (90.0, "searches of FREEDOM")
    assert estimate([], "toyshop", "FREEDOM", "cpu", 10, points).seconds == 90.0
    points = [Timing("VBPR", "cpu", epoch=9.0, epochs=4, ended=False, rank=0.0)]
    assert estimate(KNOWN, "toyshop", "VBPR", "cpu", 10, points).basis == "records of VBPR"


def test_another_kind_of_device_tells_nothing():
    found = estimate(KNOWN, "toyshop", "VBPR", "cuda", 10)
    assert found.seconds is None
    assert "no record of toyshop" in found.basis


def test_records_are_read_and_damaged_ones_left_out(toyshop_home):
    before = len(timings(toyshop_home, "toyshop"))
    settings = {"epochs": 3, "embedding_size": 7}
    record = run("BPR", None, "toyshop", hyperparameters=settings, device="cpu", home=toyshop_home)
    (damaged := record.path.with_name("damaged.json")).write_text("{")
    try:
        found = timings(toyshop_home, "toyshop")
    finally:
        damaged.unlink()
    assert len(found) == before + 1
    seconds = record.values["seconds"]
    made = Timing("BPR", "cpu", seconds["train"] / 3, 3, False, seconds["rank"])
    assert made in found
    assert timings(toyshop_home, "nowhere") == []


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0.2, "1 s"),
        (89, "89 s"),
        (720, "12 min"),
        (12000, "3 h 20 min"),
        (187200, "2 d 4 h"),
    ],
)
def test_a_span_in_words(seconds, told):
    assert in_words(seconds) == told
