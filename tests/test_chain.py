"""`helpers.etl.chain`: from source systems to loaded tables, for both businesses, nothing lost."""

import re

import numpy as np
import pandas as pd
import pytest
from conftest import first_always
from test_sources import first_ten, nobody

from helpers.etl.books import Books, Cleaned, Cleaning
from helpers.etl.businesses import (
    OPERATOR,
    OPERATOR_MONTHS,
    SHOP,
    SHOP_MONTHS,
    clean_order_lines,
    clean_sales,
    flat_products,
)
from helpers.etl.businesses.operator import flat_tickets
from helpers.etl.businesses.schemas import TABLES
from helpers.etl.businesses.sensors import stuck, without_last_measured
from helpers.etl.businesses.shared import clean_supplier
from helpers.etl.chain import (
    Access,
    clean_all,
    clean_source,
    extract_all,
    extract_source,
    ledger,
    load_all,
)
from helpers.etl.extract import CannotExtract
from helpers.etl.extract.result import object_table
from helpers.etl.lake import read_lake
from helpers.etl.load import opened
from helpers.etl.parsing import typed
from helpers.worlds import Operator, Shop
from helpers.worlds.sources import Sources, SourcesTruth

WHEN = "2025-03-01T08:00:00"
STEPS = {"shop": SHOP, "operator": OPERATOR}
MONTHS_OF = SHOP_MONTHS | OPERATOR_MONTHS
AT_ONCE = {"failures": 0.0, "burst": 1_000_000, "crawl_delay_s": 0}


def world_of(business, people=50):
    return Shop(people, 30, seed=7) if business == "shop" else Operator(people, seed=7)


def laid(business, folder, **options):
    sources = Sources(world_of(business), folder, months=1, **options)
    sources.lay_down()
    return sources


def run(business, sources, only=()):
    """Extract and clean everything (or a few sources), with the services running."""
    overview = sources.overview()
    overview = overview[overview["source"].isin(only)] if only else overview
    with sources.serve(**AT_ONCE) as served:
        extracts = extract_all(overview, Access.of(sources, served), when=WHEN)
    return extracts, clean_all(extracts, STEPS[business])


@pytest.fixture(scope="module", params=first_always(["operator", "shop"]))
def chained(request, tmp_path_factory):
    """A business with three times the usual blemishes, through the chain."""
    sources = laid(request.param, tmp_path_factory.mktemp("chain") / "sources", blemishes=3.0)
    return request.param, sources, *run(request.param, sources)


def test_every_row_of_every_source_is_loaded_quarantined_set_aside_or_merged(chained):
    _, sources, extracts, cleaned = chained
    books = ledger(extracts, cleaned).set_index("source")
    assert books.index.tolist() == sources.overview()["source"].tolist()
    assert books["balanced"].all(), books.to_string()
    fates = books[["set_aside", "quarantined", "merged", "loaded"]]
    assert (fates.sum(axis=1) == books["rows_in"]).all()
    assert (fates.sum() > 0).all(), "with so many blemishes rows go every way"
    for name, done in cleaned.items():  # counted from the tables, without the books
        assert len(done.table) == books.loc[name, "loaded"] + books.loc[name, "made"], name
        assert len(extracts[name].set_aside) == books.loc[name, "set_aside"], name


def test_the_rows_that_came_in_are_those_that_were_written(chained):
    _, sources, extracts, cleaned = chained
    truth, books = SourcesTruth(sources), ledger(extracts, cleaned).set_index("source")
    for name in cleaned:
        planted = truth.blemishes(name)
        more = planted["true"].isin(["once", "no row"]).sum() - planted["true"].eq("a row").sum()
        unasked = int((extracts[name].set_aside["text"] == "/admin").sum())  # robots.txt forbids it
        assert books.loc[name, "rows_in"] - unasked == len(truth.clean(name)) + more, name
        assert books.loc[name, "made"] <= planted["true"].eq("a row").sum(), name


def test_a_row_that_gets_lost_between_reader_and_cleaning_unbalances_the_ledger(chained):
    business, _, extracts, cleaned = chained
    name = "customers" if business == "shop" else "towers"
    one = cleaned[name]
    books = one.books
    short = Books(books.source, books.rows_in - 1, books.loaded - 1, books.quarantined, books.merged)  # fmt: skip
    lost = Cleaned(one.table.head(-1), one.quarantined, short, one.changes)
    told = ledger(extracts, cleaned | {name: lost}).set_index("source")["balanced"]
    assert told.index[~told].tolist() == [name]
    shorter = extracts[name]._replace(table=extracts[name].table.head(-1))
    told = ledger(extracts | {name: shorter}, cleaned).set_index("source")["balanced"]
    assert told.index[~told].tolist() == [name]
    unclean = {other: done for other, done in cleaned.items() if other != name}
    row = ledger(extracts, unclean).set_index("source").loc[name]
    assert (row["balanced"], row["note"]) == (False, "not cleaned")


def test_a_source_without_rows_is_skipped_and_the_ledger_says_so(tmp_path):
    sources = laid("shop", tmp_path / "x")
    overview = sources.overview().query("source in ['products', 'sustainability']")
    extracts = extract_all(overview, Access.of(sources), when=WHEN)  # nobody is asked
    assert extracts["sustainability"].provenance.read_as == "no rows yet"
    cleaned = clean_all(extracts, SHOP)
    assert list(cleaned) == ["products"]
    row = ledger(extracts, cleaned).set_index("source").loc["sustainability"]
    assert (row["rows_in"], row["balanced"], row["note"]) == (0, True, "no rows yet")


def stored_like(table, found):
    """Return what a warehouse gave back in the order and the types of the clean table."""
    key = table.columns[table.nunique(dropna=False) == len(table)][0]
    found = found.set_index(key).loc[table[key]].reset_index()[list(table.columns)]
    for name in table.columns:
        if table[name].dtype.kind == "M" or table[name].dtype != found[name].dtype:
            found[name] = found[name].astype(table[name].dtype)
    return found


def test_the_warehouse_and_the_lake_hold_the_clean_tables_after_one_run_and_after_two(
    chained, tmp_path
):
    _, _, _, cleaned = chained
    warehouse, lake = tmp_path / "w.duckdb", tmp_path / "lake"
    for _ in range(2):
        loaded = load_all(cleaned, warehouse, lake, months=MONTHS_OF).set_index("table")
        with opened(warehouse) as connection:
            stored = {name: connection.execute(f'SELECT * FROM "{name}"').df() for name in cleaned}
        for name, done in cleaned.items():
            assert loaded.loc[name, "rows"] == len(done.table), name
            found = stored[name]
            pd.testing.assert_frame_equal(stored_like(done.table, found), done.table, check_names=False)  # fmt: skip
    bulky = loaded[loaded["lake_rows"] > 0]
    assert set(bulky.index) == set(MONTHS_OF) & set(cleaned)
    assert (bulky["lake_rows"] == bulky["rows"]).all()
    name = "events" if "events" in cleaned else "usage"
    table, date = cleaned[name].table, MONTHS_OF[name]
    month = table[date].dt.strftime("%Y-%m").iloc[0]
    here = read_lake(lake, name, f"month = '{month}'")
    assert len(here) == table[date].dt.strftime("%Y-%m").eq(month).sum() > 0


def test_the_same_sources_read_again_give_the_same_tables(chained):
    business, sources, _, cleaned = chained
    _, again = run(business, sources)
    assert list(again) == list(cleaned)
    for name, done in cleaned.items():
        pd.testing.assert_frame_equal(again[name].table, done.table, obj=name)
        pd.testing.assert_frame_equal(again[name].quarantined, done.quarantined, obj=name)
        pd.testing.assert_frame_equal(again[name].changes, done.changes, obj=name)


@pytest.mark.parametrize("business", first_always(["operator", "shop"]))
def test_a_played_month_comes_in_through_the_same_chain_and_adds_to_what_is_stored(
    business, tmp_path
):
    world = world_of(business, people=40)
    sources = Sources(world, tmp_path / "x", months=1)
    sources.lay_down()
    grew = {"shop": ["sessions", "orders", "sales", "events", "live_events"],
            "operator": ["invoices", "usage", "usage_records", "crm_customers", "scoring_log"]}[business]  # fmt: skip
    extracts, cleaned = run(business, sources, grew)
    before = load_all(
        cleaned, tmp_path / "w.duckdb", tmp_path / "lake", months=MONTHS_OF
    ).set_index("table")
    sources.add(1, world.play(1, first_ten if business == "shop" else nobody))
    extracts, cleaned = run(business, sources, grew)
    after = load_all(cleaned, tmp_path / "w.duckdb", tmp_path / "lake", months=MONTHS_OF).set_index(
        "table"
    )
    assert ledger(extracts, cleaned)["balanced"].all()
    truth = SourcesTruth(sources)
    assert (after["rows"] > before["rows"]).all()
    for name in grew:
        key = cleaned[name].key
        true = set(truth.clean(name)[key].astype(str))
        assert set(cleaned[name].table[key].astype(str)) <= true
        assert len(cleaned[name].table) > 0.97 * len(true)


def test_every_source_of_both_businesses_has_a_step_and_types_as_its_schema_says(chained):
    business, _, _, cleaned = chained
    named = {name.split(".")[1] for name in TABLES if name.startswith(f"{business}.")}
    assert set(STEPS[business]) == named
    for name, done in cleaned.items():
        assert done.books.source == f"{business}.{name}"
        for marked, rule in TABLES[f"{business}.{name}"].items():
            column = done.table[marked.rstrip("?!")]
            if isinstance(rule, tuple) and column.notna().any():
                assert column.dtype.kind in "iuf" or str(column.dtype) == "Int64", (name, marked)
            if rule == "moment":
                assert column.dtype.kind == "M", (name, marked)


def aside_of(done):
    """Return how many rows the sound table has in quarantine: no more can be among its first."""
    return len(done.quarantined)


@pytest.mark.parametrize("value", first_always([[1], 10**30, "zz\x00top", b"x", "2024-09-01T10:00:00+02:00"]), ids=str)  # fmt: skip
def test_a_strange_value_in_a_cell_costs_its_own_row_at_most(chained, value):
    """A row a column, each strange in another one; the sound rows below come through as ever."""
    business, _, extracts, cleaned = chained
    known = {name: done.table for name, done in cleaned.items()}
    for name, one in extracts.items():
        raw = one.table.head(24).astype(object).reset_index(drop=True)
        # A schema that nobody knows stops the source: that is a decision, and tested above.
        columns = [column for column in raw.columns if column not in ("schema", "v")]
        if len(raw) < 24 or len(columns) > 12 or name in ("cold_rooms", "tower_sensors"):
            continue
        for row, column in enumerate(columns):
            cells = raw[column].tolist()
            cells[row] = value
            raw[column] = pd.Series(cells, dtype=object)
        done = clean_source(name, raw, STEPS[business], known)
        books = done.books
        assert books.rows_in == 24 == books.loaded + len(done.quarantined) + books.merged, name
        assert len(done.table) + books.merged >= 24 - len(columns) - aside_of(cleaned[name]), name
        for marked, rule in TABLES[f"{business}.{name}"].items():
            column = done.table[marked.rstrip("?!")]
            if isinstance(rule, tuple) and column.notna().any():
                assert column.dtype.kind in "iuf", (name, marked)


# --- what cannot be read is told in one sentence ---------------------------------------------------


def one_sentence(error, *words):
    text = str(error.value)
    assert all(word in text for word in words), text
    assert "\n" not in text
    assert re.search(r"[.!]$", text)


def test_a_service_that_does_not_run_is_told_with_what_to_do(tmp_path):
    access = Access(tmp_path, "sqlite://")
    for kind, field in [("endpoint", "api"), ("partner", "partner"), ("stream", "live"), ("pages", "site")]:  # fmt: skip
        with pytest.raises(CannotExtract) as error:
            extract_source("ratings", kind, "ratings", access)
        one_sentence(error, "ratings", kind, repr(field), "Access.of(sources, served)")


def test_an_unknown_kind_and_missing_files_are_told(tmp_path):
    access = Access(tmp_path, "sqlite://")
    with pytest.raises(CannotExtract) as error:
        extract_source("letters", "paper", "letters", access)
    one_sentence(error, "letters", "'paper'", "json lines")
    with pytest.raises(CannotExtract) as error:
        extract_source("sales", "csv", "exports/sales", access)
    one_sentence(error, "sales", "exports/sales_*")
    (tmp_path / "attic_1.csv").write_text("day,t\n2024-09-01,5\n", encoding="utf-8")
    with pytest.raises(CannotExtract) as error:
        extract_source("attic", "sensors", "attic", access)
    one_sentence(error, "attic_1.csv", "column of moments", "t")


def test_a_source_of_which_nothing_could_be_read_is_balanced_and_named(tmp_path):
    (tmp_path / "events_1.jsonl").write_text('{"event_id": 1\n{"event_id"\n', encoding="utf-8")
    overview = pd.DataFrame([["events", "json lines", "events", 2]], columns=["source", "kind", "place", "rows"])  # fmt: skip
    extracts = extract_all(overview, Access(tmp_path, "sqlite://"))
    cleaned = clean_all(extracts, SHOP)
    row = ledger(extracts, cleaned).iloc[0]
    assert cleaned == {}
    assert (row["rows_in"], row["set_aside"], row["balanced"]) == (2, 2, True)
    assert row["note"] == "nothing could be read"


def test_a_column_without_a_value_takes_texts_later(tmp_path):
    none = Cleaning("shop.feedback", pd.DataFrame({"feedback_id": [1], "text": [None]})).done()
    some = Cleaning("shop.feedback", pd.DataFrame({"feedback_id": [2], "text": ["nice"]})).done()
    for one in (none, some):
        loaded = load_all(
            {"feedback": one}, tmp_path / "w.duckdb", keys={"feedback": "feedback_id"}
        )
    assert loaded["rows"].tolist() == [2]


def test_a_source_without_a_step_and_missing_products_are_told(chained):
    business, _, extracts, _ = chained
    other = OPERATOR if business == "shop" else SHOP
    with pytest.raises(ValueError, match="is a source without a step; there are steps for "):
        clean_all(extracts, other)
    if business == "shop":
        with pytest.raises(ValueError, match="cleaning of pages needs the clean table of products"):
            clean_source("pages", extracts["pages"].table, SHOP, {})


def test_a_table_that_cannot_be_cleaned_is_told_with_its_source():
    strange = pd.DataFrame({"id": ["1"]})
    with pytest.raises(ValueError, match=r"pages cannot be cleaned: .*title"):
        clean_source("pages", strange, SHOP, {"products": pd.DataFrame()})
    odd = pd.DataFrame({"schema": [9]}, dtype=object)
    with pytest.raises(ValueError, match=r"ticket_documents cannot be cleaned: .*schema 9"):
        clean_source("ticket_documents", odd, OPERATOR, {})


def test_no_key_and_no_password_is_ever_shown(tmp_path):
    secrets = {
        "api_key": "k-1",
        "partner_key": "k-2",
        "database_url": "postgresql://me:k-3@host/db",
    }
    access = Access(tmp_path, api="http://127.0.0.1:1/api", **secrets)
    assert "k-" not in f"{access!r}{access}"
    assert "services='api'" in repr(access)


# --- shapes ----------------------------------------------------------------------------------------


def test_a_schema_that_nobody_knows_is_refused_and_a_document_without_keys_is_a_row_of_gaps():
    with pytest.raises(ValueError, match="schema 3 were found in catalogue; known are 1, 2"):
        flat_products(object_table([{"schema": 3}]))
    bare = flat_products(object_table([{"schema": 1}, {"schema": 2, "id": "odd"}]))
    assert bare["product_id"].tolist() == [None, "odd"]
    assert bare.drop(columns="product_id").isna().all(axis=None)
    assert len(flat_tickets(object_table([{"schema": 2}]))) == 1
    unclaimed = object_table([{"schema": 2, "label": {"claims": none}} for none in ("", [])])
    assert flat_products(unclaimed)["suits"].tolist() == ["", ""]  # said, and for no skin


def test_shaping_touches_no_value(chained):
    business, _, extracts, _ = chained
    name = "price_list" if business == "shop" else "invoice_batch"
    raw = extracts[name].table
    flat = STEPS[business][name].shape(raw)
    assert flat["price"].tolist() == raw["price"].tolist()
    assert flat["currency"].tolist() == raw["price.currency"].tolist()
    for name, one in extracts.items():
        if one.books.rows_in:
            assert len(STEPS[business][name].shape(one.table)) == one.books.loaded, name


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([1, 2], "int64"), ([1, None], "Int64"), ([1, 2.5], "float64"), ([True, None], "boolean"),
        (["a", None], "str"), ([1, "2"], "object"), ([None, None], "object"),
        ([pd.Timestamp("2024-09-01").date(), None], "datetime64[s]"),
    ],
)  # fmt: skip
def test_a_column_of_plain_values_gets_their_type_and_keeps_them(values, dtype):
    table = pd.DataFrame({"x": pd.Series(values, dtype=object)})
    column = typed(table)["x"]
    assert str(column.dtype) == dtype
    for before, after in zip(values, column, strict=True):
        assert pd.isna(after) if before is None else before == after or after == pd.Timestamp(before)  # fmt: skip


# --- the last measurement of a sensor that sticks -----------------------------------------------------


@pytest.mark.parametrize(
    ("values", "kept"),
    [
        ([1.0, 2.0, 2.0, 2.0, 2.0], [1]),  # what it measured last
        ([2.0, 2.0, 2.0, 2.0, 1.0], []),  # the run may have begun before the file did
        ([1.0, None, 2.0, 2.0, 2.0], []),  # the gap may hide it
        ([1.0, 2.0, 2.0, None, 2.0], [1]),  # behind a gap within a run it is still stuck
        ([2.0, 2.0, 2.0, 1.0, 1.0, 1.0], [3]),  # one run right behind another
    ],
)
def test_the_first_reading_of_a_stuck_run_is_a_measurement_unless_a_gap_hides_it(values, kept):
    series = pd.Series(values, dtype=float)
    marked = stuck(series, 3)
    left = without_last_measured(series, marked)
    assert np.flatnonzero(marked & ~left).tolist() == kept


def test_a_table_whose_key_no_schema_tells_is_not_loaded(tmp_path):
    gifts = Cleaning("shop.gifts", pd.DataFrame({"gift": ["a"]})).done()
    with pytest.raises(ValueError, match="which column names a row of shop.gifts"):
        load_all({"gifts": gifts}, tmp_path / "w.duckdb")


def test_a_document_with_something_else_where_a_list_belongs_is_a_row_with_gaps():
    odd = [{"schema": 2, "id": "P-000001", "attributes": what, "label": {"claims": what}} for what in (5, "x", {"a": 1}, [5])]  # fmt: skip
    products = flat_products(object_table(odd))
    assert products["product_id"].tolist() == [1] * 4
    assert products["size_ml"].isna().all()
    odd = [{"schema": 2, "id": "T-000001", "events": what, "labels": what} for what in (5, "x", {"a": 1}, [])]  # fmt: skip
    tickets = flat_tickets(object_table(odd))
    assert tickets["opened_on"].isna().all()
    assert tickets["topic"].isna().all()


def test_the_bench_loads_the_same_lines_by_the_chain_by_sql_and_by_pandas():
    from benchmarks.etl import bench_etl

    _, agreement = bench_etl(rows=3_000, large_rows=0)
    assert agreement.met, agreement


def sales(*rows, **columns):
    names = ["line_id", "customer_id", "product_id", "category", "store", "ordered_at", "price_eur", "points"]  # fmt: skip
    rest = ["mask", "Köln", "2024-09-01T10:00:00", "5,0", "500"]
    return pd.DataFrame([[*row, *rest] for row in rows], columns=names).assign(**columns)


def test_an_id_that_a_spreadsheet_shortened_is_nobody_s_in_the_sales_too():
    done = clean_sales(sales(["1", "4.91761E+11", "3"], ["2", "4.91761E+11", "3"], ["3", "7", "3"]))
    assert done.table["customer_id"].tolist() == [7]
    assert done.table["customer_id"].dtype == "int64"
    assert set(done.quarantined["reason"]) == {"customer_id is in scientific notation: digits are lost"}  # fmt: skip


def test_each_file_has_its_own_order_of_day_and_month():
    rows = sales(["1", "1", "3"], ["2", "1", "3"], ["3", "1", "3"], ordered_at=["13/09/2024", "01/09/2024", "09/01/2024"])  # fmt: skip
    done = clean_sales(rows.assign(file=["a.csv", "a.csv", "b.csv"]))
    assert done.table["ordered_at"].dt.strftime("%d.%m.").tolist() == ["13.09.", "01.09.", "01.09."]


def batch(**columns):
    row = {"item_id": ["a"], "sku": "S", "listed_on": "2024-07-01", "name": "Dew", "price": "1080"}
    return pd.DataFrame(row | {"currency": "EUR", "unit": "cent"} | columns)


@pytest.mark.parametrize("how", [{"unit": "Cents"}, {"unit": " CENT "}, {"currency": "eur"}])
def test_a_unit_and_a_currency_are_known_in_any_capitals(how):
    assert clean_supplier("shop.price_list", batch(**how)).table["price_eur"].tolist() == [10.8]


@pytest.mark.parametrize(("how", "why"), [
    ({"unit": "dozen"}, "a unit that is neither cent nor whole"), ({"currency": "PLN"}, "a currency without a rate"),
])  # fmt: skip
def test_a_price_of_an_unknown_unit_or_currency_is_a_gap_that_is_told(how, why):
    done = clean_supplier("shop.price_list", batch(**how))
    assert done.table["price_eur"].isna().all()
    assert done.changes.set_index("what")["values"][why] == 1


def test_a_ticket_was_opened_when_the_event_says_so_and_not_the_first_one():
    events = [{"what": "answered", "on": "2024-12-03"}, {"what": "opened", "on": "2024-12-02"}]
    ticket = {"schema": 2, "id": "T-0000003", "labels": ["vip", "network"], "events": events}
    row = flat_tickets(object_table([ticket])).iloc[0]
    assert (row["topic"], row["opened_on"]) == ("network", "2024-12-02")


def test_products_whose_ids_are_of_another_kind_say_nothing_of_prices():
    lines = pd.DataFrame({"line_id": [11], "order_id": [1], "product_id": ["3"], "price_eur": [5800.0], "channel": ["list"]})  # fmt: skip
    products = pd.DataFrame({"product_id": [3], "price_eur": [58.0]})
    with pytest.raises(ValueError, match="texts in shop.order_lines and numbers in products"):
        clean_order_lines(lines, products)
