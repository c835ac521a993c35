"""A trial that can start: every name, value and file behind it resolved and checked first."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmbench import extract
from mmbench.datasets.dataset import Dataset, prepared
from mmbench.datasets.prepare import prepare
from mmbench.errors import UsageError
from mmbench.fingerprint import SHORT, fingerprint
from mmbench.home import Home
from mmbench.hyperparameters import resolve
from mmbench.progress import Progress, Silent
from mmbench.records import Record, read_record
from mmbench.specs import Protocol, Trial, dataset_spec, names, protocol_spec, recommender_spec
from recbole_ext.defaults import defaults

NO_FEATURES = "id"  # the control of recommenders that read no features


@dataclass(frozen=True)
class Planned:
    """A trial that can start: every name, value and file behind it was checked."""

    trial: Trial
    protocol: Protocol
    dataset: Dataset
    features: extract.Plan
    path: Path  # of its record
    device: str
    identity: str  # fingerprint of everything but the seed


def plan(
    model: str = "VBPR",
    encoder: str | None = None,
    dataset: str = "toyshop",
    *,
    seeds: Sequence[int] | int = 1,
    protocol: str | None = None,
    hyperparameters: Mapping[str, Any] | None = None,
    paradigm: str = "frozen",
    random_weights: bool = False,
    device: str = "auto",
    home: Home | None = None,
    progress: Progress | None = None,
) -> list[Planned]:
    """Resolve and check trials, one a seed.

    Args:
        model: the recommender.
        encoder: the encoder; where it is left out, efficientnet+minilm for a recommender that
            reads features.
        dataset: a prepared dataset, or one that needs no download.
        seeds: the seeds themselves, or how many of the protocol's.
        protocol: the dataset's where it is left out.
        hyperparameters: values over the recommender's defaults.
        paradigm: how the encoder is trained.
        random_weights: allow a model without weights; the record is marked.
        device: auto, cpu, cuda or cuda:N.
        home: see `Home.find`.
        progress: told when a dataset has to be made first.

    Raises:
        UsageError: anything a person can mend; nothing has been trained then.
    """
    home = home or Home.find()
    spec = recommender_spec(model)
    values = resolve(spec, defaults(model), hyperparameters or {})
    if paradigm != "frozen":
        raise UsageError(f"--paradigm {paradigm}: the only one yet is frozen")
    if encoder is None:
        encoder = default_encoder(spec.content)
    elif not spec.content and encoder != NO_FEATURES:
        raise UsageError(f"{model} reads no item features: leave out --encoder {encoder}")
    opened = _open(dataset, home, progress or Silent())
    rules = _protocol(opened, protocol)
    features = extract.plan(opened, encoder, random_weights, device, home)
    home.require_writable()
    made = []
    for seed in _seeds(seeds, rules):
        trial = Trial(
            dataset=dataset,
            encoder=encoder,
            paradigm="frozen",
            model=model,
            protocol=rules.name,
            hyperparameters=values,
            seed=seed,
            random_weights=random_weights,
        )
        identity = _identity(trial, rules, opened, features)
        folder = home.results / dataset / extract.file_name(encoder) / model
        path = folder / f"{identity[:SHORT]}-s{seed}.json"
        where = extract.resolve_device(device)
        made.append(Planned(trial, rules, opened, features, path, where, identity))
    return made


def _seeds(seeds: Sequence[int] | int, protocol: Protocol) -> Sequence[int]:
    if not isinstance(seeds, int):
        return seeds
    if seeds > len(protocol.seeds):
        raise UsageError(f"--seeds {seeds}: protocol {protocol.name} has {len(protocol.seeds)}")
    return protocol.seeds[:seeds]


def default_encoder(content: bool) -> str:
    """Return the encoder of a person who names none."""
    return "efficientnet+minilm" if content else NO_FEATURES


def _open(name: str, home: Home, progress: Progress) -> Dataset:
    """Open a dataset; one that needs nothing from the person is made on the spot."""
    if name not in prepared(home) and name in names("datasets") and dataset_spec(name).ready:
        progress.say(f"preparing the dataset {name}")
        return prepare(name, home=home, progress=progress)
    return Dataset.load(home, name)


def _protocol(dataset: Dataset, name: str | None) -> Protocol:
    protocol = protocol_spec(name or str(dataset.manifest["protocol"]))
    if protocol.split.model_dump(mode="json") != dataset.manifest["split"]:
        raise UsageError(
            f"--protocol {protocol.name}: '{dataset.name}' was split by protocol "
            f"'{dataset.manifest['protocol']}'; prepare it anew with --protocol {protocol.name} "
            "and another --name"
        )
    return protocol


def _identity(trial: Trial, protocol: Protocol, dataset: Dataset, features: extract.Plan) -> str:
    return fingerprint(
        {
            "trial": {k: v for k, v in trial.model_dump(mode="json").items() if k != "seed"},
            "protocol": protocol.model_dump(mode="json", exclude={"seeds", "description"}),
            "dataset": dataset.fingerprint,
            "features": features.fingerprint,
        }
    )


def done(planned: Planned) -> Record | None:
    """Return the record of a trial that already went well."""
    if not planned.path.is_file():
        return None
    record = read_record(planned.path)
    return record if record.status == "ok" else None


def command(trial: Trial) -> str:
    """Return the command line that repeats a trial."""
    words = ["mmbench", "run", "--model", trial.model, "--dataset", trial.dataset]
    words += ["--encoder", trial.encoder, "--protocol", trial.protocol, "--seed", str(trial.seed)]
    for key, value in trial.hyperparameters.items():
        words += ["--set", f"{key}={'null' if value is None else value}"]
    return shlex.join(words + (["--random-weights"] if trial.random_weights else []))
