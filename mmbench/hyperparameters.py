"""Every hyper-parameter of a trial: defaults, the person's values over them, all checked."""

from collections.abc import Mapping
from math import isfinite

from mmbench.errors import UsageError, nearest
from mmbench.specs import Parameter, RecommenderSpec, Scalar, training_parameters

KINDS = {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "a text"}


def parameters(spec: RecommenderSpec) -> dict[str, Parameter]:
    """Return what may be set: the recommender's own and, where it is trained, those of training."""
    return {**(training_parameters() if spec.trained else {}), **spec.parameters}


def resolve(
    spec: RecommenderSpec, defaults: Mapping[str, Scalar], chosen: Mapping[str, Scalar]
) -> dict[str, Scalar]:
    """Return all hyper-parameters of a recommender with their values.

    Args:
        spec: the recommender.
        defaults: its defaults; keys that cannot be set are left out.
        chosen: the person's values.

    Raises:
        UsageError: an unknown key (with the nearest one), a wrong type, a value out of range.
    """
    known = parameters(spec)
    for key in chosen:
        if key not in known:
            raise UsageError(f"--set {key}: {spec.name} has no such key; {nearest(key, known)}")
    values = {key: defaults[key] for key in known if key in defaults} | dict(chosen)
    return {key: check(key, values[key], known[key]) for key in sorted(values)}


def check(key: str, value: Scalar, parameter: Parameter) -> Scalar:
    """Return a value in the type of its parameter.

    Raises:
        UsageError: wrong type, or out of range; the message gives the range.
    """
    if value is None and parameter.null:
        return None
    typed = _typed(value, parameter.type)
    if typed is None:
        raise UsageError(f"--set {key}={value}: expected {KINDS[parameter.type]}")
    if parameter.choices and typed not in parameter.choices:
        options = [str(choice) for choice in parameter.choices]
        raise UsageError(f"--set {key}={value}: {nearest(str(value), options)}")
    if isinstance(typed, (int, float)) and not _within(typed, parameter):
        raise UsageError(f"--set {key}={value}: expected {_range(parameter)}")
    return typed


def _typed(value: Scalar, kind: str) -> Scalar:
    if kind == "bool":
        return value if isinstance(value, bool) else None
    if kind == "str":
        return value if isinstance(value, str) else None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    if kind == "float":
        return float(value)
    return int(value) if value == value // 1 else None


def _within(value: float, parameter: Parameter) -> bool:
    lower = parameter.min is None or value >= parameter.min
    above = parameter.above is None or value > parameter.above
    upper = parameter.max is None or value <= parameter.max
    return isfinite(value) and lower and above and upper


def _range(parameter: Parameter) -> str:
    parts = []
    if parameter.min is not None:
        parts.append(f"at least {parameter.min:g}")
    if parameter.above is not None:
        parts.append(f"more than {parameter.above:g}")
    if parameter.max is not None:
        parts.append(f"at most {parameter.max:g}")
    return " and ".join(parts) or "a finite number"
