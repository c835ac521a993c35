"""Do encoders rank alike in all recommenders, and systems alike under all protocols?"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from statistics import median
from typing import Any

from mmbench.encoder_spec import UNKNOWN
from mmbench.questions.answer import Answer, Column, Row, number, plain
from mmbench.questions.lacking import examples, sweep, unanswered
from mmbench.questions.matching import encoders
from mmbench.questions.origins import same_data
from mmbench.questions.ranking import kendall, spearman
from mmbench.questions.study import Case, Study, Table

NAME = "rank-correlation"
ASKED = "Do encoders rank alike across recommenders, and systems across protocols?"
RECOMMENDERS, PROTOCOLS = "recommenders", "protocols"
LEAST = 3  # of two, every order is a perfect one
COLUMNS = (
    Column("across", plain("across")),
    Column("dataset", plain("dataset")),
    Column("one", plain("one")),
    Column("other", plain("other")),
    Column("ranked", number("n", "d")),
    Column("Kendall's tau", number("tau", "+.2f")),
    Column("Spearman's rho", number("rho", "+.2f")),
)
HOW = (
    "means over the seeds are ranked: gaps that no test would decide count as much as wide ones; "
    "controls and random weights are left out, as they would make every order alike"
)


def answer(study: Study) -> Answer:
    """Correlate the order of encoders in two recommenders, of systems under two protocols."""
    orders = [row for table in study.tables for row in _recommenders(table, study.metric)]
    systems = list(_protocols(study))
    lacks = [*([] if orders else [_encoders(study)]), *([] if systems else [_again(study)])]
    if not orders and not systems:
        none = f"no two recommenders have {LEAST} encoders in common, nor two protocols of one "
        return unanswered(NAME, ASKED, f"{none}dataset {LEAST} systems", lacks)
    told = []
    if orders:
        told.append(f"encoders between two recommenders: {_said(orders)}")
    if systems:
        told.append(f"systems between two protocols: {_said(systems)}")
    verdict = "; ".join(told)
    rows = (*systems, *orders)
    return Answer(NAME, ASKED, f"{verdict[0].upper()}{verdict[1:]}.", COLUMNS, rows, (HOW, *lacks))


def _counts(case: Case) -> bool:
    return case.real and not case.random


def _recommenders(table: Table, metric: str) -> Iterator[Row]:
    """Yield the correlations of encoders between every two recommenders of a table."""
    reached: dict[str, dict[str, float]] = defaultdict(dict)
    for case in filter(_counts, table.cases):
        reached[case.cell.model][case.encoder] = case.cell.mean(metric) or 0.0
    for one, other in combinations(sorted(reached), 2):
        row = _correlated(reached[one], reached[other])
        if row:
            names = {"dataset": table.dataset, "protocol": table.protocol}
            yield {"across": RECOMMENDERS, **names, "one": one, "other": other, **row}


def _protocols(study: Study) -> Iterator[Row]:
    """Yield the correlations of systems between every two protocols of the same data."""
    same = same_data(study.home)
    for one, other in combinations(study.tables, 2):
        rules = {table.cases[0].cell.rule for table in (one, other)}
        if len(rules) == 1 or not same(one, other):
            continue
        row = _correlated(*(_systems(table, study.metric) for table in (one, other)))
        if row:
            # Their versions differ, as each has its split: the name alone says it.
            dataset = one.data if one.data == other.data else None
            names = [t.protocol if dataset else f"{t.data} · {t.protocol}" for t in (one, other)]
            yield {
                "across": PROTOCOLS,
                "dataset": dataset,
                "one": names[0],
                "other": names[1],
                **row,
            }


def _systems(table: Table, metric: str) -> dict[str, float]:
    shown = [c for c in table.cases if _counts(c) or not c.told["modalities"]]
    return {case.name: case.cell.mean(metric) or 0.0 for case in shown}


def _correlated(one: Mapping[str, float], other: Mapping[str, float]) -> dict[str, Any] | None:
    common = [name for name in one if name in other]
    if len(common) < LEAST:
        return None
    values = [[each[name] for name in common] for each in (one, other)]
    return {"n": len(common), "tau": kendall(*values), "rho": spearman(*values)}


def _said(rows: Sequence[Row]) -> str:
    taus = [row["tau"] for row in rows if row["tau"] is not None]
    rhos = [row["rho"] for row in rows if row["rho"] is not None]
    if not taus:
        return f"no order in {len(rows)} of them, all are equal"
    ranked = sorted({row["n"] for row in rows})
    sizes = str(ranked[0]) if len(ranked) == 1 else f"{ranked[0]} to {ranked[-1]}"
    if len(taus) == 1:
        return f"Kendall's tau {taus[0]:+.2f}, Spearman's rho {rhos[0]:+.2f} ({sizes} ranked)"
    above = sum(tau > 0 for tau in taus)
    return (
        f"Kendall's tau {median(taus):+.2f} at the median of {len(taus)} ({min(taus):+.2f} to "
        f"{max(taus):+.2f}, above 0 in {above}), Spearman's rho {median(rhos):+.2f} "
        f"({sizes} ranked)"
    )


def _encoders(study: Study) -> str:
    real = [case for case in study.cases if _counts(case) and case.kind != UNKNOWN]
    known = encoders(real)
    wished = [*known, *(name for name in examples("pair", "dual") if name not in known)]
    line = sweep(study, wished[: max(LEAST, len(known))], real or None)
    return f"no two recommenders have {LEAST} encoders in common: `{line}`"


def _again(study: Study) -> str:
    first = study.tables[0].data
    real = [case for case in study.cases if _counts(case)]
    wished = encoders(real) or examples("pair")[:1]
    line = sweep(study, wished, real).rpartition(" --dataset ")[0]
    return (
        f"no {LEAST} systems of one dataset have records under two protocols: prepare {first} "
        f"anew with --protocol and --name NEW, then `{line} --dataset NEW`"
    )
