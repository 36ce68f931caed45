"""Grade a class: read what was handed in, examine each alone, keep every result at once.

A result is written whole as soon as it is known, and counts as long as nothing that decides it has
changed. So a run that was killed goes on where it stopped, and nothing is graded twice.
"""

from __future__ import annotations

import json
import os
import queue
import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path

from helpers.course import BadInput, fingerprint_of_helpers
from helpers.course.grading.audit import suspicions
from helpers.course.grading.examiners import Examiner, Proved
from helpers.course.grading.feedback import write_feedback
from helpers.course.grading.marks import (
    Result,
    file_name,
    keep_result,
    kept_result,
    write_marks,
    write_report,
)
from helpers.course.grading.restore import Restored, restore
from helpers.course.grading.sandbox import Limits, shown_by, why_not
from helpers.course.grading.submissions import read_submissions
from helpers.course.grading.tasks import read_exercise, released, with_seed
from helpers.course.grading.variants import marked, seed_for
from helpers.course.runner.run import as_they_end
from helpers.files import sha256_of


@dataclass(frozen=True)
class Grading:
    """How a class is graded.

    Attributes
    ----------
    root : the folder that holds `solutions/` and `exercises/`.
    into : where marks, feedback and results go.
    limits : what one submission may use.
    sandboxed : whether submissions run in a sandbox.
    jobs : submissions at once.
    secret : the instructor's, when each student has a world of their own.
    """

    root: Path
    into: Path
    limits: Limits = field(default_factory=Limits)
    sandboxed: bool = True
    jobs: int = 1
    secret: bytes | None = None


def grade(
    folder: Path,
    how: Grading,
    on_result: Callable[[Result, int], None] = lambda result, count: None,
) -> list[Result]:
    """Grade every submission in `folder`.

    Parameters
    ----------
    folder : of the submissions, as `helpers.course.grading.submissions` tells.
    how : where to, with what limits.
    on_result : called with each result and the count of all, also with those kept from before.

    Returns
    -------
    One result a student and exercise. `how.into` then holds `marks.csv`, `report.csv`,
    `report.json`, `feedback/STUDENT/STEM.html` and `results/`.

    Raises
    ------
    BadInput
        If there is nothing to grade, no sandbox can be made, or a solution fails its own checks.
    """
    if not hasattr(os, "fork"):
        raise BadInput(
            "Grading needs Linux, or macOS with --unsandboxed; this is another system. On "
            "Windows, use WSL."
        )
    if how.sandboxed and (reason := why_not()):
        raise BadInput(
            f"{reason} To run the submissions without one, at your own risk, add --unsandboxed."
        )
    exercises = {
        stem: marked(read_exercise(how.root, stem), how.secret) for stem in released(how.root)
    }
    if not exercises:
        raise BadInput(
            f"No exercise with its solution was found in exercises/ and solutions/ of {how.root}. "
            "Make exercises from solutions with: python3 run.py release"
        )
    submissions = read_submissions(folder, exercises)
    if how.sandboxed:
        _refuse_open_secrets([how.root / "solutions", folder, how.into])
    code = fingerprint_of_helpers()
    work = [_prepare(one, exercises.get(one.stem), how, code) for one in submissions]
    return _Batch(how, exercises, on_result).run(work)


def _refuse_open_secrets(paths):
    """Stop when the sandbox would show what no submission may see."""
    for path in paths:
        if shown := shown_by(path):
            raise BadInput(
                f"{path} lies in {shown}, which submissions can read: Python or the package helpers "
                "is in it. Move the course, the submissions and the marks to another folder."
            )


@dataclass
class _Work:
    """One submission on its way: what is known before it runs."""

    result: Result
    restored: Restored | None = None
    kept: Result | None = None


def _prepare(one, exercise, how, code):
    """Return the work on one submission; a result kept from before ends it."""
    result = Result(one.student, one.stem, one.file, notes=list(one.notes))
    restored = None
    if one.problem:
        result.look = [one.problem]
        result.of = exercise.points if exercise else 0
        result.fingerprint = sha256_of(json.dumps([code, one.problem, one.file, one.notes]))
    else:
        seed = seed_for(exercise, one.student, how.secret)
        mine = with_seed(exercise, seed) if seed is not None else exercise
        restored = restore(mine, one.cells)
        result.seed, result.notes = seed, [*one.notes, *restored.notes]
        result.answers, result.texts = restored.answers, restored.texts
        result.of, result.by_hand = exercise.points, len(restored.texts)
        parts = [code, mine.as_dict(), asdict(restored), asdict(how.limits), how.sandboxed]
        parts += [one.file, one.notes]
        result.fingerprint = sha256_of(json.dumps(parts, sort_keys=True))
    kept = kept_result(_place(how, result), result.fingerprint)
    return _Work(result, restored, kept)


def _place(how, result):
    """Return where a result is kept."""
    name = result.stem or f"unknown-{sha256_of(result.file)[:8]}"
    return how.into / "results" / file_name(result.student) / f"{name}.json"


class _Batch:
    """All submissions of one call, spread over examiners."""

    def __init__(self, how, exercises, on_result):
        self.how, self.exercises, self._on_result = how, exercises, on_result
        self._lock = threading.Lock()
        self._results: list[Result] = []
        self._examiners: list[Examiner] = []

    def run(self, work: list[_Work]) -> list[Result]:
        """Return the results of all, those kept from before first."""
        count = len(work)
        waiting = []
        for one in work:
            if one.kept is not None:
                self._done(one.kept, count, fresh=False)
            elif one.restored is None:
                self._done(one.result, count)
            else:
                waiting.append(one)
        waiting.sort(key=lambda one: (one.result.stem, one.result.student))
        if waiting:
            self._examine_all(waiting, count)
        write_marks(self._results, self.how.into / "marks.csv")
        write_report(self._results, self.how.into)
        return self._results

    def _examine_all(self, waiting, count):
        """Examine what is left with several examiners at once."""
        todo: queue.SimpleQueue[_Work] = queue.SimpleQueue()
        for one in waiting:
            todo.put(one)
        folder = self.how.into / ".files"
        shutil.rmtree(folder, ignore_errors=True)  # of a run that was killed
        files = {stem: _own_files(self.how.root, stem, folder) for stem in self.exercises}
        seeds = {one.result.stem: one.result.seed for one in reversed(waiting)}
        proved = Proved(self.exercises, seeds)
        jobs = max(1, min(self.how.jobs, len(waiting)))
        stop = threading.Event()
        with ThreadPoolExecutor(jobs) as pool:
            running = [
                pool.submit(self._work_off, todo, files, proved, count, stop) for _ in range(jobs)
            ]
            try:
                list(as_they_end(running))
            finally:
                stop.set()
                for examiner in self._examiners:
                    examiner.end()
        shutil.rmtree(folder, ignore_errors=True)

    def _work_off(self, todo, files, proved, count, stop):
        """Take submissions until none is left."""
        examiner = None
        try:
            while not stop.is_set():
                try:
                    one = todo.get_nowait()
                except queue.Empty:
                    return
                stem = one.result.stem
                if examiner is None or examiner.stem != stem:
                    if examiner:
                        examiner.close()
                    examiner = Examiner(
                        self.exercises[stem], files[stem], self.how.limits, self.how.sandboxed
                    )
                    self._examiners.append(examiner)
                    proved.require(stem, examiner)
                started = time.perf_counter()
                found = examiner.examine(one.restored.cells, one.result.seed)
                if stop.is_set():
                    return  # interrupted: this one is examined anew by the next run
                one.result.seconds = round(time.perf_counter() - started, 2)
                self._done(_completed(one, self.exercises[stem], found), count)
        except BaseException:
            stop.set()
            raise
        finally:
            if examiner:
                examiner.close()

    def _done(self, result, count, fresh=True):
        """Take in one result: its page, its file, the table."""
        with self._lock:
            if fresh:
                exercise = self.exercises.get(result.stem)
                write_feedback(result, exercise, self.how.into / "feedback")
                if result.graded or not result.answers:
                    keep_result(_place(self.how, result), result)
            self._results.append(result)
            if fresh:
                write_marks(self._results, self.how.into / "marks.csv")
            self._on_result(result, count)


def _own_files(root, stem, folder):
    """Return a copy of the files that belong to an exercise beside its notebook; None for none."""
    source, copy = root / "exercises" / stem, folder / stem
    ignore = shutil.ignore_patterns("*.ipynb", ".*", "__pycache__")
    shutil.copytree(source, copy, ignore=ignore)
    if not any(copy.iterdir()):
        return None
    for path in [folder, copy, *copy.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    return copy


def _completed(one, exercise, found):
    """Return the result with the marks and with what needs a look."""
    result = one.result
    if "failed" in found:
        result.look = [f"It could not be examined: {found['failed']}."]
        return result
    result.graded = True
    result.tasks, result.cells = found["tasks"], found["cells"]
    passed = {name for name, task in found["tasks"].items() if task["outcome"] == "passed"}
    result.points = {
        cell.grade_id: cell.points * (cell.grade_id in passed) for cell in exercise.checks
    }
    result.look = suspicions(exercise, one.restored, found)
    result.look += [n for n in one.restored.notes if n.startswith(("Another world", "The check"))]
    return result
