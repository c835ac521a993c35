"""Memory and start of trials that run at once: features of their own, or one shared copy.

    python -m benchmarks.speed.shared_features FOLDER [--items 7050] [--processes 1 3]

Every process opens the same raw features, trains one epoch and waits until all have. A line says
how much memory all took together beyond what they held once everything was imported (PSS: a page
that n processes map counts as 1/n in each), the most that one had to itself meanwhile, and its CPU
seconds.
"""

import argparse
import json
import multiprocessing
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from multiprocessing.synchronize import Barrier
from pathlib import Path
from threading import Event, Thread
from time import process_time
from types import MappingProxyType
from typing import Any

import numpy as np

from benchmarks.speed.data import Size, write

WAYS = ("private", "shared, made", "shared, found")


def opened(
    folder: Path,
    size: Size,
    model: str,
    kept: Path | None,
    options: Mapping[str, Any] = MappingProxyType({}),
) -> tuple[Any, Any]:
    """Return the configuration and the dataset, its features mapped from their files."""
    from mmbench.shared_arrays import SharedArrays
    from recbole_ext.config import Config
    from recbole_ext.dataset import MultimodalDataset

    settings = {
        "data_path": str(folder.parent),
        "benchmark_filename": ["train", "valid", "test"],
        "load_col": {"inter": ["user_id", "item_id"]},
        "device": "cpu",
        "epochs": 1,
        "topk": [20],
        **options,
    }
    config = Config(model, folder.name, config_dict=settings)
    dataset = MultimodalDataset(config, share=SharedArrays(kept, print) if kept else None)
    ids = [f"i{item}" for item in range(size.items)]
    for place in range(len(size.features)):
        name = f"features{place}.npy"
        rows = np.load(folder / name, mmap_mode="r", allow_pickle=False)
        dataset.add_features(f"modality{place}", ids, rows, None, f"{folder.name} {name}")
    return config, dataset


def memory(kind: str, file: str) -> float:
    """Return a line of a file of /proc/self in MiB."""
    return int(Path(f"/proc/self/{file}").read_text().split(f"{kind}:")[1].split()[0]) / 1024


def pss() -> float:
    """Return this process's part of the machine's memory in MiB."""
    return memory("Pss", "smaps_rollup")


def trial(
    folder: Path, size: Size, model: str, kept: Path | None, ready: Barrier, results: Any
) -> None:
    """Train one epoch, wait for the others, and put what it took into `results`."""
    import torch

    from recbole_ext.run import fit

    torch.set_num_threads(1)
    opened(folder, replace(size, features=()), "BPR", None)  # what pandas and RecBole load late
    ready.wait()
    alone, part, over, most = memory("RssAnon", "status"), pss(), Event(), [0.0]
    ready.wait()

    def watch() -> None:
        while not over.wait(0.005):
            most[0] = max(most[0], memory("RssAnon", "status"))

    Thread(target=watch, daemon=True).start()
    start = process_time()
    config, dataset = opened(folder, size, model, kept)
    fitted = fit(config, dataset)
    spent = process_time() - start
    over.set()
    ready.wait()
    found = {"pss_mb": pss() - part, "peak_alone_mb": most[0] - alone}
    ready.wait()
    results.put({**found, "cpu_s": spent})
    assert fitted.model is not None  # held until all were measured


def together(folder: Path, size: Size, model: str, kept: Path | None, n: int) -> dict[str, float]:
    """Run n trials at once and return the sum of their memory and the mean of the rest."""
    context = multiprocessing.get_context("spawn")
    ready, results = context.Barrier(n), context.Queue()
    words = folder, size, model, kept, ready, results
    running = [context.Process(target=trial, args=words) for _ in range(n)]
    for each in running:
        each.start()
    told = [results.get() for _ in running]
    for each in running:
        each.join()
    means = {key: float(np.mean([one[key] for one in told])) for key in told[0]}
    return {"processes": n, "pss_mb_of_all": means.pop("pss_mb") * n, **means}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--items", type=int, default=7_050)
    parser.add_argument("--users", type=int, default=9_000)
    parser.add_argument("--interactions", type=int, default=20_000)
    parser.add_argument("--dims", type=int, nargs="+", default=[4096, 384])
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 3])
    parser.add_argument("--model", default="VBPR")
    asked = parser.parse_args()
    size = Size(asked.users, asked.items, asked.interactions, tuple(asked.dims))
    folder = write(asked.folder.absolute(), size)
    for n in asked.processes:
        with tempfile.TemporaryDirectory(dir=asked.folder) as kept:
            for way in WAYS:
                where = None if way == "private" else Path(kept)
                found = together(folder, size, asked.model, where, n)
                print(json.dumps({"features": way, **found}), flush=True)


if __name__ == "__main__":
    main()
