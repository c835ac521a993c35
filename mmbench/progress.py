"""What long work tells the person who waits: a contract, and the silent answer to it."""

from typing import Protocol


class Progress(Protocol):
    """Something that shows how far a task has come."""

    def advance(self, task: str, done: int, total: int, note: str = "") -> None:
        """Show that `done` of `total` steps of a task are over; `note` is a short remark."""

    def say(self, line: str) -> None:
        """Show one line."""


class Silent:
    """The progress of a library call: none."""

    def advance(self, task: str, done: int, total: int, note: str = "") -> None:
        """Show nothing."""

    def say(self, line: str) -> None:
        """Show nothing."""
