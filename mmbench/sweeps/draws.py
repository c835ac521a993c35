"""Where the points of a cell come from: Optuna's samplers behind Ray's searchers, or a grid."""

import random
from itertools import product
from typing import Any

from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from ray.tune.search import Searcher
from ray.tune.search.optuna import OptunaSearch

from mmbench.benchmark import Search
from mmbench.cells import Cell
from mmbench.search_space import distributions, grid
from mmbench.specs import Scalar
from mmbench.sweeps.history import FAILED, OK, Point

SCORE = "score"
_STEP = "training_iteration"  # where Ray looks for the time of a result
_STARTUP = 6  # points that TPE draws at random; of no budget, so that a larger one goes on


class Grid(Searcher):
    """Every combination once, in an order that the seed fixes: a part of it is a fair one."""

    def __init__(self, values: dict[str, list[Scalar]], seed: int) -> None:
        super().__init__(metric=SCORE, mode="max")
        self.left = [dict(zip(values, point, strict=True)) for point in product(*values.values())]
        random.Random(seed).shuffle(self.left)  # noqa: S311 - an order, no secret

    def suggest(self, trial_id: str) -> dict[str, Any] | None:  # noqa: ARG002 - as Ray calls it
        """Return the next combination, None where none is left."""
        return self.left.pop(0) if self.left else None

    def on_trial_complete(self, trial_id: str, *args: Any, **kwargs: Any) -> None:
        """Learn nothing of it."""


def draws(cell: Cell, search: Search) -> Searcher:
    """Return what suggests the points of a cell, one after another."""
    if search.algorithm == "grid":
        return Grid(grid(cell.space, search.grid_values), search.seed)
    sampler: BaseSampler = RandomSampler(seed=search.seed)
    if search.algorithm == "tpe":
        # Points of one round are drawn before any of them has a result: the liar keeps them apart.
        sampler = TPESampler(
            n_startup_trials=_STARTUP, seed=search.seed, multivariate=False, constant_liar=True
        )
    return OptunaSearch(distributions(cell.space), metric=SCORE, mode="max", sampler=sampler)


def tell(searcher: Searcher, point: Point) -> None:
    """Give a searcher the result of a point that it suggested."""
    name = str(point.number)
    for evaluation, score in enumerate(point.scores, 1):
        searcher.on_trial_result(name, {SCORE: score, _STEP: evaluation})
    # Without a result it counts as stopped on the way, where its evaluations tell how it did.
    result = {SCORE: point.score} if point.status == OK else None
    searcher.on_trial_complete(name, result, error=point.status == FAILED)
