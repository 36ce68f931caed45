"""`helpers.etl.businesses.telco`: every row goes to exactly one side, with the reason."""

import re

import numpy as np
import pandas as pd
import pytest
from conftest import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.etl.books import quarantine
from helpers.etl.businesses import clean_telco, read_telco, telco_customers, telco_schema
from helpers.etl.businesses.telco import TELCO_COLUMNS, TELCO_LEVELS
from helpers.worlds.operator import write_telco_csv

FIELDS = (
    "7590-VHVEG,Female,0,Yes,No,1,No,No phone service,DSL,No,Yes,No,No,No,No,"
    "Month-to-month,Yes,Electronic check,29.85,29.85,No"
)
GOOD = dict(zip(TELCO_COLUMNS, FIELDS.split(","), strict=True))
CONTRACT = telco_schema()


def customers(*changes):
    """One customer per change: the good row with some fields replaced."""
    return pd.DataFrame([{**GOOD, **change} for change in changes], dtype=str)


def test_rows_that_keep_the_schema_come_back_as_they_were():
    raw = customers({}, {"tenure": "72"})
    accepted, refused = quarantine(raw, CONTRACT)
    pd.testing.assert_frame_equal(accepted, raw)
    assert len(refused) == 0
    assert refused.columns.tolist() == [*TELCO_COLUMNS, "reason"]


def test_one_broken_row_leaves_with_its_reason_and_the_others_stay():
    raw = customers({}, {"Contract": "Weekly"}, {"tenure": "5"})
    accepted, refused = quarantine(raw, CONTRACT)
    assert accepted["tenure"].tolist() == ["1", "5"]
    assert refused[["Contract", "reason"]].to_numpy().tolist() == [
        ["Weekly", "Contract is a known level"]
    ]


def test_a_row_that_breaks_two_rules_is_refused_once_with_both_reasons():
    _, refused = quarantine(customers({"Contract": "?", "tenure": "-1"}), CONTRACT)
    assert refused["reason"].tolist() == [
        "Contract is a known level; tenure is a whole number of months"
    ]


WRITTEN_OTHERWISE = [
    ("customerID", ""),
    ("customerID", " a"),
    ("gender", "female"),
    ("SeniorCitizen", "Yes"),
    ("SeniorCitizen", "0.0"),
    ("tenure", "1.0"),
    ("tenure", "-1"),
    ("tenure", ""),
    ("tenure", "1000"),
    ("tenure", "12\n"),
    ("tenure", "١٢"),
    ("MonthlyCharges", ""),
    ("MonthlyCharges", "29,85"),
    ("MonthlyCharges", "-5"),
    ("MonthlyCharges", "1e3"),
    ("MonthlyCharges", "nan"),
    ("TotalCharges", "n/a"),
    ("TotalCharges", "29.85\n"),
    ("PaymentMethod", "Electronic check "),
    ("Churn", ""),
]


def test_a_field_that_is_written_otherwise_is_refused_under_its_name():
    raw = customers({}, *({column: value} for column, value in WRITTEN_OTHERWISE))
    accepted, refused = quarantine(raw, CONTRACT)
    assert len(accepted) == 1
    for (column, value), (_, row) in zip(WRITTEN_OTHERWISE, refused.iterrows(), strict=True):
        assert row[column] == value
        assert re.fullmatch(rf"{column} [^;]*", row["reason"]), (value, row["reason"])


def test_a_missing_value_is_refused_in_every_column():
    raw = customers(*({} for _ in range(22)))
    for row, column in enumerate(TELCO_COLUMNS):
        raw.loc[row, column] = None
    accepted, refused = quarantine(raw, CONTRACT)
    assert (len(accepted), len(refused)) == (1, 21)  # the 22nd row is whole
    assert refused[TELCO_COLUMNS].isna().to_numpy().tolist() == np.eye(21, dtype=bool).tolist()


@pytest.mark.parametrize(
    ("tenure", "total", "kept"),
    [("0", " ", True), ("0", "", True), ("0", "0", True), ("1", " ", False), ("00", " ", False)],
)
def test_a_total_may_be_blank_only_in_the_first_month(tenure, total, kept):
    accepted, refused = quarantine(customers({"tenure": tenure, "TotalCharges": total}), CONTRACT)
    assert (len(accepted), len(refused)) == ((1, 0) if kept else (0, 1))
    if not kept:
        assert refused["reason"].item() == "TotalCharges is blank only in the first month"


def test_the_index_of_the_raw_table_does_not_matter():
    raw = customers({}, {"Churn": "?"}, {"tenure": "9"}).set_axis([7, 7, 7])
    accepted, refused = quarantine(raw, CONTRACT)
    assert accepted["tenure"].tolist() == ["1", "9"]
    assert refused["Churn"].tolist() == ["?"]


def test_the_raw_table_itself_is_left_alone():
    raw = customers({}, {"Churn": "?"})
    before = raw.copy()
    quarantine(raw, CONTRACT)
    pd.testing.assert_frame_equal(raw, before)


def test_a_table_without_a_column_of_the_schema_is_refused():
    with pytest.raises(
        ValueError, match=r"the raw table lacks the column\(s\) Churn; it has .*Rename"
    ):
        quarantine(customers({}).drop(columns="Churn"), CONTRACT)


def test_a_column_of_numbers_is_refused_as_a_whole_with_what_to_do():
    raw = customers({}).astype({"tenure": int})
    with pytest.raises(ValueError, match=r"as a whole: .*tenure\)\. Read every column as text"):
        quarantine(raw, CONTRACT)


def test_the_schema_speaks_about_each_column_of_the_file():
    assert sorted(CONTRACT.columns) == sorted(TELCO_COLUMNS)


CORRUPTIONS = st.tuples(
    st.integers(0, 5),
    st.sampled_from(TELCO_COLUMNS),
    st.one_of(
        st.sampled_from(["", " ", "No", "Yes", "0", "1", "72", "19.9", "?", "12\n", "٣", "1e9"]),
        st.text(max_size=4),
        st.none(),
    ),
)


@settings(max_examples=examples(12))
@given(st.lists(CORRUPTIONS, max_size=8))
def test_rows_in_are_rows_accepted_plus_rows_refused_and_the_accepted_can_be_cleaned(corruptions):
    raw = customers(*({"customerID": f"{row}-A", "tenure": str(row)} for row in range(6)))
    raw["row"] = [str(row) for row in range(6)]  # rides along, so that rows can be told apart
    for row, column, value in corruptions:
        raw.loc[row, column] = value
    accepted, refused = quarantine(raw, CONTRACT)
    assert sorted([*accepted["row"], *refused["row"]]) == raw["row"].tolist()
    assert refused["reason"].str.len().gt(0).all()
    untouched = {str(row) for row in range(6)} - {str(row) for row, _, _ in corruptions}
    assert untouched <= set(accepted["row"])
    for column, levels in TELCO_LEVELS.items():
        assert accepted[column].isin(levels).all()
    assert len(clean_telco(accepted)) == len(accepted)


def test_the_real_file_keeps_the_schema_in_every_row(telco_csv):
    accepted, refused = quarantine(read_telco(telco_csv)[0], CONTRACT)
    assert (len(accepted), len(refused)) == (7043, 0)


def test_the_schema_knows_no_level_that_the_real_file_has_not(telco_csv):
    raw, _ = read_telco(telco_csv)
    assert {name: sorted(raw[name].unique()) for name in TELCO_LEVELS} == {
        name: sorted(levels) for name, levels in TELCO_LEVELS.items()
    }


def test_customers_in_one_step_are_those_of_the_steps_and_a_broken_row_is_told(tmp_path):
    raw = pd.read_csv(write_telco_csv(300, 7, tmp_path), dtype=str, keep_default_na=False)
    path = tmp_path / "broken.csv"
    raw.assign(Churn=["Maybe", *raw["Churn"][1:]]).to_csv(path, index=False)
    with pytest.warns(UserWarning, match="1 of 300 customers break the contract and are left out"):
        found = telco_customers(path)
    pd.testing.assert_frame_equal(found, clean_telco(raw[1:].reset_index(drop=True)))
