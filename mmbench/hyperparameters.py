"""Every hyper-parameter of a trial: defaults, the person's values over them, all checked."""

from collections.abc import Mapping
from math import isfinite
from pathlib import Path

from mmbench.errors import UsageError, nearest
from mmbench.fingerprint import file_sha256
from mmbench.specs import CONFIGS, Parameter, RecommenderSpec, Scalar, parse
from mmbench.yamls import read_yaml

KINDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "str": "a text",
    "file": "the path of a file",
}


def training_parameters() -> dict[str, Parameter]:
    """Return the hyper-parameters that every trained recommender takes."""
    return _parameters(CONFIGS / "training.yaml")


def end2end_parameters() -> dict[str, Parameter]:
    """Return the hyper-parameters of the paradigm end2end, beside the recommender's."""
    return _parameters(CONFIGS / "end2end.yaml")


def _parameters(path: Path) -> dict[str, Parameter]:
    return {
        key: parse(Parameter, value, f"{path}: {key}") for key, value in read_yaml(path).items()
    }


def parameters(spec: RecommenderSpec, end2end: bool = False) -> dict[str, Parameter]:
    """Return what may be set: the recommender's own and, where it is trained, those of training.

    Args:
        spec: the recommender. end2end: whether an encoder trains with it, which has some, too.
    """
    training = training_parameters() if spec.trained else {}
    return training | (end2end_parameters() if end2end else {}) | spec.parameters


def resolve(
    spec: RecommenderSpec,
    defaults: Mapping[str, Scalar],
    chosen: Mapping[str, Scalar],
    end2end: bool = False,
) -> dict[str, Scalar]:
    """Return all hyper-parameters of a recommender with their values.

    Args:
        spec: the recommender.
        defaults: its defaults; keys that cannot be set are left out.
        chosen: the person's values.
        end2end: whether an encoder trains with it.

    Raises:
        UsageError: an unknown key (with the nearest one), a wrong type, a value out of range.
    """
    known = parameters(spec, end2end)
    for key in chosen:
        if key not in known and key in end2end_parameters():
            raise UsageError(f"--set {key}: only --paradigm end2end has it")
        if key not in known:
            raise UsageError(f"--set {key}: {spec.name} has no such key; {nearest(key, known)}")
    values = {key: defaults[key] for key in known if key in defaults} | dict(chosen)
    return {key: check(key, values[key], known[key]) for key in sorted(values)}


def check(key: str, value: Scalar, parameter: Parameter) -> Scalar:
    """Return a value in the type of its parameter; the path of a file becomes absolute.

    Raises:
        UsageError: wrong type, or out of range (the message gives the range), or no such file.
    """
    if value is None and parameter.null:
        return None
    typed = _typed(value, parameter.type)
    if typed is None:
        raise UsageError(f"--set {key}={value}: expected {KINDS[parameter.type]}")
    if parameter.type == "file":
        return _file(key, str(typed))
    if parameter.choices and typed not in parameter.choices:
        options = [str(choice) for choice in parameter.choices]
        raise UsageError(f"--set {key}={value}: {nearest(str(value), options)}")
    if isinstance(typed, (int, float)) and not _within(typed, parameter):
        raise UsageError(f"--set {key}={value}: expected {_range(parameter)}")
    return typed


def files(spec: RecommenderSpec, values: Mapping[str, Scalar]) -> dict[str, str]:
    """Return hyper-parameter → sha256 of the file it names, for all that name one.

    Raises:
        UsageError: a file that cannot be read.
    """
    known = parameters(spec, end2end=True)
    named = {key: value for key, value in values.items() if known[key].type == "file" and value}
    return {key: _sha256(key, Path(str(value))) for key, value in named.items()}


def require_room(
    spec: RecommenderSpec, values: Mapping[str, Scalar], dataset: str, counts: Mapping[str, int]
) -> None:
    """Refuse values for which a dataset is too small.

    Args:
        dataset: its name. counts: how many users and items it has.

    Raises:
        UsageError: the message gives the largest value.
    """
    for key, parameter in spec.parameters.items():
        value = values[key]
        if not isinstance(value, (int, float)) or not _is_read(parameter, values):
            continue
        for noun, over in parameter.leaves.items():
            if value > (most := counts[noun] - over):
                told = f"dataset '{dataset}' has {counts[noun]} {noun}"
                raise UsageError(f"--set {key}={value}: {told}: expected at most {most}")


def largest(parameter: Parameter, counts: Mapping[str, int]) -> int | None:
    """Return the largest value for which a dataset has room, None where it is of no matter.

    Args:
        counts: how many users and items the dataset has.
    """
    return min((counts[noun] - over for noun, over in parameter.leaves.items()), default=None)


def modality_needs(spec: RecommenderSpec, values: Mapping[str, Scalar]) -> dict[str, int]:
    """Return how many matrices of item features the recommender needs, and single values of it."""
    needs = {spec.name: spec.least_modalities}
    for key, parameter in spec.parameters.items():
        value = values[key]
        if (least := parameter.least_modalities.get(str(value))) and _is_read(parameter, values):
            needs[f"{spec.name} with --set {key}={value}"] = least
    return needs


def _is_read(parameter: Parameter, values: Mapping[str, Scalar]) -> bool:
    return all(values[other] == value for other, value in parameter.when.items())


def _sha256(key: str, path: Path) -> str:
    try:
        return file_sha256(path)
    except OSError as error:
        raise UsageError(f"--set {key}={path}: it cannot be read ({error.strerror})") from error


def _file(key: str, name: str) -> str:
    # A record that is repeated from another folder finds it all the same.
    path = Path(name).expanduser().absolute()
    if not name.strip() or not path.is_file():
        raise UsageError(f"--set {key}={name}: there is no such file")
    return str(path)


def _typed(value: Scalar, kind: str) -> Scalar:
    if kind == "bool":
        return value if isinstance(value, bool) else None
    if kind in ("str", "file"):
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
