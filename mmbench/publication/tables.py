"""leaderboard.md: the tables of records.jsonl, and what of the benchmark is not in them."""

from collections.abc import Iterable, Sequence

from mmbench.benchmark import Benchmark
from mmbench.board.layout import METRICS, Layout, layout
from mmbench.board.leaderboard import Leaderboard, board_of
from mmbench.board.markdown import escaped
from mmbench.crossing import crossed
from mmbench.publication.gaps import gaps, told
from mmbench.records import Record
from mmbench.specs import NO_FEATURES

HEAD = """\
Made by `mmbench publish` from `records.jsonl`, which holds every number at full precision; change \
neither by hand. `mmbench publish . --check` makes it again and compares, `mmbench leaderboard .` \
makes other tables. To repeat all of it, in this folder: `mmbench sweep benchmark.yaml`, then \
`mmbench publish .`
"""
COMMIT = 12  # characters


def tables(benchmark: Benchmark, records: Sequence[Record]) -> str:
    """Return the text of leaderboard.md.

    Args:
        benchmark: what was crossed: its words, and what is missing. records: those published.
    """
    title = benchmark.description or ", ".join(benchmark.datasets)
    parts = [
        f"# {escaped(title)}\n",
        HEAD,
        _board(records).markdown(),
        _missing(benchmark, records),
    ]
    return "\n".join(part for part in [*parts, _made(records)] if part)


def _board(records: Sequence[Record]) -> Leaderboard:
    """Return encoders or paradigms side by side, a table a metric; then all, with costs."""
    metrics = _metrics(records)
    boards = [board_of(records, shown) for shown in _side_by_side(records, metrics)]
    boards.append(board_of(records, layout(metrics=metrics, costs=True)))
    shown = tuple(table for board in boards for table in board.tables)
    lines = dict.fromkeys(line for board in boards for line in board.left_out)
    return Leaderboard(shown, tuple(lines))


def _side_by_side(records: Iterable[Record], metrics: Iterable[str]) -> list[Layout]:
    """Return the first tables; none where a row a cell says it all."""
    trials = [record.trial for record in records if record.trial["encoder"] != NO_FEATURES]
    if len({trial.get("paradigm") for trial in trials}) > 1:
        return [Layout(("model", "encoder"), ("paradigm",), (metric,)) for metric in metrics]
    several = len({trial["encoder"] for trial in trials}) > 1
    return [Layout(("model",), ("encoder",), (metric,)) for metric in metrics if several]


def _metrics(records: Iterable[Record]) -> tuple[str, ...]:
    """Return the usual metrics, the first two where they were not measured."""
    measured = dict.fromkeys(
        name for record in records for name in (record.values["metrics"] or {}).get("test", {})
    )
    return tuple(name for name in METRICS if name in measured) or tuple(measured)[:2] or METRICS


def _missing(benchmark: Benchmark, records: Iterable[Record]) -> str:
    found = gaps(benchmark, records)
    if not found:
        return ""
    head = f"Not there yet, of {len(found)} of {len(crossed(benchmark))} cells:"
    return f"{head}\n\n" + "".join(f"- {escaped(line)}\n" for line in told(found))


def _made(records: Iterable[Record]) -> str:
    """Say with which versions, on which devices and from which commits the records were made."""
    told_of = [record.values for record in records]
    versions = [values["versions"] for values in told_of]
    parts = [
        f"mmbench {_each(said.get('mmbench') for said in versions)}",
        f"torch {_each(said.get('torch') for said in versions)}",
        f"on {_each(values['device'] for values in told_of)}",
        f"commit {_each(str(values.get('commit') or 'unknown')[:COMMIT] for values in told_of)}",
    ]
    return escaped(f"Made with {', '.join(parts)}.") + "\n"


def _each(values: Iterable[object]) -> str:
    return " and ".join(sorted({str(value) for value in values}))
