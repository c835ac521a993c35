"""The part of a search space for which a dataset has room: an item has only so many neighbours."""

from collections.abc import Mapping
from dataclasses import dataclass

from mmbench.errors import UsageError
from mmbench.hyperparameters import largest, require_room
from mmbench.search_space import CHOICE, Range, Space
from mmbench.specs import Parameter, RecommenderSpec, Scalar


@dataclass(frozen=True)
class Room:
    """What a dataset has room for.

    spec: the recommender. usual: its defaults, and what was fixed over them.
    dataset: its name. counts: how many users and items it has.
    """

    spec: RecommenderSpec
    usual: Mapping[str, Scalar]
    dataset: str
    counts: Mapping[str, int]

    def within(self, space: Space) -> tuple[Space, dict[str, Scalar]]:
        """Return the ranges that are left, and a value of each that is not as it was.

        Where that value is the only one, the key has left the space; else it stands in for the
        default, which may have no room either, until the search chooses.

        Raises:
            UsageError: nothing of a range is left; the message gives the largest value.
        """
        left = dict(space)
        for key, parameter in self.spec.parameters.items():
            most = largest(parameter, self.counts)
            if most is not None:
                left |= self._narrowed(key, parameter, most, left)
        changed = {key: values[0] for key, (_, values) in left.items() if left[key] != space[key]}
        kept = {k: range_ for k, range_ in left.items() if k not in changed or len(range_[1]) > 1}
        return kept, changed

    def _narrowed(self, key: str, parameter: Parameter, most: int, space: Space) -> Space:
        """Return the range that a bound changes: its own, or that of what makes it be read."""
        if key in space:
            read = all(self._may_be(*needed, space) for needed in parameter.when.items())
            return {key: self._below(key, most, space[key])} if read else {}
        if _over(self.usual.get(key), most):
            for other, needed in parameter.when.items():
                if other in space and space[other][0] == CHOICE:
                    return {other: self._without(other, needed, space[other])}
        return {}

    def _may_be(self, key: str, value: Scalar, space: Space) -> bool:
        if key not in space:
            return self.usual[key] == value
        kind, values = space[key]
        return kind != CHOICE or value in values

    def _below(self, key: str, most: int, range_: Range) -> Range:
        kind, values = range_
        left = tuple(value for value in values if not _over(value, most))
        if not left:
            raise UsageError(
                f"{key}: no value of [{', '.join(map(str, values))}] is left to search, dataset "
                f"'{self.dataset}' has room for {most} at most: fix {key} with `set`, or name "
                "another range with `space`"
            )
        low, whole = left[0], not isinstance(left[0], float)
        if kind == CHOICE or len(left) == len(values) or low == most:
            return kind, left
        return kind, (low, most if whole else float(most))

    def _without(self, key: str, value: Scalar, range_: Range) -> Range:
        kind, values = range_
        left = tuple(each for each in values if each != value)
        if not left:  # what the value makes be read is told
            require_room(self.spec, {**self.usual, key: value}, self.dataset, self.counts)
        return kind, left or values


def _over(value: Scalar, most: int) -> bool:
    return isinstance(value, (int, float)) and value > most
