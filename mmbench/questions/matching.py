"""Which cases may be compared: of one table, recommender and setting."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator

from mmbench.questions.pairs import Pair
from mmbench.questions.study import Case, Study, Table

Test = Callable[[Case], bool]


def alike(table: Table) -> Iterator[list[Case]]:
    """Yield the cases of each recommender and setting."""
    found: dict[object, list[Case]] = defaultdict(list)
    for case in table.cases:
        found[case.cell.model, case.setting].append(case)
    yield from found.values()


def crossed(study: Study, system: Test, baseline: Test, group: str = "") -> list[Pair]:
    """Return the pairs of a case that passes one test with each alike that passes the other."""
    return [
        Pair(table, one, other, group)
        for table in study.tables
        for cases in alike(table)
        for one in cases
        if system(one)
        for other in cases
        if baseline(other)
    ]


def encoders(cases: Iterable[Case]) -> list[str]:
    """Return the names of the encoders of cases, each once."""
    return list(dict.fromkeys(case.cell.encoder for case in cases))
