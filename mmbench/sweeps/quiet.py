"""Ray Tune without what it prints and writes by itself, and with the signals as they were."""

import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from typing import Any

import optuna
from ray import tune
from ray.tune.logger import CSVLoggerCallback, JsonLoggerCallback, TBXLoggerCallback


class _Mute:
    """A logger of Ray's kind that logs nothing; Ray adds its own where it finds none."""

    def log_trial_start(self, *args: Any, **kwargs: Any) -> None:
        """Log nothing."""

    def log_trial_result(self, *args: Any, **kwargs: Any) -> None:
        """Log nothing."""

    def log_trial_end(self, *args: Any, **kwargs: Any) -> None:
        """Log nothing."""


class _NoCSV(_Mute, CSVLoggerCallback):
    """No tables of results: the histories have them."""


class _NoJSON(_Mute, JsonLoggerCallback):
    """No lines of results."""


class _NoTensorBoard(_Mute, TBXLoggerCallback):
    """No events, unless they are asked for."""


def with_mutes(callbacks: Sequence[tune.Callback]) -> list[tune.Callback]:
    """Return callbacks to which Ray adds no logger."""
    kinds: dict[type[tune.Callback], Callable[[], tune.Callback]] = {
        CSVLoggerCallback: _NoCSV,
        JsonLoggerCallback: _NoJSON,
        TBXLoggerCallback: _NoTensorBoard,
    }
    there = {kind for kind in kinds if any(isinstance(one, kind) for one in callbacks)}
    return [*callbacks, *(mute() for kind, mute in kinds.items() if kind not in there)]


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Ray Tune and Optuna from printing and logging, and put back the signals they take.

    The standard output is shut meanwhile: what people watch goes to the standard error.
    """
    told = logging.getLogger("ray.tune")
    level, verbosity = told.level, optuna.logging.get_verbosity()
    main = threading.current_thread() is threading.main_thread()
    kinds = (signal.SIGINT, signal.SIGUSR1) if main else ()
    handlers = {kind: signal.getsignal(kind) for kind in kinds}
    told.setLevel(logging.CRITICAL + 1)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with open(os.devnull, "w", encoding="utf-8") as nowhere, redirect_stdout(nowhere):
            yield
    finally:
        optuna.logging.set_verbosity(verbosity)
        told.setLevel(level)
        for kind, handler in handlers.items():
            signal.signal(kind, handler)
