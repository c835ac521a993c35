"""`mmbench compare`: its options, and what it prints."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from mmbench import options as opt

if TYPE_CHECKING:
    from mmbench.comparison import Comparison, Measured

SystemsArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="A B [C ...]",
        help="each a RECORD.json, a folder of records, MODEL/ENCODER or DATASET/ENCODER/MODEL; "
        "with /FINGERPRINT behind it, one trial of several",
    ),
]
MetricOption = Annotated[str, typer.Option(help="metrics of the test part, with commas")]
BaselineOption = Annotated[
    str | None, typer.Option(help="what the others are compared with (the first)")
]


def compare(
    systems: SystemsArgument,
    metric: MetricOption = "recall@20,ndcg@20",
    baseline: BaselineOption = None,
    home: opt.HomeOption = None,
    as_json: opt.JsonOption = False,
) -> None:
    """Test over users whether systems differ from a baseline, by how much and how surely."""
    from mmbench.comparison import compare_family
    from mmbench.errors import UsageError
    from mmbench.home import Home

    first = baseline or systems[0]
    others = [name for name in dict.fromkeys(systems) if name != first]
    names = list(dict.fromkeys(name.strip() for name in metric.split(",") if name.strip()))
    if not names:
        raise UsageError("--metric names none: write one, as in recall@20")
    where = Home.find(home)
    made = [compare_family(first, others, metric=name, home=where) for name in names]
    if as_json:
        values = [each.json_values() for family in made for each in family]
        print(json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False))
        return
    print("\n\n".join(text(family) for family in made))


def text(family: "Sequence[Comparison]") -> str:
    """Return the comparisons of one metric with one baseline as Markdown: a table, and notes."""
    from tabulate import tabulate

    first = family[0]
    corrected = len(family) > 1
    columns = ["system", "seeds", first.metric, f"difference [{_share(first)} interval]"]
    columns += ["relative", "d_z", "better / equal / worse", "p t-test", "p Wilcoxon"]
    columns += ["p t-test, Holm", "p Wilcoxon, Holm"] if corrected else []
    of_baseline = [*_reached(first.baseline), "baseline", *[""] * (len(columns) - 4)]
    body = [of_baseline] + [_row(each, corrected) for each in family]
    table = tabulate(body, columns, tablefmt="github", disable_numparse=True)
    head = f"### {first.dataset} · protocol {first.protocol} · {first.metric} · "
    notes = "\n".join(f"- {line}" for line in (*_how(first), *first.notes))
    return f"{head}{first.users} users\n\n{table}\n\n{notes}"


def _row(one: "Comparison", corrected: bool) -> list[str]:
    low, high = one.interval
    row = [*_reached(one.system), f"{one.difference:+.4f} [{low:+.4f}, {high:+.4f}]"]
    row += ["" if one.relative is None else f"{one.relative:+.1%}", f"{one.d_z:+.3f}"]
    row += [f"{one.better} / {one.equal} / {one.worse}", _p(one.t_test.p), _p(one.wilcoxon.p)]
    return row + ([_p(one.t_test_holm), _p(one.wilcoxon_holm)] if corrected else [])


def _reached(one: "Measured") -> list[str]:
    spread = "" if one.deviation is None else f" ± {one.deviation:.4f}"
    return [one.name, str(len(one.seeds)), f"{one.mean:.4f}{spread}"]


def _how(first: "Comparison") -> list[str]:
    """Return what the numbers of a table are, a line each."""
    made = first.bootstrap
    lines = [
        "±: deviation of the mean over seeds; all else is over users, each averaged over the seeds",
        f"interval: {_share(first)}, BCa bootstrap of the mean difference over users "
        f"({made.resamples} draws, seed {made.seed})",
        "d_z: mean of the users' differences / their standard deviation",
        "p: two-sided, paired t-test and Wilcoxon signed-rank test over users"
        " (which leaves out the equal)",
    ]
    if first.family > 1:
        told = f"corrected by Holm–Bonferroni over the {first.family} comparisons of this table"
        lines.append(f"Holm: p {told}, each test by itself")
    return lines


def _share(one: "Comparison") -> str:
    return f"{one.bootstrap.confidence:.0%}"


def _p(p: float) -> str:
    return f"{p:.4f}" if p >= 0.0001 or p == 0 else f"{p:.1e}"
