"""Catalogue × encoder → features: planned and checked, made once, memory-mapped ever after."""

import shutil
from collections.abc import Callable, Mapping
from functools import partial
from os import PathLike
from time import perf_counter
from typing import Any

import numpy as np

from mmbench.atomic import locked
from mmbench.datasets.catalog import Catalog
from mmbench.datasets.dataset import Dataset
from mmbench.encoders.base import Control, Items, Rows
from mmbench.encoders.network import Network
from mmbench.errors import UsageError
from mmbench.extraction.fusion import fuse
from mmbench.extraction.modality import Extracted, extracted
from mmbench.feature_plan import FUSED, FeaturePlan, plan_features, weights
from mmbench.features import META, Feature, FeatureSet
from mmbench.home import Home
from mmbench.machine import Machine
from mmbench.progress import Progress, Silent
from mmbench.specs import Encoding, parse
from mmbench.versions import versions


def encode(
    dataset: Dataset | str,
    encoder: str,
    *,
    device: str = "auto",
    batch_size: int | str = "auto",
    workers: int | None = None,
    home: Home | str | PathLike[str] | None = None,
    progress: Progress | None = None,
    **encoding: Any,
) -> FeatureSet:
    """Return the features of a dataset under an encoder, from disk where they are there.

    Args:
        dataset: a dataset, or the name of a prepared one.
        encoder: its name.
        device: auto, cpu, cuda or cuda:N.
        batch_size: items a forward pass; auto halves the encoder's own where memory ends.
        workers: processes that decode pictures; as many as suit the machine where it is None.
        home: see `Home.find`.
        progress: told about long work.
        encoding: the fields of `mmbench.specs.Encoding`: random_weights, weights, fuse ...

    Raises:
        UsageError: an unknown encoder, missing weights, a device that is not there.
    """
    home, progress = Home.of(home), progress or Silent()
    opened = Dataset.load(home, dataset) if isinstance(dataset, str) else dataset
    machine = Machine.of(device, batch_size, workers)
    planned = plan_features(opened, encoder, parse(Encoding, encoding, "encode"), machine, home)
    return extract(planned, opened, progress)


def extract(plan: FeaturePlan, dataset: Dataset, progress: Progress) -> FeatureSet:
    """Return the planned features, made now or read from disk."""
    told = plan.finetuned
    if told and told.meta["dataset_fingerprint"] != dataset.fingerprint:
        was = told.meta["dataset"]
        which = f"dataset '{was}'" if was != dataset.name else f"another version of '{was}'"
        progress.say(f"{told.name} was fine-tuned on {which}")
    if not (plan.folder / META).is_file():
        # Another process may be at it: then this one waits and reads what that one wrote.
        with locked(plan.folder.with_name(f".{plan.folder.name}.lock")):
            if not (plan.folder / META).is_file():
                _make(plan, dataset, progress)
    return FeatureSet.load(plan.folder, plan.fingerprint, dataset.catalog.ids)


def _make(plan: FeaturePlan, dataset: Dataset, progress: Progress) -> None:
    # A cache must never hold the content of files that are not the fingerprint's.
    for line in dataset.damage() or dataset.damaged_pictures():
        raise UsageError(f"{line}: prepare the dataset again with --force")
    base = extract(plan.base, dataset, progress) if plan.base else None
    shards = plan.folder.with_name(f".{plan.folder.name}.shards")
    made: dict[str, Extracted] = {}
    if plan.encoding.fuse and base:
        made[FUSED] = _timed(partial(fuse, base.modalities, plan.encoding.fuse))
    for name, member in plan.members.items():
        if isinstance(member, Control):
            made[name] = _timed(partial(_control, member, name, dataset.catalog, base))
        else:
            made[name] = extracted(
                name,
                member,
                dataset.catalog,
                plan.encoding,
                plan.machine,
                shards / name,
                progress,
            )
    _check_dimensions(plan, made)
    meta = _meta(plan, dataset, made, base)
    _tell(meta, plan, progress)
    dtype = plan.encoding.dtype
    modalities = {name: _stored(name, one.feature, dtype) for name, one in made.items()}
    FeatureSet(dataset.catalog.ids, modalities, meta).save(plan.folder)
    shutil.rmtree(shards, ignore_errors=True)


def _check_dimensions(plan: FeaturePlan, made: Mapping[str, Extracted]) -> None:
    """Refuse vectors of another length than a named encoder has: its weights are another model."""
    told = {} if ":" in plan.spec.name else plan.spec.about.dimension
    for name in made.keys() & told.keys():
        found = made[name].feature.matrix.shape[1]
        if found != told[name] and isinstance(plan.members.get(name), Network):
            raise UsageError(
                f"encoder '{plan.spec.name}' gives {told[name]} numbers an {name}, these weights "
                f"{found}: they are of another model"
            )


def _timed(make: Callable[[], Feature]) -> Extracted:
    began = perf_counter()
    feature = make()
    return Extracted(feature, set(), {"seconds": perf_counter() - began})


def _control(member: Control, name: str, catalog: Catalog, base: FeatureSet | None) -> Feature:
    items = Items(catalog.ids, catalog.present, catalog.columns, catalog.attributes)
    rows = member.rows(items, Rows(*base.modalities[name]) if base else None)
    return Feature(rows.matrix, rows.mask)


def _stored(name: str, feature: Feature, dtype: str) -> Feature:
    with np.errstate(over="ignore"):  # what float16 cannot hold becomes infinite
        matrix = feature.matrix.astype(dtype, copy=False)
    if not np.isfinite(matrix).all():
        raise UsageError(f"--dtype {dtype}: the {name} vectors hold larger numbers: use float32")
    return Feature(matrix, feature.mask)


def _tell(meta: Mapping[str, Any], plan: FeaturePlan, progress: Progress) -> None:
    """Say what a person would not expect."""
    for name in plan.left_out:
        progress.say(f"no item of '{meta['dataset']}' has {name}: that modality is left out")
    lost = len(meta["unreadable_pictures"])
    if lost:
        told = f"{lost} pictures can no longer be read and are masked"
        progress.say(f"{told}; all in {plan.folder / META}")
    for name, (lost, of) in meta["without"].items():
        if lost > of / 2:
            progress.say(f"{name}: {lost} of {of} items have no vector, and are masked")
    for name, figures in meta["extraction"].items():
        if figures.get("long_texts"):
            share = f"{figures['long_texts_share']:.1%}"
            progress.say(
                f"{name}: {figures['long_texts']} texts ({share}) are longer than the model reads: "
                f"--long-texts {plan.encoding.long_texts}"
            )


def _meta(
    plan: FeaturePlan, dataset: Dataset, made: Mapping[str, Extracted], base: FeatureSet | None
) -> dict[str, Any]:
    seconds = sum(
        one.figures["seconds"] + one.figures.get("preparing_seconds", 0.0) for one in made.values()
    )
    if plan.encoding.fuse and base:
        seconds += base.meta["seconds"]
    n_items = len(dataset.catalog.ids)
    return {
        "dataset": dataset.name,
        "dataset_fingerprint": dataset.fingerprint,
        "encoder": plan.spec.name,
        "weights": weights(plan),
        "encoding": plan.encoding.model_dump(exclude={"weights", "random_weights"}),
        "identity": dict(plan.identity["encoder"]),
        "of": plan.spec.of,
        "finetuned": plan.finetuned.summary() if plan.finetuned else None,
        "left_out": list(plan.left_out),
        "fingerprint": plan.fingerprint,
        "unreadable_pictures": sorted(set().union(*(one.unreadable for one in made.values()))),
        "without": {name: [int((~one.feature.mask).sum()), n_items] for name, one in made.items()},
        "seconds": seconds,
        "items_per_second": n_items / seconds if seconds else None,
        "extraction": {name: one.figures for name, one in made.items()},
        "device": plan.machine.device,
        "workers": plan.machine.workers,
        "versions": versions(),
    }
