"""On ordinary submissions our marks are those of nbgrader's own autograder."""

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from exercise_miniature import STEM, answered, hand_in, lay_out, release, right

from helpers.course.grading.grade import Grading, grade
from helpers.course.grading.sandbox import Limits, why_not

pytest.importorskip("nbgrader", reason="nbgrader is one of the authors' tools: setup --authors")
pytestmark = pytest.mark.slow

CONFIG = """
c = get_config()
c.CourseDirectory.source_directory = "solutions"
c.CourseDirectory.release_directory = "made"
c.CourseDirectory.submitted_directory = "handed_in"
c.CourseDirectory.autograded_directory = "graded"
c.ExecutePreprocessor.timeout = 60
"""
CLASS = {
    "right": right(),
    "untouched": release(),
    "wrong": right(total="total = 0", change="def change(a, b):\n    return b - a"),
    "hidden": right(dear="def dear(prices, above):\n    return [p for p in prices if p >= above]"),
    "half": answered(change="def change(paid, price):\n    return round(paid - price, 2)"),
    "stops": right(dear="raise ValueError('no')"),
}


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A course graded by nbgrader, and by us."""
    root = lay_out(tmp_path_factory.mktemp("course"))
    (root / "nbgrader_config.py").write_text(CONFIG)
    for student, notebook in CLASS.items():
        hand_in(root / "handed_in" / student, STEM, notebook)
        hand_in(root / "submissions", student, notebook)
    for words in (["generate_assignment", STEM], ["autograde", STEM]):
        _nbgrader(root, *words)
    return root


def _nbgrader(root, *words):
    """Run nbgrader as its users do."""
    home = str(Path(sys.executable).parent)
    environment = {**os.environ, "PATH": home + os.pathsep + os.environ["PATH"]}
    done = subprocess.run(
        [sys.executable, "-m", "nbgrader", *words], cwd=root, env=environment,
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]


def _marks_of_nbgrader(root):
    """Return student -> task -> points."""
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{root / 'gradebook.db'}") as book:
        found = {}
        for student in CLASS:
            submission = book.find_submission(STEM, student)
            grades = [grade for notebook in submission.notebooks for grade in notebook.grades]
            found[student] = {grade.name: grade.score for grade in grades}
        return found


def test_what_students_get_is_what_nbgrader_generates(course):
    made = nbformat.read(course / "made" / STEM / f"{STEM}.ipynb", 4)
    ours = release()
    assert [c.source.strip() for c in made.cells if c.id != "note"] == [
        c.source for c in ours.cells
    ]


def test_the_marks_are_the_same(course):
    sandboxed = not why_not()
    limits = Limits()
    results = grade(course / "submissions", Grading(course, course / "marks", limits, sandboxed, 2))
    ours = {result.student: result.points for result in results}
    assert ours == _marks_of_nbgrader(course)
    assert ours["right"] == {"check-change": 2, "check-dear": 3, "check-total": 1}
    assert sum(ours["untouched"].values()) == 0
