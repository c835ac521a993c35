"""Whether what was published is sound, and its tables are those that its records give."""

from difflib import unified_diff
from os import PathLike
from pathlib import Path

from mmbench.benchmark import read_benchmark
from mmbench.board.sources import every
from mmbench.errors import UsageError
from mmbench.publication.collection import problems as collection_problems
from mmbench.publication.lines import problems
from mmbench.publication.tables import tables
from mmbench.publication.vectors import file_problems, published_problems
from mmbench.records import LINES, USERS_FILE, Record

BENCHMARK, TABLES = "benchmark.yaml", "leaderboard.md"
DIFFERENCES = 20  # lines


def check_published(folder: str | PathLike[str]) -> tuple[str, ...]:
    """Return what is wrong with a published folder, a line each; nothing is written.

    Each record must be sound and there once, its metrics what its users give where they were
    published, and leaderboard.md what the records give, byte for byte.

    Raises:
        UsageError: one of benchmark.yaml, records.jsonl and leaderboard.md is not there.
    """
    place = Path(folder)
    for name in (BENCHMARK, LINES, TABLES):
        if not (place / name).is_file():
            raise UsageError(
                f"{place / name}: not there: `mmbench publish {place}` makes {LINES} and {TABLES} "
                f"of {BENCHMARK} and the home in which it was swept"
            )
    benchmark = read_benchmark(place / BENCHMARK)
    found = list(every(place / LINES))
    records = [one for one in found if isinstance(one, Record)]
    wrong = [str(one) for one in found if isinstance(one, UsageError)]
    unreadable = list(file_problems(place / USERS_FILE))
    for record in records:
        told = list(problems(record))
        told += [] if told or unreadable else published_problems(record)
        wrong += [f"{record.path}: {line}" for line in told]
    wrong += unreadable
    wrong += collection_problems(records)
    if wrong:
        return tuple(wrong)
    return tuple(_differences(place / TABLES, tables(benchmark, records)))


def _differences(path: Path, made: str) -> list[str]:
    """Return the first lines in which a file is not the text that was made."""
    there = path.read_bytes().decode("utf-8", errors="replace")
    if there == made:
        return []
    names = str(path), f"{path}, made of {LINES}"
    lines = [line.rstrip("\n") for line in unified_diff(*_both(there, made), *names, n=0)]
    more = [f"and {len(lines) - DIFFERENCES} more lines"] if len(lines) > DIFFERENCES else []
    return [f"{path}: not what {LINES} gives: publish it again", *lines[:DIFFERENCES], *more]


def _both(there: str, made: str) -> tuple[list[str], list[str]]:
    return there.splitlines(keepends=True), made.splitlines(keepends=True)
