"""Lesson 04a: its figures counted by hand, its claims on twenty seeds, and on IBM's file."""

from functools import cache

import numpy as np
import pytest
from conftest import ROOT, SEEDS, told_by
from sklearn.metrics import confusion_matrix, roc_auc_score

from helpers.course.runner.shelf import code_cells, read_notebook

STEM = "04a_churn_baseline"


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """What the lesson told and left behind, by seed; a seed runs once."""
    return cache(lambda seed, **more: told_by(STEM, tmp_path_factory.mktemp("04a"), SEED=seed, **more))  # fmt: skip


@pytest.fixture(scope="module")
def real(tmp_path_factory, telco_csv):
    """The same on IBM's customers."""
    return told_by(STEM, tmp_path_factory.mktemp("04a"), TELCO_CSV=str(telco_csv))


def earns(left, called):
    """Return the profit per 1,000 customers, counted from the four kinds of customers."""
    (_, wasted), (_, hits) = confusion_matrix(left, called, labels=[False, True])
    return 1000 * (hits * (0.3 * 500 - 20) - wasted * 20) / len(left)


def check_claims(told, left_behind):
    """Hold what the lesson's text says without a figure."""
    left, at_half = left_behind["left"], left_behind["at_half"]
    # "A high mark for calling nobody", and accuracy prefers it to the rule that earns.
    assert (~left).mean() > 0.7 > left_behind["rule"].eq(left).mean()
    assert told["nobody"] == 0 < told["rule"]
    assert told["verdict"] in ("kept", "open", "missed")
    # "Accuracy is mostly peace."
    assert (~left & ~at_half).sum() > (left & at_half).sum()
    # "The tempting threshold": one half earns less than calling everybody.
    assert told["half"] < told["everybody"] < told["break_even"]
    assert told["compared"] == "less"


def check_figures(told, left_behind):
    """Count the figures anew."""
    left, probability = left_behind["left"], left_behind["probability"]
    assert told["auc"] == pytest.approx(roc_auc_score(left, probability), abs=1e-5)
    assert told["half"] == pytest.approx(earns(left, probability >= 0.5), abs=1)
    assert told["everybody"] == pytest.approx(earns(left, left | ~left), abs=1)
    assert told["break_even"] == pytest.approx(earns(left, probability >= 20 / 150), abs=1)
    exam = left_behind["exam"]
    gain = earns(exam["left"], exam["model"]) - earns(exam["left"], exam["rule"])
    assert told["gain"] == pytest.approx(gain, abs=0.1)
    # By the central limit theorem: what each customer adds, and the error of its mean.
    worth = np.where(exam["left"], 130.0, -20.0)
    each = worth * (exam["model"].astype(int) - exam["rule"].astype(int))
    half_width = 1.96 * 1000 * each.std() / np.sqrt(len(each))
    assert told["high"] - told["low"] == pytest.approx(2 * half_width, rel=0.15)
    kept, missed = told["low"] >= told["asked"], told["high"] < told["asked"]
    assert told["verdict"] == ("kept" if kept else "missed" if missed else "open")


@pytest.mark.parametrize("seed", SEEDS)
def test_what_the_lesson_says_holds_and_its_figures_are_counted_anew(played, seed):
    check_claims(*played(seed))
    check_figures(*played(seed))


def test_on_the_real_customers_the_same_holds(real):
    check_claims(*real)
    check_figures(*real)


def test_the_pictures_of_the_metrics_add_up_to_what_scikit_learn_counts(played):
    left_behind = played(1)[1]
    left, at_half, figures = (left_behind[name] for name in ("left", "at_half", "figures"))
    share = left_behind["kinds"](left, at_half)
    hit, miss, wasted, peace = share[["hit", "miss", "wasted call", "left in peace"]]
    assert share.sum() == pytest.approx(1)
    assert figures["accuracy"] == pytest.approx(hit + peace)
    assert figures["precision"] == pytest.approx(hit / (hit + wasted))
    assert figures["recall"] == pytest.approx(hit / (hit + miss))
    assert figures["F1"] == pytest.approx(2 * hit / (2 * hit + miss + wasted))


def test_the_criterion_stands_before_any_model_and_the_test_is_opened_once():
    cells = code_cells(read_notebook(ROOT / "notebooks" / f"{STEM}.ipynb"))
    order = [cell.id for cell in cells]
    assert order.index("promise-made") < order.index("load") < order.index("model-fit")
    naming_test = {cell.id for cell in cells if "test[" in cell.source or "(test" in cell.source}
    assert naming_test == {"exam", "sends-back"}
    assert order.index("money-said") < order.index("exam")


@pytest.mark.parametrize(
    ("more", "verdict", "word"),
    [
        ({"UPKEEP_EUR": 50_000.0}, "missed", "the rule stays"),
        ({"UPKEEP_EUR": 0.0, "CUSTOMERS": 20_000}, "kept", "deploy it"),
        ({"COST_EUR": 60.0}, None, ""),  # as "Your turn" proposes
    ],
)
def test_each_verdict_has_its_words(played, more, verdict, word):
    told, left_behind = played(1, **more)
    assert verdict in (None, told["verdict"])
    assert word in told["means"]
    assert left_behind["threshold"] == pytest.approx(more.get("COST_EUR", 20) / 150, abs=1e-4)
