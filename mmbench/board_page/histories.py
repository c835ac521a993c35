"""What some users took: in training, and in the test part that was held out from it."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from mmbench.datasets.dataset import Dataset
from mmbench.errors import UsageError

_USER, _ITEM, _TIME = "user_id:token", "item_id:token", "timestamp:float"
_KINDS = {_USER: pa.string(), _ITEM: pa.string(), _TIME: pa.int64()}


@dataclass(frozen=True)
class History:
    """The item ids that a user took, each once; the latest first where the dataset has times."""

    train: tuple[str, ...]
    test: tuple[str, ...]


def timed(dataset: Dataset) -> bool:
    """Return whether it is known when something was taken."""
    return bool(dataset.manifest.get("has_times", True))


def histories(dataset: Dataset, users: Sequence[str]) -> dict[str, History]:
    """Return user → what they took; the rows of all others are passed over, block by block.

    Raises:
        UsageError: a file that cannot be read.
    """
    train, test = (_taken(dataset, part, users) for part in ("train", "test"))
    return {user: History(train.get(user, ()), test.get(user, ())) for user in users}


def _taken(dataset: Dataset, part: str, users: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
    path = dataset.folder / f"{dataset.name}.{part}.inter"
    columns = [_USER, _ITEM, _TIME] if timed(dataset) else [_USER, _ITEM]
    found: dict[str, list[tuple[int, str]]] = defaultdict(list)
    try:
        for batch in _batches(path, columns):
            kept = batch.filter(pc.is_in(batch[_USER], value_set=pa.array(users, pa.string())))
            for row in kept.to_pylist():
                found[row[_USER]].append((row.get(_TIME, 0), row[_ITEM]))
    except (OSError, pa.ArrowException) as error:
        reason = " ".join(str(error).split())
        raise UsageError(
            f"cannot read {path} ({reason}): prepare the dataset again with --force"
        ) from error
    return {user: _latest_first(rows) for user, rows in found.items()}


def _batches(path: Path, columns: Sequence[str]) -> Any:
    return csv.open_csv(
        path,
        parse_options=csv.ParseOptions(delimiter="\t", quote_char=False),
        convert_options=csv.ConvertOptions(include_columns=columns, column_types=_KINDS),
    )


def _latest_first(rows: Sequence[tuple[int, str]]) -> tuple[str, ...]:
    ordered = sorted(rows, key=lambda row: -row[0])  # those at one time as the file has them
    return tuple(dict.fromkeys(item for _, item in ordered))
