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
from hypothesis import given, settings
from hypothesis import strategies as st
from nbclient import NotebookClient

from helpers.etl.feature_table import features_as_of, require_no_future, store_features
from helpers.etl.load import load_lake, load_warehouse, one_writer, read_lake, read_warehouse
from helpers.etl.load_database import load_database, read_database

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
    return read_database(folder / "d.sqlite", "sales").sort_values("line_id", ignore_index=True)


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


@pytest.mark.parametrize("kind", KINDS)
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


@settings(max_examples=8, deadline=None, derandomize=True)
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
    require_no_future(found, "at")


def test_features_without_a_moment_are_refused(tmp_path):
    table = pd.DataFrame({"customer_id": [1, 2], "known_at": [pd.Timestamp("2024-01-01"), pd.NaT]})
    with pytest.raises(ValueError, match=r"1 row\(s\) of features lack customer_id or known_at"):
        store_features(table, tmp_path / "f.duckdb", "people", "customer_id")


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


@pytest.mark.parametrize("widgets", ["without", "with"])
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
