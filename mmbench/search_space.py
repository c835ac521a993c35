"""Where hyper-parameters are searched: ranges checked, as Optuna's distributions, as a grid."""

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from mmbench.errors import UsageError, nearest
from mmbench.hyperparameters import check
from mmbench.specs import Parameter, Scalar

CHOICE, UNIFORM, LOG_UNIFORM = "choice", "uniform", "log_uniform"
KINDS = (CHOICE, UNIFORM, LOG_UNIFORM)
Said = Mapping[Any, Sequence[Scalar]]  # kind → values, as a YAML has it
Range = tuple[str, tuple[Scalar, ...]]
Space = Mapping[str, Range]  # hyper-parameter → kind, and its choices or its two ends


def usual_ranges(parameters: Mapping[str, Parameter]) -> dict[str, Range]:
    """Return the ranges that the parameters themselves bring, checked."""
    return {
        key: checked(key, parameter.search, parameters, "its own range")
        for key, parameter in parameters.items()
        if parameter.search
    }


def checked(key: str, said: Said, parameters: Mapping[str, Parameter], where: str) -> Range:
    """Return a range in the type of its parameter.

    Raises:
        UsageError: an unknown key or kind (with the nearest one), ends that are upside down, a
            logarithm at or below 0, a value outside the parameter's bounds.
    """
    where = f"{where}: {key}"
    if key not in parameters:
        raise UsageError(f"{where}: there is no such key; {nearest(key, parameters)}")
    parameter = parameters[key]
    if len(said) != 1:
        raise UsageError(f"{where}: give it one of {', '.join(KINDS)}")
    kind, values = next(iter(said.items()))
    if kind not in KINDS:
        raise UsageError(f"{where}: unknown kind '{kind}': {nearest(kind, KINDS)}")
    if parameter.type == "file":
        raise UsageError(f"{where}: a file is not searched: fix it with `set`")
    typed = tuple(_typed(key, value, parameter, where) for value in values)
    return kind, _choices(typed, where) if kind == CHOICE else _ends(kind, typed, parameter, where)


def _typed(key: str, value: Scalar, parameter: Parameter, where: str) -> Scalar:
    try:
        return check(key, value, parameter)
    except UsageError as error:
        raise UsageError(f"{where}: {str(error).removeprefix('--set ')}") from error


def _choices(values: tuple[Scalar, ...], where: str) -> tuple[Scalar, ...]:
    if not values:
        raise UsageError(f"{where}: no choice is left: give it at least one")
    for value in values:
        if values.count(value) > 1:
            raise UsageError(f"{where}: {value} stands twice")
    return values


def _ends(
    kind: str, values: tuple[Scalar, ...], parameter: Parameter, where: str
) -> tuple[Scalar, ...]:
    if parameter.type not in ("int", "float") or parameter.choices:
        raise UsageError(f"{where}: {kind} is for numbers: write {CHOICE}")
    if len(values) != 2 or any(value is None for value in values):
        raise UsageError(f"{where}: {kind} takes two numbers, the lowest and the highest")
    low, high = (float(value) for value in values if value is not None)
    if low >= high:
        raise UsageError(
            f"{where}: [{values[0]}, {values[1]}] is upside down: the lower goes first"
        )
    if kind == LOG_UNIFORM and low <= 0:
        raise UsageError(f"{where}: {kind} begins above 0, and {values[0]} does not")
    return values


def distributions(space: Space) -> dict[str, BaseDistribution]:
    """Return the space in Optuna's terms; what is of whole numbers stays so."""
    return {key: _distribution(*range_) for key, range_ in space.items()}


def _distribution(kind: str, values: tuple[Scalar, ...]) -> BaseDistribution:
    if kind == CHOICE:
        return CategoricalDistribution(values)
    low, high = values
    if isinstance(low, int) and isinstance(high, int):
        return IntDistribution(low, high, log=kind == LOG_UNIFORM)
    return FloatDistribution(_number(low), _number(high), log=kind == LOG_UNIFORM)


def grid(space: Space, grid_values: int) -> dict[str, list[Scalar]]:
    """Return hyper-parameter → the values that a grid takes.

    Args:
        space: the ranges. grid_values: how many of a range with two ends, both of them among
            these, evenly or log-evenly; fewer where it has fewer whole numbers.
    """
    return {key: _values(*range_, grid_values) for key, range_ in space.items()}


def _values(kind: str, values: tuple[Scalar, ...], count: int) -> list[Scalar]:
    if kind == CHOICE:
        return list(values)
    low, high = (_number(value) for value in values)
    steps = [index / (count - 1) for index in range(1, count - 1)]
    if kind == LOG_UNIFORM:
        # The last digits of a power are another machine's own.
        between = [float(f"{low * (high / low) ** step:.12g}") for step in steps]
    else:
        between = [float(f"{low + step * (high - low):.12g}") for step in steps]
    if all(isinstance(value, int) for value in values):
        return list(dict.fromkeys([values[0], *map(round, between), values[1]]))
    return [values[0], *between, values[1]]


def size(space: Space, grid_values: int) -> int:
    """Return how many points the grid of a space has."""
    return prod(len(values) for values in grid(space, grid_values).values())


def is_finite(space: Space) -> bool:
    """Return whether a space is made of choices alone, so that every point can be tried."""
    return all(kind == CHOICE for kind, _ in space.values())


def _number(value: Scalar) -> float:
    return float(value or 0)
