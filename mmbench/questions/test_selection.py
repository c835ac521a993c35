"""How much would choosing hyper-parameters on the test part have claimed?"""

from collections.abc import Iterator
from functools import reduce
from statistics import median

from mmbench.board.cell import Cell, part_tested
from mmbench.questions.answer import Answer, Column, Row, number, plain
from mmbench.questions.lacking import sweep, unanswered
from mmbench.questions.study import Case, Study, Table, valid_mean

NAME = "test-selection"
ASKED = "How much would choosing on the test part have claimed (test-selection optimism)?"
LEAST = 2  # points
COLUMNS = (
    Column("dataset", plain("dataset")),
    Column("protocol", plain("protocol")),
    Column("recommender", plain("model")),
    Column("encoder", plain("encoder")),
    Column("points", number("points", "d")),
    Column("seeds", number("seeds", "d")),
    Column("best on validation", number("honest", ".4f")),
    Column("best on test", number("claimed", ".4f")),
    Column("optimism", number("optimism", "+.4f")),
    Column("relative", number("relative", "+.1%")),
)
HOW = "the test score of the point best on test, less that of the point best on validation"


def answer(study: Study) -> Answer:
    """Compare the test score of the point best on test with that of the point best on validation.

    A search tests no point but the one it chose, so that cells are read of which several points
    were trained and tested each for itself.
    """
    rows = [row for table in study.tables for row in _rows(table, study.metric)]
    tuned = sum(bool(case.cell.records[0].values.get("search")) for case in study.cases)
    notes = [f"{tuned} systems were chosen by a search: their other points were never tested"]
    notes = notes if tuned else []
    if not rows:
        lacks = f"no cell has {LEAST} points that were tested with the same seeds"
        return unanswered(NAME, ASKED, lacks, [_line(study), *notes])
    more = [row for row in rows if row["optimism"] > 0]
    shares = [row["relative"] for row in rows if row["relative"] is not None]
    verdict = (
        f"Choosing on the test part would have claimed more in {len(more)} of {len(rows)} "
        f"{'cell' if len(rows) == 1 else 'cells'} with several tested points"
    )
    if shares:
        verdict += f": {median(shares):+.1%} at the median, {max(shares):+.1%} at most"
    return Answer(NAME, ASKED, f"{verdict}.", COLUMNS, tuple(rows), (HOW, *notes))


def _rows(table: Table, metric: str) -> Iterator[Row]:
    for case in table.cases:
        row = _optimism(case, metric)
        if row:
            names = {"dataset": table.dataset, "protocol": table.protocol}
            yield {**names, "model": case.cell.model, "encoder": case.encoder, **row}


def _optimism(case: Case, metric: str) -> Row | None:
    """Return the optimism over the seeds that all points have; None where nothing can be said."""
    every = ((_seeds(point, metric), point) for point in case.points)
    known = sorted((each for each in every if each[0]), key=lambda each: each[1].trial)
    if len(known) < LEAST:
        return None
    seeds = reduce(frozenset.intersection, (seeds for seeds, _ in known))
    if not seeds:
        return None
    found = []
    for _, point in known:
        values = point.values(metric)
        test = sum(values[seed] for seed in sorted(seeds)) / len(seeds)
        found.append((valid_mean(point, metric, seeds) or 0.0, test))
    honest, claimed = max(found, key=lambda one: one[0])[1], max(test for _, test in found)
    share = (claimed - honest) / honest if honest else None
    told = {"honest": honest, "claimed": claimed, "optimism": claimed - honest, "relative": share}
    return {"points": len(known), "seeds": len(seeds), **told}


def _seeds(point: Cell, metric: str) -> frozenset[int]:
    """Return the seeds whose record has the metric on both parts."""
    return frozenset(
        int(record.trial["seed"])
        for record in point.records
        if metric in part_tested(record)
        and valid_mean(point, metric, [record.trial["seed"]]) is not None
    )


def _line(study: Study) -> str:
    real = [case for case in study.cases if case.real] or study.cases
    line = sweep(study, dict.fromkeys(case.cell.encoder for case in real), real)
    rates = ("0.0003", "0.003")
    lines = " and ".join(f"`{line} --no-search --set learning_rate={rate}`" for rate in rates)
    return f"to have them, train and test several points: {lines}"
