"""`helpers.training.track`: runs that can be found again by a number."""

import os
import re
import subprocess
import sys
from importlib.metadata import version

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.linear_model import LogisticRegression

from helpers.training.track import code_version, data_hash, log_run, tracking, which_run

TABLE = pd.DataFrame({"tenure": np.arange(100.0), "left": [1, 0] * 50})


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A folder in which four runs are kept, the last with a model of every kind; its id."""
    folder = tmp_path_factory.mktemp("runs") / "deep er"
    tracking(folder, "churn")
    log_run("rule", {"depth": 1}, {"roc_auc": 0.7284}, TABLE)
    log_run("logistic", {"C": 1.0}, {"roc_auc": 0.8451, "profit_eur": 25_282.4}, TABLE)
    log_run("boosting", {"learning_rate": 0.05}, pd.Series({"roc_auc": 0.8499}), TABLE)
    members = [
        ("a", LogisticRegression()),
        ("b", RandomForestClassifier(5, random_state=7)),
        ("c", HistGradientBoostingClassifier(max_iter=3)),
    ]
    mean = VotingClassifier(members, voting="soft").fit(TABLE[["tenure"]], TABLE["left"])
    tracking(folder, "second")
    made = log_run("mean", {"of": ["a", "b"]}, {"roc_auc": np.float64(0.85)}, TABLE, mean)
    return folder, made, mean


def test_which_run_tells_from_where_a_number_is(runs):
    found = which_run("roc_auc", 0.7284)
    assert found["name"].tolist() == ["rule"]
    assert found.loc[0, "parameters"] == {"depth": "1"}
    assert found.loc[0, "data_sha256"] == data_hash(TABLE)
    assert found.loc[0, "code_version"] == code_version()
    assert which_run("profit_eur", "25,282")["name"].tolist() == ["logistic"]


@pytest.mark.parametrize(
    ("written", "names"),
    [
        (0.85, ["mean", "boosting", "logistic"]),
        ("0.850", ["mean", "boosting"]),
        (0.845, ["logistic"]),
        ("0.8500", ["mean"]),
    ],
)
def test_a_number_finds_what_rounds_to_it_newest_first_in_all_experiments(runs, written, names):
    assert which_run("roc_auc", written)["name"].tolist() == names


@pytest.mark.parametrize(
    ("metric", "value", "told"),
    [
        ("roc_auc", 0.99, r"the nearest is 0\.85, of 'mean'"),
        ("auc", 0.85, "known are: profit_eur, roc_auc"),
        ("roc_auc", "high", "a number as it is written"),
    ],
)
def test_a_number_from_elsewhere_is_told_with_the_nearest(runs, metric, value, told):
    with pytest.raises(ValueError, match=told):
        which_run(metric, value)


def test_all_is_kept_in_the_folder_without_pickle_and_the_model_answers_again(runs):
    import mlflow

    folder, made, mean = runs
    again = mlflow.sklearn.load_model(f"runs:/{made}/model")
    new = TABLE[["tenure"]]
    np.testing.assert_array_equal(again.predict_proba(new), mean.predict_proba(new))
    assert (folder / "mlflow.db").is_file()
    stored = [one.name for one in (folder / "models").rglob("*") if one.is_file()]
    assert "model.skops" in stored
    assert not [name for name in stored if re.search(r"pkl|pickle", name)]


def test_a_folder_is_opened_again_with_what_it_holds(runs):
    tracking(runs[0], "churn")
    assert len(which_run("roc_auc", 0.7284)) == 1


def test_a_run_that_would_be_half_kept_is_refused_and_nothing_is_kept(runs):
    class Foreign(LogisticRegression):
        pass

    model = Foreign().fit(TABLE[["tenure"]], TABLE["left"])
    with pytest.raises(
        ValueError, match="This Foreign cannot be .*Foreign.*plain scikit-learn parts"
    ):
        log_run("foreign", {}, {"roc_auc": 0.1234}, TABLE, model)
    with pytest.raises(ValueError, match=r"metrics\['roc_auc'\] is nan; one number"):
        log_run("nothing", {}, {"roc_auc": np.nan}, TABLE)
    with pytest.raises(ValueError, match=r"No run has roc_auc 0\.1234"):
        which_run("roc_auc", 0.1234)


@pytest.mark.parametrize(
    "changed",
    [
        TABLE.assign(tenure=TABLE["tenure"] + 1), TABLE[::-1], TABLE.head(99),
        TABLE.rename(columns={"left": "gone"}), TABLE[["left", "tenure"]],
    ],
)  # fmt: skip
def test_the_hash_knows_every_change_of_the_data_and_no_index(changed):
    assert data_hash(changed) != data_hash(TABLE)
    assert data_hash(TABLE.set_index(TABLE.index + 5)) == data_hash(TABLE)


def test_the_code_version_is_the_commit_and_outside_git_the_version(tmp_path, monkeypatch):
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert code_version() == f"ml-lifecycle-lab {version('ml-lifecycle-lab')}"
    (tmp_path / "a.txt").write_text("1")
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "one"]):
        subprocess.run([*git, *words], check=True, capture_output=True)
    commit = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True).stdout
    assert code_version() == commit[:12]
    (tmp_path / "a.txt").write_text("2")
    assert code_version() == f"{commit[:12]}-dirty"


def test_a_learner_who_only_imports_track_is_silent_and_must_say_where(tmp_path):
    code = """
import os
from helpers.training.track import log_run, tracking
import pandas as pd
try:
    log_run("x", {}, {}, pd.DataFrame())
except ValueError as error:
    print(error)
tracking("runs", "churn")
log_run("x", {}, {"auc": 0.8}, pd.DataFrame({"a": [1]}))
print(os.environ["MLFLOW_DISABLE_TELEMETRY"])
"""
    switches = ("MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK", "MLFLOW_TRACKING_URI")
    bare = {name: value for name, value in os.environ.items() if name not in switches}
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=bare, capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip
    assert ran.stderr == ""
    assert ran.stdout.splitlines() == [
        "Nobody said where runs are kept. Call tracking(folder, experiment) first.", "true",
    ]  # fmt: skip
    assert sorted(one.name for one in tmp_path.iterdir()) == ["runs"]


def test_a_place_that_cannot_be_opened_is_told(tmp_path):
    (tmp_path / "file").write_text("1")
    with pytest.raises(ValueError, match="MLflow cannot keep runs of 'churn'"):
        tracking(tmp_path / "file" / "below", "churn")


def test_a_run_without_parameters_and_one_that_failed(tmp_path):
    tracking(tmp_path, "churn")
    table = pd.DataFrame({"x": [1]})
    log_run("plain", {}, {"auc": 0.77}, table)
    assert which_run("auc", 0.77)["parameters"].tolist() == [{}]
    with pytest.raises(ValueError, match="x holds several values"):
        log_run("lists", {}, {"auc": 0.77}, table.assign(x=[[1]]))
    with pytest.raises(Exception, match="precision@5,"):  # MLflow's own words on a name
        log_run("bad name", {}, {"auc": 0.77, "precision@5,": 0.1}, table)
    assert which_run("auc", 0.77)["name"].tolist() == ["plain"]
    with pytest.raises(ValueError, match="value is a number as it is written.*'0,77'"):
        which_run("auc", "0,77")


@pytest.mark.slow
def test_two_processes_may_make_one_store(tmp_path):
    code = (
        "import sys, pandas as pd; from helpers.training.track import *; tracking(sys.argv[1], 'churn'); "
        "log_run('p', {'a': 1}, {'m': 0.5}, pd.DataFrame({'x': [1]}))"
    )
    both = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path)]) for _ in range(2)]
    assert [one.wait(timeout=300) for one in both] == [0, 0]
    tracking(tmp_path, "churn")
    assert len(which_run("m", 0.5)) == 2
