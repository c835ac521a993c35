"""What keeping the frozen lower layers on disk saves: a training step of a picture encoder.

    python benchmarks/speed/lower_layers.py

Full training, the top layers alone, and the top layers from kept activations, each in a process of
its own and all of them in turn, several times over; LoRA on all layers beside them, which trains
little and saves little. Weights and pictures are random. The step is forward, backward and AdamW.
Memory is the greatest that the process held, above what it held once everything was imported; on a
GPU, the greatest that torch had allocated. Ratios are of medians within one run.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter, process_time

import numpy as np
import torch
from PIL import Image
from tabulate import tabulate

from mmbench.adapters.adapted import adapt
from mmbench.encoders import BACKENDS
from mmbench.encoders.base import Surroundings
from mmbench.encoders.lower import Inputs, lower_layers
from mmbench.progress import Silent

ARMS = ("full", "lora", "top", "kept")
HEAD = ("arm", "trained", "s/step", "CPU s/step", "MB", "faster", "by CPU", "smaller")
FORMATS = ("", ".1%", ".3f", ".3f", ".0f", ".1f", ".1f", ".1f")


def main():
    given = arguments()
    if given.arm:
        print(json.dumps(measured(given)))
        return
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        one(given, "kept", folder)  # the activations are made here, and found by all that follow
        found = {arm: [] for arm in ARMS}
        for _ in range(given.rounds):
            for arm in ARMS:
                found[arm].append(one(given, arm, folder))
        disk = sum(path.stat().st_size for path in Path(folder).rglob("*.bin"))
    rows = [row(arm, found) for arm in ARMS]
    print(
        f"{given.model}, {given.items} pictures in batches of {given.batch}, top {given.layers}, "
        f"{given.device}, {torch.get_num_threads()} threads, {given.rounds} rounds of "
        f"{given.steps} steps; {disk / given.items / 1e3:.0f} kB a picture on disk"
    )
    print(tabulate(rows, HEAD, tablefmt="github", floatfmt=FORMATS))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="vit_base_patch32_224")
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--items", type=int, default=128)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--folder", help="of the activations; the system's own where left out")
    parser.add_argument("--arm", choices=ARMS, help=argparse.SUPPRESS)
    return parser.parse_args()


def one(given, arm, folder):
    """Measure an arm in a process of its own."""
    flags = {name: value for name, value in vars(given).items() if name not in ("arm", "folder")}
    told = [part for name, value in flags.items() for part in (f"--{name}", str(value))]
    command = [sys.executable, __file__, *told, "--arm", arm, "--folder", folder]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def row(arm, found):
    keys = ("seconds", "cpu_seconds", "mb")
    kept = [{a: median(run[key] for run in found[a]) for a in ARMS} for key in keys]
    ratios = [each["full"] / each[arm] for each in kept]
    return (arm, found[arm][0]["share"], *(each[arm] for each in kept), *ratios)


def measured(given):
    """Return the median seconds of a step and the greatest memory, in MB, of one arm."""
    made = BACKENDS.resolve("timm")
    imported = held(given.device)
    network = made("image", True, Surroundings(given.device, Path("none")), model=given.model)
    network.load()
    layers = given.layers if given.arm in ("top", "kept") else None
    adapted = adapt(network, "lora" if given.arm == "lora" else "none", {}, layers)
    forward = passes(given, network, layers)
    optimizer = torch.optim.AdamW(adapted.trainable().values(), 1e-5)
    times, busy = [], []
    for turn in range(given.steps + 1):
        places = np.arange(turn * given.batch, (turn + 1) * given.batch) % given.items
        began, worked = perf_counter(), process_time()
        optimizer.zero_grad()
        forward(places).square().mean().backward()
        optimizer.step()
        if given.device != "cpu":
            torch.cuda.synchronize()
        times.append(perf_counter() - began)
        busy.append(process_time() - worked)
    return {
        "seconds": median(times[1:]),
        "cpu_seconds": median(busy[1:]),  # on a machine with other work the fairer of the two
        "mb": held(given.device) - imported,
        "share": adapted.share,
    }


def passes(given, network, layers):
    """Return what makes the vectors of some pictures."""
    shape = network.picture()(Image.new("RGB", (64, 64))).shape
    pictures = np.random.default_rng(0).integers(0, 256, (given.items, *shape), dtype=np.uint8)

    def pixels(places):
        return torch.from_numpy(pictures[places]).to(given.device)

    if given.arm != "kept":
        return lambda places: network.forward(pixels(places), None)
    inputs = Inputs(given.items, pixels, None)
    lower = lower_layers(network, layers, inputs, Path(given.folder), {"seed": 0}, Silent())
    lower.release()
    return lower.forward


def held(device):
    """Return the greatest memory so far, in MB."""
    if device != "cpu":
        return torch.cuda.max_memory_allocated() / 1e6
    unit = 1e6 if sys.platform == "darwin" else 1e3  # bytes there, kilobytes elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


if __name__ == "__main__":
    main()
