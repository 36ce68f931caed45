"""One submission in its sandbox: start it, run its cells, ask its snapshots, end it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil

from helpers.course.grading.read_cells import printable
from helpers.course.grading.sandbox import (
    BY_THE_CLOCK,
    EXERCISE,
    FONTS,
    Limits,
    command,
    open_environment,
    python,
)
from helpers.course.grading.wire import TooSlow, Wire, WireBroken

_WATCH_SECONDS = 0.3
_MESSAGE = 4_000_000


@dataclass
class Sitting:
    """What came of running a submission's cells.

    Attributes
    ----------
    checks : two connections a check, in order: for what is shown, and for the hidden part.
    cells : id -> what the cell printed and raised; only of cells that came to an end.
    ended : why it did not reach its last cell; "" when it did.
    too_much : what of the limits was exceeded by all processes together; "" when nothing.
    """

    checks: list[Wire] = field(default_factory=list)
    cells: dict[str, dict] = field(default_factory=dict)
    ended: str = ""
    too_much: str = ""


@contextlib.contextmanager
def sitting(
    cells: list[dict[str, str]], exercise: Path | None, limits: Limits, sandboxed: bool
) -> Iterator[Sitting]:
    """Run `cells` and keep the submission's side up for questions; end it when the block is left.

    Parameters
    ----------
    cells : `id`, `kind` ("run" or "check") and `source` of each, in order; none for a check.
    exercise : folder of the exercise's own files; None for none.
    limits : what it may use.
    sandboxed : whether in a sandbox; without one, only time and output are bounded.
    """
    count = 2 * sum(cell["kind"] == "check" for cell in cells)
    pairs = [socket.socketpair() for _ in range(count + 2)]
    ours, others = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    with _home(sandboxed) as home:
        # Each snapshot is a process of ours, not one of the submission's.
        room = replace(limits, processes=limits.processes + count)
        process = _start(others, exercise, room, sandboxed, Path(home))
        for end in others:
            end.close()
        found = Sitting([Wire(end) for end in ours[2:]])
        over = threading.Event()
        watch = threading.Thread(target=_watch, args=(process, limits, found, over), daemon=True)
        watch.start()
        try:
            job = _job(cells, exercise, limits, sandboxed)
            _run(found, ours[0], Wire(ours[1], _MESSAGE), job, limits)
            yield found
        finally:
            over.set()
            _kill(process)
            process.wait()
            watch.join()
            for end in ours:
                end.close()


def _home(sandboxed):
    """Return a home for a submission without a sandbox; a sandbox has one of its own."""
    if sandboxed:
        return contextlib.nullcontext("/")
    return tempfile.TemporaryDirectory(prefix="lifecycle-answers-", ignore_cleanup_errors=True)


def _start(ends, exercise, limits, sandboxed, home):
    """Start the submission's side."""
    numbers = [end.fileno() for end in ends]
    words = ["-m", "helpers.course.grading.answering"]
    words += [f"--control={numbers[0]}", f"--cells={numbers[1]}"]
    words += [f"--checks={','.join(map(str, numbers[2:]))}"]
    line = command(limits, exercise, words) if sandboxed else python(words)
    own = None if sandboxed else open_environment(home)
    silent = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
    return subprocess.Popen(
        line, pass_fds=numbers, start_new_session=True, cwd=home, env=own, **silent
    )


def _job(cells, exercise, limits, sandboxed):
    """Return what the submission's side is told."""
    files = EXERCISE if sandboxed else str(exercise)
    return {
        "cells": cells,
        "files": files if exercise else "",
        "fonts": FONTS if sandboxed else "",
        "cell_seconds": limits.cell_seconds,
        "call_seconds": limits.check_seconds,
        "output_chars": limits.output_chars,
    }


def _run(found, control, cells, job, limits):
    """Take in what each cell did, until the last one, a stop or the end of the process."""
    wait = BY_THE_CLOCK * limits.cell_seconds + limits.grace_seconds
    known = {cell["id"] for cell in job["cells"]}
    at = ""
    try:
        cells.send(job, wait)
        for _ in range(2 * len(known) + 1):
            said = cells.receive(wait)
            if not isinstance(said, dict) or said.get("done"):
                break
            at = str(said.get("starts", at))
            if said.get("ran_on"):
                raise TooSlow
            if said.get("id") in known:
                found.cells[said["id"]] = _tidy(said, limits)
    except TooSlow:
        found.ended = f"it ran on after {limits.cell_seconds:g} seconds and was stopped"
        with contextlib.suppress(OSError):
            control.send(b"k")
    except WireBroken:
        found.ended = "it ended the process" if at else "it did not start"
    if found.ended and at in known and at not in found.cells:
        told = {"error": found.ended, "timed_out": "ran on" in found.ended}
        found.cells[at] = _tidy(told, limits)


def _tidy(said, limits):
    """Return what a cell reported, each part of the type and size it must have."""
    lost = said.get("lost")
    return {
        "text": printable(str(said.get("text", "")))[: limits.output_chars],
        "lost": lost if isinstance(lost, int) else 0,
        "error": printable(str(said.get("error", "")))[:1_000],
        "timed_out": said.get("timed_out") is True,
    }


def _watch(process, limits, found, over):
    """End a submission whose processes together take more memory than one may."""
    while not over.wait(_WATCH_SECONDS):
        if _memory_mb(process.pid) > limits.memory_mb:
            found.too_much = f"more than {limits.memory_mb:,} MB of memory"
            _kill(process)
            return


def _memory_mb(pid):
    """Return the memory of a process and of all below it; what they share counts once."""
    total = 0
    with contextlib.suppress(psutil.Error):
        top = psutil.Process(pid)
        for one in [top, *top.children(recursive=True)]:
            with contextlib.suppress(psutil.Error):
                total += getattr(one.memory_full_info(), "pss", 0)
    return total / 1_000_000


def _kill(process):
    """Kill a process and its session."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
