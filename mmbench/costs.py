"""What a trial costs: peak memory and, where the machine tells it, energy."""

import resource
import sys
from contextlib import suppress
from pathlib import Path

RAPL = Path("/sys/class/powercap")


class Meter:
    """Measures the process from its making on.

    Peak memory is that of the whole process since the meter was made; where the system cannot
    forget an earlier peak (other than Linux), since the process started.
    """

    def __init__(self) -> None:
        with suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")  # forget the earlier peak
        self._energy = _microjoules()

    def host_peak_mb(self) -> float:
        """Return the largest resident memory of the process, in MiB.

        Pages of mapped files are in it: libraries (200 MiB of PyTorch alone) and features, which
        several trainings on one machine hold once. Together they take less than their sum. The
        system keeps no peak without such pages, and what is mapped at the end says nothing of
        what was at the peak: nothing is subtracted.
        """
        try:
            status = Path("/proc/self/status").read_text()
            return int(status.split("VmHWM:")[1].split()[0]) / 1024
        except (OSError, IndexError):
            scale = 2**20 if sys.platform == "darwin" else 1024
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale

    def energy_wh(self) -> float | None:
        """Return the energy of the processor packages in watt-hours, None where unreadable."""
        now = _microjoules()
        if now is None or self._energy is None or now < self._energy:  # a counter that wrapped
            return None
        return (now - self._energy) / 3.6e9


def _microjoules() -> int | None:
    try:
        files = sorted(RAPL.glob("intel-rapl:?/energy_uj"))
        return sum(int(file.read_text()) for file in files) if files else None
    except OSError:
        return None
