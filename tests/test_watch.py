"""What a person sees of a sweep: counts, the best score, the time left; a table or plain lines."""

import io
import os
import pty
import subprocess
import sys

import pytest
from rich.console import Console

from mmbench.benchmark import Search
from mmbench.cells import Cell
from mmbench.home import Home
from mmbench.sweeps.history import FAILED, OK, STOPPED, History, Point
from mmbench.sweeps.job import Job
from mmbench.sweeps.survey import note_points
from mmbench.sweeps.tally import Tally, shown
from mmbench.sweeps.watch import duration, table


def cell(model, trials=4, seeds=(1, 2)):
    search = Search(trials=trials) if trials else None
    named = {"dataset": "shop", "encoder": "classic", "paradigm": "frozen", "model": model}
    return Cell(
        **named,
        request={},
        seeds=seeds,
        search=search,
        space={},
        select="recall@20",
        evaluations=5,
        identity=f"{model:0<64}",
    )


def point(number, status=OK, score=0.1):
    error = {"type": "E", "message": "m", "traceback": "t"} if status == FAILED else None
    return Point(number, {"a": number}, status, [[1, 0.5, score]], score, 1.0, error)


def job(number, place=0, kind="point"):
    return Job(place, "shop", kind, number, {"a": number})


@pytest.fixture
def tally():
    return Tally([cell("A"), cell("B", trials=0)])


def test_counts_and_the_best_point(tally):
    searched, plain = tally.rows
    assert tally.done == (0, 8)
    searched.points |= {0: point(0, score=0.2), 1: point(1, STOPPED, 0.3), 2: point(2, FAILED, 0.9)}
    plain.finals |= {1: 0.4, 2: None}
    assert (searched.stopped, searched.failed, searched.best) == (1, 1, 0.3)
    assert (plain.stopped, plain.failed, plain.best) == (0, 1, 0.4)
    assert tally.done == (5, 8)


def test_where_every_point_failed_nothing_is_left(tally):
    row = tally.rows[0]
    row.points |= {number: point(number, FAILED) for number in range(4)}
    assert (row.done, row.total, row.best) == (4, 4, None)


def test_the_time_left_follows_what_trainings_lasted(tally):
    assert tally.left(0.0) is None
    tally.began(job(0), 0.0)
    tally.began(job(1), 0.0)
    tally.ended(job(0), 10.0)
    tally.rows[0].points[0] = point(0)
    # Of the first cell four wait for 10 s each and one has run for 4 s; two run at once.
    assert tally.left(4.0, tally.rows[0]) == pytest.approx((4 * 10 + 6) / 2)
    # The second has finished none: its two are taken to last as long.
    assert tally.left(4.0) == pytest.approx((4 * 10 + 6 + 2 * 10) / 2)


def test_points_are_read_where_they_are_kept(tally, tmp_path):
    made, home = cell("A"), Home(tmp_path)
    history = History.of(made, home)
    history.write(point(0))
    history.write(point(9))  # of a search of more trials
    history.path(1).write_text('{"half')
    note_points(tally.rows[0], made, home)
    assert list(tally.rows[0].points) == [0]


def test_a_short_table_shows_the_cells_at_work():
    rows = Tally([cell(name) for name in "ABCD"]).rows
    rows[0].points |= {number: point(number) for number in range(4)}
    rows[0].finals |= {1: 0.1, 2: 0.1}
    rows[2].running["point", 0] = 0.0
    assert [row.name[-1] for row in shown(rows, 1)] == ["C"]
    assert [row.name[-1] for row in shown(rows, 3)] == ["B", "C", "D"]


def test_the_table(tally):
    tally.began(job(0), 0.0)
    tally.ended(job(0), 30.0)
    tally.rows[0].points[0] = point(0, STOPPED, 0.1234)
    drawn = Console(file=io.StringIO(), width=120)
    drawn.print(table(tally, 30.0, most=1))
    text = drawn.file.getvalue()
    assert "1 of 8 trainings, 4 min left" in text
    assert "shop · classic · frozen · A" in text
    assert "1/4" in text
    assert "recall@20 0.1234" in text
    assert "and 1 cells more" in text


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(None, "?"), (0.4, "0 s"), (59, "59 s"), (90, "2 min"), (3600, "1 h 00 min")],
)
def test_durations(seconds, said):
    assert duration(seconds) == said


CODE = """
from mmbench.home import Home
from mmbench.sweeps.watch import watching
with watching([], Home.find({home!r})):
    pass
print("result")
"""


def test_a_terminal_gets_a_table_and_a_pipe_gets_lines(tmp_path):
    words = [sys.executable, "-c", CODE.format(home=str(tmp_path))]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("result\n", "0 trainings in 0 cells\n")
    master, slave = pty.openpty()
    done = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=slave, text=True)
    os.close(slave)
    shown = b""
    while True:
        try:
            part = os.read(master, 4096)
        except OSError:
            break
        shown += part
        if not part:
            break
    assert done.communicate()[0] == "result\n"
    assert "best on validation" in shown.decode()
