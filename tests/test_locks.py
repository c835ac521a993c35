"""A lock is held by one process at a time, whatever becomes of the file."""

import subprocess
import sys

CODE = """
import sys, time
from pathlib import Path
from mmbench.atomic import locked

lock, place = Path(sys.argv[1]), Path(sys.argv[2])
for _ in range(60):
    with locked(lock):
        place.mkdir()  # fails where another is inside
        time.sleep(0.001)
        place.rmdir()
"""


def test_many_processes_hold_one_lock_in_turn(tmp_path):
    words = [sys.executable, "-c", CODE, str(tmp_path / "lock"), str(tmp_path / "inside")]
    running = [subprocess.Popen(words, stderr=subprocess.PIPE, text=True) for _ in range(5)]
    told = [each.communicate()[1] for each in running]
    assert [each.returncode for each in running] == [0] * 5, told
