"""What a cell cost: means over its seeds, the greatest peak of memory; None where unknown."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import isfinite
from statistics import mean
from typing import Any

from mmbench.board.cell import Cell


@dataclass(frozen=True)
class Cost:
    """One kind of cost.

    head: its name and unit. path: the keys in a record that lead to it.
    over: how the seeds are put together. always: whether it is shown where no record has it.
    instead: the keys that lead to it in records of another paradigm.
    """

    head: str
    path: tuple[str, ...]
    over: Callable[[Iterable[float]], float] = mean
    always: bool = True
    instead: tuple[str, ...] = ()


COSTS = {
    "encode_seconds": Cost("encode s", ("seconds", "encode")),
    "finetune_seconds": Cost("fine-tune s", ("encoder", "finetuned", "seconds"), always=False),
    "train_seconds": Cost("train s", ("seconds", "train")),
    "host_peak_mb": Cost("memory MiB", ("memory", "host_peak_mb"), max),
    "gpu_peak_mb": Cost("GPU memory MiB", ("memory", "gpu_peak_mb"), max, always=False),
    "parameters": Cost("parameters", ("parameters", "all")),
    "encoder_trained": Cost(
        "encoder's trained",
        ("parameters", "encoder", "trainable"),
        always=False,
        instead=("finetuning", "parameters", "trainable"),
    ),
    "energy_wh": Cost("energy Wh", ("energy_wh",)),
}


def cost(cell: Cell, name: str) -> float | None:
    """Return one of `COSTS` of a cell."""
    kind = COSTS[name]
    paths = (kind.path, kind.instead) if kind.instead else (kind.path,)
    found = [_number(record.values, path) for record in cell.records for path in paths]
    known = [value for value in found if value is not None]
    return kind.over(known) if known else None


def costs_of(cells: Iterable[Cell]) -> tuple[str, ...]:
    """Return the names of the costs to show: the usual, and those that a record has."""
    shown = list(cells)
    return tuple(
        name
        for name, kind in COSTS.items()
        if kind.always or any(cost(cell, name) is not None for cell in shown)
    )


def _number(values: Mapping[str, Any], path: Iterable[str]) -> float | None:
    found: Any = values
    for key in path:
        found = found.get(key) if isinstance(found, Mapping) else None
    told = isinstance(found, int | float) and not isinstance(found, bool) and isfinite(found)
    return float(found) if told else None
