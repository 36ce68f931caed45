"""`helpers.deployment.registry`: the same model is the same bytes; anything else is refused."""

import io
import json
import os
import shutil
import subprocess
import sys
import zipfile

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import BernoulliNB, GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from helpers.deployment.registry import load_package, read_card, save_package
from helpers.files import sha256_of
from helpers.training.churn import logistic, majority

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


@pytest.fixture
def package(tmp_path):
    return save_package(fitted(), tmp_path, "churn", about={"rows": 6})


def test_a_package_lies_under_its_name_and_the_fingerprint_of_the_model(tmp_path, package):
    fingerprint = sha256_of(package / "model.skops")
    assert package == tmp_path / "churn" / fingerprint[:12]
    assert sorted(os.listdir(package)) == ["card.json", "model.skops"]


def test_the_card_says_what_the_model_is_and_what_it_was_made_with(package):
    card = read_card(package)
    assert card["name"] == "churn"
    assert card["version"] == package.name
    assert card["sha256"] == sha256_of(package / "model.skops")
    assert card["about"] == {"rows": 6}
    assert set(card["libraries"]) == {"scikit-learn", "skops", "numpy"}
    assert sys.version.startswith(card["python"])


@pytest.mark.parametrize(
    "model",
    [
        majority(),
        logistic(["tenure"], ["pay"]),
        make_pipeline(
            ColumnTransformer([("amount", "passthrough", ["tenure"])]),
            GaussianNB(),
        ),
    ],
    ids=["majority", "logistic", "naive Bayes"],
)
def test_a_reloaded_model_predicts_the_very_same(tmp_path, model):
    model.fit(CUSTOMERS, CUSTOMERS["left"])
    reloaded = load_package(save_package(model, tmp_path, "any", {}))
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
def test_every_parameter_comes_back_as_it_was(tmp_path, model):
    model.fit(CUSTOMERS, CUSTOMERS["left"])
    reloaded = load_package(save_package(model, tmp_path, "any", {}))
    assert reloaded[-1].get_params() == model[-1].get_params()
    assert vars(reloaded[-1]).keys() == vars(model[-1]).keys()
    np.testing.assert_array_equal(reloaded.predict_proba(CUSTOMERS), model.predict_proba(CUSTOMERS))


def test_the_same_model_gives_the_same_version_and_bytes(tmp_path, package):
    before = (package / "model.skops").read_bytes()
    again = save_package(fitted(), tmp_path, "churn", about={"rows": 6})
    assert again == package
    assert (again / "model.skops").read_bytes() == before


def test_a_reloaded_model_packaged_again_keeps_its_version(tmp_path, package):
    assert save_package(load_package(package), tmp_path, "churn", {}) == package


def test_another_model_gets_another_version_beside_the_first(tmp_path, package):
    other = save_package(fitted(logisticregression__C=0.5), tmp_path, "churn", {})
    assert other.parent == package.parent
    assert other != package
    assert load_package(package)[-1].C == 1.0
    assert load_package(other)[-1].C == 0.5


IN_A_FRESH_PROCESS = """
import sys
sys.path.insert(0, sys.argv[2])
from test_registry import fitted
from helpers.deployment.registry import save_package
clutter = [object() for _ in range(12_345)]  # moves every later address in memory
print(save_package(fitted(), sys.argv[1], "churn", about={"rows": 6}).name)
"""


@pytest.mark.slow
def test_a_fresh_process_gives_the_same_version_and_bytes(tmp_path, package):
    ran = subprocess.run(
        [sys.executable, "-c", IN_A_FRESH_PROCESS, tmp_path / "fresh", os.path.dirname(__file__)],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
        env={**os.environ, "PYTHONHASHSEED": "12345"},
    )
    assert ran.stdout.split() == [package.name]
    fresh = tmp_path / "fresh" / "churn" / package.name
    for file in ["model.skops", "card.json"]:
        assert (fresh / file).read_bytes() == (package / file).read_bytes()


def test_storing_a_model_again_renews_its_card_only(tmp_path, package):
    before = (package / "model.skops").read_bytes()
    again = save_package(fitted(), tmp_path, "churn", about={"rows": 7})
    assert (again / "model.skops").read_bytes() == before
    assert read_card(again)["about"] == {"rows": 7}
    assert load_package(again) is not None


def test_keys_of_the_user_that_look_like_parts_of_the_archive_survive(tmp_path):
    model = make_pipeline(
        ColumnTransformer(
            [("1.scale", StandardScaler(), ["tenure"]), ("2.npy", OneHotEncoder(), ["pay"])]
        ),
        LogisticRegression(class_weight={"3.gone": 2.0, "4.here": 1.0}),
    ).fit(CUSTOMERS, CUSTOMERS["left"].map({True: "3.gone", False: "4.here"}))
    reloaded = load_package(save_package(model, tmp_path, "churn", {}))
    assert reloaded[-1].class_weight == {"3.gone": 2.0, "4.here": 1.0}
    assert list(reloaded[0].output_indices_) == ["1.scale", "2.npy", "remainder"]
    np.testing.assert_array_equal(reloaded.predict_proba(CUSTOMERS), model.predict_proba(CUSTOMERS))


def test_nothing_in_a_package_is_a_pickle(package):
    json.loads((package / "card.json").read_text(encoding="utf-8"))
    with zipfile.ZipFile(package / "model.skops") as archive:
        names = archive.namelist()
        assert "schema.json" in names
        for name in names:
            if name.endswith(".json"):
                json.loads(archive.read(name))
            else:
                # NumPy stores arrays of objects as pickles; this refuses them.
                np.load(io.BytesIO(archive.read(name)), allow_pickle=False)


def test_any_changed_byte_is_refused(package):
    whole = (package / "model.skops").read_bytes()
    # Every place would take minutes; 60 of them spread over the file, and both ends.
    for place in {*np.linspace(0, len(whole) - 1, 60).astype(int).tolist()}:
        changed = bytearray(whole)
        changed[place] ^= 1
        (package / "model.skops").write_bytes(changed)
        with pytest.raises(ValueError, match=r"its card says .*changed or damaged\. Do not load"):
            load_package(package)
    (package / "model.skops").write_bytes(whole)
    assert load_package(package) is not None


@pytest.mark.parametrize("damage", [b"", b"more"])
def test_a_model_cut_off_or_grown_is_refused_with_both_fingerprints(package, damage):
    whole = (package / "model.skops").read_bytes()
    changed = whole + damage if damage else whole[:-1]
    (package / "model.skops").write_bytes(changed)
    with pytest.raises(
        ValueError, match=f"{sha256_of(changed)[:12]}, its card says {sha256_of(whole)[:12]}"
    ):
        load_package(package)


def test_a_package_without_a_card_is_refused_as_unfinished(package):
    (package / "card.json").unlink()
    with pytest.raises(ValueError, match=r"no finished package: card\.json is missing.*again"):
        load_package(package)


@pytest.mark.parametrize("card", [b"", b'{"sha256": "ab', b"[]", b"null", b"\xff\xfe"])
def test_a_damaged_card_is_refused(package, card):
    (package / "card.json").write_bytes(card)
    with pytest.raises(ValueError, match=rf"{package.name} holds no finished package.*damaged"):
        load_package(package)


def test_a_card_without_a_fingerprint_is_refused(package):
    (package / "card.json").write_text("{}")
    with pytest.raises(ValueError, match="its card says None: it was changed or damaged"):
        load_package(package)


def test_the_card_of_another_model_is_refused(tmp_path, package):
    other = save_package(fitted(logisticregression__C=0.5), tmp_path, "churn", {})
    shutil.copy(other / "card.json", package / "card.json")
    with pytest.raises(ValueError, match=f"{package.name}, its card says {other.name}"):
        load_package(package)


def test_a_package_without_a_model_is_refused(package):
    (package / "model.skops").unlink()
    with pytest.raises(ValueError, match=r"holds no model\.skops\. Package the model again"):
        load_package(package)


def dumped(model):
    """Return a model as bytes, whatever it holds."""
    import skops.io  # at the top, every worker would wait for it, two seconds

    return skops.io.dumps(model)


def forge(package, content):
    """Put `content` in place of the model and make the card fit it."""
    (package / "model.skops").write_bytes(content)
    card = {**read_card(package), "sha256": sha256_of(content)}
    (package / "card.json").write_text(json.dumps(card))


def test_junk_under_a_forged_card_is_refused(package):
    forge(package, b"junk")
    with pytest.raises(ValueError, match="is no model stored by save_package.*Do not load it"):
        load_package(package)


def test_an_archive_without_a_schema_under_a_forged_card_is_refused(package):
    stored = io.BytesIO()
    with zipfile.ZipFile(stored, "w") as archive:
        archive.writestr("other.json", "{}")
    forge(package, stored.getvalue())
    with pytest.raises(ValueError, match="is no model stored by save_package"):
        load_package(package)


class Doubler(TransformerMixin, BaseEstimator):
    """A class of one's own: harmless here, but nobody can know that from the file."""

    def fit(self, amounts, truth=None):
        return self

    def transform(self, amounts):
        return amounts * 2


def test_a_class_of_ones_own_is_refused_by_name(tmp_path, package):
    model = make_pipeline(Doubler(), LogisticRegression())
    model.fit(CUSTOMERS[["tenure"]], CUSTOMERS["left"])
    with pytest.raises(
        ValueError, match=r"Pipeline cannot be packaged: it holds .*Doubler, code that is not"
    ):
        save_package(model, tmp_path, "churn", {})
    forge(package, dumped(model))
    with pytest.raises(ValueError, match=r"type\(s\) .*Doubler, which may run foreign code"):
        load_package(package)


def test_a_function_of_ones_own_is_refused_by_name(tmp_path, package):
    def local(amounts):
        return amounts * 2

    model = make_pipeline(FunctionTransformer(local), LogisticRegression())
    model.fit(CUSTOMERS[["tenure"]], CUSTOMERS["left"])
    with pytest.raises(ValueError, match=r"holds .*local.*plain scikit-learn parts"):
        save_package(model, tmp_path, "churn", {})
    forge(package, dumped(model))
    with pytest.raises(ValueError, match=r"local.*foreign code.*plain scikit-learn parts"):
        load_package(package)


@pytest.mark.parametrize("function", [os.system, eval])
def test_a_function_that_runs_commands_is_refused(tmp_path, package, function):
    model = make_pipeline(FunctionTransformer(function))
    with pytest.raises(ValueError, match="system|eval"):
        save_package(model, tmp_path, "churn", {})
    forge(package, dumped(model))
    with pytest.raises(ValueError, match="system|eval"):
        load_package(package)


@pytest.mark.parametrize("failing_call", [1, 2])
def test_a_kill_in_the_middle_leaves_no_package_that_loads(tmp_path, monkeypatch, failing_call):
    calls, replace = [], os.replace

    def killed(source, target):
        calls.append(target)
        if len(calls) == failing_call:
            raise KeyboardInterrupt
        replace(source, target)

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        save_package(fitted(), tmp_path, "churn", {})
    monkeypatch.undo()
    (half,) = (tmp_path / "churn").iterdir()
    with pytest.raises(ValueError, match=r"no finished package.*again with save_package"):
        load_package(half)
    # What to do, done: the same call finishes the package.
    assert save_package(fitted(), tmp_path, "churn", {}) == half
    assert load_package(half) is not None
    assert sorted(os.listdir(half)) == ["card.json", "model.skops"]


def test_a_kill_while_storing_again_leaves_the_old_package_whole(package, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        save_package(fitted(), package.parents[1], "churn", {"rows": 7})
    monkeypatch.undo()
    assert read_card(package)["about"] == {"rows": 6}
    assert load_package(package) is not None


@pytest.mark.parametrize(
    ("fact", "said"),
    [
        ({1, 2}, r"about\['it'\] is a set"), (pd.NA, r"about\['it'\] is a NAType"), (1 + 2j, "is a complex"),
        (np.nan, r"about\['it'\] is nan, .* Write None"), ({"a": [1, np.inf]}, r"about\['it'\]\['a'\]\[1\] is inf"),
        (np.float32("nan"), "is nan"), (pd.Series([1, None]), r"about\['it'\]\[1\] is nan"),
        (pd.Timestamp("2025-01-01"), "is a Timestamp"),
    ],
)  # fmt: skip
def test_facts_that_json_cannot_hold_leave_no_package(tmp_path, fact, said):
    with pytest.raises(ValueError, match=said):
        save_package(fitted(), tmp_path, "churn", about={"it": fact})
    assert not (tmp_path / "churn").exists()


def test_forests_and_boosted_trees_travel_too(tmp_path):
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier

    rng = np.random.default_rng(7)
    points = rng.normal(size=(200, 3))
    above = points.sum(axis=1) > 0
    for model in (
        RandomForestClassifier(n_estimators=5, random_state=7),
        HistGradientBoostingClassifier(max_iter=5, random_state=7),
    ):
        fitted = model.fit(points, above)
        loaded = load_package(save_package(fitted, tmp_path, "trees", {}))
        assert (loaded.predict_proba(points) == fitted.predict_proba(points)).all()


def test_numbers_of_numpy_are_stored_as_numbers(tmp_path):
    about = {
        "rows": np.int64(3), "auc": np.float64(0.5), "good": np.bool_(True), "by": {"a": np.array([1, 2])},
        "parts": (np.int64(1), None), "series": pd.Series([1.5]), np.int64(7): "key",
    }  # fmt: skip
    stored = read_card(save_package(fitted(), tmp_path, "churn", about))["about"]
    assert stored == {
        "rows": 3, "auc": 0.5, "good": True, "by": {"a": [1, 2]}, "parts": [1, None], "series": [1.5], "7": "key",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (KNeighborsClassifier(1), r"KNeighborsClassifier cannot be packaged: .*KDTree, .*algorithm=\"brute\""),
        (CalibratedClassifierCV(cv=2), "CalibratedClassifierCV cannot be packaged: .*another kind of model"),
    ],
    ids=["neighbours", "calibrated"],
)  # fmt: skip
def test_a_kind_of_model_that_cannot_be_read_again_is_refused_when_it_is_saved(
    tmp_path, package, model, said
):
    model.fit(np.eye(6), [0, 1, 1, 0, 1, 0])
    with pytest.raises(ValueError, match=said) as raised:
        save_package(model, tmp_path / "new", "any", {})
    assert "foreign" not in str(raised.value)
    assert not (tmp_path / "new").exists()
    forge(package, dumped(model))  # as an older version of this course stored it
    with pytest.raises(ValueError, match="parts of a library") as raised:
        load_package(package)
    assert "foreign" not in str(raised.value)


@pytest.mark.parametrize("model", [logistic(), {"not": "a model"}, LogisticRegression()])
def test_what_is_not_fitted_is_refused_when_it_is_saved(tmp_path, model):
    with pytest.raises(ValueError, match="is no fitted scikit-learn model. Call fit first"):
        save_package(model, tmp_path, "churn", {})


@pytest.mark.parametrize("libraries", [{"scikit-learn": "1.5.0"}, {}, None])
def test_a_card_of_another_scikit_learn_is_told_at_loading(package, libraries):
    (package / "card.json").write_text(json.dumps({**read_card(package), "libraries": libraries}))
    said = "1.5.0" if libraries else "its card does not say"
    with pytest.warns(UserWarning, match=rf"packaged with scikit-learn \(?{said}\)?, here is"):
        assert load_package(package) is not None


def test_the_same_scikit_learn_is_not_worth_a_word(package, recwarn):
    load_package(package)
    assert not recwarn.list


@pytest.mark.parametrize("name", ["", "..", "../elsewhere", "a/b"])
def test_a_name_that_leads_elsewhere_is_refused(name, tmp_path):
    model = majority().fit([[0], [0]], [0, 1])
    with pytest.raises(ValueError, match="name is one word for a folder"):
        save_package(model, tmp_path, name, {})
    assert not list(tmp_path.iterdir())


def test_two_keys_of_a_card_never_become_one(tmp_path):
    model = majority().fit([[0], [0]], [0, 1])
    with pytest.raises(ValueError, match="two keys that are one text"):
        save_package(model, tmp_path, "x", {"counts": {1: 2, "1": 3}})
