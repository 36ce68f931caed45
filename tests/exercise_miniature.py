"""A tiny exercise in nbgrader's format, built in code: its solution, its release, and answers."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

STEM = "04a_small_change"
SECRET = "the-hidden-vinegar"  # a word of every hidden test; no page may hold it

PARAMETERS = "SEED = 7  # where chance starts; from 0 to 999_999"
SETUP = "import random\n\nprices = [random.Random(SEED + i).randint(1, 50) for i in range(20)]"
RIGHT = {
    "change": "def change(paid, price):\n    return round(paid - price, 2)",
    "dear": "def dear(prices, above):\n    return [price for price in prices if price > above]",
    "total": "total = sum(prices)",
}
STUBS = {
    "change": "def change(paid, price):\n    # YOUR CODE HERE\n    raise NotImplementedError()",
    "dear": "def dear(prices, above):\n    # YOUR CODE HERE\n    raise NotImplementedError()",
    "total": "# YOUR CODE HERE\nraise NotImplementedError()",
}
CHECKS = {
    "change": """# Check task 1: run this cell
from helpers.practice import check

with check("1") as c:
    c.equal(c.call(change, 10, 4), 6, "Take the price from what was paid.")
    ### BEGIN HIDDEN TESTS
    # {secret}
    c.close(c.call(change, 0.3, 0.1), 0.2, "{secret}: cents are not lost.")
    c.equal(c.call(change, 1234.5, 1234.5), 0, "{secret}: nothing is left.")
    ### END HIDDEN TESTS""",
    "dear": """# Check task 2: run this cell
from helpers.practice import check

with check("2") as c:
    c.equal(c.call(dear, [1, 5, 9], 4), [5, 9], "Keep the prices above the bound.")
    ### BEGIN HIDDEN TESTS
    c.equal(c.call(dear, [4771, 4772], 4771), [4772], "{secret}: the bound itself is not above it.")
    MARKS_SEED = 3
    c.equal(c.call(dear, [MARKS_SEED, 2_000_000], 2), [MARKS_SEED, 2_000_000], "{secret}: both.")
    ### END HIDDEN TESTS""",
    "total": """# Check task 3: run this cell
from helpers.practice import check

with check("3") as c:
    c.equal(total, sum(prices), "Add up all prices.")""",
}
POINTS = {"change": 2, "dear": 3, "total": 1}


def marked(name: str, **marks: object) -> dict:
    """Return nbgrader's metadata of a cell."""
    base = {"grade": False, "solution": False, "locked": True, "schema_version": 3, "task": False}
    return {"nbgrader": {**base, "grade_id": name, **marks}}


def solution() -> NotebookNode:
    """Return the solution: answers in marks, hidden tests, an author's note."""
    cells = [
        new_markdown_cell("# Small change", id="title", metadata=marked("title")),
        new_code_cell(
            PARAMETERS, id="parameters", metadata={**marked("parameters"), "tags": ["parameters"]}
        ),
        new_code_cell(SETUP, id="setup", metadata=marked("setup")),
    ]
    for number, name in enumerate(RIGHT, start=1):
        cells += [
            new_markdown_cell(f"## Task {number}", id=f"task-{name}", metadata=marked(f"task-{name}")),
            new_code_cell(
                _marked_solution(name), id=f"answer-{name}",
                metadata=marked(f"answer-{name}", solution=True, locked=False),
            ),
            new_code_cell(
                CHECKS[name].replace("{secret}", SECRET), id=f"check-{name}",
                metadata=marked(f"check-{name}", grade=True, points=POINTS[name]),
            ),
        ]  # fmt: skip
    cells.append(
        new_markdown_cell("wrong on purpose", id="note", metadata={"tags": ["author-only"]})
    )
    return _notebook(cells)


def _marked_solution(name):
    """Return the right answer between nbgrader's marks."""
    head, _, body = RIGHT[name].rpartition("\n")
    indent = "    " if head else ""
    marks = [f"{indent}### BEGIN SOLUTION", body, f"{indent}### END SOLUTION"]
    return "\n".join([head, *marks] if head else marks)


def _notebook(cells):
    """Return a Python notebook."""
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    return new_notebook(cells=cells, metadata={"kernelspec": kernel})


def release() -> NotebookNode:
    """Return the solution as nbgrader's generator would hand it out."""
    from helpers.course.grading.tasks import visible

    notebook = solution()
    notebook.cells = [cell for cell in notebook.cells if cell.id != "note"]
    for cell in notebook.cells:
        name = cell.id.partition("-")[2]
        if cell.id.startswith("answer-"):
            cell.source = STUBS[name]
        elif cell.id.startswith("check-"):
            cell.source = visible(cell.source).rstrip()
    return notebook


def lay_out(root: Path, stem: str = STEM) -> Path:
    """Write solution and release below `root`; return `root`."""
    for folder, notebook in (("solutions", solution()), ("exercises", release())):
        write(root / folder / stem / f"{stem}.ipynb", notebook)
    return root


def write(path: Path, notebook: NotebookNode) -> Path:
    """Store a notebook."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8")
    return path


def answered(**answers: str) -> NotebookNode:
    """Return the released notebook with these answers; a name left out stays untouched."""
    notebook = release()
    for cell in notebook.cells:
        kind, _, name = cell.id.partition("-")
        if kind == "answer" and name in answers:
            cell.source = answers[name]
    return notebook


def right(**instead: str) -> NotebookNode:
    """Return the released notebook with right answers, but for those given."""
    return answered(**{**RIGHT, **instead})


def hand_in(folder: Path, student: str, notebook: NotebookNode | str | bytes, stem: str = STEM) -> Path:  # fmt: skip
    """Lay a student's notebook, or whatever they handed in, into a folder of submissions."""
    path = folder / student / f"{stem}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(notebook, NotebookNode):
        notebook = json.dumps(notebook)
    data = notebook.encode() if isinstance(notebook, str) else notebook
    path.write_bytes(data)
    return path
