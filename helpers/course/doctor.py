"""What is installed, what is missing, and what to type."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from helpers.course import BadInput

DISTRIBUTION = "ml-lifecycle-lab"
LEAST_FREE_MB = 500
SETUP = "python3 run.py setup"  # whatever is wrong, this can be typed: nothing has to be activated


@dataclass(frozen=True)
class Finding:
    """One thing looked at.

    Attributes
    ----------
    what : what was looked at.
    status : "ok", "missing" (the course cannot run) or "optional".
    found : what was found.
    fix : what to type, empty when nothing is to be done.
    """

    what: str
    status: str
    found: str
    fix: str = ""


def examine(start_kernel: bool = True) -> list[Finding]:
    """Look at Python, the libraries, the kernel, the notebooks, the disk and the data.

    Parameters
    ----------
    start_kernel : also start a kernel and compute one sum on it (a second or two).

    Returns
    -------
    One finding each; the course can run when none is "missing".
    """
    return [
        _python(),
        *_libraries(),
        _kernel(start_kernel),
        _notebooks(),
        _disk(),
        _telco(),
        _sandbox(),
    ]


def _python():
    """Look at the interpreter."""
    found = f"{platform.python_version()} at {Path(sys.prefix).name}"
    good = (3, 11) <= sys.version_info[:2] <= (3, 14)
    fix = f"install a supported Python, then: {SETUP}"
    return _needed("Python 3.11 to 3.14", good, found, fix)


def _needed(what, good, found, fix):
    """Return a finding without which the course cannot run."""
    return Finding(what, "ok", found) if good else Finding(what, "missing", found, fix)


def _libraries():
    """Hold every library that the package asks for against what is installed; name the wrong."""
    from packaging.requirements import Requirement

    try:
        asked = [Requirement(text) for text in requires(DISTRIBUTION) or []]
    except PackageNotFoundError:
        return [Finding("the package itself", "missing", "not installed", SETUP)]
    asked = [one for one in asked if not one.marker or one.marker.evaluate({"extra": ""})]
    wrong = [finding for finding in map(_library, asked) if finding.status != "ok"]
    found = f"{len(asked) - len(wrong)} of {len(asked)} as the course needs them"
    return [*wrong, Finding("libraries", "ok", found)]


def _library(requirement):
    """Hold one library against what is installed."""
    what = f"{requirement.name}{requirement.specifier}"
    try:
        found = version(requirement.name)
    except PackageNotFoundError:
        found = "not installed"
    good = found != "not installed" and requirement.specifier.contains(found)
    return _needed(what, good, found, f'{SETUP}  (or: pip install "{requirement}")')


def _kernel(start):
    """Find the kernel that notebooks run on; start it when asked."""
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    fix = f"{SETUP}  (or: python -m ipykernel install --sys-prefix)"
    try:
        KernelSpecManager().get_kernel_spec("python3")
    except NoSuchKernel:
        return Finding("kernel python3", "missing", "not registered", fix)
    if not start:
        return Finding("kernel python3", "ok", "registered")
    from jupyter_client.manager import start_new_kernel

    try:
        manager, client = start_new_kernel(
            kernel_name="python3", startup_timeout=60, extra_arguments=["--log-level=CRITICAL"]
        )
    except (RuntimeError, OSError) as error:
        return Finding("kernel python3", "missing", f"does not start: {error}", fix)
    try:
        reply = client.execute_interactive(
            "assert 2 + 2 == 4; import helpers", timeout=60, output_hook=lambda message: None
        )
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    if reply["content"]["status"] != "ok":
        return Finding("kernel python3", "missing", "starts, but cannot import helpers", fix)
    return Finding("kernel python3", "ok", "starts and imports helpers")


def _notebooks():
    """Count the notebooks of the checkout, if this is one."""
    from helpers.course.runner.shelf import all_notebooks, find_folder, read_notebook

    try:
        paths = all_notebooks(find_folder())
    except BadInput:
        return Finding(
            "notebooks", "optional", "none here", "run this inside your checkout of the project"
        )
    for path in paths:
        try:
            read_notebook(path)
        except BadInput as error:
            fix = f"git checkout -- {os.path.relpath(path)}"
            return Finding("notebooks", "missing", str(error), fix)
    return Finding("notebooks", "ok", f"{len(paths)} lessons")


def _disk():
    """Look at the room left where runs are written."""
    free = shutil.disk_usage(Path.cwd()).free // 1_000_000
    what, fix = f"free disk, {LEAST_FREE_MB} MB", "delete old runs/ or free some disk"
    return _needed(what, free >= LEAST_FREE_MB, f"{free:,} MB", fix)


def _telco():
    """Look for the real customer file, which no lesson needs."""
    from helpers.course.fetch import FILES, data_folder
    from helpers.course.runner.shelf import find_folder

    file = FILES["telco"]
    try:
        folder = data_folder(find_folder().parent)
    except BadInput:
        folder = data_folder(Path.cwd())
    if (folder / file.name).is_file():
        return Finding("IBM's Telco file", "ok", file.name)
    return Finding("IBM's Telco file", "optional", "not fetched", "python3 run.py data telco")


def _sandbox():
    """Look for the sandbox in which submissions are graded, which learners do not need."""
    from helpers.course.grading.sandbox import why_not

    reason = why_not()
    if not reason:
        return Finding("sandbox for grading", "ok", "works")
    fix = (
        "on Debian or Ubuntu: sudo apt install bubblewrap"
        if sys.platform == "linux"
        else "grade on Linux"
    )
    return Finding("sandbox for grading", "optional", reason, fix)
