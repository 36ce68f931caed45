"""`helpers.etl.combine`, `conflicts` and `privacy`: joins that are checked, one schema, rules for contradictions."""

import os

import numpy as np
import pandas as pd
import pytest
from conftest import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.etl.combine import (
    WinningRule,
    check_cardinality,
    join,
    rename,
    resolve_conflicts,
    unify_versions,
)
from helpers.etl.privacy import (
    make_secret,
    pseudonyms,
    read_secret,
    with_consent,
)

KEYS = st.lists(st.integers(1, 5), max_size=10)


def table(keys, **columns):
    return pd.DataFrame({"key": keys, **columns}).astype({"key": "int64"})


@settings(max_examples=examples(40))
@given(KEYS, KEYS)
def test_a_join_keeps_the_rows_of_the_left_or_refuses_with_counts(left, right):
    one, two = table(left, place=range(len(left))), table(right, value=[k * 10 for k in right])
    if len(set(right)) < len(right):
        with pytest.raises(
            ValueError, match=r"many-to-one was expected.*come\(s\) again.*would make"
        ):
            join(one, two, "key")
        return
    joined = join(one, two, "key")
    assert joined["place"].tolist() == list(range(len(left)))
    for key, value in zip(joined["key"], joined["value"], strict=True):
        assert value == key * 10 if key in right else pd.isna(value)


def test_a_broken_one_to_many_says_which_side_and_how_many_rows_it_would_make():
    orders, lines = table([1, 1, 2]), table([1, 1, 2], price=[5, 6, 7])
    with pytest.raises(ValueError, match=r"once in the left table; but 1 of its 2 key.*\(2 times\).*5 rows of 3"):  # fmt: skip
        check_cardinality(orders, lines, "key", "one-to-many")
    assert len(join(table([1, 2]), lines, "key", "one-to-many")) == 3


def test_rows_without_a_match_are_kept_or_refused_and_counted():
    one, two = table([1, 9]), table([1], value=[10])
    assert join(one, two, "key")["value"].isna().tolist() == [False, True]
    with pytest.raises(ValueError, match=r"1 of 2 row\(s\) find no match on key, the first being \[9\]"):  # fmt: skip
        join(one, two, "key", unmatched="refuse")


def test_a_gap_in_a_key_matches_no_gap():
    one = pd.DataFrame({"key": [1.0, None]})
    assert join(one, pd.DataFrame({"key": [None], "v": [5]}), "key")["v"].isna().all()


def test_a_column_in_both_tables_is_no_guess():
    with pytest.raises(ValueError, match=r"Both tables have the column\(s\) v"):
        join(table([1], v=[1]), table([1], v=[2]), "key")


def test_a_rename_that_would_make_a_name_twice_or_finds_none_is_refused():
    with pytest.raises(ValueError, match="lacks the column"):
        rename(table([1]), {"maker": "brand"})
    with pytest.raises(ValueError, match="brand already"):
        rename(table([1], maker=["a"], brand=["b"]), {"maker": "brand"})


def test_records_of_an_unknown_version_stop_the_load():
    with pytest.raises(ValueError, match=r"version\(s\) 3 were found; known are 1, 2"):
        unify_versions([{"v": 3}], {1: {}, 2: {}})


VALUES = st.lists(st.one_of(st.none(), st.integers(0, 3)), min_size=4, max_size=4)


@settings(max_examples=examples(40))
@given(VALUES, VALUES)
def test_the_trusted_source_wins_and_a_gap_leaves_the_word_to_the_next(first, second):
    keys = [1, 2, 3, 4]
    tables = {"a": table(keys, v=pd.array(first, dtype="Float64")), "b": table(keys, v=pd.array(second, dtype="Float64"))}  # fmt: skip
    found, lost = resolve_conflicts(tables, "key", [WinningRule("v", ("a", "b"), "a is newer")])
    for key, a, b, value in zip(keys, first, second, found["v"], strict=True):
        expected = a if a is not None else b
        assert (pd.isna(value) and expected is None) or value == expected
        contradicted = a is not None and b is not None and a != b
        assert ((lost["key"] == key).sum() == 1) == contradicted
    assert set(lost["because"]) <= {"a is newer"}


def test_a_small_difference_is_no_contradiction():
    tables = {"a": table([1], v=[5.0]), "b": table([1], v=[5.004])}
    assert resolve_conflicts(tables, "key", [WinningRule("v", ("a", "b"), "", 0.005)])[1].empty
    with pytest.raises(ValueError, match="a repeats 1 key"):
        resolve_conflicts({"a": table([1, 1], v=[1, 2])}, "key", [WinningRule("v", ("a",), "")])


def test_texts_numbers_and_flags_contradict_each_other_by_content():
    tables = {
        "a": table([1, 2, 3], text=["dry", "oily", None], mixed=["x", 5, "5.0"], flag=[True, False, True]),
        "b": table([3, 2, 1], text=["dry", "Oily", "dry"], mixed=[5.0, 5.004, "x"], flag=[True, True, True]),
    }  # fmt: skip
    rules = [WinningRule(name, ("b", "a"), "b is newer", 0.005) for name in ("text", "mixed", "flag")]  # fmt: skip
    found, lost = resolve_conflicts(tables, "key", rules)
    assert found["text"].tolist() == ["dry", "Oily", "dry"]
    seen = lost[["key", "column", "source", "value", "winner", "winning_value"]]
    assert seen.to_numpy().tolist() == [
        [2, "text", "a", "oily", "b", "Oily"],
        [3, "mixed", "a", "5.0", "b", 5.0],  # a text is no number
        [2, "flag", "a", False, "b", True],
    ]


def test_a_hundred_thousand_keys_are_settled_and_every_contradiction_is_told():
    keys, n = range(100_000), 100_000
    shop = table(keys, v=np.arange(n, dtype="float64"), name=["Dew"] * n)
    page = shop.iloc[::-1].assign(v=lambda t: t["v"] + (t["key"] % 50 == 0) * 2.0)
    rules = [WinningRule("v", ("shop", "page"), "a page may be old"), WinningRule("name", ("page", "shop"), "")]  # fmt: skip
    found, lost = resolve_conflicts({"shop": shop, "page": page}, "key", rules)
    assert found["v"].tolist() == list(keys)
    assert lost["key"].tolist() == list(range(0, n, 50))
    assert (lost["value"] - lost["winning_value"]).eq(2.0).all()
    assert set(lost["source"]) == {"page"}
    assert set(lost["winner"]) == {"shop"}


def test_keys_that_are_texts_on_one_side_and_numbers_on_the_other_are_told():
    with pytest.raises(
        ValueError, match="key holds texts in the left table and numbers in the right"
    ):
        join(table([1]).astype({"key": "str"}), table([1], v=[2]), "key")
    mixed = pd.DataFrame({"key": pd.Series([1, "2"], dtype=object), "v": 1})
    with pytest.raises(ValueError, match="numbers in the left table and texts in the right one"):
        join(table([1]), mixed, "key")
    day, moment = (pd.to_datetime(["2025-01-01"], utc=zone) for zone in (False, True))
    with pytest.raises(
        ValueError, match="moments with a time zone in the left table and moments in"
    ):
        join(pd.DataFrame({"key": moment}), pd.DataFrame({"key": day, "v": 2}), "key")


def test_a_row_that_describes_nobody_contradicts_nobody():
    tables = {"a": pd.DataFrame({"key": [1.0, None], "v": [1, 2]})}
    with pytest.raises(ValueError, match=r"a has 1 row\(s\) without key"):
        resolve_conflicts(tables, "key", [WinningRule("v", ("a",), "")])


# --- privacy -------------------------------------------------------------------------------------------


def test_a_pseudonym_is_an_hmac_and_no_plain_hash():
    import hashlib
    import hmac

    expected = hmac.new(b"k" * 32, b"1", hashlib.sha256).hexdigest()[:16]
    assert pseudonyms(pd.Series([1]), b"k" * 32).item() == f"p-{expected}"


def test_a_secret_is_the_owners_is_never_replaced_and_is_long_enough(tmp_path):
    path = make_secret(tmp_path / "deep" / "secret")
    if os.name == "posix":
        assert path.stat().st_mode & 0o077 == 0
    before = path.read_text()
    with pytest.raises(ValueError, match="is there already"):
        make_secret(path)
    assert path.read_text() == before
    for content in ("", "abcd", "no hex at all"):
        (tmp_path / "bad").write_text(content)
        with pytest.raises(ValueError, match="secret"):
            read_secret(tmp_path / "bad")
    with pytest.raises(ValueError, match="Make one with make_secret"):
        read_secret(tmp_path / "none")


def test_silence_is_no_consent_and_the_latest_answer_counts():
    people = pd.DataFrame({"customer_id": [1, 2, 3, 4]}, index=[9, 8, 7, 6])
    consents = pd.DataFrame(
        {"customer_id": [1, 2, 2, 3, 1], "ok": [False, True, False, None, True]}
    )
    kept, refused = with_consent(people, consents, "ok")
    assert kept["customer_id"].tolist() == [1]
    assert refused["customer_id"].tolist() == [2, 3, 4]
    assert refused["reason"].str.contains("never").tolist() == [False, True, True]


def test_a_join_refuses_a_way_with_unmatched_rows_that_it_does_not_know():
    table = pd.DataFrame({"order_id": [1]})
    with pytest.raises(ValueError, match="unmatched is 'keep' or 'refuse'; got 'drop'"):
        join(table, table, "order_id", unmatched="drop")


def test_a_rule_that_believes_an_unknown_source_is_refused():
    rule = WinningRule("price_eur", ("shop", "pages"), "a page may be old")
    shop = pd.DataFrame({"product_id": [1], "price_eur": [9.5]})
    with pytest.raises(ValueError, match="believes pages; the tables are shop"):
        resolve_conflicts({"shop": shop}, "product_id", [rule])


HUGE = 2**53 + 1  # the first whole number that no float holds


def test_keys_that_could_not_meet_are_refused_in_a_sentence():
    right = pd.DataFrame({"k": ["1", "2"], "v": [1, 2]})
    mixed = pd.DataFrame({"k": pd.Series([1, "2"], dtype=object)})
    for left in (mixed, pd.DataFrame({"k": [1, 2]})):
        with pytest.raises(ValueError, match="nothing would meet"):
            join(left, right, "k")
    with pytest.raises(ValueError, match="nothing would meet"):
        check_cardinality(pd.DataFrame({"k": [1]}), right.assign(k="1"), "k", "many-to-one")
    with pytest.raises(ValueError, match="whole ones are rounded"):
        join(pd.DataFrame({"k": [HUGE]}), pd.DataFrame({"k": [float(HUGE)], "v": 1}), "k")
    gaps = pd.DataFrame({"k": pd.Series([None, None], dtype=object)})
    assert join(gaps, pd.DataFrame({"k": [1], "v": [1]}), "k")["v"].isna().all()


def test_two_values_never_take_one_name():
    with pytest.raises(ValueError, match="two values under one name"):
        unify_versions([{"v": 2, "a": 1, "b": 5}], {1: {}, 2: {"a": "b"}})


def test_an_answer_of_nobody_is_no_consent_of_somebody():
    people = pd.DataFrame({"customer_id": [1, None]})
    answers = pd.DataFrame({"customer_id": [1, None], "ok": [True, True]})
    assert with_consent(people, answers, "ok")[0]["customer_id"].tolist() == [1]
    with pytest.raises(ValueError, match="numbers in the table and texts in consents"):
        with_consent(people, answers.assign(customer_id=["1", None]), "ok")
    with pytest.raises(ValueError, match="no flags, the first being 'no'"):
        with_consent(people, answers.assign(ok="no"), "ok")
