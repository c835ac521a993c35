"""Which dataset folders were made of the same data, by what their manifests say of it."""

from collections.abc import Callable, Mapping
from typing import Any

from mmbench.datasets.manifest import read_manifest
from mmbench.errors import UsageError
from mmbench.home import Home
from mmbench.questions.study import Table


def same_data(home: Home) -> Callable[[Table, Table], bool]:
    """Return what says whether two tables are of one dataset, perhaps split in two ways.

    They are where they have one name, or where the manifests in the home name the same files, by
    their sums, and dropped the same of them. A name that is not in the home says nothing.
    """
    known: dict[tuple[str, str], Mapping[str, Any] | None] = {}

    def origin(table: Table) -> Mapping[str, Any] | None:
        key = (table.data, table.cases[0].cell.version)
        if key not in known:
            known[key] = _origin(home, *key)
        return known[key]

    def same(one: Table, other: Table) -> bool:
        if one.data == other.data:
            return True
        found = origin(one)
        return found is not None and found == origin(other)

    return same


def _origin(home: Home, name: str, version: str) -> Mapping[str, Any] | None:
    try:
        manifest = read_manifest(home.datasets / name)
    except UsageError:
        return None
    if manifest["fingerprint"] != version or not manifest.get("inputs"):
        return None
    return {key: manifest.get(key) for key in ("inputs", "filtered")}
