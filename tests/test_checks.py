"""`helpers.checks`: each guard stops the wrong input and says what it found."""

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from conftest import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.checks import (
    kinds_of,
    require_columns,
    require_filled,
    require_flags,
    require_rows,
    require_same_kind,
    require_share,
    require_unique,
)

TWO_CUSTOMERS = pd.DataFrame({"customerID": ["ana", "bo"], "tenure": [1, 70]})


def test_a_table_with_the_columns_rows_and_ids_asked_for_passes_every_guard():
    before = TWO_CUSTOMERS.copy()
    require_columns(TWO_CUSTOMERS, "customers", ["tenure"])
    require_columns(TWO_CUSTOMERS, "customers", [])
    require_rows(TWO_CUSTOMERS, "customers", at_least=2)
    require_unique(TWO_CUSTOMERS, "customers", "customerID")
    pd.testing.assert_frame_equal(TWO_CUSTOMERS, before)


def test_missing_columns_are_all_named_beside_those_that_are_there():
    wanted = ["tenure", "Contract", "Churn"]
    with pytest.raises(
        ValueError, match=r"customers lacks .* Contract, Churn; it has customerID, tenure\. Rename"
    ):
        require_columns(TWO_CUSTOMERS, "customers", wanted)


def test_a_table_without_any_column_says_so():
    with pytest.raises(ValueError, match="it has no columns at all"):
        require_columns(pd.DataFrame(), "customers", ["tenure"])


def test_too_few_rows_are_refused_with_both_counts():
    with pytest.raises(ValueError, match=r"has 2 row\(s\).*at least 1,000\. Collect more rows"):
        require_rows(TWO_CUSTOMERS, "customers", at_least=1000)


def test_an_empty_table_is_refused_by_default():
    with pytest.raises(ValueError, match=r"has 0 row\(s\).*at least 1\."):
        require_rows(TWO_CUSTOMERS.head(0), "customers")


def test_repeats_are_counted_and_the_first_is_shown_with_its_row():
    # bo twice and cy three times: 2 values over 5 rows; bo stands first, in row 2.
    table = pd.DataFrame({"customerID": ["ana", "bo", "cy", "cy", "bo", "cy"]}, index=[9] * 6)
    with pytest.raises(
        ValueError, match=r"repeats 2 customerID value\(s\) over 5 rows, .*'bo' \(row 2\).*Drop"
    ):
        require_unique(table, "customers", "customerID")


def test_two_missing_ids_are_a_repeat_and_shown_in_their_own_row():
    table = pd.DataFrame({"customerID": ["ana", None, None]})
    with pytest.raises(ValueError, match=r"repeats 1 customerID .*over 2 rows.*\(row 2\)"):
        require_unique(table, "customers", "customerID")


def test_ids_that_are_not_there_are_reported_as_a_missing_column():
    with pytest.raises(ValueError, match="customers lacks the column"):
        require_unique(TWO_CUSTOMERS, "customers", "id")


@pytest.mark.parametrize("value", [0, 1, 0.0, 1.0, 0.5, np.float32(0.25), np.int64(1)])
def test_a_share_may_be_any_number_from_0_to_1_and_both_ends(value):
    require_share(value, "test_share")


@pytest.mark.parametrize("value", [-0.01, 1.01, 101, -20, np.inf, np.nan, "0.2", None])
def test_anything_else_is_no_share(value):
    with pytest.raises(ValueError, match=r"test_share is a share from 0\.0 to 1\.0; got"):
        require_share(value, "test_share")


@pytest.mark.parametrize(
    ("per_cent", "share"), [(20, "0.2"), (100, "1"), (2.5, "0.025"), (99.9, "0.999")]
)
def test_a_share_in_per_cent_is_met_with_what_to_write(per_cent, share):
    with pytest.raises(ValueError, match=rf"For {per_cent:g} per cent write {share}\.$"):
        require_share(per_cent, "test_share")


def test_no_per_cent_is_suggested_where_none_was_meant():
    with pytest.raises(ValueError, match=r"got -0\.1\.$"):
        require_share(-0.1, "test_share")


@settings(max_examples=examples(60))
@given(st.lists(st.integers(0, 6), max_size=8))
def test_ids_pass_exactly_when_a_set_of_them_is_as_long(ids):
    table = pd.DataFrame({"customerID": ids})
    if len(set(ids)) == len(ids):
        require_unique(table, "customers", "customerID")
    else:
        with pytest.raises(ValueError, match="repeats"):
            require_unique(table, "customers", "customerID")


def test_a_gap_is_counted_and_the_first_is_shown_with_its_row():
    table = pd.DataFrame({"customerID": ["ana", None, np.nan]}, index=[7, 7, 7])
    with pytest.raises(
        ValueError, match=r"customers has 2 row\(s\) without customerID, .* row 2\."
    ):
        require_filled(table, "customers", "customerID")
    with pytest.raises(ValueError, match=r"row 2: nobody knows whose they are\. Find"):
        require_filled(table, "customers", "customerID", "nobody knows whose they are")
    require_filled(table.head(1), "customers", "customerID")


@pytest.mark.parametrize("flags", [[True, False], [1, 0], [1.0, 0.0], [np.True_], []])
def test_flags_may_be_written_as_numbers(flags):
    require_flags(flags, "churned")


@pytest.mark.parametrize("flags", [["Yes"], [True, None], [1.0, np.nan], [pd.NA], [2]])
def test_what_is_no_flag_is_refused(flags):
    with pytest.raises(ValueError, match=r"churned has 1 value\(s\) that are no flags"):
        require_flags(pd.Series(flags, dtype=object), "churned")


@pytest.mark.parametrize(
    ("values", "kinds"),
    [
        ([1, 2.5, np.nan, True, np.int64(3), np.True_, Decimal("1")], {"numbers"}),
        (pd.Series(["a", None]), {"texts"}), (pd.Categorical([1, None]), {"numbers"}), ([None], set()), ([], set()),
        (pd.to_datetime(["2025-01-01", None]), {"dates"}), ([1, "1"], {"numbers", "texts"}),
        (pd.array([1, None], dtype="Int64"), {"numbers"}), (pd.Index(["a"]), {"texts"}),
        (pd.to_datetime(["2025-01-01"], utc=True), {"dates with a time zone"}),
    ],
)  # fmt: skip
def test_values_are_of_kinds_that_can_never_be_equal(values, kinds):
    assert (
        kinds_of(pd.Series(values, dtype=object) if isinstance(values, list) else values) == kinds
    )


@pytest.mark.parametrize("values", [[1, 2], [], [None], [1.0]])
def test_ids_of_one_kind_meet(values):
    require_same_kind(values, "ours", [1, 3], "theirs", "id")
    require_same_kind(values, "ours", [None], "theirs", "id")


@pytest.mark.parametrize("values", [["1"], [1, "1"], [pd.Timestamp("2025-01-01")]])
def test_ids_of_another_kind_are_refused_with_both_kinds(values):
    with pytest.raises(ValueError, match="id holds .* in ours and numbers in theirs"):
        require_same_kind(values, "ours", [1, 3], "theirs", "id")
