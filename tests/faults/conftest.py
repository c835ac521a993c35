"""The real command line in process, a tiny prepared home, and a person's own shop of files."""

import csv
import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from mmbench.cli import main

TINY = ("prepare", "toyshop", "--users", "60", "--items", "40", "--name", "tiny")
ITEMS = tuple(f"i{number}" for number in range(12))


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home of this test alone, where nothing has been written yet."""
    monkeypatch.setenv("MMBENCH_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def cli(home, capsys):
    """Return a function: the words of a command line → its code, output and error output."""

    def run(*words):
        capsys.readouterr()
        code = main([str(word) for word in words])
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def listing(home):
    """Return a function that tells every file of the home: its path, size and time."""

    def listed(folder=home):
        stats = {path: path.stat() for path in folder.rglob("*") if path.is_file()}
        return {
            str(path.relative_to(folder)): (stat.st_size, stat.st_mtime_ns)
            for path, stat in stats.items()
        }

    return listed


@pytest.fixture
def refused(cli, listing):
    """Return a function that runs what must be refused, and returns the one line that says why."""

    def run(*words):
        before = listing()
        code, out, err = cli(*words)
        assert code == 2
        assert out == ""
        assert listing() == before
        return one_line(err)

    return run


def one_line(err):
    """Return the line of the error, which is one, is last and comes after nothing but progress."""
    lines = err.splitlines()
    told = [line for line in lines if line.startswith("mmbench: ")]
    assert len(told) == 1
    assert told[0] == lines[-1]
    assert "Traceback" not in err
    return told[0]


@pytest.fixture(scope="session")
def tiny_template(tmp_path_factory):
    """A home with the dataset `tiny`, a toyshop of 60 users and 40 items; nobody changes it."""
    folder = tmp_path_factory.mktemp("template")
    assert main([*TINY, "--home", str(folder)]) == 0
    return folder


@pytest.fixture
def tiny(home, tiny_template):
    """The home, with the dataset `tiny` in it."""
    shutil.copytree(tiny_template, home)
    return home


def write_table(path, columns, rows):
    """Write a table of commas and return its path."""
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([columns, *rows])
    return path


class Shop:
    """A person's own files: 20 users, 12 items, each user with 9 of them; pictures on demand."""

    def __init__(self, folder, ids=ITEMS):
        self.folder, self.ids = folder, ids
        self.pictures = folder / "pictures"
        self.pictures.mkdir()
        rng = np.random.RandomState(0)
        pairs = [(f"u{u}", ids[k]) for u in range(20) for k in rng.permutation(len(ids))[:9]]
        self.visits = self.table("visits.csv", ["user_id", "item_id"], pairs)
        self.items = self.table("items.csv", ["item_id", "title"], [(i, f"a {i}") for i in ids])

    def table(self, name, columns, rows):
        """Write a table into the shop's folder and return its path."""
        return write_table(self.folder / name, columns, rows)

    def draw(self, item, **save):
        """Draw the picture of an item and return its file."""
        path = self.pictures / f"{item}{save.pop('suffix', '.png')}"
        place = self.ids.index(item)
        Image.new("RGB", (16, 16), (20 * place, 90, 255 - 20 * place)).save(path, **save)
        return path

    def prepare(self, *more, visits=None, items=None, name="mine"):
        """Return the words that prepare the shop."""
        tables = ("--interactions", visits or self.visits, "--items", items or self.items)
        return ("prepare", "folder", *tables, "--name", name, *more)


@pytest.fixture
def shop(tmp_path):
    """A person's own shop."""
    return Shop(tmp_path)


@pytest.fixture
def make_shop(tmp_path):
    """Return a function that makes a shop with the item ids it is given."""
    return lambda ids: Shop(tmp_path, ids)


@pytest.fixture
def start(home, tmp_path):
    """Return a function that starts the command line as a process of its own."""
    started, work = [], tmp_path / "work"
    work.mkdir()

    def run(*words):
        # The background jobs of a shell ignore Ctrl-C, and so would what they start.
        usual = signal.signal(signal.SIGINT, signal.default_int_handler)
        process = subprocess.Popen(
            [sys.executable, "-m", "mmbench", *map(str, words)],
            env={**os.environ, "MMBENCH_HOME": str(home), "OMP_NUM_THREADS": "1"},
            cwd=work,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        signal.signal(signal.SIGINT, usual)
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()
    assert list(work.iterdir()) == []  # only the home is written to
