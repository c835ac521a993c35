"""What the README shows is run, in an empty folder, as it stands."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PYTHON = re.findall(r"^```python\n(.*?)^```$", README, re.M | re.S)


def test_there_are_two_examples():
    assert len(PYTHON) == 2


def test_the_python_calls(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MMBENCH_HOME", raising=False)
    exec(compile(PYTHON[0], "README", "exec"), {})
    out = capsys.readouterr().out
    assert "### toyshop · protocol random · test" in out
    assert [path.name for path in tmp_path.iterdir()] == ["mmbench-home"]


def test_a_plain_recbole_user_trains_vbpr(tmp_path, monkeypatch, capsys):
    """At most ten lines, no mmbench, and nothing is written."""
    code = PYTHON[1]
    assert len(code.splitlines()) <= 10
    assert "mmbench" not in code
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "README", "exec"), {})
    assert 0 < float(capsys.readouterr().out) < 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("flag", sorted(set(re.findall(r"(?<=\s)--[a-z][a-z-]+", README))))
def test_every_flag_of_the_readme_exists(flag):
    sources = [*(ROOT / "mmbench").rglob("*.py")]
    name = flag.removeprefix("--").replace("-", "_")
    words = rf"{flag}\b|\b{name}_?\b ?[:=]"
    assert flag == "--no-deps" or any(re.search(words, path.read_text()) for path in sources)


def test_no_module_hides_a_verb():
    """`mmbench.leaderboard` must stay a function, whatever was imported before."""
    import importlib
    import pkgutil

    import mmbench

    modules = {module.name for module in pkgutil.iter_modules(mmbench.__path__)}
    assert not modules & set(mmbench.__all__)
    importlib.import_module("mmbench.board.leaderboard")
    assert all(callable(getattr(mmbench, verb)) for verb in mmbench.__all__)
    assert "classic" in mmbench.list("encoders")["encoders"]
