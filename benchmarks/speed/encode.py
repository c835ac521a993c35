"""How close the extraction comes to the bare model: forward passes on ready tensors against it all.

    python benchmarks/speed/encode.py --dataset toyshop --encoder efficientnet+minilm

For each modality, in turn and several times over: `bare` runs the model on inputs that lie ready in
memory, `whole` reads the pictures and texts from disk, makes them ready, encodes them and keeps the
vectors. Loading the weights is left out of both. The ratio is of medians within one run.
"""

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
import torch
from tabulate import tabulate

from mmbench.datasets.dataset import Dataset
from mmbench.datasets.pictures import UnreadablePicture, read_picture
from mmbench.encoders.network import Network
from mmbench.extraction.modality import extracted
from mmbench.extraction.units import units
from mmbench.feature_plan import plan_features
from mmbench.home import Home
from mmbench.machine import Machine
from mmbench.progress import Silent
from mmbench.specs import Encoding

HEAD = (
    "encoder",
    "modality",
    "encoded",
    "batch",
    "workers",
    "bare/s",
    "whole/s",
    "whole:bare",
    "waiting",
)


def main():
    given = arguments()
    home = Home.find(given.home)
    dataset = Dataset.load(home, given.dataset)
    machine = Machine.of(given.device, given.batch_size, given.workers)
    encoding = Encoding(random_weights=given.random_weights, precision=given.precision)
    plan = plan_features(dataset, given.encoder, encoding, machine, home)
    whole = dataset.catalog
    catalog = replace(whole, frame=whole.frame.head(given.items)) if given.items else whole
    rows = [
        measured(plan, name, member, catalog, given.repeats)
        for name, member in plan.members.items()
        if isinstance(member, Network) and member.weighted
    ]
    threads = f"{machine.device}, {torch.get_num_threads()} threads"
    print(f"{threads}, {given.precision}, {given.repeats} repeats")
    print(
        tabulate(
            rows, HEAD, tablefmt="github", floatfmt=("", "", "", "", "", ".1f", ".1f", ".3f", ".3f")
        )
    )


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", default="toyshop")
    parser.add_argument("--encoder", default="efficientnet+minilm")
    parser.add_argument("--home")
    parser.add_argument("--items", type=int, help="the first so many; all where it is left out")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--batch-size", default="auto")
    parser.add_argument("--workers", type=int)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--random-weights", action="store_true")
    return parser.parse_args()


def measured(plan, name, backend, catalog, repeats):
    """Return a row of the table: one warm-up, then bare and whole in turn."""
    backend.load()
    backend.load = lambda: None  # loading is no part of either
    present = np.logical_and.reduce([catalog.present[need] for need in backend.inputs])
    work = units(catalog, np.flatnonzero(present), backend, plan.encoding.long_texts)
    ready = inputs(backend, catalog, work)
    size = plan.machine.batch_size or backend.batch_size
    bare(backend, ready, size, plan)
    times = {"bare": [], "whole": []}
    for _ in range(repeats):
        times["bare"].append(bare(backend, ready, size, plan))
        seconds, figures = whole(backend, name, catalog, plan)
        times["whole"].append(seconds)
    n, (slow, fast) = len(work), (median(times["whole"]), median(times["bare"]))
    return (
        plan.spec.name,
        name,
        n,
        size,
        plan.machine.workers,
        n / fast,
        n / slow,
        fast / slow,
        figures["waiting_share"],
    )


def inputs(backend, catalog, work):
    """Return what the model reads, ready in memory: pixels (n, ...) and token lists."""
    if "image" not in backend.inputs:
        return None, work.tokens
    picture, pixels, kept = backend.picture(), [], []
    for place, row in enumerate(work.sources):
        try:
            pixels.append(picture(read_picture(catalog.picture_path(int(row)))))
        except UnreadablePicture:
            continue
        kept.append(place)
    tokens = None if work.tokens is None else [work.tokens[place] for place in kept]
    return torch.from_numpy(np.stack(pixels)), tokens


def bare(backend, ready, size, plan):
    """Return the seconds of the forward passes alone."""
    pixels, tokens = ready
    device, count = plan.machine.device, len(pixels if pixels is not None else tokens)
    parts = [slice(start, start + size) for start in range(0, count, size)]
    placed = [None if pixels is None else pixels[part].to(device) for part in parts]
    began = perf_counter()
    with (
        torch.inference_mode(),
        torch.autocast(
            device.partition(":")[0], torch.bfloat16, enabled=plan.encoding.precision == "bf16"
        ),
    ):
        for part, on_device in zip(parts, placed, strict=True):
            vectors = backend.forward(on_device, None if tokens is None else tokens[part])
    vectors.cpu()
    return perf_counter() - began


def whole(backend, name, catalog, plan):
    """Return the seconds of the extraction and what it says of itself."""
    with tempfile.TemporaryDirectory() as folder:
        began = perf_counter()
        made = extracted(
            name, backend, catalog, plan.encoding, plan.machine, Path(folder), Silent()
        )
        return perf_counter() - began, made.figures


if __name__ == "__main__":
    sys.exit(main())
