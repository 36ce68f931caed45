"""Parsing, imputing, scaling, encoding, outliers, aggregation, balance: counted by hand and as laws."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest
from conftest import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.etl import parsing
from helpers.etl.books import Cleaning
from helpers.etl.businesses import to_celsius
from helpers.etl.businesses.sensors import clean_cold_rooms, drift_onset, stuck, with_gaps
from helpers.etl.businesses.shared import read_page_prices


def series(*values):
    return pd.Series(list(values))


# --- parsing ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("texts", "numbers"),
    [
        (["1.234,5", "0,5"], [1234.5, 0.5]),
        (["1,234.5", "12"], [1234.5, 12.0]),
        (["1,234", "1.5"], [1234.0, 1.5]),  # the dot of another row tells what the comma is
        (["1.234.567", "1.000"], [1234567.0, 1000.0]),
        (["12 345,6", "1'000,0"], [12345.6, 1000.0]),
        (["-5.25", "1e3"], [-5.25, 1000.0]),
        (["abc", "", "5 kg"], [np.nan] * 3),
        ([5, "6.5", None], [5.0, 6.5, np.nan]),
    ],
)
def test_numbers_are_read_in_the_style_of_their_column(texts, numbers):
    np.testing.assert_array_equal(parsing.parse_numbers(series(*texts)), numbers)


def test_two_styles_in_one_column_are_no_guess():
    with pytest.raises(ValueError, match=r"'1\.5' and '1,5' stand there|'1,5' and '1\.5' stand there"):  # fmt: skip
        parsing.parse_numbers(series("1,5", "1.5"))


@settings(max_examples=examples(25))
@given(st.lists(st.integers(0, 99_999_999), min_size=1, max_size=6), st.sampled_from([",.", ".,"]))
def test_any_amount_in_cents_survives_both_ways_of_writing(cents, signs):
    texts = [f"{c // 100:,}|{c % 100:02d}".replace(",", signs[0]).replace("|", signs[1]) for c in cents]  # fmt: skip
    read = parsing.parse_numbers(series(*texts))
    assert read.tolist() == [c / 100 for c in cents]


@settings(max_examples=examples(15))
@given(st.lists(st.datetimes(pd.Timestamp("1990-01-01"), pd.Timestamp("2040-01-01")), min_size=1, max_size=5))  # fmt: skip
def test_the_three_formats_of_a_moment_are_one(moments):
    moments = [one.replace(microsecond=0) for one in moments]
    for style in ["%Y-%m-%dT%H:%M:%S", "%d.%m.%Y %H:%M:%S", "%m/%d/%Y %I:%M:%S %p"]:
        read = parsing.parse_dates(series(*[one.strftime(style) for one in moments]))
        assert read.tolist() == moments


def test_days_that_no_calendar_has_are_gaps():
    texts = series("2024-02-30", "31.04.2024", "13/13/2024", "2024-1-1", "01.02.24", "soon", None)
    assert parsing.parse_dates(texts).isna().all()


WORDS = ["rich cream", "light fluid", "sun care", "mask", "make-up"]


@settings(max_examples=examples(40))
@given(st.sampled_from(WORDS), st.sampled_from([str.upper, str.title, str.lower,
       lambda w: w.replace(" ", "-"), lambda w: f"{w[:4].strip()}.", lambda w: f" {w}"]))  # fmt: skip
def test_every_spelling_comes_back_to_its_word(word, way):
    assert parsing.one_spelling(series(way(word)), WORDS).tolist() == [word]


def test_a_spelling_that_fits_none_or_several_is_a_gap_and_counted():
    written = series("soap", "care.", "ma", "ca.", None, "mask")
    read = parsing.one_spelling(written, ["care a", "care b", "mask"])
    assert read.isna().tolist() == [True, True, True, True, True, False]


@pytest.mark.parametrize(("text", "age"), [("29", 29), ("29y", 29), ("age 29", 29), ("29.0", 29), ("x29", None), ("-29", None)])  # fmt: skip
def test_ages_in_words(text, age):
    found = parsing.parse_ages(series(text))[0]
    assert found == age if age is not None else pd.isna(found)


# --- laws of everything that is fitted -----------------------------------------------------------------

NUMBERS = st.one_of(st.floats(-1e6, 1e6), st.none())
TABLES = st.lists(st.tuples(NUMBERS, st.sampled_from(["mask", "cream", "serum"])), min_size=3, max_size=15)  # fmt: skip


def frame(rows, start=100):
    table = pd.DataFrame(rows, columns=["x", "word"]).astype({"x": "float64"})
    return table.set_axis([start - n for n in range(len(rows))])  # an index that is not 0, 1, 2


# --- aggregation ---------------------------------------------------------------------------------------

LINES = st.lists(st.tuples(st.integers(1, 3), st.integers(1, 6), st.integers(1, 4), st.integers(0, 30)), max_size=20)  # fmt: skip


def order_lines(rows):
    table = pd.DataFrame(rows, columns=["customer_id", "order_id", "product_id", "day"])
    table["order_id"] = table["order_id"] * 10 + table["customer_id"]
    return table.assign(category="c" + table["product_id"].astype(str), price_eur=table["product_id"] * 2.0,
                        ordered_at=pd.Timestamp("2024-01-01") + pd.to_timedelta(table["day"], unit="D"))  # fmt: skip


# --- imbalance -----------------------------------------------------------------------------------------


# --- sensors -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "shortest", "marked"),
    [
        ([1.0, 1.0, 2.0, 2.0, 2.0], 3, [0, 0, 1, 1, 1]),
        ([1.0, 1.0, 2.0, 2.0, 2.0], 4, [0, 0, 0, 0, 0]),
        ([1.0, 1.0, None, 1.0, 3.0], 4, [1, 1, 0, 1, 0]),  # three, and a gap between
        ([9.0, None, 1.0, 1.0, 1.0], 4, [0, 0, 1, 1, 1]),  # three, and a gap beside
        ([1.0, 1.0, None, None, 3.0], 4, [0, 0, 0, 0, 0]),  # two are chance
        ([1.2, 1.0, 1.0, 1.0, 3.0], 4, [0, 1, 1, 1, 0]),  # three, and a drifting neighbour
        ([None, None, None, None, None], 4, [0, 0, 0, 0, 0]),
    ],
)
def test_a_stuck_sensor_repeats_itself_and_a_gap_does_not_free_it(values, shortest, marked):
    assert stuck(pd.Series(values, dtype=float), shortest).tolist() == [bool(m) for m in marked]


@pytest.mark.parametrize("onset", [180, 300, 500])
def test_a_drift_is_found_within_a_few_readings(onset):
    rest = np.random.default_rng(onset).normal(0, 0.2, 720)
    assert drift_onset(rest, 0.2) is None
    rest[onset:] += np.minimum(3.0, 0.01 * np.arange(1, 721 - onset))
    assert abs(drift_onset(rest, 0.2) - onset) <= 8


def test_a_drift_is_sought_in_a_month_of_minutes_without_a_table_of_all_pairs():
    rest = np.random.default_rng(7).normal(0, 0.2, 4_000)
    rest[1_500:] += np.minimum(3.0, 0.01 * np.arange(1, 2_501))
    tracemalloc.start()
    onset = drift_onset(rest, 0.2)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert abs(onset - 1_500) <= 8
    assert peak < 5_000_000  # 4,000 x 4,000 numbers are 128 MB


def test_a_drift_from_the_first_reading_on_is_told_alike_on_every_machine():
    # Onsets at the first and the second reading fit alike, to the last digit; the first is taken.
    rest = 0.01 * np.arange(200) + np.random.default_rng(7).normal(0, 0.02, 200)
    assert drift_onset(rest, 0.02) == 2


def test_a_price_that_is_a_number_among_prices_as_pages_write_them_stays_it():
    cleaning = Cleaning("pages", pd.DataFrame({"price_eur": ["€ 1.012,50", "€ 45,00", 1.5, None]}, dtype=object))  # fmt: skip
    read_page_prices(cleaning)
    np.testing.assert_array_equal(cleaning["price_eur"], [1012.5, 45.0, 1.5, np.nan])


def test_fahrenheit_comes_back_and_a_spike_and_a_gap_do_not_pass():
    hours = pd.date_range("2024-07-01", periods=100, freq="h")
    rng = np.random.default_rng(7)
    raw = pd.DataFrame({"reading_id": [f"C0-{60 * n}" for n in range(100)], "sensor_id": "C0", "store": "Basel",
                        "read_at": hours, "temperature_c": np.round(5 + rng.normal(0, 0.2, 100), 1), "humidity_pct": 60.0})  # fmt: skip
    true = raw["temperature_c"].copy()
    raw.loc[60:79, "temperature_c"] = (raw.loc[60:79, "temperature_c"] * 9 / 5 + 32).round(1)
    raw.loc[10, "temperature_c"] += 25
    done = clean_cold_rooms(raw.drop(index=[30, 31]))
    table = done.table.set_index("reading_id")["temperature_c"]
    assert len(table) == 100
    assert table[table.isna()].index.tolist() == ["C0-600", "C0-1800", "C0-1860"]
    np.testing.assert_allclose(table.iloc[60:80], true[60:80], atol=1e-9)
    assert (done.books.rows_in, done.books.loaded) == (98, 98)


def hourly(n):
    return pd.DataFrame({"reading_id": [f"C0-{60 * i}" for i in range(n)], "sensor_id": "C0", "store": "Basel",
                         "read_at": pd.date_range("2024-07-01", periods=n, freq="h").strftime("%Y-%m-%dT%H:%M:%S"),
                         "temperature_c": 5.0 + np.arange(n) % 3 / 10, "humidity_pct": 60.0}, dtype=object)  # fmt: skip


@pytest.mark.parametrize("row", [0, 20, 39])
@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("read_at", "9999-12-31T00:00:00"),
        ("read_at", "0001-01-01T00:00:00"),
        ("read_at", "soon"),
        ("reading_id", "unnamed"),
        ("temperature_c", [5.0]),
        ("store", {"city": "Basel"}),
    ],
)
def test_one_wrong_cell_makes_no_rows_for_centuries_and_costs_no_other_reading(column, value, row):
    raw = hourly(40)
    cells = raw[column].tolist()
    cells[row] = value
    raw[column] = pd.Series(cells, dtype=object)
    done = clean_cold_rooms(raw)
    assert done.books.rows_in == 40
    assert len(done.table) <= 41  # one row is made for the reading that is missing now
    sound = done.table[done.table["temperature_c"].notna()]
    assert len(set(sound["reading_id"]) & set(raw["reading_id"])) >= 39 - (
        column == "temperature_c"
    )
    made = done.table[done.table["fault"].eq("gap") & ~done.table["reading_id"].isin(raw["reading_id"])]  # fmt: skip
    assert set(made["reading_id"]) <= {f"C0-{60 * row}"}


def test_readings_that_say_nothing_of_their_minute_are_refused_as_a_whole():
    with pytest.raises(ValueError, match="No reading_id ends in the minute of its read_at"):
        clean_cold_rooms(hourly(3).assign(reading_id=["a", "b", "c"]))


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.7, 0.95])
def test_a_sensor_that_sends_fahrenheit_most_of_the_time_is_turned_back(share):
    rng = np.random.default_rng(7)
    sensor = np.repeat(["a", "b", "c"], 400)
    hour = pd.Series(np.tile(np.arange(400) % 24, 3))
    true = np.round(4 + 0.5 * np.sin(hour) + rng.normal(0, 0.2, 1200), 1)
    fahrenheit = (sensor == "b") & (rng.random(1200) < share)
    sent = true.mask(fahrenheit, (true * 9 / 5 + 32).round(1))
    found = to_celsius(pd.DataFrame({"sensor_id": sensor, "t": sent}), "t", hour)
    assert (found - true).abs().max() < 0.11


def test_two_readings_at_one_time_are_no_step():
    at = list(pd.date_range("2024-09-01", periods=6, freq="D"))
    twice = pd.DataFrame({"reading_id": [f"r{n}" for n in range(11)], "sensor_id": "C0", "read_on": [*at, *at[1:]]})  # fmt: skip
    found = with_gaps(twice.drop(index=[3, 8]), "read_on", lambda sensor, on: f"{sensor}-{on:%d}")
    assert found["reading_id"].str.startswith("C0").sum() == 1
