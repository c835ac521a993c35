"""A record without the paths of the machine that made it: of each, its last name stays."""

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any

# An absolute path, or one of a person's home; no address of the web, no "and/or".
PATH = re.compile(r"(?<![\w./~])~?/(?![/\s])[^\s'\"<>,;()\[\]{}]+")
PRINTS = ("trial", "dataset", "features", "protocol")  # the others are of files


def portable(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys of a record with the last name of a path where a path was.

    The name of the encoder stays: it is part of the trial's fingerprint; see `paths`.
    """
    trial = values["trial"]
    settings = trial.get("hyperparameters") or {}
    files = [settings.get(key) for key in values["fingerprints"] if key not in PRINTS]
    known = sorted({str(path) for path in (trial.get("weights"), *files) if path}, key=len)[::-1]

    def told(text: str) -> str:
        for path in known:
            text = text.replace(path, PurePath(path).name)
        return PATH.sub(lambda found: PurePath(found[0]).name, text)

    def made(value: Any) -> Any:
        if isinstance(value, str):
            return told(value)
        if isinstance(value, Mapping):
            return {told(key): made(each) for key, each in value.items()}
        return [made(each) for each in value] if isinstance(value, list) else value

    whole: dict[str, Any] = made(values)
    whole["trial"]["encoder"] = trial["encoder"]
    return whole


def paths(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Yield the keys whose text holds a path of a machine, and the path."""
    if isinstance(value, str) and (found := PATH.search(value)):
        yield key, found[0]
    elif isinstance(value, Mapping):
        for name, each in value.items():
            yield from paths(name, f"{key} (a key)")
            yield from paths(each, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list):
        for place, each in enumerate(value):
            yield from paths(each, f"{key}[{place}]")
