"""The values of a benchmark before they are checked: of its YAML, and what flags make of them."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from mmbench.errors import UsageError
from mmbench.specs import Scalar

LISTS = {  # flag → the list of the benchmark that it stands for
    "dataset": "datasets",
    "encoder": "encoders",
    "paradigm": "paradigms",
    "model": "recommenders",
}


def check_once(named: Sequence[str]) -> None:
    """Refuse a name that stands twice, by ValueError."""
    for name in named:
        if named.count(name) > 1:
            raise ValueError(f"'{name}' stands twice")


def plain(values: dict[str, Any], where: str) -> dict[str, Any]:
    """Return the values of a YAML with what may be written in two ways written in one."""
    told = dict(values)
    if "recommenders" in told:
        told["recommenders"] = _wishes(told["recommenders"], f"{where}: recommenders")
    search = told.pop("search", None)
    if search is False:
        return told | {"search": None}
    if search is None or search is True:
        return told
    if not isinstance(search, dict):
        raise UsageError(f"{where}: search: write false, or keys as in `search: {{trials: 20}}`")
    return told | {"search": search}


def _wishes(said: Any, where: str) -> dict[str, Any]:
    if isinstance(said, list) and all(isinstance(name, str) for name in said):
        try:
            check_once(said)
        except ValueError as error:
            raise UsageError(f"{where}: {error}") from error
        return {name: {} for name in said}
    if isinstance(said, dict) and all(isinstance(wish or {}, dict) for wish in said.values()):
        return {name: wish or {} for name, wish in said.items()}
    raise UsageError(f"{where}: write a list of names, or NAME: {{set, space, encoders}}")


def named(flag: str, text: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a flag with names, commas between them, makes of the values."""
    if flag not in LISTS:
        return {flag: text}
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise UsageError(f"--{flag} '{text}': a name is missing beside a comma")
    wishes = values.get("recommenders", {})
    if flag == "model":
        known = {name: wishes.get(name) for name in _wishes(names, "--model")}
        return {"recommenders": {name: wish or {} for name, wish in known.items()}}
    if flag == "encoder" and wishes:
        wishes = {name: _without(wish, {"encoders"}) for name, wish in wishes.items()}
        return {"encoders": names, "recommenders": wishes}
    return {LISTS[flag]: names}


def _without(values: Any, keys: Collection[str]) -> Any:
    if not isinstance(values, dict):  # told when it is parsed
        return values
    return {key: value for key, value in values.items() if key not in keys}


def searched(values: Mapping[str, Any], wish: Mapping[str, Any], none: bool) -> dict[str, Any]:
    """Return what wishes for the search, or for none, make of the values."""
    said = {key: value for key, value in wish.items() if value is not None}
    if none and said:
        flag = next(iter(said)).replace("_", "-")
        raise UsageError(f"--no-search and --{flag}: leave one of them out")
    if none:
        return {"search": None}
    return {"search": {**(values.get("search") or {}), **said}} if said else {}


def fixed(values: dict[str, Any], settings: Mapping[str, Scalar]) -> dict[str, Any]:
    """Return the values with hyper-parameters fixed, whatever they were set to or searched in."""
    if not settings:
        return values
    wishes = {
        name: {part: _without(said, settings) for part, said in wish.items()}
        for name, wish in values.get("recommenders", {}).items()
    }
    return values | {"set": {**(values.get("set") or {}), **settings}, "recommenders": wishes}
