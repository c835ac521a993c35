"""One trial: fitted on validation, scored on test once, recorded whatever happens.

The only door to recbole_ext (`plan` reads its defaults).
"""

import shutil
import traceback
from dataclasses import dataclass
from datetime import datetime, timezone
from time import perf_counter
from typing import Any

import torch

from mmbench.costs import Meter
from mmbench.errors import UsageError
from mmbench.extract import extract
from mmbench.feature_plan import weights
from mmbench.features import FeatureSet
from mmbench.plan import Planned, command, done, plan
from mmbench.progress import Progress, Silent
from mmbench.records import SCHEMA, Record
from mmbench.specs import recommender_spec
from mmbench.versions import commit, versions
from recbole_ext import run as recbole
from recbole_ext.checkpoint import Checkpoint, CheckpointError
from recbole_ext.config import Config
from recbole_ext.dataset import MultimodalDataset
from recbole_ext.training_state import Epoch


@dataclass(frozen=True)
class Fit:
    """A trained recommender that has not seen the test part; seconds are of all its sessions."""

    planned: Planned
    recbole: recbole.Fit
    features: FeatureSet
    seconds: float


def fit(planned: Planned, progress: Progress) -> Fit:
    """Encode and train; validation chooses the epoch, the test part is not looked at."""
    features = extract(planned.features, planned.dataset, progress)
    start = perf_counter()
    checkpoint = _checkpoint(planned, progress)
    config = _config(planned)
    data = MultimodalDataset(config)
    for name, feature in features.modalities.items():
        data.add_features(name, features.ids, feature.matrix, feature.mask)
    epochs = int(planned.trial.hyperparameters.get("epochs") or 1)
    task = f"train {planned.trial.model} seed {planned.trial.seed}"

    def show(epoch: Epoch) -> None:
        score = "" if epoch.score is None else f" {planned.protocol.select} {epoch.score:.4f}"
        progress.advance(task, epoch.number, epochs, f"loss {epoch.loss:.4f}{score}")

    try:
        fitted = recbole.fit(config, data, show, checkpoint, progress.say)
    except CheckpointError as error:
        raise UsageError(f"{error}: leave out --resume to begin anew") from error
    progress.advance(task, epochs, epochs, f"best epoch {fitted.trained.best}")
    return Fit(planned, fitted, features, fitted.trained.earlier + perf_counter() - start)


def _checkpoint(planned: Planned, progress: Progress) -> Checkpoint:
    path = planned.scratch / "checkpoint.safetensors"
    identity = f"{planned.identity} seed {planned.trial.seed}"
    if path.is_file() and not planned.resume:
        progress.say(f"training begins anew; --resume would have gone on from {path}")
    if planned.resume and not path.is_file():
        progress.say("no training was stopped on its way: it begins anew")
    return Checkpoint(path, identity, planned.resume)


def _config(planned: Planned) -> Config:
    protocol, memory = planned.protocol, planned.features.machine.eval_memory
    settings = {
        **planned.trial.hyperparameters,
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
    ranking = recbole.evaluate(fitted.recbole, "test")
    rank = perf_counter() - start
    trained, model = fitted.recbole.trained, fitted.recbole.model
    counts = [parameter.numel() for parameter in model.parameters()]
    learnt = [p.numel() for p in model.parameters() if p.requires_grad]
    spec = recommender_spec(fitted.planned.trial.model)
    values = _values(fitted.planned, "ok", started) | {
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
        "parameters": {
            "all": sum(counts) if spec.trained else 0,
            "trainable": sum(learnt) if spec.trained else 0,
        },
        "memory": {
            "host_peak_mb": meter.host_peak_mb(),
            "gpu_peak_mb": _gpu_peak_mb(fitted.planned.device),
        },
        "energy_wh": meter.energy_wh(),
    }
    meta = fitted.features.meta
    values["encoder"] |= {
        "dimensions": fitted.features.dimensions,
        "extraction": meta["extraction"],
    }
    if trained.resumed:
        values["resumed"] = True
    return values, {"users": ranking.users, **ranking.values}


def execute(planned: Planned, progress: Progress | None = None) -> Record:
    """Run one planned trial and write its record, whatever happens.

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
        values, per_user = score(fit(planned, progress), meter, started)
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
    shutil.rmtree(planned.scratch, ignore_errors=True)
    return record


def _write_broken(planned: Planned, status: str, started: datetime, error: BaseException) -> Record:
    record = Record(planned.path, _broken(planned, status, started, error))
    if done(planned) is None:
        record.write()
    return record


def _broken(
    planned: Planned, status: str, started: datetime, error: BaseException
) -> dict[str, Any]:
    told = {
        "type": type(error).__name__,
        "message": str(error),
        "traceback": "".join(traceback.format_exception(error)),
    }
    empty = dict.fromkeys(
        ("metrics", "epochs", "seconds", "parameters", "memory", "energy_wh"), None
    )
    return _values(planned, status, started) | {"error": told} | empty


def _values(planned: Planned, status: str, started: datetime) -> dict[str, Any]:
    said = planned.features.identity["encoder"]
    return {
        "schema": SCHEMA,
        "status": status,
        "error": None,
        "trial": planned.trial.model_dump(mode="json"),
        "fingerprints": {
            "trial": planned.identity,
            "dataset": planned.dataset.fingerprint,
            "features": planned.features.fingerprint,
            "protocol": planned.protocol.identity(),
        },
        "encoder": {
            "name": planned.trial.encoder,
            "control": planned.features.spec.control,
            "of": planned.features.spec.of,
            "revision": {m: identity.get("revision") for m, identity in said.items()},
            "weights": weights(planned.features),
            "sha256": {
                m: identity.get("sha256", identity.get("files")) for m, identity in said.items()
            },
            "modalities": planned.features.modalities,
            "dimensions": None,
        },
        "versions": versions(),
        "device": _device_name(planned.device),
        "commit": commit(),
        "started": started.isoformat(timespec="seconds"),
        "ended": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "command": command(planned.trial),
    }


def _gpu_peak_mb(device: str) -> float | None:
    return None if device == "cpu" else torch.cuda.max_memory_allocated(device) / 2**20


def _device_name(device: str) -> str:
    return "cpu" if device == "cpu" else f"{device} {torch.cuda.get_device_name(device)}"


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
