"""One trial: fitted on validation, scored on test once, recorded whatever happens.

The only door to recbole_ext (`plan` reads its defaults).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from torch import nn

from mmbench.costs import Meter
from mmbench.end2end.encoders import Encoders, anew, encoders
from mmbench.end2end.record import with_training
from mmbench.errors import UsageError
from mmbench.extract import extract
from mmbench.feature_plan import FeaturePlan
from mmbench.features import FeatureSet
from mmbench.hyperparameters import files
from mmbench.item_graph import ITEM_GRAPH, ItemGraph, read_item_graph
from mmbench.lists import LISTED, told
from mmbench.missing import FROM_TRAINING, Completed, complete
from mmbench.paradigm import END2END
from mmbench.plan import Planned, done, plan
from mmbench.progress import Progress, Silent
from mmbench.record_keys import broken, common, gpu_peak_mb
from mmbench.records import Record
from mmbench.scratch import clear
from mmbench.shared_arrays import SharedArrays, shared
from mmbench.specs import recommender_spec
from mmbench.training_pairs import training_pairs
from recbole_ext import run as recbole
from recbole_ext.checkpoint import Checkpoint, CheckpointError
from recbole_ext.config import Config
from recbole_ext.dataset import EmptyPartError, MultimodalDataset
from recbole_ext.trainer import BEST, silent
from recbole_ext.training_state import Epoch


@dataclass(frozen=True)
class Fit:
    """A trained recommender that has not seen the test part.

    features: as the encoder gave them. completed: as the recommender got them.
    encoders: what trained beside the recommender; None where nothing did.
    dropped: items, users and interactions that left the dataset; None where none had to.
    seconds: of all sessions of the training.
    """

    planned: Planned
    recbole: recbole.Fit
    features: FeatureSet
    completed: Completed
    encoders: Encoders | None
    dropped: Mapping[str, Any] | None
    seconds: float


def fit(planned: Planned, progress: Progress, watch: Callable[[Epoch], None] | None = None) -> Fit:
    """Encode and train; validation chooses the epoch, the test part is not looked at.

    Args:
        watch: called after every epoch, those of a training that goes on first; what it raises
            ends the training.
    """
    graph = _item_graph(planned)
    features = extract(_unloaded(planned), planned.dataset, progress)
    start = perf_counter()
    checkpoint = _checkpoint(planned, progress)
    config = _config(planned)
    frozen = planned.trial.paradigm != END2END
    share = SharedArrays.beside(planned.features.folder, progress.say) if frozen else None
    completed, contents = shared(_completed(planned, features, progress), features, share)
    data = _without(completed.left_out, config, share)
    for name, feature in completed.modalities.items():
        data.add_features(name, features.ids, feature.matrix, feature.mask, contents.get(name))
    if graph is not None:
        data.add_item_graph(features.ids, *graph)
    trained = _encoders(planned, features, progress)
    live = trained.live if trained else None
    epochs = int(planned.trial.hyperparameters.get("epochs") or 1)
    task = f"train {planned.trial.model} seed {planned.trial.seed}"
    told = watch or silent

    def show(epoch: Epoch) -> None:
        score = "" if epoch.score is None else f" {planned.protocol.select} {epoch.score:.4f}"
        progress.advance(task, epoch.number, epochs, f"loss {epoch.loss:.4f}{score}")
        told(epoch)

    try:
        for epoch in _earlier(checkpoint):
            told(epoch)
        fitted = recbole.fit(config, data, show, checkpoint, progress.say, live)
    except CheckpointError as error:
        raise UsageError(f"{error}: leave out --resume to begin anew") from error
    progress.advance(task, epochs, epochs, f"best epoch {fitted.trained.best}")
    seconds = fitted.trained.earlier + perf_counter() - start
    return Fit(planned, fitted, features, completed, trained, data.dropped, seconds)


def _unloaded(planned: Planned) -> FeaturePlan:
    """Return the features' plan; where its encoders train later, not those that will be loaded."""
    if planned.trial.paradigm != END2END:
        return planned.features
    members = {name: anew(member) for name, member in planned.features.members.items()}
    return replace(planned.features, members=members)


def _encoders(planned: Planned, features: FeatureSet, progress: Progress) -> Encoders | None:
    """Return the encoders that train, loaded and ready; None where none does."""
    if planned.trial.paradigm != END2END:
        return None
    return encoders(planned.features, planned.dataset, features, planned.trial, progress)


def _completed(planned: Planned, features: FeatureSet, progress: Progress) -> Completed:
    """Apply the trial's policy for missing modalities."""
    trial = planned.trial
    reads = trial.missing in FROM_TRAINING and bool(features.modalities)
    pairs = training_pairs(planned.dataset, features.ids) if reads else None
    made = complete(features.modalities, features.ids, trial, pairs)
    for name, count in made.counts.items():
        if trial.identity() and count["items"]:
            hidden = f" ({count['hidden']} hidden)" if count["hidden"] else ""
            told = f"{trial.missing} filled {count['filled']}"
            progress.say(f"{name}: {count['items']} items without{hidden}, {told}")
    if made.left_out:
        progress.say(f"{len(made.left_out)} items lack a modality and leave the dataset")
    return made


def _without(items: Sequence[str], config: Config, share: SharedArrays | None) -> MultimodalDataset:
    try:
        return MultimodalDataset(config, items, share)
    except EmptyPartError as error:
        raise UsageError(
            f"--missing drop-items: {error}; take another policy, see `mmbench run --help`"
        ) from error


def _item_graph(planned: Planned) -> ItemGraph | None:
    """Read the graph that the trial names, the one that was planned with."""
    settings = planned.trial.hyperparameters
    if files(recommender_spec(planned.trial.model), settings) != planned.files:
        raise UsageError("a file that --set names changed since the trial began: run it again")
    if ITEM_GRAPH not in planned.files:
        return None
    return read_item_graph(Path(str(settings[ITEM_GRAPH])), len(planned.dataset.catalog.ids))


def _checkpoint(planned: Planned, progress: Progress) -> Checkpoint:
    path = planned.scratch / "checkpoint.safetensors"
    identity = f"{planned.identity} seed {planned.trial.seed}"
    if path.is_file() and not planned.resume:
        progress.say(f"training begins anew; --resume would have gone on from {path}")
    if planned.resume and not path.is_file():
        progress.say("no training was stopped on its way: it begins anew")
    return Checkpoint(path, identity, planned.resume)


def _earlier(checkpoint: Checkpoint) -> list[Epoch]:
    """Return the epochs of the training that goes on, none where it begins."""
    found = checkpoint.read() if checkpoint.resume else None
    return [Epoch(**epoch) for epoch in found[1]["curve"]] if found else []


def _config(planned: Planned) -> Config:
    protocol, memory = planned.protocol, planned.features.machine.eval_memory
    settings = {
        **{k: v for k, v in planned.trial.hyperparameters.items() if k not in planned.files},
        "seed": planned.trial.seed,
        "device": planned.device,
        "data_path": str(planned.dataset.folder.parent),
        "benchmark_filename": ["train", "valid", "test"],
        "load_col": {"inter": ["user_id", "item_id"]},
        "metrics": list(protocol.metrics),
        "topk": list(protocol.cutoffs),
        "valid_metric": protocol.select,
        **({"eval_memory_mb": memory} if memory else {}),
        "mask": {part: list(hidden) for part, hidden in protocol.mask.items()},
    }
    return Config(planned.trial.model, planned.dataset.name, config_dict=settings)


def score(fitted: Fit, meter: Meter, started: datetime) -> tuple[dict[str, Any], dict[str, Any]]:
    """Rank the test part, once; return the keys of the record and the per-user metrics."""
    start = perf_counter()
    ranking = recbole.evaluate(fitted.recbole, "test", LISTED)
    rank = perf_counter() - start
    trained, spec = fitted.recbole.trained, recommender_spec(fitted.planned.trial.model)
    values = common(fitted.planned, "ok", started) | {
        "metrics": {"valid": trained.valid.mean(), "test": ranking.mean()},
        "epochs": {
            "run": len(trained.curve) if spec.trained else 0,
            "best": trained.best if spec.trained else 0,
            "curve": [[e.number, e.loss, e.score] for e in trained.curve],
        },
        "seconds": {
            "encode": fitted.features.meta["seconds"],
            "train": fitted.seconds,
            "rank": rank,
        },
        "parameters": _counts(fitted.recbole.model) if spec.trained else {"all": 0, "trainable": 0},
        "memory": {
            "host_peak_mb": meter.host_peak_mb(),
            "gpu_peak_mb": gpu_peak_mb(fitted.planned.device),
        },
        "energy_wh": meter.energy_wh(),
    }
    values["encoder"] |= {
        "dimensions": fitted.features.dimensions,
        "extraction": fitted.features.meta["extraction"],
        "missing": fitted.completed.counts,
    }
    if fitted.encoders:
        values = with_training(values, fitted.encoders, fitted.recbole.joint)
    if fitted.dropped is not None:
        values["dropped"] = fitted.dropped
    if trained.resumed:
        values["resumed"] = True
    return values, {"users": ranking.users, **ranking.values, **told(ranking.lists)}


def _counts(model: nn.Module) -> dict[str, int]:
    every = list(model.parameters())
    learnt = [parameter for parameter in every if parameter.requires_grad]
    return {"all": sum(p.numel() for p in every), "trainable": sum(p.numel() for p in learnt)}


def execute(
    planned: Planned,
    progress: Progress | None = None,
    watch: Callable[[Epoch], None] | None = None,
) -> Record:
    """Run one planned trial and write its record, whatever happens; `watch`: see `fit`.

    A failure becomes a record with status `failed` and its traceback, an interruption one with
    status `stopped`, which is raised again once it is written; neither replaces a record that is
    ok.

    Raises:
        UsageError: something a person can mend (a full disk); no record is written.
    """
    progress = progress or Silent()
    started, meter = datetime.now(timezone.utc), Meter()
    if planned.device != "cpu":
        torch.cuda.reset_peak_memory_stats(planned.device)
    try:
        values, per_user = score(fit(planned, progress, watch), meter, started)
    except UsageError:
        raise
    except KeyboardInterrupt as stop:
        _write_broken(planned, "stopped", started, stop)
        raise
    except Exception as error:
        record = _write_broken(planned, "failed", started, error)
    else:
        record = Record(planned.path, values)
        record.write(per_user)
    # What a failed training left of its best epoch stays.
    clear(planned.scratch, keep=BEST if record.status == "failed" else None)
    return record


def _write_broken(planned: Planned, status: str, started: datetime, error: BaseException) -> Record:
    record = Record(planned.path, broken(planned, status, started, error))
    if done(planned) is None:
        record.write()
    return record


def run(
    model: str | None = None,
    encoder: str | None = None,
    dataset: str | None = None,
    *,
    seed: int | None = None,
    force: bool = False,
    progress: Progress | None = None,
    **choices: Any,
) -> Record:
    """Run one trial and return its record; a record that is already there is read.

    Args:
        model, encoder, dataset: what to run; see `mmbench.plan.plan` for what stands in for None.
        seed: the protocol's first where it is left out.
        force: run even if the record is there.
        progress: told about long work.
        choices: further keyword arguments of `mmbench.plan.plan`.

    Raises:
        UsageError: anything a person can mend; nothing was trained then.
    """
    seeds = 1 if seed is None else [seed]
    planned = plan(model, encoder, dataset, seeds=seeds, progress=progress, **choices)[0]
    return (None if force else done(planned)) or execute(planned, progress)
