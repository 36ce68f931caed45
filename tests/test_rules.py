"""The rules of a finished lesson: a good notebook keeps them all, each bad one is caught."""

import pytest
from miniature import ALT, PICTURE, cell, store
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

from helpers.course.authors.rules import RULES, findings
from helpers.course.runner.shelf import read_notebook


def shows(notebook, **output):
    cell(notebook, "look").outputs = [new_output("display_data", output)]


def says(notebook, text, name="look-intro"):
    cell(notebook, name).source = text


def tags(notebook, name, *names):
    cell(notebook, name).metadata["tags"] = list(names)


def shows_too(notebook, name, *names):
    cell(notebook, name).outputs.append(new_output("display_data", {"text/html": PICTURE}))
    cell(notebook, name).metadata.setdefault("tags", []).extend(names)


BAD = {
    "never executed": (
        "executed_in_order",
        lambda n: cell(n, "look").update(execution_count=None),
        "not 1 to 3",
    ),
    "executed out of order": (
        "executed_in_order",
        lambda n: cell(n, "look").update(execution_count=9),
        "[1, 9, 3]",
    ),
    "an error left in an output": (
        "no_errors_or_warnings",
        lambda n: cell(n, "look").update(
            outputs=[new_output("error", ename="KeyError", evalue="x", traceback=[])]
        ),
        "KeyError",
    ),
    "an announced error that does not come": (
        "no_errors_or_warnings",
        lambda n: tags(n, "look", "raises-exception"),
        "shows no error",
    ),
    "a warning on stderr": (
        "no_errors_or_warnings",
        lambda n: cell(n, "look").update(
            outputs=[new_output("stream", name="stderr", text="Warning")]
        ),
        "stderr",
    ),
    "a bare picture": (
        "pictures_have_alt_text",
        lambda n: shows(n, **{"image/png": "AAAA"}),
        "bare picture",
    ),
    "a bare picture beside one with a text": (
        "pictures_have_alt_text",
        lambda n: shows(n, **{"image/png": "AAAA", "text/html": PICTURE}),
        "bare picture",
    ),
    "a picture whose text is empty": (
        "pictures_have_alt_text",
        lambda n: shows(n, **{"text/html": PICTURE.replace(ALT, "")}),
        "too short a text: ''",
    ),
    "a picture without any alt attribute": (
        "pictures_have_alt_text",
        lambda n: shows(n, **{"text/html": '<img src="x">'}),
        "too short a text",
    ),
    "a Markdown picture without a text": (
        "pictures_have_alt_text",
        lambda n: says(n, "![](title.png)"),
        "cell look-intro",
    ),
    "two pictures, none of them for the index": (
        "one_headline_picture",
        lambda n: [shows_too(n, name) for name in ("look", "back")],
        "0 cells tagged headline-picture",
    ),
    "two pictures for the index": (
        "one_headline_picture",
        lambda n: [shows_too(n, name, "headline-picture") for name in ("look", "back")],
        "2 cells tagged headline-picture",
    ),
    "no picture for the index": (
        "one_headline_picture",
        lambda n: tags(n, "look", "headline-picture"),
        "shows no picture",
    ),
    "two titles": ("headings_in_steps", lambda n: says(n, "# Again"), "2 level-one headings"),
    "no title": ("headings_in_steps", lambda n: says(n, "Just words", "title"), "0 level-one"),
    "a heading that jumps": ("headings_in_steps", lambda n: says(n, "#### Deep"), "level-4"),
    "too large": (
        "small_enough",
        lambda n: shows(n, **{"text/plain": "x" * 600_000}),
        "500,000",
    ),
    "code without a sentence": (
        "prose_before_code",
        lambda n: n.cells.insert(
            4, new_code_cell("1", id="bare", execution_count=3)
        ),
        "3 of 4",
    ),
    "ends in code": ("prose_before_code", lambda n: n.cells.pop(), "end in words"),
    "a cell that does too much": (
        "short_cells",
        lambda n: cell(n, "look").update(source="\n".join(["1"] * 21)),
        "21 lines",
    ),
    "no parameters": ("one_parameters_cell", lambda n: tags(n, "parameters"), "0 cells"),
    "two parameters cells": (
        "one_parameters_cell",
        lambda n: tags(n, "look", "parameters"),
        "2 cells",
    ),
    "parameters not first": (
        "one_parameters_cell",
        lambda n: n.cells.insert(1, new_code_cell("1", id="early", execution_count=1)),
        "not the first",
    ),
    "a parameter without a comment": (
        "one_parameters_cell",
        lambda n: cell(n, "parameters").update(source="SEED = 7"),
        "SEED needs",
    ),
    "a computed parameter": (
        "one_parameters_cell",
        lambda n: cell(n, "parameters").update(source="SEED = 3 * 2  # seed"),
        "plain assignment",
    ),
    "a lesson that writes outside": (
        "one_parameters_cell",
        lambda n: cell(n, "parameters").update(source='RUNS_FOLDER = "../runs/x"  # where to'),
        "leads out of the folder of a run",
    ),
    "no way back": ("one_sends_back_cell", lambda n: tags(n, "back"), "0 cells"),
    "two ways back": ("one_sends_back_cell", lambda n: tags(n, "look", "sends-back"), "2 cells"),
    "a dead link": ("links_lead_somewhere", lambda n: says(n, "[x](no.ipynb)"), "no.ipynb"),
    "somebody's folder in an output": (
        "no_machine_paths",
        lambda n: shows(n, **{"text/plain": "/home/ana/telco.csv"}),
        "/home/",
    ),
    "a result typed into prose": (
        "digits_are_computed",
        lambda n: says(n, "The model reaches 0.845."),
        "0.845",
    ),
    "a percentage typed into prose": (
        "digits_are_computed",
        lambda n: says(n, "About 27 % leave."),
        "27 %",
    ),
    "a comparison in vain": (
        "nothing_computed_in_vain",
        lambda n: cell(n, "look").update(source="ROWS == 10\nprint(ROWS)"),
        "drops the answer",
    ),
}  # fmt: skip


def test_a_good_notebook_has_no_finding(tmp_path):
    assert findings(store(tmp_path)) == []


@pytest.mark.parametrize("case", BAD)
def test_each_bad_notebook_is_caught_by_its_own_rule(tmp_path, case):
    rule_name, spoil, words = BAD[case]
    path = store(tmp_path, spoil)
    assert any(words in finding for finding in findings(path)), findings(path)
    notebook = read_notebook(path)
    caught_by = [rule.__name__ for rule in RULES if list(rule(notebook, path))]
    assert rule_name in caught_by


def test_every_rule_has_a_bad_notebook_of_its_own():
    spoilt = {rule_name for rule_name, _, _ in BAD.values()} | {"stable_ids"}
    assert {rule.__name__ for rule in RULES} == spoilt


@pytest.mark.parametrize("spoilt", ['"id": "title",', ""])
@pytest.mark.filterwarnings("ignore")  # the notebook library mends ids in silence or with a warning
def test_two_cells_with_one_id_or_none_are_caught(tmp_path, spoilt):
    path = store(tmp_path)
    path.write_text(path.read_text().replace('"id": "look",', spoilt))
    assert any("without an id, or two with the same" in finding for finding in findings(path))


def test_a_file_that_is_no_notebook_is_a_finding(tmp_path):
    path = tmp_path / "00.ipynb"
    path.write_text("{}")
    assert "cannot be read as a notebook" in findings(path)[0]


def test_figures_in_code_and_versions_are_no_typed_results(tmp_path):
    path = store(tmp_path, lambda n: says(n, "Set `0.5`; licence Apache-2.0; see notebook 04."))
    assert findings(path) == []


def test_an_announced_error_is_allowed(tmp_path):
    def spoil(notebook):
        tags(notebook, "look", "raises-exception")
        cell(notebook, "look").outputs = [
            new_output("error", ename="ValueError", evalue="x", traceback=[])
        ]

    assert findings(store(tmp_path, spoil)) == []


def test_headings_inside_code_fences_do_not_count(tmp_path):
    path = store(tmp_path, lambda n: n.cells.insert(2, new_markdown_cell("```\n# no\n```", id="f")))
    assert not any("heading" in finding for finding in findings(path))
