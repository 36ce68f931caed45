"""`helpers.deployment.batch`: one line a customer, the likeliest first."""

import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, VotingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.svm import LinearSVC

from helpers.deployment.batch import score_batch, write_batch
from helpers.etl.prepare import Resampled
from helpers.training.churn import logistic, majority

KNOWN = pd.DataFrame({"customerID": list("abcd"), "tenure": [1, 2, 60, 70]})


class Fixed:
    """A model that gives the probabilities written in the table."""

    classes_ = (False, True)

    def predict_proba(self, customers):
        left = customers["p"].to_numpy(dtype=float)
        return np.column_stack([1 - left, left])


def customers(**probabilities):
    return pd.DataFrame({"customerID": probabilities.keys(), "p": probabilities.values()})


def test_the_likeliest_come_first_and_equals_stand_by_id():
    batch = score_batch(Fixed(), customers(d=0.2, b=0.7, c=0.2, a=0.9), threshold=0.5)
    assert batch.to_dict("list") == {
        "customerID": ["a", "b", "c", "d"],
        "churn_probability": [0.9, 0.7, 0.2, 0.2],
        "call": [True, True, False, False],
    }


@pytest.mark.parametrize(("threshold", "calls"), [(0.0, 3), (0.5, 2), (0.51, 1), (1.0, 0)])
def test_a_customer_at_the_threshold_is_called(threshold, calls):
    batch = score_batch(Fixed(), customers(a=0.9, b=0.5, c=0.1), threshold)
    assert batch["call"].sum() == calls


def test_probabilities_are_shown_with_four_digits_and_decided_with_all():
    batch = score_batch(Fixed(), customers(a=0.123456, b=0.49996, c=0.50004, d=0.5), threshold=0.5)
    assert batch["customerID"].tolist() == ["c", "d", "b", "a"], "those to call stand first"
    assert batch["churn_probability"].tolist() == [0.5, 0.5, 0.5, 0.1235]
    assert batch["call"].tolist() == [True, True, False, False]


def test_every_customer_gets_the_probability_that_the_model_gives_to_that_row():
    model = logistic(["tenure"], []).fit(KNOWN, [1, 1, 0, 0])
    batch = score_batch(model, KNOWN.set_axis([5, 5, 5, 5]), threshold=0.5)
    oracle = dict(zip(KNOWN["customerID"], model.predict_proba(KNOWN)[:, 1], strict=True))
    assert sorted(batch["customerID"]) == list("abcd")
    for name, probability in zip(batch["customerID"], batch["churn_probability"], strict=True):
        assert probability == pytest.approx(oracle[name], abs=0.00005)  # four digits


def test_a_batch_does_not_depend_on_the_order_of_the_customers():
    table = customers(a=0.3, b=0.3, c=0.8, d=0.1)
    pd.testing.assert_frame_equal(
        score_batch(Fixed(), table, 0.5), score_batch(Fixed(), table.iloc[::-1], 0.5)
    )


@pytest.mark.parametrize(
    ("table", "threshold", "message"),
    [
        (customers(a=0.5), 50, r"threshold is a share .*got 50\. .*write 0\.5"),
        (customers(a=0.5).head(0), 0.5, r"customers has 0 row\(s\)"),
        (customers(a=0.5).rename(columns={"customerID": "id"}), 0.5, r"lacks .* customerID; it has id"),
        (pd.concat([customers(a=0.5), customers(a=0.6)]), 0.5, r"repeats 1 customerID .*over 2 rows"),
        (customers(a=0.5, b=0.6).assign(customerID=["a", None]), 0.5, r"without customerID, .* row 2"),
        (customers(a=0.5, b=0.6).assign(customerID=["1", 1]), 0.5, r"customerID holds texts and other"),
        (customers(a=0.5, b=np.nan), 0.5, r"scored batch has 1 row\(s\) without churn_probability"),
    ],
    ids=["per cent", "nobody", "no ids", "a customer twice", "no id", "ids of two kinds", "no number"],
)  # fmt: skip
def test_a_batch_that_cannot_be_right_is_refused(table, threshold, message):
    with pytest.raises(ValueError, match=message):
        score_batch(Fixed(), table, threshold)


def test_a_written_batch_is_read_back_and_a_repeated_run_replaces_it(tmp_path):
    first = score_batch(Fixed(), customers(a=0.9, b=0.1), 0.5)
    second = score_batch(Fixed(), customers(c=0.3), 0.5)
    for batch in [first, second]:
        path = write_batch(batch, tmp_path / "deep" / "calls.csv")
        pd.testing.assert_frame_equal(pd.read_csv(path, dtype={"customerID": "str"}), batch)
    assert path.read_bytes() == b"customerID,churn_probability,call\nc,0.3,False\n"


LEFT = [1, 1, 1, 1, 0, 0, 0, 0]
EIGHT = pd.DataFrame(
    {"customerID": list("abcdefgh"), "tenure": [1.0, 2, 3, 4, 60, 61, 62, 70], "senior": [1, 1, 1, 0, 0, 0, 0, 0]}
)  # fmt: skip


def fitted(labels=(0, 1)):
    """A model of the eight; `labels` say who stays and who leaves."""
    return logistic(["tenure"], ["senior"]).fit(EIGHT, [labels[left] for left in LEFT])


@pytest.mark.parametrize(
    "labels",
    [(False, True), (0.0, 1.0), ("No", "Yes"), ("Stayed", "Churned"), ("stayed ", "CHURNED"), ("0", "1")],
)  # fmt: skip
def test_the_class_that_leaves_is_taken_by_its_name(labels):
    pd.testing.assert_frame_equal(
        score_batch(fitted(labels), EIGHT, 0.5), score_batch(fitted(), EIGHT, 0.5)
    )
    search = GridSearchCV(logistic(["tenure"], ["senior"]), {"logisticregression__C": [1.0]}, cv=2)
    search.fit(EIGHT, [labels[left] for left in LEFT])
    assert score_batch(search, EIGHT, 0.5)["customerID"].str.cat() == "abcdefgh"


@pytest.mark.parametrize(
    "labels", [("A", "B"), (-1, 1), ("Maybe", "Yes"), ("Churned", "Left"), (1, 2)]
)
def test_labels_that_do_not_tell_who_leaves_are_refused(labels):
    said = ", ".join(map(repr, sorted(labels)))
    with pytest.raises(
        ValueError, match=rf"label\(s\) {said}: who leaves is not known.*== \"Yes\""
    ):
        score_batch(fitted(labels), EIGHT, 0.5)


def test_labels_of_three_kinds_or_of_one_are_refused():
    three = logistic(["tenure"], []).fit(EIGHT, ["Stayed", "Churned", "Joined", *["Churned"] * 5])
    with pytest.raises(ValueError, match=r"'Churned', 'Joined', 'Stayed': who leaves is not known"):
        score_batch(three, EIGHT, 0.5)
    for label in (0, 1, "Yes"):
        with pytest.raises(
            ValueError, match=rf"label\(s\) {label!r}: it has seen one outcome only"
        ):
            score_batch(majority().fit(EIGHT, [label] * 8), EIGHT, 0.5)


@pytest.mark.parametrize(
    "model",
    [
        logistic(["tenure"], ["senior"]),
        make_pipeline(make_column_transformer(("passthrough", ["tenure"])), LinearSVC()).fit(
            EIGHT, LEFT
        ),
    ],
    ids=["not fitted", "no probabilities"],
)
def test_a_model_that_gives_no_probabilities_is_refused(model):
    with pytest.raises(
        ValueError, match=r"fitted classifier that gives probabilities; got Pipeline"
    ):
        score_batch(model, EIGHT, 0.5)


@pytest.mark.parametrize(
    "senior",
    [EIGHT["senior"].astype(str), "yes", None, EIGHT["senior"] + 10],
    ids=["text", "words", "gaps", "other numbers"],
)
def test_a_column_of_which_no_value_is_known_stops_the_batch(senior):
    with pytest.raises(
        ValueError,
        match=r"senior of 8 of 8 customer\(s\) holds a value never seen .* known are 0, 1",
    ):
        score_batch(fitted(), EIGHT.assign(senior=senior), 0.5)


@pytest.mark.parametrize("kind", [float, bool, "category", object, "Int64"])
def test_the_same_levels_of_another_type_meet(kind, recwarn):
    batch = score_batch(fitted(), EIGHT.astype({"senior": kind}), 0.5)
    pd.testing.assert_frame_equal(batch, score_batch(fitted(), EIGHT, 0.5))
    assert not recwarn.list


@pytest.mark.parametrize(("strange", "said"), [(2, "2"), (None, "a gap"), ("1", "'1'")])
def test_some_values_never_seen_are_told(strange, said):
    table = EIGHT.assign(senior=pd.Series([1, 1, strange, 0, 0, 0, 0, 0], dtype=object))
    with pytest.warns(UserWarning, match=rf"senior of 1 of 8 .* the first being {said} of 'c'"):
        assert len(score_batch(fitted(), table, 0.5)) == 8


def test_what_a_model_fills_in_itself_is_no_fault(recwarn):
    filling = make_pipeline(
        make_column_transformer(
            (SimpleImputer(), ["tenure"]),
            (make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder()), ["senior"]),
        ),
        LogisticRegression(),
    ).fit(EIGHT, LEFT)
    trees = make_pipeline(
        make_column_transformer(("passthrough", ["tenure"])), HistGradientBoostingClassifier()
    ).fit(EIGHT, LEFT)
    holes = EIGHT.assign(tenure=[None, *[3.0] * 7], senior=[None, *[1.0] * 7])
    for model in (filling, trees):
        assert len(score_batch(model, holes, 0.5)) == 8
    assert not recwarn.list
    with pytest.raises(
        ValueError, match=r"senior of 1 of 8 .* first being 5 of 'a'; known are 0, 1"
    ):
        score_batch(filling, EIGHT.assign(senior=[5, *[1] * 7]), 0.5)


@pytest.mark.parametrize(
    ("tenure", "said"), [(np.nan, "a gap"), (np.inf, "inf"), ("long", "'long'"), (None, "a gap")]
)
def test_an_amount_that_is_no_number_is_told_in_one_sentence(tenure, said):
    table = EIGHT.assign(tenure=pd.Series([1, tenure, 3, tenure, 5, 6, 7, 8], dtype=object))
    with pytest.raises(
        ValueError,
        match=rf"^tenure of 2 of 8 customer\(s\) holds no number, the first being {said} of 'b'",
    ):
        score_batch(fitted(), table, 0.5)


def test_a_column_that_the_model_needs_is_named():
    with pytest.raises(ValueError, match=r"customers lacks the column\(s\) tenure; it has"):
        score_batch(fitted(), EIGHT.drop(columns="tenure"), 0.5)
    alone = LogisticRegression().fit(EIGHT[["tenure"]], LEFT)
    with pytest.raises(
        ValueError, match=r"^the model cannot score these customers: .* Prepare the table"
    ):
        score_batch(alone, EIGHT, 0.5)


@pytest.mark.parametrize("wrap", [
    lambda model: Resampled(model),
    lambda model: FixedThresholdClassifier(model),
    lambda model: CalibratedClassifierCV(model, cv=2),
    lambda model: VotingClassifier([("one", model)], voting="soft"),
    lambda model: make_pipeline(*model[:-1], Resampled(model[-1])),
    lambda model: make_pipeline(make_pipeline(*model[:-1]), model[-1]),
    lambda model: GridSearchCV(Resampled(model), {"seed": [1]}, cv=2),
])  # fmt: skip
def test_a_column_that_the_model_cannot_use_is_refused_however_it_is_wrapped(wrap):
    known = pd.DataFrame({"customerID": list("abcdefgh"), "SeniorCitizen": [1, 1, 1, 0] * 2})
    model = wrap(logistic(amounts=[], levels=["SeniorCitizen"])).fit(known, [1, 1, 0, 0] * 2)
    assert len(score_batch(model, known, 0.5)) == 8
    with pytest.raises(ValueError, match="SeniorCitizen of 8 of 8 customer"):
        score_batch(model, known.assign(SeniorCitizen=known["SeniorCitizen"].astype(str)), 0.5)


def test_a_column_that_comes_twice_is_refused():
    model = logistic(amounts=["tenure"], levels=[]).fit(KNOWN, [1, 1, 0, 0])
    with pytest.raises(ValueError, match="two columns 'tenure'"):
        score_batch(model, pd.concat([KNOWN, KNOWN[["tenure"]]], axis=1), 0.5)
