"""Ray, started on this machine or joined where it already runs, and kept from chattering."""

import io
import logging
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, redirect_stdout
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TextIO, cast

import ray

from mmbench.atomic import told_of_disk
from mmbench.errors import UsageError
from mmbench.sweeps.address import check_address
from mmbench.sweeps.ray_folder import ray_folder

STORE = 128 * 2**20  # bytes of Ray's object store: features are mapped from files, not put there
_LOOPBACK = "127.0.0.1"


@contextmanager
def connected(
    address: str | None = None,
    cpus: int | None = None,
    gpus: int | None = None,
    dashboard: bool = False,
) -> Iterator[str | None]:
    """Be connected to Ray while the block runs; yield where its dashboard is, None without one.

    Args:
        address: HOST:PORT of a cluster, or auto: the one that `ray start` began here; where it is
            None, Ray is started on this machine alone and ends with the block.
        cpus, gpus: what of this machine may be used; all of it where they are None.
        dashboard: show Ray's dashboard, on this machine only.

    Raises:
        UsageError: nobody answers at the address (within 20 seconds), the cluster is of another
            version, or the dashboard is not installed.
    """
    own = ray_folder() if address is None else nullcontext("")
    before = signal.getsignal(signal.SIGTERM)
    with redirect_stdout(cast(TextIO, _WithoutRay(sys.stdout))), own as folder:
        try:
            if address is None:
                yield _start(folder, cpus, gpus, dashboard)
            else:
                _refuse_shares(cpus, gpus, dashboard)
                _join(check_address(address))
                yield None
        finally:
            with redirect_stdout(io.StringIO()):  # what its threads said is said again here
                ray.shutdown()
            if threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGTERM, before)  # Ray sets its own


def _start(folder: str, cpus: int | None, gpus: int | None, dashboard: bool) -> str | None:
    if dashboard and find_spec("aiohttp_cors") is None:
        raise UsageError("--dashboard needs more of Ray than is here: pip install 'ray[default]'")
    with told_of_disk(Path(folder)):
        told = ray.init(
            address="local",
            num_cpus=cpus,
            num_gpus=gpus,
            include_dashboard=dashboard,
            dashboard_host=_LOOPBACK,
            object_store_memory=STORE,
            log_to_driver=False,
            logging_level=logging.CRITICAL,
            _temp_dir=folder,
        )
    return f"http://{told.dashboard_url}" if told.dashboard_url else None


def _refuse_shares(cpus: int | None, gpus: int | None, dashboard: bool) -> None:
    if cpus is not None or gpus is not None or dashboard:
        raise UsageError(
            "--cpus and --dashboard are of a Ray that starts here: leave them out with --address"
        )


def _join(address: str) -> None:
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.CRITICAL)
    except (ConnectionError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise UsageError(
            f"--address {address}: Ray cannot join from here, is this a machine of that cluster? "
            f"{reason}"
        ) from error


def check_fits(cpus: float, gpus: float, memory_mb: int | None = None) -> None:
    """Refuse a trial for which no machine has room: Ray would wait for one for ever.

    Raises:
        UsageError: what is asked for, and the most that one machine has.
    """
    asked = {"CPU": cpus, "GPU": gpus, "memory": (memory_mb or 0) * 2**20}
    flags = {"CPU": "--cpus-per-trial", "GPU": "--gpus-per-trial", "memory": "--memory-per-trial"}
    for name, wanted in asked.items():
        most = most_of(name)
        if wanted > most:
            scale = 2**20 if name == "memory" else 1
            raise UsageError(
                f"{flags[name]} {wanted / scale:g}: no machine has that much, the most is "
                f"{most / scale:g}"
            )


def most_of(resource: str) -> float:
    """Return how much of CPU, GPU or memory (bytes) the machine has that has most of it."""
    return max((float(node["Resources"].get(resource, 0)) for node in alive()), default=0.0)


def total_of(resource: str) -> float:
    """Return how much of CPU, GPU or memory (bytes) all machines have together."""
    return sum(float(node["Resources"].get(resource, 0)) for node in alive())


def alive() -> list[dict[str, Any]]:
    """Return what Ray tells of the machines that it has now."""
    nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    return [node for node in nodes if node["Alive"]]


class _WithoutRay:
    """A stream that lets all pass but what Ray's own threads print: it is told in the records."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        if threading.current_thread().name.startswith("ray_"):
            return len(text)
        return self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
