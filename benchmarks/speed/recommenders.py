"""One epoch and one ranking of every recommender that reads features, beside the bare LightGCN.

    python -m benchmarks.speed.recommenders                       # Amazon Baby's size
    python -m benchmarks.speed.recommenders --models BM3 MGCN --rounds 5

Every recommender trains in a process of its own, in turn with the bare loop of LightGCN (two
layers), whose epoch is the unit: what slows the machine slows both.
"""

import argparse
import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from datetime import date
from pathlib import Path

from tabulate import tabulate

from benchmarks.speed import contests, ours
from benchmarks.speed.data import BABY, Size, write
from benchmarks.speed.engine import RESULTS
from benchmarks.speed.rounds import Result, hold, ratio
from benchmarks.speed.surroundings import described, versions
from benchmarks.speed.turns import Job, alone
from mmbench.specs import names, recommender_spec

YARDSTICK = "bare LightGCN"
HEADS = ("recommender", "epoch, s", "× bare", "ranking, s", "× bare", "peak, MiB", "note")
Pair = tuple[Result, Result]  # ours, the yardstick


def bare_train(job: Job, tick: Callable[[], None]) -> None:
    """Train the bare LightGCN for ever."""
    contests.bare_train(replace(job, model="LightGCN", options=()), tick)


def bare_rank(job: Job, tick: Callable[[], None]) -> None:
    """Rank with the bare LightGCN for ever."""
    contests.bare_rank(replace(job, model="LightGCN", options=()), tick)


def held(model: str, job: Job, rounds: int) -> tuple[Pair, Pair]:
    """Return what an epoch and a ranking took, each beside the yardstick."""
    pairs = []
    for task, own, bare in (("train", ours.train, bare_train), ("rank", ours.rank, bare_rank)):
        entries = contests.Entry("ours", own), contests.Entry(YARDSTICK, bare)
        contest = contests.Contest(f"{model}, {task}", model, task, entries)
        first, second = hold(contest, job, rounds)
        pairs.append((first, second))
    return pairs[0], pairs[1]


def row(model: str, epoch: Pair, ranking: Pair) -> list[object]:
    """Return one line of the table."""
    times: list[object] = []
    for own, bare in (epoch, ranking):
        times += [own.seconds, ratio(own, bare)]
    peaks = [each.peak_mb or 0 for each, _ in (epoch, ranking)]
    return [model, *times, max(peaks), epoch[0].note or ranking[0].note]


def measured(models: list[str], job: Job, rounds: int) -> Iterator[tuple[list[object], list[Pair]]]:
    """Time one recommender after the other."""
    for model in models:
        epoch, ranking = held(model, job, rounds)
        yield row(model, epoch, ranking), [epoch, ranking]


def main() -> None:
    """Measure, write, and say where."""
    given = _arguments()
    folder = given.out / (given.name or f"recommenders-{date.today().isoformat()}")
    folder.mkdir(parents=True, exist_ok=True)
    rows, results = [], []
    with tempfile.TemporaryDirectory() as scratch:
        made = alone(write, Path(scratch), BABY)
        job = Job(made, BABY, "", "", device=given.device, clock=given.clock)
        for line, pairs in measured(given.models, job, given.rounds):
            rows.append(line)
            results += [asdict(result) for pair in pairs for result in pair]
            print(*line, flush=True)
            _write(folder, BABY, job, rows, results)
    print(f"written: {folder}")


def _write(folder: Path, size: Size, job: Job, rows: list[list[object]], results: list) -> None:
    settings = {**asdict(size), "batch": job.batch, "dimension": job.dim, "clock": job.clock}
    facts = {"machine": described(job.device), "versions": versions(), "settings": settings}
    text = json.dumps({**facts, "results": results}, indent=1)
    (folder / "results.json").write_text(text + "\n", encoding="utf-8")
    told = ["# Speed of the recommenders", *(f"{k}: {v}" for k, v in facts.items())]
    table = tabulate(rows, HEADS, tablefmt="github", floatfmt=".3g")
    (folder / "table.md").write_text("\n\n".join([*told, table]) + "\n", encoding="utf-8")


def _arguments() -> argparse.Namespace:
    known = [n for n in names("recommenders") if recommender_spec(n).content]
    trained = [n for n in known if recommender_spec(n).trained]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed.recommenders")
    parser.add_argument("--models", nargs="+", choices=trained, default=trained, metavar="NAME")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each (3)")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N")
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall", help="what is read")
    parser.add_argument("--name", help="folder of the results (recommenders- and today's date)")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where that folder lies")
    return parser.parse_args()


if __name__ == "__main__":
    main()
