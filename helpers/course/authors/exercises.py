"""Exercises: one solution notebook is the source, the exercise is derived from it.

`solutions/NAME/NAME.ipynb` is written by hand; `exercises/NAME/NAME.ipynb` is made by nbgrader's
own generator (`lifecycle release`), with the settings of `nbgrader_config.py`. An exercise is an
nbgrader assignment; without nbgrader its metadata is inert, and `helpers.practice` gives the
feedback. NAME is the stem of the lesson. A cell's id is also its grade id and never changes once
released. What a solution holds:

================  ========================================================  =====================
cell, id          how it is marked                                          in the exercise
================  ========================================================  =====================
text              Markdown, locked                                          kept
set-up code       code, locked                                              kept
``answer-N``      code, nbgrader solution; one function, its body between   the body becomes
                  ``### BEGIN SOLUTION`` and ``### END SOLUTION``           NotImplementedError
``check-N``       code, nbgrader grade with points, input collapsed; a      kept, without its
                  comment first, then ``with check("N") as c:``, with a     hidden part
                  part between ``### BEGIN HIDDEN TESTS`` and ``### END``
``say-N``         Markdown, nbgrader grade and solution with points: a      a line to replace
                  worked answer, marked by a person
a mistake         Markdown, tags ``author-only mutant for:answer-N``        removed
an alternative    Markdown, tags ``author-only alternative for:answer-N``   removed
================  ========================================================  =====================

A mistake is ``**Mistake:** its name``, ``**Hint:** what the check answers, word for word``, and the
code in a ``python`` fence; an alternative is ``**Alternative:** its name`` and the code. The code
stands in for what is between the two marks of the answer cell. A mistake that only the hidden part
can catch (an answer typed in for the visible example) carries the tag ``hidden-only`` too. Both are
Markdown so that a solution runs clean from top to bottom and reads as a worked answer.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from textwrap import dedent, indent

from nbformat import NotebookNode

from helpers.course import BadInput, Failed
from helpers.course.authors.bake import as_text, normalise
from helpers.course.grading.tasks import visible
from helpers.course.runner.shelf import closest, has_tag, read_notebook, replaced
from helpers.files import write_whole

SOLUTIONS, EXERCISES, CONFIG = "solutions", "exercises", "nbgrader_config.py"
BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
HIDDEN, END_HIDDEN = "### BEGIN HIDDEN TESTS", "### END HIDDEN TESTS"
RELEASE_TIMEOUT_S = 300


@dataclass(frozen=True)
class Variant:
    """Another content of an answer: a common mistake, or another right way.

    Attributes
    ----------
    name : what it does, in a few words.
    code : what stands between the marks of the answer cell.
    hint : what the check answers to a mistake; empty for an alternative.
    hidden_only : whether only the hidden part of the check can catch it.
    """

    name: str
    code: str
    hint: str = ""
    hidden_only: bool = False


@dataclass
class Task:
    """One task with a check: the cells `answer-N` and `check-N`, and their variants."""

    number: str
    answer: str
    points: float
    mistakes: list[Variant] = field(default_factory=list)
    alternatives: list[Variant] = field(default_factory=list)


def pick_solutions(root: Path, names: list[str]) -> list[Path]:
    """Return the solutions that `names` mean, in the order of the course; all when none is named.

    Parameters
    ----------
    root : the folder that holds solutions/ and exercises/.
    names : stems or beginnings of a stem, such as ``04a``.

    Raises
    ------
    BadInput
        If there is no solution, or a name fits none.
    """
    known = sorted(p for p in (root / SOLUTIONS).glob("*/*.ipynb") if p.stem == p.parent.name)
    if not known:
        raise BadInput(
            f"Solutions (NAME/NAME.ipynb) were expected in {root / SOLUTIONS}, but there are none. "
            "Check --root."
        )
    picked = set()
    for name in names or [""]:
        stem = Path(name).name.removesuffix(".ipynb")
        if told := replaced(stem, {path.stem for path in known}):
            raise BadInput(told)
        fitting = [path for path in known if path.stem.startswith(stem)]
        if not fitting or (name and not stem):
            hint = closest(stem, known) or f"Known are {known[0].stem} and others."
            raise BadInput(f"There is no solution {name!r} among the {len(known)} here. {hint}")
        picked.update(fitting)
    return [path for path in known if path in picked]


def exercise_of(solution: Path) -> Path:
    """Return where the exercise of a solution is kept."""
    return solution.parents[2] / EXERCISES / solution.stem / solution.name


def nbgrader_of(cell: NotebookNode) -> dict:
    """Return a cell's nbgrader metadata, an empty dict when it has none."""
    return cell.metadata.get("nbgrader", {})


def is_answer(cell: NotebookNode) -> bool:
    """Whether a cell is the answer of a task with a check."""
    return cell.cell_type == "code" and bool(nbgrader_of(cell).get("solution"))


def is_check(cell: NotebookNode) -> bool:
    """Whether a cell is a check."""
    return cell.cell_type == "code" and bool(nbgrader_of(cell).get("grade"))


def read_tasks(notebook: NotebookNode) -> list[Task]:
    """Return the tasks of a solution with their variants; what is not well formed is left out.

    `helpers.course.authors.exercise_rules` names what is not well formed.
    """
    points = {cell.id: nbgrader_of(cell).get("points", 0) for cell in notebook.cells}
    tasks = {}
    for cell in filter(is_answer, notebook.cells):
        number = cell.id.removeprefix("answer-")
        tasks[cell.id] = Task(number, cell.id, points.get(f"check-{number}", 0))
    for cell in notebook.cells:
        variant, task = read_variant(cell), tasks.get(target_of(cell))
        if variant and task:
            (task.mistakes if has_tag(cell, "mutant") else task.alternatives).append(variant)
    return list(tasks.values())


def target_of(cell: NotebookNode) -> str:
    """Return the id of the answer that a mistake or an alternative is for; empty when untold."""
    tags = [tag for tag in cell.metadata.get("tags", []) if tag.startswith("for:")]
    return tags[0].removeprefix("for:") if len(tags) == 1 else ""


def read_variant(cell: NotebookNode) -> Variant | None:
    """Return the mistake or alternative that a cell tells; None when it tells none, or not wholly."""
    mistake = has_tag(cell, "mutant")
    if cell.cell_type != "markdown" or not (mistake or has_tag(cell, "alternative")):
        return None
    word = "Mistake" if mistake else "Alternative"
    name = re.search(rf"^\*\*{word}:\*\* (.+)$", cell.source, re.MULTILINE)
    hint = re.search(r"^\*\*Hint:\*\* (.+)$", cell.source, re.MULTILINE)
    fences = re.findall(r"^```python\n(.*?)^```", cell.source, re.MULTILINE | re.DOTALL)
    if not name or len(fences) != 1 or bool(hint) is not mistake:
        return None
    said = hint.group(1).strip() if hint else ""
    return Variant(name.group(1).strip(), fences[0], said, has_tag(cell, "hidden-only"))


def put_answer(source: str, code: str) -> str:
    """Return an answer cell with `code` in place of what is between its marks.

    Examples
    --------
    >>> cell = "def f():\\n    ### BEGIN SOLUTION\\n    return 1\\n    ### END SOLUTION"
    >>> print(put_answer(cell, "return 2"))
    def f():
        return 2
    """
    before, _, rest = source.partition(BEGIN)
    _, _, after = rest.partition(END)
    lines, _, margin = before.rpartition("\n")
    return f"{lines}\n{indent(dedent(code).rstrip(), margin)}{after}".lstrip("\n")


def expected(cell: NotebookNode) -> str | None:
    """Return what an exercise shows of a code cell, or a kept text; None for an answer.

    It is what nbgrader does to these cells, to be held against what it did.
    """
    if nbgrader_of(cell).get("solution"):
        return None
    return visible(cell.source).rstrip() if HIDDEN in cell.source else cell.source


def release(solutions: list[Path], check: bool = False) -> dict[str, bool]:
    """Derive the exercise of each solution with nbgrader, the same bytes each time.

    Parameters
    ----------
    solutions : of one course, from `pick_solutions`.
    check : only compare, write nothing.

    Returns
    -------
    Stem -> whether the stored exercise differed from what was derived now.

    Raises
    ------
    BadInput
        If nbgrader is not installed.
    Failed
        If nbgrader refuses a solution; nothing is written then.
    """
    require_nbgrader()
    with tempfile.TemporaryDirectory(prefix="lifecycle-release-") as folder:
        _generate(solutions, Path(folder))
        differing = {}
        for solution in solutions:
            made = Path(folder) / EXERCISES / solution.stem
            files = {path: _content(path) for path in sorted(made.rglob("*")) if path.is_file()}
            places = {
                exercise_of(solution).parent / p.relative_to(made): t for p, t in files.items()
            }
            new = {p: t for p, t in places.items() if not p.is_file() or p.read_bytes() != t}
            for place, content in () if check else new.items():
                write_whole(place, content)
            differing[solution.stem] = bool(new)
    return differing


def require_nbgrader() -> None:
    """Stop unless nbgrader is installed; only authors and instructors have it."""
    if find_spec("nbgrader") is None:
        raise BadInput(
            "Exercises are derived by nbgrader, which only authors install. "
            "Type: python3 run.py setup --authors"
        )


def _generate(solutions, folder):
    """Let nbgrader derive all exercises at once, in a folder of its own."""
    for solution in solutions:
        ignore = shutil.ignore_patterns(".*")
        shutil.copytree(solution.parent, folder / SOLUTIONS / solution.stem, ignore=ignore)
    shutil.copy(solutions[0].parents[2] / CONFIG, folder / CONFIG)
    # A user's own nbgrader settings must not change what is handed out.
    own = {**os.environ, "JUPYTER_NO_CONFIG": "1", "PYTHONUTF8": "1"}
    how = {"encoding": "utf-8", "errors": "replace", "timeout": RELEASE_TIMEOUT_S, "env": own}
    words = ["-m", "nbgrader", "generate_assignment", "--assignment=*", "--no-db"]
    done = subprocess.run([sys.executable, *words], cwd=folder, capture_output=True, **how)
    made = [folder / EXERCISES / s.stem / s.name for s in solutions]
    lacking = [path.stem for path in made if not path.is_file()]
    if done.returncode or lacking:
        errors = re.findall(r"(?:Error|Exception): (.+)", done.stderr)
        why = errors[0] if errors else done.stderr.strip()[-200:]
        names = ", ".join(lacking) or "the solutions"
        raise Failed(f"nbgrader could not derive {names}: {why}")


def _content(path):
    """Return the bytes of a derived file, a notebook normalised."""
    if path.suffix != ".ipynb":
        return path.read_bytes()
    return as_text(normalise(read_notebook(path))).encode()
