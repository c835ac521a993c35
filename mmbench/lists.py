"""What a few users were recommended, beside the metrics of a record: to be looked at.

Two arrays: `listed-users` (n,) and `listed-items` (n, length), the best first, "" at their ends.
"""

from typing import Any, Protocol
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from mmbench.records import BESIDE, Record

LISTED = 100  # users whose lists a record keeps, the same ones in every record of a dataset
USERS, ITEMS = f"{BESIDE}users", f"{BESIDE}items"


class _Lists(Protocol):
    @property
    def users(self) -> NDArray[np.str_]: ...
    @property
    def items(self) -> NDArray[np.str_]: ...


def told(lists: _Lists | None) -> dict[str, NDArray[Any]]:
    """Return the arrays that a record keeps."""
    return {} if lists is None else {USERS: lists.users, ITEMS: lists.items}


def listed(record: Record) -> dict[str, tuple[str, ...]]:
    """Return user id → item ids that were recommended, the best first; nothing where none is kept.

    Records of before there were lists have none, nor have those that were trained without a test.
    """
    try:
        with np.load(record.path.with_suffix(".npz"), allow_pickle=False) as file:
            if not {USERS, ITEMS} <= set(file.files):
                return {}
            users, items = file[USERS], file[ITEMS]
    except (OSError, ValueError, EOFError, BadZipFile):
        return {}
    if items.ndim != 2 or users.shape != items.shape[:1]:
        return {}
    rows = zip(users.tolist(), items.tolist(), strict=True)
    return {str(user): tuple(str(item) for item in row if item) for user, row in rows}
