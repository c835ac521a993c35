"""records.jsonl: one whole record a line, and the sum of the per-user metrics beside it."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from mmbench.publication.portable import paths, portable
from mmbench.publication.soundness import problems as soundness_problems
from mmbench.records import Record

PER_USER = "per_user"


def lines(records: Iterable[tuple[Record, Mapping[str, Any] | None]]) -> str:
    """Return the text of records.jsonl.

    Args:
        records: in order; with each `sha256` and `users` of what lies beside it, None where the
            trial failed.
    """
    made = (portable(record.values) | {PER_USER: per_user} for record, per_user in records)
    return "".join(
        json.dumps(values, ensure_ascii=False, allow_nan=False) + "\n" for values in made
    )


def problems(record: Record) -> Iterator[str]:
    """Yield a line for each thing that is wrong with a record that was published."""
    yield from soundness_problems(record)
    for key, path in paths(record.values):
        yield f"{key}: {path} is a path of a machine: publish it again"
    said = record.values.get(PER_USER)
    if record.status == "ok" and not _is_sum(said):
        yield f"{PER_USER}: no sum of its per-user metrics: publish it again"


def _is_sum(said: Any) -> bool:
    if not isinstance(said, Mapping) or set(said) != {"sha256", "users"}:
        return False
    return len(str(said["sha256"])) == 64 and isinstance(said["users"], int)
