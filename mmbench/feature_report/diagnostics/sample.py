"""The items that a quadratic measure looks at: all of them, or a fixed number drawn by a seed."""

import numpy as np
from numpy.typing import NDArray

SIZE = 3000  # items: a second or two of work for a modality
SEED = 0


def sample(rows: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the rows themselves up to `SIZE`, else as many drawn by `SEED`, in their order."""
    if len(rows) <= SIZE:
        return rows
    # RandomState's stream is frozen: every NumPy draws the same items.
    return np.sort(np.random.RandomState(SEED).permutation(rows)[:SIZE])
