"""`helpers.etl.privacy`: how well people hide behind each other, counted by hand and by a counter."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest

from helpers.etl.privacy import (
    age_bands,
    group_sizes,
    hidden_in_groups,
    pseudonyms,
    require_withheld,
    smallest_groups,
    withheld,
)

PEOPLE = pd.DataFrame(
    {"age": [31, 31, None, None, 40], "skin": ["dry", "dry", "oily", "oily", None]}
)


def test_a_gap_is_a_value_like_another():
    assert group_sizes(PEOPLE, ["age", "skin"]).tolist() == [2, 2, 2, 2, 1]


def test_group_sizes_agree_with_a_counter():
    rng = np.random.default_rng(7)
    people = pd.DataFrame({"age": rng.integers(20, 60, 300), "skin": rng.choice(list("abcd"), 300)})
    people.index = rng.permutation(300)
    pairs = list(zip(people["age"], people["skin"], strict=True))
    count = Counter(pairs)
    assert group_sizes(people, ["age", "skin"]).tolist() == [count[pair] for pair in pairs]
    found = smallest_groups(people, ["age", "skin"], k=5)
    assert found["smallest"] == min(count.values())
    assert found["alone"] == pytest.approx(np.mean([count[pair] == 1 for pair in pairs]))
    assert found["below_k"] == pytest.approx(np.mean([count[pair] < 5 for pair in pairs]))


def test_a_further_column_never_hides_anybody_better():
    rng = np.random.default_rng(7)
    people = pd.DataFrame(rng.integers(0, 4, (200, 3)), columns=list("abc"))
    alone = [smallest_groups(people, list("abc")[:n])["alone"] for n in (1, 2, 3)]
    assert alone == sorted(alone)


def test_what_is_kept_is_k_anonymous_and_nobody_is_lost_in_silence():
    rng = np.random.default_rng(7)
    people = pd.DataFrame({"age": rng.integers(20, 40, 120)})
    kept, held_back = hidden_in_groups(people, ["age"], k=5)
    assert smallest_groups(kept, ["age"])["smallest"] >= 5
    assert sorted([*kept.index, *held_back.index]) == list(people.index)
    assert held_back["reason"].str.fullmatch(r"only [1-4] with this age").all()
    assert 0 < len(held_back) < 120


@pytest.mark.parametrize("ids", [
    pd.Series([7, None, 8]), pd.Series([7, None, 8], dtype="Int64"), pd.Series(["7", None, "8"]),
    pd.Series([7.0, None, "8"], dtype=object), pd.Series([8, None, 7], index=[2, 1, 0]).sort_index(),
], ids=["floats", "whole numbers", "texts", "mixed", "another index"])  # fmt: skip
def test_an_id_has_one_pseudonym_whether_its_column_has_gaps_or_not(ids):
    found = pseudonyms(ids, b"0" * 32)
    whole = pseudonyms(pd.Series([7, 8]), b"0" * 32)
    assert found.dropna().tolist() == whole.tolist()
    assert found.isna().tolist() == [False, True, False]
    assert found.index.equals(ids.index)
    assert pseudonyms(pd.Series([7.5]), b"0" * 32)[0] not in whole.tolist()


def test_what_is_withheld_passes_the_check_in_whatever_case_it_is_written():
    table = pd.DataFrame({"Phone_Number": ["1"], "EMAIL": ["a"], "tenure": [1]})
    kept = withheld(table)
    assert kept.columns.tolist() == ["tenure"]
    require_withheld(kept)


@pytest.mark.parametrize(("years", "band"), [(1, "39-39"), (10, "30-39"), (20, "20-39")])
def test_a_band_holds_its_age(years, band):
    assert age_bands(pd.Series([39]), years).tolist() == [band]


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: smallest_groups(PEOPLE, ["town"]), "lacks"),
        (lambda: smallest_groups(PEOPLE.head(0), ["age"]), "at least 1"),
        (lambda: smallest_groups(PEOPLE, ["age"], k=0), "at least 1"),
        (lambda: age_bands(pd.Series([30]), 0), "at least 1 year"),
    ],
)
def test_what_cannot_be_counted_is_refused(ask, message):
    with pytest.raises(ValueError, match=message):
        ask()


def test_ages_are_numbers_and_a_half_year_is_in_its_band():
    assert age_bands(pd.Series([29.5, 30])).tolist() == ["20-29", "30-39"]
    with pytest.raises(ValueError, match="Read them with parse_ages first"):
        age_bands(pd.Series(["29 years"]))
