"""The few lines of warning: what is odd enough to look at, and from which number on."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from mmbench.feature_report.diagnostics.attributes import Shared
from mmbench.feature_report.diagnostics.modality import Modality
from mmbench.feature_report.diagnostics.pair import OneSpace, Pair


@dataclass(frozen=True)
class Thresholds:
    """From where on a number is told as a warning. Shares are from 0 to 1.

    masked, zero_rows, repeated_rows, constant_columns: shares of items, rows, rows and columns.
    norm_ratio: 95 % norm over 5 % norm.
    mean_cosine: of random pairs; encoders that were not centred often have .3 to .6.
    first_component: share of the variance.
    rank_share: effective rank over the greatest that is possible; told below it.
    hubness: skewness; real features have 0 to 4.
    gap: of 2 at most; contrastive encoders have up to 1.
    lift: what neighbours or retrieval reach over chance; told below it, and within three standard
        errors above it.
    judged: items below which neither directions nor lifts are judged.
    """

    masked: float = 0.5
    zero_rows: float = 0.01
    repeated_rows: float = 0.05
    constant_columns: float = 0.1
    norm_ratio: float = 3.0
    mean_cosine: float = 0.8
    first_component: float = 0.5
    rank_share: float = 0.05
    hubness: float = 5.0
    gap: float = 0.7
    lift: float = 1.1
    judged: int = 50


USUAL = Thresholds()


def verdicts(
    modalities: Mapping[str, Modality],
    attributes: Mapping[str, Mapping[str, Shared]],
    pairs: Mapping[tuple[str, str], Pair],
    limits: Thresholds = USUAL,
) -> tuple[str, ...]:
    """Return the warnings, a line each; none where nothing is odd.

    Args:
        modalities: name → its numbers.
        attributes: name → the attributes which that modality should show.
        pairs: two names → their numbers.
        limits: the thresholds.
    """
    lines: list[str] = []
    for name, each in modalities.items():
        lines += [f"{name}: {line}" for line in _rows(each, limits)]
        lines += [f"{name}: {line}" for line in _directions(each, limits)]
        lines += [f"{name}: {line}" for line in _attributes(each, attributes.get(name, {}), limits)]
    for (one, other), two in pairs.items():
        lines += [f"{one} and {other}: {line}" for line in _pair(two, limits)]
    return tuple(lines)


def _rows(each: Modality, limits: Thresholds) -> Iterable[str]:
    if each.masked == each.items:
        yield "no item has a vector"
    elif each.masked > limits.masked * each.items:
        yield f"{_percent(each.masked / each.items)} of the items have no vector"
    if each.constant_columns == 1 and not each.zero_rows:
        yield "all rows are one and the same vector"
        return
    if (each.zero_rows or 0) > limits.zero_rows:
        yield f"{_percent(each.zero_rows)} of the rows are zero vectors: content that gave nothing?"
    elif (each.repeated_rows or 0) > limits.repeated_rows:
        most = max(group.items for group in each.repeated)
        told = f"{_percent(each.repeated_rows)} of the rows equal another, up to {most} at once"
        yield f"{told}: the same picture or text for many items?"
    if (each.constant_columns or 0) > limits.constant_columns and each.zero_rows != 1:
        yield f"{_percent(each.constant_columns)} of the columns never change: drop them"
    if each.norms and each.norms.p5 and each.norms.p95 / each.norms.p5 > limits.norm_ratio:
        ratio = each.norms.p95 / each.norms.p5
        yield f"norms differ by a factor of {ratio:.1f}: bring the rows to one length"


def _directions(each: Modality, limits: Thresholds) -> Iterable[str]:
    if each.sampled < limits.judged or each.constant_columns == 1:
        return
    if (each.mean_cosine or 0) > limits.mean_cosine:
        told = f"mean cosine of random pairs {each.mean_cosine:.2f}"
        yield f"the vectors lie in a narrow cone ({told}): centre them"
    if (each.first_component or 0) > limits.first_component and each.dimension > 1:
        yield f"one direction holds {_percent(each.first_component)} of the variance"
    possible = min(each.dimension, each.sampled - 1)
    if each.effective_rank and each.effective_rank < limits.rank_share * possible:
        told = f"about {each.effective_rank:.0f} of {possible} directions are used"
        yield f"{told}: the vectors have collapsed"
    if each.hub and (each.hubness or 0) > limits.hubness:
        told = f"item {each.hub.item} is near to {each.hub.times} of {each.sampled} items"
        yield f"hubs: {told} (skewness {each.hubness:.1f})"


def _attributes(each: Modality, shared: Mapping[str, Shared], limits: Thresholds) -> Iterable[str]:
    if not shared or each.sampled < limits.judged:
        return
    found = np.mean([one.neighbours for one in shared.values()])
    usual = np.mean([one.random for one in shared.values()])
    if _is_chance(float(found), float(usual), each.k * each.sampled, limits):
        yield f"neighbours share {', '.join(shared)} no more often than random pairs do"


def _pair(two: Pair, limits: Thresholds) -> Iterable[str]:
    if two.sampled < limits.judged:
        return
    if two.overlap is not None and two.chance is not None:
        draws = two.k * two.sampled
        if _is_chance(two.overlap, two.chance, draws, limits):
            told = f"{two.overlap:.3f} common neighbours, {two.chance:.3f} by chance"
            yield f"they do not agree ({told}): rows misaligned, or nothing in common"
    if two.one_space:
        yield from _one_space(two.one_space, two.sampled, limits)


def _one_space(space: OneSpace, draws: int, limits: Thresholds) -> Iterable[str]:
    found = float(np.mean(list(space.recall.values())))
    if _is_chance(found, space.chance, draws, limits):
        told = "items find themselves no better than by chance"
        yield f"same length, but {told}: not one space, or rows misaligned"
    elif space.gap > limits.gap:
        told = f"distance {space.gap:.2f} of 2"
        yield f"two separate clouds ({told}): centre each before comparing across them"


def _is_chance(found: float, chance: float, draws: int, limits: Thresholds) -> bool:
    error: float = (chance * (1 - chance) / draws) ** 0.5  # of a share of independent draws
    return found < limits.lift * chance + 3 * error


def _percent(share: float | None) -> str:
    return f"{100 * (share or 0):.3g} %"
