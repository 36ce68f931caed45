"""`helpers.etl.quality`: intervals against a published table, counts done by hand, chance simulated."""

import numpy as np
import pandas as pd
import pytest

from helpers.etl.quality import enough_by_segment, gain, rows_needed, rows_per_input, share_interval


def test_the_interval_is_wilsons():
    # By hand for 8 of 20 and z = 1.96: centre (8 + 1.9207) / (20 + 3.8415), and its reach.
    z = 1.959964
    centre = (8 + z**2 / 2) / (20 + z**2)
    reach = z / (20 + z**2) * np.sqrt(8 * 12 / 20 + z**2 / 4)
    assert share_interval(8, 20) == pytest.approx((centre - reach, centre + reach), abs=1e-6)


def test_ninety_five_of_a_hundred_intervals_hold_the_true_share():
    hits = np.random.default_rng(7).binomial(60, 0.3, size=1_000)
    held = [low <= 0.3 <= high for low, high in (share_interval(one, 60) for one in hits)]
    assert np.mean(held) == pytest.approx(0.95, abs=0.03)  # about four standard errors


def test_none_and_all_are_shares_too_and_stay_between_zero_and_one():
    assert share_interval(0, 10)[0] == 0.0
    assert share_interval(10, 10)[1] == 1.0
    assert share_interval(0, 10)[1] > 0.2  # none of ten does not mean never


@pytest.mark.parametrize(("hits", "rows"), [(0, 0), (5, 4), (-1, 4)])
def test_counts_that_contradict_each_other_are_refused(hits, rows):
    with pytest.raises(ValueError, match="counted among the rows"):
        share_interval(hits, rows)


def test_half_the_width_takes_four_times_the_rows():
    assert rows_needed(0.05) == 385
    assert rows_needed(0.025) == pytest.approx(4 * 385, abs=4)


@pytest.mark.parametrize("half_width", [0, -0.1, 1.5])
def test_a_half_width_that_is_no_share_is_refused(half_width):
    with pytest.raises(ValueError, match="half_width"):
        rows_needed(half_width)


def test_gaps_do_not_count_as_answers_and_a_large_segment_is_enough():
    table = pd.DataFrame(
        {
            "area": ["city"] * 200 + ["country"] * 12 + [None] * 5,
            "content": [True, False] * 100 + [True] * 4 + [None] * 8 + [True] * 5,
        }
    )
    found = enough_by_segment(table, "area", "content", half_width=0.10)
    assert found["rows"].to_dict() == {"city": 200, "country": 4}
    assert found["enough"].to_dict() == {"city": True, "country": False}
    assert found.loc["city", "share"] == 0.5


def test_the_rarer_outcome_decides():
    assert rows_per_input(pd.Series([True] * 30 + [False] * 970), inputs=3) == 10.0


@pytest.mark.parametrize(("outcomes", "inputs"), [([True] * 5, 1), ([True, False], 0)])
def test_one_outcome_or_no_input_is_refused(outcomes, inputs):
    with pytest.raises(ValueError, match="two outcomes and at least one input"):
        rows_per_input(pd.Series(outcomes), inputs)


def test_a_gain_is_judged_row_by_row():
    before = pd.Series([True, False] * 100)
    assert gain(before, before) == (0.0, 0.0, 0.0)
    after = before | (pd.Series(range(200)) % 10 == 1)  # 20 of the rows get better, none worse
    found = gain(before, after)
    # The steps are 1 with share 0.1, so their variance is 0.09 of 200 rows.
    reach = 1.96 * np.sqrt(0.1 * 0.9 / 199)
    assert found == pytest.approx((0.1, 0.1 - reach, 0.1 + reach), abs=1e-4)


def test_a_gain_of_other_rows_is_refused():
    with pytest.raises(ValueError, match="the same rows"):
        gain(pd.Series([1, 0]), pd.Series([1, 0], index=[5, 6]))
