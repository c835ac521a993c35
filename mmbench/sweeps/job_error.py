"""The failure of a job on its way from the worker, through Ray, to what is recorded."""

import json
import re
import traceback
from collections.abc import Mapping
from pathlib import Path

from mmbench.errors import DiskError

WORKER_DIED = "WorkerDied"
_NAME = "JobError: "
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class JobError(RuntimeError):
    """A job failed; the text is the JSON of type, message and traceback, and survives Ray."""

    @classmethod
    def of(cls, error: BaseException) -> "JobError":
        """Return the failure that an exception was."""
        told = {
            "type": type(error).__name__,
            "message": str(error),
            "traceback": "".join(traceback.format_exception(error)),
        }
        return cls.told(told)

    @classmethod
    def told(cls, error: Mapping[str, str]) -> "JobError":
        """Return the failure that a record tells of."""
        return cls(json.dumps(dict(error)))


def error_in(file: str | None) -> dict[str, str]:
    """Return type, message and traceback of the last failure in a file that Ray wrote.

    A DiskError where there is none, or half of one: Ray writes it whatever failed, if it can.
    """
    path = Path(file) if file else None
    try:
        text = path.read_text(encoding="utf-8", errors="replace") if path else ""
        if text.strip():
            return error_of(text)
    except (OSError, ValueError):
        pass
    told = f"cannot write {file} (why a training failed): make room, or name another with --home"
    return {"type": DiskError.__name__, "message": told, "traceback": ""}


def error_of(text: str) -> dict[str, str]:
    """Return type, message and traceback of the last failure that Ray wrote of a trial."""
    for line in reversed(text.splitlines()):
        _, found, told = line.partition(_NAME)
        if found and told.startswith("{"):
            error, _ = json.JSONDecoder().raw_decode(told)
            return {key: str(error[key]) for key in ("type", "message", "traceback")}
    body = _COLOUR.sub("", text.rpartition("Failure # ")[2].partition("\n")[2]).strip() or text
    lines = [line.strip() for line in body.splitlines() if line.strip()] or [""]
    if lines[0].startswith("ray::"):  # an exception outside of the training itself
        kind, _, message = lines[-1].partition(": ")
        return {"type": kind, "message": message, "traceback": body}
    return {"type": WORKER_DIED, "message": lines[0], "traceback": body}
