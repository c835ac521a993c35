"""The folder of a sweep's Ray: gone with the sweep, and with the next one where that was killed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mmbench.sweeps import ray_folder
from mmbench.sweeps.claim import Claim

NAME = "mmbench-ray-"


def names(above):
    return {folder.name for folder in above.iterdir()}


@pytest.fixture
def left(tmp_path):
    """Return a function that makes a folder as a sweep has it."""

    def made(name):
        folder = tmp_path / f"{NAME}{name}"
        (folder / "r" / "session").mkdir(parents=True)
        folder.chmod(0o700)
        (folder / ".lock").touch()
        return folder

    return made


def test_a_folder_goes_with_its_sweep(tmp_path):
    with ray_folder.ray_folder(tmp_path) as inside:
        (Path(inside) / "session").mkdir(parents=True)
        assert names(tmp_path) == {Path(inside).parent.name}
        assert Path(inside).parent.stat().st_mode & 0o077 == 0
    assert names(tmp_path) == set()


def test_what_a_living_sweep_another_person_or_nobody_holds_stays(tmp_path, left):
    alive, dead, unmarked, others, public = map(left, ("a", "dead", "unmarked", "others", "public"))
    (unmarked / ".lock").unlink()
    public.chmod(0o777)  # anybody may have put the lock there, or what it leads to
    kept = {folder.name for folder in (alive, unmarked, others, public)}
    if os.getuid() == 0:
        os.chown(others, 12345, -1)
    else:  # only the superuser gives files away
        shutil.rmtree(others)
        kept.remove(others.name)
    claim = Claim.take(alive / ".lock")
    with ray_folder.ray_folder(tmp_path) as inside:
        assert names(tmp_path) == kept | {Path(inside).parent.name}
    assert not dead.exists()
    assert names(tmp_path) == kept
    claim.release()


def test_two_at_once_have_folders_of_their_own(tmp_path):
    with ray_folder.ray_folder(tmp_path) as one, ray_folder.ray_folder(tmp_path) as other:
        assert one != other
        assert names(tmp_path) == {Path(one).parent.name, Path(other).parent.name}


def test_what_is_written_while_it_goes_is_left_to_the_next(tmp_path, left, monkeypatch):
    late, removed = left("late"), shutil.rmtree

    def busy(folder, ignore_errors):
        removed(folder, ignore_errors=ignore_errors)
        late.mkdir(mode=0o700, exist_ok=True)

    with monkeypatch.context() as patched:
        patched.setattr(shutil, "rmtree", busy)
        with ray_folder.ray_folder(tmp_path):
            assert late.exists()
    with ray_folder.ray_folder(tmp_path):
        assert not late.exists()


# Ray starts processes of its own, none of which may hold the folder for a driver that is gone.
KILLED = """
import os, signal
import ray
from mmbench.sweeps.cluster import connected
with connected(cpus=1, gpus=0):
    ray.get(ray.remote(lambda: 1).remote())
    print(ray.nodes()[0]["RayletSocketName"], flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_driver_left_goes_with_the_next_sweep():
    words = [sys.executable, "-c", KILLED]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    folder = Path(*Path(done.stdout).parts[:3])
    assert folder.name.startswith(NAME), done.stderr
    assert (folder / ".lock").is_file()
    with ray_folder.ray_folder() as inside:
        assert Path(inside).parent.parent == folder.parent
        assert not folder.exists()
