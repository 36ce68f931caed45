"""`helpers.etl.businesses.telco`: text becomes numbers, and nothing else changes."""

import numpy as np
import pandas as pd
import pytest
from conftest import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.etl.businesses import clean_telco, read_telco


def raw_table(**columns):
    """Two customers, one billed and one in the first month; `columns` replace theirs."""
    return pd.DataFrame(
        {
            "customerID": ["ana", "bo"],
            "SeniorCitizen": ["0", "1"],
            "tenure": ["2", "0"],
            "MonthlyCharges": ["29.85", "50"],
            "TotalCharges": ["60.1", " "],
            **columns,
        },
        dtype=str,
    )


def test_each_number_gets_its_type_and_its_value():
    clean = clean_telco(raw_table())
    assert clean["customerID"].tolist() == ["ana", "bo"]
    assert clean["SeniorCitizen"].tolist() == [0, 1]
    assert clean["tenure"].tolist() == [2, 0]
    assert clean["MonthlyCharges"].tolist() == [29.85, 50.0]
    assert [str(clean[name].dtype) for name in ["SeniorCitizen", "tenure"]] == ["int64", "int64"]
    assert str(clean["MonthlyCharges"].dtype) == str(clean["TotalCharges"].dtype) == "float64"


@pytest.mark.parametrize("blank", [" ", "", "\t "])
def test_a_blank_total_in_the_first_month_is_nothing_paid_yet(blank):
    clean = clean_telco(raw_table(TotalCharges=["60.1", blank]))
    assert clean["TotalCharges"].tolist() == [60.1, 0.0]


def test_columns_rows_and_index_stay_and_the_raw_table_is_left_alone():
    raw = raw_table(Churn=["Yes", "No"]).set_axis([9, 4])
    before = raw.copy()
    clean = clean_telco(raw)
    assert clean.columns.tolist() == raw.columns.tolist()
    assert clean.index.tolist() == [9, 4]
    pd.testing.assert_frame_equal(raw, before)


def test_a_blank_total_after_the_first_month_is_a_gap_and_refused():
    raw = raw_table(tenure=["2", "5"]).set_axis([9, 4])
    with pytest.raises(
        ValueError, match=r"1 blank TotalCharges .*first in row 2 \(tenure 5\).*Quarantine"
    ):
        clean_telco(raw)


@pytest.mark.parametrize("column", ["SeniorCitizen", "tenure", "MonthlyCharges", "TotalCharges"])
@pytest.mark.parametrize("value", ["x", "", "nan", "1,5", None])
def test_what_is_no_number_is_refused_with_its_column_and_row(column, value):
    raw = raw_table(tenure=["2", "1"], TotalCharges=["60.1", "50"])
    raw.loc[1, column] = value
    with pytest.raises(ValueError, match=rf"{column}.* row 2 .*Quarantine"):
        clean_telco(raw)


@pytest.mark.parametrize("column", ["SeniorCitizen", "tenure"])
@pytest.mark.parametrize("value", ["1.5", "inf"])
def test_a_part_of_a_month_is_refused_and_not_cut_off(column, value):
    raw = raw_table()
    raw.loc[0, column] = value
    with pytest.raises(
        ValueError, match=rf"{column} in row 1 is '{value}', which is no whole number\. Quarantine"
    ):
        clean_telco(raw)


@pytest.mark.parametrize("column", ["SeniorCitizen", "tenure", "MonthlyCharges", "TotalCharges"])
def test_a_missing_column_is_named(column):
    with pytest.raises(ValueError, match=rf"raw lacks the column\(s\) {column};"):
        clean_telco(raw_table().drop(columns=column))


@settings(max_examples=examples(25))
@given(st.lists(st.tuples(st.integers(1, 999), st.integers(0, 99_999_999)), min_size=1, max_size=5))
def test_any_amount_in_cents_is_read_exactly(people):
    raw = pd.DataFrame(
        {
            "SeniorCitizen": "0",
            "tenure": [str(months) for months, _ in people],
            "MonthlyCharges": "20",
            "TotalCharges": [f"{cents // 100}.{cents % 100:02d}" for _, cents in people],
        },
        dtype=str,
    )
    clean = clean_telco(raw)
    assert clean["tenure"].tolist() == [months for months, _ in people]
    # Oracle: the nearest double to cents / 100, which is what Python's division gives.
    assert clean["TotalCharges"].tolist() == [cents / 100 for _, cents in people]


def test_the_real_file_is_cleaned_without_losing_a_row_or_a_cent(telco_csv):
    raw, _ = read_telco(telco_csv)
    clean = clean_telco(raw)
    assert len(clean) == len(raw)
    assert clean["TotalCharges"].eq(0).sum() == 11
    oracle = np.array([float(text.strip() or 0) for text in raw["TotalCharges"]])
    np.testing.assert_array_equal(clean["TotalCharges"], oracle)
    others = raw.columns.difference(["SeniorCitizen", "tenure", "MonthlyCharges", "TotalCharges"])
    pd.testing.assert_frame_equal(clean[others], raw[others])
