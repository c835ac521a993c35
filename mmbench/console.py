"""Progress for a person: bars on a terminal, plain lines in a pipe; always on standard error."""

import sys
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

STEPS = 5  # plain lines a task


class Bars:
    """Bars with loss and validation score, for a terminal."""

    def __init__(self) -> None:
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=Console(stderr=True),
        )
        self._tasks: dict[str, int] = {}

    def __enter__(self) -> "Bars":
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._bars.stop()

    def advance(self, task: str, done: int, total: int, note: str = "") -> None:
        """Move the bar of a task, made when first heard of."""
        if task not in self._tasks:
            self._tasks[task] = self._bars.add_task(task, total=total, note=note)
        self._bars.update(self._tasks[task], completed=done, total=total, note=note)  # type: ignore[arg-type]

    def say(self, line: str) -> None:
        """Print a line above the bars."""
        self._bars.console.print(line, highlight=False, markup=False)


class Lines:
    """A few plain lines a task, for a pipe or a log file."""

    def __init__(self) -> None:
        self._shown: dict[str, int] = {}

    def __enter__(self) -> "Lines":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        sys.stderr.flush()

    def advance(self, task: str, done: int, total: int, note: str = "") -> None:
        """Print a line each fifth of a task."""
        step = STEPS * done // max(total, 1)
        if step > self._shown.get(task, 0) or task not in self._shown:
            self._shown[task] = step
            self.say(f"{task} {done}/{total} {note}".rstrip())

    def say(self, line: str) -> None:
        """Print a line."""
        print(line, file=sys.stderr, flush=True)


def console() -> Bars | Lines:
    """Return bars where standard error is a terminal, plain lines elsewhere."""
    return Bars() if sys.stderr.isatty() else Lines()
