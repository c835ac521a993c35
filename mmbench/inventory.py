"""What there is to choose from, and what one of it is: names, descriptions, defaults, ranges."""

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from mmbench.datasets.manifest import MANIFEST, read_manifest
from mmbench.errors import UsageError, nearest
from mmbench.home import Home
from mmbench.hyperparameters import parameters
from mmbench.records import read_record
from mmbench.specs import (
    RecommenderSpec,
    dataset_spec,
    encoder_yaml,
    names,
    protocol_spec,
    recommender_spec,
)
from recbole_ext.defaults import defaults

NOUNS = ("datasets", "encoders", "recommenders", "protocols")
READERS: Mapping[str, Any] = {
    "datasets": dataset_spec,
    "encoders": encoder_yaml,
    "recommenders": recommender_spec,
    "protocols": protocol_spec,
}


def list_(
    noun: str | None = None, home: Home | str | PathLike[str] | None = None
) -> dict[str, dict[str, str]]:
    """Return noun → name → description; the datasets prepared in the home are among them.

    Raises:
        UsageError: an unknown noun.
    """
    if noun is not None and noun not in NOUNS:
        raise UsageError(f"mmbench list {noun}: {nearest(noun, NOUNS)}")
    found = {}
    for kind in [noun] if noun else NOUNS:
        found[kind] = {name: READERS[kind](name).description for name in names(kind)}
    if "datasets" in found:
        found["datasets"] |= _prepared(Home.of(home))
    return found


def _prepared(home: Home) -> dict[str, str]:
    described = {}
    for path in sorted(home.datasets.glob(f"[!.]*/{MANIFEST}")):
        try:
            manifest = read_manifest(path.parent)
        except UsageError as error:
            described[path.parent.name] = f"damaged: {error}"
            continue
        counts = manifest["counts"]
        described[path.parent.name] = (
            f"prepared: {counts['users']} users, {counts['items']} items, "
            f"{counts['interactions']} interactions, protocol {manifest['protocol']}"
        )
    return described


def show(name: str, home: Home | str | PathLike[str] | None = None) -> dict[str, Any]:
    """Return everything known of a name: a record's path, a dataset, an encoder, a recommender ...

    Raises:
        UsageError: nothing has that name.
    """
    path, home = Path(name), Home.of(home)
    if path.suffix == ".json":
        return dict(read_record(path).values)
    folder = home.datasets / name
    if (folder / MANIFEST).is_file():
        return read_manifest(folder)
    for kind in NOUNS:
        if name.partition(":")[0] in names(kind):
            return {"kind": kind[:-1], **_described(kind, name)}
    known = [other for kind in NOUNS for other in names(kind)] + list(_prepared(home))
    raise UsageError(f"nothing is called '{name}': {nearest(name, known)}")


def _described(kind: str, name: str) -> dict[str, Any]:
    spec = READERS[kind](name)
    told: dict[str, Any] = spec.model_dump(mode="json", exclude_none=True)
    if isinstance(spec, RecommenderSpec):
        usual = defaults(spec.name)
        told["parameters"] = {
            key: {"default": usual.get(key), **parameter.model_dump(exclude_defaults=True)}
            for key, parameter in parameters(spec).items()
        }
    return told
