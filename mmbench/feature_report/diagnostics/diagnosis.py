"""All numbers of a feature set and the warnings that follow from them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from mmbench.feature_report.diagnostics.attributes import Shared, shared_attributes
from mmbench.feature_report.diagnostics.modality import Modality, modality
from mmbench.feature_report.diagnostics.pair import Pair, pair
from mmbench.feature_report.diagnostics.verdicts import verdicts
from mmbench.features import FeatureSet


@dataclass(frozen=True)
class Diagnosis:
    """The numbers of a feature set.

    modalities: name → its numbers.
    attributes: modality → attribute → how often neighbours share it.
    pairs: two modalities → their numbers.
    warnings: what is odd, a line each.
    """

    modalities: Mapping[str, Modality]
    attributes: Mapping[str, Mapping[str, Shared]]
    pairs: Mapping[tuple[str, str], Pair]
    warnings: tuple[str, ...]


def diagnose(
    features: FeatureSet,
    columns: Mapping[str, Sequence[Any]] | None = None,
    attributes: Mapping[str, Sequence[str]] | None = None,
) -> Diagnosis:
    """Return the numbers of a feature set.

    Args:
        features: the vectors.
        columns: true attribute → its values (n_items,), in the order of `features.ids`.
        attributes: modality → which of these its content shows; the others it cannot know.
    """
    known, columns = features.modalities, columns or {}
    modalities = {name: modality(features.ids, feature) for name, feature in known.items()}
    shared = {name: shared_attributes(feature, columns) for name, feature in known.items()}
    pairs = {
        (one, other): pair((one, other), known[one], known[other])
        for one, other in combinations(known, 2)
    }
    shown = {
        name: {attribute: shared[name][attribute] for attribute in own if attribute in shared[name]}
        for name, own in (attributes or {}).items()
        if name in shared
    }
    return Diagnosis(modalities, shared, pairs, verdicts(modalities, shown, pairs))
