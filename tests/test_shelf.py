"""Finding and naming notebooks."""

import pytest
from miniature import store

from helpers.course import BadInput
from helpers.course.runner.shelf import (
    RETIRED,
    find_folder,
    pick_notebooks,
    question_of,
    read_notebook,
    title_of,
)


@pytest.fixture
def folder(tmp_path):
    for stem in ["00_the_lifecycle", "04a_churn_baseline", "04b_spend"]:
        store(tmp_path / "notebooks", stem=stem)
    return tmp_path / "notebooks"


@pytest.mark.parametrize(
    ("names", "stems"),
    [
        ([], ["00_the_lifecycle", "04a_churn_baseline", "04b_spend"]),
        (["04"], ["04a_churn_baseline", "04b_spend"]),
        (["04b", "00"], ["00_the_lifecycle", "04b_spend"]),
        (["notebooks/04a_churn_baseline.ipynb"], ["04a_churn_baseline"]),
    ],
)
def test_names_mean_notebooks_in_the_order_of_the_course(folder, names, stems, monkeypatch):
    monkeypatch.chdir(folder.parent)
    assert [path.stem for path in pick_notebooks(folder, names)] == stems


@pytest.mark.parametrize("name", ["05_nothing", "04a_churn_base_line", "", "*"])
def test_an_unknown_name_is_refused_with_a_hint(folder, name):
    with pytest.raises(
        BadInput, match=r"There is no notebook .*(Did you mean|python3 run.py list)"
    ):
        pick_notebooks(folder, [name])


@pytest.mark.parametrize(
    "name", ["04a_churn_models", "04a_churn_models.ipynb", "notebooks/04a_churn_models.ipynb"]
)
def test_a_retired_name_names_its_successor_as_long_as_it_is_not_there(folder, name, monkeypatch):
    monkeypatch.chdir(folder.parent)
    with pytest.raises(BadInput, match="^04a_churn_models was replaced by 04a_churn_baseline"):
        pick_notebooks(folder, [name])
    store(folder, stem="04a_churn_models")
    assert [path.stem for path in pick_notebooks(folder, [name])] == ["04a_churn_models"]


def test_every_retired_name_is_gone_and_its_successor_is_a_lesson_with_an_exercise(root):
    for old, new in RETIRED.items():
        for folder in ("notebooks", f"exercises/{old}", f"solutions/{old}"):
            assert not (root / folder / f"{old}.ipynb").exists()
        for folder in ("notebooks", f"exercises/{new}", f"solutions/{new}"):
            assert (root / folder / f"{new}.ipynb").is_file()


def test_the_folder_is_found_from_below_and_missed_from_nowhere(folder, tmp_path, monkeypatch):
    below = tmp_path / "notebooks" / "deep"
    below.mkdir()
    monkeypatch.chdir(below)
    assert find_folder() == folder
    with pytest.raises(BadInput, match=r"Notebooks \(\*.ipynb\) were expected"):
        find_folder(below)


def test_title_and_question_are_read_from_the_first_cell(folder):
    notebook = read_notebook(folder / "00_the_lifecycle.ipynb")
    assert title_of(notebook) == "00 · A title"
    assert question_of(notebook) == "Does it hold?"


def test_the_question_is_the_bold_sentence_that_ends_in_a_question_mark(tmp_path):
    def spoil(notebook):
        notebook.cells[0].source = "# T\n\nThe **E** of **ETL**. **Is it\ncomplete?** More."

    assert question_of(read_notebook(store(tmp_path, spoil))) == "Is it complete?"


@pytest.mark.parametrize("content", ["", "{}", "[]", "not json", '{"cells": 3, "nbformat": 4}'])
def test_a_broken_file_is_refused_in_one_line(tmp_path, content):
    path = tmp_path / "x.ipynb"
    path.write_text(content)
    with pytest.raises(BadInput, match="x.ipynb cannot be read as a notebook") as refused:
        read_notebook(path)
    assert "\n" not in str(refused.value)


def test_a_path_to_another_copy_is_not_taken_for_the_one_here(folder, tmp_path):
    other = store(tmp_path / "copy", stem="04a_churn_baseline")
    with pytest.raises(BadInput, match="is none of the 3 notebooks .* --notebooks"):
        pick_notebooks(folder, [str(other)])


def test_the_marks_of_a_merge_conflict_are_named(tmp_path):
    path = store(tmp_path)
    path.write_text(path.read_text().replace("[", "\n<<<<<<< HEAD\n[", 1))
    with pytest.raises(BadInput, match="marks of a merge conflict; resolve it"):
        read_notebook(path)
