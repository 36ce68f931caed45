"""The count of the lessons' claims over seeds: what is a case, what is counted, and a lesson for real."""

import conftest
import pytest
from benchmarks import claims
from defusedxml.ElementTree import fromstring

CASE = """<testcase classname="tests.test_lesson_04f_segments" name="test_the_unit_decides[7-many]">
<properties><property name="seed" value="7"/></properties>{}</testcase>"""


@pytest.mark.parametrize(
    ("inside", "held"), [("", True), ("<failure/>", False), ("<error/>", False)]
)
def test_a_case_is_a_claim_on_a_seed(inside, held):
    case = claims.case_of(fromstring(CASE.format(inside)))
    assert case == {
        "lesson": "04f_segments",
        "claim": "the unit decides",
        "seed": "7",
        "held": held,
    }


def test_what_was_skipped_or_has_no_seed_is_no_case():
    assert claims.case_of(fromstring(CASE.format("<skipped/>"))) is None
    assert claims.case_of(fromstring("<testcase classname='a' name='test_b[3]'/>")) is None


def test_a_claim_that_fails_names_its_seeds():
    cases = [{"lesson": "04a", "claim": "it pays", "seed": seed, "held": seed not in "68"} for seed in "678"]  # fmt: skip
    [row] = claims.claims_of(cases).to_dict("records")
    assert (row["seeds"], row["held"], row["failed on"]) == (3, 1, "6 8")


@pytest.mark.parametrize(("text", "seeds"), [("1-3", [1, 2, 3]), ("7", [7]), ("3, 57-58 9", [3, 57, 58, 9])])  # fmt: skip
def test_seeds_are_asked_for_by_name(monkeypatch, text, seeds):
    monkeypatch.setenv("LIFECYCLE_SEEDS", text)
    assert conftest.seeds_asked() == seeds


def test_three_seeds_are_taken_where_none_is_named(monkeypatch):
    monkeypatch.delenv("LIFECYCLE_SEEDS")
    first, second, third = conftest.seeds_asked()
    assert (second, third) == (first + 1, first + 2)
    assert first > 100  # the authors look at 1 to 20


@pytest.mark.slow
def test_a_lesson_is_run_on_the_seeds_that_are_named(root):
    cases = claims.cases_of("31-32", [root / "tests" / "test_lesson_05e.py"])
    assert {case["seed"] for case in cases} == {"31", "32"}
    assert {case["lesson"] for case in cases} == {"05e"}
