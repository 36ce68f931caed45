"""The side of a submission: runs its cells, then answers questions about what they defined.

Nothing here is trusted. It runs inside the sandbox, it sees no check and no mark, and all it can
do is return values. At each check the process forks, so that every check asks the notebook as it
was at that point; a second fork answers the hidden part, after all that is shown was written.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import shutil
import signal
import socket
import sys
import traceback
import types
from pathlib import Path
from typing import Any

from helpers.course.grading.cells import SHOWN_ERROR, Notebook, Paper, TimeIsUp, limited, run_cell
from helpers.course.grading.values import decode, encode
from helpers.course.grading.wire import Wire, WireBroken


def main() -> None:
    """Answer as asked on the command line: descriptors of the connections."""
    parser = argparse.ArgumentParser()
    for name in ("control", "cells"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--checks", required=True)
    asked = parser.parse_args()
    checks = [int(number) for number in asked.checks.split(",") if number]
    worker = os.fork()
    if worker == 0:
        os.close(asked.control)
        with contextlib.suppress(WireBroken):
            work(_wire(asked.cells), [_wire(number) for number in checks])
        os._exit(0)
    for number in [asked.cells, *checks]:
        os.close(number)
    supervise(asked.control, worker)


def _wire(number):
    """Return the connection of a descriptor."""
    return Wire(socket.socket(fileno=number))


def supervise(control: int, worker: int) -> None:
    """Wait for the examiner to hang up; end the worker when told so."""
    while os.read(control, 1):
        with contextlib.suppress(ProcessLookupError):
            os.kill(worker, signal.SIGKILL)
    os.killpg(0, signal.SIGKILL)


def work(cells: Wire, checks: list[Wire]) -> None:
    """Run the cells in order; fork twice at each check."""
    job = cells.receive()
    _settle(job)
    module = types.ModuleType("__main__")
    sys.modules["__main__"] = module
    module.get_ipython = lambda: Notebook(module.__dict__)  # type: ignore[attr-defined]
    waiting = list(checks)
    for cell in job["cells"]:
        if cell["kind"] == "check":
            for _ in range(2):
                wire = waiting.pop(0)
                if os.fork() == 0:
                    for other in [cells, *checks]:
                        if other is not wire:
                            other.close()
                    with contextlib.suppress(WireBroken):
                        answer(wire, module.__dict__, job["call_seconds"])
                    os._exit(0)
                wire.close()
        else:
            cells.send({"starts": cell["id"]})
            stop = _leave(cells, {"ran_on": True})
            cells.send({"id": cell["id"], **run_cell(cell, module.__dict__, job, stop)})
    cells.send({"done": True})
    signal.pause()  # snapshots are answered while their parent lives


def _settle(job):
    """Make a home, lay the exercise's files into it, and let nothing reach the terminal."""
    home = Path(os.environ["HOME"])
    place = home / "work"
    place.mkdir(parents=True, exist_ok=True)
    if job["files"]:
        shutil.copytree(job["files"], place, dirs_exist_ok=True, ignore=_notebooks)
    if job["fonts"] and os.path.isdir(job["fonts"]):
        shutil.copytree(job["fonts"], home / ".cache" / "matplotlib", dirs_exist_ok=True)
    os.chdir(place)
    sys.path.insert(0, "")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(nowhere, number)


def _notebooks(folder, names):
    """Return what is not copied."""
    return [name for name in names if name.endswith(".ipynb") or name.startswith(".")]


def _leave(wire, message):
    """Return what tells the examiner and ends this process."""

    def leave():
        with contextlib.suppress(WireBroken):
            wire.send(message, 1)
        os._exit(1)

    return leave


def answer(wire: Wire, names: dict[str, Any], seconds: float) -> None:
    """Answer an examiner's questions about `names` until it hangs up."""
    sys.stdout = sys.stderr = Paper(0)
    kept: list[Any] = []

    def keep(value):
        kept.append(value)
        kind = type(value)
        label = str(getattr(value, "__name__", ""))[:80] if callable(value) else ""
        return ["kept", len(kept) - 1, kind.__name__[:80], callable(value), label]

    def fetch(form):
        if form[0] == "import":
            return getattr(importlib.import_module(form[1]), form[2])
        return kept[form[1]] if form[0] == "kept" else names[form[1]]

    while True:
        question = wire.receive()
        try:
            with limited(seconds, _leave(wire, {"timed_out": True})):
                reply = {"value": _ask(question, names, keep, fetch)}
        except TimeIsUp:
            reply = {"timed_out": True}
        except BaseException as raised:
            reply = {"error": _describe(raised)}
        wire.send(reply)


def _ask(question, names, keep, fetch):
    """Do what one question asks; return the answer as a tree."""
    if question["ask"] == "names":
        found = [name for name in question["names"] if name in names]
        return {name: encode(names[name], keep) for name in found}
    thing = fetch(["kept", question["thing"]])
    given = [decode(one, fetch) for one in question["given"]]
    named = {name: decode(one, fetch) for name, one in question["named"].items()}
    actions = {
        "call": lambda: thing(*given, **named),
        "get": lambda: getattr(thing, *given),
        "item": lambda: thing[given[0]],
        "length": lambda: len(thing),
        "list": lambda: list(thing),
    }
    return encode(actions[question["ask"]](), keep)


def _describe(raised):
    """Return what the examiner may know of an error."""
    trace = traceback.extract_tb(raised.__traceback__)
    frames = [frame for frame, _ in traceback.walk_tb(raised.__traceback__)]
    first = raised.args[0] if len(raised.args) == 1 else None
    return {
        "kinds": [[kind.__module__, kind.__name__] for kind in type(raised).__mro__],
        "text": (first if isinstance(first, str) else str(raised))[:SHOWN_ERROR],
        "name": str(getattr(raised, "name", "") or "")[:80],
        "own": bool(trace) and frames[-1].f_globals.get("__name__") == "__main__",
    }


if __name__ == "__main__":
    main()
