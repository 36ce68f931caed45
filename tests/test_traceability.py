"""Every item of the curriculum is held by a section of a lesson, and by a test that can fail.

`traceability.csv` has one row an item: the lesson, a heading in it, and what proves it, separated by
blanks: `tests/FILE.py::test_name` for a test, `exercises/NAME#N` for the check of task N.
"""

import ast
import csv
import re
from functools import cache

import pytest
from conftest import ROOT

from helpers.course.runner.shelf import read_notebook

# The weakest form in which an item counts as held: D shown by code whose result a test asserts,
# E also an exercise with a check, W a question with a checked answer, T a tool named at its place.
FORMS = {
    "D": "2 4 19-22 27-39 45-58 61-73 85-87 100-105 107-110 114-122 132-134 138-145 148-154 156 158 160 162-170 173 174 176 178-180 198-202 171 172 182 183 208-222 234-243 244 245 247-249 251-253 255 256 276",
    "E": "3 7 8 26 40 41 43 60 74-84 88-90 112 113 123-131 135 136 146 147 203-207 223-232 246 250 254",
    "W": "1 5 6 9-18 23-25 42 44 59 106 111 137 155 157 159 161 177 233",
    "T": "91-99 184-197",
}  # fmt: skip
TOOLS = {
    91: ["pandas", "NumPy", "scikit-learn"], 92: ["Airflow"], 93: ["Luigi"], 94: ["Talend"],
    95: ["Snowflake"], 96: ["BigQuery"], 97: ["Redshift"], 98: ["Feast"], 99: ["Tecton"],
    184: ["TensorFlow Serving"], 185: ["TorchServe"], 186: ["MLflow"],
    187: ["Flask"], 188: ["FastAPI"], 189: ["Django"], 190: ["Docker"], 191: ["Kubernetes"],
    192: ["AWS SageMaker"], 193: ["Google AI Platform"], 194: ["Azure ML"],
    195: ["Prometheus"], 196: ["Grafana"], 197: ["DataDog"],
}  # fmt: skip


def numbers(text):
    """Return the numbers of "2 4 19-22"."""
    spans = [[*map(int, part.split("-"))] for part in text.split()]
    return [number for span in spans for number in range(span[0], span[-1] + 1)]


FORM = {number: form for form, text in FORMS.items() for number in numbers(text)}
ITEMS = sorted(FORM)  # of the lessons that are there


def read_rows(path):
    """Return the rows of a table of traces."""
    with open(path, newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@cache
def lesson(stem):
    """Return a stored lesson as heading -> text of its section, or None."""
    path = ROOT / "notebooks" / f"{stem}.ipynb"
    if not path.is_file():
        return None
    sections, heading = {}, ""
    for cell in read_notebook(path).cells:
        for line in cell.source.splitlines():
            if cell.cell_type == "markdown" and (found := re.match(r"#{1,6} (.+)", line)):
                heading = found.group(1).strip()
            sections[heading] = f"{sections.get(heading, '')}\n{line}"
    return sections


@cache
def functions_of(name):
    """Return the names of the functions of a test file."""
    path = ROOT / name
    tree = ast.parse(path.read_text(encoding="utf-8")) if path.is_file() else ast.Module([], [])
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@cache
def checks_of(name):
    """Return the ids of the cells of an exercise."""
    path = ROOT / "exercises" / name / f"{name}.ipynb"
    return {cell.id for cell in read_notebook(path).cells} if path.is_file() else set()


def problems_of(row):
    """Yield what is wrong with a row: where it points nowhere, or proves too little."""
    number = int(row["item"].removeprefix("S"))
    sections = lesson(row["notebook"])
    if sections is None or row["section"] not in sections:
        yield f"{row['notebook']} has no section {row['section']!r}"
    kinds = set()
    for place in row["test"].split():
        kind, exists = where(place)
        kinds.add(kind)
        if not exists:
            yield f"{place} does not exist"
    needed = {"D": {"test"}, "E": {"test", "check"}, "W": {"check"}, "T": {"test"}}[FORM[number]]
    if not needed <= kinds:
        yield f"an item of form {FORM[number]} needs a {' and a '.join(sorted(needed))}; it has {row['test'] or 'none'}"
    for tool in TOOLS.get(number, []):
        if sections and tool not in sections.get(row["section"], ""):
            yield f"the section {row['section']!r} does not name {tool}"


def where(place):
    """Return the kind of a proof ("test" or "check") and whether it is there."""
    if place.startswith("exercises/") and "#" in place:
        name, _, task = place.removeprefix("exercises/").partition("#")
        return "check", f"check-{task}" in checks_of(name)
    file, _, test = place.partition("::")
    return "test", test in functions_of(file)


def test_every_item_of_the_delivered_stages_has_exactly_one_row():
    items = [row["item"] for row in read_rows(ROOT / "tests" / "traceability.csv")]
    assert items == [f"S{number}" for number in ITEMS]
    assert set(range(1, 112)) <= set(ITEMS)


@pytest.mark.parametrize("number", ITEMS)
def test_an_item_is_held_where_its_row_says_and_as_strongly_as_it_must_be(number):
    rows = read_rows(ROOT / "tests" / "traceability.csv")
    found = [row for row in rows if row["item"] == f"S{number}"]
    assert [problem for row in found for problem in problems_of(row)] == []


GOOD = {
    "item": "S7", "notebook": "01b_what_a_decision_is_worth", "section": "The criterion",
    "test": "tests/test_problem.py::test_a_free_call_pays_for_everybody exercises/01b_what_a_decision_is_worth#1",
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"notebook": "01_nothing"}, "no section"),
        ({"section": "The criterium"}, "no section"),
        ({"test": "exercises/01b_what_a_decision_is_worth#1"}, "needs a check and a test"),
        ({"test": GOOD["test"].replace("#1", "#99")}, "does not exist"),
        ({"test": GOOD["test"].replace("free_call", "dear_call")}, "does not exist"),
        ({"test": ""}, "it has none"),
        ({"item": "S92", "test": GOOD["test"]}, "does not name Airflow"),
    ],
)
def test_a_row_that_points_nowhere_or_proves_too_little_is_found_out(change, problem):
    assert list(problems_of(GOOD)) == []
    assert problem in " ".join(problems_of({**GOOD, **change}))
