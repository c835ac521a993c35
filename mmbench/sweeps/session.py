"""A training that runs in a thread, one evaluation ahead of what is asked for."""

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

Report = Callable[[dict[str, Any]], None]
Work = Callable[[Report], dict[str, Any]]


class Stopped(BaseException):
    """The training is over before its end; no error, so nothing records it as one."""


class Session:
    """Runs `work`, which reports on its way and returns its last report.

    It goes on to the report after the one that was asked for and waits there: what a report takes
    on its way to the driver and back is not waited for, and a training that is stopped computed
    one evaluation in vain.
    """

    def __init__(self, work: Work) -> None:
        self._reports: SimpleQueue[dict[str, Any] | Exception | None] = SimpleQueue()
        self._turn, self._stopped = threading.Semaphore(1), False
        self._thread = threading.Thread(target=self._run, args=(work,), daemon=True)
        self._thread.start()

    def next(self) -> dict[str, Any]:
        """Go on to the next report and return it; what the work raises is raised."""
        self._turn.release()
        report = self._reports.get()
        if isinstance(report, dict):
            return report
        raise report or RuntimeError("the training is over")

    def stop(self) -> None:
        """End the work where it stands."""
        self._stopped = True
        self._turn.release()
        self._thread.join()

    def _run(self, work: Work) -> None:
        try:
            self._wait()
            self._reports.put(work(self._report))
        except Stopped:
            self._reports.put(None)
        except Exception as error:  # raised again where somebody waits
            self._reports.put(error)

    def _report(self, report: dict[str, Any]) -> None:
        self._reports.put(report)
        self._wait()

    def _wait(self) -> None:
        self._turn.acquire()
        if self._stopped:
            raise Stopped
