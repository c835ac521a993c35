"""Training and ranking against the bare loop, RecBole 1.2.1 and Cornac, on equal work.

    python -m benchmarks.speed.engine            # what `make bench` types
    python -m benchmarks.speed.engine --quick    # a small version, under two minutes

Every system runs in a process of its own on the same generated interactions; they work in turn,
and ratios are taken within a round. See benchmarks/README.md.
"""

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

from benchmarks.speed import floor
from benchmarks.speed.contests import Contest, contests
from benchmarks.speed.data import BABY, Size, write
from benchmarks.speed.plots import draw
from benchmarks.speed.report import Floor, Report
from benchmarks.speed.rounds import hold
from benchmarks.speed.scaling import curves, measured
from benchmarks.speed.surroundings import described, versions
from benchmarks.speed.turns import Job, alone

RESULTS = Path(__file__).parent / "results"
SMALL = Size(3_000, 1_500, 24_000, (512, 64))
STAGES = ("contests", "floor", "scaling")


def main() -> None:
    """Measure, write, and say where."""
    given = _arguments()
    folder = given.out / (given.name or ("quick" if given.quick else date.today().isoformat()))
    size = SMALL if given.quick else BABY
    rounds = given.rounds or (2 if given.quick else 7)
    settings = {
        "users": size.users,
        "items": size.items,
        "interactions": size.interactions,
        "features": "+".join(map(str, size.features)),
        "batch": Job.batch,
        "dimension": Job.dim,
        "LightGCN layers": Job.layers,
        "rounds": rounds,
        "clock": given.clock,
    }
    report = Report(described(given.device), versions(), settings)
    with tempfile.TemporaryDirectory() as scratch:
        job = Job(Path(scratch), size, "", "", device=given.device, clock=given.clock)
        for said in _stages(given, report, job, rounds):
            print(said, flush=True)
            report.write(folder)
    drawable = report.results or report.points
    if drawable and not draw(report, folder / "plot.png"):
        print("no plot: matplotlib is not installed (pip install -e '.[bench]')")
    print(f"written: {folder}")


def _stages(given: argparse.Namespace, report: Report, job: Job, rounds: int) -> Iterator[str]:
    """Fill the report stage by stage, and tell of each step."""
    home, size = job.folder, job.size
    job = replace(job, folder=alone(write, home, size))
    chosen = [c for c in contests(size.items) if not given.models or c.model in given.models]
    if "contests" in given.only:
        for contest in chosen:
            results = hold(contest, job, rounds)
            report.results += results
            for r in results:
                took = f"{r.seconds:.3f} s" if r.seconds else r.note
                yield f"{r.contest:18} {r.system:28} {took}"
    if "floor" in given.only:
        report.floors = alone(_floors, chosen, job, given.quick)
        yield "; ".join(f"{each.contest} floor {each.seconds:.3f} s" for each in report.floors)
    if "scaling" in given.only:
        largest = 10**5 if given.quick else 10**7 if given.large else 10**6
        for curve in curves(largest, given.quick):
            if given.models and curve.model not in given.models:
                continue
            for point in measured(curve, home, job, 1 if given.quick else 3):
                report.points.append(point)
                times = [f"{r.system} {r.seconds:.3f} s" for r in point.results if r.seconds]
                yield f"{curve.name} over {curve.over}, {point.x}: {', '.join(times)}"


def _floors(chosen: list[Contest], job: Job, quick: bool) -> list[Floor]:
    return [_floor(contest, job, quick) for contest in chosen]


def _floor(contest: Contest, job: Job, quick: bool) -> Floor:
    job = replace(job, model=contest.model, task=contest.task)
    machine = floor.measure(floor.table_bytes(job.model, job.size, job.dim), job.device, job.clock)
    training = job.task == "train"
    return Floor(
        contest.name,
        machine,
        tuple(floor.parts(job)),
        floor.touched_share(job) if training else None,
        tuple(floor.profiled(job)) if training and not quick else (),
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.speed.engine", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--quick", action="store_true", help="small sizes, under two minutes")
    parser.add_argument("--large", action="store_true", help="curves up to 10^7 interactions")
    parser.add_argument("--only", nargs="+", choices=STAGES, default=STAGES, metavar="STAGE")
    parser.add_argument("--models", nargs="+", choices=("BPR", "LightGCN", "VBPR"))
    parser.add_argument("--rounds", type=int, help="turns of each system (7; quick: 2)")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N")
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall", help="what is read")
    parser.add_argument("--name", help="folder of the results (today's date)")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where that folder lies")
    return parser.parse_args()


if __name__ == "__main__":
    main()
