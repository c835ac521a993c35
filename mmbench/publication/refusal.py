"""All that is wrong with what would be published, told at once."""

from collections.abc import Sequence

from mmbench.errors import UsageError

SHOWN = 40  # problems


class RefusedError(UsageError):
    """Nothing was published. problems: a line each, the first ones of many."""

    def __init__(self, folder: str, problems: Sequence[str]) -> None:
        more = [f"and {len(problems) - SHOWN} more"] if len(problems) > SHOWN else []
        self.problems = (*problems[:SHOWN], *more)
        one = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        super().__init__("\n".join([f"{folder}: nothing is published: {one}", *self.problems]))
