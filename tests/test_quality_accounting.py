"""`helpers.etl.books` and `schemas`: no row is dropped in silence, and the rules bite."""

import datetime

import pandas as pd
import pytest
from conftest import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.etl.books import Books, Cleaning, merge_deliveries, quarantine
from helpers.etl.businesses import clean_keyed
from helpers.etl.businesses.schemas import TABLES, source_schema
from helpers.etl.businesses.shared import read_whole
from helpers.etl.parsing import parse_numbers


def test_accounts_that_do_not_add_up_are_refused_with_every_figure():
    with pytest.raises(ValueError, match=r"sales do not add up: 10 came in, but 6 were loaded, 0 set aside, 2 quarantined and 1 merged"):  # fmt: skip
        Books("sales", 10, 6, {"a row of totals": 2}, 1)


def test_the_accounts_print_as_a_table():
    books = Books("sales", 1_234, 1_200, {"a row of totals": 30}, 4)
    lines = str(books).splitlines()
    assert [line.split()[-1] for line in lines] == ["rows", "1,234", "1,200", "4", "30", "30"]
    assert len({len(line) for line in lines}) == 1
    assert [line.split()[0] for line in lines[1:5]] == ["in", "loaded", "merged", "quarantined"]


def test_two_deliveries_add_up_reason_by_reason():
    first = Books("sales", 5, 3, {"a": 1}, 1)
    both = first + Books("sales", 4, 1, {"a": 1, "b": 2})
    assert (both.rows_in, both.loaded, both.merged) == (9, 4, 1)
    assert both.quarantined == {"a": 2, "b": 2}


ROWS = st.lists(
    st.tuples(st.integers(1, 6), st.sampled_from(["", "x", "bad", "worse"]), st.integers(0, 3)),
    max_size=25,
)


@settings(max_examples=examples(60))
@given(ROWS, st.booleans())
def test_rows_in_are_rows_loaded_quarantined_and_merged_whatever_comes(rows, newest):
    raw = pd.DataFrame(rows, columns=["key", "word", "sent"]).assign(row=range(len(rows)))
    cleaning = Cleaning("anything", raw)
    cleaning.refuse(raw["word"].eq("bad"), "bad")
    cleaning.merge("key", "sent" if newest else None)
    cleaning.refuse(cleaning["word"].eq("worse"), "worse")
    done = cleaning.done()
    books = done.books
    assert books.rows_in == len(rows) == len(done.table) + len(done.quarantined) + books.merged
    assert books.quarantined.get("bad", 0) == sum(word == "bad" for _, word, _ in rows)
    kept = [*done.table["row"], *done.quarantined["row"]]
    assert len(kept) == len(set(kept)), "a row went two ways"
    assert done.table["key"].is_unique


@settings(max_examples=examples(60))
@given(ROWS)
def test_of_repeated_deliveries_the_newest_wins_and_stands_where_the_first_stood(rows):
    table = pd.DataFrame(rows, columns=["key", "word", "sent"]).assign(row=range(len(rows)))
    merged = merge_deliveries(table, "key", newest="sent")
    expected = {}  # oracle: a loop in which a later or equal copy overwrites; dicts keep first places
    for row in table.itertuples():
        if row.key not in expected or row.sent >= expected[row.key].sent:
            expected[row.key] = row
    assert merged["row"].tolist() == [row.row for row in expected.values()]
    pd.testing.assert_frame_equal(merge_deliveries(merged, "key", newest="sent"), merged)


def test_rows_without_a_key_are_nobodys_copy():
    table = pd.DataFrame({"key": [None, 1.0, None, 1.0], "v": [1, 2, 3, 4]})
    assert merge_deliveries(table, "key")["v"].tolist() == [1, 4, 3]


def test_repairs_and_values_set_aside_are_counted_and_the_raw_table_is_left_alone():
    raw = pd.DataFrame({"age": [31, 999], "city": [" Basel", "Bern"]})
    before = raw.copy()
    cleaning = Cleaning("people", raw)
    cleaning.repair("city", cleaning["city"].str.strip(), "blanks around it")
    cleaning.set_aside("age", cleaning["age"].gt(120), "too old")
    cleaning.set_aside("age", cleaning["age"].gt(120), "too old again")  # nothing is left to take
    assert cleaning.done().changes.to_numpy().tolist() == [
        ["city", "blanks around it", 1], ["age", "too old", 1],
    ]  # fmt: skip
    pd.testing.assert_frame_equal(raw, before)


@pytest.mark.parametrize(
    ("source", "change", "reason"),
    [
        ("shop.ratings", {"rating": 6}, "rating is a number from 1 to 5"),
        ("shop.ratings", {"known_at": None}, "known_at is given"),
        ("shop.ratings", {"rating": "many"}, "rating is a number from 1 to 5"),
        ("shop.ratings", {"customer_id": 1.5}, "customer_id is a number from 1 to 1e+12"),
        ("shop.customers", {"skin_type": "combi"}, "skin_type is a known word"),
        ("operator.usage", {"minutes": -1.0}, "minutes is a number from 0 to 1440"),
    ],
)
def test_a_row_that_breaks_the_schema_leaves_with_the_reason(source, change, reason):
    good = {
        "shop.ratings": {"rating_id": 1, "customer_id": 1, "product_id": 1, "rating": 5, "known_at": "2024-09-01"},
        "shop.customers": {"customer_id": 1, "age": 30, "skin_type": "dry", "joined_on": "2024-09-01"},
        "operator.usage": {"usage_id": 1, "customerID": "a", "used_on": "2024-09-01", "minutes": 5.0, "megabytes": 5},
    }[source]  # fmt: skip
    key = next(iter(source_schema(source).columns))
    table = pd.DataFrame([good, {**good, key: 2, **change}], dtype=object)
    accepted, refused = quarantine(table, source_schema(source))
    assert (len(accepted), refused["reason"].tolist()) == (1, [reason])


def test_every_source_of_both_businesses_has_a_schema():
    from helpers.worlds.sources.operator import SOURCES as of_operator
    from helpers.worlds.sources.shop import SOURCES as of_shop

    names = {f"shop.{one.name}": one.key for one in of_shop}
    names |= {f"operator.{one.name}": one.key for one in of_operator}
    assert set(TABLES) == set(names)
    for name, key in names.items():
        assert next(iter(source_schema(name).columns)) == key


def test_rows_made_for_what_never_came_are_none_of_those_that_came_in():
    first = Books("rooms", 5, 4, {"no date": 1}, made=2)
    assert (first.rows_in, first.made) == (5, 2)
    assert (first + Books("rooms", 3, 3, made=1)).made == 3


def test_a_reason_that_a_row_has_itself_is_kept_beside_that_of_the_quarantine():
    raw = pd.DataFrame({
        "return_id": [1, 2, 3], "order_id": [1, 1, None], "product_id": [1, 2, 3], "known_at": ["2024-09-01"] * 3,
        "reason": ["ordered twice", "did not suit my skin", "not as described"],
    })  # fmt: skip
    cleaning = Cleaning("shop.returns", raw)
    cleaning.refuse(raw["return_id"].eq(2), "by hand")
    done = cleaning.done(source_schema("shop.returns"))
    seen = done.quarantined[["return_id", "own_reason", "reason"]].to_numpy().tolist()
    assert seen == [
        [2, "did not suit my skin", "by hand"],
        [3, "not as described", "order_id is given"],
    ]
    assert done.books.quarantined == {"by hand": 1, "order_id is given": 1}
    assert done.table["reason"].tolist() == ["ordered twice"]
    for whole in (raw.head(1), raw.head(0)):  # with nobody to refuse the columns are the same
        aside = Cleaning("shop.returns", whole).done(source_schema("shop.returns")).quarantined
        assert aside.columns.tolist() == done.quarantined.columns.tolist()


def test_a_column_that_is_there_twice_is_refused_before_anything_is_counted():
    with pytest.raises(ValueError, match="sales has two columns 'price'.*Rename or drop one"):
        Cleaning("sales", pd.DataFrame([[1, 5.0, 6.0]], columns=["line_id", "price", "price"]))


def test_flags_and_values_of_rows_that_are_gone_are_refused():
    raw = pd.DataFrame({"key": [1, 1, 2], "word": ["a", "b", "c"]})
    cleaning = Cleaning("sales", raw)
    cleaning.merge("key")
    steps = [lambda: cleaning.refuse(raw["word"].eq("c"), "c"), lambda: cleaning.set_aside("word", raw["word"].eq("c"), "c"),
             lambda: cleaning.repair("word", raw["word"], "again"), lambda: cleaning.parse("word", lambda words: words.iloc[::-1], "turned")]  # fmt: skip
    for step in steps:
        with pytest.raises(
            ValueError, match=r"sales got \d value\(s\) for 2 rows.*cleaning\[column\]"
        ):
            step()
    assert cleaning.done().table["word"].tolist() == ["b", "c"]


NASTY = st.one_of(st.none(), st.integers(-3, 3), st.floats(), st.booleans(), st.text(max_size=2), st.just([1]), st.just({"a": 1}),
                  st.datetimes(timezones=st.just(datetime.UTC)), st.dates())  # fmt: skip


@settings(max_examples=examples(60))
@given(st.lists(st.tuples(NASTY, NASTY), max_size=12))
def test_a_table_of_anything_at_all_is_accounted_for_row_by_row(rows):
    raw = pd.DataFrame({"key": pd.Series([k for k, _ in rows], dtype=object), "value": pd.Series([v for _, v in rows], dtype=object)})  # fmt: skip
    raw["row"] = range(len(raw))
    cleaning = Cleaning("anything", raw)
    cleaning.merge("key")
    cleaning.parse("value", parse_numbers, "read as a number")
    cleaning.refuse(cleaning["value"].gt(1), "large")
    done = cleaning.done()
    books = done.books
    assert books.rows_in == len(rows) == len(done.table) + len(done.quarantined) + books.merged
    kept = [*done.table["row"], *done.quarantined["row"]]
    assert len(kept) == len(set(kept))
    nameless = {row for row, (key, _) in enumerate(rows) if key is None or key != key}
    assert nameless <= set(kept), "a row without a key is nobody's copy"


def test_what_reading_changed_is_counted_and_a_mere_type_is_not():
    raw = pd.DataFrame({"price": ["9", "1.058,5", "-"], "rating": [5, "4", 3]})
    cleaning = Cleaning("sales", raw)
    for column in raw.columns:
        cleaning.parse(column, parse_numbers, "read as a number")
    assert cleaning["rating"].tolist() == [5.0, 4.0, 3.0]
    assert cleaning.done().changes.to_numpy().tolist() == [
        ["price", "read as a number: unreadable, set aside", 1],
        ["price", "read as a number", 1],
        ["rating", "read as a number", 1],
    ]


def test_a_value_that_cannot_be_read_is_not_called_missing():
    raw = pd.DataFrame({"return_id": [1, 2, 3], "order_id": [1, 1, 1], "product_id": [1, 1, 1],
                        "reason": ["ordered twice"] * 3, "known_at": ["2024-09-01T10:00:00Z", "soon", None]})  # fmt: skip
    done = clean_keyed("shop.returns", raw)
    assert done.table["known_at"].tolist() == [pd.Timestamp("2024-09-01 10:00")]
    assert done.books.quarantined == {
        "known_at cannot be read as a date, such as 'soon'": 1,
        "known_at is given": 1,
    }


def test_ids_that_a_spreadsheet_shortened_are_counted_gaps_and_nobody_elses():
    cleaning = Cleaning("x", pd.DataFrame({"customer_id": ["4.91761E+11", "4.91761E+11", "7"]}))
    read_whole(cleaning, "customer_id")
    assert cleaning["customer_id"].tolist() == [pd.NA, pd.NA, 7]
    told = cleaning.done().changes.set_index("what")["values"]
    assert told["an id in scientific notation: digits are lost"] == 2
