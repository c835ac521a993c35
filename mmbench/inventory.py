"""What there is to choose from, and what one of it is: names, descriptions, defaults, ranges."""

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from tabulate import tabulate

from mmbench.datasets.manifest import MANIFEST, read_manifest
from mmbench.encoder_spec import FINETUNED, EncoderSpec, encoder_spec, encoder_yaml
from mmbench.errors import UsageError, nearest
from mmbench.finetuned.told import Told, all_told, find_told
from mmbench.home import Home
from mmbench.hyperparameters import parameters
from mmbench.needs import missing
from mmbench.records import read_record
from mmbench.specs import (
    RecommenderSpec,
    dataset_spec,
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
) -> dict[str, dict[str, Any]]:
    """Return noun → name → description; the datasets prepared in the home are among them.

    Of `encoders` alone it tells more: name → description, kind, modalities, dimension, parameters,
    licence, source of the weights, and what of them is missing here.

    Raises:
        UsageError: an unknown noun.
    """
    if noun is not None and noun not in NOUNS:
        raise UsageError(f"mmbench list {noun}: {nearest(noun, NOUNS)}")
    if noun == "encoders":
        where = Home.of(home)
        plain = {name: _about(encoder_yaml(name), where) for name in names(noun)}
        return {noun: plain | {told.name: _adapted(told, where) for told in _told(where)}}
    found = {}
    for kind in [noun] if noun else NOUNS:
        found[kind] = {name: READERS[kind](name).description for name in names(kind)}
    if "datasets" in found:
        found["datasets"] |= _prepared(Home.of(home))
    if "encoders" in found:
        found["encoders"] |= {told.name: told.description for told in _told(Home.of(home))}
    return found


def _told(home: Home) -> list[Told]:
    return all_told(home.models)


def _adapted(told: Told, home: Home) -> dict[str, Any]:
    """Return what a fine-tuned encoder is: its base, and what became of it."""
    base = _about(encoder_spec(str(told.meta["encoder"])), home)
    source = f"{told.meta['encoder']}, {told.description}"
    return {**base, "description": told.description, "source": source, "argument": None}


def _about(spec: EncoderSpec, home: Home) -> dict[str, Any]:
    about = spec.about
    return {
        "description": spec.description,
        "kind": spec.kind,
        "modalities": list(spec.modalities),
        "dimension": about.dimension,
        "parameters": about.parameters,
        "licence": about.licence,
        "source": about.source,
        "missing": [told for need in about.needs if (told := missing(need, home))],
        "argument": spec.argument,
        "control": spec.control,
        "variants": list(spec.variants),
    }


def encoder_table(found: Mapping[str, Mapping[str, Any]]) -> str:
    """Return what `list_("encoders")` found as a table."""
    rows, lacks = [], []
    for name, told in found.items():
        sizes = sorted(set(told["dimension"].values()))
        here = "missing" if told["missing"] else "as named" if told["argument"] else "here"
        if told["missing"]:
            more = f" and {len(told['missing']) - 1} more" if told["missing"][1:] else ""
            lacks.append(f"{name} lacks {told['missing'][0]}{more}")
        rows.append(
            [
                f"{name} (control)" if told["control"] else _asked(name, told["argument"]),
                told["kind"],
                ", ".join(told["modalities"]),
                ", ".join(map(str, sizes)) or "-",
                told["parameters"] or "-",
                told["licence"] or "-",
                here if told["source"] else "-",
                told["source"] or "-",
            ]
        )
    head = ["encoder", "kind", "modalities", "dimension", "parameters", "licence"]
    head += ["weights", "from"]
    table = tabulate(rows, head, tablefmt="simple", disable_numparse=True)
    return "\n".join([table, "", *lacks] if lacks else [table])


def _asked(name: str, argument: str | None) -> str:
    return f"{name}:{argument.upper()}" if argument else name


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
    if FINETUNED in name and encoder_spec(name).finetuned is not None:
        return {"kind": "encoder", **find_told(home.models, encoder_spec(name)).meta}
    for kind in NOUNS:
        if name.partition(":")[0] in names(kind):
            return {"kind": kind[:-1], **_described(kind, name)}
    known = [other for kind in NOUNS for other in names(kind)] + list(_prepared(home))
    known += [told.name for told in _told(home)]
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
