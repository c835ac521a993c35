"""What a run of the benchmark leaves: results.json, table.md and plot.png."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tabulate import tabulate

from benchmarks.speed.floor import Machine, Part
from benchmarks.speed.rounds import Result, ratio
from benchmarks.speed.scaling import Point, exponent

CONTESTS = ("work", "system", "seconds", "least", "most", "rounds", "× ours", "× bare", "peak MiB")

CURVES = (
    "curve",
    "interactions",
    "users",
    "items",
    "batch",
    "system",
    "seconds",
    "peak MiB",
    "before training MiB",
)


@dataclass(frozen=True)
class Floor:
    """The parts of one contest's work, what the machine does, and what the systems took."""

    contest: str
    machine: Machine
    parts: tuple[Part, ...]
    touched_share: float | None = None
    operators: tuple[tuple[str, float], ...] = ()

    @property
    def seconds(self) -> float:
        """The floor of the whole."""
        return sum(part.seconds(self.machine.bandwidth, self.machine.speed) for part in self.parts)


@dataclass
class Report:
    """All that was measured so far; written after every stage, so that little can get lost."""

    machine: dict[str, Any]
    versions: dict[str, str]
    settings: dict[str, Any]
    results: list[Result] = field(default_factory=list)
    floors: list[Floor] = field(default_factory=list)
    points: list[Point] = field(default_factory=list)

    def write(self, folder: Path) -> None:
        """Write results.json and table.md below `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "results.json").write_text(json.dumps(self.values(), indent=1) + "\n")
        (folder / "table.md").write_text(self.markdown())

    def values(self) -> dict[str, Any]:
        """Return all of it as plain values."""
        results = [
            asdict(result)
            | {"median": result.seconds}
            | {"times_ours": self._times(result, "ours")}
            | {"times_bare": self._times(result, "bare loop")}
            for result in self.results
        ]
        floors = [asdict(floor) | {"seconds": floor.seconds} for floor in self.floors]
        return {
            "machine": self.machine,
            "versions": self.versions,
            "settings": self.settings,
            "results": results,
            "floors": floors,
            "points": [asdict(point) | {"x": point.x} for point in self.points],
            "exponents": self.exponents(),
        }

    def exponents(self) -> dict[str, float | None]:
        """Return "curve, over, system" → the slope in log-log from 10^5 interactions on."""
        found = {}
        for curve, over in dict.fromkeys((p.curve, p.over) for p in self.points):
            points = [p for p in self.points if (p.curve, p.over) == (curve, over)]
            for system in dict.fromkeys(r.system for p in points for r in p.results):
                found[f"{curve}, {over}, {system}"] = exponent(points, system)
        return found

    def markdown(self) -> str:
        """Return the tables."""
        said = "; ".join(f"{key.replace('_', ' ')} {value}" for key, value in self.machine.items())
        used = ", ".join(f"{name} {number}" for name, number in self.versions.items())
        given = ", ".join(f"{name} {value}" for name, value in self.settings.items())
        blocks = [f"# Speed of training and ranking\n\n{said}\n\n{used}\n\n{given}\n"]
        blocks += [self._contests()] if self.results else []
        blocks += [_floor(floor, self.results) for floor in self.floors]
        blocks += [self._curves()] if self.points else []
        return "\n".join(blocks)

    def _times(self, result: Result, other: str) -> float | None:
        """Return how many times the seconds of another system of its contest a system took."""
        found = [r for r in self.results if (r.contest, r.system) == (result.contest, other)]
        return ratio(result, found[0]) if found else None

    def _contests(self) -> str:
        rows: list[Sequence[Any]] = []
        for result in self.results:
            if not result.rounds:
                rows.append((result.contest, result.system, result.note))
                continue
            spread = min(result.rounds), max(result.rounds), len(result.rounds)
            ratios = self._times(result, "ours"), self._times(result, "bare loop")
            rows.append(
                (result.contest, result.system, result.seconds, *spread, *ratios, result.peak_mb)
            )
        return _table(rows, CONTESTS) + (
            "\nSeconds are medians; × ours and × bare are medians of the ratios within a round.\n"
        )

    def _curves(self) -> str:
        rows = [
            (f"{p.curve}, over {p.over}", p.size.interactions, p.size.users, p.size.items, p.batch,
             r.system, r.seconds, r.peak_mb, r.ready_mb)
            for p in self.points
            for r in p.results
        ]  # fmt: skip
        slopes = [(*name.rsplit(", ", 1), slope) for name, slope in self.exponents().items()]
        title = "## Growth\n\n"
        fitted = "\nExponents (least squares in log-log, from 10^5 interactions on):\n\n"
        return (
            title + _table(rows, CURVES) + fitted + _table(slopes, ("curve", "system", "exponent"))
        )


def _floor(floor: Floor, results: Iterable[Result]) -> str:
    machine = floor.machine
    rows = [
        (p.name, p.bytes / 1e9, p.operations / 1e9, p.seconds(machine.bandwidth, machine.speed))
        for p in floor.parts
    ]
    moved, run = sum(p.bytes for p in floor.parts), sum(p.operations for p in floor.parts)
    rows.append(("all", moved / 1e9, run / 1e9, floor.seconds))
    lines = [
        f"## The floor of {floor.contest}\n",
        f"{machine.bandwidth / 1e9:.1f} GB/s copied where the tables lie "
        f"({machine.bandwidth_large / 1e9:.1f} in memory), "
        f"{machine.speed / 1e9:.0f} GFLOP/s.\n",
        _table(rows, ("part", "GB", "GFLOP", "floor s")),
    ]
    for result in results:
        if result.contest == floor.contest and result.seconds:
            share = floor.seconds / result.seconds
            took = f"{result.system}: {result.seconds:.3f} s"
            lines.append(f"- {took}, the floor is {share:.0%} of it")
    if floor.touched_share is not None:
        lines.append(f"- A batch touches {floor.touched_share:.0%} of the rows of the tables.")
    if floor.operators:
        shares = ", ".join(f"{name} {share:.0%}" for name, share in floor.operators)
        lines.append(f"- Where an epoch of ours goes (profiler, self time): {shares}.")
    return "\n".join(lines) + "\n"


def _table(rows: Iterable[Sequence[Any]], head: Sequence[str]) -> str:
    cells = [[_cell(value) for value in row] for row in rows]
    return str(tabulate(cells, head, tablefmt="github", disable_numparse=True)) + "\n"


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, float):
        return str(value)
    return f"{value:.0f}" if value >= 1000 else f"{value:.3g}" if value < 1 else f"{value:.2f}"
