"""`helpers.training.evaluate`: metrics against counts by hand and against scikit-learn."""

import math

import numpy as np
import pandas as pd
import pytest
from conftest import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu
from sklearn import metrics

from helpers.training.evaluate import scores

TRUTH = pd.Series([True, True, False, False, False])
PROBABILITY = np.array([0.9, 0.4, 0.6, 0.3, 0.1])
NAMES = [
    "accuracy", "precision", "recall", "f1", "roc_auc", "pr_auc", "log_loss", "brier",
    "calibration_error",
]  # fmt: skip


def test_scores_match_the_count_done_by_hand():
    # At 0.5 customers 1 and 3 are flagged: 1 right, 1 wrong; customer 2 is missed.
    # Pairs (left, stayed): 0.9 beats all 3; 0.4 beats 0.3 and 0.1: 5 of 6.
    found = scores(TRUTH, PROBABILITY)
    assert found.index.tolist() == NAMES
    assert found["accuracy"] == pytest.approx(3 / 5)
    assert found["precision"] == pytest.approx(1 / 2)
    assert found["recall"] == pytest.approx(1 / 2)
    assert found["f1"] == pytest.approx(1 / 2)
    assert found["roc_auc"] == pytest.approx(5 / 6)
    by_hand = -sum(math.log(p) for p in [0.9, 0.4, 1 - 0.6, 1 - 0.3, 1 - 0.1]) / 5
    assert found["log_loss"] == pytest.approx(by_hand)


def test_the_metrics_of_probabilities_match_the_count_done_by_hand():
    # By falling probability: hit, miss, hit, miss, miss; precision at the hits is 1 and 2/3.
    found = scores(TRUTH, PROBABILITY)
    assert found["pr_auc"] == pytest.approx((1 + 2 / 3) / 2)
    assert found["brier"] == pytest.approx((0.1**2 + 0.6**2 + 0.6**2 + 0.3**2 + 0.1**2) / 5)
    # One customer a bin: each is as far off as the probability from what happened.
    assert found["calibration_error"] == pytest.approx((0.1 + 0.6 + 0.6 + 0.3 + 0.1) / 5)


def test_a_bin_is_judged_by_its_mean_and_one_belongs_to_the_last_bin():
    # 0.31 and 0.39 share a bin of mean 0.35, half left; 0.95 and 1.0 share the last one.
    found = scores(pd.Series([True, False, True, True]), np.array([0.31, 0.39, 0.95, 1.0]))
    assert found["calibration_error"] == pytest.approx(0.15 * 0.5 + 0.025 * 0.5)


@pytest.mark.parametrize(
    ("threshold", "recall", "precision"),
    [(0.0, 1.0, 2 / 5), (0.4, 1.0, 2 / 3), (0.41, 0.5, 1 / 2), (0.9, 0.5, 1.0), (1.0, 0.0, 0.0)],
)
def test_a_customer_at_the_threshold_is_flagged(threshold, recall, precision):
    found = scores(TRUTH, PROBABILITY, threshold)
    assert (found["recall"], found["precision"]) == pytest.approx((recall, precision))


def test_nobody_flagged_gives_a_precision_of_zero_and_no_warning(recwarn):
    assert scores(TRUTH, np.zeros(5))["precision"] == 0.0
    assert not recwarn.list


@pytest.mark.parametrize("outcome", [True, False])
def test_one_outcome_only_leaves_the_auc_missing_and_the_rest_there(outcome):
    found = scores(pd.Series([outcome] * 3), np.array([0.2, 0.6, 0.7]))
    missing = ["roc_auc"] if outcome else ["roc_auc", "pr_auc"]
    assert found[found.isna()].index.tolist() == missing


@pytest.mark.parametrize(("truth", "probability"), [(5, 4), (0, 0), (1, 0)])
def test_unequal_or_no_customers_are_refused_with_both_counts(truth, probability):
    with pytest.raises(
        ValueError, match=f"one entry a customer; got {truth} and {probability}. Take both"
    ):
        scores(TRUTH.head(truth), PROBABILITY[:probability])


@pytest.mark.parametrize(
    "churned", [["Yes", "No", "No"], ["True", "False", "True"], [0, 1, 2], [1.0, 0.0, np.nan]]
)
def test_what_is_no_flag_is_refused_instead_of_counting_as_true(churned):
    with pytest.raises(
        ValueError, match=r"churned has \d value\(s\) that are no flags, .*== \"Yes\""
    ):
        scores(pd.Series(churned), np.array([0.1, 0.2, 0.3]))


@pytest.mark.parametrize("flags", [[1, 0, 1], [1.0, 0.0, 1.0], [True, False, True]])
def test_flags_may_be_written_as_numbers(flags):
    expected = scores(pd.Series([True, False, True]), np.array([0.9, 0.2, 0.3]))
    pd.testing.assert_series_equal(scores(pd.Series(flags), np.array([0.9, 0.2, 0.3])), expected)
    pd.testing.assert_series_equal(
        scores(pd.Series(flags, dtype=object), np.array([0.9, 0.2, 0.3])), expected
    )


def test_a_threshold_in_per_cent_is_refused():
    with pytest.raises(ValueError, match=r"threshold is a share .*got 50\. .*write 0\.5"):
        scores(TRUTH, PROBABILITY, threshold=50)


PEOPLE = st.lists(
    st.tuples(st.booleans(), st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.5, 0.75, 0.9, 1.0])),
    min_size=1,
    max_size=30,
)


@settings(max_examples=examples(20))
@given(PEOPLE, st.sampled_from([0.0, 0.1, 0.5, 0.6, 1.0]))
def test_scores_agree_with_the_counts_of_a_confusion_matrix(people, threshold):
    truth = np.array([left for left, _ in people])
    probability = np.array([p for _, p in people])
    found = scores(pd.Series(truth), probability, threshold)
    kept, false, missed, hit = metrics.confusion_matrix(
        truth, probability >= threshold, labels=[False, True]
    ).ravel()
    assert found["accuracy"] == pytest.approx((kept + hit) / len(people))
    assert found["precision"] == pytest.approx(hit / (hit + false) if hit + false else 0)
    assert found["recall"] == pytest.approx(hit / (hit + missed) if hit + missed else 0)
    assert found["f1"] == pytest.approx(2 * hit / (2 * hit + false + missed) if hit else 0)
    assert found["brier"] == pytest.approx(metrics.brier_score_loss(truth, probability))
    edges = np.clip(np.digitize(probability, np.arange(1, 10) / 10), 0, 9)
    off = [abs(probability[edges == one].sum() - truth[edges == one].sum()) for one in range(10)]
    assert found["calibration_error"] == pytest.approx(sum(off) / len(people))
    if truth.any() and not truth.all():
        assert found["pr_auc"] == pytest.approx(metrics.average_precision_score(truth, probability))
        # Oracle: the AUC is the share of pairs won, which is what Mann and Whitney count.
        pairs = truth.sum() * (~truth).sum()
        won = mannwhitneyu(probability[truth], probability[~truth]).statistic
        assert found["roc_auc"] == pytest.approx(won / pairs)


def test_both_columns_of_predict_proba_are_refused_with_what_to_take():
    with pytest.raises(ValueError, match=r"got a table of 5 x 2\. .*classes_\)\.index\(True\)"):
        scores(TRUTH, np.column_stack([1 - PROBABILITY, PROBABILITY]))


@pytest.mark.parametrize("wrong", [np.nan, 1.5, -0.1])
def test_what_is_no_probability_is_refused_with_the_first(wrong):
    with pytest.raises(
        ValueError, match=rf"1 value\(s\) that are not from 0\.0 to 1\.0, .* {wrong}"
    ):
        scores(TRUTH, np.r_[PROBABILITY[:4], wrong])


def test_gaps_among_flags_are_refused():
    holes = TRUTH.astype("boolean")
    holes[1] = pd.NA
    with pytest.raises(ValueError, match=r"churned has 1 value\(s\) that are no flags"):
        scores(holes, PROBABILITY)


def test_truth_and_probability_in_other_orders_are_refused():
    truth = pd.Series([True, False, False], index=["a", "b", "c"])
    chance = pd.Series([0.1, 0.2, 0.9], index=["c", "b", "a"])
    with pytest.raises(ValueError, match="stand in different orders"):
        scores(truth, chance)
    assert scores(truth, chance.loc[truth.index])["accuracy"] == 1
