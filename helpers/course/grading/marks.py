"""Marks as tables: one row a student and exercise, safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from helpers.files import sha256_of, write_whole

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


@dataclass
class Result:
    """What came of one submission.

    Attributes
    ----------
    student, stem, file : whose, of which exercise, where it was found.
    graded : whether there are marks.
    points : grade_id -> points given, in the order of the exercise; empty when not graded.
    of : the most that the checks give.
    by_hand : how many answers a person has to read.
    look : what needs a look, one sentence each.
    notes : what was odd and put right.
    seed : of the student's own world; None when everybody has the same.
    seconds : what examining took.
    tasks, cells, answers, texts : for the feedback page.
    fingerprint : of all that decides the marks.
    """

    student: str
    stem: str
    file: str
    graded: bool = False
    points: dict[str, float] = field(default_factory=dict)
    of: float = 0
    by_hand: int = 0
    look: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    seed: int | None = None
    seconds: float = 0
    tasks: dict[str, dict[str, str]] = field(default_factory=dict)
    cells: dict[str, dict[str, Any]] = field(default_factory=dict)
    answers: dict[str, str] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    fingerprint: str = ""

    @property
    def total(self) -> float:
        """Sum of the points."""
        return sum(self.points.values())

    @property
    def status(self) -> str:
        """`graded`, or `not graded` and why."""
        why = self.look[0][:1].lower() + self.look[0][1:].rstrip(".") if self.look else "not yet"
        return "graded" if self.graded else f"not graded: {why}"


def file_name(student: str) -> str:
    """Return a name that any disk takes for whatever a student is called; no two share one.

    Examples
    --------
    >>> file_name("ana"), file_name("../=1+1")
    ('ana', '%2e.%2f%3d1%2b1')
    """
    safe = re.sub(
        r"[^\w.-]|^\.", lambda m: "".join(f"%{b:02x}" for b in m.group().encode()), student
    )
    return safe if len(safe) <= 100 else f"{safe[:80]}-{sha256_of(student)[:12]}"


def neutral(text: object) -> str:
    """Return text that no spreadsheet takes for a formula.

    Examples
    --------
    >>> neutral("=HYPERLINK(1)"), neutral("ana"), neutral(-2.5)
    ("'=HYPERLINK(1)", 'ana', '-2.5')
    """
    if isinstance(text, int | float):
        return f"{text:g}"
    text = str(text)
    if text[:1] not in _FORMULA:
        text = "".join(sign if sign.isprintable() else " " for sign in text)
    return f"'{text}" if text.startswith(_FORMULA) or text.lstrip().startswith(_FORMULA) else text


def write_marks(results: list[Result], path: Path) -> Path:
    """Write `marks.csv`: student, exercise, status, total, of, by_hand, then a column a task.

    Marks of a submission that could not be graded are left empty, not zero.
    """
    tasks = list(dict.fromkeys(task for r in _sorted(results) for task in r.points))
    rows = [["student", "exercise", "status", "total", "of", "by_hand", *tasks]]
    for one in _sorted(results):
        total = one.total if one.graded else ""
        given = [one.points.get(task, "") for task in tasks]
        rows.append([one.student, one.stem, one.status, total, one.of, one.by_hand, *given])
    return write_whole(path, _csv(rows))


def write_report(results: list[Result], folder: Path) -> None:
    """Write `report.csv` and `report.json`: what happened to each submission."""
    rows = [["student", "exercise", "file", "status", "total", "of", "look", "notes"]]
    for one in _sorted(results):
        total = one.total if one.graded else ""
        look, notes = " ".join(one.look), " ".join(one.notes)
        rows.append([one.student, one.stem, one.file, one.status, total, one.of, look, notes])
    write_whole(folder / "report.csv", _csv(rows))
    private = {"tasks", "cells", "answers", "texts", "fingerprint"}
    listed = [
        {k: v for k, v in asdict(one).items() if k not in private} for one in _sorted(results)
    ]
    write_whole(folder / "report.json", json.dumps(listed, indent=1, ensure_ascii=False) + "\n")


def _sorted(results):
    """Return the results in the order of the tables."""
    return sorted(results, key=lambda one: (one.stem, one.student, one.file))


def _csv(rows):
    """Return rows as CSV text, each cell neutral."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([[neutral(c) for c in row] for row in rows])
    return text.getvalue()


def kept_result(path: Path, fingerprint: str) -> Result | None:
    """Return the result noted at `path`, if it is of the very same submission and exercise."""
    try:
        result = Result(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    return result if result.fingerprint == fingerprint else None


def keep_result(path: Path, result: Result) -> None:
    """Note a result at `path`, whole."""
    write_whole(path, json.dumps(asdict(result), ensure_ascii=True) + "\n")
