"""What a sweep costs beside the same trainings one after another in one process.

    python -m benchmarks.speed.sweep --trials 7 --epochs 130

Random points of two cells (VBPR on toyshop's ready features, real and permuted, one thread each),
then the chosen ones again: by a sweep with one slot, with two, and in a loop. Every way has a home
and a process of its own. Printed: wall seconds, start and imports included, and their ratio to the
loop's.
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
Point = tuple[str, Mapping[str, Any], bool]  # encoder, hyper-parameters, whether it is tested


def swept(home: Path, trials: int, epochs: int, slots: int, connection: Any) -> None:
    """Run the sweep and send its seconds and its points."""
    start = perf_counter()
    import mmbench

    outcome = mmbench.sweep(
        model=MODEL,
        encoder=ENCODERS,
        dataset=DATASET,
        search={"algorithm": "random", "trials": trials, "early_stopping": "none"},
        hyperparameters=_fixed(epochs),
        seeds=1,
        home=home,
        cpus=slots,
    )
    if outcome.failed:
        raise RuntimeError(outcome.failed)
    connection.send((perf_counter() - start, [p for r in outcome.records for p in _points(r)]))


def _points(record: Any) -> list[Point]:
    """Return what a cell trained: its points, then the chosen one again, which is tested."""
    search, encoder = record.values["search"], record.trial["encoder"]
    points = [(encoder, line["hyperparameters"], False) for line in search["history"]]
    return [*points, (*points[search["chosen"]][:2], True)]


def looped(home: Path, epochs: int, points: list[Point], to: Any) -> None:
    """Train the same points, the chosen ones again with their test, and send the seconds."""
    start = perf_counter()
    import torch

    from mmbench.plan import plan
    from mmbench.progress import Silent
    from mmbench.trial import execute, fit

    torch.set_num_threads(1)
    for encoder, point, tested in points:
        settings = {**_fixed(epochs), **point}
        (planned,) = plan(MODEL, encoder, DATASET, hyperparameters=settings, home=home)
        if tested:
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
    parser.add_argument("--epochs", type=int, default=130)
    given = parser.parse_args()
    import mmbench

    with tempfile.TemporaryDirectory() as scratch:
        first = Path(scratch) / "home"
        for encoder in ENCODERS:
            mmbench.run(MODEL, encoder, DATASET, hyperparameters={"epochs": 1}, home=first)
        homes = {
            name: Path(shutil.copytree(first, Path(scratch) / name))
            for name in ("one", "two", "loop")
        }
        size = given.trials, given.epochs
        one, points = alone(swept, homes["one"], *size, 1)
        two, _ = alone(swept, homes["two"], *size, 2)
        loop = alone(looped, homes["loop"], given.epochs, points)
    for way, seconds in {"loop": loop, "sweep, one slot": one, "sweep, two slots": two}.items():
        told = {"way": way, "seconds": round(seconds, 1), "ratio": round(seconds / loop, 3)}
        print(json.dumps({**told, "trainings": len(points)}), flush=True)


if __name__ == "__main__":
    main()
