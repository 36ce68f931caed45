"""`helpers.etl.quality`: five scores, each counted by hand on a table one can read."""

import math

import pandas as pd
import pytest

from helpers.etl.quality import (
    Promise,
    completeness,
    enough_by_segment,
    gain,
    is_filled,
    score_table,
    scores,
    timeliness,
    uniqueness,
    validity,
)

FORMS = pd.DataFrame(
    {
        "entry_id": ["1", "2", "2", "3"],
        "topic": ["billing", "", "Billing", None],
        "on": ["2024-12-01", "2024-12-01", "2024-12-01", "2024-12-03"],
    }
)
KNOWN = {"topic": lambda topic: topic.isin(["billing", "network"])}
PROMISE = Promise("entry_id", ["entry_id", "topic"], KNOWN, "on", "1D")


def test_blanks_and_gaps_hold_nothing_and_zero_and_no_hold_something():
    values = pd.Series(["x", " \t", "", None, float("nan"), 0, False, "no"], dtype=object)
    assert is_filled(values).tolist() == [True, False, False, False, False, True, True, True]


def test_the_scores_are_those_counted_by_hand():
    found = scores(FORMS, PROMISE, "2024-12-01", "2024-12-05", pd.Series([True, False, None, True]))
    # Of 8 cells 6 are filled; of 2 topics 1 is agreed; 1 of 4 rows repeats; 2 of 4 days brought one.
    assert found == {
        "rows": 4,
        "complete": 6 / 8,
        "valid": 1 / 2,
        "unique": 3 / 4,
        "timely": 2 / 4,
        "consistent": pytest.approx(2 / 3),
    }


def test_what_cannot_be_counted_has_no_score():
    found = scores(FORMS, Promise("entry_id", ["topic"]), "2024-12-01", "2024-12-05")
    assert [name for name, score in found.items() if math.isnan(score)] == ["valid", "timely", "consistent"]  # fmt: skip


def test_each_sender_has_to_send():
    table = pd.DataFrame({"at": pd.to_datetime(["2024-12-01", "2024-12-02", "2024-12-01"]), "by": ["a", "a", "b"]})  # fmt: skip
    asked = ("1D", "2024-12-01", "2024-12-03")
    assert timeliness(table["at"], *asked) == 1.0
    assert timeliness(table["at"], *asked, by=table["by"]) == 3 / 4


def test_a_row_without_a_sender_makes_no_share_of_more_than_all():
    table = pd.DataFrame({"at": pd.to_datetime(["2024-12-01"] * 2), "by": ["a", None]})
    assert timeliness(table["at"], "1D", "2024-12-01", "2024-12-02", by=table["by"]) == 1.0


def test_moments_with_a_zone_count_in_utc():
    on = ["2024-12-01T23:30:00-02:00", "2024-12-01T12:00:00Z", "2024-12-02T10:00:00"]
    found = scores(FORMS.head(3).assign(on=on), PROMISE, "2024-12-01", "2024-12-03")
    assert found["timely"] == 1.0
    at = pd.to_datetime(pd.Series(on), format="ISO8601", utc=True)
    assert timeliness(at, "1D", "2024-12-01", "2024-12-05") == 2 / 4


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # what another test left open
@pytest.mark.filterwarnings("error")
def test_a_source_without_rows_has_no_score_and_breaks_no_table():
    empty = scores(FORMS.head(0), PROMISE, "2024-12-01", "2024-12-05")
    assert [name for name, score in empty.items() if math.isnan(score)] == ["complete", "valid", "unique", "consistent"]  # fmt: skip
    nothing = {"rows": 0, **dict.fromkeys(list(empty)[1:], float("nan"))}
    table = score_table({"empty": empty, "nothing": nothing})
    assert table["weakest"].to_dict() == {"empty": "timely", "nothing": "none"}


def test_rows_outside_the_span_and_without_a_time_fill_no_hole():
    at = pd.to_datetime(pd.Series(["2024-11-30", "2024-12-05", None, "2024-12-01"]))
    assert timeliness(at, "1D", "2024-12-01", "2024-12-05") == 1 / 4


def test_a_span_that_ends_before_it_begins_is_refused():
    with pytest.raises(ValueError, match="until is after start"):
        timeliness(pd.to_datetime(FORMS["on"]), "1D", "2024-12-05", "2024-12-01")


def test_keys_are_compared_as_they_are_written():
    assert uniqueness(pd.DataFrame({"id": [1, "1", 2, 3]}), "id") == 3 / 4


def test_only_filled_cells_are_valid_or_not():
    assert validity(FORMS, KNOWN) == 1 / 2
    assert completeness(FORMS, ["topic"]) == 1 / 2


@pytest.mark.parametrize("ask", [lambda: completeness(FORMS, ["skin"]), lambda: validity(FORMS, {"skin": len}), lambda: uniqueness(FORMS, "skin")])  # fmt: skip
def test_a_missing_column_is_named(ask):
    with pytest.raises(ValueError, match=r"lacks the column\(s\) skin"):
        ask()


def test_the_weakest_score_is_named_and_a_perfect_source_has_none():
    fine = dict.fromkeys(["complete", "valid", "unique", "timely"], 1.0)
    rows = {"rows": 4, "consistent": float("nan")}
    table = score_table({"late": {**fine, **rows, "timely": 0.5}, "perfect": {**fine, **rows}})
    assert table["weakest"].to_dict() == {"late": "timely", "perfect": "none"}


def test_a_share_or_a_gain_is_of_flags_and_a_handful_of_changes_is_told():
    with pytest.raises(ValueError, match="o has 2 value.s. that are no flags"):
        enough_by_segment(pd.DataFrame({"s": ["a", "a"], "o": [0.5, 2.7]}), "s", "o")
    with pytest.raises(ValueError, match="before holds flags, or shares from 0 to 1; 1 value"):
        gain(pd.Series([0, None]), pd.Series([1, 1]))
    with pytest.warns(UserWarning, match="Of 2 rows 2 changed"):
        gain(pd.Series([0, 0]), pd.Series([1, 1]))
