"""A fine-tuning that can start: encoder, dataset and settings checked, nothing loaded yet."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmbench.adapters.table import ADAPTERS
from mmbench.datasets.dataset import Dataset
from mmbench.encoder_spec import FINETUNED, EncoderSpec, encoder_spec
from mmbench.encoders.network import Network
from mmbench.encoders.training import check_fusing, check_trainable
from mmbench.errors import UsageError
from mmbench.feature_plan import plan_features
from mmbench.finetuned.told import folder_of
from mmbench.finetuning.dual_encoder import KINDS
from mmbench.finetuning.settings import BY_FUSION, MAP, Settings
from mmbench.fingerprint import SHORT, fingerprint
from mmbench.home import Home
from mmbench.machine import Machine
from mmbench.specs import Encoding

ALGORITHM = 1  # raised when the same settings give other weights than before


@dataclass(frozen=True)
class FinetunePlan:
    """What will be fine-tuned, on what, and how.

    members: image and text. identity: kind → that of its base.
    """

    spec: EncoderSpec
    members: Mapping[str, Network]
    identity: Mapping[str, Any]
    dataset: Dataset
    settings: Settings
    encoding: Encoding
    machine: Machine
    home: Home

    @property
    def fingerprint(self) -> str:
        """The identity of what comes out: its first digits are the id."""
        return fingerprint(
            {
                "algorithm": ALGORITHM,
                "encoder": self.identity,
                "dataset": self.dataset.fingerprint,
                "settings": self.settings.identity(),
            }
        )

    @property
    def name(self) -> str:
        """The name of what comes out: NAME@finetuned:ID."""
        return f"{self.spec.name}{FINETUNED}{self.folder.name}"

    @property
    def folder(self) -> Path:
        """Where the result is kept."""
        return folder_of(self.home.models, self.fingerprint[:SHORT])

    @property
    def scratch(self) -> Path:
        """The folder of what is kept while it runs."""
        return self.folder.with_name(f".{self.folder.name}.scratch")

    @property
    def one_space(self) -> bool:
        """Whether picture and text vectors are halves of one model, made to be compared."""
        return self.spec.modalities["image"] == self.spec.modalities["text"]


def plan_finetuning(
    dataset: Dataset,
    encoder: str,
    settings: Settings,
    encoding: Encoding,
    machine: Machine,
    home: Home,
) -> FinetunePlan:
    """Check everything that can be checked before a model is loaded.

    Raises:
        UsageError: an encoder that cannot be trained, or that has not a vector for pictures and
            one for texts; missing weights.
    """
    spec = encoder_spec(encoder)
    if spec.finetuned is not None:
        raise UsageError(
            f"encoder '{encoder}' was fine-tuned already: fine-tune its base, for longer"
        )
    check_trainable(spec)
    settings = _resolved(settings)
    if sorted(spec.modalities) != sorted(KINDS):
        raise UsageError(
            f"encoder '{encoder}' has {' and '.join(spec.modalities)}: fine-tuning needs a vector "
            "for pictures and one for texts, as those of a CLIP or a pair A+B"
        )
    if settings.loss == BY_FUSION:
        check_fusing(spec, settings.loss)
        if settings.adapter == MAP:
            raise UsageError(
                f"loss '{settings.loss}' does not reach adapter '{MAP}', which lies behind the "
                "model: take none, lora or multiway"
            )
    planned = plan_features(dataset, encoder, encoding, machine, home)
    members = {kind: one for kind, one in planned.members.items() if isinstance(one, Network)}
    for kind in KINDS:
        if kind not in members:
            raise UsageError(f"dataset '{dataset.name}' has no item with {kind}")
    said = {kind: dict(planned.members[kind].identity()) for kind in KINDS}
    return FinetunePlan(spec, members, said, dataset, settings, encoding, machine, home)


def _resolved(settings: Settings) -> Settings:
    """Return the settings with all options of the adapter; UsageError where one is wrong."""
    adapter = ADAPTERS.resolve(settings.adapter).of(settings.adapter, settings.adapter_options)
    options = adapter.options.model_dump(mode="json")
    return settings.model_copy(update={"adapter_options": options})
