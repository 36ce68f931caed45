"""Parameters: read from the notebook, checked before a kernel starts."""

import pytest
from conftest import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from miniature import cell, good_notebook

from helpers.course import BadInput
from helpers.course.runner.parameters import Parameter, choose_values, read_parameters, read_value

SOURCE = """\
SEED = 7  # where chance starts; from 0 to 999_999
ROWS = 4_000  # rows; from 1_000 to 50_000; --fast takes 1_000
SHARE = 0.25  # a share; from 0.05 to 0.5
LOUD = True  # say more
NAME = "a#b"  # a name
TELCO_CSV = ""  # a path
BANDS = [1, 2]  # edges
"""


@pytest.fixture
def parameters():
    notebook = good_notebook()
    cell(notebook, "parameters").source = SOURCE
    return read_parameters(notebook, "00")


def choose(parameters, *given, fast=False):
    return choose_values({"00": parameters}, list(given), fast)["00"]


def test_every_line_becomes_a_parameter_with_bounds_and_fast_value(parameters):
    assert list(parameters) == ["SEED", "ROWS", "SHARE", "LOUD", "NAME", "TELCO_CSV", "BANDS"]
    rows = parameters["ROWS"]
    assert (rows.default, rows.low, rows.high, rows.fast) == (4000, 1000, 50_000, 1000)
    assert parameters["NAME"].default == "a#b"
    assert parameters["NAME"].help == "a name"


def test_nothing_given_changes_nothing(parameters):
    assert choose(parameters) == {}


def test_fast_takes_the_smaller_values_and_a_given_one_wins(parameters):
    assert choose(parameters, fast=True) == {"ROWS": 1000}
    assert choose(parameters, ("ROWS", "2000"), fast=True) == {"ROWS": 2000}


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("SEED", "0", 0),
        ("SEED", "1_0", 10),
        ("SHARE", "0.5", 0.5),
        ("LOUD", "false", False),
        ("LOUD", "True", True),
        ("NAME", "true", "true"),
        ("BANDS", "[3, 4]", [3, 4]),
    ],
)
def test_text_becomes_a_value_of_the_defaults_type(parameters, name, text, value):
    chosen = choose(parameters, (name, text))
    assert chosen == {name: value}
    assert type(chosen[name]) is type(value)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("SEED", "seven", "takes a whole number; got 'seven'"),
        ("SEED", "1.5", "takes a whole number"),
        ("SEED", "-1", "goes from 0 to 999,999; got -1"),
        ("SHARE", "nan", "takes a number"),
        ("SHARE", "inf", "takes a number"),
        ("SHARE", "20", "goes from 0.05 to 0.5"),
        ("LOUD", "yes", "takes True or False"),
        ("BANDS", "(1, 2)", "takes a list"),
        ("BANDS", "__import__('os')", "takes a list"),
    ],
)
def test_a_wrong_value_is_refused_with_an_example(parameters, name, text, words):
    with pytest.raises(BadInput) as refused:
        choose(parameters, (name, text))
    assert words in str(refused.value)
    assert f"-p {name} " in str(refused.value)


def test_an_unknown_name_is_refused_with_the_nearest_and_all_known(parameters):
    with pytest.raises(BadInput, match="no parameter SEDE. Did you mean SEED"):
        choose(parameters, ("SEDE", "1"))


def test_a_name_goes_to_every_notebook_that_has_it_and_to_no_other(parameters):
    other = {"SEED": parameters["SEED"]}
    chosen = choose_values({"a": parameters, "b": other}, [("ROWS", "2000")], fast=False)
    assert chosen == {"a": {"ROWS": 2000}, "b": {}}


def test_a_path_is_taken_from_where_the_command_was_typed(parameters, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert choose(parameters, ("TELCO_CSV", "x.csv"))["TELCO_CSV"] == str(tmp_path / "x.csv")
    assert choose(parameters, ("TELCO_CSV", ""))["TELCO_CSV"] == ""


@settings(max_examples=examples(200))
@given(st.text(max_size=12), st.sampled_from([7, 0.5, True, "x", [1], {"a": 1}]))
def test_any_text_gives_the_right_type_or_one_clear_refusal(text, default):
    try:
        value = read_value(Parameter("P", default, ""), text, "00")
    except BadInput as refused:
        assert "\n-p" not in str(refused)
        assert "Type for example" in str(refused)
    else:
        assert type(value) is type(default)
