"""The lesson on collecting records: what it tells is held against the world behind its sources."""

import json
import math
import re
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest
from conftest import ROOT, stored_figures, stored_table, stored_text

from helpers.course.runner.parameters import read_parameters
from helpers.course.runner.shelf import read_notebook
from helpers.etl.books import Books
from helpers.etl.extract import Extract, Provenance
from helpers.etl.extract.result import aside_table, object_table
from helpers.etl.quality import first_look
from helpers.worlds import Operator, Shop
from helpers.worlds.operator import write_telco_csv
from helpers.worlds.shop import at_random
from helpers.worlds.sources import Sources, SourcesTruth

STEM = "02a_collect_records"
TOLD = stored_figures(STEM)


def parameter(name):
    notebook = read_notebook(ROOT / "notebooks" / f"{STEM}.ipynb")
    return read_parameters(notebook, STEM)[name].default


@pytest.fixture(scope="module")
def shop():
    """The very shop of the stored lesson."""
    return Shop(customers=parameter("SHOP_CUSTOMERS"), products=150, seed=parameter("SEED"))


@pytest.fixture(scope="module")
def laid(shop, tmp_path_factory):
    """Its sources as the lesson lays them down, and the truth about them."""
    sources = Sources(shop, tmp_path_factory.mktemp("lesson") / "shop", months=2)
    sources.lay_down()
    return sources, SourcesTruth(sources)


@pytest.fixture(scope="module")
def truth(laid):
    return laid[1]


@pytest.fixture(scope="module")
def twin(tmp_path_factory):
    """A twin of the shop that has lived through the first month."""
    shop = Shop(customers=parameter("SHOP_CUSTOMERS"), products=150, seed=parameter("SEED"))
    sources = Sources(shop, tmp_path_factory.mktemp("lesson") / "twin", months=2)
    sources.lay_down()
    sources.add(1, shop.play(1, at_random))
    return SourcesTruth(sources)


def planted(truth, source, *kinds):
    found = truth.blemishes(source)
    return found[found["kind"].isin(kinds)]


def asked_of_sqlite(laid, query):
    with closing(sqlite3.connect(laid[0].folder / "shop.sqlite")) as there:
        return there.execute(query).fetchall()


def test_the_questions_of_the_charter_name_sources_that_the_shop_has(laid):
    plan = stored_table(STEM, "identify-plan")
    kinds = dict(laid[0].overview()[["source", "kind"]].to_numpy().tolist())
    assert len(plan) == TOLD["questions"]
    assert {row["source"]: row["kind"] for row in plan}.items() <= kinds.items()
    assert (TOLD["offered"], TOLD["without_source"]) == (len(kinds), 0)


def test_a_key_is_asked_for_and_none_stands_in_the_lesson(laid):
    said = stored_text(STEM, "access-refused")
    assert "401" in said
    assert "403" in said
    assert TOLD["key_shown"] == 0
    stored = (ROOT / "notebooks" / f"{STEM}.ipynb").read_text(encoding="utf-8")
    with laid[0].serve() as served:
        for key in (served.api_key, served.partner_key):
            assert len(key) > 10
            assert key not in stored


def test_extracting_repairs_nothing_not_even_an_age_of_999(truth):
    impossible = planted(truth, "customers", "out of range")
    assert TOLD["odd_ages"] == len(impossible) > 0
    assert TOLD["odd_list"].split(", ") == sorted(set(impossible["written"].astype(str)), key=int)


def test_every_row_of_the_sql_database_is_read(laid, truth):
    [(counted,)] = asked_of_sqlite(laid, "SELECT count(*) FROM order_lines")
    assert TOLD["lines_read"] == TOLD["lines_counted"] == counted
    assert counted == len(truth.clean("order_lines"))


def test_a_price_seems_to_lack_in_every_document_of_the_second_schema_and_none_lacks(truth):
    # Of five products numbered in a row two are written in the second schema.
    numbers = truth.clean("catalogue")["product_id"]
    assert TOLD["no_price"] == pytest.approx((numbers % 5 >= 3).mean())
    assert TOLD["no_price_at_all"] == 0
    documents = stored_text(STEM, "nosql-documents")
    assert re.findall(r'"(price\w*)":', documents) == ["price_eur", "price"]


def test_the_web_service_is_read_to_its_last_page_in_spite_of_its_failures(truth):
    ratings = len(truth.clean("ratings"))
    assert (TOLD["status"], TOLD["first_page"]) == (200, 100)
    assert TOLD["ratings"] == ratings > 100
    assert TOLD["pages"] == math.ceil(ratings / 100)
    assert TOLD["calls"] - TOLD["pages"] == TOLD["busy"] > 0
    assert TOLD["share"] == pytest.approx(100 / ratings, rel=1e-5)


def test_a_service_that_stays_down_is_given_up_after_pauses_that_double():
    pauses = [float(one) for one in TOLD["pauses"].split(", ")]
    assert pauses == pytest.approx([0.2 * 2**n for n in range(5)])


def test_the_third_party_has_published_nothing_yet_and_the_operator_s_has(shop, tmp_path):
    assert "sustainability" not in shop.products(1)
    assert TOLD["scores"] == 0
    network = Operator(subscribers=400, seed=parameter("SEED"))
    sources = Sources(network, tmp_path / "x", months=1)
    sources.lay_down()
    assert TOLD["coverage"] == len(SourcesTruth(sources).clean("coverage")) > 0
    assert len(stored_table(STEM, "operator-partner-read")) == TOLD["coverage"]


def months_read_wrongly(truth):
    """Return the months that a reading forced to run gets wrong, by what was planted in each file."""
    files = planted(
        truth, "sales", "decimal comma", "encoding", "totals row", "thousands separator"
    )
    wrong = set()
    for place, found in files.groupby("place"):
        written = found.set_index("kind")["written"]
        unread = "decimal comma" in written or written.get("encoding") == "utf-16"
        # A total with a thousands separator is no number for pandas, and harms nothing.
        twice = "totals row" in written and "thousands separator" not in written
        if unread or twice:
            wrong.add(re.search(r"\d{4}-\d\d", place)[0])
    return wrong


def test_csv_files_forced_to_run_are_wrong_in_the_months_whose_conventions_differ(truth):
    sales = truth.clean("sales")
    assert TOLD["careful_eur"] == pytest.approx(sales["price_eur"].sum(), rel=1e-5)
    assert TOLD["wrong_months"] == len(months_read_wrongly(truth)) > 0
    assert TOLD["off"] == pytest.approx(TOLD["tempting_eur"] / TOLD["careful_eur"] - 1, abs=1e-5)
    rows = stored_table(STEM, "csv-read")
    assert sum(int(row["loaded"]) for row in rows) == len(sales)
    odd = planted(truth, "sales", "repeated header", "totals row")
    assert sum(int(row["set aside"]) for row in rows) == len(odd)


def test_damaged_lines_of_json_are_set_aside_and_the_others_read(truth):
    damaged = planted(truth, "events", "cut line", "trailing comma")
    assert TOLD["damaged"] == TOLD["damaged_lines"] == len(damaged) > 0
    assert TOLD["event_lines"] == len(truth.clean("events"))
    assert TOLD["events"] == TOLD["event_lines"] - TOLD["damaged"]
    assert "refused" in stored_text(STEM, "json-wrong")
    assert {"event_id", "id", "v"} <= set(stored_text(STEM, "json-two").split())


def test_prices_in_xml_are_counted_by_unit_and_the_hostile_file_is_refused(truth):
    odd = planted(truth, "price_list", "currency", "cents")
    missing = planted(truth, "price_list", "missing key").query("column == 'price_eur'")
    assert TOLD["other_prices"] == len(odd) + len(missing) > 0
    assert TOLD["all_prices"] == len(truth.clean("price_list"))
    assert "defines a document type or entities" in stored_text(STEM, "xml-bomb")


def test_the_robots_of_the_web_log_are_found_whether_they_say_so_or_not(truth):
    people = len(truth.clean("web_log"))
    named, hidden = (len(planted(truth, "web_log", kind)) for kind in ("bot", "disguised bot"))
    assert TOLD["requests"] == people + named + hidden
    assert TOLD["named"] == pytest.approx(named / TOLD["requests"], rel=1e-5)
    assert TOLD["nameless"] == pytest.approx(hidden / TOLD["requests"], rel=1e-5)
    assert TOLD["robots"] == pytest.approx((named + hidden) / TOLD["requests"], rel=1e-5)


def test_a_pipeline_that_breaks_again_and_again_loses_nothing_and_gets_nothing_twice(truth):
    [row] = stored_table(STEM, "pipeline-broken")
    kept = [int(rows) for run, rows in row.items() if run]
    assert len(kept) == TOLD["broken"] > 1
    assert kept == sorted(kept), "no run began at zero again"
    assert 0 < kept[-1] < TOLD["kept"]
    assert TOLD["kept"] == TOLD["total"] == len(truth.clean("feedback"))
    assert (TOLD["lost"], TOLD["twice"]) == (0, 0)


def test_the_second_run_fetches_what_a_month_brought_and_no_more(truth, twin):
    def more(source):
        return len(twin.clean(source)) - len(truth.clean(source))

    assert TOLD["new"] == more("feedback") > 0
    assert TOLD["sent"] == TOLD["new"] + TOLD["overlap"]
    assert TOLD["everything"] == len(twin.clean("feedback")) > 5 * TOLD["sent"]
    assert TOLD["kept_twice"] == len(truth.clean("feedback"))
    assert TOLD["new_lines"] == more("order_lines") > 0
    assert (TOLD["new_files"], TOLD["file_name"]) == (1, "sales_2024-10.csv")


def test_the_account_of_all_sources_closes_and_counts_what_was_planted(truth):
    assert TOLD["rows_in"] == TOLD["loaded"] + TOLD["aside"] + TOLD["merged"]
    assert TOLD["lost_rows"] == 0
    odd = planted(truth, "sales", "repeated header", "totals row")
    assert TOLD["aside"] == len(odd) + TOLD["damaged"]
    assert TOLD["merged"] == len(planted(truth, "sales", "duplicate row"))
    assert TOLD["empty"] == 1


def test_every_source_reaches_up_to_the_eve_of_the_reading_but_the_one_that_is_empty(truth):
    look = pd.DataFrame(stored_table(STEM, "verify-look")).set_index("")
    assert len(look) == TOLD["sources_read"]
    for source in ("sessions", "orders", "ratings", "feedback", "sales", "events", "web_log"):
        assert look.loc[source, "last_day"] == "2024-09-30", source
    assert look.loc["sustainability", "loaded"] == "0"
    joined = truth.clean("customers")["joined_on"]
    assert look.loc["customers", "last_day"] == str(joined.max())[:10]


def test_two_sources_tell_one_purchase_history_but_for_the_prices_in_cents(truth):
    cents = planted(truth, "order_lines", "cents")
    true = truth.clean("order_lines")
    too_much = 99 * true.loc[true["line_id"].astype(str).isin(cents["row"]), "price_eur"].sum()
    assert (TOLD["lines_both"], TOLD["lines_one"]) == (len(true), 0)
    assert TOLD["hundredfold"] == TOLD["cents"] == len(cents) > 0
    assert TOLD["exports_eur"] == pytest.approx(true["price_eur"].sum(), rel=1e-5)
    assert TOLD["database_eur"] - TOLD["exports_eur"] == pytest.approx(too_much, rel=1e-4)


def test_every_product_sold_is_described_with_its_attributes(laid, truth):
    sold = {number for (number,) in asked_of_sqlite(laid, "SELECT product_id FROM products")}
    catalogue = truth.clean("catalogue")
    assert (TOLD["described"], TOLD["sold"]) == (len(catalogue), len(sold))
    assert TOLD["undescribed"] == len(sold - set(catalogue["product_id"])) == 0
    assert TOLD["attributes"] == 1.0
    # An empty claim is none.
    claims = catalogue["suits"].fillna("").ne("").mean()
    assert TOLD["claims"] == pytest.approx(claims, rel=1e-5)
    assert claims < catalogue["suits"].notna().mean()


def test_the_profile_holds_age_and_skin_type_in_many_spellings(laid, truth):
    rows = asked_of_sqlite(laid, "SELECT customer_id, age, skin_type FROM customers")
    assert TOLD["customers"] == len(rows)
    true = truth.clean("customers")
    assert TOLD["with_age"] == pytest.approx(true["age"].notna().mean(), rel=1e-5)
    assert TOLD["with_skin"] == pytest.approx(true["skin_type"].notna().mean(), rel=1e-5)
    written = {skin for _, _, skin in rows if skin}
    assert TOLD["spellings"] == len(written) > 2 * true["skin_type"].nunique()
    assert TOLD["with_form"] == truth.clean("profiles")["customer_id"].nunique()


def test_ages_stated_twice_differ_only_where_an_impossible_one_was_planted(truth):
    impossible = set(planted(truth, "customers", "out of range")["row"].astype(int))
    forms = truth.clean("profiles").drop_duplicates("customer_id", keep="last")
    in_words = planted(truth, "profiles", "words").query("column == 'age'")["row"].astype(int)
    typed = forms[forms["age"].notna() & ~forms["entry_id"].isin(in_words)]
    assert TOLD["compared"] == len(typed) > 0
    assert TOLD["agree"] == len(typed) - len(impossible & set(typed["customer_id"]))


def test_every_rating_is_of_a_product_that_was_bought(truth):
    assert TOLD["bought"] == 1.0
    assert TOLD["all_ratings"] == len(truth.clean("ratings"))
    assert TOLD["no_stars"] == len(planted(truth, "ratings", "out of range"))
    assert TOLD["as_text"] == len(planted(truth, "ratings", "number as text"))


def test_browsing_is_told_alike_by_two_logs_but_for_the_damaged_lines(shop, truth):
    clicks = shop.history()["clicks"]
    late = clicks[clicks["clicked_at"] >= "2024-08-01"]
    true = len(late[["session_id", "product_id"]].drop_duplicates())
    assert TOLD["clicks_both"] + TOLD["clicks_server"] == true
    damaged = planted(truth, "events", "cut line", "trailing comma")["true"]
    lost = damaged.str.contains('"click"').sum()
    assert 0 <= TOLD["clicks_server"] <= lost
    assert TOLD["clicks_events"] == 0


def test_who_is_alone_with_three_columns_is_counted_without_pandas(laid):
    rows = asked_of_sqlite(laid, "SELECT skin_type, age, substr(joined_on, 1, 7) FROM customers")
    alone = sum(count == 1 for count in Counter(rows).values())
    assert TOLD["alone"] == pytest.approx(alone / len(rows), rel=1e-5)
    assert TOLD["alone"] > 0.5


def test_only_what_is_needed_travels_on_and_pseudonyms_join_as_ids_do(truth):
    assert TOLD["left_behind"] == "text"
    heard = set(truth.clean("feedback")["customer_id"])
    share = truth.clean("ratings")["customer_id"].isin(heard).mean()
    assert TOLD["same"] == TOLD["same_by_id"] == pytest.approx(share, rel=1e-5)


def test_silence_is_no_consent(laid, truth):
    latest = {}
    for path in sorted((laid[0].folder / "forms").glob("*.json")):
        for entry in json.loads(path.read_text(encoding="utf-8")):
            answer = str(entry["email_consent"]).strip().lower()
            latest[entry["customer_id"]] = answer in {"true", "1", "y", "yes", "ja"}
    assert TOLD["may_write"] == pytest.approx(sum(latest.values()) / TOLD["customers"], rel=1e-5)
    agreed = truth.clean("profiles")["email_consent"].mean()
    assert TOLD["yes_of_answers"] == pytest.approx(agreed, rel=1e-5)
    assert TOLD["may_write"] < TOLD["yes_of_answers"] / 2


def test_the_operator_s_file_is_counted_and_its_planted_errors_are_found():
    assert TOLD["rows"] == parameter("CUSTOMERS") == TOLD["stayed"] + TOLD["left"]
    assert TOLD["refused"] == 0
    assert TOLD["each"] == pytest.approx(TOLD["left"] / 19, rel=1e-5)
    assert (TOLD["columns"], TOLD["tenure"]) == (19, 0)
    reasons = [row["reason"] for row in stored_table(STEM, "telco-planted")]
    assert [reason.split()[0] for reason in reasons] == ["Contract", "tenure", "Churn"]
    assert "cut off or ragged" in stored_text(STEM, "telco-read")


def test_a_file_that_breaks_off_within_a_row_is_refused_whatever_the_seed(tmp_path, capsys):
    cells = read_notebook(ROOT / "notebooks" / f"{STEM}.ipynb").cells
    cut_and_read = next(cell.source for cell in cells if cell.id == "telco-read")
    for seed in range(8):
        source = Path(write_telco_csv(60 + seed, seed, tmp_path / str(seed)))
        exec(cut_and_read, {"source": source, "folder": tmp_path})
        assert "cut_off.csv is cut off or ragged" in capsys.readouterr().out, seed


def extract_of(rows, columns):
    return Extract(
        object_table(rows, columns),
        aside_table([]),
        Provenance("x", 0, 0, ""),
        Books("x", len(rows), len(rows)),
    )


def test_a_first_look_finds_the_days_in_whatever_form_and_the_blanks():
    mixed = ["2024-09-03T10:00:00", "04.09.2024 10:00:00", "09/02/2024 01:00:00 PM", " "]
    logged = ["30/Aug/2024:23:59:59 +0000", "01/Sep/2024:00:00:01 +0000", "no moment"]
    extracts = {
        "mixed": extract_of([{"at": at, "note": None} for at in mixed], []),
        "logged": extract_of([{"at": at} for at in logged], []),
        "undated": extract_of([{"tags": ["a", None], "size": 0}], []),
        "empty": extract_of([], ["at"]),
    }
    look = first_look(extracts, {"mixed": "at", "logged": "at", "empty": "at"})
    assert look["first_day"].tolist() == ["2024-09-02", "2024-08-30", "", ""]
    assert look["last_day"].tolist() == ["2024-09-04", "2024-09-01", "", ""]
    assert look["blank_share"].tolist() == [5 / 8, 0, 0, 0], "a zero and a list are no blanks"
    assert look["rows_in"].tolist() == [4, 3, 1, 0]


def test_a_first_look_at_a_column_that_is_not_there_says_so():
    with pytest.raises(ValueError, match="seen_at"):
        first_look({"log": extract_of([{"at": "2024-09-01"}], [])}, {"log": "seen_at"})


def test_what_sends_back_is_what_was_seen():
    seen = {row["finding"]: row["seen here"] for row in stored_table(STEM, "sends-back")}
    assert seen["a source that is needed is empty"] == "yes"
    assert seen["two sources contradict each other"] == "yes"
    assert seen["rows are missing without a reason"] == "no"
    assert (TOLD["answered"], TOLD["asked"]) == (6, 7)
