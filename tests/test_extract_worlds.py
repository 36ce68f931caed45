"""`helpers.etl.extract` on the source systems of both worlds: every source, clean and blemished."""

import json
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from conftest import first_always
from test_sources import (
    EURO,
    USAGE_V2,
    V2,
    files_of,
    first_ten,
    flat_product,
    flat_ticket,
    is_shop,
    laid,
    nobody,
    of_kind,
    small,
)

from helpers.etl import extract
from helpers.etl.businesses import read_telco
from helpers.etl.chain import Access, extract_source
from helpers.etl.extract import (
    CannotExtract,
    Landing,
    merge_copies,
    read_api,
    read_csv,
    read_documents,
    read_events,
    read_site,
    read_sql,
)
from helpers.etl.extract.kinds import KINDS
from helpers.worlds.sources import Sources, SourcesTruth

WHEN = "2025-03-01T08:00:00"
OLD_SPREADSHEETS = ("utf-8", "cp1252")
NO_PAUSE = {"pause": lambda seconds: None}


@pytest.fixture(scope="module", params=first_always(["operator", "shop"]))
def clean(request, tmp_path_factory):
    """A world without a blemish, one month played; and its services."""
    sources = laid(
        request.param, tmp_path_factory.mktemp("clean") / "x", people=40, months=1, blemishes=0
    )
    with sources.serve(failures=0.0, burst=1_000_000, crawl_delay_s=0) as served:
        yield sources, served


@pytest.fixture(scope="module", params=first_always(["operator", "shop"]))
def blemished(request, tmp_path_factory):
    """A world with three times the usual blemishes, one month played; and its services."""
    sources = laid(
        request.param,
        tmp_path_factory.mktemp("blemished") / "x",
        people=40,
        months=2,
        blemishes=3.0,
    )
    with sources.serve(failures=0.0, burst=1_000_000, crawl_delay_s=0) as served:
        yield sources, served


def source_kinds(sources):
    return sources.overview().set_index("source")["kind"]


def laid_down(sources):
    """Return every source that has rows yet: the shop's third party publishes in a later month."""
    empty = set(sources.overview().query("rows == 0")["source"])
    every = of_kind(sources, *sources.overview()["kind"].unique())
    return [one for one in every if one[0] not in empty]


def extracted(sources, served, name):
    """Read one source with the reader of its kind."""
    found = sources.overview().set_index("source").loc[name]
    access = Access.of(sources, served)
    read = extract_source(name, found["kind"], found["place"], access, when=WHEN)
    return read._replace(table=read.table.drop(columns="file", errors="ignore"))


def in_true_names(sources, name, table):
    """Return the raw rows under the names of the clean table; values are only taken out, not mended."""
    kind = source_kinds(sources)[name]
    rows = table.to_dict("records")
    if kind == "documents":
        flat = flat_product if name == "catalogue" else flat_ticket
        rows = [flat(without_missing(row)) for row in rows]
    elif kind == "json lines":
        names = V2 if name == "events" else USAGE_V2
        rows = [renamed(without_missing(row), names) for row in rows]
    elif kind == "xml":
        day = "listed_on" if name == "price_list" else "issued_on"
        rows = [{"item_id": r["id"], "sku": r["sku"], day: r["on"], "name": r["name"],
                 "price_eur": in_euro(r)} for r in rows]  # fmt: skip
    elif kind == "log":
        rows = [{**{n: r[n] for n in ("path", "ip", "method", "status", "bytes", "agent")},
                 "requested_at": r["at"]} for r in rows]  # fmt: skip
    elif kind == "pages":
        rows = [{"product_id": r["id"], "name": r["title"], "price_eur": r["price"].replace("€ ", "").replace(".", "").replace(",", "."),
                 **{n: v for n, v in r.items() if n in ("brand", "category", "size_ml")}} for r in rows]  # fmt: skip
    elif kind == "stream":
        rows = [{n: v for n, v in r.items() if not n.startswith("sse_")} for r in rows]
    return pd.DataFrame({n: pd.Series([r[n] for r in rows], dtype=object) for n in rows[0]})


def without_missing(row):
    return {name: value for name, value in row.items() if value is not None}


def renamed(row, names):
    second = row.pop("v", 1) == 2
    return {names.get(name, name) if second else name: value for name, value in row.items()}


def in_euro(row):
    if row["price"] is None:
        return None
    return float(row["price"]) / EURO[row["price.currency"]] / (100 if row["price.unit"] == "cent" else 1)  # fmt: skip


def as_plain(true, found):
    """Return a raw column in the type of the true one, where that can be told without doubt."""
    if true.dtype.kind == "M":
        form = "%d/%b/%Y:%H:%M:%S %z" if str(found.iloc[0]).endswith("+0000") else None
        moments = pd.to_datetime(found, format=form or "mixed", utc=True)
        return moments.dt.tz_localize(None).astype(true.dtype)
    if true.dtype.kind in "if":
        return pd.to_numeric(found.replace("", None)).astype(true.dtype)
    if true.dtype.kind == "b":
        return found.map(lambda value: str(value).lower() == "true").astype(true.dtype)
    if (true == "").any():  # an empty text is a value of its own there
        return found
    return found.where(found.map(lambda value: value not in ("", None)), None)


def assert_same(true, found, key):
    """Hold that each row is there once, in any order, with every value."""
    assert len(found) == len(true)
    found = found.set_index(found[key].astype(str)).loc[true[key].astype(str)]
    assert set(found.columns) == set(true.columns)
    for column in true.columns:
        read = as_plain(true[column], found[column].reset_index(drop=True))
        missing = true[column].isna().to_numpy()
        np.testing.assert_array_equal(read.isna().to_numpy(), missing, err_msg=column)
        if true[column].dtype.kind == "f":
            np.testing.assert_allclose(
                read.to_numpy(float), true[column].to_numpy(float), rtol=1e-12
            )
        else:
            assert read[~missing].tolist() == true[column][~missing].tolist(), column


def test_without_blemishes_every_reader_returns_the_clean_table(clean):
    sources, served = clean
    truth = SourcesTruth(sources)
    read = []
    for name, key, _, kind in laid_down(sources):
        raw = extracted(sources, served, name)
        true = truth.clean(name)
        true = true.drop(columns=[c for c in ("product_id", "tower_id") if kind == "partner"], errors="ignore")  # fmt: skip
        assert len(true) > 0, name
        assert_same(true, in_true_names(sources, name, raw.table), key)
        asked_off = {"/admin"} if kind == "pages" else set()
        assert set(raw.set_aside["text"]) == asked_off, name
        assert raw.books.loaded == len(true), name
        assert (raw.provenance.rows, raw.provenance.when) == (len(true), WHEN), name
        assert len(raw.provenance.sha256) == 64
        read.append(kind)
    every = {"table", "documents", "csv", "json lines", "xml", "log", "sensors",
             "survey", "forms", "endpoint", "partner", "stream", "pages"}  # fmt: skip
    assert set(read) == every - ({"partner"} if is_shop(sources) else set())


def written_rows(truth, name):
    """Count the rows that were written: the clean ones, copies and strangers more, gaps less."""
    planted = truth.blemishes(name)
    more = planted["true"].isin(["once", "no row"]).sum()
    return len(truth.clean(name)) + int(more) - int((planted["true"] == "a row").sum())


def test_with_blemishes_every_written_row_is_returned_or_set_aside(blemished):
    sources, served = blemished
    truth = SourcesTruth(sources)
    aside = 0
    for name, _, _, kind in laid_down(sources):
        raw = extracted(sources, served, name)
        not_a_row = int((raw.set_aside["text"] == "/admin").sum())
        assert raw.books.rows_in - not_a_row == written_rows(truth, name), name
        assert raw.books.loaded == len(raw.table)
        assert raw.books.set_aside == len(raw.set_aside)
        assert raw.books.merged == 0, "nothing is merged unasked"
        planted = truth.blemishes(name)
        expected = planted["kind"].isin(["cut line", "trailing comma", "repeated header", "totals row"])  # fmt: skip
        assert len(raw.set_aside) - not_a_row == expected.sum(), (name, kind)
        aside += len(raw.set_aside)
    assert aside > 10


def test_what_is_set_aside_is_what_was_planted_word_for_word(blemished):
    sources, served = blemished
    truth = SourcesTruth(sources)
    for name, _, _, kind in of_kind(sources, "csv", "json lines", "log"):
        raw, planted = extracted(sources, served, name), truth.blemishes(name)
        kinds = ["cut line", "trailing comma", "repeated header", "totals row"]
        written = planted.loc[planted["kind"].isin(kinds), "written"].tolist()
        if kind == "csv":  # the row that does not belong is told as a line, with its separators
            assert len(raw.set_aside) == len(written)
            reasons = set(raw.set_aside["reason"])
            assert reasons <= {"it repeats the header", "it is a row of totals"}
        else:
            assert sorted(raw.set_aside["text"]) == sorted(written)


def test_the_conventions_of_a_file_are_told_as_they_were_drawn(blemished):
    sources, _ = blemished
    truth = SourcesTruth(sources)
    for name, _, place, _ in of_kind(sources, "csv"):
        planted = truth.blemishes(name)
        for path in files_of(sources, place):
            own = planted[planted["place"] == path.relative_to(sources.folder).as_posix()]
            own = own[own["row"] == ""].set_index("kind")["written"]
            told = read_csv(path, encodings=OLD_SPREADSHEETS).provenance.read_as
            encoding, separator = own.get("encoding", "utf-8"), own.get("separator", ",")
            # A file in which nothing but ASCII stands is UTF-8 as well.
            if encoding == "cp1252" and path.read_bytes().isascii():
                encoding = "utf-8"
            if path.suffix != ".gz":
                assert told == f"{encoding}, separator {separator!r}", path.name


def test_repeated_events_are_merged_where_asked_and_only_they(blemished):
    sources, served = blemished
    name = of_kind(sources, "stream")[0][0]
    truth = SourcesTruth(sources)
    repeated = (truth.blemishes(name)["kind"] == "repeated event").sum()
    raw = read_events(served.live, served.api_key, count=100_000, seconds=30, row_key="event_id",
                      params={"count": 100_000})  # fmt: skip
    assert raw.books.merged == repeated > 0
    assert raw.books.loaded == len(truth.clean(name))
    assert raw.table["event_id"].is_unique


def test_rows_written_twice_are_merged_where_asked(blemished):
    sources, served = blemished
    name, key = next(one[:2] for one in of_kind(sources, "csv") if one[0] != "customers")
    raw = extracted(sources, served, name)
    merged = merge_copies(raw, key)
    copies = (SourcesTruth(sources).blemishes(name)["kind"] == "duplicate row").sum()
    assert merged.books.merged == copies > 0
    assert merged.books.rows_in == raw.books.rows_in
    assert merged.table[key].is_unique


def test_ibm_s_table_reads_the_same_with_the_general_reader(clean):
    sources, _ = clean
    if "customers" not in set(sources.overview().query("kind == 'csv'")["source"]):
        pytest.skip("the shop has no such file")
    path = files_of(sources, "exports/customers")[0]
    raw, provenance = read_telco(path)
    general = read_csv(path, columns=raw.columns.tolist())
    pd.testing.assert_frame_equal(raw, general.table)
    assert general.provenance.sha256 == provenance.sha256


def test_a_second_run_fetches_only_what_is_new(tmp_path):
    world = small("shop", 50)
    sources = Sources(world, tmp_path / "x", blemishes=0)
    sources.lay_down()
    options = {"row_key": "feedback_id", "newest": "known_at", "limit": 50}
    with Landing(tmp_path / "landing.sqlite") as landing, sources.serve(failures=0.0, burst=1_000_000) as served:  # fmt: skip
        url, key = f"{served.api}/feedback", served.api_key
        first = read_api(url, key, landing=landing, **options)
        again = read_api(url, key, landing=landing, **options)
        assert len(again.table) == 0
        assert again.books.merged == again.books.rows_in > 0, "`since` takes its own moment in"
        calls = len(served.access_log())
        same = read_api(url, key, landing=landing, **options)
        assert (same.books.rows_in, len(served.access_log())) == (0, calls + 1)
        assert served.access_log()["status"].iloc[-1] == 304, (
            "nothing changed, and the ETag says so"
        )
        assert same.provenance.cursor == first.provenance.cursor == first.table["known_at"].max()
        sources.add(1, world.play(1, first_ten))
        new = read_api(url, key, landing=landing, **options)
        assert 10 < len(new.table) < 0.5 * len(first.table)
        everything = landing.rows(f"api 127.0.0.1{url[len(served.url) :]}")
    true = SourcesTruth(sources).clean("feedback")["feedback_id"].tolist()
    assert [row["feedback_id"] for row in everything] == true
    assert sorted([*first.table["feedback_id"], *new.table["feedback_id"]]) == true


def test_a_column_that_the_file_s_name_would_replace_is_told(tmp_path):
    (tmp_path / "sales_1.csv").write_text("id,file\n1,a\n")
    with pytest.raises(CannotExtract, match=r"sales_1\.csv has a column 'file' of its own"):
        extract_source("sales", "csv", "sales", Access(tmp_path, "sqlite://"))


def test_files_and_tables_and_documents_and_feeds_go_on_where_they_ended(tmp_path):
    world = small("operator")
    sources = Sources(world, tmp_path / "x", blemishes=0)
    sources.lay_down()
    landing = Landing(tmp_path / "landing.sqlite")

    def exports():
        return landing.unread(files_of(sources, "exports/crm_customers"))

    first = exports()
    landing.remember(first)
    table = read_sql(sources.database_url, "invoices")
    assert {type(name) for name in table.table.columns} == {str}, "what scikit-learn asks for"
    store = read_documents(sources.folder / "tickets.json")
    with sources.serve() as served:
        feed = read_events(served.live, served.api_key, landing=landing, count=100_000)
    sources.add(1, world.play(1, nobody))
    assert [len(first), len(exports())] == [1, 1]
    more = read_sql(sources.database_url, "invoices", after=table.provenance.cursor)
    assert len(table.table) + len(more.table) == len(SourcesTruth(sources).clean("invoices"))
    assert min(more.table["invoice_id"]) == max(table.table["invoice_id"]) + 1
    newer = read_documents(sources.folder / "tickets.json", after=store.provenance.cursor)
    documents = len(SourcesTruth(sources).clean("ticket_documents"))
    assert 0 < len(newer.table) == documents - len(store.table)
    with sources.serve() as served:
        later = read_events(served.live, served.api_key, landing=landing, count=100_000)
    landing.close()
    both = [*feed.table["event_id"], *later.table["event_id"]]
    assert both == SourcesTruth(sources).clean("usage_events")["event_id"].tolist()
    assert len(later.table) > 0


def test_pauses_and_failures_cost_time_and_no_row(tmp_path, monkeypatch):
    sources = laid("operator", tmp_path / "x", 0, blemishes=0)
    waits = []
    # The service's clock goes on while we pause and at no other time, however slow the machine is.
    monkeypatch.setattr(time, "monotonic_ns", lambda: round(sum(waits) * 1e9))
    name, _, place, _ = of_kind(sources, "endpoint")[0]
    clean = SourcesTruth(sources).clean(name)
    with sources.serve(failures=0.3, burst=4, retry_after_s=0.05) as served:
        raw = read_api(f"{served.api}/{place}", served.api_key, limit=-(-len(clean) // 20), pause=waits.append)  # fmt: skip
        met = set(served.access_log()["status"])
    assert met == {200, 429, 503}
    assert raw.table.iloc[:, 0].tolist() == clean.iloc[:, 0].tolist()
    assert len(waits) > 3
    assert max(waits) <= 0.05, "the service asked for no more"


def test_the_walk_through_the_pages_keeps_every_rule(clean):
    sources, _ = clean
    waits = []
    with sources.serve(crawl_delay_s=2) as served:
        raw = read_site(served.url, "body[data-id]", agent="CourseBot/1", delay_s=0.5, pause=waits.append)  # fmt: skip
        log = served.access_log()
    assert set(waits) == {2.0}, "robots.txt asks for more than we would"
    assert len(waits) == len(log) - 2, "none before the first page, and robots.txt is no page"
    assert log["path"].iloc[0] == "/robots.txt"
    assert not log["path"].str.startswith(("/admin", "/reviews/private")).any()
    assert log["path"].is_unique, "no page is read twice"
    assert set(log["agent"]) == {"CourseBot/1"}
    assert set(raw.set_aside["reason"]) == {"robots.txt asks not to read it"}
    sold = raw.table.set_index("id")
    linked = sold["json_ld"].dropna().map(json.loads)
    assert set(linked.index.astype(int) % 2) == {0}
    assert all(one["name"] == sold.loc[number, "title"] for number, one in linked.items())


def test_readings_of_one_world_are_the_same_bytes_twice(tmp_path):
    sources = laid("operator", tmp_path / "x", 0)
    with sources.serve(failures=0.0, burst=1_000_000, crawl_delay_s=0) as served:
        for name in ["subscribers", "ticket_documents", "tickets", "crm_customers", "usage_events"]:
            first, second = (extracted(sources, served, name) for _ in range(2))
            assert first.provenance == second.provenance
            pd.testing.assert_frame_equal(first.table, second.table)


def test_a_key_that_opens_nothing_is_told_and_never_shown(clean):
    sources, served = clean
    place = of_kind(sources, "endpoint")[0][2]
    for reader in (read_api, read_events):
        url = served.live if reader is read_events else f"{served.api}/{place}"
        for key, status in [("", 401), ("sesame-sesame", 403)]:
            with pytest.raises(CannotExtract, match=f"answered {status}") as told:
                reader(url, key)
            assert "sesame" not in str(told.value)


def test_the_table_of_kinds_names_the_readers_that_there_are_and_every_kind_of_the_worlds(clean):
    sources, _ = clean
    assert set(sources.overview()["kind"]) <= set(KINDS)
    assert {one.reader for one in KINDS.values()} <= set(extract.__all__)
    assert {one.needs for one in KINDS.values()} == {"database", "file", "files", "service"}


def test_the_table_of_kinds_is_there_without_a_library_that_reads():
    code = "import sys, helpers.etl.extract.kinds; print(*sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"pandas", "numpy", "sqlalchemy", "bs4", "requests", "tinydb"}
    assert not heavy & set(told.stdout.split())
