"""`helpers.training.churn`: the classifiers, against hand-made tables and plain scikit-learn."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from helpers.etl.businesses import clean_telco, read_telco
from helpers.etl.businesses.telco import TELCO_LEVELS
from helpers.training.churn import AMOUNTS, LEVELS, logistic, majority


def checkerboard():
    """Customers who leave exactly on the black squares: contract x payment, named as one level."""
    squares = [(contract, payment) for contract in "abcd" for payment in "wxyz"] * 10
    return pd.DataFrame(
        {
            "tenure": np.arange(len(squares)) % 7,
            "square": [contract + payment for contract, payment in squares],
            "left": [("abcd".index(c) + "wxyz".index(p)) % 2 == 1 for c, p in squares],
        }
    )


def test_the_majority_gives_everybody_the_rate_it_was_trained_on():
    # 1 of 5 left.
    model = majority().fit(np.zeros((5, 1)), [False, False, True, False, False])
    assert model.predict_proba(np.ones((3, 1)))[:, 1].tolist() == pytest.approx([0.2] * 3)
    assert not model.predict(np.ones((3, 1))).any()


def test_the_logistic_solves_a_checkerboard_of_levels():
    board = checkerboard()
    model = logistic(amounts=["tenure"], levels=["square"]).fit(board, board["left"])
    assert (model.predict(board) == board["left"]).all()
    assert (majority().fit(board, board["left"]).predict(board) == board["left"]).mean() == 0.5


def test_a_level_unseen_in_training_counts_as_none_of_the_known_ones():
    known = pd.DataFrame({"tenure": [1, 2, 3, 4], "pay": ["card", "card", "check", "check"]})
    model = logistic(amounts=["tenure"], levels=["pay"]).fit(known, [0, 0, 1, 1])
    new = pd.DataFrame({"tenure": [2.5], "pay": ["cash"]})
    # 2.5 is the mean tenure, so it adds nothing; no level is on: only the intercept remains.
    intercept = model[-1].intercept_[0]
    assert model.predict_proba(new)[0, 1] == pytest.approx(1 / (1 + np.exp(-intercept)))
    assert model[0].transform(new)[0].tolist() == [0.0, 0.0, 0.0]


def test_columns_it_was_not_told_to_use_are_ignored():
    board = checkerboard()
    model = logistic(amounts=["tenure"], levels=["square"]).fit(board, board["left"])
    without = board[["square", "tenure"]]
    with_more = without.assign(customerID="x", when=pd.Timestamp("2026-01-01"))
    np.testing.assert_array_equal(model.predict_proba(without), model.predict_proba(board))
    np.testing.assert_array_equal(model.predict_proba(without), model.predict_proba(with_more))


def test_the_preparation_is_fitted_on_the_training_rows_only():
    train = pd.DataFrame({"tenure": [0.0, 10.0]})
    model = logistic(amounts=["tenure"], levels=[]).fit(train, [1, 0])
    model.predict(pd.DataFrame({"tenure": [1000.0]}))
    # Mean 5, deviation 5: 10 becomes +1, whatever was predicted for in between.
    assert model[0].transform(train).ravel().tolist() == [-1.0, 1.0]


def test_the_unit_of_an_amount_does_not_matter():
    board = checkerboard()
    in_days = board.assign(tenure=board["tenure"] * 30.4)
    in_months, days = (
        logistic(["tenure"], ["square"]).fit(table, table["left"]).predict_proba(table)
        for table in [board, in_days]
    )
    # Standardised amounts differ in the last bits; the solver stops at 1e-4.
    np.testing.assert_allclose(in_months, days, atol=1e-4)


def test_an_empty_list_means_no_column_of_that_kind():
    board = checkerboard()
    assert logistic(amounts=[], levels=["square"]).fit(board, board["left"]).n_features_in_ == 3
    width = logistic(amounts=[], levels=["square"]).fit(board, board["left"])[-1].coef_.shape[1]
    assert width == 16  # one per square, none for tenure


def test_the_default_columns_are_those_of_the_file_without_the_id_and_the_answer():
    assert not {"customerID", "Churn"} & {*AMOUNTS, *LEVELS}
    assert set(LEVELS) == set(TELCO_LEVELS) - {"Churn"}
    assert len(AMOUNTS) + len(LEVELS) == 19


def test_on_the_real_file_it_scores_as_published_and_as_plain_scikit_learn(telco_csv):
    customers = clean_telco(read_telco(telco_csv)[0])
    churned = customers["Churn"].eq("Yes")
    plain = pd.get_dummies(customers.drop(columns=["customerID", "Churn"]), dtype=float)
    ours, oracle = [], []
    for train, test in StratifiedKFold(5, shuffle=True, random_state=7).split(plain, churned):
        model = logistic().fit(customers.iloc[train], churned.iloc[train])
        seen = model.predict_proba(customers.iloc[test])[:, 1]
        ours.append(roc_auc_score(churned.iloc[test], seen))
        by_hand = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
        by_hand.fit(plain.iloc[train], churned.iloc[train])
        seen = by_hand.predict_proba(plain.iloc[test])[:, 1]
        oracle.append(roc_auc_score(churned.iloc[test], seen))
    # 0.845 is the published mean over 25 folds; 0.012 its spread from fold to fold.
    assert np.mean(ours) == pytest.approx(0.845, abs=0.012)
    # The oracle scales the dummies too, so the penalty weighs a little differently.
    assert np.mean(ours) == pytest.approx(np.mean(oracle), abs=0.003)
