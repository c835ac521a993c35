"""A sweep on a real cluster of Ray, all of whose machines are this one: two raylets of one core."""

import tempfile
import threading
import time
from pathlib import Path

import pytest
from ray.cluster_utils import Cluster

import mmbench
from mmbench.cli import main
from mmbench.home import Home
from mmbench.sweeps import verb
from mmbench.sweeps.cluster import connected
from mmbench.sweeps.parcel import Post, everywhere, laid_out

STORE = 80 * 2**20  # bytes, the least that Ray takes
FEW = {"hyperparameters": {"epochs": 4, "train_batch_size": 64}, "device": "cpu"}


@pytest.fixture(scope="module")
def cluster():
    """A head and, beside it, a machine that may die."""
    node = {"num_cpus": 1, "object_store_memory": STORE}
    made = Cluster(initialize_head=True, head_node_args=node | {"include_dashboard": False})
    made.add_node(**node)
    yield made
    made.shutdown()


@pytest.fixture
def home(tmp_path):
    """A home of this test alone, with the dataset `tiny`."""
    words = ("prepare", "toyshop", "--users", "60", "--items", "40", "--name", "tiny")
    assert main([*words, "--home", str(tmp_path)]) == 0
    return Home(tmp_path)


def homes():
    """Return the homes that were laid out on this machine."""
    return set(Path(tempfile.gettempdir()).glob("mmbench-home-*"))


def test_folders_are_sent_and_taken_away(cluster, home):
    sent = home.datasets / "tiny"
    before = homes()
    with connected(cluster.address):
        assert everywhere(home)
        post = Post(home, pictures=False)
        there = laid_out(post.parcels(["datasets/tiny"]))
        found = {path.relative_to(there.root): path.read_bytes() for path in files(there.root)}
        assert homes() - before == {there.root}
        post.take_away()
    assert homes() == before
    told = {path for path in files(sent) if path.parent.name != "images"}
    assert found == {path.relative_to(home.root): path.read_bytes() for path in told}


def files(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.slow
def test_machines_that_do_not_see_the_home(cluster, home, monkeypatch):
    # All raylets are on this machine, so what they would find out is said in their place.
    monkeypatch.setattr(verb, "everywhere", lambda home: False)
    before = homes()
    outcome = mmbench.sweep(
        model="VBPR",
        encoder="classic,permuted:classic",
        dataset="tiny",
        search={"trials": 2},
        seeds=1,
        address=cluster.address,
        home=home,
        **FEW,
    )
    assert outcome.failed == ()
    assert homes() == before
    for record in outcome.records:
        assert record.path.is_relative_to(home.results)
        given = {"hyperparameters": record.trial["hyperparameters"], "home": home, "force": True}
        alone = mmbench.run("VBPR", record.trial["encoder"], "tiny", device="cpu", **given)
        assert alone.values["metrics"] == record.values["metrics"]


def test_a_machine_that_dies_in_the_middle_loses_nothing(cluster, home, capfd):
    (other,) = cluster.worker_nodes

    def kill():
        while len(list(home.root.glob("sweeps/*/point-*.json"))) < 2:
            time.sleep(0.1)
        cluster.remove_node(other, allow_graceful=False)

    capfd.readouterr()
    killer = threading.Thread(target=kill)
    killer.start()
    outcome = mmbench.sweep(
        model="BPR",
        dataset="tiny",
        search={"trials": 8},
        seeds=2,
        address=cluster.address,
        home=home,
        **FEW,
    )
    killer.join()
    assert capfd.readouterr() == ("", "")  # what Ray tells of it is in its logs
    assert outcome.failed == ()
    assert [record.trial["seed"] for record in outcome.records] == [1, 2]
    history = outcome.records[0].values["search"]["history"]
    assert [line["number"] for line in history] == list(range(8))
    assert {line["status"] for line in history} <= {"ok", "stopped early"}
