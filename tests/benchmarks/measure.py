"""One line of a comparison, how long a command takes, and what a process of its own costs."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")  # fmt: skip
_START_S = 90.0


@dataclass(frozen=True)
class Measure:
    """One line of a comparison.

    Attributes
    ----------
    what : what was measured.
    ours : our figure.
    reference : the same for the reference, or None where there is none.
    reference_name : what the reference is.
    unit : of both figures.
    goal : in words.
    met : whether our figure meets it; None where a figure is only listed.
    """

    what: str
    ours: float
    reference: float | None
    reference_name: str
    unit: str
    goal: str
    met: bool | None

    @property
    def ratio(self) -> float | None:
        """Ours divided by the reference."""
        return self.ours / self.reference if self.reference else None


def seconds_of(command: list[str], folder: Path | None = None) -> float:
    """Return the wall time of one run of a command."""
    started = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=900)
    return time.perf_counter() - started


def alone(code: str, *arguments: object) -> str:
    """Return the last line that Python code prints in a process of its own, on one thread."""
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=Path(__file__).parents[1],
        env={**os.environ, **ONE_THREAD},
        check=True,
        capture_output=True,
        text=True,
        timeout=1_800,
    )
    return done.stdout.splitlines()[-1]


def most_held() -> float:
    """Return the most memory that this process held, in MB."""
    status = Path("/proc/self/status")
    if status.is_file():  # ru_maxrss would start from what the parent process held
        line = next(one for one in status.read_text().splitlines() if one.startswith("VmHWM"))
        return int(line.split()[1]) * 1_024 / 1e6
    try:
        import resource
    except ImportError:
        import psutil

        return psutil.Process().memory_info().peak_wset / 1e6
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most * (1 if sys.platform == "darwin" else 1_024) / 1e6


@contextmanager
def served(code: str, *arguments: object) -> Iterator[tuple[int, int]]:
    """Run a service in a process of its own until the block is left; yield its port and process id.

    The code finds the port, then the arguments, in `sys.argv`.

    Raises
    ------
    RuntimeError
        If nothing listens at the port within a minute and a half.
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-c", code, str(port), *map(str, arguments)]
    process = subprocess.Popen(
        command, cwd=Path(__file__).parents[1], env={**os.environ, **ONE_THREAD}
    )
    try:
        over = time.monotonic() + _START_S
        while not _listens(port):
            if process.poll() is not None or time.monotonic() > over:
                raise RuntimeError("The service of the bench did not start.")
            time.sleep(0.1)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait(20)


def _listens(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
