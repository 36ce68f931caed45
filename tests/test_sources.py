"""`helpers.worlds.sources`: what is laid down, its blemishes, and the truth about them."""

import csv
import functools
import gzip
import io
import json
import math
import os
import re
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import requests
import sqlalchemy as sa
from conftest import first_always
from test_world_bytes import table_hashes
from tinydb import TinyDB

from helpers.etl.extract.kinds import KINDS
from helpers.worlds import Operator, Shop
from helpers.worlds.incidents import Incident
from helpers.worlds.play import CannotPlay
from helpers.worlds.sources import Sources, SourcesTruth
from helpers.worlds.sources.blemishes import RATES, checked_rates, plain
from helpers.worlds.sources.documents import documents
from helpers.worlds.sources.operator import SOURCES as OPERATOR_SOURCES
from helpers.worlds.sources.shop import SOURCES as SHOP_SOURCES
from helpers.worlds.sources.shop import ShopTables

LOG_LINE = re.compile(
    r'(?P<ip>\S+) - - \[(?P<at>[^\]]+)\] "(?P<method>[A-Z]+) (?P<path>\S+) HTTP/1\.1" '
    r'(?P<status>\d{3}) (?P<bytes>\d+) "-" "(?P<agent>[^"]*)"'
)
V2 = {"id": "event_id", "type": "event", "session": "session_id", "product": "product_id",
      "position": "rank", "ts": "at"}  # fmt: skip
USAGE_V2 = {"id": "usage_id", "customer": "customerID", "day": "used_on", "min": "minutes", "mb": "megabytes"}  # fmt: skip
EURO = {"EUR": 1.0, "CHF": 0.96, "USD": 1.08}


def first_ten(context):
    products = context.products[["product_id"]].head(10).assign(rank=range(1, 11))
    return context.sessions[["session_id"]].merge(products, how="cross")


def nobody(customers):
    return pd.DataFrame(
        {"customerID": customers["customerID"], "churn_probability": 0.2, "call": False}
    )


def small(world: str, people: int = 80):
    if world == "shop":
        return Shop(customers=people, products=40, seed=7)
    return Operator(people, seed=7)


@functools.cache
def lived(world: str, months: int, people: int = 80):
    """A small world that several tests lay down, and the tables of the months it has played."""
    one, decide = small(world, people), first_ten if world == "shop" else nobody
    return one, [one.play(month, decide) for month in range(1, months + 1)]


def unplayed(world: str):
    """A small world; none may play it."""
    return lived(world, 0)[0]


def laid(world: str, folder: Path, months_played: int = 1, people: int = 80, **options) -> Sources:
    """Lay a small world down and add the months played."""
    world, played = lived(world, months_played, people)
    sources = Sources(world, folder, **options)
    sources.lay_down()
    for month, tables in enumerate(played, 1):
        sources.add(month, tables)
    return sources


@pytest.fixture(scope="module", params=first_always(["shop", "operator"]))
def pair(request, tmp_path_factory):
    """A world without a blemish and with three times the usual ones, one month played."""
    folder = tmp_path_factory.mktemp("laid")
    return {
        "clean": laid(request.param, folder / "clean", blemishes=0),
        "blemished": laid(request.param, folder / "blemished", blemishes=3.0),
    }


@pytest.fixture
def clean(pair):
    return pair["clean"]


@pytest.fixture
def blemished(pair):
    return pair["blemished"]


@pytest.fixture(params=["clean", "blemished"])
def either(request, pair):
    """Either of them, with a word which."""
    return pair[request.param], request.param


@pytest.fixture(scope="module")
def usual(tmp_path_factory):
    """The shop's history with the usual blemishes."""
    return laid("shop", tmp_path_factory.mktemp("usual") / "x", months_played=0)


@pytest.fixture(scope="module")
def month_one(tmp_path_factory):
    """What a small operator's sources hold after month 1."""
    return contents(laid("operator", tmp_path_factory.mktemp("one") / "x", people=30))


def is_shop(sources):
    return "sales" in set(sources.overview()["source"])


def of_kind(sources, *kinds):
    """Return (name, key, place, kind) of each source of these kinds."""
    table = sources.overview()
    table = table[table["kind"].isin(kinds)]
    return list(table[["source", "key", "place", "kind"]].itertuples(index=False, name=None))


def files_of(sources, place):
    return sorted(sources.folder.glob(f"{place}_*"))


def style_of(sources, name, path):
    """Return the conventions of a file as the truth tells them."""
    planted = SourcesTruth(sources).blemishes(name)
    place = path.relative_to(sources.folder).as_posix()
    own = planted[
        (planted["place"] == place) & (planted["row"] == "") & (planted["true"] != "no row")
    ]
    return dict(zip(own["kind"], own["written"], strict=True))


def read_csv_cells(path, style):
    """Read a CSV file by hand: every cell as text, in the file's own conventions."""
    content = path.read_bytes()
    content = gzip.decompress(content) if path.suffix == ".gz" else content
    text = content.decode(style.get("encoding", "utf-8"))
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=style.get("separator", ",")))


def undo_numbers(text, style):
    if not text[:1].isdigit():
        return text
    text = text.replace(style.get("thousands separator", "\0"), "")
    return text.replace(style.get("decimal comma", "."), ".")


def cells_of(values: dict) -> dict:
    """Return {(row key, column): value as a CSV file or a log shows it}."""
    return {
        name: [
            "" if v is None else str(v).lower() if isinstance(v, bool) else str(v) for v in column
        ]
        for name, column in values.items()
    }


def planted_cells(sources, name):
    """Return {(row, column): (true, written)} and the blemishes of whole rows and files."""
    planted = SourcesTruth(sources).blemishes(name)
    of_cells = planted[planted["column"] != ""]
    cells = {
        (row, column): (true, written)
        for row, column, true, written in of_cells[["row", "column", "true", "written"]].itertuples(
            index=False, name=None
        )
    }
    assert len(cells) == len(of_cells), "a cell was spoiled twice"
    return cells, planted[planted["column"] == ""]


def differences(clean_table, key, written_rows, same=lambda a, b: a == b):
    """Compare rows as written (dicts of plain values) with the clean table.

    Returns {(row, column): (true, written)}, the rows missing, and how often each row comes.
    """
    values = plain(clean_table)
    clean_rows = {
        str(row[key]): row
        for row in (dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True))
    }  # fmt: skip
    found, counts = {}, {}
    for row in written_rows:
        name = str(row[key])
        counts[name] = counts.get(name, 0) + 1
        for column, written in row.items():
            true = clean_rows[name][column]
            if not same(true, written):
                found[name, column] = (true, written)
    return found, set(clean_rows) - set(counts), counts


def exactly(a, b):
    return type(a) is type(b) and a == b


def as_text(a, b):
    return cells_of({"x": [a]})["x"][0] == b


def texts(cells):
    return {place: tuple(cells_of({"x": pair})["x"]) for place, pair in cells.items()}


# --- one reader per kind; each returns rows as dicts of what stands there -------------------------


def read_table(sources, place):
    engine = sa.create_engine(sources.database_url)
    with engine.connect() as connection:
        found = connection.execute(sa.text(f'SELECT * FROM "{place}"')).mappings().all()
    engine.dispose()
    return [dict(row) for row in found]


def read_documents(sources, place):
    """Flatten both versions of the schema by hand."""
    with TinyDB(sources.folder / place, access_mode="r", encoding="utf-8") as store:
        return [flat_product(d) if "catalogue" in place else flat_ticket(d) for d in store.all()]


def flat_product(d):
    if d["schema"] == 1:
        of, claims = d["attributes"], d.get("claims", {}).get("skin_types")
        return {"product_id": d["product_id"], "name": d["name"], "brand": d["brand"],
                "category": d["category"], "price_eur": d["price_eur"], "size_ml": of.get("size_ml"),
                "launched_on": d["launched_on"], "suits": claims and ", ".join(claims),
                "fragrance_free": of["fragrance_free"], "description": d.get("description")}  # fmt: skip
    of = {one["name"]: one["value"] for one in d["attributes"]}
    claims = d.get("label", {}).get("claims")
    claims = claims and ", ".join(one.removeprefix("for ").removesuffix(" skin") for one in claims)
    return {"product_id": int(d["id"][2:]), "name": d["title"], "brand": d["brand"]["name"],
            "category": d["category"], "price_eur": d["price"]["amount"], "size_ml": of.get("size (ml)"),
            "launched_on": d["launched_on"], "suits": claims,
            "fragrance_free": of["fragrance free"], "description": d.get("text")}  # fmt: skip


def flat_ticket(d):
    if d["schema"] == 1:
        return {"ticket_id": d["ticket_id"], "customerID": d["customer"]["id"], "topic": d["topic"],
                "opened_on": d["opened"], "hours_to_solve": d.get("hours_to_solve")}  # fmt: skip
    return {"ticket_id": int(d["id"][2:]), "customerID": d["customer_id"], "topic": d["labels"][0],
            "opened_on": d["events"][0]["on"],
            "hours_to_solve": d.get("solved", {}).get("after_hours")}  # fmt: skip


def read_lines(sources, place):
    """Return the good lines' rows in the first version's names, and the broken lines."""
    good, broken = [], []
    for path in files_of(sources, place):
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                row = json.loads(line)
            except json.JSONDecodeError:
                broken.append(line)
                continue
            names = (V2 if "events" in place else USAGE_V2) if row.pop("v", 1) == 2 else {}
            good.append({names.get(name, name): value for name, value in row.items()})
    return good, broken


def read_xml(sources, place, day):
    space, extras = "{urn:supplier:prices:2}", "{urn:supplier:extras}"
    rows = []
    for path in files_of(sources, place):
        root = ET.parse(path).getroot()
        rates = {r.get("currency"): float(r.get("per_euro")) for r in root.iter(f"{extras}rate")}
        assert rates == {"CHF": 0.96, "USD": 1.08}
        for item in root.iter(f"{space}item"):
            price = item.find(f"{space}price")
            rows.append({"item_id": item.get("id"), "sku": item.get("sku"),
                         day: item.get(f"{extras}on"), "name": item.findtext(f"{space}name"),
                         "price_eur": price if price is None else (price.text, price.get("currency"), price.get("unit"))})  # fmt: skip
    return rows


def read_logs(sources, place):
    """Return the parsed lines, oldest first, and the lines that no regular expression fits."""
    good, broken = [], []
    for month in sorted({path.name.partition(".")[0] for path in files_of(sources, place)}):
        folder = (sources.folder / place).parent
        for ending in (".log.2.gz", ".log.1", ".log"):
            content = (folder / f"{month}{ending}").read_bytes()
            content = gzip.decompress(content) if ending.endswith("gz") else content
            for line in content.decode().splitlines():
                found = LOG_LINE.fullmatch(line)
                good.append({**found.groupdict(), "line": line}) if found else broken.append(line)
    return good, broken


# --- clean sources ---------------------------------------------------------------------------------


def test_without_blemishes_nothing_is_planted(clean):
    assert SourcesTruth(clean).blemishes().empty


def test_clean_tables_of_the_database_are_the_world_s_to_the_last_value(clean):
    truth = SourcesTruth(clean)
    for name, key, place, _ in of_kind(clean, "table"):
        read = pd.DataFrame(read_table(clean, place))
        true = truth.clean(name)
        assert len(read) == len(true) > 0, name
        read = read.set_index(key).loc[true[key]].reset_index()[list(true.columns)]
        for column in true.columns:
            typed = pd.to_datetime(read[column]) if true[column].dtype.kind == "M" else read[column]
            typed = typed.astype(true[column].dtype)
            pd.testing.assert_series_equal(typed, true[column], check_names=False)


def test_the_keys_of_every_source_name_each_row_once(clean):
    truth = SourcesTruth(clean)
    for name, key, _, _ in of_kind(clean, *clean.overview()["kind"].unique()):
        if name in clean.hidden.clean:
            assert truth.clean(name)[key].is_unique, name


def test_the_database_holds_what_the_world_itself_says(tmp_path):
    world = unplayed("shop")
    sources = Sources(world, tmp_path / "x", blemishes=0)
    sources.lay_down()
    history = world.history()
    lines = pd.DataFrame(read_table(sources, "order_lines"))
    assert lines["price_eur"].sum() == pytest.approx(history["orders"]["price_eur"].sum())
    assert len(read_table(sources, "orders")) == history["orders"]["order_id"].nunique()
    people = pd.DataFrame(read_table(sources, "customers"))
    assert people["age"].sum() == history["customers"]["age"].sum()
    # The skin type is what they stated, in one spelling.
    assert set(people["skin_type"].dropna()) == {"combination", "dry", "normal", "oily"}
    assert (people["skin_type"].isna() == history["customers"]["skin_type"].isna()).all()


def test_rows_point_at_rows_that_are_there(blemished):
    engine = sa.create_engine(blemished.database_url)
    with engine.connect() as connection:
        broken = connection.execute(sa.text("PRAGMA foreign_key_check")).all()
        inspected = sa.inspect(connection)
        links = {name: inspected.get_foreign_keys(name) for name in inspected.get_table_names()}
        indexes = {name: inspected.get_indexes(name) for name in links}
    engine.dispose()
    assert broken == []
    child = "order_lines" if is_shop(blemished) else "invoices"
    assert links[child]
    assert indexes[child]


def test_ibm_s_table_stays_readable_as_it_is(blemished):
    if is_shop(blemished):
        return
    from helpers.etl.businesses import read_telco

    raw, _ = read_telco(blemished.folder / "exports" / "customers_2024-12-02.csv")
    history = unplayed("operator").history()["customers"]
    assert raw.astype(str).equals(history.astype(str))


# --- the truth is exact: what differs is what was planted, for every kind of source ---------------


def test_the_database_differs_from_the_clean_tables_exactly_where_planted(blemished):
    truth = SourcesTruth(blemished)
    planted_somewhere = 0
    for name, key, place, _ in of_kind(blemished, "table"):
        written = [
            {c: str(v) if c.endswith("_on") and v is not None else v.replace(" ", "T")[:19] if isinstance(v, str) and re.fullmatch(r"\d{4}-\d\d-\d\d \d.*", v) else bool(v) if c == "fragrance_free" else v for c, v in row.items()}
            for row in read_table(blemished, place)
        ]  # fmt: skip
        found, missing, counts = differences(truth.clean(name), key, written)
        planted, whole = planted_cells(blemished, name)
        assert found == planted, name
        assert not missing
        assert set(counts.values()) == {1}
        assert whole.empty
        planted_somewhere += len(planted)
    assert planted_somewhere > 10


def test_documents_differ_exactly_where_planted(either):
    sources, state = either
    truth = SourcesTruth(sources)
    for name, key, place, _ in of_kind(sources, "documents"):
        found, missing, counts = differences(
            truth.clean(name), key, read_documents(sources, place), exactly
        )
        assert found == planted_cells(sources, name)[0]
        assert bool(found) == (state == "blemished")
        assert not missing
        assert set(counts.values()) == {1}


def test_exports_and_surveys_and_sensors_differ_exactly_where_planted(either):
    sources, state = either
    truth = SourcesTruth(sources)
    for name, key, place, _kind in of_kind(sources, "csv", "survey", "sensors"):
        numbers = {"price_eur", "points", "MonthlyCharges", "TotalCharges"}
        rows, not_ours = [], 0
        for path in files_of(sources, place):
            style = style_of(sources, name, path)
            header, *body = read_csv_cells(path, style)
            for cells in body:
                if cells == header or cells[0] == "Total":
                    not_ours += 1
                    continue
                row = dict(zip(header, cells, strict=True))
                rows.append({c: undo_numbers(v, style) if c in numbers else v for c, v in row.items()})  # fmt: skip
        found, missing, counts = differences(truth.clean(name), key, rows, as_text)
        planted, whole = planted_cells(sources, name)
        visible = {place: pair for place, pair in texts(planted).items() if place[0] not in missing}
        assert texts(found) == visible, name
        assert missing == set(whole.loc[whole["true"] == "a row", "row"]), name
        twice = {row for row, times in counts.items() if times == 2}
        assert twice == set(whole.loc[whole["kind"] == "duplicate row", "row"]), name
        assert max(counts.values()) <= 2
        assert not_ours == (whole["true"] == "no row").sum(), name
        if state == "clean":
            assert not found
            assert not missing
            assert not twice


def test_json_lines_differ_exactly_where_planted(either):
    sources, _state = either
    for name, key, place, _ in of_kind(sources, "json lines"):
        good, broken = read_lines(sources, place)
        found, missing, counts = differences(SourcesTruth(sources).clean(name), key, good, exactly)
        planted, whole = planted_cells(sources, name)
        assert sorted(broken) == sorted(whole["written"]), name
        assert missing == set(whole["row"])
        assert found == {place: pair for place, pair in planted.items() if place[0] not in missing}
        assert set(counts.values()) == {1}
        # A line with a comma behind it is whole otherwise, and a line cut off shows its key.
        for line in broken:
            assert line.endswith("},") or re.search(r'"(event_|usage_)?id": \d+,', line)


def test_the_supplier_s_prices_are_the_clean_ones_once_the_attributes_are_read(either):
    sources, _state = either
    for name, key, place, _ in of_kind(sources, "xml"):
        true = SourcesTruth(sources).clean(name).set_index(key)
        planted, whole = planted_cells(sources, name)
        day = "listed_on" if name == "price_list" else "issued_on"
        rows = read_xml(sources, place, day)
        assert len(rows) == len(true)
        assert whole.empty
        for row in rows:
            price, item = row["price_eur"], row["item_id"]
            flagged = price is None or price[1:] != ("EUR", "whole")
            assert ((item, "price_eur") in planted) == flagged
            if price is not None:
                euro = float(price[0]) / EURO[price[1]] / (100 if price[2] == "cent" else 1)
                assert round(euro, 2) == pytest.approx(true.loc[item, "price_eur"], abs=1e-9)
            assert ((item, "name") in planted) == (row["name"] is None)
            assert row["name"] in (None, true.loc[item, "name"])
            assert row[day] == str(true.loc[item, day])[:10]


def test_log_lines_are_the_requests_of_people_and_the_bots_that_the_truth_knows(either):
    sources, state = either
    for name, key, place, _ in of_kind(sources, "log"):
        good, broken = read_logs(sources, place)
        true = SourcesTruth(sources).clean(name).set_index(key)
        _, whole = planted_cells(sources, name)
        bots = whole.loc[whole["true"] == "no row", "written"]
        cut = whole[whole["kind"] == "cut line"]
        assert sorted(broken) == sorted(cut["written"])
        people = [row for row in good if row["path"] in true.index]
        strangers = sorted(row["line"] for row in good if row["path"] not in true.index)
        assert strangers == sorted(set(bots) - set(cut["true"])) or strangers == sorted(bots)
        assert len(people) + sum(path in true.index for path in cut["row"]) == len(true)
        for row in people:
            line = true.loc[row["path"]]
            when = pd.to_datetime(row["at"], format="%d/%b/%Y:%H:%M:%S %z").tz_convert(None)
            assert (row["ip"], int(row["status"]), int(row["bytes"]), row["agent"]) == (
                line["ip"], line["status"], line["bytes"], line["agent"])  # fmt: skip
            assert when == line["requested_at"]
        assert (len(bots) > 0) == (state == "blemished")


def test_honest_bots_name_themselves_and_the_others_look_like_people(blemished):
    for name, _, _, _ in of_kind(blemished, "log"):
        _, whole = planted_cells(blemished, name)
        honest = whole.loc[whole["kind"] == "bot", "written"]
        hidden = whole.loc[whole["kind"] == "disguised bot", "written"]
        agents = set(SourcesTruth(blemished).clean(name)["agent"])
        assert all("Bot/" in line for line in honest)
        assert {LOG_LINE.fullmatch(line)["agent"] for line in hidden} <= agents


def test_forms_differ_exactly_where_planted(either):
    sources, state = either
    for name, key, place, _ in of_kind(sources, "forms"):
        rows = [row for path in files_of(sources, place) for row in json.loads(path.read_bytes())]
        found, missing, _ = differences(SourcesTruth(sources).clean(name), key, rows, exactly)
        assert found == planted_cells(sources, name)[0]
        assert bool(found) == (state == "blemished")
        assert not missing


@pytest.fixture(scope="module")
def loud(tmp_path_factory):
    """The shop's history with some kinds of blemishes everywhere."""
    files = ["encoding", "separator", "decimal comma", "totals row", "thousands separator",
             "repeated header", "words", "spelling", "stuck", "gap", "unit"]  # fmt: skip
    rates = {**dict.fromkeys(files, 1.0), "drift": 0.5, "spike": 0.01}
    return laid(
        "shop", tmp_path_factory.mktemp("loud") / "x", months_played=0, people=320, rates=rates
    )


def test_ages_skin_types_and_consent_are_typed_in_many_ways(loud):
    written = SourcesTruth(loud).blemishes("profiles")
    words = written[written["kind"] == "words"]
    assert words.loc[words["column"] == "age", "written"].str.fullmatch(r"\d+ years|\d+y|age \d+").all()  # fmt: skip
    assert words.loc[words["column"] == "email_consent", "written"].nunique() == 8
    spellings = words[words["column"] == "skin_type"].groupby("true")["written"].nunique()
    assert spellings.max() <= 5
    assert spellings["combination"] >= 3


def test_exports_show_every_convention_that_was_promised(loud):
    planted = SourcesTruth(loud).blemishes("sales")
    seen = planted.groupby("kind")["written"].agg(set)
    assert seen["encoding"] == {"utf-8-sig", "cp1252", "utf-16"}
    assert seen["separator"] == {";", "\t"}
    assert seen["decimal comma"] == {","}
    assert seen["thousands separator"] == {"."}
    assert seen["blank"] == {"", "NA", "-", "n/a"}
    assert (planted["kind"] == "totals row").sum() == (planted["kind"] == "repeated header").sum() == 12  # fmt: skip
    category = planted[(planted["kind"] == "spelling") & (planted["true"] == "sun care")]
    assert category["written"].nunique() == 4
    assert [p.suffix for p in files_of(loud, "exports/sales")] == [".gz"] + [".csv"] * 11


def test_the_row_of_totals_adds_up_what_stands_above_it(tmp_path):
    only = {"totals row": 1.0, "duplicate row": 0.1}
    sources = Sources(unplayed("shop"), tmp_path / "x", rates={**dict.fromkeys(RATES, 0.0), **only})
    sources.lay_down()
    _, *rows, last = read_csv_cells(files_of(sources, "exports/sales")[3], {})
    assert last[0] == "Total"
    assert float(last[6]) == pytest.approx(sum(float(row[6]) for row in rows))


def test_readings_drift_stick_jump_stop_and_change_their_unit(loud):
    planted = SourcesTruth(loud).blemishes("cold_rooms")
    by_kind = dict(list(planted.groupby("kind")))
    assert set(by_kind) == {"drift", "stuck", "gap", "spike", "unit"}
    unit = by_kind["unit"]
    fahrenheit = unit["true"].astype(float) * 1.8 + 32
    assert np.abs(fahrenheit - unit["written"].astype(float)).max() <= 0.051
    assert (by_kind["spike"]["written"].astype(float) > 25).all()
    assert (by_kind["drift"]["written"].astype(float) >= by_kind["drift"]["true"].astype(float)).all()  # fmt: skip
    gaps = by_kind["gap"]["row"].str.split("-").str[1].astype(int)
    assert all(later - earlier >= 60 for earlier, later in pairwise(sorted(set(gaps))))


# --- the score -------------------------------------------------------------------------------------


def test_the_clean_table_itself_leaves_nothing_and_touches_nothing(blemished):
    truth = SourcesTruth(blemished)
    for name in blemished.hidden.clean:
        scores = truth.score(name, truth.clean(name))
        assert scores.loc["all", "planted"] == scores.loc["all", "repaired"], name
        assert scores.loc["all", "planted"] == len(truth.blemishes(name))
        assert scores.loc["sound rows", "touched"] == 0


def test_repairs_quarantine_and_damage_are_counted_as_by_hand(usual):
    truth = SourcesTruth(usual)
    clean, planted = truth.clean("order_lines"), truth.blemishes("order_lines")
    wrong = planted[planted["kind"] == "cents"]
    spelled = planted[planted["kind"] == "spelling"]
    written = clean.copy()
    for row, column, value in planted[["row", "column", "written"]].itertuples(index=False):
        written.loc[written["line_id"] == int(row), column] = value
    nothing = truth.score("order_lines", written)
    assert nothing.loc["all", ["repaired", "quarantined", "left"]].tolist() == [0, 0, len(planted)]

    # Two amounts mended, one row of another set aside, one sound row damaged and one lost.
    half = written.copy()
    for row, true in wrong[["row", "true"]].head(2).itertuples(index=False):
        half.loc[half["line_id"] == int(row), "price_eur"] = true
    aside = int(next(row for row in spelled["row"] if row not in set(wrong["row"])))
    sound = [n for n in clean["line_id"] if str(n) not in set(planted["row"])]
    half.loc[half["line_id"] == sound[0], "price_eur"] += 1
    half = half[~half["line_id"].isin([aside, sound[1]])]
    scores = truth.score("order_lines", half)
    assert scores.loc["cents", "repaired"] == 2
    assert scores.loc["cents", "left"] == len(wrong) - 2
    assert scores.loc["spelling", "quarantined"] == 1
    assert scores.loc["sound rows", ["quarantined", "touched"]].tolist() == [1, 2]


def test_copies_totals_and_misread_files_are_counted_too(tmp_path):
    rates = {
        **dict.fromkeys(RATES, 0.0),
        "duplicate row": 0.05,
        "totals row": 1.0,
        "decimal comma": 0.5,
    }
    sources = Sources(unplayed("shop"), tmp_path / "x", rates=rates)
    sources.lay_down()
    truth = SourcesTruth(sources)
    clean, planted = truth.clean("sales"), truth.blemishes("sales")
    twice = planted.loc[planted["kind"] == "duplicate row", "row"]
    copies = clean[clean["line_id"].astype(str).isin(twice)]
    totals = clean.head(12).assign(line_id="Total")
    as_read = pd.concat([clean.astype(object), copies.astype(object), totals.astype(object)])
    scores = truth.score("sales", as_read)
    assert scores.loc["duplicate row", "left"] == len(twice) > 5
    assert scores.loc["totals row", "left"] == 12
    assert scores.loc["decimal comma", "repaired"] == scores.loc["decimal comma", "planted"]

    mended = as_read.drop_duplicates("line_id")
    mended = mended[mended["line_id"] != "Total"]
    month = pd.to_datetime(mended["ordered_at"]).dt.strftime("%Y-%m")
    of_files = planted[planted["kind"] == "decimal comma"]["place"].str[14:21].tolist()
    misread = mended["price_eur"].where(month != of_files[0], mended["price_eur"] * 10)
    scores = truth.score("sales", mended.assign(price_eur=misread))
    assert scores.loc["duplicate row", "repaired"] == len(twice)
    assert scores.loc["totals row", "repaired"] == 12
    assert scores.loc["decimal comma", "left"] == 1


def test_flags_as_numbers_and_moments_in_a_zone_are_the_same_values(clean):
    truth, met = SourcesTruth(clean), set()
    for name in clean.hidden.clean:
        table = truth.clean(name)
        other = table.assign(**{c: table[c].astype("float64") for c in table.select_dtypes("bool")})
        other = other.assign(**{c: table[c].dt.tz_localize("UTC").dt.tz_convert("Asia/Tokyo") for c in table.select_dtypes("datetime")})  # fmt: skip
        met |= set(map(str, other.dtypes)) - set(map(str, table.dtypes))
        assert truth.score(name, other).loc["sound rows", "touched"] == 0, name
    assert any("Tokyo" in kind for kind in met)


def test_rows_whose_key_was_lost_belong_to_nobody(clean):
    truth = SourcesTruth(clean)
    name, key, _, _ = of_kind(clean, "table")[0]
    table = truth.clean(name).astype(object)
    strangers = table.head(3).assign(**{key: None})
    more = pd.concat([table, strangers, strangers.assign(**{key: np.nan})])
    assert truth.score(name, more).loc["sound rows", "touched"] == 0
    table.loc[table.index[:3], key] = None
    assert truth.score(name, table).loc["sound rows", ["quarantined", "touched"]].tolist() == [3, 3]


def test_a_table_without_the_key_cannot_be_scored(clean):
    truth = SourcesTruth(clean)
    name = next(iter(clean.hidden.clean))
    with pytest.raises(CannotPlay, match="needs its key"):
        truth.score(name, pd.DataFrame({"x": [1]}))
    with pytest.raises(CannotPlay, match="no source that was laid down"):
        truth.clean("ledger")
    with pytest.raises(CannotPlay, match="no source that was laid down"):
        truth.blemishes("ledger")


# --- the same seed gives the same bytes --------------------------------------------------------------

FINGERPRINT = """
import json, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_sources import contents, laid
shop = laid("shop", Path({folder!r}) / "shop", months_played=0)
operator = laid("operator", Path({folder!r}) / "operator", people=30)
print(json.dumps([contents(shop), contents(operator)]))
"""


def contents(sources) -> dict:
    """Return a fingerprint of every file; of the database by its rows."""
    import hashlib

    found = {
        path.relative_to(sources.folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(sources.folder.rglob("*"))
        if path.is_file() and path.suffix != ".sqlite"
    }
    tables = {
        place: pd.DataFrame(read_table(sources, place))
        for _, _, place, _ in of_kind(sources, "table")
    }
    feeds = {name: feed.rows for name, feed in sources._feeds.items()}
    planted = SourcesTruth(sources).blemishes().astype(str)
    found["feeds"] = hashlib.sha256(json.dumps(feeds).encode()).hexdigest()
    return {**found, **table_hashes({**tables, "planted": planted})}


@pytest.mark.slow
def test_the_same_seed_lays_down_the_same_bytes_in_any_process(tmp_path, usual, month_one):
    script = FINGERPRINT.format(tests=str(Path(__file__).parent), folder=str(tmp_path))
    environment = {**os.environ, "PYTHONHASHSEED": "3", "OMP_NUM_THREADS": "1", "TZ": "Asia/Tokyo"}
    ran = subprocess.run([sys.executable, "-c", script], env=environment, check=True, timeout=120,
                         capture_output=True, text=True)  # fmt: skip
    assert json.loads(ran.stdout) == [contents(usual), month_one]
    assert len(contents(usual)) > 40


def test_another_seed_lays_down_other_bytes(tmp_path, month_one):
    other = Sources(Operator(80, seed=8), tmp_path / "x")  # of fewer nobody answers the survey
    other.lay_down()
    assert not set(contents(other).values()) & set(month_one.values())


# --- months, refusals, kills ---------------------------------------------------------------------------


def test_months_go_behind_the_history_and_bring_the_third_party_s_scores(tmp_path):
    goal = [Incident("new_goal", month=2)]
    world = Shop(customers=40, products=40, seed=3, incidents=goal)
    sources = Sources(world, tmp_path / "x", months=1, rates={"spelling": 0.0})
    sources.lay_down()
    before = {path: path.read_bytes() for path in sources.folder.rglob("*_20*")}
    with sources.serve(failures=0.0, burst=1_000_000) as served:
        for month in (1, 2, 3):
            rows = scores_of(served)
            assert (len(rows) > 0) == (month >= 2), "the scores are out when month 2 begins"
            if month == 2:
                assert_names_of_their_own(rows, world.products(2))
            sources.add(month, world.play(month, first_ten))
        assert len(scores_of(served)) == len(world.products(4))
    assert all(path.read_bytes() == content for path, content in before.items())
    assert len(files_of(sources, "exports/sales")) == 15
    assert len(files_of(sources, "supplier/price_list")) == 4
    lines = read_table(sources, "order_lines")
    assert len(lines) == len(SourcesTruth(sources).clean("order_lines"))
    sold = {row["product_id"] for row in lines}
    assert sold <= {row["product_id"] for row in read_table(sources, "products")}


def test_the_last_month_brings_its_own_launches_and_ends_the_year(tmp_path):
    world = unplayed("shop")
    books = ShopTables(world, 1)
    launched = pd.to_datetime(books._catalogue(12)["launched_on"])
    assert launched.max() >= pd.Timestamp("2025-09-01") > books._catalogue(11)["launched_on"].max()
    sources = Sources(world, tmp_path / "x")
    sources._month = 12
    with pytest.raises(CannotPlay, match="month 13 was expected; got 13: make new Sources"):
        sources.add(13, {})


def scores_of(served):
    answer = requests.get(f"{served.partner}/scores?limit=1000", timeout=20,
                          headers={"X-API-Key": served.partner_key})  # fmt: skip
    return answer.json()["items"]


def assert_names_of_their_own(rows, products):
    assert set(rows[0]) == {"article", "maker", "title", "score"}
    numbers = [int(row["article"].removeprefix("GL-")) for row in rows]
    assert len(set(numbers)) == len(rows)
    assert not set(numbers) & set(products["product_id"])
    assert [int(row["score"]) for row in rows] == products["sustainability"].tolist()
    assert not {row["maker"] for row in rows} & set(products["brand"])
    assert not {row["title"] for row in rows} & set(products["name"])
    # A match by maker and title is possible: upper case, and the size behind the line.
    one = products.iloc[0]
    assert rows[0]["maker"].casefold() == f"{one['brand']} ltd".casefold()
    assert one["name"].endswith(rows[0]["title"].split(" / ")[0])


def test_what_is_done_twice_or_out_of_order_is_refused(tmp_path):
    world, (tables,) = lived("operator", 1, 30)
    sources = Sources(world, tmp_path / "x")
    with pytest.raises(CannotPlay, match=r"lay_down\(\) before"):
        sources.add(1, {})
    with pytest.raises(CannotPlay, match="nothing to serve"), sources.serve():
        pass
    sources.lay_down()
    before = contents(sources)
    with pytest.raises(CannotPlay, match="laid down once"):
        sources.lay_down()
    for month in [0, 2, True, "1", 1.0]:
        with pytest.raises(CannotPlay, match="month 1 was expected"):
            sources.add(month, tables)
    with pytest.raises(CannotPlay, match="lacks usage"):
        sources.add(1, {name: table for name, table in tables.items() if name != "usage"})
    renamed = {**tables, "usage": tables["usage"].rename(columns={"used_on": "day"})}
    with pytest.raises(CannotPlay, match="used_on"):
        sources.add(1, renamed)
    assert contents(sources) == before
    sources.add(1, tables)
    with pytest.raises(CannotPlay, match="month 2 was expected"):
        sources.add(1, tables)


def test_a_month_that_could_not_be_written_can_be_added_again(tmp_path, month_one, monkeypatch):
    world, (tables,) = lived("operator", 1, 30)
    sources = Sources(world, tmp_path / "x")
    sources.lay_down()

    def full(path, content):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("helpers.worlds.sources.folder.write_whole", full)
        with pytest.raises(CannotPlay, match="No space left"):
            sources.add(1, tables)
    sources.add(1, tables)
    assert contents(sources) == month_one


def test_a_database_that_refuses_leaves_the_month_to_be_added_again(tmp_path, month_one):
    world, (tables,) = lived("operator", 1, 30)
    sources = Sources(world, tmp_path / "x")
    sources.lay_down()
    strangers = tables["joined"].assign(tower_id="T0000")
    strangers.loc[len(strangers)] = strangers.iloc[0]  # a key twice
    with pytest.raises(CannotPlay, match="Nothing was written to it"):
        sources.add(1, {**tables, "joined": strangers})
    sources.add(1, tables)
    assert contents(sources) == month_one


def test_a_history_that_a_database_refused_can_be_laid_down_once_the_database_is_mended(tmp_path):
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'theirs.db'}")
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE towers (tower_id TEXT)"))
    sources = Sources(unplayed("operator"), tmp_path / "x", database=str(engine.url))
    with pytest.raises(CannotPlay, match="has towers"):
        sources.lay_down()
    assert list((tmp_path / "x").iterdir()) == []
    with engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE towers"))
    engine.dispose()
    sources.lay_down()
    twin = laid("operator", tmp_path / "y", months_played=0)
    assert contents(sources) == contents(twin)


def test_a_history_that_filled_the_disk_leaves_the_folder_empty(tmp_path, monkeypatch):
    from helpers.files import write_whole

    left = iter(range(5))  # five files fit

    def nearly_full(path, content):
        if next(left, None) is None:
            raise OSError(28, "No space left on device")
        write_whole(path, content)

    sources = Sources(unplayed("operator"), tmp_path / "x")
    with monkeypatch.context() as patched:
        patched.setattr("helpers.worlds.sources.folder.write_whole", nearly_full)
        with pytest.raises(CannotPlay, match="No space left"):
            sources.lay_down()
    assert next(left, None) is None, "five files were written"
    assert list((tmp_path / "x").iterdir()) == []
    sources.lay_down()


def test_a_refused_month_takes_its_files_and_documents_back(tmp_path):
    world, (tables,) = lived("operator", 1, 30)
    sources = Sources(world, tmp_path / "x")
    sources.lay_down()
    before = contents(sources)
    joined = tables["joined"].iloc[[0, 0]]  # a key twice
    with pytest.raises(CannotPlay, match="Nothing was written to it"):
        sources.add(1, {**tables, "joined": joined})
    assert contents(sources) == before


@pytest.mark.parametrize("world", first_always(["operator", "shop"]))
def test_the_tables_of_another_month_are_refused_before_anything_is_written(world, tmp_path):
    world, (first, second) = lived(world, 2, 30)
    sources = Sources(world, tmp_path / "x", months=1)
    sources.lay_down()
    before = contents(sources)
    with pytest.raises(CannotPlay, match=r"begins on .* pass the tables of month 1\."):
        sources.add(1, second)
    with pytest.raises(CannotPlay, match=r"begins on .* pass the tables of month 1\."):
        sources.add(1, {**first, **world.history()})
    for wrong in [None, [], "month 1"]:
        with pytest.raises(CannotPlay, match="expected to be what play"):
            sources.add(1, wrong)
    with pytest.raises(CannotPlay, match="lacks"):
        sources.add(1, dict.fromkeys(first, 5))
    assert contents(sources) == before
    sources.add(1, first)
    between = contents(sources)
    with pytest.raises(CannotPlay, match=r"begins on .* pass the tables of month 2\."):
        sources.add(2, first)
    assert contents(sources) == between
    sources.add(2, second)


def test_a_folder_that_is_not_empty_is_left_alone(tmp_path):
    (tmp_path / "note.txt").write_text("mine")
    with pytest.raises(CannotPlay, match=r"'note\.txt'"):
        Sources(unplayed("operator"), tmp_path)
    with pytest.raises(CannotPlay, match="neither"):
        Sources(unplayed("operator"), tmp_path / "note.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["note.txt"]
    late = Sources(unplayed("operator"), tmp_path / "late")
    (tmp_path / "late").mkdir()
    (tmp_path / "late" / "other.txt").write_text("theirs")
    with pytest.raises(CannotPlay, match=r"'other\.txt'"):
        late.lay_down()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"blemishes": -1}, "0 \\(clean\\) to 10"),
        ({"blemishes": math.nan}, "0 \\(clean\\) to 10"),
        ({"blemishes": math.inf}, "0 \\(clean\\) to 10"),
        ({"blemishes": "1"}, "0 \\(clean\\) to 10"),
        ({"blemishes": True}, "0 \\(clean\\) to 10"),
        ({"rates": {"typo": 0.1}}, "'typo' is none of them"),
        ({"rates": [1]}, r"got a list: write for instance rates=\{"),
        ({"rates": "blank"}, "got a str"),
        ({"rates": {"blank": 2}}, "share from 0.0 to 1.0; got 2"),
        ({"rates": {"blank": math.nan}}, "share from 0.0 to 1.0; got nan"),
        ({"months": 0}, "months is a whole number from 1 to 12"),
        ({"months": 2.0}, "months is a whole number from 1 to 12"),
        ({"world": "shop"}, "world is a Shop or an Operator; got a str"),
        ({"folder": ""}, "path of an empty folder"),
        ({"folder": 7}, "path of an empty folder"),
        ({"folder": f"{__file__}/x"}, r"test_sources\.py is no folder"),
        ({"folder": f"{__file__}/x/y"}, r"test_sources\.py is no folder"),
        ({"months": np.int64(13)}, "got 13:"),
        ({"blemishes": np.float64("nan")}, "got nan:"),
        ({"folder": "a\0b"}, "path of an empty folder"),
        ({"database": "not a url"}, "SQLAlchemy URL"),
        ({"database": 5}, "SQLAlchemy URL"),
    ],
)
def test_hostile_parameters_are_refused_in_a_clear_sentence(options, told, tmp_path):
    arguments = {"world": Operator(3, seed=1), "folder": tmp_path / "x", **options}
    with pytest.raises(CannotPlay, match=told):
        Sources(arguments.pop("world"), arguments.pop("folder"), **arguments)
    assert not (tmp_path / "x").exists()


def test_the_smallest_worlds_and_the_worst_rates_can_be_laid_down(tmp_path):
    for place, world in enumerate([Shop(customers=1, products=10, seed=1), Operator(1, seed=1)]):
        sources = Sources(world, tmp_path / str(place), blemishes=10)
        sources.lay_down()
        assert len(SourcesTruth(sources).blemishes()) > 10
    assert checked_rates(10, None)["encoding"] == 1.0


@pytest.mark.slow
def test_a_kill_while_laying_down_leaves_no_half_file_under_a_final_name(tmp_path, usual):
    expected = contents(usual)
    script = (
        "import sys; from helpers.worlds import Shop; from helpers.worlds.sources import Sources\n"
        "sources = Sources(Shop(customers=80, products=40, seed=7), sys.argv[1])\n"
        "print('ready', flush=True)\nsources.lay_down()\n"
    )
    folder = tmp_path / "killed"
    child = subprocess.Popen([sys.executable, "-c", script, str(folder)], stdout=subprocess.PIPE)
    assert child.stdout.readline().strip() == b"ready"
    deadline = time.monotonic() + 30
    while child.poll() is None and time.monotonic() < deadline:
        if folder.is_dir() and sum(p.is_file() for p in folder.rglob("*")) >= 5:
            break
    child.send_signal(signal.SIGTERM if os.name == "nt" else signal.SIGKILL)
    child.wait()
    child.stdout.close()
    left = [p for p in folder.rglob("*") if p.is_file() and not p.name.startswith(".")]
    assert left
    for path in left:
        if path.suffix != ".sqlite":
            name = path.relative_to(folder).as_posix()
            assert contents_of(path) == expected[name], name
    with pytest.raises(CannotPlay, match="empty"):
        Sources(unplayed("shop"), folder)
    again = laid("shop", tmp_path / "again", months_played=0)
    assert contents(again) == expected


def contents_of(path):
    import hashlib

    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("world", "kinds"),
    [("shop", ["renamed_column", "target_leak", "double_delivery", "bot_traffic"]),
     pytest.param("operator", ["renamed_column", "bot_traffic"], marks=pytest.mark.slow)],
)  # fmt: skip
def test_months_in_which_something_went_wrong_can_be_added_too(world, kinds, tmp_path):
    wrong = [Incident(kind, month, until=month) for month, kind in enumerate(kinds, 1)]
    world = (
        Shop(20, 20, 1, incidents=wrong) if world == "shop" else Operator(20, 1, incidents=wrong)
    )
    sources = Sources(world, tmp_path / "x", months=1)
    sources.lay_down()
    truth = SourcesTruth(sources)
    for month, kind in enumerate(kinds, 1):
        before = sources.overview().set_index("source")["rows"]
        sources.add(month, world.play(month, first_ten if isinstance(world, Shop) else nobody))
        after = sources.overview().set_index("source")["rows"]
        assert (after >= before).all(), kind
        assert after.sum() > before.sum(), kind
        for name, key, place, _ in of_kind(sources, "table"):
            assert len(read_table(sources, place)) == after[name], kind
            assert truth.clean(name)[key].is_unique, kind
    for name in sources.hidden.clean:  # a perfect table is not blamed
        scores = truth.score(name, truth.clean(name))
        assert scores.loc["sound rows", "touched"] == 0, name
        assert scores.loc["all", "repaired"] == scores.loc["all", "planted"], name


@pytest.fixture(scope="module")
def month_with(tmp_path_factory):
    """Small worlds with some incidents, laid down with their first month, each once."""

    @functools.cache
    def lay(world, *incidents):
        world = Shop(60, 40, 7, incidents=incidents) if world == "shop" else Operator(60, 7, incidents=incidents)  # fmt: skip
        folder = tmp_path_factory.mktemp("month") / "x"
        sources = Sources(world, folder, months=1, rates={"repeated event": 0.05})
        sources.lay_down()
        sources.add(1, world.play(1, first_ten if isinstance(world, Shop) else nobody))
        return sources

    return lay


@pytest.mark.parametrize(
    ("world", "count"),
    [("shop", 3), *(pytest.param("operator", n, marks=pytest.mark.slow) for n in (2, 3))],
)
def test_a_renamed_column_keeps_its_old_name_in_the_database_and_the_services(
    world, count, month_with
):
    wrong = month_with(world, Incident("renamed_column", 1, count))
    quiet = month_with(world)
    for name, _, place, _ in of_kind(quiet, "table"):
        assert read_table(wrong, place) == read_table(quiet, place), name
    for name, feed in quiet._feeds.items():
        assert wrong._feeds[name].columns == feed.columns
        assert wrong._feeds[name].rows == feed.rows, name


def test_the_logs_of_web_servers_have_keys_that_name_each_line_once(month_with):
    robots = month_with("operator", Incident("bot_traffic", 1, 2.0))
    log = SourcesTruth(robots).clean("scoring_log")
    assert log["path"].is_unique
    assert len(log) == 60 + 60 + 120, "history, month 1, and two robots' requests for each"
    twice, quiet = month_with("shop", Incident("double_delivery", 1, 1.0)), month_with("shop")
    # The queue behind the web server delivered the clicks twice: its own log has each once.
    pd.testing.assert_frame_equal(
        SourcesTruth(twice).clean("web_log"), SourcesTruth(quiet).clean("web_log")
    )


def test_events_that_were_delivered_twice_may_be_there_once_or_twice_but_not_be_lost(month_with):
    truth = SourcesTruth(month_with("shop", Incident("double_delivery", 1, 1.0)))
    clean, spoiled = truth.clean("events"), set(truth.blemishes("events")["row"])
    repeated = clean.loc[clean["event_id"].duplicated(), "event_id"]
    sound = [one for one in repeated if str(one) not in spoiled]
    assert len(sound) > 20
    once = clean.drop_duplicates("event_id")
    assert truth.score("events", once).loc["sound rows", "touched"] == 0
    lost = clean[~clean["event_id"].isin(sound[:3])]
    scores = truth.score("events", lost)
    assert scores.loc["sound rows", ["quarantined", "touched"]].tolist() == [6, 6]
    wrong = clean.copy()
    wrong.loc[wrong["event_id"].isin(sound[:2]) & wrong["event_id"].duplicated(), "rank"] += 1
    assert truth.score("events", wrong).loc["sound rows", "touched"] == 2


def test_numbers_go_on_behind_a_history_of_which_a_part_was_laid_down(tmp_path):
    truth = SourcesTruth(laid("operator", tmp_path / "x", people=30, months=1))
    for name in ["usage", "usage_records"]:
        numbers = truth.clean(name)["usage_id"]
        assert numbers.diff().dropna().eq(1).all(), "in order, without a gap"
        assert numbers.iloc[0] > 1, "the history had records before these"


def test_the_businesses_have_sources_of_every_kind_that_can_be_read():
    assert {source.kind for source in [*SHOP_SOURCES, *OPERATOR_SOURCES]} == set(KINDS)


def test_three_documents_in_five_are_in_the_first_version_and_numbers_decide_which():
    values = {"ticket_id": np.arange(1, 11, dtype=object)}
    values |= {name: np.array(["x"] * 10, dtype=object)
               for name in ["customerID", "opened_on", "topic", "hours_to_solve"]}  # fmt: skip
    made = documents("ticket_documents", values)
    assert [one["schema"] for one in made] == [1, 1, 2, 2, 1] * 2


def test_a_robots_line_that_is_cut_off_is_scored_like_one_that_is_not(tmp_path):
    # With seed 4 a robot's request for /.env is among the lines cut off.
    sources = Sources(Shop(200, 60, 4), tmp_path / "shop", months=1)
    sources.lay_down()
    truth = SourcesTruth(sources)
    score = truth.score("web_log", truth.clean("web_log"))
    assert score.loc["all", "left"] == 0
    assert score.loc["sound rows", "touched"] == 0
