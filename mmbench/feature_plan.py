"""What an extraction will be: parts built, weights identified, folder known, nothing loaded."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mmbench.datasets.dataset import Dataset
from mmbench.datasets.manifest import FEATURES
from mmbench.encoder_spec import ANY, EncoderSpec, encoder_spec
from mmbench.encoders import BACKENDS
from mmbench.encoders.base import Backend, Control, Surroundings
from mmbench.encoders.network import Network
from mmbench.errors import UsageError
from mmbench.finetuned.network import FinetunedNetwork
from mmbench.finetuned.told import Told, find_told
from mmbench.fingerprint import SHORT, fingerprint
from mmbench.home import Home
from mmbench.machine import Machine
from mmbench.specs import Encoding

FUSED = "fused"  # the one modality that is left where they are fused


@dataclass(frozen=True)
class FeaturePlan:
    """An extraction that can start: its parts are built, its identity known, nothing is loaded.

    members: modality → what makes its vectors; empty where the modalities of `base` are fused.
    base: the features that a control or a fusion starts from.
    left_out: modalities of the encoder that no item of the dataset has.
    finetuned: what was fine-tuned, where it is that; a control's or a fusion's base has its own.
    """

    spec: EncoderSpec
    members: Mapping[str, Backend | Control]
    identity: Mapping[str, Any]
    base: "FeaturePlan | None"
    folder: Path
    encoding: Encoding
    machine: Machine
    left_out: tuple[str, ...]
    finetuned: Told | None = None

    @property
    def origin(self) -> Told | None:
        """What was fine-tuned to make these vectors, by way of a control or a fusion, too."""
        return self.finetuned or (self.base.origin if self.base else None)

    @property
    def modalities(self) -> list[str]:
        """The names of the matrices this makes."""
        return [FUSED] if self.encoding.fuse else list(self.members)

    @property
    def fingerprint(self) -> str:
        """The identity of the features this makes."""
        return fingerprint(self.identity)


def plan_features(
    dataset: Dataset, encoder: str, encoding: Encoding, machine: Machine, home: Home
) -> FeaturePlan:
    """Check everything that can be checked before a model is loaded."""
    spec = encoder_spec(encoder)
    if encoding.fuse:
        return _fusion(spec, dataset, encoding, machine, home)
    base = plan_features(dataset, spec.of, encoding, machine, home) if spec.of else None
    if base and not base.members:
        raise UsageError(f"encoder '{spec.name}': '{spec.of}' has no vectors")
    told = find_told(home.models, spec) if spec.finetuned is not None else None
    used = _of_base(told, spec, encoding) if told else encoding
    around = _surroundings(dataset, used, machine, home)
    members = _members(spec, base, used, around)
    if told:
        members = {name: _finetuned(spec, member, told) for name, member in members.items()}
    shown = {name: member for name, member in members.items() if _any_has(dataset, member)}
    if members and not shown:
        raise UsageError(
            f"dataset '{dataset.name}' has no item with {' or '.join(members)}, which is all that "
            f"encoder '{spec.name}' reads"
        )
    said = {name: _identity(member, encoding) for name, member in shown.items()}
    identity = {
        "dataset": dataset.fingerprint,
        "encoder": said,
        "base": base.fingerprint if base else None,
    }
    left_out = tuple(name for name in members if name not in shown)
    made = _plan(spec, shown, identity, base, dataset, encoding, machine, home, left_out)
    return replace(made, finetuned=told)


def _of_base(told: Told, spec: EncoderSpec, encoding: Encoding) -> Encoding:
    """Return the encoding with the weights that were fine-tuned."""
    if encoding.weights is not None:
        raise UsageError(
            f"--weights {encoding.weights}: encoder '{spec.name}' has its own: leave it out"
        )
    own = {key: told.meta[key] for key in ("weights", "random_weights")}
    return encoding.model_copy(update=own)


def _finetuned(spec: EncoderSpec, member: Backend | Control, told: Told) -> FinetunedNetwork:
    if not isinstance(member, Network):
        raise UsageError(f"encoder '{spec.name}': its {member.modality} vectors cannot be trained")
    return FinetunedNetwork(member, told)


def _fusion(
    spec: EncoderSpec, dataset: Dataset, encoding: Encoding, machine: Machine, home: Home
) -> FeaturePlan:
    base = plan_features(
        dataset, spec.name, encoding.model_copy(update={"fuse": None}), machine, home
    )
    if not base.members:
        raise UsageError(f"--fuse {encoding.fuse}: encoder '{spec.name}' has nothing to fuse")
    identity = {
        "dataset": dataset.fingerprint,
        "base": base.fingerprint,
        "fuse": encoding.fuse,
        "encoder": base.identity["encoder"],
    }
    return _plan(spec, {}, identity, base, dataset, encoding, machine, home, base.left_out)


def _plan(
    spec: EncoderSpec,
    members: Mapping[str, Backend | Control],
    identity: Mapping[str, Any],
    base: FeaturePlan | None,
    dataset: Dataset,
    encoding: Encoding,
    machine: Machine,
    home: Home,
    left_out: tuple[str, ...],
) -> FeaturePlan:
    slug = f"{file_name(spec.name)}-{fingerprint(identity)[:SHORT]}"
    folder = home.features / dataset.name / slug
    return FeaturePlan(spec, members, identity, base, folder, encoding, machine, left_out)


def _identity(member: Backend | Control, encoding: Encoding) -> dict[str, Any]:
    """Return what a member says of itself, and what of the encoding changes its vectors."""
    said = dict(member.identity())
    if encoding.dtype != "float32":
        said["dtype"] = encoding.dtype
    if isinstance(member, Network):
        if "text" in member.inputs:
            said["long_texts"] = encoding.long_texts
        if encoding.precision != "float32":
            said["precision"] = encoding.precision
    return said


def _any_has(dataset: Dataset, member: Backend | Control) -> bool:
    if isinstance(member, Control):
        return True
    present = [dataset.catalog.present[need] for need in member.inputs]
    return bool(np.logical_and.reduce(present).any())


def _surroundings(
    dataset: Dataset, encoding: Encoding, machine: Machine, home: Home
) -> Surroundings:
    named = Path(encoding.weights).expanduser() if encoding.weights else None
    return Surroundings(machine.device, home.models, named, dataset.folder / FEATURES)


def _members(
    spec: EncoderSpec, base: FeaturePlan | None, encoding: Encoding, around: Surroundings
) -> dict[str, Backend | Control]:
    expanded = _expand(spec, base, around)
    if around.weights:
        _check_weights(around.weights, spec, expanded, encoding)
    return {
        modality: _build(spec.name, modality, dict(options), encoding.random_weights, around)
        for modality, options in expanded.items()
    }


def _check_weights(
    named: Path,
    spec: EncoderSpec,
    expanded: Mapping[str, Mapping[str, Any]],
    encoding: Encoding,
) -> None:
    """Refuse weights that cannot be meant for an encoder; whose they are, its backend sees."""
    where = f"--weights {named}"
    if encoding.random_weights:
        raise UsageError(f"{where} and --random-weights: leave one of them out")
    if not named.exists():
        raise UsageError(f"{where}: there is nothing")
    made = {str(options["backend"]) for options in expanded.values()}
    if spec.of is None and not any(map(_has_weights, made)):
        raise UsageError(f"{where}: encoder '{spec.name}' reads no weights")
    halves = any((named / modality).exists() for modality in expanded)
    if not halves and len({json.dumps(dict(each)) for each in expanded.values()}) > 1:
        raise UsageError(
            f"{where}: encoder '{spec.name}' is two models: name a folder that holds image and text"
        )


def _has_weights(backend: str) -> bool:
    made = BACKENDS.resolve(backend)
    return issubclass(made, Network) and made.weighted


def _expand(
    spec: EncoderSpec, base: FeaturePlan | None, around: Surroundings
) -> Mapping[str, Mapping[str, Any]]:
    if ANY not in spec.modalities:
        return spec.modalities
    options = spec.modalities[ANY]
    if base is not None:
        return dict.fromkeys(base.members, options)
    made = BACKENDS.resolve(str(options["backend"]))
    return dict.fromkeys(made.modalities(options, around), options)


def _build(
    encoder: str, modality: str, options: dict[str, Any], random_weights: bool, around: Surroundings
) -> Backend | Control:
    made = BACKENDS.resolve(str(options.pop("backend")))
    allowed = {"random_weights": random_weights} if issubclass(made, Backend) else {}
    try:
        built: Backend | Control = made(
            modality=modality, surroundings=around, **allowed, **options
        )
    except TypeError as error:
        raise UsageError(f"encoder '{encoder}', {modality}: {error}") from error
    return built


def file_name(name: str) -> str:
    """Return an encoder's name as a part of a path."""
    return re.sub(r"[^A-Za-z0-9._+-]+", "-", name).strip("-.")[:80] or "encoder"


def weights(plan: FeaturePlan) -> str:
    """Return what the vectors rest on: random if any part does, else pretrained, else none."""
    kinds = {str(said["weights"]) for said in plan.identity["encoder"].values()}
    kinds |= {weights(plan.base)} if plan.base else set()
    return next((kind for kind in ("random", "finetuned", "pretrained") if kind in kinds), "none")
