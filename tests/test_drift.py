"""`helpers.monitoring.drift`: how far the inputs have moved."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import rel_entr

from helpers.monitoring.drift import LEAST_SHARE, level_shift, stability_index


def table(*levels):
    return pd.DataFrame({"pay": levels})


THEN = table("check", "check", "check", "card")
NOW = table("check", "card", "card", "cash")


def test_shares_match_the_count_done_by_hand():
    # check 3 of 4, then 1 of 4; card 1, then 2; cash 0, then 1.
    assert level_shift(THEN, NOW, "pay").T.to_dict("list") == {
        "card": [0.25, 0.5],
        "cash": [0.0, 0.25],
        "check": [0.75, 0.25],
    }


def test_a_missing_value_is_a_level_so_that_a_column_that_empties_is_seen():
    shift = level_shift(table("card", "card"), table(None, None), "pay")
    assert shift.loc["card"].tolist() == [1.0, 0.0]
    assert shift.loc["(missing)"].tolist() == [0.0, 1.0]
    assert stability_index(table("card", "card"), table("card", None), ["pay"])["pay"] > 0.25


def test_the_index_matches_the_count_done_by_hand():
    # Half of the checks became cards: (0.25 - 0.5) ln 0.5 + (0.75 - 0.5) ln 1.5.
    then, now = table("check", "check", "card", "card"), table("check", "card", "card", "card")
    expected = -0.25 * math.log(0.25 / 0.5) + 0.25 * math.log(0.75 / 0.5)
    assert stability_index(then, now, ["pay"])["pay"] == pytest.approx(expected)


def test_a_level_that_vanished_counts_as_one_in_ten_thousand():
    # card 1 to 0: (0.0001 - 1) ln 0.0001; cash 0 to 1: (1 - 0.0001) ln 10,000.
    found = stability_index(table("card"), table("cash"), ["pay"])["pay"]
    assert found == pytest.approx(2 * (1 - LEAST_SHARE) * math.log(10_000))


def test_the_column_that_moved_most_comes_first():
    then = pd.DataFrame({"same": list("aabb"), "some": list("aabb"), "much": list("aabb")})
    now = pd.DataFrame({"same": list("abab"), "some": list("aaab"), "much": list("cccc")})
    found = stability_index(then, now, ["same", "some", "much"])
    assert found.index.tolist() == ["much", "some", "same"]
    assert found["same"] == 0.0


LEVELS = st.lists(st.sampled_from(["card", "check", "cash", None]), min_size=1, max_size=12)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(LEVELS, LEVELS)
def test_the_index_is_never_negative_symmetric_and_zero_for_equal_tables(before, after):
    then, now = table(*before), table(*after)
    moved = stability_index(then, now, ["pay"])["pay"]
    assert moved >= 0
    # The levels are added up in another order, so the last bits may differ.
    assert moved == pytest.approx(stability_index(now, then, ["pay"])["pay"], rel=1e-9)
    assert stability_index(then, then, ["pay"])["pay"] == 0.0
    shift = level_shift(then, now, "pay")
    assert shift.sum().tolist() == pytest.approx([1.0, 1.0])
    shares = np.clip(shift.to_numpy(), LEAST_SHARE, None)
    # Oracle: the two relative entropies of scipy.
    both = rel_entr(shares[:, 0], shares[:, 1]) + rel_entr(shares[:, 1], shares[:, 0])
    assert moved == pytest.approx(both.sum(), abs=1e-9)


def test_the_order_and_the_number_of_customers_do_not_matter():
    twice = pd.concat([NOW.iloc[::-1], NOW])
    assert stability_index(THEN, twice, ["pay"])["pay"] == pytest.approx(
        stability_index(THEN, NOW, ["pay"])["pay"]
    )


@pytest.mark.parametrize(("side", "tables"), [("reference", (0, 4)), ("current", (4, 0))])
def test_a_side_without_customers_is_named_and_refused(side, tables):
    with pytest.raises(ValueError, match=rf"{side} has 0 row\(s\).*at least 1"):
        level_shift(THEN.head(tables[0]), NOW.head(tables[1]), "pay")


def test_a_side_without_the_column_is_named_and_refused():
    with pytest.raises(ValueError, match=r"current lacks the column\(s\) pay; it has paid"):
        stability_index(THEN, NOW.rename(columns={"pay": "paid"}), ["pay"])
