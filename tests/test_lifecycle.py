"""`helpers.lifecycle`: five stages, and every cause reopens one of them."""

from pathlib import Path

import pytest

from helpers.lifecycle import Cause, Finding, Stage, Trigger, sends_back

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"


def test_there_are_five_stages_in_the_order_of_the_course():
    assert [(stage.value, stage.title) for stage in Stage] == [
        (1, "Problem Definition"),
        (2, "Data Collection"),
        (3, "Data Preparation"),
        (4, "Model Development & Evaluation"),
        (5, "Model Deployment"),
    ]


@pytest.mark.parametrize("stage", Stage)
def test_a_stage_names_a_notebook_that_exists_and_bears_its_number(stage):
    assert (NOTEBOOKS / f"{stage.notebook}.ipynb").is_file()
    assert stage.notebook.startswith(f"0{stage.value}")


@pytest.mark.parametrize("cause", Cause)
def test_each_cause_reopens_one_stage(cause):
    assert isinstance(cause.reopens, Stage)


def test_each_stage_is_reopened_by_some_cause():
    assert {cause.reopens for cause in Cause} == set(Stage)


@pytest.mark.parametrize("trigger", Trigger)
def test_a_trigger_lists_causes_each_once(trigger):
    assert trigger.causes
    assert len(set(trigger.causes)) == len(trigger.causes)
    assert all(isinstance(cause, Cause) for cause in trigger.causes)


def test_each_cause_can_be_found_from_some_trigger():
    assert {cause for trigger in Trigger for cause in trigger.causes} == set(Cause)


def test_a_drop_in_performance_has_causes_in_all_five_stages():
    # The lesson of the course: the alarm alone does not say where to look.
    assert {cause.reopens for cause in Trigger.PERFORMANCE_DROP.causes} == set(Stage)


def test_findings_become_a_table_in_their_order():
    table = sends_back(
        Finding("spellings differ", Cause.DATA_QUALITY, seen=True),
        Finding("the file is short", Cause.DATA_INSUFFICIENT, seen=False),
    )
    assert table.to_dict("list") == {
        "finding": ["spellings differ", "the file is short"],
        "seen here": ["yes", "no"],
        "reopen": ["3 · Data Preparation", "2 · Data Collection"],
        "notebook": ["03a_clean", "02a_databases_and_services"],
    }


def test_a_stage_without_findings_is_refused():
    with pytest.raises(ValueError, match="at least one Finding: name what would reopen a stage"):
        sends_back()


def test_a_question_for_people_is_neither_seen_nor_unseen():
    findings = [Finding("x", Cause.DATA_QUALITY, seen) for seen in (True, False, None)]
    assert sends_back(*findings)["seen here"].tolist() == ["yes", "no", "ask"]
