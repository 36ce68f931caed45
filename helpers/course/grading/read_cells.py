"""A notebook from bytes that may be anything: its cells as plain text, or why there are none."""

from __future__ import annotations

import json
from typing import Any


def read_cells(data: bytes) -> tuple[list[dict[str, Any]], str, str]:
    """Read a notebook from bytes that may be anything.

    Returns
    -------
    Its cells (`type`, `id`, `grade_id`, `source`), its language, and why it cannot be read.

    Examples
    --------
    >>> read_cells(b"{}")[2]
    'It is no notebook: a list of cells was expected, but there is none.'
    >>> read_cells(b"")[2]
    'The file is empty.'
    """
    if not data.strip():
        return [], "", "The file is empty."
    try:
        notebook = json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        return [], "", f"It is not UTF-8 text (byte {error.start:,}): save it in JupyterLab."
    except (ValueError, RecursionError) as error:
        return [], "", f"It is no whole notebook ({str(error)[:80]}): save it and hand it in again."
    cells = notebook.get("cells") if isinstance(notebook, dict) else None
    if not isinstance(cells, list):
        return [], "", "It is no notebook: a list of cells was expected, but there is none."
    kernel = _dict(_dict(notebook.get("metadata")).get("kernelspec"))
    info = _dict(_dict(notebook.get("metadata")).get("language_info"))
    language = str(kernel.get("language") or info.get("name") or "").lower()
    return [_plain(cell) for cell in cells if isinstance(cell, dict)], language, ""


def _dict(value):
    """Return a dict, whatever came."""
    return value if isinstance(value, dict) else {}


def _plain(cell):
    """Return what grading needs of a cell, each part a text."""
    source = cell.get("source", "")
    lines = source if isinstance(source, list) else [source]
    marks = _dict(_dict(cell.get("metadata")).get("nbgrader"))
    return {
        "type": str(cell.get("cell_type", "")),
        "id": str(cell.get("id", "")),
        "grade_id": str(marks.get("grade_id", "")),
        "source": printable("".join(line for line in lines if isinstance(line, str))),
    }


def printable(text: str) -> str:
    """Return text that can be stored as UTF-8.

    Examples
    --------
    >>> printable("a\\ud800")
    'a\\\\ud800'
    """
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
