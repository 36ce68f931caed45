"""Tiny notebooks for testing the tools: a good one, and ways to spoil it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

ALT = "A line that rises from left to right."
PICTURE = f'<figure><img alt="{ALT}" src="data:image/png;base64,AAAA"></figure>'


def good_notebook() -> NotebookNode:
    """Return a small notebook that keeps every rule, as if it had been executed."""
    cells = [
        new_markdown_cell("# 00 · A title\n\n**Does it hold?**", id="title"),
        new_code_cell(
            "SEED = 7  # where chance starts; from 0 to 99\nROWS = 10  # rows; --fast takes 2",
            id="parameters",
            execution_count=1,
            metadata={"tags": ["parameters"]},
        ),
        new_markdown_cell("## Look\n\nHow many rows are there?", id="look-intro"),
        new_code_cell(
            "print(ROWS)",
            id="look",
            execution_count=2,
            outputs=[new_output("stream", name="stdout", text="10\n")],
        ),
        new_markdown_cell("What would send us back?", id="back-intro"),
        new_code_cell(
            "ROWS > 5", id="back", execution_count=3, metadata={"tags": ["sends-back"]},
            outputs=[new_output("execute_result", {"text/plain": "True"}, execution_count=3)],
        ),
        new_markdown_cell("## Your turn", id="exercise"),
    ]  # fmt: skip
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    return new_notebook(cells=cells, metadata={"kernelspec": kernel})


def cell(notebook: NotebookNode, name: str) -> NotebookNode:
    """Return the cell with this id."""
    return next(cell for cell in notebook.cells if cell.id == name)


def store(
    folder: Path,
    spoil: Callable[[NotebookNode], object] = lambda notebook: None,
    stem: str = "00_the_lifecycle",
) -> Path:
    """Write a good notebook, spoilt by `spoil`, into `folder`; return its path."""
    notebook = good_notebook()
    spoil(notebook)
    path = folder / f"{stem}.ipynb"
    folder.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)
    return path


def with_code(source: str, name: str = "look") -> Callable[[NotebookNode], None]:
    """Return a spoiler that puts `source` into the code cell `name`."""

    def spoil(notebook: NotebookNode) -> None:
        cell(notebook, name).source = source

    return spoil
