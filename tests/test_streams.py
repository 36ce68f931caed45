"""`helpers.monitoring.streams`: when a stream broke, and silence where nothing happens."""

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT, first_always
from sklearn.tree import DecisionTreeClassifier

from helpers.course.fetch import data_folder
from helpers.monitoring.streams import adwin, page_hinkley

CHANGES, LEARNED, WITHIN = (10_000, 20_000, 30_000), 500, 500


def flags(share, rows, seed):
    return pd.Series(np.random.default_rng([rows, seed]).random(rows) < share)


@pytest.mark.parametrize("share", first_always([0.2, 0.02, 0.1, 0.35, 0.5]))
def test_a_stream_in_which_nothing_happens_is_silent(share):
    for seed in range(4):
        assert adwin(flags(share, 20_000, seed)).empty


@pytest.mark.parametrize(
    ("watch", "most"), [(adwin, 300), (lambda s: page_hinkley(s, delta=0.05, threshold=20), 300)]
)
def test_a_break_is_found_with_its_moment_and_both_levels(watch, most):
    stream = pd.concat([flags(0.1, 5_000, 1), flags(0.3, 5_000, 2)], ignore_index=True)
    stream.index = pd.date_range("2025-01-01", periods=len(stream), freq="min")
    told = watch(stream)
    assert len(told) == 1
    one, place = told.iloc[0], stream.index[5_000]
    assert abs(one["since"] - place) < pd.Timedelta(minutes=60)
    assert pd.Timedelta(0) < one["noticed"] - place < pd.Timedelta(minutes=most)
    assert [one["before"], one["after"]] == pytest.approx(
        [0.1, 0.3], abs=0.2
    )  # of few rows after the break


@pytest.mark.parametrize("stream", [[], [1.0], [0.0] * 3_000, [True] * 3_000])
def test_short_empty_and_constant_streams_are_borne(stream):
    assert adwin(pd.Series(stream, dtype=float)).columns.tolist() == ["noticed", "since", "before", "after"]  # fmt: skip
    assert adwin(pd.Series(stream, dtype=float)).empty


@pytest.mark.parametrize("wrong", [None, np.nan, np.inf, "n/a"])
def test_a_value_that_is_none_is_refused_by_its_row(wrong):
    with pytest.raises(ValueError, match=r"errors has 1 value\(s\) that are no numbers.*\(row 3\)"):
        adwin(pd.Series([0, 1, wrong, 0], name="errors", dtype=object))


def stagger():
    path = data_folder(ROOT) / "stagger_0120_abrupt.csv.gz"
    if not path.is_file():
        pytest.skip(f"{path.name} is not here; set LIFECYCLE_DATA to a folder that has it")
    return pd.read_csv(path)


def alarms_of_the_loop(table):
    """Watch a model's errors; after an alarm it learns anew from the next rows, and is watched again."""
    inputs, truth = table.iloc[:, :3], table.iloc[:, 3]
    begun, alarms = 0, []
    while begun + LEARNED < len(table):
        learned = slice(begun, begun + LEARNED)
        model = DecisionTreeClassifier(random_state=0).fit(inputs[learned], truth[learned])
        wrong = pd.Series(model.predict(inputs) != truth).iloc[begun + LEARNED :]
        told = adwin(wrong)
        if told.empty:
            break
        begun = told["noticed"].iloc[0] + 1
        alarms.append(begun - 1)
    return alarms


def test_stagger_rings_three_times_each_within_500_rows_and_never_else():
    alarms = alarms_of_the_loop(stagger())
    assert len(alarms) == 3
    assert all(0 <= alarm - change <= WITHIN for alarm, change in zip(alarms, CHANGES, strict=True))


def test_a_model_that_never_learns_anew_rings_at_the_same_breaks():
    # From 55 to 66 % of errors: the second break shows less, and takes longer to be sure of.
    table = stagger()
    model = DecisionTreeClassifier(random_state=0).fit(
        table.iloc[:5_000, :3], table.iloc[:5_000, 3]
    )
    wrong = pd.Series(model.predict(table.iloc[:, :3]) != table.iloc[:, 3])
    told = adwin(wrong)
    late = told["noticed"] - np.array(CHANGES)
    assert len(told) == 3
    assert late.between(0, 700).all()
    assert (told["since"] - np.array(CHANGES)).abs().max() <= 20
