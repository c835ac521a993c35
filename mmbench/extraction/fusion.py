"""Several modalities made one matrix, because a person asked for it: never by habit."""

from collections.abc import Mapping

import numpy as np

from mmbench.encoders.base import Mask, Matrix
from mmbench.errors import UsageError
from mmbench.features import Feature


def fuse(modalities: Mapping[str, Feature], how: str) -> Feature:
    """Return one matrix of all modalities, (n_items, dim) float32.

    An item has it where it has one of the modalities.

    Args:
        modalities: name → matrix and mask; the order of the names is that of the columns.
        how: `concat` puts the vectors side by side, zeros for what an item lacks; `mean` and `sum`
            add those that an item has; `pca:N` is the concatenation, each modality scaled to a mean
            length of one so that none outweighs the other, on its N principal components (learnt
            from all items of the catalogue).

    Raises:
        UsageError: the dimensions do not fit a mean or a sum, or N is above what there is.
    """
    present = np.logical_or.reduce([feature.mask for feature in modalities.values()])
    if how in ("mean", "sum"):
        return Feature(_added(modalities, how), present)
    if how == "concat":
        return Feature(_concatenated(modalities), present)
    return Feature(_components(modalities, present, int(how.removeprefix("pca:"))), present)


def _added(modalities: Mapping[str, Feature], how: str) -> Matrix:
    dimensions = {name: int(feature.matrix.shape[1]) for name, feature in modalities.items()}
    if len(set(dimensions.values())) > 1:
        told = ", ".join(f"{name} {dim}" for name, dim in dimensions.items())
        raise UsageError(f"--fuse {how} needs one dimension, here {told}: use concat or pca:128")
    total = sum(np.where(f.mask[:, None], f.matrix, 0.0) for f in modalities.values())
    count = sum(f.mask.astype(np.float32) for f in modalities.values())
    divisor = np.maximum(count, 1.0)[:, None] if how == "mean" else 1.0
    return np.asarray(total / divisor, np.float32)  # (n_items, dim)


def _concatenated(
    modalities: Mapping[str, Feature],
) -> Matrix:
    parts = [np.where(f.mask[:, None], f.matrix, 0.0) for f in modalities.values()]
    return np.concatenate(parts, axis=1).astype(np.float32)  # (n_items, sum of dims)


def _components(modalities: Mapping[str, Feature], present: Mask, n: int) -> Matrix:
    scaled = {name: Feature(f.matrix / _mean_length(f), f.mask) for name, f in modalities.items()}
    rows = _concatenated(scaled)
    most = min(int(present.sum()) - 1, rows.shape[1])
    if n > most:
        raise UsageError(f"--fuse pca:{n}: these features have {most} components at most")
    from sklearn.decomposition import PCA  # a second to import: a sweep starts without it

    fitted = PCA(n, svd_solver="covariance_eigh").fit(rows[present])
    fused = np.zeros((len(rows), n), np.float32)  # (n_items, n)
    fused[present] = fitted.transform(rows[present])
    return fused


def _mean_length(feature: Feature) -> float:
    lengths = np.linalg.norm(feature.matrix[feature.mask].astype(np.float32), axis=1)
    return float(lengths.mean()) if lengths.size and lengths.any() else 1.0
