"""What a sweep costs beside the same trainings one after another in one process.

    python -m benchmarks.speed.sweep --trials 4 --epochs 60

Random points of one cell (VBPR on toyshop's ready features, one thread each), then the chosen one
again: by a sweep with one slot, with two, and in a loop. Every way has a home and a process of its
own. Printed: wall seconds, start and imports included, and their ratio to the loop's.
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

DATASET, ENCODER, MODEL = "toyshop", "classic", "VBPR"


def swept(home: Path, trials: int, epochs: int, slots: int, connection: Any) -> None:
    """Run the sweep and send its seconds and its points."""
    start = perf_counter()
    import mmbench

    outcome = mmbench.sweep(
        model=MODEL,
        encoder=ENCODER,
        dataset=DATASET,
        search={"algorithm": "random", "trials": trials, "early_stopping": "none"},
        hyperparameters=_fixed(epochs),
        seeds=1,
        home=home,
        cpus=slots,
    )
    if outcome.failed:
        raise RuntimeError(outcome.failed)
    (record,) = outcome.records
    search = record.values["search"]
    points = [line["hyperparameters"] for line in search["history"]]
    connection.send((perf_counter() - start, points, points[search["chosen"]]))


def looped(
    home: Path, epochs: int, points: list[Mapping[str, Any]], chosen: Mapping[str, Any], to: Any
) -> None:
    """Train the same points, then the chosen one again with its test, and send the seconds."""
    start = perf_counter()
    import torch

    from mmbench.plan import plan
    from mmbench.progress import Silent
    from mmbench.trial import execute, fit

    torch.set_num_threads(1)
    for point in [*points, chosen]:
        settings = {**_fixed(epochs), **point}
        (planned,) = plan(MODEL, ENCODER, DATASET, hyperparameters=settings, home=home)
        if point is chosen:
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
    parser.add_argument("--trials", type=int, default=4)
    parser.add_argument("--epochs", type=int, default=60)
    given = parser.parse_args()
    import mmbench

    with tempfile.TemporaryDirectory() as scratch:
        first = Path(scratch) / "home"
        mmbench.run(MODEL, ENCODER, DATASET, hyperparameters={"epochs": 1}, home=first)
        homes = {
            name: Path(shutil.copytree(first, Path(scratch) / name))
            for name in ("one", "two", "loop")
        }
        size = given.trials, given.epochs
        one, points, chosen = alone(swept, homes["one"], *size, 1)
        two, *_ = alone(swept, homes["two"], *size, 2)
        loop = alone(looped, homes["loop"], given.epochs, points, chosen)
    for way, seconds in {"loop": loop, "sweep, one slot": one, "sweep, two slots": two}.items():
        told = {"way": way, "seconds": round(seconds, 1), "ratio": round(seconds / loop, 3)}
        print(json.dumps({**told, "trainings": given.trials + 1}), flush=True)


if __name__ == "__main__":
    main()
