"""Amazon Electronics' size, generated: what recommenders take to build and to train one epoch.

    python -m benchmarks.speed.electronics FOLDER --models FREEDOM LATTICE MGCN

63,001 items, 192,403 users, 1.69 million interactions, features of 4096 and 384 dimensions, each
recommender in a process of its own. Features and nearest neighbours lie in FOLDER as in a home:
the first recommender that needs them makes them, the others map them. Peaks: VmHWM with the mapped
pages, and of the process's own memory (RssAnon), looked at every 20 ms.
"""

import argparse
import json
import multiprocessing
from pathlib import Path
from threading import Event, Thread
from time import perf_counter, process_time
from typing import Any

from benchmarks.speed.data import Size, write
from benchmarks.speed.shared_features import memory, opened
from benchmarks.speed.surroundings import described, versions

SIZE = Size(192_403, 63_001, 1_689_188, (4096, 384), test_users=1000)
BATCH = 8_192  # the contrast of some holds a number for each pair of a batch


def measured(model: str, folder: Path, connection: Any) -> None:
    """Build, train one epoch, rank the validation part once, and send what it took."""
    from recbole_ext.run import fit

    most, over = [0.0], Event()

    def watch() -> None:
        while not over.wait(0.02):
            most[0] = max(most[0], memory("RssAnon", "status"))

    Thread(target=watch, daemon=True).start()
    start, used = perf_counter(), process_time()
    options = {"train_batch_size": BATCH, "eval_step": 1}
    config, dataset = opened(folder, SIZE, model, folder / "shared", options)
    losses: list[float] = []
    fit(config, dataset, lambda epoch: losses.append(epoch.loss))
    found = {"model": model, "seconds": perf_counter() - start, "cpu_s": process_time() - used}
    over.set()
    found |= {"own_peak_mb": most[0], "peak_mb": memory("VmHWM", "status"), "loss": losses[0]}
    connection.send(found)


def main() -> None:
    """Measure one recommender after the other, a line of JSON each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed.electronics")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--models", nargs="+", default=["FREEDOM", "LATTICE", "MGCN"])
    given = parser.parse_args()
    folder = given.folder.absolute() / SIZE.name
    if not folder.is_dir():
        write(folder.parent, SIZE)
    print(json.dumps({"machine": described("cpu"), "versions": versions()}), flush=True)
    context = multiprocessing.get_context("spawn")
    for model in given.models:
        here, there = context.Pipe()
        process = context.Process(target=measured, args=(model, folder, there))
        process.start()
        there.close()
        print(json.dumps(here.recv()), flush=True)
        process.join()


if __name__ == "__main__":
    main()
