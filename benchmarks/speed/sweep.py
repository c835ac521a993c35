"""What a sweep costs beside the same trainings one after another in one process.

    python -m benchmarks.speed.sweep --trials 8 --seeds 2 --epochs 130

Random points of two cells (VBPR on toyshop's ready features, real and permuted, one thread each),
then the chosen ones again with every seed: by a sweep with one slot, with two, and in a loop. Every
way has a home and a process of its own. Printed: wall seconds, start and imports included, and
their ratio to the loop's. `--ways` leaves some of the three out (the loop needs a sweep before it).
"""

import argparse
import json
import multiprocessing
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

DATASET, ENCODERS, MODEL = "toyshop", ("classic", "permuted:classic"), "VBPR"
WAYS = ("one", "two", "loop")  # a sweep with one slot, one with two, no sweep
Point = tuple[str, Mapping[str, Any], int | None]  # encoder, hyper-parameters, seed if it is tested


def swept(home: Path, trials: int, seeds: int, epochs: int, slots: int, connection: Any) -> None:
    """Run the sweep and send its seconds and its points."""
    start = perf_counter()
    import mmbench

    outcome = mmbench.sweep(
        model=MODEL,
        encoder=ENCODERS,
        dataset=DATASET,
        search={"algorithm": "random", "trials": trials, "early_stopping": "none"},
        hyperparameters=_fixed(epochs),
        seeds=seeds,
        home=home,
        cpus=slots,
    )
    if outcome.failed:
        raise RuntimeError(outcome.failed)
    connection.send((perf_counter() - start, [p for r in outcome.records for p in _points(r)]))


def _points(record: Any) -> list[Point]:
    """Return the tested training of a record, after the points of its cell if it is the first."""
    search, encoder = record.values["search"], record.trial["encoder"]
    points: list[Point] = [(encoder, line["hyperparameters"], None) for line in search["history"]]
    tested = (*points[search["chosen"]][:2], record.trial["seed"])
    return [*points, tested] if record.trial["seed"] == 1 else [tested]


def looped(home: Path, epochs: int, points: list[Point], to: Any) -> None:
    """Train the same points, the chosen ones again with their test, and send the seconds."""
    start = perf_counter()
    import torch

    from mmbench.plan import plan
    from mmbench.progress import Silent
    from mmbench.trial import execute, fit

    torch.set_num_threads(1)
    for encoder, point, seed in points:
        settings = {**_fixed(epochs), **point}
        planned = plan(
            MODEL, encoder, DATASET, hyperparameters=settings, seeds=[seed or 1], home=home
        )[0]
        if seed:
            execute(planned, Silent())
        else:
            fit(planned, Silent())
            shutil.rmtree(planned.scratch, ignore_errors=True)
    to.send(perf_counter() - start)


def _fixed(epochs: int) -> dict[str, Any]:
    return {"epochs": epochs, "stopping_step": epochs, "train_batch_size": 256}


def alone(function: Any, *words: Any) -> Any:
    """Return what a function sends from a process of its own."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=function, args=(*words, there))
    process.start()
    there.close()
    found = here.recv()
    process.join()
    return found


def main() -> None:
    """Measure the three ways, a line of JSON each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed.sweep")
    parser.add_argument("--trials", type=int, default=7)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--ways", nargs="+", default=WAYS, choices=WAYS)
    parser.add_argument("--epochs", type=int, default=130)
    given = parser.parse_args()
    import mmbench

    with tempfile.TemporaryDirectory() as scratch:
        first = Path(scratch) / "home"
        for encoder in ENCODERS:
            mmbench.run(MODEL, encoder, DATASET, hyperparameters={"epochs": 1}, home=first)
        size, points, spent = (given.trials, given.seeds, given.epochs), list[Point](), {}
        for way in given.ways:
            home = Path(shutil.copytree(first, Path(scratch) / way))
            if way == "loop":
                spent[way] = alone(looped, home, given.epochs, points)
            else:
                spent[way], points = alone(swept, home, *size, ("one", "two").index(way) + 1)
    for way, seconds in spent.items():
        told = {"way": way, "seconds": round(seconds, 1), "trainings": len(points)}
        if "loop" in spent:
            told["ratio"] = round(seconds / spent["loop"], 3)
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
