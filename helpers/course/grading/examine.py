"""Examine submissions of one exercise: our checks, here; their answers, in a sandbox.

A check runs in this process, over our own set-up cells, with our own `helpers`. What a submission
made reaches it as plain values, and its functions are called where they live. All visible parts
run first and give the words of the feedback; then the hidden parts run, against snapshots of their
own, and each yields one bit.

What this prevents, whatever a submission does:

- patching the checker, the verdict, Python's builtins or the output: they are in another process;
- reading a hidden test: its text never enters the sandbox, and nothing written after the first
  hidden question is shown;
- an object that equals everything: only plain values are compared, and a stand-in equals nothing;
- touching marks, solutions, other submissions or the network (the sandbox).

What it does not prevent:

- a function sees what it is called with, so it sees the data of a hidden test while it answers; it
  can tell one bit a task of it, through its own mark, to whoever hands in again and again;
- an answer copied from a person or a program; values typed in for the world that was handed out;
- a fault in Linux itself: the sandbox shares the kernel.

What a submission touches without need, and marks that came oddly, are told by
`helpers.course.grading.audit`, and decide nothing.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import select
import signal
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from helpers.course.grading.cells import TimeIsUp, limited
from helpers.course.grading.read_cells import printable
from helpers.course.grading.remote import NoAnswer, Snapshot, TookTooLong
from helpers.course.grading.sandbox import BY_THE_CLOCK, Limits
from helpers.course.grading.sitting import Sitting, sitting
from helpers.course.grading.tasks import (
    Exercise,
    from_dict,
    imported,
    theirs,
    used,
    visible,
    with_seed,
)
from helpers.course.grading.values import NotPlain

UNSEEN = (
    "Your answer passes the check that you can see, but not a further one that you cannot. "
    "Think of other data it may meet."
)
NO_ANSWER = "This check had no answer: the notebook ended before it, or while it was asked."
_SHOWN = 1_500


def examine(
    exercise: Exercise,
    cells: list[dict[str, str]],
    folder: Path | None,
    limits: Limits,
    sandboxed: bool,
) -> dict[str, Any]:
    """Run a submission's cells and put every check to it.

    Parameters
    ----------
    exercise : ours, with the SEED of this student.
    cells : what to run, in order: `id`, `kind` ("run" or "check"), `source` ("" for a check).
    folder : the exercise's own files.
    limits : what the submission may use.
    sandboxed : whether it runs in a sandbox.

    Returns
    -------
    `cells` (id -> printed, raised), `tasks` (grade_id -> `outcome`: passed, failed, not attempted,
    hidden, too slow or no answer; `said`: the line for the learner), `ended`, `too_much`.
    """
    with sitting(cells, folder, limits, sandboxed) as found:
        tasks = _ask(exercise, found, limits)
    return {"cells": found.cells, "tasks": tasks, "ended": found.ended, "too_much": found.too_much}


def _ask(exercise: Exercise, found: Sitting, limits: Limits) -> dict[str, dict[str, str]]:
    """Put the visible part of every check, then the hidden parts of those that passed."""
    names, not_ours = theirs(exercise)
    namespace: dict[str, Any] = {"__name__": "__main__", "display": lambda *a, **k: None}
    verdicts, worlds = {}, {}
    wires = iter(found.checks)
    pairs = {cell.grade_id: (next(wires), next(wires)) for cell in exercise.checks}
    for cell in exercise.cells:
        if cell.kind == "locked" and cell.id not in not_ours:
            with _quiet():
                exec(compile(cell.full, "<ours>", "exec"), namespace)
        elif cell.kind == "check":
            worlds[cell.grade_id] = dict(namespace)
            snapshot = _snapshot(pairs[cell.grade_id][0], namespace, limits)
            source = visible(cell.full)
            verdicts[cell.grade_id] = put(source, namespace, snapshot, names, limits)
    for cell in exercise.checks:
        hides = visible(cell.full) != cell.full
        if hides and verdicts[cell.grade_id]["outcome"] == "passed":
            world = worlds[cell.grade_id]
            snapshot = _snapshot(pairs[cell.grade_id][1], world, limits)
            if put(cell.full, world, snapshot, names, limits)["outcome"] != "passed":
                verdicts[cell.grade_id] = _verdict("hidden", UNSEEN)
    return verdicts


def _snapshot(wire, namespace, limits):
    """Return a snapshot that knows our objects by name."""
    named = {id(value): name for name, value in namespace.items() if not name.startswith("_")}
    return Snapshot(wire, BY_THE_CLOCK * limits.check_seconds + limits.grace_seconds, named)


@contextlib.contextmanager
def _quiet():
    """Swallow what is printed."""
    nowhere = io.StringIO()
    with contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
        yield


def _verdict(outcome, said):
    """Return what a check found, as text that can be stored."""
    return {"outcome": outcome, "said": printable(said[:_SHOWN])}


def put(
    source: str, namespace: dict[str, Any], snapshot: Snapshot, names: Iterable[str], limits: Limits
) -> dict[str, str]:
    """Put one check to a snapshot; return its outcome and what is said.

    Parameters
    ----------
    source : of the check.
    namespace : our names at this point; left as it is.
    snapshot : of the submission.
    names : those that submissions make.
    limits : for the time of the whole check.
    """
    asked = sorted(used(source) & set(names))
    world = {name: value for name, value in namespace.items() if name not in asked}
    try:
        with _quiet(), limited(5 * limits.check_seconds):
            world.update(snapshot.read(asked))
            exec(compile(source, "<check>", "exec"), world)
    except (TimeIsUp, TookTooLong):
        said = f"Your answer did not come to an end within {limits.check_seconds:g} seconds."
        return _verdict("too slow", said)
    except NoAnswer:
        return _verdict("no answer", NO_ANSWER)
    except NotPlain as error:
        return _verdict("failed", f"Your answer cannot be used: {error}")
    except BaseException as error:
        return _failed(error, snapshot)
    return _verdict("passed", "Correct.")


def _failed(error, snapshot):
    """Return the verdict behind a failed check."""
    if snapshot.timed_out:
        return _verdict("too slow", "Your answer did not come to an end in the time allowed.")
    if snapshot.gone:
        return _verdict("no answer", NO_ANSWER)
    outcome = getattr(getattr(error, "outcome", None), "value", "")
    said = str(error) if outcome else f"{type(error).__name__}: {error}"
    return _verdict("not attempted" if outcome == "not attempted" else "failed", said)


def main() -> None:
    """Read an exercise, then jobs, from standard input, one JSON a line; answer with lines."""
    setup = json.loads(sys.stdin.readline())
    exercise = from_dict(setup["exercise"])
    limits = Limits(**setup["limits"])
    folder = Path(setup["folder"]) if setup["folder"] else None
    _warm(exercise)
    for line in sys.stdin:
        job = json.loads(line)
        mine = with_seed(exercise, job["seed"]) if job["seed"] is not None else exercise
        arguments = (mine, job["cells"], folder, limits, setup["sandboxed"])
        sys.stdout.write(json.dumps(_apart(arguments, limits)) + "\n")
        sys.stdout.flush()


def _warm(exercise):
    """Import what the exercise imports, once for all submissions."""
    for cell in exercise.cells:
        if cell.kind in {"locked", "check"} and imported(cell.full):
            lines = [s for s in cell.full.splitlines() if s.startswith(("import ", "from "))]
            with contextlib.suppress(Exception), _quiet():
                exec("\n".join(lines), {})


def _apart(arguments, limits) -> dict[str, Any]:
    """Examine in a process of its own; a submission that takes too long in all is given up."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _answer_into(writer, arguments, limits)
    os.close(writer)
    try:
        told = _read_all(reader, time.monotonic() + limits.total_seconds)
    finally:
        os.close(reader)
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    if told is None:
        return {
            "failed": f"it took more than {limits.total_seconds:g} seconds in all and was stopped"
        }
    return json.loads(told) if told else {"failed": "the examiner ended without a result"}


def _answer_into(writer, arguments, limits):
    """Examine, write the result into a pipe, and leave."""
    try:
        _bound_ourselves(limits)
        result = examine(*arguments)
    except BaseException as error:
        result = {"failed": f"the examiner stopped: {type(error).__name__}: {error}"[:_SHOWN]}
    with os.fdopen(writer, "w") as pipe:
        pipe.write(json.dumps(result))
    os._exit(0)


def _bound_ourselves(limits):
    """Let no value of a submission take all memory or time of the machine."""
    import resource

    memory = 4 * limits.memory_mb * 1_000_000
    seconds = int(limits.total_seconds) + 10
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    if sys.platform.startswith("linux"):
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))


def _read_all(reader, until):
    """Return all that comes through a pipe, or None when it does not end in time."""
    parts = []
    while True:
        left = until - time.monotonic()
        if left <= 0 or not select.select([reader], [], [], left)[0]:
            return None
        part = os.read(reader, 1 << 16)
        if not part:
            return b"".join(parts)
        parts.append(part)


if __name__ == "__main__":
    main()
