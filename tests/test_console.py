"""Bars on a terminal, a few plain lines in a pipe; standard output stays free."""

import os
import pty
import subprocess
import sys

from mmbench.console import Bars, Lines, console

CODE = """
from mmbench.console import console
with console() as shown:
    for done in range(1, 41):
        shown.advance("train", done, 40, f"loss {1 / done:.4f} recall@20 0.1234")
    shown.say("done [with] it")
print("result")
"""


def test_a_pipe_gets_a_few_plain_lines():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert done.stdout == "result\n"
    lines = done.stderr.splitlines()
    assert lines[0] == "train 1/40 loss 1.0000 recall@20 0.1234"
    assert lines[-2:] == ["train 40/40 loss 0.0250 recall@20 0.1234", "done [with] it"]
    assert len(lines) == 7
    assert "\x1b" not in done.stderr


def test_a_terminal_gets_bars():
    master, slave = pty.openpty()
    done = subprocess.Popen(
        [sys.executable, "-c", CODE], stdout=subprocess.PIPE, stderr=slave, text=True
    )
    os.close(slave)
    shown = b""
    while True:
        try:
            part = os.read(master, 4096)
        except OSError:
            break
        if not part:
            break
        shown += part
    out, _ = done.communicate()
    assert out == "result\n"
    text = shown.decode()
    assert "40/40" in text
    assert "recall@20 0.1234" in text
    assert "done [with] it" in text
    assert "━" in text


def test_the_choice_follows_the_terminal(monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    assert isinstance(console(), Bars)
    monkeypatch.setattr("sys.stderr.isatty", lambda: False, raising=False)
    assert isinstance(console(), Lines)
