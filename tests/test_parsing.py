"""`helpers.etl.parsing`: numbers and flags as businesses write them, and what only looks like them."""

from datetime import datetime, timedelta, timezone

import numpy as np
import pandas as pd
import pytest

from helpers.etl.parsing import (
    number_style,
    parse_dates,
    parse_flags,
    parse_numbers,
    parse_whole,
    spelling_key,
    typed,
)


@pytest.mark.parametrize(("texts", "numbers"), [
    (["0,125", "0,250"], [0.125, 0.25]), (["0.125"], [0.125]), (["-0,500", "+0,001"], [-0.5, 0.001]),
    (["1234,567"], [1234.567]), (["1 234,567"], [1234.567]), (["12'345.678"], [12345.678]),
    (["1,234", "12,5"], [1.234, 12.5]), (["1.234", "1.234.567"], [1234, 1234567]),
    (["1,234"], [1234]), (["12,345.678"], [12345.678]), (["12.345,678"], [12345.678]),
    ([".5", "0.25", "-.25"], [0.5, 0.25, -0.25]), ([",5", "1,5"], [0.5, 1.5]), (["1,01,215", "54,492"], [101215, 54492]),
    (["1\u2019234.50", "12.00"], [1234.5, 12]), (["1\u2009234,5"], [1234.5]), (["1,23,45,678.5"], [12345678.5]),
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
    assert read[3] == 12, "a decimal does not make a number ten times as large"
    assert np.isnan(read[4])


def test_two_styles_in_one_column_are_told_where_a_nought_gives_them_away():
    with pytest.raises(ValueError, match="One way of writing numbers was expected in weight"):
        number_style(pd.Series(["0,125", "12.5"], name="weight"))


def test_flags_that_became_floats_are_flags():
    assert parse_flags(pd.Series([1, 0, None])).tolist() == [True, False, pd.NA]
    assert parse_flags(pd.Series([2.0, 0.5])).isna().all()


@pytest.mark.parametrize("pair", [("t", "f"), ("VRAI", "FAUX"), ("Wahr", "Falsch"), ("on", "OFF"), ("sí", "no"), ("o", "n"), ("sim", "não"), (True, False), ("1.0", "0.0")])  # fmt: skip
def test_both_words_of_a_pair_are_known(pair):
    assert parse_flags(pd.Series([*pair, *pair], dtype=object)).tolist() == [True, False] * 2


def test_half_of_a_pair_is_not_read():
    assert parse_flags(pd.Series(["igen", "no", "igen", "no", ""])).isna().all()
    assert parse_flags(pd.Series(["yes", "perhaps", "yes"])).tolist() == [True, pd.NA, True]


@pytest.mark.parametrize(("texts", "days"), [
    (["25/12/2024", "01/09/2024", "13/09/2024"], ["2024-12-25", "2024-09-01", "2024-09-13"]),
    (["01/09/2024", "12/31/2024"], ["2024-01-09", "2024-12-31"]), (["9/1/2024"], ["2024-09-01"]),
    (["1.9.2024", "12/31/2024"], ["2024-09-01", "2024-12-31"]), (["25/12/2024 10:30", "1/9/2024 01:05:00 PM"], ["2024-12-25 10:30", "2024-09-01 13:05"]),
])  # fmt: skip
def test_the_column_says_which_of_day_and_month_comes_first(texts, days):
    assert parse_dates(pd.Series(texts)).tolist() == list(map(pd.Timestamp, days))


def test_days_first_and_months_first_in_one_column_are_no_guess():
    with pytest.raises(ValueError, match=r"written, but '25/12/2024' can only begin with the day and '12/31/2024'"):  # fmt: skip
        parse_dates(pd.Series(["25/12/2024", "12/31/2024"], name="written"))


def test_iso_moments_with_zones_fractions_and_without_seconds_are_read():
    texts = ["2024-09-01T13:05:00Z", "2024-09-01T13:05:00+02:00", "2024-09-01 13:05", "2024-09-01 13:05:00.123", "9/1/2024"]  # fmt: skip
    moments = ["2024-09-01 13:05", "2024-09-01 11:05", "2024-09-01 13:05", "2024-09-01 13:05:00.123", "2024-09-01"]  # fmt: skip
    assert parse_dates(pd.Series(texts, index=list("abcde"))).tolist() == list(map(pd.Timestamp, moments))  # fmt: skip
    odd = ["2024-09", "2024-09-01T25:00:00", "01.09.2024 24:00", "1/2/2024 13:00 PM", "1/2/2024 00:30 AM"]  # fmt: skip
    assert parse_dates(pd.Series(odd)).isna().all()


def test_ids_keep_every_digit_or_are_gaps():
    ids = pd.Series(["9007199254740993", "9007199254740992", "4.91761E+11", "4,91761e11", "12.0", "7", None, str(2**64)])  # fmt: skip
    assert parse_whole(ids).tolist() == [2**53 + 1, 2**53, pd.NA, pd.NA, 12, 7, pd.NA, pd.NA]
    assert parse_whole(pd.Series(["7", "7.5"])).tolist() == [7.0, 7.5]
    assert parse_numbers(pd.Series(["1.234E+12", "5"]), whole=True).tolist()[1] == 5
    assert np.isnan(parse_numbers(pd.Series(["1.234E+12", "5"]), whole=True)[0])


def test_a_row_of_no_known_file_is_read_in_a_style_of_its_own():
    files = pd.Series(["a.csv", None, None])
    assert parse_numbers(pd.Series(["1.5", "2,5", "3,5"]), by=files).tolist() == [1.5, 2.5, 3.5]


def test_one_stray_decimal_rounds_no_id():
    ids = parse_whole(pd.Series(["9007199254740992", "9007199254740993", "5.5"]))
    assert np.isnan(ids[1])
    assert ids[2] == 5.5
    ids = typed(pd.DataFrame({"id": [2**53, 2**53 + 1, 5.5]}, dtype=object))["id"]
    assert ids.nunique() == 3


def test_dates_with_dots_are_read_in_the_order_of_the_column():
    def read(*texts):
        return parse_dates(pd.Series(texts)).astype("str").tolist()

    assert read("09.13.2024", "09.01.2024") == ["2024-09-13", "2024-09-01"]
    assert read("25.12.2024", "09.01.2024") == ["2024-12-25", "2024-01-09"]


def test_moments_of_several_zones_are_brought_to_one():
    moments = [datetime(2024, month, 1, tzinfo=timezone(timedelta(hours=h))) for month, h in [(1, 1), (7, 2)]]  # fmt: skip
    table = typed(pd.DataFrame({"at": moments}, dtype=object))
    assert table["at"].tolist() == moments
    assert parse_dates(table["at"]).tolist() == [pd.Timestamp("2023-12-31 23:00"), pd.Timestamp("2024-06-30 22:00")]  # fmt: skip
    clocks = pd.DataFrame({"at": [moments[0], datetime(2024, 7, 1)]}, dtype=object)
    assert typed(clocks)["at"].tolist() == clocks["at"].tolist()


def test_a_letter_written_with_its_accent_apart_is_the_same_letter():
    assert spelling_key("Cre\u0300me") == spelling_key("Cr\u00e8me")
