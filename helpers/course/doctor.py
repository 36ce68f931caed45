"""What is installed, what is missing, and what to type."""

from __future__ import annotations

import platform
import shutil
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from helpers.course import BadInput

DISTRIBUTION = "ml-lifecycle-lab"
LEAST_FREE_MB = 500


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
    ]


def _python():
    """Look at the interpreter."""
    found = f"{platform.python_version()} at {Path(sys.prefix).name}"
    good = (3, 11) <= sys.version_info[:2] <= (3, 14)
    return Finding(
        "Python 3.11 to 3.14", "ok" if good else "missing", found,
        "" if good else "install a supported Python, then: python3 run.py setup",
    )  # fmt: skip


def _libraries():
    """Hold every library that the package asks for against what is installed."""
    from packaging.requirements import Requirement

    try:
        asked = [Requirement(text) for text in requires(DISTRIBUTION) or []]
    except PackageNotFoundError:
        return [
            Finding("the package itself", "missing", "not installed", "python3 run.py setup"),
        ]
    findings = []
    for requirement in asked:
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            found = version(requirement.name)
            good = requirement.specifier.contains(found)
        except PackageNotFoundError:
            found, good = "not installed", False
        fix = "" if good else f'python3 run.py setup  (or: pip install "{requirement}")'
        findings.append(
            Finding(
                f"{requirement.name}{requirement.specifier}",
                "ok" if good else "missing",
                found,
                fix,
            )
        )
    return findings


def _kernel(start):
    """Find the kernel that notebooks run on; start it when asked."""
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    fix = "python3 run.py setup  (or: python -m ipykernel install --sys-prefix)"
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
    from helpers.course.shelf import all_notebooks, find_folder, read_notebook

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
            return Finding("notebooks", "missing", str(error), f"git checkout -- {path.name}")
    return Finding("notebooks", "ok", f"{len(paths)} lessons")


def _disk():
    """Look at the room left where runs are written."""
    free = shutil.disk_usage(Path.cwd()).free // 1_000_000
    good = free >= LEAST_FREE_MB
    return Finding(
        f"free disk, {LEAST_FREE_MB} MB", "ok" if good else "missing", f"{free:,} MB",
        "" if good else "delete old runs/ or free some disk",
    )  # fmt: skip


def _telco():
    """Look for the real customer file, which no lesson needs."""
    from helpers.course.fetch import FILES, data_folder
    from helpers.course.shelf import find_folder

    file = FILES["telco"]
    try:
        folder = data_folder(find_folder().parent)
    except BadInput:
        folder = data_folder(Path.cwd())
    if (folder / file.name).is_file():
        return Finding("IBM's Telco file", "ok", file.name)
    return Finding("IBM's Telco file", "optional", "not fetched", "lifecycle data telco")
