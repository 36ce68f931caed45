"""Processes that examine: each takes the submissions of one exercise, one after the other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Any

import helpers
from helpers.course import BadInput
from helpers.course.grading.sandbox import Limits
from helpers.course.grading.tasks import Exercise, with_seed


class Examiner:
    """A process that examines submissions of one exercise, one after the other.

    Parameters
    ----------
    exercise : ours.
    files : folder of the exercise's own files; None for none.
    limits : what a submission may use.
    sandboxed : whether it runs in a sandbox.
    """

    def __init__(self, exercise: Exercise, files: Path | None, limits: Limits, sandboxed: bool):
        self.stem = exercise.stem
        self._setup = {
            "exercise": exercise.as_dict(),
            "limits": asdict(limits),
            "folder": str(files) if files else "",
            "sandboxed": sandboxed,
        }
        self._process: subprocess.Popen | None = None

    def examine(self, cells: list[dict[str, str]], seed: int | None) -> dict[str, Any]:
        """Examine one submission; return what `helpers.course.grading.examine.examine` found.

        An examiner that ends is replaced, and the submission it had is told as failed.
        """
        try:
            if self._process is None:
                self._process = self._started()
            self._process.stdin.write(json.dumps({"cells": cells, "seed": seed}) + "\n")
            self._process.stdin.flush()
            said = self._process.stdout.readline()
            if said:
                return json.loads(said)
        except (OSError, ValueError):
            pass
        self.close()
        return {"failed": "the examiner ended without a result"}

    def _started(self):
        """Start the process and tell it the exercise."""
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        how = {"encoding": "utf-8", "start_new_session": True, "env": _environment(), **pipes}
        words = [sys.executable, "-m", "helpers.course.grading.examine"]
        process = subprocess.Popen(words, cwd=self._setup["folder"] or "/", **how)
        process.stdin.write(json.dumps(self._setup) + "\n")
        process.stdin.flush()
        return process

    def end(self) -> None:
        """Kill the process; whoever waits for its answer gets none."""
        if self._process is not None:
            self._process.kill()

    def close(self) -> None:
        """End the process, and with it whatever it was examining."""
        if self._process is not None:
            self.end()
            self._process.wait()
            self._process.stdin.close()
            self._process.stdout.close()
            self._process = None


def _environment():
    """Return the environment of an examiner."""
    package = str(Path(helpers.__file__).resolve().parents[1])
    return {
        **os.environ,
        "PYTHONPATH": package,
        "MPLBACKEND": "agg",
        "PYTHONHASHSEED": "0",
        "PYTHONUTF8": "1",
    }


class Proved:
    """Which solutions were seen to pass their own checks, in the way submissions are graded.

    Parameters
    ----------
    exercises : by stem.
    seeds : stem -> the SEED of one student's world, or None.
    """

    def __init__(self, exercises: dict[str, Exercise], seeds: dict[str, int | None]):
        self._exercises, self._seeds = exercises, seeds
        self._lock, self._seen = threading.Lock(), set()

    def require(self, stem: str, examiner: Examiner) -> None:
        """Stop unless the solution gets full marks."""
        with self._lock:
            if stem in self._seen:
                return
            seed = self._seeds.get(stem)
            found = examiner.examine(_solved(self._exercises[stem], seed), seed)
            bad = {
                n: t["said"] for n, t in found.get("tasks", {}).items() if t["outcome"] != "passed"
            }
            if bad or "failed" in found:
                name, said = next(iter(bad.items()), ("the whole", found.get("failed", "")))
                raise BadInput(
                    f"The solution of {stem} was expected to get full marks; {name} says: {said} "
                    "Nothing of it was graded: mend the solution first."
                )
            self._seen.add(stem)


def _solved(exercise, seed):
    """Return the cells of a solution, as if it were handed in."""
    mine = exercise if seed is None else with_seed(exercise, seed)
    run = [cell for cell in mine.cells if cell.kind in {"check", "answer", "locked"}]
    sources = [("check", "") if cell.kind == "check" else ("run", cell.full) for cell in run]
    return [{"id": c.id, "kind": k, "source": s} for c, (k, s) in zip(run, sources, strict=True)]
