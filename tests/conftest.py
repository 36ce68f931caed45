"""What several tests need: silence, the real file, and a way to type a command."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.course.fetch import FILES, data_folder
from helpers.course.silence import silence

ROOT = Path(__file__).resolve().parents[1]

silence()
os.environ.setdefault("OMP_NUM_THREADS", "1")  # test workers side by side, one core each


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def telco_csv() -> Path:
    """IBM's Telco file, where LIFECYCLE_DATA points or in data/."""
    path = data_folder(ROOT) / FILES["telco"].name
    if not path.is_file():
        pytest.skip(f"{path.name} is not here; fetch it with: lifecycle data telco")
    return path.resolve()


def type_lifecycle(*words: object, cwd: Path = ROOT, **options) -> subprocess.CompletedProcess:
    """Run `lifecycle WORDS` as a user would; return what it printed and its exit code."""
    environment = {**os.environ, "COLUMNS": "200", **options.pop("env", {})}
    return subprocess.run(
        [sys.executable, "-m", "helpers.course.cli", *map(str, words)],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=options.pop("timeout", 300),
        check=False,
        **options,
    )


@pytest.fixture(scope="session")
def lifecycle():
    """Type a `lifecycle` command: `lifecycle("run", "04a", "--fast")`."""
    return type_lifecycle
