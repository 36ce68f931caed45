"""One page of feedback for a student and an exercise: their answers, what the checks said."""

from __future__ import annotations

import functools
import re
from pathlib import Path

from helpers.course.grading.marks import Result, file_name
from helpers.course.grading.tasks import Exercise
from helpers.files import write_whole

TEMPLATES = Path(__file__).parents[1] / "templates"
_SIGNS = {"passed": "✓", "not attempted": "·"}
_LONGEST = 4_000


def write_feedback(result: Result, exercise: Exercise | None, folder: Path) -> Path:
    """Write the page of one result; it needs no network and holds no script.

    Only the submission, the tasks' headings and the words of the visible checks are on it: they
    were written before any hidden test ran.

    Parameters
    ----------
    result : of a submission.
    exercise : None when the submission could not be told.
    folder : where the pages of all students are.

    Returns
    -------
    The path of the page.
    """
    tasks = _tasks(result, exercise) if exercise and result.graded else []
    css = (TEMPLATES / "style.css").read_text(encoding="utf-8")
    page = _template().render(result=result, tasks=tasks, css=css)
    return write_whole(
        folder / file_name(result.student) / f"{result.stem or 'unknown'}.html", page
    )


@functools.cache
def _template():
    """Return the template of a page; everything put into it is escaped."""
    from jinja2 import Environment, FileSystemLoader

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("feedback.html")


def _tasks(result, exercise):
    """Return what the page says of each task."""
    tasks, heading, open_task = [], "", _empty("")
    for cell in exercise.cells:
        if cell.kind == "text":
            heading = _heading(cell.source) or heading
        elif cell.kind == "answer":
            open_task = _empty(heading or cell.grade_id)
            ran = result.cells.get(cell.id, {})
            open_task |= {
                "answer": result.answers.get(cell.id, ""),
                "printed": _shorter(ran.get("text", "")),
                "error": ran.get("error", ""),
            }
        elif cell.kind == "check":
            found = result.tasks.get(cell.grade_id, {})
            outcome = found.get("outcome", "")
            open_task |= {
                "heading": open_task["heading"] or heading or cell.grade_id,
                "points": result.points.get(cell.grade_id, 0),
                "of": cell.points,
                "outcome": outcome,
                "said": found.get("said", "").lstrip("✗· "),
                "sign": _SIGNS.get(outcome, "✗"),
            }
            tasks.append(open_task)
            open_task = _empty("")
        elif cell.kind == "manual":
            text = {
                "answer": result.texts.get(cell.id, ""),
                "of": cell.points,
                "outcome": "by hand",
            }
            tasks.append(_empty(heading) | text | {"said": "Read by a person.", "sign": "·"})
    return tasks


def _empty(heading):
    """Return a task of which nothing is known."""
    return {"heading": heading, "answer": "", "printed": "", "error": "", "points": None}


def _heading(source):
    """Return the first heading of a Markdown cell."""
    found = re.search(r"^#{1,6} +(.+)$", source, flags=re.MULTILINE)
    return found.group(1).strip() if found else ""


def _shorter(text):
    """Return the beginning of a long text."""
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "\n... (more was printed)"
