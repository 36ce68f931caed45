"""Every lesson: finished, repeatable, quick, silent, and true on the real file too.

The stored outputs themselves are compared cell by cell by nbval, which collects `notebooks/`.
"""

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT, first_always, stored_figures, told_figures, type_lifecycle

from helpers.course.authors.rules import findings
from helpers.course.runner.shelf import all_notebooks, code_cells, question_of, read_notebook
from helpers.etl.businesses import clean_telco, split_customers
from helpers.lifecycle import Cause, Stage
from helpers.problem import Offer
from helpers.training.churn import CHOSEN_LEVELS, logistic
from helpers.training.evaluate import scores
from helpers.worlds.operator.telco import telco_table

NOTEBOOKS = all_notebooks(ROOT / "notebooks")
STEMS = [path.stem for path in NOTEBOOKS]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=STEMS)
def test_each_notebook_is_a_finished_lesson(path):
    assert findings(path) == []


def test_there_is_a_lesson_for_every_stage_that_a_finding_can_reopen():
    assert {stage.notebook for stage in Stage} <= set(STEMS)
    assert {cause.reopens for cause in Cause} == set(Stage)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=STEMS)
def test_each_notebook_asks_a_question_and_has_exactly_one_headline(path):
    notebook = read_notebook(path)
    assert question_of(notebook).endswith("?")
    tagged = [c for c in code_cells(notebook) if "headline" in c.metadata.get("tags", [])]
    assert len(tagged) == 1
    assert any("figures" in output.get("metadata", {}) for output in tagged[0].outputs)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=STEMS)
def test_each_notebook_shows_at_least_one_picture(path):
    shown = [
        output
        for cell in code_cells(read_notebook(path))
        for output in cell.outputs
        if output.get("data", {}).get("text/html", "").startswith("<figure>")
    ]
    assert shown


@pytest.mark.slow  # a whole run more, whose outputs nbval compares already
def test_papermill_tells_the_same_figures_as_the_stored_outputs(tmp_path):
    done = type_lifecycle("run", "--output", tmp_path, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    run = told_figures(tmp_path)
    for stem in STEMS:
        stored = stored_figures(stem)
        assert list(run[stem]) == list(stored)
        for name, value in stored.items():
            same = pytest.approx(value, rel=1e-4) if isinstance(value, float) else value
            assert run[stem][name] == same, f"{stem}: {name}"


@pytest.mark.parametrize("seed", first_always(range(1, 7)))
def test_other_seeds_tell_the_same_story(seed):
    """The claims of the prose that no output backs, at the lessons' default size."""
    customers = clean_telco(telco_table(customers=4_000, seed=seed))
    train, validation, test = split_customers(customers, seed=seed)
    assert judged(logistic(), train, test)["roc_auc"] >= 0.80, "the model keeps the promise"

    by_check = customers["PaymentMethod"].eq("Electronic check")
    promised = judged(logistic(), train[~by_check[train.index]], test[~by_check[test.index]])
    delivered = judged(logistic(), customers[~by_check], customers[by_check])
    halves = customers[by_check].iloc[::2], customers[by_check].iloc[1::2]
    retrained = np.mean(
        [judged(logistic(), *halves)["accuracy"], judged(logistic(), *halves[::-1])["accuracy"]]
    )
    assert delivered["accuracy"] < 0.80 < promised["accuracy"], "the alarm rings"
    assert abs(retrained - delivered["accuracy"]) < 0.03, "and retraining does not silence it"

    offer = Offer(worth_eur=500, success_share=0.3, cost_eur=20)
    churned = validation["Churn"].eq("Yes")
    chosen = logistic(levels=CHOSEN_LEVELS).fit(train, train["Churn"].eq("Yes"))
    chance = pd.Series(chosen.predict_proba(validation)[:, 1])
    half, everybody, broken_even = (
        offer.profit_per_1000(churned, chance >= t) for t in (0.5, 0.0, offer.break_even)
    )
    assert half < everybody < broken_even, "the threshold matters more than the model"


def judged(model, known, new):
    """Return the scores on `new` customers of `model` trained on `known` ones."""
    fitted = model.fit(known, known["Churn"].eq("Yes"))
    return scores(new["Churn"].eq("Yes"), fitted.predict_proba(new)[:, 1])
