"""A sweep for the person who waits: a live table on a terminal, plain lines in a pipe."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import monotonic
from types import TracebackType
from typing import Any

from ray import tune
from rich.console import Console
from rich.live import Live
from rich.table import Table

from mmbench.cells import Cell
from mmbench.home import Home
from mmbench.sweeps.history import FAILED, STOPPED, Point
from mmbench.sweeps.job import Job
from mmbench.sweeps.job_error import error_in
from mmbench.sweeps.survey import note_points, survey
from mmbench.sweeps.tally import Row, Tally, shown

_REFRESH = 0.5  # seconds between two tables
_AROUND = 7  # lines of a terminal that the rows of a table must leave free


@contextmanager
def watching(cells: Sequence[Cell], home: Home) -> Iterator["Watch"]:
    """Yield the callback that shows a sweep on standard error, in the way that suits it."""
    tally = Tally(cells)
    survey(tally, cells, home)
    with Screen(tally) if sys.stderr.isatty() else Lines(tally) as view:
        yield Watch(tally, cells, home, view)


class Lines:
    """A line each time a training is over, for a pipe or a log file."""

    def __init__(self, tally: Tally) -> None:
        done, total = tally.done
        known = f", {done} of them known" if done else ""
        self.say(f"{total} trainings in {len(tally.rows)} cells{known}")

    def __enter__(self) -> "Lines":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        sys.stderr.flush()

    def say(self, line: str) -> None:
        """Print a line."""
        print(line, file=sys.stderr, flush=True)

    def refresh(self, now: float) -> None:
        """Show nothing between two lines."""


class Screen:
    """A table that changes, for a terminal; what breaks is said above it."""

    def __init__(self, tally: Tally) -> None:
        self._tally, self._last = tally, 0.0
        self._console = Console(stderr=True)
        self._live = Live(console=self._console, auto_refresh=False, redirect_stdout=False)

    def __enter__(self) -> "Screen":
        self._live.start()
        self._draw(monotonic())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._draw(monotonic())
        self._live.stop()

    def say(self, line: str) -> None:
        """Print a line above the table if it tells of a failure; the table shows the others."""
        if FAILED in line:
            self._console.print(line, highlight=False, markup=False)

    def refresh(self, now: float) -> None:
        """Draw the table anew, not more often than a person can read."""
        if now - self._last > _REFRESH:
            self._draw(now)

    def _draw(self, now: float) -> None:
        self._last = now
        most = max(self._console.height - _AROUND, 1)
        self._live.update(table(self._tally, now, most), refresh=True)


def table(tally: Tally, now: float, most: int) -> Table:
    """Return the table of a sweep with so many rows at most."""
    done, total = tally.done
    left = duration(tally.left(now))
    drawn = Table(title=f"{done} of {total} trainings, {left} left", title_justify="left")
    drawn.add_column("cell", overflow="ellipsis", ratio=1)
    for name in ("points", "seeds", "running", "stopped", "failed"):
        drawn.add_column(name, justify="right", no_wrap=True)
    drawn.add_column("best on validation", no_wrap=True)
    drawn.add_column("left", justify="right", no_wrap=True)
    rows = shown(tally.rows, most)
    for row in rows:
        drawn.add_row(*_texts(row), duration(tally.left(now, row)))
    hidden = len(tally.rows) - len(rows)
    drawn.caption = f"and {hidden} cells more" if hidden else None
    return drawn


def _texts(row: Row) -> list[str]:
    counts = [row.stopped, row.failed]
    return [
        row.name,
        f"{len(row.points)}/{row.trials}" if row.trials else "",
        f"{len(row.finals)}/{row.seeds}",
        str(len(row.running) or ""),
        *(str(count or "") for count in counts),
        "" if row.best is None else f"{row.select} {row.best:.4f}",
    ]


def duration(seconds: float | None) -> str:
    """Return a time as a person says it: 40 s, 12 min, 3 h 05 min."""
    if seconds is None:
        return "?"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"


class Watch(tune.Callback):
    """Keeps the tally of a sweep and tells the view what happens."""

    def __init__(
        self, tally: Tally, cells: Sequence[Cell], home: Home, view: Lines | Screen
    ) -> None:
        self._tally, self._cells, self._home, self._view = tally, cells, home, view

    def on_trial_start(self, *_: Any, **info: Any) -> None:
        """Note that a training began."""
        self._tally.began(Job.of(info["trial"].config), monotonic())

    def on_trial_complete(self, *_: Any, **info: Any) -> None:
        """Note what became of a training."""
        job, last = Job.of(info["trial"].config), info["trial"].last_result or {}
        if job.kind == "final":
            self._tally.rows[job.cell].finals[job.number] = last.get("score")
        self._ended(job, None)

    def on_trial_recover(self, *_: Any, **info: Any) -> None:
        """Say that a training failed and begins again."""
        job = Job.of(info["trial"].config)
        self._tally.ended(job, monotonic())
        self._view.say(f"{job.title}: {FAILED}, tried again: {_reason(info['trial'])}")

    def on_trial_error(self, *_: Any, **info: Any) -> None:
        """Note that a training failed."""
        job = Job.of(info["trial"].config)
        if job.kind == "final":
            self._tally.rows[job.cell].finals[job.number] = None
        self._ended(job, f"{FAILED}: {_reason(info['trial'])}")

    def on_step_end(self, *_: Any, **_info: Any) -> None:
        """Let the view move on."""
        self._view.refresh(monotonic())

    def _ended(self, job: Job, failure: str | None) -> None:
        row, cell, now = self._tally.rows[job.cell], self._cells[job.cell], monotonic()
        note_points(row, cell, self._home)
        seconds = self._tally.ended(job, now)
        told = failure or _told(row, cell, job)
        if told is not None:
            done, total = self._tally.done
            self._view.say(f"{done}/{total} {job.title}: {told}, {duration(seconds)}")
        self._view.refresh(now)


def _told(row: Row, cell: Cell, job: Job) -> str | None:
    """Return how a training went well; None where nothing is kept of it."""
    if job.kind == "final":
        score = row.finals.get(job.number)
        return None if score is None else f"{row.select} {score:.4f}"
    point = row.points.get(job.number)
    return None if point is None else _of_point(point, row.select, cell.evaluations)


def _of_point(point: Point, select: str, evaluations: int) -> str:
    score = "no score" if point.score is None else f"{select} {point.score:.4f}"
    if point.status != STOPPED:
        return score
    return f"{score}, stopped early after {len(point.scores)} of {evaluations} evaluations"


def _reason(trial: Any) -> str:
    error = error_in(trial.error_file)
    return " ".join(f"{error['type']}: {error['message']}".split())
