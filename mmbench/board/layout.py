"""What a person chose of a leaderboard: rows, columns, metrics, costs."""

from collections.abc import Sequence
from dataclasses import dataclass

from mmbench.errors import UsageError, nearest

METRICS = ("recall@20", "ndcg@20")
NOUNS = ("dataset", "protocol", "model", "encoder", "paradigm", "notes")
FLAT = ("model", "encoder")  # the rows where nothing was chosen


@dataclass(frozen=True)
class Layout:
    """A choice.

    by, columns: nouns of the rows and of the columns; both empty: a row a model and encoder.
    metrics: of the test part; the first sorts. costs: whether they are shown.

    Raises:
        UsageError: a noun or a metric twice, an unknown noun, no metric, protocols as columns.
    """

    by: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    metrics: tuple[str, ...] = METRICS
    costs: bool = False

    def __post_init__(self) -> None:
        for flag, nouns in (("--by", self.by), ("--columns", self.columns)):
            for noun in nouns:
                if noun not in NOUNS:
                    raise UsageError(f"{flag} {noun}: {nearest(noun, NOUNS)}")
        if "protocol" in self.columns:
            raise UsageError("--columns protocol: a table has one protocol; name it in --by")
        if not self.metrics:
            raise UsageError("--metric: name one, as recall@20")
        for flag, named in (("--by or --columns", self.nouns), ("--metric", self.metrics)):
            for name in named:
                if named.count(name) > 1:
                    raise UsageError(f"{flag}: '{name}' stands there twice, once is enough")

    @property
    def nouns(self) -> tuple[str, ...]:
        """All nouns that were named."""
        return (*self.by, *self.columns)

    @property
    def flat(self) -> bool:
        """Whether a row is one cell."""
        return not self.columns


def layout(
    by: Sequence[str] = (),
    columns: Sequence[str] = (),
    metrics: Sequence[str] = METRICS,
    costs: bool = False,
) -> Layout:
    """Return a choice, the usual rows where none were named."""
    return Layout(tuple(by or (() if columns else FLAT)), tuple(columns), tuple(metrics), costs)
