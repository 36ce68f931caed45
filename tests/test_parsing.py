"""`helpers.etl.parsing`: numbers and flags as businesses write them, and what only looks like them."""

import numpy as np
import pandas as pd
import pytest

from helpers.etl.parsing import number_style, parse_flags, parse_numbers


@pytest.mark.parametrize(("texts", "numbers"), [
    (["0,125", "0,250"], [0.125, 0.25]), (["0.125"], [0.125]), (["-0,500", "+0,001"], [-0.5, 0.001]),
    (["1234,567"], [1234.567]), (["1 234,567"], [1234.567]), (["12'345.678"], [12345.678]),
    (["1,234", "12,5"], [1.234, 12.5]), (["1.234", "1.234.567"], [1234, 1234567]),
    (["1,234"], [1234]), (["12,345.678"], [12345.678]), (["12.345,678"], [12345.678]),
    (["1.234,5", "0,125"], [1234.5, 0.125]), (["000,125"], [0.125]), (["7", "5.", "1e-3"], [7, 5, 0.001]),
])  # fmt: skip
def test_three_digits_behind_a_sign_are_thousands_only_where_thousands_can_be(texts, numbers):
    np.testing.assert_allclose(parse_numbers(pd.Series(texts)), numbers, rtol=1e-15)


@pytest.mark.parametrize("text", [
    "01.09.2024", "1.2.3", "12.34.56", "198.18.0.1", "1,2,3", "1.2345,6", "12 34", "1,23.4", "2024-09-01",
    "1..2", "--1", "1 ,5", "1e", "1e9999", "9'99", "12:30", "٣٫٥", "1_000",
])  # fmt: skip
@pytest.mark.parametrize("sound", ["12.5", "12,5"])
def test_what_only_looks_like_a_number_is_a_gap_and_does_not_sway_the_style(text, sound):
    read = parse_numbers(pd.Series([sound, text, sound]))
    assert read[[0, 2]].tolist() == [12.5, 12.5]
    assert np.isnan(read[1]) or text == read[1]


def test_whole_numbers_have_thousands_and_no_decimals():
    texts = pd.Series(["1.234", "1.234.567", "12", "12.0", "1.23"])
    read = parse_numbers(texts, whole=True)
    assert read[:3].tolist() == [1234, 1234567, 12]
    assert read[3:].isna().all(), "a decimal does not make a number ten times as large"


def test_two_styles_in_one_column_are_told_where_a_nought_gives_them_away():
    with pytest.raises(ValueError, match="One way of writing numbers was expected in weight"):
        number_style(pd.Series(["0,125", "12.5"], name="weight"))


def test_flags_that_became_floats_are_flags():
    assert parse_flags(pd.Series([1, 0, None])).tolist() == [True, False, pd.NA]
    assert parse_flags(pd.Series([2.0, 0.5])).isna().all()
