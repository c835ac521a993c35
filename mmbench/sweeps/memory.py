"""What a training of a sweep takes of a machine's memory, from records of others like it."""

from collections.abc import Iterable
from math import ceil

from mmbench.cells import Cell
from mmbench.errors import UsageError
from mmbench.home import Home
from mmbench.records import read_record


def expected_mb(cells: Iterable[Cell], home: Home) -> int | None:
    """Return the most that a training of a cell's dataset and recommender took, in MiB.

    It is what one takes alone: pages of libraries and features that several share are in it, so
    that rather too few than too many run at once. None where there is no record of any of them yet.
    """
    peaks = [
        peak for names in {(c.dataset, c.model) for c in cells} for peak in _peaks(*names, home)
    ]
    return ceil(max(peaks)) if peaks else None


def _peaks(dataset: str, model: str, home: Home) -> list[float]:
    peaks = []
    for path in (home.results / dataset).glob(f"*/{model}/[!.]*.json"):
        try:
            memory = read_record(path).values.get("memory")
        except UsageError:  # a damaged record tells nothing
            continue
        if memory and memory.get("host_peak_mb"):
            peaks.append(float(memory["host_peak_mb"]))
    return peaks
