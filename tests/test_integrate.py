"""`helpers.etl.combine`: the parts of a split are disjoint and together everything."""

import numpy as np
import pandas as pd
import pytest
from conftest import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.etl.businesses import split_customers


def customers(stayed, left):
    """A table in which `left` customers churned and `stayed` did not, mixed."""
    churn = np.random.default_rng(7).permutation(["No"] * stayed + ["Yes"] * left)
    return pd.DataFrame({"customerID": [f"c{n}" for n in range(stayed + left)], "Churn": churn})


SHARES = st.sampled_from([0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4])


@settings(max_examples=examples(30))
@given(st.integers(40, 300), st.integers(10, 200), st.integers(0, 99), SHARES, SHARES)
def test_the_parts_are_disjoint_together_everything_and_alike(
    stayed, left, seed, validation_share, test_share
):
    table = customers(stayed, left)
    if validation_share + test_share == 0:
        return
    parts = split_customers(table, seed, validation_share, test_share)
    pd.testing.assert_frame_equal(pd.concat(parts).sort_index(), table)
    train_share = 1 - validation_share - test_share
    for part, share in zip(parts, [train_share, validation_share, test_share], strict=True):
        # scikit-learn rounds each held-out size up, so a part is off by 2 rows at most ...
        assert abs(len(part) - share * len(table)) <= 2
        # ... and, being drawn alike in churn, by 2 churners at most beyond that.
        assert abs(part["Churn"].eq("Yes").sum() - left * len(part) / len(table)) <= 2
        assert part.index.is_monotonic_increasing


def test_the_sizes_match_the_count_done_by_hand():
    # 200 customers: 0.15 x 200 = 30 to validate, 0.25 x 200 = 50 to test, 120 remain.
    parts = split_customers(customers(150, 50), 7, validation_share=0.15, test_share=0.25)
    assert [len(part) for part in parts] == [120, 30, 50]


@pytest.mark.parametrize(
    ("validation_share", "test_share", "sizes"),
    [(0.0, 0.2, [80, 0, 20]), (0.2, 0.0, [80, 20, 0])],
)
def test_a_share_of_zero_gives_an_empty_table_with_the_same_columns(
    validation_share, test_share, sizes
):
    parts = split_customers(customers(60, 40), 7, validation_share, test_share)
    assert [len(part) for part in parts] == sizes
    assert all(part.columns.tolist() == ["customerID", "Churn"] for part in parts)


def test_the_same_seed_gives_the_same_split_and_another_seed_another():
    table = customers(60, 40)
    first, again, other = (split_customers(table, seed)[2] for seed in [7, 7, 8])
    pd.testing.assert_frame_equal(first, again)
    assert first["customerID"].tolist() != other["customerID"].tolist()


def test_the_table_is_left_alone():
    table = customers(60, 40)
    before = table.copy()
    split_customers(table, 7)
    pd.testing.assert_frame_equal(table, before)


@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.7, 0.6), (0.0, 0.0), (1.0, 0.0)])
def test_shares_that_leave_nothing_to_train_on_or_to_test_are_refused(shares):
    with pytest.raises(
        ValueError, match=rf"validation_share {shares[0]} and test_share {shares[1]}.*Take 0\.2"
    ):
        split_customers(customers(60, 40), 7, *shares)


@pytest.mark.parametrize("shares", [(0.001, 0.2), (0.2, 0.001), (0.495, 0.495)])
def test_shares_that_make_a_part_of_one_row_are_refused(shares):
    # 0.001 x 100 and 0.01 x 100 rows are not 2.
    with pytest.raises(ValueError, match=r"has 100 rows; .* make a part of fewer than 2\. Take"):
        split_customers(customers(60, 40), 7, *shares)


def test_a_share_in_per_cent_is_refused_with_what_to_write():
    with pytest.raises(ValueError, match=r"test_share is a share .*got 20\. .*write 0\.2"):
        split_customers(customers(60, 40), 7, test_share=20)


def test_a_customer_twice_could_be_in_two_parts_and_is_refused():
    table = customers(60, 40)
    table.loc[1, "customerID"] = "c0"
    with pytest.raises(ValueError, match=r"repeats 1 customerID value\(s\) over 2 rows.*'c0'"):
        split_customers(table, 7)


@pytest.mark.parametrize("outcome", ["Maybe", None, ""])
def test_a_third_outcome_is_refused_with_its_count(outcome):
    table = customers(60, 40)
    table.loc[[3, 4], "Churn"] = outcome
    with pytest.raises(ValueError, match=r"2 row\(s\) whose Churn is neither 'Yes' nor 'No'"):
        split_customers(table, 7)


@pytest.mark.parametrize(
    ("stayed", "left", "message"),
    [
        (30, 10, r"has 40 row\(s\); this step needs at least 50"),
        (91, 9, r"has 9 row\(s\) with Churn 'Yes' of 100.*at least 10.*Collect more rows"),
        (0, 100, r"has 0 row\(s\) with Churn 'No' of 100"),
    ],
)
def test_too_few_customers_to_learn_and_to_judge_are_refused(stayed, left, message):
    with pytest.raises(ValueError, match=message):
        split_customers(customers(stayed, left), 7)
