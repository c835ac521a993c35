"""Experiment trackers that a sweep tells its scores to, where a person asks for them."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ray import tune

from mmbench.cells import Cell
from mmbench.errors import UsageError, nearest
from mmbench.home import Home
from mmbench.sweeps.history import SWEEPS, History
from mmbench.sweeps.job import Job

PROJECT = "mmbench"
_LARGE = ("curve", "files", "scratch")  # of a result: no scalars


class TensorBoard(tune.Callback):
    """A run of TensorBoard for every training, beside the points of its cell."""

    def __init__(self, cells: Sequence[Cell], home: Home) -> None:
        self._folders = [History.of(cell, home).folder / "tensorboard" for cell in cells]
        self._writers: dict[str, Any] = {}

    def on_trial_result(self, *_: Any, **info: Any) -> None:
        """Write loss and validation score of the epoch."""
        result, writer = info["result"], self._writer(info["trial"])
        writer.add_scalar("validation", result["score"], result["epoch"])
        if result.get("curve"):
            writer.add_scalar("loss", result["curve"][-1][1], result["epoch"])
        if "files" in result:
            text = json.dumps(info["trial"].config["hyperparameters"], indent=1)
            writer.add_text("hyperparameters", f"```\n{text}\n```")
        writer.flush()

    def on_trial_complete(self, *_: Any, **info: Any) -> None:
        """Close the run."""
        self._close(info["trial"])

    def on_trial_error(self, *_: Any, **info: Any) -> None:
        """Close the run of a training that failed."""
        self._close(info["trial"])

    def _writer(self, trial: Any) -> Any:
        from torch.utils.tensorboard import SummaryWriter

        if trial.trial_id not in self._writers:
            job = Job.of(trial.config)
            name = f"{'point' if job.kind == 'point' else 'seed'}-{job.number}"
            made = SummaryWriter(str(self._folders[job.cell] / name))
            self._writers[trial.trial_id] = made
        return self._writers[trial.trial_id]

    def _close(self, trial: Any) -> None:
        writer = self._writers.pop(trial.trial_id, None)
        if writer is not None:
            writer.close()


def _wandb(_: Sequence[Cell], home: Home) -> tune.Callback:
    from ray.air.integrations.wandb import WandbLoggerCallback

    return WandbLoggerCallback(
        project=os.environ.get("WANDB_PROJECT", PROJECT),
        excludes=list(_LARGE),
        dir=str(_folder(home)),
    )


def _mlflow(_: Sequence[Cell], home: Home) -> tune.Callback:
    from ray.air.integrations.mlflow import MLflowLoggerCallback

    here = f"sqlite:///{_folder(home) / 'mlflow.db'}"
    where = os.environ.get("MLFLOW_TRACKING_URI", here)
    return MLflowLoggerCallback(tracking_uri=where, experiment_name=PROJECT)


def _folder(home: Home) -> Path:
    folder = home.root / SWEEPS
    folder.mkdir(parents=True, exist_ok=True)
    return folder


Make = Callable[[Sequence[Cell], Home], tune.Callback]
# What a person may name → the package that it needs, and what makes its callback.
TRACKERS: Mapping[str, tuple[str, Make]] = MappingProxyType(
    {
        "tensorboard": ("tensorboard", TensorBoard),
        "wandb": ("wandb", _wandb),
        "mlflow": ("mlflow", _mlflow),
    }
)


def trackers(named: Sequence[str], cells: Sequence[Cell], home: Home) -> list[tune.Callback]:
    """Return the callbacks of the trackers that are named.

    Raises:
        UsageError: an unknown one, or one whose package is not installed.
    """
    for name in named:
        check_tracker(name)
    return [TRACKERS[name][1](cells, home) for name in dict.fromkeys(named)]


def check_tracker(name: str) -> None:
    """Refuse a tracker that is unknown or not installed."""
    if name not in TRACKERS:
        raise UsageError(f"--log {name}: {nearest(name, TRACKERS)}")
    package = TRACKERS[name][0]
    if find_spec(package) is None:
        raise UsageError(f"--log {name} needs the package {package}: pip install {package}")
