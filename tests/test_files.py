"""What is written is whole or not there, and only in the home."""

from pathlib import Path

import pytest

from mmbench.atomic import whole_file, whole_folder
from mmbench.errors import UsageError
from mmbench.home import Home


def test_a_file_appears_only_when_it_is_whole(tmp_path):
    target = tmp_path / "deep" / "file.txt"

    def write(fail):
        with whole_file(target) as part:
            part.write_text("new")
            assert not target.exists() or target.read_text() == "old"
            if fail:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(fail=True)
    assert list(target.parent.iterdir()) == []
    write(fail=False)
    assert target.read_text() == "new"


def test_a_folder_replaces_the_old_one_only_when_it_is_whole(tmp_path):
    target = tmp_path / "folder"
    target.mkdir()
    (target / "old").touch()

    def write(fail):
        with whole_folder(target) as part:
            (part / "new").touch()
            if fail:
                raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write(fail=True)
    assert [path.name for path in target.iterdir()] == ["old"]
    write(fail=False)
    assert [path.name for path in target.iterdir()] == ["new"]
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_a_folder_that_cannot_be_replaced_is_left(tmp_path, monkeypatch):
    target = tmp_path / "folder"
    target.mkdir()
    (target / "old").touch()
    original = Path.rename

    def rename(path, to):
        if path.name.endswith(".part"):
            raise OSError("no")
        return original(path, to)

    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(OSError, match="no"), whole_folder(target) as part:
        (part / "new").touch()
    assert [path.name for path in target.iterdir()] == ["old"]
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_where_the_home_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MMBENCH_HOME", raising=False)
    assert Home.find().root == tmp_path / "mmbench-home"
    monkeypatch.setenv("MMBENCH_HOME", str(tmp_path / "elsewhere"))
    assert Home.find().root == tmp_path / "elsewhere"
    assert Home.find("here").root == tmp_path / "here"


def test_a_home_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="--home"):
        Home(tmp_path / "file" / "home").require_writable()


def test_asking_leaves_nothing_behind(tmp_path):
    Home(tmp_path / "home").require_writable()
    assert list((tmp_path / "home").iterdir()) == []
