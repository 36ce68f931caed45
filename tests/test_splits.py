"""`helpers.etl.splits`: by time, by customer, and the random split shown as the trap that it is."""

import numpy as np
import pandas as pd
import pytest
from conftest import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.etl.splits import (
    check_shares,
    split_by_customer,
    split_by_time,
)


def visits(days, customers=7):
    start = pd.Timestamp("2024-01-01")
    return pd.DataFrame({"customer_id": [n % customers for n in range(len(days))],
                         "at": [start + pd.Timedelta(days=d) for d in days]}).set_axis(range(5, 5 + len(days)))  # fmt: skip


@settings(max_examples=examples(40))
@given(
    st.lists(st.integers(0, 60), min_size=3, max_size=40), st.integers(1, 40), st.integers(1, 40)
)
def test_by_time_every_row_is_in_one_part_and_no_part_overlaps(days, first, more):
    table = visits(days)
    cuts = [pd.Timestamp("2024-01-01") + pd.Timedelta(days=d) for d in (first, first + more)]
    try:
        train, validation, test = split_by_time(table, "at", *cuts)
    except ValueError as error:
        assert "No row is left to" in str(error)
        return
    pd.testing.assert_frame_equal(pd.concat([train, validation, test]).sort_index(), table)
    assert train["at"].max() < cuts[0] <= validation["at"].min()
    assert validation["at"].max() < cuts[1] <= test["at"].min()


def test_rows_without_a_date_and_cuts_in_the_wrong_order_are_refused():
    table = visits([1, 2, 3])
    with pytest.raises(ValueError, match="has to lie before test_from"):
        split_by_time(table, "at", "2024-02-01", "2024-01-01")
    table.loc[6, "at"] = pd.NaT
    with pytest.raises(
        ValueError, match=r"1 row\(s\) without at, the first being row 2: nobody knows"
    ):
        split_by_time(table, "at", "2024-01-02", "2024-01-03")


@settings(max_examples=examples(30))
@given(st.integers(10, 80), st.integers(0, 9))
def test_by_customer_nobody_is_in_two_parts_and_the_order_of_rows_does_not_matter(people, seed):
    rng = np.random.default_rng(seed)
    table = pd.DataFrame({"customer_id": rng.integers(0, people, 3 * people)})
    parts = split_by_customer(table, seed)
    ids = [set(part["customer_id"]) for part in parts]
    assert ids[0].isdisjoint(ids[1] | ids[2])
    assert ids[1].isdisjoint(ids[2])
    pd.testing.assert_frame_equal(pd.concat(parts).sort_index(), table)
    shuffled = split_by_customer(table.sample(frac=1, random_state=1), seed)
    assert [set(part["customer_id"]) for part in shuffled] == ids
    count = table["customer_id"].nunique()
    assert [len(one) / count for one in ids] == pytest.approx([0.6, 0.2, 0.2], abs=1 / count)


@pytest.mark.parametrize("people", [[1.0, None, 2.0, 3.0, 4.0], ["a", None, "b", "c", "d"]])
def test_rows_of_nobody_are_refused_and_not_taken_for_one_customer(people):
    with pytest.raises(
        ValueError, match=r"1 row\(s\) without customer_id, the first being row 2: nobody knows"
    ):
        split_by_customer(pd.DataFrame({"customer_id": people}), seed=7)


@pytest.mark.parametrize("people", [0, 1, 2, 3])
def test_a_part_without_a_customer_is_refused(people):
    with pytest.raises(ValueError, match=f"{people} customer.* too few to split: a part"):
        split_by_customer(pd.DataFrame({"customer_id": range(people)}), seed=7)


@pytest.mark.parametrize("shares", [(0.8, 0.2, 0.2), (0.6, 0.2, 0.1), (0.0, 0.5, 0.5), (60, 20, 20)])  # fmt: skip
def test_shares_that_do_not_add_up_are_refused(shares):
    with pytest.raises(ValueError, match="add up|share"):
        check_shares(*shares)


@pytest.mark.parametrize("shares", [(0.6, 0.2, 0.2), (0.7, 0.15, 0.15), (0.8, 0.1, 0.1), (0.7, 0.1, 0.2)])  # fmt: skip
def test_usual_shares_that_add_up_pass(shares):
    check_shares(*shares)
