"""The plot: who took how long, and how time and memory grow."""

from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.speed.report import Report

COLOURS = {"ours": "#1b6ca8", "bare loop": "#8a8a8a", "RecBole": "#d1603d", "Cornac": "#7a9e3b"}


def draw(report: Report, path: Path) -> bool:
    """Draw the plot as PNG; False where matplotlib is not installed, and nothing is written."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        return False
    panels = ([_bars] if report.results else []) + ([_times, _memory] if report.points else [])
    figure = Figure(figsize=(7 * len(panels), 6.5), layout="constrained")
    FigureCanvasAgg(figure)
    for place, panel in enumerate(panels, 1):
        panel(report, figure.add_subplot(1, len(panels), place))
    figure.savefig(path, dpi=110)
    return True


def _colour(system: str) -> str:
    return next(colour for name, colour in COLOURS.items() if system.startswith(name))


def _bars(report: Report, axes: Any) -> None:
    shown = [result for result in report.results if result.rounds][::-1]
    places, labels, place, before = [], [], 0.0, ""
    for result in shown:
        place += 1.0 if result.contest == before else 1.8
        before = result.contest
        places.append(place)
        labels.append(f"{result.contest}: {result.system}")
    seconds = [median(result.rounds) for result in shown]
    axes.barh(places, seconds, color=[_colour(result.system) for result in shown])
    for at, took in zip(places, seconds, strict=True):
        axes.text(took, at, f" {took:.3g} s", va="center", fontsize=8)
    axes.set(xscale="log", xlabel="seconds (median)", title="Equal work, timed in turn")
    axes.set_yticks(places, labels, fontsize=8)
    axes.set_xlim(min(seconds) / 2, max(seconds) * 3)
    axes.spines[["top", "right"]].set_visible(False)


def _times(report: Report, axes: Any) -> None:
    slopes = report.exponents()

    def label(curve: str, over: str, system: str) -> str:
        slope = slopes[f"{curve}, {over}, {system}"]
        return f"{curve} over {over}, {system}" + ("" if slope is None else f" ({slope:.2f})")

    _lines(report, axes, "seconds", label)
    axes.set(ylabel="seconds (median)", title="Growth of time (exponent from 10⁵ on)")


def _memory(report: Report, axes: Any) -> None:
    _lines(report, axes, "peak_mb", lambda curve, over, system: f"{curve} over {over}, {system}")
    axes.set(ylabel="MiB", title="Peak memory of the process, reading the data included")


def _lines(report: Report, axes: Any, value: str, label: Any) -> None:
    names = dict.fromkeys((p.curve, p.over) for p in report.points)
    markers = dict(zip(names, "os^Dv*", strict=False))
    for (curve, over), marker in markers.items():
        points = [p for p in report.points if (p.curve, p.over) == (curve, over)]
        for system in dict.fromkeys(r.system for p in points for r in p.results):
            pairs = [
                (p.x, getattr(r, value))
                for p in points
                for r in p.results
                if r.system == system and r.rounds
            ]
            style = "-" if over == "interactions" else "--"
            axes.plot(*zip(*pairs, strict=True), style, marker=marker, markersize=5,
                      color=_colour(system), label=label(curve, over, system))  # fmt: skip
    axes.set(xscale="log", yscale="log", xlabel="interactions, or items (dashed)")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7)
