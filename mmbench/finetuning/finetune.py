"""The verb: an encoder and a catalogue in, the name of the adapted encoder out."""

import re
import shutil
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timezone
from os import PathLike
from pathlib import Path
from typing import Any

import torch

from mmbench.atomic import locked
from mmbench.costs import Meter
from mmbench.datasets.dataset import Dataset
from mmbench.errors import UsageError
from mmbench.finetuned.told import META, Told, find_told
from mmbench.finetuning.gradient_caching import NotFiniteError
from mmbench.finetuning.plan import FinetunePlan, plan_finetuning
from mmbench.finetuning.settings import Settings
from mmbench.finetuning.setup import Ready, ready
from mmbench.finetuning.state import State
from mmbench.finetuning.store import write_finetuned
from mmbench.home import Home
from mmbench.machine import Machine
from mmbench.progress import Progress, Silent
from mmbench.specs import Encoding, parse
from mmbench.versions import commit, versions

CHECKPOINT = "checkpoint.safetensors"


def finetune(
    encoder: str,
    dataset: Dataset | str,
    *,
    device: str = "auto",
    micro_batch: int | str = "auto",
    workers: int | None = None,
    random_weights: bool = False,
    weights: str | None = None,
    resume: bool = False,
    home: Home | str | PathLike[str] | None = None,
    progress: Progress | None = None,
    **settings: Any,
) -> str:
    """Adapt an encoder to a dataset's pictures and texts; return its name, NAME@finetuned:ID.

    What is there already is not made again.

    Args:
        encoder, dataset: by name; an encoder of pictures and of texts, with weights.
        device, workers: as for `mmbench.encode`; so are random_weights, weights: of the start.
        micro_batch: items that pass the model at once, halved where memory ends; changes nothing.
        resume: go on where a training stopped. home: see `Home.find`. progress: told about it.
        settings: fields of `mmbench.finetuning.settings.Settings`: loss, adapter, epochs ...

    Raises UsageError for what cannot be trained and for a loss that is not finite (the best weights
    until then are kept).
    """
    home, progress = Home.of(home), progress or Silent()
    opened = Dataset.load(home, dataset) if isinstance(dataset, str) else dataset
    machine = replace(Machine.of(device, workers=workers), batch_size=_micro(micro_batch))
    path = None if weights is None else str(Path(weights).expanduser().absolute())
    used = Encoding(random_weights=random_weights, weights=path)
    wished = parse(Settings, settings, "finetune")
    planned = plan_finetuning(opened, encoder, wished, used, machine, home)
    home.require_writable()
    with locked(planned.folder.with_name(f".{planned.folder.name}.lock")):
        told = _found(planned)
        return _again(told, progress) if told else _make(planned, resume, progress)


def _again(told: Told, progress: Progress) -> str:
    progress.say(f"fine-tuned already: {told.folder}")
    if stopped := told.meta.get("stopped"):
        progress.say(f"its training did not end well: {stopped}")
    return told.name


def _micro(wished: int | str) -> int | None:
    if not re.fullmatch(r"auto|[1-9]\d{0,6}", str(wished)):
        raise UsageError(f"--micro-batch {wished}: write a number from 1 on, or auto")
    return None if wished == "auto" else int(wished)


def _found(planned: FinetunePlan) -> Told | None:
    if not (planned.folder / META).is_file():
        return None
    name = f"{planned.spec.name}@finetuned:{planned.folder.name}"
    spec = planned.spec.model_copy(update={"name": name, "finetuned": planned.folder.name})
    told = find_told(planned.home.models, spec)
    if told.meta.get("fingerprint") != planned.fingerprint:
        raise UsageError(f"{told.folder}: its id is that of another fine-tuning: delete the folder")
    return told


def _make(planned: FinetunePlan, resume: bool, progress: Progress) -> str:
    # A result must never rest on files that are not the fingerprint's.
    for line in planned.dataset.damage() or planned.dataset.damaged_pictures():
        raise UsageError(f"{line}: prepare the dataset again with --force")
    started, meter = datetime.now(timezone.utc), Meter()
    device = planned.machine.device
    if device != "cpu":
        torch.cuda.reset_peak_memory_stats(device)
    made = ready(planned, planned.scratch / CHECKPOINT, progress)
    _resume(planned, made, resume, progress)
    stopped: str | None = None
    try:
        made.training.run()
    except NotFiniteError as error:
        stopped = f"{error} in epoch {made.training.state.epoch}"
    state = made.training.state
    if state.best is None:
        raise UsageError(
            f"{stopped}, before any epoch ended: take a smaller --learning-rate than "
            f"{planned.settings.rate:g}"
        )
    meta = _meta(planned, made, stopped, meter, started)
    write_finetuned(planned.folder, meta, state.best)
    shutil.rmtree(planned.scratch, ignore_errors=True)
    name = f"{planned.spec.name}@finetuned:{planned.folder.name}"
    if stopped:
        raise UsageError(
            f"{stopped}: take a smaller --learning-rate than {planned.settings.rate:g}; the best "
            f"weights, of epoch {state.best_epoch}, are kept as {name}"
        )
    _tell(state, progress)
    return name


def _resume(planned: FinetunePlan, made: Ready, resume: bool, progress: Progress) -> None:
    path = planned.scratch / CHECKPOINT
    if resume and path.is_file():
        made.training.resume()
        progress.say(f"going on in epoch {made.training.state.epoch}")
    elif resume:
        progress.say("no fine-tuning was stopped on its way: it begins anew")
    elif path.is_file():
        progress.say(f"fine-tuning begins anew; --resume would have gone on from {path}")


def _tell(state: State, progress: Progress) -> None:
    before, best = state.curve[0].score, state.best_score
    if best <= before:
        told = f"{before:.4f} before, {best:.4f} at best (epoch {state.best_epoch})"
        progress.say(f"retrieval of held-out items did not rise: {told}")


def _meta(
    planned: FinetunePlan,
    made: Ready,
    stopped: str | None,
    meter: Meter,
    started: datetime,
) -> Mapping[str, Any]:
    training, state, device = made.training, made.training.state, planned.machine.device
    kinds = {str(said["weights"]) for said in planned.identity.values()}
    curve = [vars(epoch) for epoch in state.curve]
    gpu = None if device == "cpu" else torch.cuda.max_memory_allocated(device) / 2**20
    return {
        "encoder": planned.spec.name,
        "fingerprint": planned.fingerprint,
        "identity": planned.identity,
        "base_weights": "random" if "random" in kinds else "pretrained",
        "random_weights": planned.encoding.random_weights,
        "weights": planned.encoding.weights,
        "dataset": planned.dataset.name,
        "dataset_fingerprint": planned.dataset.fingerprint,
        "settings": planned.settings.identity(),
        "one_space": planned.one_space,
        "pairs": made.counts,
        "curve": curve,
        "before": curve[0]["recall"],
        "best": curve[state.best_epoch]["recall"],
        "best_epoch": state.best_epoch,
        "stopped": stopped,
        "parameters": made.parameters,
        "micro_batch": state.micro,
        "halved": state.halved,
        "seconds": training.seconds(),
        "memory": {"host_peak_mb": meter.host_peak_mb(), "gpu_peak_mb": gpu},
        "energy_wh": None if state.seconds else meter.energy_wh(),  # of this session alone
        "device": device,
        "started": started.isoformat(timespec="seconds"),
        "commit": commit(),
        "versions": versions(),
    }
