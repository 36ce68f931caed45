"""Lesson 04c: its figures counted by hand, its claims on twenty seeds, and on IBM's file."""

import shutil
from functools import cache
from itertools import pairwise

import mlflow
import numpy as np
import pandas as pd
import pytest
from conftest import ROOT, SEEDS, stored_table, told_by
from scipy.stats import rankdata

from helpers.course.runner.shelf import code_cells, read_notebook
from helpers.training.track import tracking

pytestmark = pytest.mark.slow

STEM = "04c_choose_and_tune"
BEYOND = ("line with products", "boosting, tuned", "boosting, default", "random forest")


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """Run the lesson; MLflow's tables are made once and copied, which takes a second otherwise."""
    empty = tmp_path_factory.mktemp("empty")
    tracking(empty, "none")

    def run(**parameters):
        folder = tmp_path_factory.mktemp("04c")
        shutil.copy(empty / "mlflow.db", folder)
        return told_by(STEM, folder, **parameters)

    return run


@pytest.fixture(scope="module")
def played(told):
    """What the lesson told and left behind, by seed; a seed runs once."""
    return cache(lambda seed, **more: told(SEED=seed, **more))


@pytest.fixture(scope="module")
def real(told, telco_csv):
    """The same on IBM's customers."""
    return told(TELCO_CSV=str(telco_csv))


def auc_by_ranks(left, chance):
    """Return ROC-AUC as Mann and Whitney count it."""
    left, ranks = np.asarray(left), rankdata(chance)
    pairs = left.sum() * (~left).sum()
    return (ranks[left].sum() - left.sum() * (left.sum() + 1) / 2) / pairs


def check_claims(told, left_behind):
    """Hold what the lesson's text says without a figure."""
    sizes, by_fold = left_behind["sizes"], left_behind["by_fold"]
    learned_from = pd.Series(left_behind["flattering"])
    # "A model that can remember looks splendid on what it remembers."
    lost = learned_from - by_fold[learned_from.index].mean()
    assert lost[["random forest", "boosting, default"]].min() > 0.05
    assert lost["logistic regression"] < 0.02
    assert lost[learned_from.idxmax()] > 0.05
    # "The three figures can only fall."
    one_fold, claimed, honest = left_behind["claims"]
    assert one_fold >= claimed >= honest
    # "A forest is large": it holds the most numbers, and the rule with one column the fewest.
    assert (sizes.index[0], sizes.index[-1]) == ("contract only", "random forest")
    # "Boosting easily overfits at its defaults": with a budget it gets better.
    assert by_fold["boosting, tuned"].mean() > by_fold["boosting, default"].mean()
    # "the one that goes into every comparison": not the figure that flatters.
    assert by_fold["boosting, tuned"].mean() == pytest.approx(honest)
    seen = "more than chance" if told["low"] > 0 else "the exam leaves it open"
    assert told["verdict"].endswith(seen)
    assert ("no step" in told["verdict"]) == (sizes[told["held"]] <= sizes["logistic regression"])


def check_figures(told, left_behind):
    """Count the figures anew."""
    left, chances, exam = (left_behind[name] for name in ("left_new", "chances", "exam"))
    for name in exam.index:
        assert exam[name] == pytest.approx(auc_by_ranks(left, chances[name]), abs=1e-9)
    assert told["gain"] == pytest.approx(exam[told["upper"]] - exam[told["lower"]], abs=1e-5)
    assert told["low"] < told["gain"] < told["high"]
    below, held, by_fold = None, "contract only", left_behind["by_fold"]
    for name in left_behind["sizes"].index:
        gains = [new - old for new, old in zip(by_fold[name], by_fold[held], strict=True)]
        if min(gains) > 0 and sum(gains) / len(gains) >= left_behind["MARGIN"]:
            below, held = held, name
    assert told["held"] == held
    climbed = [name for name, *_, taken in left_behind["steps"] if taken]
    assert ["contract only", *climbed][-1] == held
    step = (held, below) if held in BEYOND else ("boosting, tuned", held)
    assert (told["upper"], told["lower"]) == step
    table = left_behind["scores"].to_numpy()
    others = table.sum(axis=1, keepdims=True) - table
    honest = np.mean([table[others[:, part].argmax(), part] for part in range(table.shape[1])])
    assert left_behind["claims"][2] == pytest.approx(honest)


@pytest.mark.parametrize("seed", SEEDS)
def test_what_the_lesson_says_holds_and_its_figures_are_counted_anew(played, seed):
    check_claims(*played(seed))
    check_figures(*played(seed))


@pytest.mark.parametrize("seed", SEEDS)
def test_small_boosting_beats_the_line_on_the_operators_next_month(played, seed):
    # The world promises the mean, at twice the size; on a single part of two thousand customers
    # chance may turn it (seed 7 did), and no sentence of the lesson says otherwise.
    exam, means = played(seed)[1]["exam"], played(seed)[1]["by_fold"].mean()
    assert exam["boosting, tuned"] > exam["logistic regression"]
    assert means["boosting, tuned"] > means["logistic regression"]
    # "Can a line learn it?": with products it learns a part.
    assert means["line with products"] > means["logistic regression"]


def test_on_the_real_customers_the_same_holds_and_no_step_beyond_the_line_pays(real):
    check_claims(*real)
    check_figures(*real)
    # There the gain of boosting is about 0.004 over repeated folds: less than the margin asked for.
    told, left_behind = real
    exam, by_fold = left_behind["exam"], left_behind["by_fold"].mean()
    assert told["held"] == "logistic regression"
    assert 0 < by_fold["boosting, tuned"] - by_fold["logistic regression"] < 0.005
    assert 0.83 < exam.drop("contract only").min() <= exam.max() < 0.87, "above it would be a leak"


def test_every_trial_of_the_search_and_each_turn_stand_in_the_record(tmp_path):
    _, left_behind = told_by(STEM, tmp_path, CUSTOMERS=1_000, BUDGET=3)
    tracking(tmp_path, "churn, which model")
    runs = mlflow.search_runs(experiment_names=["churn, which model"])
    assert runs["params.turn"].value_counts().to_dict() == {"1": 4, "2": 4, "3": 1}
    logged = runs.set_index("tags.mlflow.runName")["metrics.roc_auc"]
    for name, score in left_behind["by_fold"].mean().items():
        assert logged[name] == pytest.approx(score, abs=1e-12)
    assert len(set(runs.loc[runs["params.turn"] != "1", "tags.data_sha256"])) == 1
    chosen = runs.set_index("tags.mlflow.runName").loc["boosting, tuned"]
    for name, value in left_behind["search"].best_params_.items():
        assert float(chosen[f"params.{name}"]) == pytest.approx(value)
    kept, tuned = (
        mlflow.sklearn.load_model(f"runs:/{chosen['run_id']}/model"),
        left_behind["search"],
    )
    new = left_behind["new"]
    assert (kept.predict_proba(new) == tuned.predict_proba(new)).all(), "the record holds the model"


def test_the_next_month_is_opened_after_the_choice():
    ids = [cell.id for cell in code_cells(read_notebook(ROOT / "notebooks" / f"{STEM}.ipynb"))]
    cells = code_cells(read_notebook(ROOT / "notebooks" / f"{STEM}.ipynb"))
    opened = [cell.id for cell in cells if "left_new" in cell.source or "predict_proba(new)" in cell.source]  # fmt: skip
    assert opened[0] == "columns", "where the label gets its name"
    assert ids.index("climb") < ids.index(opened[1])


def test_three_measured_columns_stand_side_by_side_and_times_are_marked():
    table = stored_table(STEM, "exam-table")
    assert [len(row) for row in table] == [5] * 6
    numbers = [int(row["numbers held"]) for row in table]
    assert all(small < large for small, large in pairwise(numbers))
    assert all(row["one customer"].startswith("~") and row["one customer"].endswith(" ms") for row in table)  # fmt: skip


@pytest.mark.slow
def test_your_turn_a_larger_budget_buys_more_trials_and_no_lower_claim(played):
    (_, few), (told, many) = (played(1, **more) for more in ({}, {"BUDGET": 30}))
    assert (len(few["trials"]), len(many["trials"])) == (6, 30)
    one_fold, claimed, honest = many["claims"]
    assert claimed >= honest
    assert one_fold > few["claims"][0]
    check_figures(told, many)


def test_your_turn_a_high_margin_keeps_a_simpler_model(played):
    told, left_behind = played(1, MARGIN=0.05, CUSTOMERS=1_000, BUDGET=2)
    assert told["held"] in ("contract only", "logistic regression")
    check_figures(told, left_behind)


def test_your_turn_the_search_may_try_larger_trees(told):
    larger = {"randint(3, 10)": "randint(3, 64)"}
    figures, left_behind = told(edits=larger, SEED=1, CUSTOMERS=1_000, BUDGET=3)
    tried = [one["trees__max_leaf_nodes"] for one in left_behind["trials"]["params"]]
    assert max(tried) > 10
    check_figures(figures, left_behind)
