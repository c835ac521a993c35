"""What the records say: one table a dataset and protocol, mean ± deviation over the seeds."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from tabulate import tabulate

from mmbench.errors import UsageError, nearest
from mmbench.home import Home
from mmbench.records import Record, read_records

METRICS = ("recall@20", "ndcg@20")
COLUMNS = ("model", "encoder", "notes", "seeds")


@dataclass(frozen=True)
class Row:
    """One cell of the study: the seeds of one trial, and what they gave.

    control: whether it is there for comparison only, and is never marked as best.
    means, deviations: a value a metric; a deviation is None where there is one seed.
    """

    model: str
    encoder: str
    notes: str
    control: bool
    seeds: int
    means: tuple[float, ...]
    deviations: tuple[float | None, ...]


@dataclass(frozen=True)
class Table:
    """The rows of one dataset under one protocol, best first metric first.

    left_out: what is not in the table, a line each.
    """

    dataset: str
    protocol: str
    metrics: tuple[str, ...]
    rows: tuple[Row, ...]
    left_out: tuple[str, ...]

    def markdown(self) -> str:
        """Return the table as Markdown; the best of each metric, controls aside, is bold."""
        real = [row for row in self.rows if not row.control]
        best = [max((row.means[i] for row in real), default=None) for i in range(len(self.metrics))]
        body = [
            [row.model, row.encoder, row.notes, row.seeds]
            + [_cell(row, i, best[i]) for i in range(len(self.metrics))]
            for row in self.rows
        ]
        text = tabulate(body, [*COLUMNS, *self.metrics], tablefmt="github", disable_numparse=True)
        notes = "".join(f"\n- {line}" for line in self.left_out)
        head = f"### {self.dataset} · protocol {self.protocol} · test"
        return f"{head}\n\n{text}\n" + (f"\nLeft out:\n{notes}\n" if notes else "")

    def frame(self) -> Any:
        """Return the table as a pandas DataFrame, full precision."""
        import pandas as pd

        return pd.DataFrame(
            [
                {
                    **{name: getattr(row, name) for name in COLUMNS},
                    **dict(zip(self.metrics, row.means, strict=True)),
                    **{f"{m} ±": d for m, d in zip(self.metrics, row.deviations, strict=True)},
                }
                for row in self.rows
            ]
        )


def leaderboard(
    results: Path | Iterable[Path] | None = None,
    *,
    metrics: Sequence[str] = METRICS,
    home: Home | None = None,
) -> list[Table]:
    """Return the tables of some records, one a dataset and protocol.

    Args:
        results: folders of records; the home's where they are left out.
        metrics: which test metrics, the first sorts the rows.
        home: see `Home.find`.

    Raises:
        UsageError: no record, or a metric that they lack.
    """
    folders = [results] if isinstance(results, Path) else list(results or [])
    folders = folders or [(home or Home.find()).results]
    records = [record for folder in folders for record in read_records(folder)]
    if not records:
        told = ", ".join(str(folder) for folder in folders)
        raise UsageError(f"no record in {told}: make one with `mmbench run`")
    groups: dict[tuple[str, str, str], list[Record]] = defaultdict(list)
    for record in records:
        prints = record.values["fingerprints"]
        key = (record.trial["dataset"], prints["dataset"], record.trial["protocol"])
        groups[key].append(record)
    names = [key[0] + key[2] for key in groups]
    return [
        _table(key, group, tuple(metrics), names.count(key[0] + key[2]) > 1)
        for key, group in sorted(groups.items())
    ]


def _table(
    key: tuple[str, str, str], group: list[Record], metrics: tuple[str, ...], versions: bool
) -> Table:
    dataset, print_, protocol = key
    cells: dict[str, list[Record]] = defaultdict(list)
    left_out = []
    for record in group:
        if record.status == "ok":
            cells[record.values["fingerprints"]["trial"]].append(record)
        else:
            what = f"{record.trial['model']} {record.trial['encoder']}"
            left_out.append(
                f"{what} seed {record.trial['seed']}: {record.status}, {record.path.name}"
            )
    several = _several(cells.values())
    rows = [_row(cell, metrics, print_ in several) for print_, cell in cells.items()]
    rows.sort(key=lambda row: (row.means, row.model, row.encoder), reverse=True)
    shown = f"{dataset} ({print_[:6]})" if versions else dataset
    return Table(shown, protocol, metrics, tuple(rows), tuple(left_out))


def _several(cells: Iterable[list[Record]]) -> set[str]:
    """Return the fingerprints of cells that share model and encoder with another cell."""
    same: dict[tuple[str, str], list[str]] = defaultdict(list)
    for cell in cells:
        trial = cell[0].trial
        print_ = str(cell[0].values["fingerprints"]["trial"])
        same[trial["model"], trial["encoder"]].append(print_)
    return {print_ for prints in same.values() if len(prints) > 1 for print_ in prints}


def _row(cell: list[Record], metrics: tuple[str, ...], several: bool) -> Row:
    first = cell[0]
    columns = []
    for metric in metrics:
        known = first.values["metrics"]["test"]
        if metric not in known:
            raise UsageError(f"--metric {metric}: {nearest(metric, known)}")
        columns.append([record.values["metrics"]["test"][metric] for record in cell])
    encoder = first.values["encoder"]
    control = encoder["control"] and bool(encoder["modalities"])
    notes = ["control"] if control else []
    notes += [] if encoder["modalities"] else ["no features"]
    notes += ["random weights"] if encoder["weights"] == "random" else []
    notes += [f"of {encoder['of']}"] if encoder["of"] else []
    notes += [first.values["fingerprints"]["trial"][:6]] if several else []
    return Row(
        model=first.trial["model"],
        encoder=first.trial["encoder"],
        notes=", ".join(notes),
        control=control,
        seeds=len(cell),
        means=tuple(mean(values) for values in columns),
        deviations=tuple(stdev(values) if len(values) > 1 else None for values in columns),
    )


def _cell(row: Row, index: int, best: float | None) -> str:
    text, spread = f"{row.means[index]:.4f}", row.deviations[index]
    text = f"**{text}**" if row.means[index] == best and not row.control else text
    return text if spread is None else f"{text} ± {spread:.4f}"
