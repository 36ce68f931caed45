"""`helpers.worlds.operator.telco`: the simulated operator, held against IBM's file."""

import hashlib
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from helpers.etl.books import quarantine
from helpers.etl.businesses import clean_telco, read_telco, telco_schema
from helpers.etl.businesses.telco import TELCO_COLUMNS, TELCO_LEVELS
from helpers.training.churn import logistic
from helpers.worlds.operator import write_telco_csv
from helpers.worlds.operator.telco import telco_table

SEEDS = [1, 2, 3]


@pytest.fixture(scope="module")
def tables():
    """Three tables of 20,000 customers, cleaned."""
    return [clean_telco(telco_table(20_000, seed)) for seed in SEEDS]


@pytest.fixture(scope="module")
def real(telco_csv):
    return clean_telco(read_telco(telco_csv)[0])


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bytes_in_this_and_in_a_fresh_process(tmp_path):
    here = write_telco_csv(300, 7, tmp_path / "here").read_bytes()
    assert write_telco_csv(300, 7, tmp_path / "again").read_bytes() == here
    code = (
        "import sys; from helpers.worlds.operator import write_telco_csv;"
        "print(write_telco_csv(300, 7, sys.argv[1]))"
    )
    for hash_seed in ["1", "2"]:
        ran = subprocess.run(
            [sys.executable, "-c", code, tmp_path / hash_seed],
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
        )
        with open(ran.stdout.strip(), "rb") as file:
            assert file.read() == here


def test_another_seed_gives_another_table():
    first, other = telco_table(300, 7), telco_table(300, 8)
    for column in ["customerID", "tenure", "Contract", "MonthlyCharges", "Churn"]:
        assert first[column].tolist() != other[column].tolist()


def test_the_random_numbers_of_others_are_left_alone():
    np.random.seed(7)  # noqa: NPY002  the global state is what must not move
    before = np.random.get_state()[1].tolist()  # noqa: NPY002
    telco_table(50, 1)
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002


def test_the_file_is_read_back_as_the_table_and_named_by_its_making(tmp_path):
    path = write_telco_csv(120, 7, tmp_path / "deep")
    assert path.name == "telco_120_customers_seed_7.csv"
    raw, provenance = read_telco(path)
    pd.testing.assert_frame_equal(raw, telco_table(120, 7))
    assert provenance.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("customers", [1, 600])
def test_every_row_of_every_size_keeps_the_schema(customers):
    raw = telco_table(customers, seed=7)
    accepted, refused = quarantine(raw, telco_schema())
    assert (len(accepted), len(refused)) == (customers, 0)
    assert raw.columns.tolist() == TELCO_COLUMNS
    assert all(isinstance(value, str) for column in raw for value in raw[column])


def test_20000_customers_keep_the_schema_too():
    assert len(quarantine(telco_table(20_000, 1), telco_schema())[1]) == 0


@pytest.mark.parametrize("customers", [0, -1])
def test_fewer_than_one_customer_is_refused(customers):
    with pytest.raises(ValueError, match=f"rows of the table, so at least 1; got {customers}"):
        telco_table(customers, seed=7)


@pytest.mark.parametrize("customers", [10_000, 12_345])
def test_ids_are_unique_beyond_four_digits_too(customers):
    ids = telco_table(customers, seed=7)["customerID"]
    assert ids.is_unique
    assert ids.str.fullmatch(r"[0-9]{4,5}-[A-Z]{5}").all()


@pytest.mark.parametrize(("customers", "newcomers"), [(1, 1), (499, 1), (1000, 2), (5000, 10)])
def test_two_in_a_thousand_are_in_their_first_month_and_none_of_them_left(customers, newcomers):
    raw = telco_table(customers, seed=7)
    first_month = raw[raw["tenure"].eq("0")]
    assert len(first_month) == newcomers
    assert first_month["TotalCharges"].eq(" ").all()
    assert first_month["Churn"].eq("No").all()
    assert raw.loc[raw["tenure"].ne("0"), "TotalCharges"].str.strip().ne("").all()


def test_services_fit_together():
    raw = telco_table(3000, seed=7)
    offline = raw["InternetService"].eq("No")
    for extra in ["OnlineSecurity", "OnlineBackup", "TechSupport", "StreamingTV"]:
        assert raw[extra].eq("No internet service").eq(offline).all()
    no_phone = raw["PhoneService"].eq("No")
    assert raw["MultipleLines"].eq("No phone service").eq(no_phone).all()
    assert not (offline & no_phone).any()  # somebody without either is no customer


def test_the_bill_follows_the_tariff(tables):
    customers = tables[0]
    price = (
        20 * customers["PhoneService"].eq("Yes")
        + 5 * customers["MultipleLines"].eq("Yes")
        + customers["InternetService"].map({"DSL": 25, "Fiber optic": 50, "No": 0})
        + 5 * customers["OnlineSecurity"].eq("Yes")
        + 5 * customers["OnlineBackup"].eq("Yes")
        + 5 * customers["DeviceProtection"].eq("Yes")
        + 5 * customers["TechSupport"].eq("Yes")
        + 10 * customers["StreamingTV"].eq("Yes")
        + 10 * customers["StreamingMovies"].eq("Yes")
    )
    bill = customers["MonthlyCharges"]
    residue = ((bill - price) ** 2).sum() / ((bill - bill.mean()) ** 2).sum()
    assert 1 - residue > 0.99  # the real file: 0.9988


def test_the_total_is_about_the_bill_times_the_months(tables):
    billed = tables[0].query("tenure > 0")
    ratio = billed["TotalCharges"] / (billed["tenure"] * billed["MonthlyCharges"])
    assert ratio.median() == pytest.approx(1.0, abs=0.005)  # 0.05 / sqrt(20,000), ten times over
    assert ratio[billed["tenure"] > 1].std() == pytest.approx(0.05, abs=0.005)
    # Total and bill are written in cents, so a first bill differs by a cent at most.
    assert (billed["TotalCharges"] - billed["MonthlyCharges"])[
        billed["tenure"] == 1
    ].abs().max() < 0.01


def test_columns_and_spellings_are_those_of_the_real_file(telco_csv):
    raw, _ = read_telco(telco_csv)
    simulated = telco_table(3000, seed=7)
    assert simulated.columns.tolist() == raw.columns.tolist()
    assert simulated.dtypes.tolist() == raw.dtypes.tolist()
    for column in TELCO_LEVELS:
        assert set(simulated[column]) == set(raw[column]), column
    for column in ["customerID", "tenure", "MonthlyCharges", "TotalCharges"]:
        shapes = [
            set(table[column].str.replace("[0-9]+", "9", regex=True).str.replace("[A-Z]", "A", regex=True))
            for table in [simulated, raw]
        ]  # fmt: skip
        assert shapes[0] == shapes[1], column


def churn_share(customers, column):
    return customers["Churn"].eq("Yes").groupby(customers[column]).mean()


@pytest.mark.parametrize("column", ["Contract", "InternetService", "PaymentMethod"])
def test_churn_by_group_is_close_to_the_real_file(tables, real, column):
    simulated = sum(churn_share(table, column) for table in tables) / len(tables)
    away = (simulated - churn_share(real, column)).abs()
    # Chance moves a share of the real file by 0.013 at most (one standard error of its smallest
    # group) and the mean of three tables by 0.003; the rest is the world's own error.
    assert away.max() < 0.03, away.to_dict()
    assert (
        simulated.sort_values().index.tolist()
        == churn_share(real, column).sort_values().index.tolist()
    )


def test_the_overall_churn_and_the_mix_of_contracts_are_close_to_the_real_file(tables, real):
    mean = sum(table["Churn"].eq("Yes").mean() for table in tables) / len(tables)
    # One standard error of the real 26.5 % is 0.005; the fiber churners above add 0.01.
    assert mean == pytest.approx(real["Churn"].eq("Yes").mean(), abs=0.02)
    for column in ["Contract", "InternetService"]:
        shares = [table[column].value_counts(normalize=True) for table in [tables[0], real]]
        assert (shares[0] - shares[1]).abs().max() < 0.02  # 20,000 draws: one error is 0.0035


def test_a_model_trained_on_the_simulated_table_ranks_the_real_customers(tables, real):
    customers = tables[0].head(5000)
    model = logistic().fit(customers, customers["Churn"].eq("Yes"))
    auc = roc_auc_score(real["Churn"].eq("Yes"), model.predict_proba(real)[:, 1])
    assert auc >= 0.82  # a model trained on the real file itself reaches 0.845
