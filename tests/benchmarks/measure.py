"""One line of a comparison, and how long a command takes."""

from __future__ import annotations

import subprocess
import time
from dataclasses import dataclass
from pathlib import Path


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
