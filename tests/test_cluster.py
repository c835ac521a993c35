"""Ray started here, silent, alone and gone afterwards; addresses that are no cluster refused."""

import json
import re
import socket
import subprocess
import sys
import threading
from importlib.util import find_spec
from pathlib import Path

import pytest

from mmbench.errors import UsageError
from mmbench.sweeps.address import check_address
from mmbench.sweeps.cluster import connected

CODE = """
import json, signal, sys
import ray
from mmbench.errors import UsageError
from mmbench.sweeps.cluster import check_fits, connected, most_of, total_of

def refused(*asked):
    try:
        check_fits(*asked)
    except UsageError as error:
        return str(error)

before = signal.getsignal(signal.SIGTERM)
with connected(cpus=1, dashboard={dashboard}) as dashboard:
    (node,) = ray.nodes()
    told = [refused(1, 0), refused(8, 0), refused(1, 0.25), refused(1, 0, 10**9)]
    found = dict(
        dashboard=dashboard,
        told=told,
        cpus=[most_of("CPU"), total_of("CPU")],
        folder=node["RayletSocketName"],
        listening={listening},
    )
found["same_signal"] = signal.getsignal(signal.SIGTERM) is before
print(json.dumps(found))
"""
# The addresses at which this machine listens on a port, as Linux writes them.
LISTENING = """[
    line.split()[1] for kind in ("tcp", "tcp6") for line in open(f"/proc/net/{kind}")
    if line.split()[3] == "0A"
]"""
LOOPBACK = "0100007F"


def session(dashboard=False):
    """Return what is found out in a process that starts Ray; nothing may be printed by Ray."""
    code = CODE.format(dashboard=dashboard, listening=LISTENING)
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    (line,) = done.stdout.splitlines()
    return json.loads(line)


def test_ray_starts_in_silence_alone_and_leaves_nothing():
    found = session()
    fits, cpus, gpus, memory = found["told"]
    assert fits is None
    assert cpus == "--cpus-per-trial 8: no machine has that much, the most is 1"
    assert gpus.startswith("--gpus-per-trial 0.25: no machine has that much")
    assert memory.startswith("--memory-per-trial 1e+09: no machine has that much")
    assert found["cpus"] == [1, 1]
    assert found["dashboard"] is None
    assert found["same_signal"]
    folder = Path(*Path(found["folder"]).parts[:3])
    assert folder.name.startswith("mmbench-ray-")
    assert not folder.exists()


@pytest.mark.skipif(find_spec("aiohttp_cors") is not None, reason="the dashboard is installed")
def test_a_dashboard_that_is_not_installed_is_named():
    refused = pytest.raises(UsageError, match=r"pip install 'ray\[default\]'")
    with refused, connected(dashboard=True):
        pytest.fail("there is none")


@pytest.mark.skipif(find_spec("aiohttp_cors") is None, reason="the dashboard is not installed")
def test_the_dashboard_listens_on_loopback_only():
    found = session(dashboard=True)
    port = int(re.fullmatch(r"http://127\.0\.0\.1:(\d+)", found["dashboard"])[1])
    hosts = {at.partition(":")[0] for at in found["listening"] if at.endswith(f":{port:04X}")}
    assert hosts == {LOOPBACK}


def answering(answer):
    """Listen on a port and give that answer to whoever comes; nothing where it is None."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve():
        line, _ = server.accept()
        line.recv(100)
        line.sendall(answer)
        line.close()

    if answer is not None:  # else the system accepts, and nobody ever reads
        threading.Thread(target=serve, daemon=True).start()
    return server


@pytest.mark.parametrize(
    ("answer", "told"),
    [(None, "nobody answers (timed out)"), (b"HTTP/1.1 400 Bad Request\r\n\r\n", "is not Ray")],
)
def test_what_accepts_and_is_no_cluster_is_refused(answer, told):
    with answering(answer) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(UsageError, match=re.escape(told)):
            check_address(address)


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("127.0.0.1:1", "nobody answers"),
        ("there", "write HOST:PORT"),
        ("ray://there:10001", "write HOST:PORT"),
        ("127.0.0.1:99999", "write HOST:PORT"),
    ],
)
def test_a_wrong_address_is_refused(address, told):
    with pytest.raises(UsageError, match=told), connected(address):
        pytest.fail("nobody is there")


def test_auto_without_a_cluster_is_refused(monkeypatch, tmp_path):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    with pytest.raises(UsageError, match="no cluster was started here"):
        check_address("auto")
    (tmp_path / "ray").mkdir()
    (tmp_path / "ray" / "ray_current_cluster").write_text("127.0.0.1:1\n")  # one that was killed
    with pytest.raises(UsageError, match="nobody answers"):
        check_address("auto")


@pytest.mark.parametrize("wish", [{"cpus": 1}, {"dashboard": True}])
def test_what_is_of_a_ray_of_our_own_is_refused_beside_an_address(wish):
    refused = pytest.raises(UsageError, match="leave them out with --address")
    with refused, connected("127.0.0.1:1", **wish):
        pytest.fail("nobody is there")
