"""The keys of a record that do not depend on how the trial went, and those of one that broke."""

import shlex
import traceback
from datetime import datetime, timezone
from typing import Any

import torch

from mmbench.feature_plan import weights
from mmbench.paradigm import END2END
from mmbench.plan import Planned
from mmbench.records import SCHEMA
from mmbench.specs import Encoding, Trial
from mmbench.versions import commit, versions


def broken(
    planned: Planned, status: str, started: datetime, error: BaseException
) -> dict[str, Any]:
    """Return all keys of a trial that failed or was stopped."""
    told = {
        "type": type(error).__name__,
        "message": str(error),
        "traceback": "".join(traceback.format_exception(error)),
    }
    empty = dict.fromkeys(
        ("metrics", "epochs", "seconds", "parameters", "memory", "energy_wh"), None
    )
    return common(planned, status, started) | {"error": told} | empty


def common(planned: Planned, status: str, started: datetime) -> dict[str, Any]:
    """Return what was run, on what and with what; the same however it went."""
    said, origin = planned.features.identity["encoder"], planned.features.origin
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
            **planned.files,
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
            "finetuned": _finetuned(planned),
            "modalities": planned.features.modalities,
            "dimensions": None,
            "missing": None,
        },
        "finetuning": origin.costs() if origin else None,
        "versions": versions(),
        "device": _device_name(planned.device),
        "commit": commit(),
        "started": started.isoformat(timespec="seconds"),
        "ended": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "command": command(planned.trial),
    }


def _finetuned(planned: Planned) -> dict[str, Any] | None:
    """Return on what and how the encoder was fine-tuned, None where it was not."""
    told = planned.features.origin
    if told is None:
        return None
    same = told.meta["dataset_fingerprint"] == planned.dataset.fingerprint
    return {**told.summary(), "same_dataset": same}


def _tuning(trial: Trial) -> list[str]:
    options = ",".join(f"{key}={_typed(value)}" for key, value in trial.adapter_options.items())
    adapter = f"{trial.adapter}:{options}" if options else trial.adapter
    layers = ["--train-layers", str(trial.train_layers)] if trial.train_layers else []
    return ["--paradigm", trial.paradigm, "--adapter", adapter, *layers]


def _typed(value: Any) -> str:
    """Return the value of an adapter's option as it is typed."""
    return "+".join(value) if isinstance(value, (list, tuple)) else str(value)


def gpu_peak_mb(device: str) -> float | None:
    """Return the most memory that tensors held on a GPU, in MiB; None on the CPU."""
    return None if device == "cpu" else torch.cuda.max_memory_allocated(device) / 2**20


def _device_name(device: str) -> str:
    return "cpu" if device == "cpu" else f"{device} {torch.cuda.get_device_name(device)}"


def command(trial: Trial) -> str:
    """Return the command line that repeats a trial."""
    words = ["mmbench", "run", "--model", trial.model, "--dataset", trial.dataset]
    words += ["--encoder", trial.encoder, "--protocol", trial.protocol, "--seed", str(trial.seed)]
    words += _tuning(trial) if trial.paradigm == END2END else []
    for key, value in trial.hyperparameters.items():
        words += ["--set", f"{key}={'null' if value is None else value}"]
    words += ["--missing", trial.missing]
    if trial.inject_missing:
        shares = ",".join(f"{name}:{share}" for name, share in trial.inject_missing.items())
        words += ["--inject-missing", shares, "--inject-seed", str(trial.inject_seed)]
    for name, field in Encoding.model_fields.items():
        value = getattr(trial, name)
        if value != field.default:
            words += [f"--{name.replace('_', '-')}", *([] if value is True else [str(value)])]
    return shlex.join(words)
