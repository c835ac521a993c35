"""Where work is done: wishes that cannot be met are refused at once."""

import subprocess
import sys

import pytest

from mmbench.errors import UsageError
from mmbench.machine import Machine


@pytest.mark.parametrize("device", ["gpu", "cuda:77", "cpu:1"])
def test_a_device_that_is_not_there_is_refused(device):
    with pytest.raises(UsageError, match=device):
        Machine.of(device)


@pytest.mark.parametrize("size", ["0", "-1", "many", 0, "1e3", ""])
def test_a_batch_size_is_a_number_or_auto(size):
    with pytest.raises(UsageError, match="--batch-size"):
        Machine.of("cpu", size)


def test_what_was_asked_for():
    machine = Machine.of("cpu", "17", 3)
    assert (machine.device, machine.batch_size, machine.workers) == ("cpu", 17, 3)
    assert Machine.of("cpu").batch_size is None


def test_fewer_than_no_workers():
    with pytest.raises(UsageError, match="--workers -1"):
        Machine.of("cpu", workers=-1)


FULL = """
import resource, sys
import numpy as np, torch
from mmbench.extraction.batches import Batches
from mmbench.extraction.units import Units
from mmbench.machine import Machine
sys.path.insert(0, {tests!r})
from letters import Letters, piece

class Hungry(Letters):
    def forward(self, pixels, tokens):
        room = torch.empty(len(tokens), 2**30, dtype=torch.uint8)  # a gigabyte a text
        self.passes.append(len(room))
        return super().forward(pixels, tokens)

rows = np.arange(8)
units = Units(rows, [piece("abc")] * 8, rows, rows, 0)
backend = Hungry("text")
batches = Batches(backend, None, units, "float32", Machine.of("cpu", "auto", 0))
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 3 * 2**30,) * 2)
made = list(batches.run(0))
print(batches.size, backend.passes[:1], sum(len(batch.vectors) for batch in made))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits the memory as Linux does")
def test_full_memory_halves_the_batch_for_real():
    from pathlib import Path

    code = FULL.format(tests=str(Path(__file__).parent))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "2 [2] 8\n", done.stderr
