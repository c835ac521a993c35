"""Whether a cluster of Ray answers at an address; told in seconds, before anything is imported."""

import os
import re
import socket
import tempfile
from pathlib import Path

from mmbench.errors import UsageError

AUTO = "auto"
PATIENCE = 5.0  # seconds for each step of finding out
# What a client of HTTP/2 says first; Ray's head, as every gRPC server, answers with its settings.
_GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
_SETTINGS = 4


def check_address(address: str) -> str:
    """Return HOST:PORT of the cluster that is meant.

    Raises:
        UsageError: there is none, nobody answers within seconds, or what answers is not Ray.
    """
    found = _found(address)
    _check_answer(found)
    return found


def _found(address: str) -> str:
    if address != AUTO:
        return address
    # Ray's own search would also find, and die with, a Ray that another program keeps for itself.
    above = os.environ.get("RAY_TMPDIR") or tempfile.gettempdir()
    told = Path(above) / "ray" / "ray_current_cluster"
    found = os.environ.get("RAY_ADDRESS") or (told.read_text().strip() if told.is_file() else "")
    if not found:
        raise UsageError(
            "--address auto: no cluster was started here with `ray start`: start one, name its "
            "HOST:PORT, or leave --address out to use this machine alone"
        )
    return found


def _check_answer(address: str) -> None:
    """Refuse what is no cluster, before Ray waits for it for minutes."""
    parts = re.fullmatch(r"\[?([^\s/\]]+?)\]?:(\d{1,5})", address)
    if parts is None or int(parts[2]) > 65535:
        raise UsageError(f"--address {address}: write HOST:PORT of a cluster's head, or auto")
    remedy = "is `ray start --head` running there, and is the port the one it printed (6379)?"
    try:
        with socket.create_connection((parts[1], int(parts[2])), PATIENCE) as line:
            line.settimeout(PATIENCE)
            if _in_the_clear() and not _greeted(line):
                raise UsageError(f"--address {address}: what answers is not Ray: {remedy}")
    except OSError as error:
        raise UsageError(f"--address {address}: nobody answers ({error}): {remedy}") from error


def _in_the_clear() -> bool:
    keys = os.environ.get("RAY_USE_TLS", "0")
    return keys.lower() in ("", "0", "false")


def _greeted(line: socket.socket) -> bool:
    line.sendall(_GREETING)
    answer = b""
    while len(answer) < 4:
        part = line.recv(9)
        if not part:
            return False
        answer += part
    return answer[3] == _SETTINGS
