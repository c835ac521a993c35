"""Files of the hub: a cache as its tools leave it, and a hub of one's own on this machine."""

import json
import os
import shutil
import subprocess
import sys
from functools import partial
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from huggingface_hub import constants
from tiny_transformers import in_cache

from mmbench.encoders.hub import snapshot
from mmbench.errors import UsageError

FIRST, SECOND = "a" * 40, "b" * 40
PATTERNS = ("*.json", "*.safetensors")
NEEDED = "*.safetensors"


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache of the hub, on a machine that is off line."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return tmp_path / "hub"


def filled(cache, commit=FIRST, files=("config.json", "model.safetensors"), branch="main"):
    folder = in_cache(cache, "org/tiny", commit, branch)
    for name in files:
        (folder / name).write_text("{}")
    return folder


@pytest.mark.parametrize("revision", [None, "main", FIRST])
def test_what_the_cache_holds_needs_no_network(cache, revision):
    folder = filled(cache)
    found = snapshot("org/tiny", revision, PATTERNS, NEEDED)
    assert (found.folder, found.revision) == (folder, FIRST)


def test_a_branch_is_the_commit_it_points_to_and_a_commit_is_itself(cache):
    filled(cache, FIRST, branch="old")
    filled(cache, SECOND)
    for revision, commit in ((None, SECOND), ("old", FIRST), (FIRST, FIRST), (SECOND, SECOND)):
        assert snapshot("org/tiny", revision, PATTERNS, NEEDED).revision == commit


def test_one_of_several_files_may_be_enough(cache):
    filled(cache, files=("spiece.model",))
    assert snapshot("org/tiny", None, PATTERNS, "tokenizer.json|spiece.model").revision == FIRST


def test_files_as_links_to_blobs_count_and_dangling_ones_do_not(cache):
    folder = filled(cache, files=())
    blob = folder.parents[1] / "blobs" / "123"
    blob.parent.mkdir()
    blob.write_text("{}")
    (folder / "model.safetensors").symlink_to(os.path.relpath(blob, folder))
    assert snapshot("org/tiny", FIRST, PATTERNS, NEEDED).folder == folder
    blob.unlink()
    with pytest.raises(UsageError, match="not in the cache"):
        snapshot("org/tiny", FIRST, PATTERNS, NEEDED)


def test_weights_of_which_a_part_is_missing_are_not_there(cache):
    folder = filled(cache, files=("model-1.safetensors",))
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(UsageError, match="not in the cache"):
        snapshot("org/tiny", FIRST, PATTERNS, NEEDED)
    assert snapshot("org/tiny", FIRST, ("*.json",), "*.json").revision == FIRST
    (folder / "model-2.safetensors").write_text("{}")
    assert snapshot("org/tiny", FIRST, PATTERNS, NEEDED).revision == FIRST
    (folder / "model.safetensors.index.json").write_text('{"weight_map": {"a"')
    with pytest.raises(UsageError, match="not in the cache"):
        snapshot("org/tiny", FIRST, PATTERNS, NEEDED)


@pytest.mark.parametrize("files", [None, (), ("config.json",)])
def test_without_cache_and_network_one_line_says_what_to_do(cache, files):
    if files is not None:
        filled(cache, files=files)
    with pytest.raises(UsageError) as caught:
        snapshot("org/tiny", SECOND if files is None else FIRST, PATTERNS, NEEDED)
    line = str(caught.value)
    assert "\n" not in line
    revision = SECOND if files is None else FIRST
    assert f"`hf download org/tiny --revision {revision} --local-dir FOLDER`" in line
    assert line.endswith("bring the folder here and add --weights FOLDER")
    assert str(cache) in line


@pytest.mark.parametrize("repo", ["a/b/c", "org/", "org/na me", "../tiny"])
def test_what_cannot_be_a_repository(cache, repo):
    with pytest.raises(UsageError, match="write ORG/NAME") as caught:
        snapshot(repo, None, PATTERNS, NEEDED)
    assert f"'{repo}'" in str(caught.value)
    assert str(caught.value).endswith("or the path of a folder")


def test_the_line_says_what_the_folder_is_for(cache):
    with pytest.raises(UsageError, match="FOLDER`, bring the folder here and put it there$"):
        snapshot("org/tiny", FIRST, PATTERNS, NEEDED, "put it there")


class Hub(BaseHTTPRequestHandler):
    """As much of the hub as a download asks for; `main` holds the name of its newest commit."""

    def __init__(self, root, *arguments):
        self.root = root
        super().__init__(*arguments)

    def do_HEAD(self):
        self.answer(False)

    def do_GET(self):
        self.answer(True)

    def answer(self, body):
        path = self.path.partition("?")[0].strip("/").split("/")
        if "org/tiny" not in self.path:
            return self.reply(404, b"", {"X-Error-Code": "RepoNotFound"}, body)
        newest = path[-1] in ("main", "tiny")  # of a branch, or of the repository
        commit = (self.root / "main").read_text() if newest else path[-1]
        if path[0] == "api" and (self.root / commit).is_dir():
            names = sorted(file.name for file in (self.root / commit).iterdir())
            told = {"id": "org/tiny", "sha": commit, "siblings": [{"rfilename": n} for n in names]}
            if "tree" in path:
                told = [{"type": "file", "path": n, "size": 2, "oid": "0" * 40} for n in names]
            return self.reply(200, json.dumps(told).encode(), {}, body)
        if path[0] == "api":
            return self.reply(404, b"", {"X-Error-Code": "RevisionNotFound"}, body)
        held = (self.root / path[3] / path[4]).read_bytes()
        tag = {"ETag": f'"{sha256(held).hexdigest()}"', "X-Repo-Commit": path[3]}
        return self.reply(200, held, tag, body)

    def reply(self, status, held, headers, body):
        self.send_response(status)
        for name, value in {"Content-Length": str(len(held)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if body:
            self.wfile.write(held)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def hub(tmp_path):
    """The folder of a running hub with one repository of two commits, and its address."""
    root = tmp_path / "served"
    for commit in (FIRST, SECOND):
        (root / commit).mkdir(parents=True)
        for name in ("config.json", "model.safetensors", "model.onnx"):
            (root / commit / name).write_text(f"{name} at {commit}")
    (root / "main").write_text(FIRST)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Hub, root))
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield root, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()


ASK = f"""
import sys
from mmbench.encoders.hub import snapshot
from mmbench.errors import UsageError
for repo, revision in zip(sys.argv[1::2], sys.argv[2::2]):
    try:
        found = snapshot(repo, revision or None, {PATTERNS}, "{NEEDED}")
        names = sorted(path.name for path in found.folder.iterdir())
        print(found.revision, *names, (found.folder / "config.json").read_text(), sep="|")
    except UsageError as error:
        print(error)
"""


def asked(address, home, *questions, offline=False):
    """Return the answers of a process that has a home of its own and this hub."""
    around = {**os.environ, "HF_ENDPOINT": address, "HF_HOME": str(home)}
    around |= {"HF_HUB_OFFLINE": "1" if offline else "0", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    around |= {"NO_PROXY": "127.0.0.1"}
    arguments = [part or "" for question in questions for part in question]
    done = subprocess.run(
        [sys.executable, "-c", ASK, *arguments],
        env=around,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


def test_files_are_fetched_once_and_a_branch_is_followed(hub, tmp_path):
    root, address = hub
    home = tmp_path / "home"
    whole = f"{FIRST}|config.json|model.safetensors|config.json at {FIRST}"
    assert asked(address, home, ("org/tiny", None), ("org/tiny", FIRST)) == [whole, whole]
    assert (home / "hub" / "models--org--tiny" / "refs" / "main").read_text() == FIRST

    (root / "main").write_text(SECOND)
    questions = (("org/tiny", None), ("org/tiny", "no-such-branch"), ("org/other", None))
    newer, branch, other = asked(address, home, *questions)
    assert newer.startswith(SECOND)
    assert "no revision 'no-such-branch'" in branch
    assert "no repository org/other" in other

    shutil.rmtree(root / FIRST)
    again = asked(address, home, ("org/tiny", FIRST), ("org/tiny", None), offline=True)
    assert [line.partition("|")[0] for line in again] == [FIRST, SECOND]
    assert asked("http://127.0.0.1:9", home, ("org/tiny", None))[0].startswith(SECOND)
