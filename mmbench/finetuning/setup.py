"""From a plan to a training that can run: models loaded and adapted, pairs read and divided."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from mmbench.adapters.adapted import Adapted, adapt
from mmbench.adapters.linear import behind
from mmbench.encoders.frozen import frozen_vectors
from mmbench.encoders.network import Network
from mmbench.finetuned.network import SHARED
from mmbench.finetuning import copurchase
from mmbench.finetuning.checkpoint import Checkpoint
from mmbench.finetuning.content import Content, read_content
from mmbench.finetuning.dual_encoder import KINDS, DualEncoder, Source, heads
from mmbench.finetuning.fusion import Fusion
from mmbench.finetuning.item_pairs import ItemPairs, divided, warm_rows
from mmbench.finetuning.objectives import Clce, Itc, ItcCopurchase, Objective, Siglip
from mmbench.finetuning.plan import FinetunePlan
from mmbench.finetuning.settings import BY_COPURCHASE, BY_FUSION, MAP, Settings
from mmbench.finetuning.sources import inputs_of, mapped, top, whole
from mmbench.finetuning.training import Task, Training
from mmbench.fingerprint import fingerprint
from mmbench.missing import Pairs
from mmbench.progress import Progress
from mmbench.training_pairs import training_pairs

PIXELS, LOWER = "pixels.npy", "lower"


@dataclass(frozen=True)
class Ready:
    """A training that can run.

    counts: how many pairs are learnt from, held out, cold, and unreadable.
    parameters: of the encoder, all and trainable.
    """

    training: Training
    counts: Mapping[str, int]
    parameters: Mapping[str, int]


def ready(planned: FinetunePlan, checkpoint: Path, progress: Progress) -> Ready:
    """Load, adapt and read all that a training needs.

    Args:
        planned: what it will be.
        checkpoint: the file where it keeps its state; the pixels lie beside it.
        progress: told about it.

    Raises:
        UsageError: the models cannot be loaded or adapted, or there are too few items.
    """
    began = perf_counter()
    settings, catalog, members = planned.settings, planned.dataset.catalog, planned.members
    for member in members.values():
        member.load()
        member.top_blocks(settings.train_layers)  # too many are refused before the long work
    # So is an adapter that does not fit; a map is put behind once the vectors are there.
    adapted = {} if settings.adapter == MAP else _adapted(members, settings)
    bought = training_pairs(planned.dataset, catalog.ids)
    warm = warm_rows(catalog, bought)
    image_text = members["image"], members["text"]
    file = checkpoint.with_name(PIXELS)
    content = read_content(catalog, warm, *image_text, planned.machine, file, progress)
    if settings.adapter == MAP:
        adapted, sources = _mapped(planned, content, progress)
    else:
        sources = _sources(planned, content, checkpoint.with_name(LOWER), progress)
    pairs = divided(catalog, content.rows, settings.held_out, settings.seed)
    task = _task(pairs, content, bought, settings)
    model = _model(planned, adapted, sources, content)
    objective = _objective(task, pairs, bought, model, settings)
    micro = planned.machine.batch_size or min(one.batch_size for one in members.values())
    kept = Checkpoint(checkpoint, planned.fingerprint)
    parameters = _parameters(adapted)  # before a loss adds some that are not kept
    fusion = _fusion(planned, model, objective)
    training = Training(model, objective, task, settings, micro, kept, progress, fusion)
    training.since = began  # loading and reading are a part of what it costs
    both = int((catalog.present["image"] & catalog.present["text"]).sum())
    counts = {"train": len(pairs.train), "held_out": len(pairs.held_out)}
    counts |= {"cold": both - len(warm), "unreadable": len(warm) - len(content)}
    return Ready(training, counts, parameters)


def _mapped(
    planned: FinetunePlan, content: Content, progress: Progress
) -> tuple[dict[str, Adapted], dict[str, Source]]:
    """Put a map behind both members, and let it start from vectors that are computed once."""
    members, size = planned.members, planned.machine.batch_size
    inputs = {kind: inputs_of(members[kind], content) for kind in KINDS}
    kept = {
        kind: frozen_vectors(one, inputs[kind], size or one.batch_size, progress)
        for kind, one in members.items()
    }
    adapted = _adapted(members, planned.settings)
    return adapted, {kind: mapped(kept[kind], behind(members[kind])) for kind in KINDS}


def _sources(
    planned: FinetunePlan, content: Content, folder: Path, progress: Progress
) -> dict[str, Source]:
    """Return what passes the members; what lies below the blocks that train is computed once."""
    layers, members = planned.settings.train_layers, planned.members
    inputs = {kind: inputs_of(members[kind], content) for kind in KINDS}
    if layers is None:
        return {kind: whole(members[kind], inputs[kind]) for kind in KINDS}
    items = {"dataset": planned.dataset.fingerprint, "rows": fingerprint(content.rows.tolist())}
    how = layers, folder, items, progress
    return {kind: top(members[kind], inputs[kind], *how) for kind in KINDS}


def _adapted(members: Mapping[str, Network], settings: Settings) -> dict[str, Adapted]:
    """Adapt both members; once, where pictures and texts pass one module."""
    image, text = (members[kind] for kind in KINDS)
    how = settings.adapter, settings.adapter_options, settings.train_layers
    if text.share(image):
        return {SHARED: adapt([image, text], *how)}
    return {kind: adapt(members[kind], *how) for kind in KINDS}


def _parameters(adapted: Mapping[str, Adapted]) -> dict[str, int]:
    return {
        "all": sum(one.count for one in adapted.values()),
        "trainable": sum(
            each.numel() for one in adapted.values() for each in one.trainable().values()
        ),
    }


def _task(pairs: ItemPairs, content: Content, bought: Pairs, settings: Settings) -> Task:
    train, held_out = content.places(pairs.train), content.places(pairs.held_out)
    if settings.loss not in BY_COPURCHASE:
        return Task(train, held_out, None, None)
    nearest = _nearest(bought, pairs.train, settings) if settings.loss == "itc+copurchase" else None
    together = [one.tolist() for one in _nearest(bought, pairs.held_out, settings)]
    return Task(train, held_out, nearest, together)


def _nearest(bought: Pairs, rows: NDArray[np.int64], settings: Settings) -> list[NDArray[np.int64]]:
    return copurchase.nearest(copurchase.taken(bought, rows), settings.nearest)


def _model(
    planned: FinetunePlan,
    adapted: Mapping[str, Adapted],
    sources: Mapping[str, Source],
    content: Content,
) -> DualEncoder:
    settings, device = planned.settings, planned.machine.device
    model = DualEncoder(sources, adapted, content, nn.ModuleDict(), device, settings.precision)
    if planned.one_space:
        return model
    made = model.encode(np.arange(1), 1)
    dims = {kind: int(one.shape[1]) for kind, one in zip(KINDS, made, strict=True)}
    model.heads = heads(dims, settings.dimension, settings.seed).to(model.device)
    return model


def _fusion(planned: FinetunePlan, model: DualEncoder, contrast: Objective) -> Fusion | None:
    settings, image, text = planned.settings, *(planned.members[kind] for kind in KINDS)
    if settings.loss != BY_FUSION or not isinstance(contrast, Itc):
        return None
    frozen = set(text.top_blocks(None)) - set(text.top_blocks(settings.train_layers))
    return Fusion(text, image, model, contrast, frozen, settings.seed)


def _objective(
    task: Task, pairs: ItemPairs, bought: Pairs, model: DualEncoder, settings: Settings
) -> Objective:
    if settings.loss in ("itc", BY_FUSION):
        return Itc()
    if settings.loss == "siglip":
        return Siglip()
    if settings.loss == "itc+copurchase":
        return ItcCopurchase(task.nearest or [])
    labels = copurchase.groups(copurchase.taken(bought, pairs.train), settings.seed)
    dim = int(model.encode(np.arange(1), 1)[0].shape[1])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        return Clce(labels, dim)
