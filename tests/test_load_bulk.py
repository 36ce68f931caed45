"""`helpers.etl.bulk`: the rules as SQL load what pandas loads, account for every row, and stay alone."""

import os
import subprocess
import sys

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.etl.bulk import REASONS, load_order_lines
from helpers.etl.businesses.shop import clean_order_lines
from helpers.etl.load import one_writer, read_warehouse

PRODUCTS = pd.DataFrame({"product_id": [1, 2], "category": ["mask", "cleanser"], "price_eur": [10.0, 50.0]})  # fmt: skip
LINE = st.tuples(
    st.integers(1, 6),  # line_id: repeats are likely
    st.sampled_from(["1", "2", "9", "x"]),
    st.sampled_from(["10.0", "1000.0", "5000.0", "49.5", "", "-1", "much"]),
    st.sampled_from(["list", "LIST", "Lists", "sear.", "search", "phone", ""]),
    st.sampled_from(["2024-01-01 10:00:00", "2024-01-02 10:00:00", "soon"]),
)


def laid_down(folder, rows):
    names = ["line_id", "product_id", "price_eur", "channel", "ordered_at"]
    lines = pd.DataFrame(rows, columns=names).assign(order_id=1, customer_id=[n % 2 for n in range(len(rows))])  # fmt: skip
    lines.to_csv(folder / "lines.csv", index=False)
    PRODUCTS.to_csv(folder / "products.csv", index=False)
    return lines


def load(folder):
    return load_order_lines(folder / "lines.csv", folder / "products.csv", folder / "w.duckdb", threads=1)  # fmt: skip


@settings(max_examples=8, deadline=None, derandomize=True)
@given(st.lists(LINE, min_size=1, max_size=12))
def test_every_line_is_loaded_quarantined_or_merged_and_mended_as_pandas_mends_it(tmp_path_factory, rows):  # fmt: skip
    folder = tmp_path_factory.mktemp("bulk")
    lines = laid_down(folder, [(1, "1", "10.0", "list", "2024-01-01 10:00:00"), *rows])
    done = load(folder)
    books = done.accounting
    table = read_warehouse(done.warehouse, "FROM order_lines ORDER BY line_id")
    aside = read_warehouse(done.warehouse, "FROM quarantine")
    assert books.rows_in == len(lines) == len(table) + len(aside) + books.merged
    assert set(books.quarantined) <= set(REASONS)
    assert table["line_id"].is_unique
    good = lines[lines["product_id"].isin(["1", "2"]) & pd.to_numeric(lines["price_eur"], errors="coerce").ge(0)
                 & ~lines["channel"].isin(["phone", ""]) & lines["ordered_at"].ne("soon")]  # fmt: skip
    assert len(good) == len(table) + books.merged
    typed = good.assign(product_id=good["product_id"].astype(int), price_eur=good["price_eur"].astype(float))  # fmt: skip
    newest = typed.groupby("line_id")["ordered_at"].max()
    assert table.set_index("line_id")["ordered_at"].astype(str).to_dict() == newest.to_dict()
    alone = typed[~typed["line_id"].duplicated(keep=False)]
    same = clean_order_lines(alone, PRODUCTS).table.set_index("line_id")
    ours = table.set_index("line_id").loc[same.index]
    assert ours["price_eur"].tolist() == same["price_eur"].tolist()
    assert ours["channel"].tolist() == same["channel"].tolist()


def test_the_customer_features_count_orders_and_euro(tmp_path):
    laid_down(tmp_path, [(1, "1", "10.0", "list", "2024-01-01 10:00:00"), (3, "2", "5000.0", "search", "2024-01-02 10:00:00"), (2, "1", "5.0", "list", "2024-01-01 10:00:00")])  # fmt: skip
    load(tmp_path)
    found = read_warehouse(tmp_path / "w.duckdb", "SELECT customer_id, orders, lines, spent_eur FROM customer_features ORDER BY 1")  # fmt: skip
    assert found.to_numpy().tolist() == [[0, 1, 2, 15.0], [1, 1, 1, 50.0]]


def test_the_same_lines_twice_give_the_same_warehouse_and_a_failure_leaves_it(tmp_path):
    laid_down(tmp_path, [(1, "1", "10.0", "list", "2024-01-01 10:00:00")])
    first = read_warehouse(load(tmp_path).warehouse, "FROM order_lines")
    pd.testing.assert_frame_equal(read_warehouse(load(tmp_path).warehouse, "FROM order_lines"), first)  # fmt: skip
    (tmp_path / "lines.csv").write_text("something,else\n1,2\n")
    with pytest.raises(ValueError, match="order lines cannot be read"):
        load(tmp_path)
    pd.testing.assert_frame_equal(read_warehouse(tmp_path / "w.duckdb", "FROM order_lines"), first)
    assert not [name for name in os.listdir(tmp_path) if "-new-" in name]


@pytest.mark.parametrize("price", ["nan", "inf", "-inf", "1e9"])
def test_a_price_that_is_no_amount_does_not_poison_what_customers_spent(price, tmp_path):
    laid_down(tmp_path, [(1, "1", price, "list", "2024-01-01 10:00:00"), (2, "1", "5.0", "list", "2024-01-01 10:00:00")])  # fmt: skip
    done = load(tmp_path)
    assert done.accounting.quarantined == {"price_eur is no amount": 1}
    spent = read_warehouse(done.warehouse, "SELECT sum(spent_eur) AS eur FROM customer_features")
    assert spent["eur"].item() == 5.0


@pytest.mark.parametrize("column", ["line_id", "order_id", "customer_id"])
def test_a_line_of_no_order_or_of_nobody_is_quarantined(column, tmp_path):
    lines = laid_down(tmp_path, [(1, "1", "5.0", "list", "2024-01-01 10:00:00"), (2, "1", "5.0", "list", "2024-01-01 10:00:00")])  # fmt: skip
    lines.astype({column: "str"}).assign(**{column: ["", "7"]}).to_csv(tmp_path / "lines.csv", index=False)  # fmt: skip
    done = load(tmp_path)
    assert done.accounting.quarantined == {f"{column} is no number": 1}
    assert done.accounting.loaded == 1


KILLED = """
import os, sys, duckdb
connection = duckdb.connect(sys.argv[1])
connection.execute("CREATE TABLE old AS SELECT 1 AS x")
os._exit(9)
"""


def test_what_a_killed_writer_left_in_the_log_does_not_spoil_the_next_warehouse(tmp_path):
    laid_down(tmp_path, [(1, "1", "5.0", "list", "2024-01-01 10:00:00")])
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "w.duckdb")], check=False)
    assert (tmp_path / "w.duckdb.wal").is_file(), "the kill left no log: this test tests nothing"
    done = load(tmp_path)
    assert read_warehouse(done.warehouse, "FROM order_lines")["line_id"].tolist() == [1]


def test_two_copies_that_differ_in_their_channel_alone_are_settled_alike_each_time(tmp_path):
    rows = [(n // 2, "1", "5.0", ["list", "search"][n % 2], "2024-01-01 10:00:00") for n in range(2_000)]  # fmt: skip
    laid_down(tmp_path, [*rows[::2], *rows[1::2]])
    load_order_lines(tmp_path / "lines.csv", tmp_path / "products.csv", tmp_path / "w.duckdb")
    # The first by name wins, whichever thread reads it first.
    found = read_warehouse(tmp_path / "w.duckdb", "SELECT DISTINCT channel FROM order_lines")
    assert found["channel"].tolist() == ["list"]


def test_a_second_load_is_told_to_wait(tmp_path):
    laid_down(tmp_path, [(1, "1", "10.0", "list", "2024-01-01 10:00:00")])
    with (
        one_writer(tmp_path / "w.duckdb"),
        pytest.raises(ValueError, match="w.duckdb is being written"),
    ):
        load(tmp_path)


def test_the_bench_loads_the_same_lines_in_three_ways():
    from benchmarks.etl import bench_etl

    speed, agreement = bench_etl(rows=3_000, large_rows=0)
    assert agreement.met
    assert 2_900 < agreement.ours < 3_000  # 3,000 without about one in five hundred
    assert speed.ours > 0
