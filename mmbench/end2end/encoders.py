"""The encoders of a trial made ready to train with its recommender."""

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from mmbench.adapters.adapted import Adapted, adapt
from mmbench.adapters.linear import behind
from mmbench.adapters.table import ADAPTERS
from mmbench.datasets.dataset import Dataset
from mmbench.encoders.frozen import frozen_vectors
from mmbench.encoders.lower import Inputs, LowerLayers, lower_layers
from mmbench.encoders.network import Network
from mmbench.end2end.live_network import LiveNetwork
from mmbench.end2end.passes import Mapped, Passes, autocast
from mmbench.end2end.pixels import pixels
from mmbench.errors import UsageError
from mmbench.extraction.units import Units, units
from mmbench.feature_plan import FeaturePlan
from mmbench.features import FeatureSet
from mmbench.fingerprint import fingerprint
from mmbench.progress import Progress
from mmbench.specs import Trial


@dataclass(frozen=True)
class Encoders:
    """What trains beside a recommender.

    live: modality → what makes its vectors.
    adapted: modality → what of a network trains; members that share one stand once.
    kept_layers: modality → bytes of what frozen layers give, where that is kept.
    seconds: that it took to load them and to read what they read.
    """

    live: Mapping[str, LiveNetwork]
    adapted: Mapping[str, Adapted]
    kept_layers: Mapping[str, int]
    seconds: float

    def parameters(self) -> dict[str, int]:
        """Return how many numbers the vectors rest on, and how many of them train."""
        trained = [one.trainable().values() for one in self.adapted.values()]
        return {
            "all": sum(one.count for one in self.adapted.values()),
            "trainable": sum(parameter.numel() for each in trained for parameter in each),
        }

    @property
    def share(self) -> float:
        """The share that trains of the numbers that the vectors rest on."""
        counts = self.parameters()
        return counts["trainable"] / counts["all"]


def encoders(
    plan: FeaturePlan, dataset: Dataset, features: FeatureSet, trial: Trial, progress: Progress
) -> Encoders:
    """Load the encoders of a plan anew and make them ready to train.

    Args:
        plan: its members are networks; they are left as they are.
        dataset: the items. features: what the encoders gave: only its items are encoded.
        trial: what of the encoders trains, and how. progress: told about long work.

    Raises:
        UsageError: the adapter does not fit, a picture cannot be read any longer, the lower layers
            cannot be kept, or the disk is full.
    """
    start = perf_counter()
    networks = {name: anew(member) for name, member in plan.members.items()}
    for name, network in networks.items():
        progress.say(f"loading the {name} encoder to train it")
        network.load()
    ready = _Reader(plan, dataset, features, trial, progress)
    vectors = {name: ready.vectors(name, one) for name, one in networks.items() if ready.behind}
    adapted = _adapted(networks, trial)
    if trial.hyperparameters["gradient_checkpointing"]:
        for name in adapted:
            _forget_activations(networks[name], trial.train_layers)
    live, kept = {}, {}
    for name, network in networks.items():
        trained = (adapted.get(name) or next(iter(adapted.values()))).trainable()
        if name in vectors:
            live[name] = ready.mapped(network, *vectors[name], trained)
            kept[name] = vectors[name][1].nbytes
            continue
        live[name], lower = ready.passing(name, network, trained)
        if lower is not None:
            kept[name] = lower.states.bytes
            if len(adapted) == len(networks):  # a shared module's lower layers are others' as well
                lower.release()
    return Encoders(live, adapted, kept, perf_counter() - start)


@dataclass(frozen=True)
class _Reader:
    """Reads what the networks of a trial take of the catalogue; see `encoders`."""

    plan: FeaturePlan
    dataset: Dataset
    features: FeatureSet
    trial: Trial
    progress: Progress

    @property
    def behind(self) -> bool:
        """Whether all that trains lies behind encoders whose vectors are kept."""
        keep = bool(self.trial.hyperparameters["keep_lower_layers"])
        return keep and not ADAPTERS.resolve(self.trial.adapter).layered

    def vectors(self, name: str, network: Network) -> tuple[Units, Tensor]:
        """Return what a network that is as it was reads, and its vectors, (n_units, dim).

        They are those of the features, but where these are means of several or were rounded.
        """
        read = self._units(name, network)
        several = len(read.rows) > len(np.unique(read.rows))
        if several or self.plan.encoding.dtype != "float32":
            inputs = self._inputs(name, network, read)
            with autocast(network, self.plan.encoding.precision):
                return read, frozen_vectors(network, inputs, self._size(network), self.progress)
        found = np.array(self.features.modalities[name].matrix[read.sources], np.float32)
        return read, torch.from_numpy(found).to(network.surroundings.device)

    def mapped(
        self, network: Network, read: Units, vectors: Tensor, trained: Mapping[str, nn.Parameter]
    ) -> LiveNetwork:
        """Return what makes vectors by the map behind a network, all of them at once."""
        made = Mapped(network, vectors, behind(network), self.plan.encoding.precision)
        size = self.plan.machine.batch_size or max(len(read), 1)
        return LiveNetwork(made, read, network.unit, trained, size)

    def passing(
        self, name: str, network: Network, trained: Mapping[str, nn.Parameter]
    ) -> tuple[LiveNetwork, LowerLayers | None]:
        """Return what makes vectors by passes of a network, and its lower layers where kept."""
        read = self._units(name, network)
        inputs = self._inputs(name, network, read)
        lower = self._lower(name, network, inputs)
        passes = Passes(network, inputs, lower, self.plan.encoding.precision)
        return LiveNetwork(passes, read, network.unit, trained, self._size(network)), lower

    def _size(self, network: Network) -> int:
        return self.plan.machine.batch_size or network.batch_size

    def _units(self, name: str, network: Network) -> Units:
        """Return what a network reads of the items that have its modality."""
        rows = np.flatnonzero(self.features.modalities[name].mask)
        return units(self.dataset.catalog, rows, network, self.plan.encoding.long_texts)

    def _inputs(self, name: str, network: Network, read: Units) -> Inputs:
        if "image" not in network.inputs:
            return Inputs(len(read), None, read.tokens)
        rows = np.flatnonzero(self.features.modalities[name].mask)
        said, folder = self.plan.identity["encoder"][name], self.plan.folder.parent
        machine, device = self.plan.machine, network.surroundings.device
        held = pixels(self.dataset, network, said, rows, folder, machine, self.progress)

        def shown(places: NDArray[np.int64]) -> Tensor:
            return held.of(read.sources[places]).to(device)

        return Inputs(len(read), shown, read.tokens)

    def _lower(self, name: str, network: Network, inputs: Inputs) -> LowerLayers | None:
        """Return the frozen lower layers of a network, kept on disk; None where none are."""
        layers = self.trial.train_layers
        wished = layers is not None and self.trial.hyperparameters["keep_lower_layers"]
        if not wished or layers is None or layers >= len(network.top_blocks(None)):
            return None
        rows = np.flatnonzero(self.features.modalities[name].mask).tolist()
        precision = self.plan.encoding.precision
        items = {"dataset": self.dataset.fingerprint, "rows": fingerprint(rows)}
        items |= {"texts": self.plan.encoding.long_texts, "precision": precision}
        folder = self.plan.folder.with_name(f".{self.plan.folder.name}.lower-layers") / name
        try:
            with autocast(network, precision):
                return lower_layers(network, layers, inputs, folder, items, self.progress)
        except UsageError as error:
            raise UsageError(f"{error}; or --set keep_lower_layers=false") from error


def anew(member: Any) -> Network:
    """Return a network to load, untouched by what was done to this one."""
    made: Network = copy(member)
    vars(made).pop("forward", None)  # with the map that an adapter put behind it
    for name, inner in vars(made).items():
        if isinstance(inner, Network):
            vars(made)[name] = anew(inner)
    return made


def _adapted(networks: Mapping[str, Network], trial: Trial) -> dict[str, Adapted]:
    """Adapt every network; once, together, those that share a module."""
    (first, *others) = networks
    shared = [name for name in others if networks[name].share(networks[first])]
    how = trial.adapter, trial.adapter_options, trial.train_layers
    found = {first: adapt([networks[name] for name in (first, *shared)], *how)}
    apart = [name for name in others if name not in shared]
    return found | {name: adapt(networks[name], *how) for name in apart}


def _forget_activations(network: Network, train_layers: int | None) -> None:
    for block in network.top_blocks(train_layers).values():
        block.forward = partial(
            checkpoint, block.forward, use_reentrant=False, preserve_rng_state=False
        )
