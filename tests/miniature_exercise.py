"""A tiny solution with two tasks, its exercise, and ways to spoil them, for testing the tools."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nbformat
from miniature import cell
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from helpers.course.authors.exercises import expected, put_answer
from helpers.course.runner.shelf import has_tag

STEM = "00_the_lifecycle"
STUB = "raise NotImplementedError()  # your answer, in place of this line"
FIRST = """# Check task 1: run this cell
from helpers.practice import check

with check("1") as c:
    got = c.call(double, 3)
    c.unlike(got, 9, "that is the square.")
    c.unlike(got, 4, "that is one more.")
    c.equal(got, 6, "take it twice.")
    ### BEGIN HIDDEN TESTS
    c.equal(c.call(double, 50), 100, "take any number twice.")
    ### END HIDDEN TESTS"""
SECOND = """# Check task 2: run this cell
from helpers.practice import check

with check("2") as c:
    got = c.call(longest, ["ab", "a"])
    c.unlike(got, "a", "that is the shortest.")
    c.unlike(got, 2, "the word is asked for, not its length.")
    c.equal(got, "ab", "compare the lengths.")
    c.equal(c.call(longest, ["a", "ab"]), "ab", "it need not be the first.")"""


def marked(name: str, **marks: object) -> dict:
    """Return nbgrader's metadata of a cell."""
    base = {"grade": False, "solution": False, "locked": True, "schema_version": 3, "task": False}
    return {"nbgrader": {**base, "grade_id": name, **marks}}


def told(kind: str, name: str, task: str, code: str, hint: str = "", *tags: str) -> NotebookNode:
    """Return the cell of a mistake (it has a hint) or an alternative."""
    word, tag = ("Mistake", "mutant") if hint else ("Alternative", "alternative")
    said = f"\n\n**Hint:** {hint}" if hint else ""
    return new_markdown_cell(
        f"**{word}:** {name}{said}\n\n```python\n{code}\n```",
        id=kind,
        metadata={"tags": ["author-only", tag, f"for:answer-{task}", *tags]},
    )


def task(number: str, head: str, body: str, check: str, count: int) -> list[NotebookNode]:
    """Return the three cells of a task, as if executed."""
    answer = f"{head}\n    ### BEGIN SOLUTION\n    {body}\n    ### END SOLUTION"
    ticked = [new_output("stream", name="stdout", text=f"✓ Task {number}: correct\n")]
    return [
        new_markdown_cell(f"## Task {number}\n\nDo it.", id=f"task-{number}", metadata=marked(f"task-{number}")),
        new_code_cell(
            answer, id=f"answer-{number}", execution_count=count,
            metadata=marked(f"answer-{number}", solution=True, locked=False),
        ),
        new_code_cell(
            check, id=f"check-{number}", execution_count=count + 1, outputs=ticked,
            metadata={"jupyter": {"source_hidden": True}, **marked(f"check-{number}", grade=True, points=2)},
        ),
    ]  # fmt: skip


def good_solution() -> NotebookNode:
    """Return a small solution that keeps every rule and proves itself."""
    say = marked("say-1", grade=True, solution=True, locked=False, points=3)
    checklist = "- [ ] one\n- [ ] two\n- [ ] three\n\n<details><summary>A model answer</summary>\n\nSo.\n\n</details>"
    cells = [
        new_markdown_cell("# 00 · Exercise", id="title", metadata=marked("title")),
        *task("1", "def double(x):", "return 2 * x", FIRST, 1),
        told("mistake-1-1", "squared", "1", "return x * x", "that is the square."),
        told("mistake-1-2", "one more", "1", "return x + 1", "that is one more."),
        told("mistake-1-3", "nothing", "1", "return None", "take it twice."),
        told("mistake-1-4", "typed in", "1", "return 6", "take any number twice.", "hidden-only"),
        told("alternative-1-1", "added", "1", "return x + x"),
        *task("2", "def longest(texts):", "return max(texts, key=len)", SECOND, 3),
        told("mistake-2-1", "shortest", "2", "return min(texts, key=len)", "that is the shortest."),
        told("mistake-2-2", "length", "2", "return len(texts[0])", "the word is asked for, not its length."),
        told("mistake-2-3", "first", "2", "return texts[0]", "it need not be the first."),
        told("mistake-2-4", "no such name", "2", "return text", "your code raised NameError"),
        told("alternative-2-1", "sorted", "2", "return sorted(texts, key=len)[-1]"),
        new_markdown_cell("Because it is known.", id="say-1", metadata=say),
        new_markdown_cell(checklist, id="checklist-1", metadata=marked("checklist-1")),
    ]  # fmt: skip
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    return new_notebook(cells=cells, metadata={"kernelspec": kernel})


def exercise_from(solution: NotebookNode) -> NotebookNode:
    """Return the exercise of a solution, as nbgrader would make it."""
    cells = []
    for own in solution.cells:
        if has_tag(own, "author-only"):
            continue
        shown = nbformat.from_dict(own)
        if own.metadata.get("nbgrader", {}).get("solution"):
            written = own.cell_type == "markdown"
            shown.source = "*Your answer.*" if written else put_answer(own.source, STUB)
        else:
            shown.source = expected(own)
        if own.cell_type == "code":
            shown.update(outputs=[], execution_count=None)
        cells.append(shown)
    return new_notebook(cells=cells, metadata=solution.metadata)


def store_course(
    root: Path,
    spoil: Callable[[NotebookNode], object] = lambda solution: None,
    spoil_exercise: Callable[[NotebookNode], object] = lambda exercise: None,
    stem: str = STEM,
) -> Path:
    """Write a good solution, spoilt by `spoil`, and its exercise; return the solution's path."""
    solution = good_solution()
    spoil(solution)
    exercise = exercise_from(solution)
    spoil_exercise(exercise)
    for folder, notebook in (("exercises", exercise), ("solutions", solution)):
        path = root / folder / stem / f"{stem}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, path)
    return path


def replaces(name: str, old: str, new: str) -> Callable[[NotebookNode], None]:
    """Return a spoiler that replaces a text in the cell `name`; the text has to be there."""

    def spoil(notebook: NotebookNode) -> None:
        assert old in cell(notebook, name).source
        cell(notebook, name).source = cell(notebook, name).source.replace(old, new)

    return spoil
