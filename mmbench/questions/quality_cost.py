"""Which systems are on the Pareto front of quality against cost, and who dominates the others?"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mmbench.board.costs import cost
from mmbench.questions.answer import Answer, Column, Row, number, plain, spread
from mmbench.questions.lacking import examples, some, sweep, unanswered
from mmbench.questions.study import Case, Study, Table

NAME = "quality-cost"
ASKED = "What does quality cost: which systems are on the Pareto front?"
SECONDS, MEMORY = "seconds", "memory_mb"
HEADS = {SECONDS: "seconds", MEMORY: "memory"}
FRONT = "on the front"
NAMED = 3  # dominating systems that are named
LEAST = 2  # systems of a front


def answer(study: Study) -> Answer:
    """Find the front of each table: nothing else reaches as much for as little.

    Costs are those of all of a system: encoding, fine-tuning where there was one, training.
    Controls are left out.
    """
    rows: list[Row] = []
    notes = [
        "seconds: encoding, fine-tuning and training of one seed, no search; memory: the most "
        "that the process held (MiB), on the GPU where all ran there; means alone decide, no test",
    ]
    for table in study.tables:
        found = list(_rows(table, study.metric))
        if len(found) >= LEAST:
            rows += found
            notes += _told(table, found)
        notes += _cautions(table, found)
    if not rows:
        line = sweep(study, examples("pair")[:2])
        lacks = "no two systems of one dataset and protocol have their seconds or memory recorded"
        return unanswered(NAME, ASKED, lacks, [f"to have them: `{line}`", *notes[1:]])
    columns = _columns(study.metric)
    return Answer(NAME, ASKED, _verdict(rows, study.metric), columns, tuple(rows), tuple(notes))


def dominators(quality: ArrayLike, costs: ArrayLike) -> NDArray[np.bool_]:
    """Return (n, n): whether column j reaches as much for as little as row i, and betters one.

    Args:
        quality, costs: (n,) each.
    """
    q, c = np.asarray(quality, float), np.asarray(costs, float)
    as_good = (q[None] >= q[:, None]) & (c[None] <= c[:, None])
    return np.asarray(as_good & ((q[None] > q[:, None]) | (c[None] < c[:, None])))


def _rows(table: Table, metric: str) -> Iterator[Row]:
    """Yield the systems of a table of which a cost is known, the best first."""
    shown = [case for case in table.cases if not case.told["modalities"] or case.real]
    shown.sort(key=lambda case: -(case.cell.mean(metric) or 0.0))
    gpu = all(cost(case.cell, "gpu_peak_mb") is not None for case in shown)
    memory = "gpu_peak_mb" if gpu else "host_peak_mb"
    known = {SECONDS: [_seconds(c) for c in shown], MEMORY: [cost(c.cell, memory) for c in shown]}
    fronts = {key: _front(shown, values, metric) for key, values in known.items()}
    for place, case in enumerate(shown):
        if all(known[key][place] is None for key in known):
            continue
        yield {
            "dataset": table.dataset,
            "protocol": table.protocol,
            "system": case.name,
            "value": case.cell.mean(metric),
            "deviation": case.cell.deviation(metric),
            **{key: known[key][place] for key in known},
            **{f"{key}_front": fronts[key].get(place) == [] for key in known},
            **{f"{key}_dominated_by": fronts[key].get(place) for key in known},
        }


def _front(
    shown: Sequence[Case], costs: Sequence[float | None], metric: str
) -> dict[int, list[str]]:
    """Return place → the systems of the front that dominate it; of those of the front, none."""
    places = [place for place, value in enumerate(costs) if value is not None]
    quality = [shown[place].cell.mean(metric) or 0.0 for place in places]
    by = dominators(quality, [costs[place] or 0.0 for place in places])
    front = ~by.any(axis=1)
    return {
        place: [shown[places[other]].name for other in np.flatnonzero(row & front)]
        for place, row in zip(places, by, strict=True)
    }


def _seconds(case: Case) -> float | None:
    """Return the seconds of encoding, fine-tuning and training; None where one is not known."""
    train = cost(case.cell, "train_seconds")
    encode = cost(case.cell, "encode_seconds") if case.told["modalities"] else 0.0
    tuned = cost(case.cell, "finetune_seconds")
    if train is None or encode is None or (case.told.get("finetuned") and tuned is None):
        return None
    return train + encode + (tuned or 0.0)


def _columns(metric: str) -> tuple[Column, ...]:
    return (
        Column("dataset", plain("dataset")),
        Column("protocol", plain("protocol")),
        Column("system", plain("system")),
        Column(metric, spread("value", "deviation")),
        Column("seconds", number(SECONDS, ",.4g")),
        Column("by seconds", lambda row: _standing(row, SECONDS)),
        Column("memory MiB", number(MEMORY, ",.0f")),
        Column("by memory", lambda row: _standing(row, MEMORY)),
    )


def _standing(row: Row, key: str) -> str:
    """Return whether a system is on a front, or by which of it it is dominated."""
    by = row[f"{key}_dominated_by"]
    if by is None:
        return "–"
    return plain("told")({"told": f"dominated by {_first(by)}" if by else FRONT})


def _first(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _verdict(rows: Sequence[Row], metric: str) -> str:
    told = []
    for key, head in HEADS.items():
        known = [row for row in rows if row[key] is not None]
        front = sum(row[f"{key}_front"] for row in known)
        told += [f"{front} of {len(known)} on that of {metric} against {head}"] if known else []
    tables = len({(row["dataset"], row["protocol"]) for row in rows})
    where = "the front" if tables == 1 else f"the fronts of {tables} tables"
    return f"Systems on {where}: {', '.join(told)}; the others are dominated."


def _told(table: Table, rows: Sequence[Row]) -> list[str]:
    """Return the fronts of a table, from the cheapest to the best."""
    notes = []
    for key, head in HEADS.items():
        front: list[dict[str, Any]] = [dict(row) for row in rows if row[f"{key}_front"]]
        names = [f"{r['system']} {r['value']:.4f}" for r in sorted(front, key=lambda r: r[key])]
        if names:
            notes.append(f"{table.name}, by {head}, the cheapest first: {', '.join(names)}")
    return notes


def _cautions(table: Table, rows: Sequence[Row]) -> list[str]:
    shown = [case for case in table.cases if not case.told["modalities"] or case.real]
    told = {row["system"] for row in rows}
    without = [case.name for case in shown if case.name not in told]
    notes = [f"{table.name}: no cost is known of {some(without)}"] if without else []
    devices = {str(r.values.get("device")) for case in shown for r in case.cell.records}
    if len(devices) > 1:
        named = ", ".join(sorted(devices))
        notes.append(
            f"{table.name}: its costs are of several devices ({named}): no fair comparison"
        )
    return notes
