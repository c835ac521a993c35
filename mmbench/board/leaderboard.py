"""The verb: records → tables that a person or a paper reads."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from mmbench.board import latex, markdown, sources
from mmbench.board.cell import cells, part_tested
from mmbench.board.groups import Group, groups
from mmbench.board.layout import METRICS, Layout, layout
from mmbench.board.lines import Line, as_csv, lines
from mmbench.board.outcome import UNTESTED, Outcome
from mmbench.board.pivot import pivot
from mmbench.board.table import Table
from mmbench.errors import UsageError, nearest
from mmbench.home import Home
from mmbench.records import Record

Places = str | PathLike[str] | Iterable[str | PathLike[str]]


@dataclass(frozen=True)
class Leaderboard:
    """Tables: one a protocol, version of a dataset and, where rows do not name it, dataset.

    left_out: what is in no table or gave no number there, a line each.
    """

    tables: tuple[Table, ...]
    left_out: tuple[str, ...]

    def markdown(self) -> str:
        """Return the tables as Markdown, and what was left out."""
        parts = [*map(markdown.markdown, self.tables), markdown.left_out(self.left_out)]
        return "\n".join(part for part in parts if part)

    def latex(self) -> str:
        """Return the tables as LaTeX for `booktabs`; what was left out stands in comments."""
        parts = [latex.PREAMBLE, *map(latex.latex, self.tables), latex.left_out(self.left_out)]
        return "\n".join(part for part in parts if part)

    def lines(self) -> list[Line]:
        """Return a line a cell and metric, at full precision."""
        return [line for table in self.tables for line in lines(table)]

    def csv(self) -> str:
        """Return the lines as CSV."""
        return as_csv(self.lines())

    def json(self) -> str:
        """Return the lines of each table as JSON, its legend, and what was left out."""
        told = [
            {"title": table.title, "legend": table.legend, "cells": lines(table)}
            for table in self.tables
        ]
        values = {"tables": told, "left_out": self.left_out}
        return json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False)

    def frame(self) -> Any:
        """Return the lines as a pandas DataFrame."""
        import pandas as pd

        return pd.DataFrame(self.lines())


def leaderboard(
    results: Places | None = None,
    *,
    by: Sequence[str] = (),
    columns: Sequence[str] = (),
    metrics: Sequence[str] = METRICS,
    costs: bool = False,
    compare: str | None = None,
    home: Home | str | PathLike[str] | None = None,
) -> Leaderboard:
    """Return the tables of some records.

    Args:
        results: folders of records, or records; the home's where they are left out.
        by, columns: what stands in the rows and in the columns: dataset, protocol, model, encoder,
            paradigm, notes. Where both are left out, a row is a recommender with an encoder.
        metrics: which test metrics; the first sorts.
        costs: whether seconds, memory, parameters and energy are shown.
        compare: ENCODER, RECOMMENDER or RECOMMENDER/ENCODER that all others are tested against.
        home: see `Home.find`.

    Raises:
        UsageError: no record, a metric that they lack, a wrong name of a row or column.
    """
    chosen = layout(by, columns, metrics, costs)
    found = read_results(results, home)
    return board_of(found.records, chosen, compare, found.left_out)


def read_results(
    results: Places | None = None, home: Home | str | PathLike[str] | None = None
) -> sources.Sources:
    """Return the records of folders and files, those of the home where none is named.

    Raises:
        UsageError: a folder or file that is not there, no record in any.
    """
    places = _places(results) or [Home.of(home).results]
    # A home in which nothing was run has no folder of results yet.
    found = sources.read(place for place in places if results or place.is_dir())
    if not found.records:
        told = ", ".join(map(str, places))
        why = f" ({found.left_out[0]})" if found.left_out else ""
        raise UsageError(f"no record in {told}{why}: make one with `mmbench run`")
    return found


def board_of(
    records: Iterable[Record],
    chosen: Layout,
    compare: str | None = None,
    left_out: Sequence[str] = (),
) -> Leaderboard:
    """Return the tables of records that are read already, each trial and seed once.

    Args:
        records: see `mmbench.board.sources.checked`. chosen: rows, columns and metrics.
        compare: see `leaderboard`.
        left_out: what is no record, told beside what gave no number.

    Raises:
        UsageError: a metric that no record has, a baseline that is none.
    """
    known = list(records)
    check_metrics(chosen.metrics, known)
    found, without = cells(known, chosen.metrics)
    shared = groups(found, chosen)
    tested = [UNTESTED] * len(shared) if compare is None else _tested(shared, compare, chosen)
    tables = tuple(
        pivot(group, chosen, outcome) for group, outcome in zip(shared, tested, strict=True)
    )
    untested = [line for outcome in tested for line in outcome.left_out]
    return Leaderboard(tables, (*without, *untested, *left_out))


def _tested(shared: Sequence[Group], compare: str, chosen: Layout) -> list[Outcome]:
    from mmbench.board.significance import against, check_baseline

    check_baseline(compare, [cell for group in shared for cell in group.cells])
    return [against(compare, group.cells, chosen.metrics) for group in shared]


def _places(results: Places | None) -> list[Path]:
    if results is None:
        return []
    return [Path(results)] if isinstance(results, str | PathLike) else list(map(Path, results))


def check_metrics(metrics: Iterable[str], records: Iterable[Record]) -> None:
    """Refuse a metric that no record has; UsageError names the nearest."""
    known = {name for record in records if record.status == "ok" for name in part_tested(record)}
    for metric in metrics:
        if known and metric not in known:
            raise UsageError(f"--metric {metric}: {nearest(metric, known)}")
