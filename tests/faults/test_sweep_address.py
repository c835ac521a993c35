"""Sweeps that cannot begin, or are stopped: one line says why, and what goes on."""

import signal
import socket

import pytest
from conftest import one_line

SWEEP = ("sweep", "--dataset", "tiny", "--model", "BPR", "--seeds", "1", "--cpus", "1")
LIMIT = 20  # seconds in which a person is told that nobody answers


@pytest.mark.parametrize("listening", [False, True])
def test_an_address_nobody_answers(start, tiny, listening):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        if not listening:
            server.close()
        words = ("--dataset", "tiny", "--address", f"127.0.0.1:{port}")
        process = start("sweep", *words)
        out, err = process.communicate(timeout=LIMIT)
    assert process.returncode == 2
    assert out == ""
    assert f"--address 127.0.0.1:{port}: nobody answers" in one_line(err)
    assert not (tiny / "sweeps").exists()


def test_a_sweep_that_is_stopped_goes_on(start, tiny):
    words = (*SWEEP, "--trials", "2", "--set", "epochs=15", "--set", "train_batch_size=8")
    process = start(*words)
    lines = []
    for line in process.stderr:
        lines.append(line)
        if "point 0" in line:
            process.send_signal(signal.SIGINT)
            break
    out, err = process.communicate()
    assert process.returncode == 1, lines
    assert out == ""
    assert "Traceback" not in err
    assert err.splitlines()[-1] == "mmbench: stopped; the same command goes on where it stands"
    assert not list((tiny / "results").rglob("*.json"))
    again = start(*words)
    out, err = again.communicate()
    assert again.returncode == 0, err
    assert "of them known" in err
    assert "point 0:" not in err
    assert len(list((tiny / "results").rglob("*.json"))) == 1
