"""What a solution must be before it can be proven, and what an exercise must not show.

Each rule yields one sentence per finding, none when all is well.
"""

from __future__ import annotations

import ast
import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from nbformat import NotebookNode

from helpers.course import BadInput
from helpers.course.authors import rules
from helpers.course.authors.exercises import (
    BEGIN,
    END,
    END_HIDDEN,
    HIDDEN,
    is_answer,
    is_check,
    nbgrader_of,
    read_tasks,
    read_variant,
    target_of,
)
from helpers.course.runner.parameters import read_parameters
from helpers.course.runner.shelf import has_tag

FEWEST_MISTAKES, MOST_MISTAKES, FEWEST_ALTERNATIVES = 3, 6, 1
MARKS = [BEGIN, END, HIDDEN, END_HIDDEN]
MARKS += ["author-only", "mutant", "**Mistake:**", "**Alternative:**"]
SHORTEST_LEAK = 12  # characters; a shorter line of code says nothing
LESSON_RULES = [
    rules.executed_in_order,
    rules.no_errors_or_warnings,
    rules.headings_in_steps,
    rules.stable_ids,
    rules.small_enough,
    rules.links_lead_somewhere,
    rules.no_machine_paths,
    rules.nothing_computed_in_vain,
]


def solution_findings(notebook: NotebookNode, path: Path) -> list[str]:
    """Return everything that keeps a notebook from being a solution, one sentence each."""
    own = [grade_ids, pairs, answers, checks, explanations, variants]
    own += [world_of_ones_own, enough_variants]
    found = [finding for rule in own for finding in rule(notebook)]
    return found + [finding for rule in LESSON_RULES for finding in rule(notebook, path)]


def grade_ids(notebook: NotebookNode) -> Iterator[str]:
    """Every cell but the authors' own is known to nbgrader, by its cell id, once."""
    ids = Counter(nbgrader_of(cell).get("grade_id") for cell in notebook.cells)
    yield from (f"grade id {name} is used {n} times" for name, n in ids.items() if name and n > 1)
    for cell in notebook.cells:
        grader = nbgrader_of(cell)
        if has_tag(cell, "author-only"):
            if grader:
                yield f"cell {cell.id} is author-only, so it can have no nbgrader metadata"
        elif not any(grader.get(key) for key in ("locked", "grade", "solution")):
            yield f"cell {cell.id} is neither locked, nor an answer, nor a check"
        elif grader.get("grade_id") != cell.id:
            yield f"cell {cell.id} has the grade id {grader.get('grade_id')}; make them equal"


def pairs(notebook: NotebookNode) -> Iterator[str]:
    """Every answer has a check after it, and every check an answer."""
    ids = [cell.id for cell in notebook.cells]
    for cell in notebook.cells:
        word, other = ("answer", "check") if is_answer(cell) else ("check", "answer")
        if not (is_answer(cell) or is_check(cell)):
            continue
        partner = f"{other}-{cell.id.removeprefix(word + '-')}"
        if not cell.id.startswith(f"{word}-") or partner not in ids:
            yield f"cell {cell.id} has no partner {partner}"
        elif word == "answer" and ids.index(partner) < ids.index(cell.id):
            yield f"cell {partner} stands before its answer"
    if not any(map(is_answer, notebook.cells)):
        yield "has no task"


def answers(notebook: NotebookNode) -> Iterator[str]:
    """An answer holds one solution between its marks, inside a function; no other cell does."""
    for cell in notebook.cells:
        wanted = 1 if is_answer(cell) else 0
        if [cell.source.count(BEGIN), cell.source.count(END)] != [wanted, wanted]:
            yield f"cell {cell.id} needs {wanted} pair(s) of {BEGIN} and {END}"
        elif wanted and not re.search(rf"^ +{BEGIN}", cell.source, re.MULTILINE):
            yield f"cell {cell.id} has its solution outside a function; indent it under a def"


def checks(notebook: NotebookNode) -> Iterator[str]:
    """A check is collapsed under a comment, gives points, names its task, has at most one hidden part."""
    for cell in filter(is_check, notebook.cells):
        number = cell.id.removeprefix("check-")
        if not cell.metadata.get("jupyter", {}).get("source_hidden"):
            yield f"cell {cell.id} is not collapsed; set jupyter.source_hidden"
        if not cell.source.startswith("#"):
            yield f"cell {cell.id} does not start with a comment, the one line that is shown"
        if f'with check("{number}") as c:' not in cell.source:
            yield f'cell {cell.id} does not say: with check("{number}") as c:'
        if (count := cell.source.count(HIDDEN)) != cell.source.count(END_HIDDEN) or count > 1:
            yield f"cell {cell.id} needs one hidden part or none, with both its marks"
        if not nbgrader_of(cell).get("points", 0) > 0:
            yield f"cell {cell.id} gives no points"


def explanations(notebook: NotebookNode) -> Iterator[str]:
    """An answer in words gives points, and a checklist of three and a model answer follow it."""
    cells = notebook.cells
    for cell, after in zip(cells, [*cells[1:], None], strict=True):
        grader = nbgrader_of(cell)
        if cell.cell_type == "markdown" and grader.get("solution"):
            if not (grader.get("grade") and grader.get("points", 0) > 0):
                yield f"cell {cell.id} is an answer in words and needs grade and points"
            if (
                after is None
                or after.source.count("- [ ] ") != 3
                or "<details>" not in after.source
            ):
                yield f"cell {cell.id} needs a checklist of three and a model answer after it"


def variants(notebook: NotebookNode) -> Iterator[str]:
    """A mistake or alternative is for authors only, for a known answer, named, and code that parses."""
    known = {cell.id for cell in filter(is_answer, notebook.cells)}
    for cell in notebook.cells:
        tells = has_tag(cell, "mutant") or has_tag(cell, "alternative")
        tells = tells or re.match(r"\*\*(Mistake|Alternative):\*\*", cell.source)
        if not tells:
            continue
        if not has_tag(cell, "author-only"):
            yield f"cell {cell.id} is not tagged author-only: it would be handed out"
        if target_of(cell) not in known:
            yield f"cell {cell.id} is for {target_of(cell) or 'no answer'}, which is none of the answers"
        variant = read_variant(cell)
        if variant is None:
            yield f"cell {cell.id} lacks a tag, a name, a hint (mistakes only) or its one python fence"
        elif not _parses(variant.code):
            yield f"cell {cell.id} holds code that cannot be parsed"


def world_of_ones_own(notebook: NotebookNode) -> Iterator[str]:
    """A parameters cell can be read, with bounds for SEED: else all students get the same world."""
    if not any(has_tag(cell, "parameters") for cell in notebook.cells):
        return
    try:
        seed = read_parameters(notebook, "the solution").get("SEED")
    except BadInput as error:
        yield str(error)
        return
    if seed is not None and (seed.low is None or seed.high is None):
        yield "SEED needs its range in a comment on its own line, such as: from 0 to 999_999"


def enough_variants(notebook: NotebookNode) -> Iterator[str]:
    """Each task has 3 to 6 mistakes with names and hints of their own, and an alternative."""
    for task in read_tasks(notebook):
        if not FEWEST_MISTAKES <= len(task.mistakes) <= MOST_MISTAKES:
            yield (
                f"task {task.number} has {len(task.mistakes)} mistakes; {FEWEST_MISTAKES} to "
                f"{MOST_MISTAKES} are needed"
            )
        if len(task.alternatives) < FEWEST_ALTERNATIVES:
            yield f"task {task.number} has no alternative: would another right way pass?"
        hints = Counter(mistake.hint for mistake in task.mistakes)
        for hint, count in hints.items():
            if count > 1:
                yield f"task {task.number} gives one hint to {count} mistakes: {hint}"


def leaks(notebook: NotebookNode, exercise: NotebookNode) -> list[str]:
    """Return what an exercise shows though it is for authors only, one sentence each.

    Parameters
    ----------
    notebook : the solution.
    exercise : what learners get.
    """
    shown = json.dumps([dict(cell) for cell in exercise.cells], ensure_ascii=False)
    found = [f"the exercise shows {mark!r}" for mark in MARKS if mark in shown]
    seen = {line.strip() for cell in exercise.cells for line in cell.source.splitlines()}
    for kind, line in secret_lines(notebook):
        if line in seen:
            found.append(f"the exercise shows a line of {kind}: {line}")
    if any(cell.get("outputs") or cell.get("execution_count") for cell in exercise.cells):
        found.append("the exercise is stored with outputs")
    return found


def secret_lines(notebook: NotebookNode) -> list[tuple[str, str]]:
    """Return the lines that no learner may be shown: what they belong to, and the line."""
    secrets, public = [], set()
    for cell in notebook.cells:
        inside = "an author's note" if has_tag(cell, "author-only") else ""
        written = cell.cell_type == "markdown" and nbgrader_of(cell).get("solution")
        inside = "a worked answer" if written else inside
        for line in map(str.strip, cell.source.splitlines()):
            if line in (BEGIN, HIDDEN):
                inside = "the solution" if line == BEGIN else "the hidden part"
            elif line in (END, END_HIDDEN):
                inside = ""
            elif inside and len(line) >= SHORTEST_LEAK:
                secrets.append((inside, line))
            else:
                public.add(line)
    return [(kind, line) for kind, line in secrets if line not in public]


def _parses(code):
    """Whether the body of a function can be parsed."""
    try:
        ast.parse("def answer():\n" + "\n".join(f"    {line}" for line in code.splitlines()))
    except SyntaxError:
        return False
    return True
