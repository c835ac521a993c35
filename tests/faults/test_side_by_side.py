"""Processes that want the same thing at the same moment: one makes it, the others wait."""

import json
import os
import subprocess
import sys


def start(home, *words):
    return subprocess.Popen(
        [sys.executable, "-m", "mmbench", *words, "--home", str(home)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_three_first_runs_in_one_empty_home(tmp_path):
    home = tmp_path / "home"
    few = ["--set", "epochs=2", "--json"]
    words = [
        ["run", "--encoder", "classic", *few],
        ["run", "--encoder", "classic", *few],
        ["run", "--encoder", "permuted", *few],
    ]
    runs = [start(home, *each) for each in words]
    told = [run.communicate() for run in runs]
    assert [run.returncode for run in runs] == [0, 0, 0], told
    first, second, third = (json.loads(out) for out, _ in told)
    assert first["metrics"] == second["metrics"]
    assert len({record["fingerprints"]["dataset"] for record in (first, second, third)}) == 1
    assert sum("preparing the dataset toyshop" in err for _, err in told) == 1
    assert sum("encode image" in err for _, err in told) == 1
    left = [
        path for folder in ("datasets", "features/toyshop") for path in (home / folder).iterdir()
    ]
    assert [path.name for path in left if path.name.startswith(".")] == []
