"""A trial that can start: every name, value and file behind it resolved and checked first."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from mmbench.datasets.dataset import Dataset
from mmbench.errors import UsageError, nearest
from mmbench.feature_plan import FeaturePlan, file_name, weights
from mmbench.fingerprint import SHORT
from mmbench.home import Home
from mmbench.hyperparameters import files, modality_needs, require_room, resolve
from mmbench.item_graph import ITEM_GRAPH, read_item_graph
from mmbench.machine import Machine
from mmbench.opened import Opened
from mmbench.paradigm import adapter_defaults, check_tuning, is_joint, paradigm_of
from mmbench.progress import Progress, Silent
from mmbench.records import Record, read_record
from mmbench.run_spec import run_defaults
from mmbench.specs import (
    NO_FEATURES,
    Encoding,
    Gaps,
    Protocol,
    RecommenderSpec,
    Scalar,
    Trial,
    Tuning,
    parse,
    protocol_spec,
    recommender_spec,
)
from mmbench.trial_print import trial_print
from recbole_ext.defaults import defaults


@dataclass(frozen=True)
class Planned:
    """A trial that can start: every name, value and file behind it was checked."""

    trial: Trial
    protocol: Protocol
    dataset: Dataset
    features: FeaturePlan
    path: Path  # of its record
    device: str
    identity: str  # fingerprint of everything but the seed
    files: Mapping[str, str]  # hyper-parameter → sha256 of the file that it names
    resume: bool = False  # go on where an interrupted training stopped

    @property
    def scratch(self) -> Path:
        """The folder of what is kept while the trial runs; it goes when the record is written."""
        return self.path.with_name(f".{self.path.name}.scratch")


def plan(
    model: str | None = None,
    encoder: str | None = None,
    dataset: str | None = None,
    *,
    seeds: Sequence[int] | int = 1,
    protocol: str | None = None,
    hyperparameters: Mapping[str, Any] | None = None,
    paradigm: str | None = None,
    device: str = "auto",
    expected: Mapping[str, str] | None = None,
    home: Home | str | PathLike[str] | None = None,
    resume: bool = False,
    progress: Progress | None = None,
    opened: Opened | None = None,
    **how: Any,
) -> list[Planned]:
    """Resolve and check trials, one a seed; configs/run.yaml stands in for what is left out.

    Args:
        model, encoder, dataset: what to run; a recommender that reads no features takes none.
        seeds: the seeds themselves, or how many of the protocol's; protocol: the dataset's own.
        hyperparameters: values over the defaults. device: auto, cpu, cuda or cuda:N. resume: go on.
        expected: fingerprints of a record to repeat. home: see `Home.of`. opened: instead of it.
        how: fields of `mmbench.specs.Encoding`, `Gaps`, `Tuning`; what else `Machine.of` takes.

    Raises UsageError for anything a person can mend; nothing has been trained then.
    """
    usual, shared = run_defaults(), opened or Opened(Home.of(home), progress or Silent())
    spec, settings = _recommender(model, hyperparameters or {}, paradigm, usual, how)
    content, (asked, tuned) = _encoder(spec, encoder, usual["encoder"]), _asked(how)
    machine, used = _machine(device, how), _encoding(how)
    data = shared.dataset(dataset or usual["dataset"])
    rules, named = _protocol(data, protocol), _files(spec, settings, data)
    features = _enough(shared.features(data, content, used, machine), spec, settings)
    way = paradigm_of(paradigm, usual["paradigm"], features)
    trial = _used(used, _gaps(asked, rules, features), tuned)
    trial |= _fields(data, features, spec, rules, way, settings)
    each = [parse(Trial, trial | {"seed": s}, "trial") for s in _seeds(seeds, rules)]
    made = [_planned(one, rules, data, features, named, shared.home, resume) for one in each]
    return [_as_expected(one, expected or {}) for one in made]


def _planned(
    trial: Trial,
    protocol: Protocol,
    dataset: Dataset,
    features: FeaturePlan,
    files: Mapping[str, str],
    home: Home,
    resume: bool,
) -> Planned:
    check_tuning(trial, features)
    home.require_writable()
    identity = _identity(trial, protocol, dataset, features, files)
    folder = home.results / trial.dataset / file_name(trial.encoder) / trial.model
    path = folder / f"{identity[:SHORT]}-s{trial.seed}.json"
    device = features.machine.device
    return Planned(trial, protocol, dataset, features, path, device, identity, files, resume)


def _enough(
    features: FeaturePlan, spec: RecommenderSpec, settings: Mapping[str, Scalar]
) -> FeaturePlan:
    """Return the features; UsageError where they have fewer modalities than something needs."""
    found = len(features.modalities)
    for needy, least in modality_needs(spec, settings).items():
        if found < least:
            what = "one modality" if least == 1 else f"{least} modalities"
            raise UsageError(
                f"{needy} needs at least {what} of item features and encoder "
                f"'{features.spec.name}' gives {found or 'none'}: name another with --encoder, "
                "see `mmbench list encoders`"
            )
    return features


def _files(spec: RecommenderSpec, settings: Mapping[str, Any], dataset: Dataset) -> dict[str, str]:
    require_room(spec, settings, dataset.name, dataset.manifest["counts"])
    named = files(spec, settings)
    if ITEM_GRAPH in named:
        read_item_graph(Path(settings[ITEM_GRAPH]), len(dataset.catalog.ids))
    return named


def _fields(
    dataset: Dataset,
    features: FeaturePlan,
    spec: RecommenderSpec,
    protocol: Protocol,
    paradigm: str,
    hyperparameters: Mapping[str, Any],
) -> dict[str, Any]:
    return {
        "dataset": dataset.name,
        "encoder": features.spec.name,
        "random_weights": weights(features) == "random",
        "model": spec.name,
        "protocol": protocol.name,
        "paradigm": paradigm,
        "hyperparameters": hyperparameters,
    }


def _used(encoding: Encoding, gaps: Gaps, tuning: Tuning) -> dict[str, Any]:
    return encoding.model_dump() | gaps.model_dump() | tuning.model_dump()


def _as_expected(planned: Planned, expected: Mapping[str, str]) -> Planned:
    found = {
        **planned.files,
        "dataset": planned.dataset.fingerprint,
        "features": planned.features.fingerprint,
        "protocol": planned.protocol.identity(),
        "trial": planned.identity,
    }
    for what, now in found.items():
        then = expected.get(what, now)
        if then != now:
            raise UsageError(
                f"the {what} is not what it was in the record ({then[:SHORT]}, now {now[:SHORT]}): "
                "the numbers would be others; run it without --from"
            )
    return planned


def _recommender(
    model: str | None,
    chosen: Mapping[str, Any],
    paradigm: str | None,
    usual: Mapping[str, Any],
    how: Mapping[str, Any],
) -> tuple[RecommenderSpec, dict[str, Scalar]]:
    name = model or usual["model"]
    joint, spec = is_joint(paradigm or usual["paradigm"], name), recommender_spec(name)
    own = adapter_defaults(str(how.get("adapter", "none"))) if joint else {}
    return spec, resolve(spec, defaults(spec.name, joint) | own, chosen, joint)


def _asked(how: dict[str, Any]) -> tuple[Gaps, Tuning]:
    """Take out of `how` what is asked of missing modalities and of encoders that train."""
    gaps = parse(Gaps, _taken(how, Gaps.model_fields), "run")
    return gaps, parse(Tuning, _taken(how, Tuning.model_fields), "run")


def _machine(device: str, how: dict[str, Any]) -> Machine:
    """Take out of `how` what tells how the encoder is fed and the ranking bounded."""
    return Machine.of(device, **_taken(how, ("batch_size", "workers", "eval_memory")))


def _taken(how: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: how.pop(name) for name in names if name in how}


def _gaps(gaps: Gaps, protocol: Protocol, features: FeaturePlan) -> Gaps:
    """Return how missing modalities are treated; refuse what would change nothing."""
    found, encoder = features.modalities, features.spec.name
    for modality in gaps.inject_missing:
        if modality not in found:
            told = nearest(modality, found) if found else "it has none"
            raise UsageError(f"--inject-missing {modality}: no modality of '{encoder}', {told}")
    if gaps.inject_seed and not gaps.inject_missing:
        raise UsageError(f"--inject-seed {gaps.inject_seed} needs --inject-missing beside it")
    policy = gaps.missing or protocol.missing
    if not found and policy != protocol.missing:
        raise UsageError(f"--missing {policy}: '{encoder}' has no modality: leave it out")
    return gaps.model_copy(update={"missing": policy})


def _encoding(given: Mapping[str, Any]) -> Encoding:
    encoding = parse(Encoding, dict(given), "run")
    if encoding.weights is None:
        return encoding
    # A record that is repeated from another folder finds them all the same.
    found = str(Path(encoding.weights).expanduser().absolute())
    return encoding.model_copy(update={"weights": found})


def _encoder(spec: RecommenderSpec, wished: str | None, usual: str) -> str:
    if spec.content:
        return wished or usual
    if wished not in (None, NO_FEATURES):
        raise UsageError(f"{spec.name} reads no item features: leave out --encoder {wished}")
    return NO_FEATURES


def _seeds(seeds: Sequence[int] | int, protocol: Protocol) -> Sequence[int]:
    if not isinstance(seeds, int):
        return seeds
    if seeds > len(protocol.seeds):
        raise UsageError(f"--seeds {seeds}: protocol {protocol.name} has {len(protocol.seeds)}")
    return protocol.seeds[:seeds]


def _protocol(dataset: Dataset, name: str | None) -> Protocol:
    protocol = protocol_spec(name or str(dataset.manifest["protocol"]))
    told = {"cold_items": "keep", **dataset.manifest["split"]}  # said since there is a choice
    if protocol.split.model_dump(mode="json") != told:
        raise UsageError(
            f"--protocol {protocol.name}: '{dataset.name}' was split by protocol "
            f"'{dataset.manifest['protocol']}'; prepare it anew with --protocol {protocol.name} "
            "and another --name"
        )
    return protocol


def _identity(
    trial: Trial,
    protocol: Protocol,
    dataset: Dataset,
    features: FeaturePlan,
    files: Mapping[str, str],
) -> str:
    prints = {
        "protocol": protocol.identity(),
        "dataset": dataset.fingerprint,
        "features": features.fingerprint,
    }
    return trial_print(trial, prints, files)


def done(planned: Planned) -> Record | None:
    """Return the record of a trial that already went well."""
    if not (planned.path.is_file() and planned.path.with_suffix(".npz").is_file()):
        return None
    try:
        record = read_record(planned.path)
    except UsageError:  # a damaged record is made again
        return None
    return record if record.status == "ok" else None
