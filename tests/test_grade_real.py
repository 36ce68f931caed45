"""The released exercises can be graded: each solution has full marks, each untouched one none."""

import shutil

import pytest

from helpers.course.grading.grade import Grading, grade
from helpers.course.grading.sandbox import Limits, why_not
from helpers.course.grading.tasks import read_exercise, released


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
