"""`helpers.deployment.package`: the same model is the same bytes; anything else is refused."""

import io
import json
import os
import subprocess
import sys
import zipfile

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, make_column_transformer
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import BernoulliNB, GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC

from helpers.deployment.package import pack, place_of_leaving, unpack
from helpers.files import sha256_of
from helpers.training.churn import logistic

CUSTOMERS = pd.DataFrame(
    {
        "tenure": [1, 2, 5, 30, 60, 70],
        "pay": ["check", "check", "card", "check", "card", "card"],
        "left": [True, True, True, False, False, False],
    }
)


def fitted(**changes):
    """A small fitted pipeline; the same call gives the same model."""
    return logistic(["tenure"], ["pay"]).set_params(**changes).fit(CUSTOMERS, CUSTOMERS["left"])


@pytest.mark.parametrize(
    "model",
    [
        DummyClassifier(strategy="prior"),
        logistic(["tenure"], ["pay"]),
        make_pipeline(
            ColumnTransformer([("amount", "passthrough", ["tenure"])]),
            GaussianNB(),
        ),
    ],
    ids=["majority", "logistic", "naive Bayes"],
)
def test_a_reloaded_model_predicts_the_very_same(model):
    model.fit(CUSTOMERS, CUSTOMERS["left"])
    reloaded = unpack(pack(model))
    np.testing.assert_array_equal(reloaded.predict_proba(CUSTOMERS), model.predict_proba(CUSTOMERS))


@pytest.mark.parametrize(
    "model",
    [
        logistic(["tenure"], ["pay"]).set_params(logisticregression__C=0.5),
        # `binarize` is used when predicting: were it changed on the way, nobody would be told.
        make_pipeline(ColumnTransformer([("a", "passthrough", ["tenure"])]), BernoulliNB(binarize=20.5)),
        make_pipeline(ColumnTransformer([("a", "passthrough", ["tenure"])]), KNeighborsClassifier(3, p=1.5)),
    ],
    ids=["logistic", "Bernoulli", "neighbours"],
)  # fmt: skip
def test_every_parameter_comes_back_as_it_was(model):
    model.fit(CUSTOMERS, CUSTOMERS["left"])
    reloaded = unpack(pack(model))
    assert reloaded[-1].get_params() == model[-1].get_params()
    assert vars(reloaded[-1]).keys() == vars(model[-1]).keys()
    np.testing.assert_array_equal(reloaded.predict_proba(CUSTOMERS), model.predict_proba(CUSTOMERS))


def test_the_same_model_gives_the_same_bytes_and_another_model_others():
    stored = pack(fitted())
    assert pack(fitted()) == pack(unpack(stored)) == stored
    other = pack(fitted(logisticregression__C=0.5))
    assert other != stored
    assert (unpack(stored)[-1].C, unpack(other)[-1].C) == (1.0, 0.5)


IN_A_FRESH_PROCESS = """
import sys
sys.path.insert(0, sys.argv[1])
from test_package import fitted
from helpers.deployment.package import pack
from helpers.files import sha256_of
clutter = [object() for _ in range(12_345)]  # moves every later address in memory
print(sha256_of(pack(fitted())))
"""


@pytest.mark.slow
def test_a_fresh_process_gives_the_same_bytes():
    ran = subprocess.run(
        [sys.executable, "-c", IN_A_FRESH_PROCESS, os.path.dirname(__file__)],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
        env={**os.environ, "PYTHONHASHSEED": "12345"},
    )
    assert ran.stdout.split() == [sha256_of(pack(fitted()))]


def test_keys_of_the_user_that_look_like_parts_of_the_archive_survive():
    model = make_pipeline(
        ColumnTransformer(
            [("1.scale", StandardScaler(), ["tenure"]), ("2.npy", OneHotEncoder(), ["pay"])]
        ),
        LogisticRegression(class_weight={"3.gone": 2.0, "4.here": 1.0}),
    ).fit(CUSTOMERS, CUSTOMERS["left"].map({True: "3.gone", False: "4.here"}))
    reloaded = unpack(pack(model))
    assert reloaded[-1].class_weight == {"3.gone": 2.0, "4.here": 1.0}
    assert list(reloaded[0].output_indices_) == ["1.scale", "2.npy", "remainder"]
    np.testing.assert_array_equal(reloaded.predict_proba(CUSTOMERS), model.predict_proba(CUSTOMERS))


def test_nothing_in_a_package_is_a_pickle():
    with zipfile.ZipFile(io.BytesIO(pack(fitted()))) as archive:
        names = archive.namelist()
        assert "schema.json" in names
        for name in names:
            if name.endswith(".json"):
                json.loads(archive.read(name))
            else:
                # NumPy stores arrays of objects as pickles; this refuses them.
                np.load(io.BytesIO(archive.read(name)), allow_pickle=False)


def dumped(model):
    """Return a model as bytes, whatever it holds."""
    import skops.io  # at the top, every worker would wait for it, two seconds

    return skops.io.dumps(model)


def archive(**files):
    """Return a ZIP archive."""
    stored = io.BytesIO()
    with zipfile.ZipFile(stored, "w") as made:
        for name, content in files.items():
            made.writestr(f"{name}.json", content)
    return stored.getvalue()


@pytest.mark.parametrize("stored", [b"", b"junk", archive(other="{}")])
def test_what_is_no_model_is_refused(stored):
    with pytest.raises(ValueError, match=r"churn version 1 holds no model.*Do not load it"):
        unpack(stored, "churn version 1")


class Doubler(TransformerMixin, BaseEstimator):
    """A class of one's own: harmless here, but nobody can know that from the file."""

    def fit(self, amounts, truth=None):
        return self

    def transform(self, amounts):
        return amounts * 2


def test_a_class_of_ones_own_is_refused_by_name():
    model = make_pipeline(Doubler(), LogisticRegression())
    model.fit(CUSTOMERS[["tenure"]], CUSTOMERS["left"])
    with pytest.raises(
        ValueError, match=r"Pipeline cannot be packaged: it holds .*Doubler, code that is not"
    ):
        pack(model)
    stored = dumped(model)
    with pytest.raises(ValueError, match=r"type\(s\) .*Doubler, which may run foreign code"):
        unpack(stored)


def test_a_function_of_ones_own_is_refused_by_name():
    def local(amounts):
        return amounts * 2

    model = make_pipeline(FunctionTransformer(local), LogisticRegression())
    model.fit(CUSTOMERS[["tenure"]], CUSTOMERS["left"])
    with pytest.raises(ValueError, match=r"holds .*local.*plain scikit-learn parts"):
        pack(model)
    stored = dumped(model)
    with pytest.raises(ValueError, match=r"local.*foreign code.*plain scikit-learn parts"):
        unpack(stored)


@pytest.mark.parametrize("function", [os.system, eval])
def test_a_function_that_runs_commands_is_refused(function):
    model = make_pipeline(FunctionTransformer(function))
    with pytest.raises(ValueError, match="system|eval"):
        pack(model)
    stored = dumped(model)
    with pytest.raises(ValueError, match="system|eval"):
        unpack(stored)


def test_forests_and_boosted_trees_travel_too():
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier

    rng = np.random.default_rng(7)
    points = rng.normal(size=(200, 3))
    above = points.sum(axis=1) > 0
    for model in (
        RandomForestClassifier(n_estimators=5, random_state=7),
        HistGradientBoostingClassifier(max_iter=5, random_state=7),
    ):
        fitted = model.fit(points, above)
        loaded = unpack(pack(fitted))
        assert (loaded.predict_proba(points) == fitted.predict_proba(points)).all()


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (KNeighborsClassifier(1), r"KNeighborsClassifier cannot be packaged: .*KDTree, .*algorithm=\"brute\""),
        (CalibratedClassifierCV(cv=2), "CalibratedClassifierCV cannot be packaged: .*another kind of model"),
    ],
    ids=["neighbours", "calibrated"],
)  # fmt: skip
def test_a_kind_of_model_that_cannot_be_read_again_is_refused_when_it_is_saved(model, said):
    model.fit(np.eye(6), [0, 1, 1, 0, 1, 0])
    with pytest.raises(ValueError, match=said) as raised:
        pack(model)
    assert "foreign" not in str(raised.value)
    stored = dumped(model)  # as an older version of this course stored it
    with pytest.raises(ValueError, match="parts of a library") as raised:
        unpack(stored)
    assert "foreign" not in str(raised.value)


@pytest.mark.parametrize("model", [logistic(), {"not": "a model"}, LogisticRegression()])
def test_what_is_not_fitted_is_refused_when_it_is_saved(model):
    with pytest.raises(ValueError, match="is no fitted scikit-learn model. Call fit first"):
        pack(model)


@pytest.mark.parametrize("libraries", [{"scikit-learn": "1.5.0"}, {}])
def test_another_scikit_learn_is_told_at_loading(libraries):
    stored, said = pack(fitted()), libraries.get("scikit-learn", "its card does not say")
    with pytest.warns(UserWarning, match=rf"packaged with scikit-learn \(?{said}\)?, here is"):
        assert unpack(stored, libraries=libraries) is not None


def test_the_same_scikit_learn_is_not_worth_a_word(recwarn):
    unpack(pack(fitted()), libraries={"scikit-learn": sklearn.__version__})
    assert not recwarn.list


# Who leaves.


def labelled(labels, model=None):
    """Return a model whose labels say who stays and who leaves."""
    model = logistic(["tenure"], []) if model is None else model
    return model.fit(CUSTOMERS, [labels[left] for left in CUSTOMERS["left"]])


@pytest.mark.parametrize(
    "labels",
    [(0, 1), (False, True), (0.0, 1.0), ("No", "Yes"), ("Stayed", "Churned"), ("stayed ", "CHURNED"), ("0", "1")],
)  # fmt: skip
def test_the_class_that_leaves_is_taken_by_its_name(labels):
    search = GridSearchCV(logistic(["tenure"], []), {"logisticregression__C": [1.0]}, cv=2)
    for model in (labelled(labels), labelled(labels, search)):
        chance = model.predict_proba(CUSTOMERS)[:, place_of_leaving(model)]
        assert (np.diff(chance) < 0).all()  # the longer a customer is here, the less


@pytest.mark.parametrize(
    "labels", [("A", "B"), (-1, 1), ("Maybe", "Yes"), ("Churned", "Left"), (1, 2)]
)
def test_labels_that_do_not_tell_who_leaves_are_refused(labels):
    said = ", ".join(map(repr, sorted(labels)))
    with pytest.raises(
        ValueError, match=rf"label\(s\) {said}: who leaves is not known.*== \"Yes\""
    ):
        place_of_leaving(labelled(labels))


def test_labels_of_three_kinds_or_of_one_are_refused():
    three = logistic(["tenure"], []).fit(CUSTOMERS, ["Stayed", "Churned", "Joined", *["Churned"] * 3])  # fmt: skip
    with pytest.raises(ValueError, match=r"'Churned', 'Joined', 'Stayed': who leaves is not known"):
        place_of_leaving(three)
    for label in (0, 1, "Yes"):
        with pytest.raises(
            ValueError, match=rf"label\(s\) {label!r}: it has seen one outcome only"
        ):
            place_of_leaving(labelled((label, label), DummyClassifier(strategy="prior")))


@pytest.mark.parametrize(
    "model",
    [
        logistic(["tenure"], []),
        labelled((0, 1), make_pipeline(make_column_transformer(("passthrough", ["tenure"])), LinearSVC())),
    ],
    ids=["not fitted", "no probabilities"],
)  # fmt: skip
def test_a_model_that_gives_no_probabilities_is_refused(model):
    with pytest.raises(ValueError, match="fitted classifier that gives probabilities; got Pipeline"):  # fmt: skip
        place_of_leaving(model)
