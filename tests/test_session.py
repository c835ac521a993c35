"""A training in a thread: one report ahead, no further, and over when it is told so."""

import threading

import pytest

from mmbench.sweeps.session import Session


class Counting:
    """Reports 1, 2, ... and says how far it came."""

    def __init__(self, reports):
        self.reports, self.reached = reports, 0
        self.passed = threading.Semaphore(0)

    def __call__(self, report):
        for number in range(1, self.reports + 1):
            self.reached = number
            self.passed.release()
            report({"number": number})
        return {"done": True}

    def wait(self, times):
        for _ in range(times):
            assert self.passed.acquire(timeout=10)


def test_reports_come_in_order_and_the_last_one_is_what_the_work_returns():
    session = Session(Counting(3))
    assert [session.next().get("number") for _ in range(4)] == [1, 2, 3, None]


def test_work_is_one_report_ahead_and_no_further():
    work = Counting(10)
    session = Session(work)
    session.next()
    session.next()
    work.wait(3)
    assert not work.passed.acquire(timeout=0.2)
    assert work.reached == 3
    session.stop()
    assert work.reached == 3


def test_what_the_work_raises_is_raised_where_it_would_have_reported():
    def work(report):
        report({"number": 1})
        raise ValueError("broken")

    session = Session(work)
    assert session.next() == {"number": 1}
    with pytest.raises(ValueError, match="broken"):
        session.next()


def test_stopped_work_leaves_its_thread_whatever_it_was_at():
    for asked in range(4):
        session = Session(Counting(2))
        for _ in range(min(asked, 3)):
            session.next()
        session.stop()
        assert not session._thread.is_alive()
