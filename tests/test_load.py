"""`helpers.etl.load`, `load_database`, `feature_table`: atomic, repeatable, one writer, no future."""

import os
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
from conftest import examples, first_always, stored_in
from hypothesis import given, settings
from hypothesis import strategies as st
from nbclient import NotebookClient

from helpers.etl.features import features_as_of, store_features
from helpers.etl.lake import load_lake, read_lake
from helpers.etl.load import (
    load_database,
    load_tables,
    load_warehouse,
    one_writer,
    read_warehouse,
)

ROOT = Path(__file__).parent.parent
SALES = pd.DataFrame(
    {"line_id": [1, 2, 3], "month": ["2024-08", "2024-08", "2024-09"], "price_eur": [5.0, 6.0, 7.0]}
)


def stored(kind, folder):
    """Return what a target holds, in order of the key."""
    if kind == "warehouse":
        return read_warehouse(folder / "w.duckdb", "FROM sales ORDER BY line_id")
    if kind == "lake":
        table = read_lake(folder, "sales").sort_values("line_id", ignore_index=True)
        return table[SALES.columns]
    return stored_in(folder / "d.sqlite", "sales").sort_values("line_id", ignore_index=True)


def load(kind, folder, table, key="line_id"):
    if kind == "warehouse":
        return load_warehouse(table, folder / "w.duckdb", "sales", key)
    if kind == "lake":
        return load_lake(table, folder, "sales", by=["month"], key=key)
    return load_database(table, folder / "d.sqlite", "sales", key)


KINDS = ["warehouse", "lake", "database"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_delivery_twice_is_the_same_table(kind, tmp_path):
    load(kind, tmp_path, SALES)
    first = stored(kind, tmp_path)
    load(kind, tmp_path, SALES)
    pd.testing.assert_frame_equal(stored(kind, tmp_path), first)
    assert first["price_eur"].tolist() == [5.0, 6.0, 7.0]


@pytest.mark.parametrize("kind", KINDS)
def test_a_later_delivery_adds_new_rows_and_replaces_known_ones(kind, tmp_path):
    load(kind, tmp_path, SALES)
    load(kind, tmp_path, pd.DataFrame({"line_id": [3, 4], "month": "2024-09", "price_eur": [8.0, 9.0]}))  # fmt: skip
    assert stored(kind, tmp_path)["price_eur"].tolist() == [5.0, 6.0, 8.0, 9.0]


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_key_the_table_is_replaced(kind, tmp_path):
    load(kind, tmp_path, SALES)
    load(kind, tmp_path, SALES.head(1), key=None)
    assert stored(kind, tmp_path)["line_id"].tolist() == [1]


@pytest.mark.parametrize("kind", ["warehouse", "database"])
def test_a_load_that_fails_leaves_what_was_there(kind, tmp_path):
    load(kind, tmp_path, SALES)
    with pytest.raises(ValueError, match="repeats 1 key"):
        load(kind, tmp_path, pd.concat([SALES, SALES.tail(1)]))
    with pytest.raises(ValueError, match="holds the columns"):
        load(kind, tmp_path, SALES.rename(columns={"price_eur": "cents"}).assign(line_id=[1, 2, 9]))
    assert stored(kind, tmp_path)["price_eur"].tolist() == [5.0, 6.0, 7.0]


def test_several_tables_are_loaded_all_or_none(tmp_path):
    store, keys = tmp_path / "w.duckdb", {"sales": "line_id", "more": "line_id"}
    assert load_tables({"sales": SALES, "more": SALES.head(1)}, store, keys) == {
        "sales": 3,
        "more": 1,
    }
    later = SALES.assign(price_eur=9.0)
    with pytest.raises(ValueError, match="price_eur of more holds numbers, the table has texts"):
        load_tables({"sales": later, "more": SALES.assign(price_eur="x")}, store, keys)
    assert stored("warehouse", tmp_path)["price_eur"].tolist() == [5.0, 6.0, 7.0]
    assert load_tables({}, store, {}) == {}


def test_the_lake_too_refuses_other_columns_and_keeps_every_column_of_the_past(tmp_path):
    load("lake", tmp_path, SALES)
    for other in (SALES.drop(columns="price_eur"), SALES.assign(points=5)):
        with pytest.raises(ValueError, match=r"sales holds the columns .*; the table has .*Rename"):
            load("lake", tmp_path, other)
    assert stored("lake", tmp_path)["price_eur"].tolist() == [5.0, 6.0, 7.0]


WHOLE = SALES.assign(price_eur=[5, 6, 7])


@pytest.mark.parametrize("first", [WHOLE, SALES.assign(price_eur=[5.5, 6.5, 7.5])])
@pytest.mark.parametrize("second", [WHOLE.assign(line_id=[3, 4, 5]), SALES.assign(price_eur=[5.25, 6.25, 7.25], line_id=[3, 4, 5])])  # fmt: skip
@pytest.mark.parametrize("kind", KINDS)
def test_no_load_rounds_what_comes_or_what_is_stored(kind, first, second, tmp_path):
    load(kind, tmp_path, first)
    try:
        load(kind, tmp_path, second)
        expected = [*first["price_eur"].head(2), *second["price_eur"]]
    except ValueError as error:  # a database widens no column
        assert kind == "database"
        assert "holds whole numbers, the table has decimals" in str(error)
        expected = first["price_eur"].tolist()
    assert stored(kind, tmp_path)["price_eur"].tolist() == expected


def test_a_whole_number_that_a_decimal_one_cannot_hold_is_not_rounded(tmp_path):
    huge = WHOLE.assign(price_eur=2**53 + 1)
    for first, second in [(huge, SALES), (SALES, huge)]:
        load("warehouse", tmp_path, first, key=None)
        with pytest.raises(
            ValueError, match=r"3 value\(s\) of the type BIGINT that DOUBLE would round"
        ):
            load("warehouse", tmp_path, second)


@pytest.mark.parametrize("column", ["price_eur", "line_id", "at"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_column_of_another_kind_is_refused_and_nothing_is_converted_in_silence(kind, column, tmp_path):  # fmt: skip
    dated = SALES.assign(at=pd.Timestamp("2024-09-01"))
    load(kind, tmp_path, dated)
    with pytest.raises(ValueError, match=rf"{column} of sales holds .*, the table has texts.*unchanged"):  # fmt: skip
        load(kind, tmp_path, dated.assign(**{column: ["7", "8", "9"]}))
    assert stored(kind, tmp_path)["price_eur"].tolist() == [5.0, 6.0, 7.0]


@pytest.mark.parametrize("gaps", [[None] * 3, [np.nan] * 3, pd.array([None] * 3, dtype="str")])
@pytest.mark.parametrize("kind", ["warehouse", "lake"])
def test_a_column_of_gaps_alone_takes_the_kind_of_what_comes_later(kind, gaps, tmp_path):
    load(kind, tmp_path, SALES.assign(price_eur=gaps))
    load(kind, tmp_path, SALES.tail(1))
    assert stored(kind, tmp_path)["price_eur"].tolist()[2] == 7.0
    load(kind, tmp_path, SALES.assign(price_eur=gaps, line_id=[1, 2, 4]))
    assert stored(kind, tmp_path)["price_eur"].isna().tolist() == [True, True, False, True]


@pytest.mark.parametrize("kind", KINDS)
def test_rows_without_a_key_are_refused_for_each_delivery_would_add_them_again(kind, tmp_path):
    with pytest.raises(ValueError, match=r"1 row\(s\) without line_id, the first being row 2: .*leave these rows out"):  # fmt: skip
        load(kind, tmp_path, SALES.assign(line_id=[1, None, 3]))


@pytest.mark.parametrize("kind", KINDS)
def test_two_columns_that_sql_cannot_tell_apart_are_refused(kind, tmp_path):
    with pytest.raises(ValueError, match="two columns 'price_eur'"):
        load(kind, tmp_path, SALES.assign(PRICE_EUR=1.0))


@pytest.mark.parametrize("kind", KINDS)
def test_columns_in_another_order_and_with_odd_names_are_stored_under_their_names(kind, tmp_path):
    odd = SALES.assign(**{'a "b': [1, 2, 3]})
    for table in (odd, odd[odd.columns[::-1]]):
        load(kind, tmp_path, table, key=["line_id", 'a "b'])
    assert len(stored(kind, tmp_path)) == 3
    assert stored(kind, tmp_path)["price_eur"].tolist() == [5.0, 6.0, 7.0]


def test_a_lake_is_parted_by_texts_for_folders_have_no_other_type(tmp_path):
    with pytest.raises(ValueError, match="ok holds flags, but it makes the names of folders"):
        load_lake(SALES.assign(ok=[True, False, True]), tmp_path, "sales", by=["ok"])


def test_a_file_that_is_no_warehouse_is_told_in_one_sentence(tmp_path):
    (tmp_path / "w.duckdb").write_text("something else")
    with pytest.raises(
        ValueError, match=r"sales could not be stored in w\.duckdb: .*Check the file"
    ):
        load("warehouse", tmp_path, SALES)


def test_the_lake_has_one_folder_a_month_and_the_same_bytes_each_time(tmp_path):
    def files(folder):
        load_lake(SALES, folder, "sales", by=["month"])
        return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*.parquet"))}  # fmt: skip

    one, two = files(tmp_path / "a"), files(tmp_path / "b")
    assert {name.split("/")[1] for name in one} == {"month=2024-08", "month=2024-09"}
    assert one == two
    assert len(read_lake(tmp_path / "a", "sales", "month = '2024-09'")) == 1


def test_a_lake_left_between_its_two_moves_is_read_and_mended(tmp_path):
    load_lake(SALES, tmp_path, "sales", by=["month"])
    os.rename(tmp_path / "sales", tmp_path / ".sales-old")  # as a kill between the moves leaves it
    assert len(read_lake(tmp_path, "sales")) == 3
    load_lake(SALES.head(1), tmp_path, "sales", by=["month"], key="line_id")
    assert len(read_lake(tmp_path, "sales")) == 3
    assert not (tmp_path / ".sales-old").exists()


@pytest.mark.parametrize("kind", KINDS)
def test_the_second_writer_is_told_to_wait(kind, tmp_path):
    place = {"warehouse": "w.duckdb", "lake": "sales", "database": "d.sqlite"}[kind]
    with one_writer(tmp_path / place), pytest.raises(ValueError, match=rf"{place} is being written by somebody else.*Wait"):  # fmt: skip
        load(kind, tmp_path, SALES)
    load(kind, tmp_path, SALES)


ENDLESS = """
import sys
from pathlib import Path
import pandas as pd
sys.path.insert(0, "tests")
from test_load import load
kind, folder = sys.argv[1], Path(sys.argv[2])
for turn in range(100_000):
    n = 4_000
    load(kind, folder, pd.DataFrame({"line_id": range(n), "month": [str(i % 3) for i in range(n)], "price_eur": float(turn)}), key=None)
    print(turn, flush=True)
"""


@pytest.mark.parametrize("kind", first_always(KINDS))
def test_a_kill_leaves_the_old_or_the_new_table_and_no_lock(kind, tmp_path):
    running = subprocess.Popen([sys.executable, "-c", ENDLESS, kind, str(tmp_path)],
                               stdout=subprocess.PIPE, cwd=os.fspath(ROOT), text=True)  # fmt: skip
    try:
        assert running.stdout.readline() == "0\n"
        time.sleep(0.02)  # into the next load
    finally:
        running.kill()
        running.wait(30)
        running.stdout.close()
    found = stored(kind, tmp_path)
    assert len(found) == 4_000
    assert len(set(found["price_eur"])) == 1, "half of the old table, half of the new"
    load(kind, tmp_path, SALES, key=None)
    assert len(stored(kind, tmp_path)) == 3


@pytest.mark.parametrize("name", ["a b", "x;drop", "../x", "", 'a"b', "1a"])
def test_a_name_that_is_none_is_refused(name, tmp_path):
    with pytest.raises(ValueError, match="letters, digits and underscores"):
        load_warehouse(SALES, tmp_path / "w.duckdb", name)
    with pytest.raises(ValueError, match="letters, digits and underscores"):
        load_lake(SALES, tmp_path, name, by=["month"])


KNOWN = st.lists(st.tuples(st.integers(1, 3), st.integers(0, 20)), min_size=1, max_size=12, unique=True)  # fmt: skip
ASKED = st.lists(st.tuples(st.integers(1, 4), st.integers(0, 22)), min_size=1, max_size=8)


@settings(max_examples=examples(8))
@given(KNOWN, ASKED)
def test_features_as_of_a_day_are_the_last_known_by_then_and_never_later(tmp_path_factory, known, asked):  # fmt: skip
    day = pd.Timestamp("2024-01-01")
    features = pd.DataFrame({"customer_id": [c for c, _ in known], "known_at": [day + pd.Timedelta(days=d) for _, d in known], "value": range(len(known))})  # fmt: skip
    rows = pd.DataFrame({"customer_id": [c for c, _ in asked], "at": [day + pd.Timedelta(days=d) for _, d in asked]}).set_axis([7 - n for n in range(len(asked))])  # fmt: skip
    store = tmp_path_factory.mktemp("store") / "f.duckdb"
    store_features(features, store, "people", "customer_id")
    assert store_features(features, store, "people", "customer_id") == len(features)
    found = features_as_of(rows, store, "people", "customer_id", "at")
    for (customer, at), value in zip(asked, found["value"], strict=True):
        by_then = [(d, n) for n, (c, d) in enumerate(known) if c == customer and d <= at]
        assert (pd.isna(value) and not by_then) or value == max(by_then)[1]
    assert found.index.tolist() == rows.index.tolist()
    assert not (found["known_at"] > found["at"]).any()


def test_features_without_a_moment_are_refused(tmp_path):
    table = pd.DataFrame({"customer_id": [1, 2], "known_at": [pd.Timestamp("2024-01-01"), pd.NaT]})
    with pytest.raises(
        ValueError, match=r"1 row\(s\) without known_at, .*from when, they may be used"
    ):
        store_features(table, tmp_path / "f.duckdb", "people", "customer_id")


def test_moments_that_are_texts_or_in_another_time_zone_are_refused_for_they_hide_the_future(tmp_path):  # fmt: skip
    store = tmp_path / "f.duckdb"
    table = pd.DataFrame(
        {"customer_id": [1], "known_at": pd.to_datetime(["2024-01-05"]), "value": 1}
    )
    with pytest.raises(ValueError, match="known_at of features holds texts; moments"):
        store_features(table.assign(known_at="05.01.2024"), store, "people", "customer_id")
    store_features(table, store, "people", "customer_id")
    asked = pd.DataFrame({"customer_id": [1], "at": pd.to_datetime(["2024-01-05"], utc=True)})
    for at in (asked["at"], "2024-01-05"):
        with pytest.raises(
            ValueError, match="at of the rows asked holds .*; moments were expected"
        ):
            features_as_of(asked.assign(at=at), store, "people", "customer_id", "at")
    with pytest.raises(ValueError, match="A warehouse was expected at g.duckdb"):
        features_as_of(asked, tmp_path / "g.duckdb", "people", "customer_id", "at")


def test_types_survive_the_warehouse_and_the_lake(tmp_path):
    table = pd.DataFrame({"line_id": [1, 2], "month": ["a", "b"], "price_eur": [1.5, np.nan],
                          "at": pd.to_datetime(["2024-01-01 10:00", None]), "ok": [True, False]})  # fmt: skip
    load_warehouse(table, tmp_path / "w.duckdb", "sales")
    load_lake(table, tmp_path, "sales", by=["month"])
    lake = read_lake(tmp_path, "sales").sort_values("line_id", ignore_index=True)
    for found in (read_warehouse(tmp_path / "w.duckdb", "FROM sales ORDER BY line_id"), lake):
        assert found["at"].isna().tolist() == [False, True]
        assert found["at"].iloc[0] == pd.Timestamp("2024-01-01 10:00")
        assert found["ok"].tolist() == [True, False]
        assert found["price_eur"].isna().tolist() == [False, True]


@pytest.mark.parametrize("widgets", first_always(["without", "with"]))
def test_a_warehouse_can_be_written_in_a_notebook_whether_or_not_it_can_draw_a_progress_bar(
    widgets, tmp_path
):
    """DuckDB looks for ipywidgets: authors have it, learners have not."""
    hide = "import sys; sys.modules['ipywidgets'] = None\n" if widgets == "without" else ""
    source = f"""{hide}
from pandas import DataFrame
from helpers.etl.load import load_warehouse
print(load_warehouse(DataFrame({{"id": [1, 2]}}), r"{tmp_path / "w.duckdb"}", "t", key="id"))"""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    NotebookClient(notebook, kernel_name="python3", timeout=120).execute()
    assert [one["text"] for one in notebook.cells[0].outputs] == ["2\n"]


def test_a_name_in_other_capitals_is_the_same_table(tmp_path):
    file = tmp_path / "shop.duckdb"
    load_warehouse(pd.DataFrame({"order_id": [1, 2]}), file, "orders", "order_id")
    assert load_warehouse(pd.DataFrame({"order_id": [3]}), file, "Orders", "order_id") == 3
    both = {name: pd.DataFrame({"order_id": [1]}) for name in ("orders", "Orders")}
    with pytest.raises(ValueError, match="Two tables are called 'Orders' but for capitals"):
        load_tables(both, file, {})
    assert len(read_warehouse(file, "FROM orders")) == 3


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_of_texts_and_numbers_is_refused_for_a_database_would_make_them_one(kind, tmp_path):
    mixed = pd.DataFrame({"line_id": pd.Series([1, "1"], dtype=object), "month": ["8", "8"]})
    with pytest.raises(ValueError, match="line_id holds numbers and texts"):
        load(kind, tmp_path, mixed)


def test_a_moment_with_a_zone_is_the_same_row_in_a_file_that_knows_no_zones(tmp_path):
    at = pd.Series(pd.to_datetime(["2024-09-01T10:00Z"]))
    for one in (at, at.dt.tz_convert("Asia/Tokyo")):
        rows = load_database(pd.DataFrame({"at": one, "n": 1}), tmp_path / "x.sqlite", "x", "at")
    assert rows == 1


def test_what_sqlite_cannot_hold_is_said_in_a_sentence(tmp_path):
    for value in (2**70, "half a \ud800"):
        table = pd.DataFrame({"line_id": pd.Series([value], dtype=object)})
        with pytest.raises(ValueError, match="x could not be stored"):
            load_database(table, tmp_path / "x.sqlite", "x", "line_id")


def test_the_first_delivery_into_a_lake_is_merged_like_the_others(tmp_path):
    twice = pd.DataFrame({"line_id": [1, 1], "month": ["8", "9"]})
    load_lake(twice, tmp_path, "sales", ["month"], "line_id")
    assert read_lake(tmp_path, "sales")["month"].tolist() == ["9"]


def test_a_lake_rounds_no_long_number(tmp_path):
    long = pd.DataFrame({"line_id": [1], "code": [2**53 + 1], "month": ["8"]})
    load_lake(long, tmp_path, "sales", ["month"], "line_id")
    with pytest.raises(ValueError, match="code of sales has 1 whole number.s. that a decimal one"):
        load_lake(long.assign(line_id=2, code=0.5), tmp_path, "sales", ["month"], "line_id")
    assert read_lake(tmp_path, "sales")["code"].tolist() == [2**53 + 1]


def test_features_of_ids_of_another_kind_or_from_nowhere_are_refused(tmp_path):
    day = pd.to_datetime(["2024-08-01"])
    known = pd.DataFrame({"customer_id": [7], "known_at": day, "orders": [3]})
    store = tmp_path / "features.duckdb"
    store_features(known, store, "customers", "customer_id")
    for ids in (["007"], ["a"]):
        asked = pd.DataFrame({"customer_id": ids, "at": day})
        with pytest.raises(ValueError, match="texts in the rows asked and numbers in customers"):
            features_as_of(asked, store, "customers", "customer_id", "at")
    with pytest.raises(ValueError, match="holds no table people with customer_id"):
        features_as_of(asked, store, "people", "customer_id", "at")
