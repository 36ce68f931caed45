"""`helpers.training.offpolicy`: estimates whose truth is known, a real log of two policies, warnings."""

import warnings

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from pandas import DataFrame

from helpers.course.fetch import data_folder
from helpers.training.offpolicy import off_policy

OLD, NEW, CLICKS = np.array([0.5, 0.3, 0.2]), np.array([0.2, 0.3, 0.5]), np.array([0.1, 0.2, 0.4])


def log(rows, seed, old=OLD, new=NEW):
    """A log of three products, and what a model says of them."""
    rng = np.random.default_rng(seed)
    shown = rng.choice(3, rows, p=old)
    return DataFrame(
        {
            "reward": (rng.random(rows) < CLICKS[shown]).astype(int),
            "propensity": old[shown],
            "new_propensity": new[shown],
            "expected": CLICKS[shown],
            "new_expected": (new * CLICKS).sum(),
        }
    )


def test_the_estimates_lie_about_the_truth_as_far_as_their_errors_say():
    truth = (NEW * CLICKS).sum()
    found = [off_policy(log(2_000, seed)) for seed in range(200)]
    for name in ("ips", "snips", "dr"):
        values = np.array([one.loc[name, "value"] for one in found])
        errors = np.array([one.loc[name, "standard_error"] for one in found])
        assert values.mean() == pytest.approx(truth, abs=4 * values.std() / 200**0.5)
        assert errors.mean() == pytest.approx(values.std(), rel=0.2)
    errors = pd.concat(found).groupby(level=0)["standard_error"].mean()
    assert errors["dr"] < errors["ips"], "a right model narrows it"


def test_a_wrong_model_leaves_the_doubly_robust_estimate_right():
    wrong = [log(2_000, seed).assign(expected=0.9, new_expected=0.9) for seed in range(100)]
    values = [off_policy(one).loc["dr", "value"] for one in wrong]
    assert np.mean(values) == pytest.approx((NEW * CLICKS).sum(), abs=4 * np.std(values) / 10)


def test_the_same_policy_is_the_plain_mean():
    logged = log(500, 1).assign(new_propensity=lambda one: one["propensity"])
    found = off_policy(logged)
    assert found.loc[["ips", "snips"], "value"].tolist() == pytest.approx(
        [logged["reward"].mean()] * 2
    )
    assert found["effective_rows"].tolist() == pytest.approx([500] * 3)


def test_few_effective_rows_and_strange_weights_are_warned_of():
    with pytest.warns(UserWarning, match=r"only 1 count effectively .1.0%; at least 10%"):
        off_policy(
            DataFrame({"reward": 1, "propensity": [1e-6] + [0.99] * 99, "new_propensity": 0.5})
        )
    with pytest.warns(UserWarning, match="weights are 2.00 on average, where 1 was expected"):
        off_policy(DataFrame({"reward": [0, 1], "propensity": 0.25, "new_propensity": 0.5}))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        off_policy(log(500, 1))


@pytest.mark.parametrize(
    ("column", "values", "said"),
    [
        (
            "propensity",
            [0.5, 0.0],
            "propensity of 1 row.* not above 0.0 and up to 1.0, .* 0.0 .row 2",
        ),
        ("propensity", [0.5, 50], "propensity of 1 row"),
        ("propensity", [0.5, None], "propensity of 1 row.* not a number"),
        ("new_propensity", [0.5, 1.5], "new_propensity of 1 row.* not from 0.0 to 1.0, .* 1.5"),
        ("new_propensity", [0, 0], "would have shown nothing of what was shown"),
        ("reward", ["yes", "no"], "reward of 2 row.* not a number, the first being 'yes'"),
        ("expected", [0.1, 0.1], "logged lacks the column.s. new_expected"),
    ],
)
def test_what_cannot_be_estimated_is_told(column, values, said):
    logged = DataFrame({"reward": [0, 1], "propensity": 0.5, "new_propensity": 0.5})
    with pytest.raises(ValueError, match=said):
        off_policy(logged.assign(**{column: values}))
    with pytest.raises(ValueError, match="lacks the column.s. reward"):
        off_policy(logged.drop(columns="reward"))
    with pytest.raises(ValueError, match="logged has 0 row"):
        off_policy(logged.head(0))


@pytest.fixture
def two_logs():
    """A fashion shop's log of a uniform policy and of one that had learnt."""
    folder = data_folder(ROOT)
    paths = [folder / f"open_bandit_{name}_men.csv.gz" for name in ("random", "bts")]
    if not all(path.is_file() for path in paths):
        pytest.skip(
            "the Open Bandit files are not here; set LIFECYCLE_DATA to a folder that has them"
        )
    return [pd.read_csv(path).rename(columns={"click": "reward", "propensity_score": "propensity"}) for path in paths]  # fmt: skip


def test_the_value_of_a_real_policy_is_found_from_the_log_of_another(two_logs):
    uniform, learnt = two_logs
    # How often the policy that had learnt showed each item at each place.
    shown = learnt.groupby("position")["item_id"].value_counts(normalize=True)
    places = pd.MultiIndex.from_frame(uniform[["position", "item_id"]])
    found = off_policy(uniform.assign(new_propensity=shown.reindex(places).fillna(0).to_numpy()))
    assert found["value"].round(4).to_dict() == {"ips": 0.0057, "snips": 0.0057}
    assert round(found.loc["ips", "standard_error"], 4) == 0.0014
    assert round(found.loc["ips", "effective_rows"]) == 2_869
    truth = learnt["reward"].mean()
    assert abs(found.loc["ips", "value"] - truth) < 2 * found.loc["ips", "standard_error"]


def test_the_other_way_round_it_warns(two_logs):
    learnt = two_logs[1].assign(new_propensity=1 / 34)
    with pytest.warns(UserWarning, match="only 656 count effectively"):
        found = off_policy(learnt)
    assert found.loc["ips", ["value", "standard_error"]].round(4).tolist() == [0.003, 0.0008]
    learnt.loc[0, "propensity"] = 1e-6
    with pytest.warns(UserWarning, match="only 2 count effectively"):
        off_policy(learnt)
