"""`helpers.training.compare`: counted by hand, and against SciPy's, scikit-learn's own figures."""

import math

import numpy as np
import pandas as pd
import pytest
from conftest import first_always
from pandas import DataFrame
from scipy.stats import binomtest, ttest_rel
from sklearn.metrics import accuracy_score, recall_score, roc_auc_score

from helpers.training.compare import (
    fairness_gaps,
    paired,
    paired_bootstrap,
    uplift_by_band,
    worst_slices,
)

A, B = [0.84, 0.86, 0.85, 0.87, 0.85], [0.83, 0.84, 0.84, 0.85, 0.84]


def test_paired_is_the_t_interval_of_scipy_made_wider_by_nadeau_and_bengio():
    found = paired(A, B, test_share=0.2)
    plain = ttest_rel(A, B).confidence_interval(0.95)
    wider = math.sqrt((1 / 5 + 0.2 / 0.8) / (1 / 5))
    assert found.mean == pytest.approx(np.mean(A) - np.mean(B))
    assert found.low == pytest.approx(found.mean - wider * (plain.high - plain.low) / 2)
    assert found.high == pytest.approx(found.mean + wider * (plain.high - plain.low) / 2)


def test_paired_is_surer_than_the_two_spreads_and_turns_with_its_sides():
    found, turned = paired(A, B, 0.2), paired(B, A, 0.2)
    assert (turned.mean, turned.low, turned.high) == (-found.mean, -found.high, -found.low)
    assert found.low > 0  # though the two rows of scores overlap
    assert min(A) < max(B)


@pytest.mark.parametrize(
    ("a", "b", "share", "told"),
    [
        (A, B[:3], 0.2, "got 5 and 3"),
        ([0.8], [0.7], 0.2, "at least two folds"),
        ([0.8, np.nan], [0.7, 0.7], 0.2, "of which 3 are numbers"),
        (A, B, 20, "For 20 per cent write 0.2"),
        (A, B, 1.0, "between 0 and 1"),
        (pd.Series(A), pd.Series(B)[::-1], 0.2, "different orders"),
    ],
)
def test_folds_that_cannot_be_compared_are_refused(a, b, share, told):
    with pytest.raises(ValueError, match=told):
        paired(a, b, share)


def test_the_bootstrap_draws_customers_with_all_their_rows():
    # Ten rows a customer, all alike: by rows the range would be about 1/sqrt(10) as wide.
    rng = np.random.default_rng(7)
    own = rng.normal(size=60)
    table = DataFrame({"customerID": np.repeat(np.arange(60), 10), "gain": np.repeat(own, 10)})
    found = paired_bootstrap(table, lambda rows: rows["gain"].mean(), seed=7)
    assert found.mean == pytest.approx(own.mean())
    # 1.96 standard errors to each side; ends of 400 draws are uncertain by about a tenth.
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * own.std() / math.sqrt(60), rel=0.2)
    assert found == paired_bootstrap(table, lambda rows: rows["gain"].mean(), seed=7)
    assert found != paired_bootstrap(table, lambda rows: rows["gain"].mean(), seed=8)


def test_what_both_models_share_cancels_in_the_bootstrap():
    base = np.random.default_rng(7).normal(size=200)
    table = DataFrame({"customerID": range(200), "a": base + 0.1, "b": base})
    found = paired_bootstrap(table, lambda rows: rows["a"].mean() - rows["b"].mean(), seed=7)
    assert found.low == pytest.approx(0.1)
    assert found.high == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("ids", "value", "told"),
    [([1, 1], 0.1, "got 1 different"), ([1, 2], np.nan, "nan"), ([1, None], 0.1, "without customerID")],
)  # fmt: skip
def test_a_bootstrap_that_would_say_nothing_is_refused(ids, value, told):
    with pytest.raises(ValueError, match=told):
        paired_bootstrap(DataFrame({"customerID": ids}), lambda rows: value, seed=7)


def scored(rows=2_000, seed=7):
    """Customers whom a model knows well, except those who pay by check."""
    rng = np.random.default_rng(seed)
    pay = rng.choice(["card", "check", None], rows, p=[0.6, 0.3, 0.1])
    tenure = rng.integers(0, 72, rows)
    chance = rng.random(rows)
    left = rng.random(rows) < np.where(pay == "check", 1 - chance, chance)
    return DataFrame({"pay": pay, "tenure": tenure, "churned": left, "churn_probability": chance})


@pytest.mark.parametrize(
    "metric", first_always(["roc_auc", "accuracy", "recall", "brier", "log_loss"])
)
def test_the_planted_weak_slice_comes_first_and_is_beyond_chance(metric):
    table = worst_slices(scored(), ["pay", "tenure"], metric, seed=7)
    assert table.loc[0, ["column", "level"]].tolist() == ["pay", "check"]
    worst, rest = table.iloc[0], table[table["column"] == "tenure"]
    better = worst["high"] < worst["overall"]
    assert better if metric not in ("brier", "log_loss") else worst["low"] > worst["overall"]
    assert (rest["low"] < rest["overall"]).all()
    assert (rest["overall"] < rest["high"]).all()
    assert len(rest) == 4  # quarters of 72 different numbers


def test_a_slice_is_judged_as_scikit_learn_judges_its_rows():
    table = scored()
    found = worst_slices(table, ["pay"], "recall", seed=7).set_index("level")
    for level, rows in [("card", table["pay"] == "card"), ("(missing)", table["pay"].isna())]:
        part = table[rows]
        told = part["churn_probability"] >= 0.5
        assert found.loc[level, "recall"] == pytest.approx(recall_score(part["churned"], told))
        hits, left = int((told & part["churned"]).sum()), int(part["churned"].sum())
        ends = binomtest(hits, left).proportion_ci(1 - 0.05 / 3, method="wilson")
        assert found.loc[level, ["low", "high"]].tolist() == pytest.approx([ends.low, ends.high])
        assert found.loc[level, ["customers", "churned"]].tolist() == [len(part), left]
    aucs = worst_slices(table, ["pay"], "roc_auc", seed=7).set_index("level")["roc_auc"]
    card = table[table["pay"] == "card"]
    assert aucs["card"] == pytest.approx(roc_auc_score(card["churned"], card["churn_probability"]))


def test_a_gap_among_probabilities_is_refused_whatever_its_type():
    gaps = pd.array([0.5] * 1_999 + [pd.NA], "Float64")
    for judge in (
        lambda table: worst_slices(table, ["pay"], "accuracy", seed=1),
        lambda table: fairness_gaps(table, "pay", 0.5),
    ):
        with pytest.raises(
            ValueError, match="churn_probability of 1 row.s. of scored is not from 0.0 to 1.0"
        ):
            judge(scored().assign(churn_probability=gaps))


def test_no_slice_is_called_weak_where_its_figure_or_its_range_means_nothing():
    with pytest.raises(ValueError, match="calibration error of a few customers"):
        worst_slices(scored(), ["pay"], "calibration_error", seed=1)
    few = scored().assign(churn_probability=0.1)  # nobody is called: no draw has another F1 than 0
    found = worst_slices(few, ["pay"], "f1", seed=1)
    assert (found["f1"] == 0).all()
    assert found[["low", "high"]].isna().all(axis=None)


def test_columns_may_have_numbers_as_names():
    table = scored().rename(columns={"pay": 0})
    assert set(worst_slices(table, [0], "accuracy", seed=1)["column"]) == {"0"}


def test_slices_below_the_floor_are_listed_and_not_judged():
    table = scored().assign(rare=["x"] * 49 + ["y"] * 1_951)
    found = worst_slices(table, ["rare"], "accuracy", seed=7)
    assert found["level"].tolist() == ["y", "x"]
    assert found["customers"].tolist() == [1_951, 49]
    assert found[["accuracy", "low", "high"]].isna().all(axis=1).tolist() == [False, True]
    assert worst_slices(table, ["rare"], "accuracy", seed=7, at_least=49).notna().all(axis=None)


def test_columns_together_make_slices_of_all_their_levels():
    table = scored().assign(contract=["month", "year"] * 1_000)
    found = worst_slices(table, [("pay", "contract")], "accuracy", seed=7)
    assert set(found["column"]) == {"pay & contract"}
    part = table[(table["pay"] == "check") & (table["contract"] == "year")]
    row = found.set_index("level").loc["check & year"]
    assert row["customers"] == len(part)
    told = part["churn_probability"] >= 0.5
    assert row["accuracy"] == pytest.approx(accuracy_score(part["churned"], told))


def test_a_slice_of_one_outcome_has_no_auc_and_one_without_churners_no_recall():
    table = scored().assign(kind=lambda t: t["churned"].map({True: "left", False: "stayed"}))
    for metric in ("roc_auc", "recall"):
        found = worst_slices(table, ["kind"], metric, seed=7).set_index("level")
        assert np.isnan(found.loc["stayed", metric])


def test_slices_that_cannot_be_judged_are_refused():
    with pytest.raises(ValueError, match="metric is one of accuracy, "):
        worst_slices(scored(), ["pay"], "auc", seed=7)
    with pytest.raises(ValueError, match="lacks the column"):
        worst_slices(scored(), ["plan"], "recall", seed=7)
    holes = scored().assign(churn_probability=[np.nan] + [0.5] * 1_999)
    with pytest.raises(ValueError, match=r"churn_probability of 1 row\(s\) .* being nan \(row 1\)"):
        worst_slices(holes, ["pay"], "recall", seed=7)


# Men: 4 left of 10, 3 of them picked, and 3 of the 6 who stayed. Women: 2 of 5, 1 and 0.
GROUPS = DataFrame(
    {
        "gender": ["m"] * 10 + ["w"] * 5,
        "churned": [True] * 4 + [False] * 6 + [True] * 2 + [False] * 3,
        "churn_probability": [0.9, 0.9, 0.9, 0.1, 0.8, 0.8, 0.8, 0.1, 0.1, 0.1, 0.9, 0.1, 0.1, 0.1, 0.1],
    }
)  # fmt: skip


def test_fairness_gaps_are_those_counted_by_hand():
    found = fairness_gaps(GROUPS, "gender", threshold=0.5)
    assert found.by_group["customers"].tolist() == [10, 5]
    assert found.by_group["churned"].tolist() == [4, 2]
    assert found.by_group.loc["m", ["selection_share", "recall", "false_positive_share"]].tolist() == [0.6, 0.75, 0.5]  # fmt: skip
    assert found.by_group.loc["w", ["selection_share", "recall", "false_positive_share"]].tolist() == [0.2, 0.5, 0.0]  # fmt: skip
    gaps = found.gaps
    assert gaps["gap"].tolist() == pytest.approx([0.4, 0.25, 0.5])
    assert gaps["ratio"].tolist() == pytest.approx([1 / 3, 2 / 3, 0])
    assert set(gaps["highest"]) == {"m"}
    assert set(gaps["lowest"]) == {"w"}


def test_the_range_of_a_gap_is_newcombe_s_and_holds_the_published_example():
    # Newcombe (1998), table II, example (a): 56/70 - 48/80 is 0.2, by method 10 0.0524 to 0.3339.
    table = DataFrame(
        {
            "group": ["a"] * 70 + ["b"] * 80,
            "churned": [True] * 150,
            "churn_probability": [0.9] * 56 + [0.1] * 14 + [0.9] * 48 + [0.1] * 32,
        }
    )
    gap = fairness_gaps(table, "group", 0.5).gaps.loc["selection_share"]
    assert gap[["gap", "low", "high"]].tolist() == pytest.approx([0.2, 0.0524, 0.3339], abs=1e-4)
    # All left, so nobody was selected in vain: that measure cannot be compared.
    assert fairness_gaps(table, "group", 0.5).gaps.index.tolist() == ["selection_share", "recall"]


def test_a_gap_is_a_group_and_one_group_is_none():
    holes = GROUPS.assign(gender=["m"] * 10 + [None] * 5)
    assert fairness_gaps(holes, "gender", 0.5).by_group.index.tolist() == ["(missing)", "m"]
    with pytest.raises(ValueError, match="one group only, 'm'"):
        fairness_gaps(GROUPS.head(10), "gender", 0.5)


def experiment(rows=4_000, seed=7):
    """Half are called by lot; a call helps where `score` is high and harms where it is low."""
    rng = np.random.default_rng(seed)
    score, called = rng.random(rows), rng.random(rows) < 0.5
    left = rng.random(rows) < 0.5 - np.where(called, 0.4 * (score - 0.4), 0)
    return DataFrame({"score": score, "called": called, "churned": left})


def test_uplift_by_band_is_the_difference_of_two_shares_and_falls_as_planted():
    table = experiment()
    found = uplift_by_band(table, "score", "called", bands=4)
    top = table[table["score"] > table["score"].quantile(0.75)]
    shares = top.groupby("called")["churned"].mean()
    assert found.loc[1, "uplift"] == pytest.approx(shares[False] - shares[True])
    assert found.loc[1, "called"] == top["called"].sum()
    assert found["customers"].sum() == len(table)
    assert found.loc[1, "low"] > 0
    assert found["uplift"].iloc[-1] < 0


def test_uplift_of_a_band_without_a_control_group_is_missing():
    table = DataFrame({"score": [2.0, 2, 1, 1], "called": [True, True, True, False], "churned": [False] * 4})  # fmt: skip
    assert uplift_by_band(table, "score", "called", bands=2)["uplift"].isna().tolist() == [True, False]  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"called": True}, "true for 4,000 of 4,000"),
        ({"called": "yes"}, "no flags"),
        ({"score": None}, "without score"),
    ],
)
def test_what_is_no_experiment_is_refused(changed, told):
    with pytest.raises(ValueError, match=told):
        uplift_by_band(experiment().assign(**changed), "score", "called")
