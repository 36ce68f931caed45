"""`helpers.deployment.batch`: one line a customer, the likeliest first."""

import numpy as np
import pandas as pd
import pytest

from helpers.deployment.batch import score_batch, write_batch
from helpers.training.churn import logistic

KNOWN = pd.DataFrame({"customerID": list("abcd"), "tenure": [1, 2, 60, 70]})


class Fixed:
    """A model that gives the probabilities written in the table."""

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


def test_probabilities_have_four_digits_and_the_call_agrees_with_the_digits_shown():
    batch = score_batch(Fixed(), customers(a=0.123456, b=0.49996), threshold=0.5)
    assert batch["churn_probability"].tolist() == [0.5, 0.1235]
    assert batch["call"].tolist() == [True, False]


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
    ],
    ids=["per cent", "nobody", "no ids", "a customer twice"],
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
