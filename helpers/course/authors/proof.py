"""Prove an exercise: right answers pass, wrong ones meet their promised hint, nothing leaks.

Cells run in one dict, without a kernel, so that every variant of every task can be tried on every
change. What is proven, task by task:

1. the solution passes its check, with and without the hidden part;
2. the untouched exercise fails it as not attempted: a check that cannot fail is found here;
3. each common mistake is refused with the hint it promises, also without the hidden part unless it
   is tagged ``hidden-only``;
4. each alternative passes;
5. tasks are independent: a variant moves no other check, and a task can be solved alone;
6. the exercise shows nothing that is for authors only, and is the exercise of this solution.
"""

from __future__ import annotations

import contextlib
import functools
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from nbformat import NotebookNode

from helpers.course import BadInput
from helpers.course.authors.exercise_rules import leaks, solution_findings
from helpers.course.authors.exercises import (
    Task,
    Variant,
    exercise_of,
    expected,
    is_answer,
    is_check,
    put_answer,
    read_tasks,
)
from helpers.course.runner.shelf import code_cells, has_tag, read_notebook
from helpers.practice import CheckFailed, Outcome

PASSED = "correct"


@dataclass(frozen=True)
class Verdict:
    """How a check ended: `outcome` in words, and the hint (or the error) when it did not pass."""

    outcome: str
    hint: str = ""


@dataclass
class ProvenTask:
    """The figures of one task: how many mistakes were refused and alternatives accepted, of all."""

    task: str
    points: float
    mistakes: int
    refused: int
    alternatives: int
    accepted: int


@dataclass
class Proof:
    """What was found for one exercise; proven when there is no hole."""

    exercise: str
    tasks: list[ProvenTask] = field(default_factory=list)
    holes: list[str] = field(default_factory=list)
    variants: int = 0


@dataclass(frozen=True)
class _Bench:
    """A solution and its exercise, ready to be run with any answers."""

    solution: NotebookNode
    answers: dict[str, str]
    stubs: dict[str, str]
    released: dict[str, str]

    def run(self, answers: dict[str, str], task: str = "") -> dict[str, Verdict]:
        """Run all cells with these answers; verdicts by check id, `released ` before the visible part.

        With `task`, only what the answer of that task can move is run: the checks after it, and the
        visible part of its own check (of another one it passes when the whole does).
        """
        cells, reached = [], not task
        for cell in code_cells(self.solution):
            reached = reached or cell.id == f"answer-{task}"
            if has_tag(cell, "author-only") or (is_check(cell) and not reached):
                continue
            cells.append((cell.id, answers.get(cell.id, cell.source), is_check(cell)))
            if is_check(cell) and task in ("", cell.id.removeprefix("check-")):
                cells.append((f"released {cell.id}", self.released[cell.id], True))
        return run_cells(cells)


def prove(solution: Path) -> Proof:
    """Prove the exercise of one solution.

    Parameters
    ----------
    solution : ``solutions/NAME/NAME.ipynb``; its exercise is looked up beside it.

    Returns
    -------
    The figures of each task, and one sentence per hole; nothing raises but an unreadable solution.
    """
    notebook, place = read_notebook(solution), exercise_of(solution)
    proof = Proof(solution.stem)
    proof.holes += solution_findings(notebook, solution)
    try:
        exercise = read_notebook(place)
    except BadInput:
        proof.holes.append(f"there is no exercise; type: python3 run.py release {solution.stem}")
        return proof
    proof.holes += leaks(notebook, exercise) + _strangers(notebook, exercise)
    if proof.holes:
        return proof  # what is not well formed cannot be run with sense
    bench = _bench(notebook, exercise)
    tasks = read_tasks(notebook)
    proof.holes += list(_as_given(bench, tasks))
    for task in tasks:
        proof.tasks.append(_prove_task(bench, task, proof))
    return proof


def run_cells(cells: list[tuple[str, str, bool]]) -> dict[str, Verdict]:
    """Run code cells in one dict, as a fresh kernel would, and return how each check ended.

    Parameters
    ----------
    cells : id, source, whether it is a check. An error in another cell ends up in the checks that
        need what it would have made.
    """
    names: dict[str, object] = {"__name__": "__main__"}
    verdicts = {}
    for name, source, judged in cells:
        printed = io.StringIO()
        verdict = Verdict("silent", "it prints no verdict")
        try:
            with contextlib.redirect_stdout(printed):
                exec(_compiled(source, f"<{name}>"), names)
            if "✓ Task" in printed.getvalue():
                verdict = Verdict(PASSED)
        except CheckFailed as failed:
            verdict = Verdict(failed.outcome.value, failed.hint)
        except (Exception, SystemExit) as error:
            verdict = Verdict("broken", f"{type(error).__name__}: {error}")
        if judged:
            verdicts[name] = verdict
    return verdicts


@functools.lru_cache(maxsize=512)
def _compiled(source, file):
    """Return the code of a cell, which is run once a variant."""
    return compile(source, file, "exec")


def _bench(notebook, exercise):
    """Take apart a solution and its exercise."""
    theirs = {cell.id: cell.source for cell in exercise.cells}
    answers = {cell.id: cell.source for cell in filter(is_answer, notebook.cells)}
    checks = {cell.id: theirs[cell.id] for cell in filter(is_check, notebook.cells)}
    return _Bench(notebook, answers, {name: theirs[name] for name in answers}, checks)


def _strangers(notebook, exercise):
    """Return where the exercise is not this solution's: other cells, or another text that is kept."""
    again = "release it again"
    ours = [cell for cell in notebook.cells if not has_tag(cell, "author-only")]
    if [cell.id for cell in ours] != [cell.id for cell in exercise.cells]:
        return [f"the exercise has other cells than the solution; {again}"]
    pairs = zip(ours, exercise.cells, strict=True)
    return [
        f"cell {own.id} is not the solution's any more; {again}"
        for own, released in pairs
        if expected(own) is not None and expected(own) != released.source
    ]


def _as_given(bench, tasks) -> Iterator[str]:
    """Yield the holes of the solution, of the untouched exercise, and of each task solved alone."""
    for name, verdict in bench.run(bench.answers).items():
        if verdict.outcome != PASSED:
            yield f"{name} refuses the solution: {verdict.hint}"
    for name, verdict in bench.run(bench.stubs).items():
        if verdict.outcome == PASSED:
            yield f"{name} passes on the untouched exercise: it cannot fail"
        elif verdict.outcome != Outcome.NOT_ATTEMPTED.value:
            yield f"{name} calls the untouched exercise {verdict.outcome}: {verdict.hint}"
    for task in tasks:
        alone = bench.run({**bench.stubs, task.answer: bench.answers[task.answer]})
        verdict = alone[f"check-{task.number}"]
        if verdict.outcome != PASSED:
            yield f"task {task.number} cannot be solved alone: {verdict.hint}"


def _prove_task(bench, task, proof):
    """Try every variant of a task; note the holes and return the figures."""
    refused = accepted = 0
    for mistake in task.mistakes:
        holes = list(_mistake_holes(bench, task, mistake))
        refused += not holes
        proof.holes += holes
    for alternative in task.alternatives:
        verdicts = bench.run(_with(bench, task, alternative), task.number)
        wrong = {n: v for n, v in verdicts.items() if v.outcome != PASSED}
        accepted += not wrong
        proof.holes += [
            f"{name} refuses the alternative {alternative.name!r} of task {task.number}: {v.hint}"
            for name, v in wrong.items()
        ]
    proof.variants += len(task.mistakes) + len(task.alternatives)
    return ProvenTask(
        task.number, task.points, len(task.mistakes), refused, len(task.alternatives), accepted
    )


def _mistake_holes(bench, task: Task, mistake: Variant) -> Iterator[str]:
    """Yield what is wrong with how a mistake is met."""
    verdicts = bench.run(_with(bench, task, mistake), task.number)
    own = f"check-{task.number}"
    for name, verdict in verdicts.items():
        if name.removeprefix("released ") != own:
            if verdict.outcome != PASSED:
                yield f"{name} depends on task {task.number}: the mistake {mistake.name!r} fails it too"
            continue
        seen = name == own or not mistake.hidden_only
        if not seen and verdict.outcome != PASSED:
            yield f"the visible part of {own} catches {mistake.name!r}, which is tagged hidden-only"
        elif seen and verdict.outcome == PASSED:
            part = "" if name == own else " (visible part)"
            yield f"{own}{part} accepts the mistake {mistake.name!r}"
        elif seen and not _kept(mistake.hint, verdict):
            yield f'{own} answers {mistake.name!r} with "{verdict.hint}", not "{mistake.hint}"'


def _kept(promised, verdict):
    """Whether a check gave the promised hint; of an error it raises, the beginning is promised."""
    if verdict.outcome == Outcome.RAISED.value:
        return promised.startswith("your code raised ") and verdict.hint.startswith(promised)
    return verdict.outcome == Outcome.WRONG.value and verdict.hint == promised


def _with(bench, task, variant):
    """Return the solution's answers with one of them replaced by a variant."""
    return {**bench.answers, task.answer: put_answer(bench.answers[task.answer], variant.code)}
