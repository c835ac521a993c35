"""Names that RecBole 1.2.1 uses and that NumPy 2 and SciPy 1.13 removed."""

from typing import Any

import numpy as np
from scipy.sparse import dok_matrix

_NUMPY = {
    "bool": np.bool_,
    "int": np.int_,
    "float": np.float64,
    "float_": np.float64,
    "complex": np.complex128,
    "object": np.object_,
    "str": np.str_,
    "unicode": np.str_,
}


def _update(matrix: Any, entries: dict[tuple[int, int], float]) -> None:
    """Set entries without a check, as SciPy's private method did until 1.12."""
    matrix._dict.update(entries)


def restore_aliases() -> None:
    """Give NumPy and SciPy the removed names, only where they are missing. Harmless twice."""
    for name, target in _NUMPY.items():
        if name not in vars(np):
            setattr(np, name, target)
    if not hasattr(dok_matrix, "_update"):
        dok_matrix._update = _update
