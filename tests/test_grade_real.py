"""The released exercises can be graded: each solution has full marks, each untouched one none."""

import shutil

import nbformat
import pytest

from helpers.course.grading.grade import Grading, grade
from helpers.course.grading.sandbox import Limits, why_not
from helpers.course.grading.tasks import read_exercise, released
from helpers.course.runner.shelf import read_notebook
from helpers.worlds import Operator
from helpers.worlds.sources import Sources


@pytest.mark.slow
@pytest.mark.skipif(bool(why_not()), reason=why_not() or "there is a sandbox")
def test_each_solution_passes_as_submissions_do_and_an_untouched_exercise_gets_nothing(
    root, tmp_path
):
    stems = released(root)
    if not stems:
        pytest.skip("no exercise is released yet")
    for stem in stems:
        (tmp_path / "subs" / "blank").mkdir(parents=True, exist_ok=True)
        shutil.copy(root / "exercises" / stem / f"{stem}.ipynb", tmp_path / "subs" / "blank")
    # That each solution has full marks is what grading itself asks for first.
    results = grade(tmp_path / "subs", Grading(root, tmp_path / "marks", Limits(), jobs=2))
    assert [result.stem for result in sorted(results, key=lambda r: r.stem)] == stems
    for result in results:
        assert result.graded
        assert result.total == 0
        assert result.of == read_exercise(root, result.stem).points > 0
        assert result.look == []


@pytest.mark.slow
@pytest.mark.skipif(bool(why_not()), reason=why_not() or "there is a sandbox")
def test_in_worlds_of_their_own_students_pass_with_answers_but_not_with_a_neighbours_figures(
    root, tmp_path
):
    stem, secret = "02a_databases_and_services", b"a secret of 22 letters"
    solution = read_notebook(root / "solutions" / stem / f"{stem}.ipynb")
    right = {cell.id: cell.source for cell in solution.cells if cell.id.startswith("answer-")}
    neighbour = Sources(Operator(subscribers=40, seed=7), tmp_path / "neighbour", months=1)
    neighbour.lay_down()
    rows = int(neighbour.overview().set_index("source").loc["usage", "rows"])
    typed = f"    return [dict(usage_id=one) for one in range({rows})]\n"
    copied = right["answer-2"].replace("    rows = []\n", f"{typed}    rows = []\n", 1)
    for student, last in {"ana": right["answer-2"], "ben": copied}.items():
        handed_in = read_notebook(root / "exercises" / stem / f"{stem}.ipynb")
        for cell in handed_in.cells:
            cell.source = {**right, "answer-2": last}.get(cell.id, cell.source)
        folder = tmp_path / "subs" / student
        folder.mkdir(parents=True)
        nbformat.write(handed_in, folder / f"{stem}.ipynb")
    how = Grading(root, tmp_path / "marks", Limits(), jobs=2, secret=secret)
    marks = {result.student: result for result in grade(tmp_path / "subs", how) if result.graded}
    assert marks["ana"].total == marks["ana"].of
    assert marks["ben"].total == marks["ben"].of - 2, "task 2 has two points"
