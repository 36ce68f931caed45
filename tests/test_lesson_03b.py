"""The lesson on integrating and loading: its figures are held against the world and other counts."""

import json
import re
import sqlite3
from collections import Counter
from contextlib import closing

import pandas as pd
import pytest
from conftest import ROOT, stored_figures, stored_table, stored_text

from helpers.course.runner.parameters import read_parameters
from helpers.course.runner.shelf import read_notebook
from helpers.plots import plot_parts
from helpers.worlds import Operator, Shop
from helpers.worlds.incidents import Incident
from helpers.worlds.operator import call_nobody
from helpers.worlds.shop import at_random
from helpers.worlds.sources import Sources, SourcesTruth

STEM = "03b_integrate_and_load"
TOLD = stored_figures(STEM)
CELLS = {cell.id: cell.source for cell in read_notebook(ROOT / "notebooks" / f"{STEM}.ipynb").cells}
NEW_GOAL = Incident("new_goal", month=1)


def parameter(name):
    return read_parameters(read_notebook(ROOT / "notebooks" / f"{STEM}.ipynb"), STEM)[name].default


def the_shop(*incidents):
    return Shop(
        customers=parameter("CUSTOMERS"), products=parameter("PRODUCTS"), seed=parameter("SEED"),
        incidents=[NEW_GOAL, *incidents],
    )  # fmt: skip


@pytest.fixture(scope="module")
def shop():
    """The shop of the stored lesson."""
    return the_shop(Incident("price_in_cents", month=2))


@pytest.fixture(scope="module")
def laid(shop, tmp_path_factory):
    """Its sources, as the lesson lays them down."""
    folder = tmp_path_factory.mktemp("lesson") / "shop"
    sources = Sources(shop, folder, months=2, rates={"stale price": 0.1, "cents": 0.1})
    sources.lay_down()
    return sources


@pytest.fixture(scope="module")
def truth(laid):
    return SourcesTruth(laid)


@pytest.fixture(scope="module")
def bought(truth):
    """What was truly bought: a row a line, with its customer and moment."""
    return truth.clean("order_lines").merge(truth.clean("orders"), on="order_id")


@pytest.fixture(scope="module")
def lived(shop):
    """Half a year of the shop, as its systems hold it."""
    return [shop.play(month, at_random)["orders"] for month in range(1, 7)]


# --- the chain, and T told apart from L --------------------------------------------------------------


def test_the_ledger_counts_the_rows_that_the_database_and_the_log_hold(laid):
    ledger = {row["source"]: row for row in stored_table(STEM, "ledger")}
    with closing(sqlite3.connect(next(laid.folder.glob("*.sqlite")))) as database:
        for table in ["customers", "products", "sessions", "orders", "order_lines", "returns"]:
            rows = database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            assert int(ledger[table]["rows_in"]) == rows
    logs = sorted(laid.folder.glob("events/*.jsonl"))
    assert int(ledger["events"]["rows_in"]) == sum(len(log.read_text().splitlines()) for log in logs)  # fmt: skip


def test_no_row_is_lost_between_a_source_and_its_table_in_either_business():
    assert len(stored_table(STEM, "ledger")) == TOLD["sources"] == 20
    for row in stored_table(STEM, "ledger"):
        out = sum(int(row[name]) for name in ("set_aside", "quarantined", "merged", "loaded"))
        assert int(row["rows_in"]) == out, row["source"]
    assert TOLD["open_books"] == TOLD["operator_open"] == 0
    assert TOLD["operator_sources"] == 19
    assert TOLD["operator_loaded"] > 0.95 * TOLD["operator_in"] > 10_000


def test_transforming_changes_values_and_loading_changes_none(truth):
    planted = truth.blemishes()
    spelled = planted[planted["column"].isin(["channel", "category", "skin_type", "reason"])]
    assert (
        TOLD["changed_by_t"] > len(spelled) > 100
    )  # each of these at least is brought to one word
    assert TOLD["line_rows"] == len(truth.clean("order_lines"))
    assert TOLD["changed_by_l"] == 0


# --- integration ---------------------------------------------------------------------------------------


def test_a_repeated_key_invents_exactly_the_revenue_of_the_repeats(truth, bought):
    forms = Counter(truth.clean("profiles")["customer_id"])
    revenue = sum(bought["price_eur"])
    twice = sum(
        price * max(1, forms[who])
        for price, who in zip(bought["price_eur"], bought["customer_id"], strict=True)
    )
    assert pytest.approx(revenue, abs=0.5) == TOLD["revenue"]
    assert pytest.approx(twice / revenue - 1, rel=1e-4) == TOLD["overstated"] > 0.02
    assert abs(TOLD["difference"]) < 0.005
    assert pytest.approx(TOLD["revenue"]) == TOLD["joined_revenue"]


def test_the_refused_join_tells_the_rows_it_would_have_made(truth, bought):
    forms = Counter(truth.clean("profiles")["customer_id"])
    rows = sum(max(1, forms[who]) for who in bought["customer_id"])
    said = stored_text(STEM, "fan-out-refused")
    assert f"would make {rows:,} rows of {len(bought):,}" in said
    assert rows - len(bought) == TOLD["extra_rows"]
    assert f"{sum(count > 1 for count in forms.values())} of its {len(forms)} key(s)" in said


def test_the_partners_scores_match_the_products_that_no_other_resembles(truth):
    products = truth.clean("products")
    alike = products.duplicated(["name", "size_ml"], keep=False)
    assert TOLD["matched"] == int((~alike).sum()) > TOLD["scores"] / 2
    assert TOLD["unmatched"] == int(alike.sum())
    assert TOLD["by_title"] == 0
    assert (
        TOLD["by_line"] == int((~products.duplicated("name", keep=False)).sum()) < TOLD["matched"]
    )


def test_both_versions_of_the_log_are_counted(laid):
    clicks = {1: 0, 2: 0}
    for path in laid.folder.glob("events/*.jsonl"):
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                event = json.loads(line)
            except ValueError:
                continue  # a line that was cut off or has a comma behind it is set aside
            clicks[event.get("v", 1)] += "click" in (event.get("event"), event.get("type"))
    assert TOLD["clicks_seen"] == clicks[1] > 0
    assert TOLD["clicks"] == clicks[1] + clicks[2] > 1.3 * clicks[1]
    assert "version(s) 3 were found" in stored_text(STEM, "versions-refused-shown")


def test_every_amount_of_the_supplier_is_brought_to_euro():
    # The world's supplier asks half of what the shop does, to the cent.
    assert TOLD["low"] == pytest.approx(0.5, abs=0.003)
    assert TOLD["high"] == pytest.approx(0.5, abs=0.003)
    assert TOLD["in_cents"] > 0
    assert TOLD["foreign"] > 0
    assert TOLD["told_high"] == pytest.approx(50, abs=0.3)  # as told, cents look a hundredfold
    assert TOLD["told_low"] <= TOLD["low"]


def test_every_stale_page_and_nothing_else_contradicts_the_database(truth):
    stale = truth.blemishes("pages").query("kind == 'stale price'")
    assert TOLD["contradictions"] == len(stale) > 0
    assert TOLD["loser"] == "page"
    assert 0 < TOLD["sold"] <= len(stale)
    assert TOLD["right"] == 1.0
    assert TOLD["mean_right"] == 0.0


def test_no_text_and_no_address_leaves_and_only_who_agreed_is_written_to(laid, truth):
    agreed = {}
    forms = truth.clean("profiles").sort_values("entry_id")
    for who, answer in zip(forms["customer_id"], forms["email_consent"], strict=True):
        agreed[who] = bool(answer)
    assert TOLD["writable"] + TOLD["silent"] == TOLD["people"] == TOLD["pseudonyms"]
    assert TOLD["writable"] == sum(agreed.values())
    assert TOLD["joined"] == 1.0
    assert set(TOLD["which"].split(", ")) == {
        "complaints.text", "feedback.text", "satisfaction.comment", "web_log.agent", "web_log.ip"
    }  # fmt: skip


# --- load ----------------------------------------------------------------------------------------------


def test_all_systems_are_in_one_place(laid):
    overview = laid.overview()
    assert TOLD["kinds"] == overview["kind"].nunique() > 10
    assert TOLD["tables"] == len(overview)


def test_one_question_reaches_the_ratings_of_an_interface_and_the_products_of_a_database(truth):
    ratings = truth.clean("ratings").merge(truth.clean("products"), on="product_id")
    ratings = ratings.assign(rating=ratings["rating"].astype(float))
    by_category = ratings.groupby("category")["rating"].agg(["mean", "size"])
    answer = stored_table(STEM, "load-asked")
    assert len(answer) == 3
    for row in answer:
        mean, rows = by_category.loc[row["category"]]
        # A rating that cannot be (such as 50) is a gap now: it counts as a row and in no mean. One in
        # a hundred is such, and ratings lie within four of each other: less than this apart.
        assert float(row["rating"]) == pytest.approx(mean, abs=0.06)
        assert int(row["ratings"]) == rows
    told = [float(row["rating"]) for row in answer]
    assert told == sorted(told, reverse=True)
    others = by_category["mean"].drop([row["category"] for row in answer])
    assert min(told) > others.max() - 0.06


def test_the_warehouse_holds_what_the_books_say(truth):
    assert TOLD["right_tables"] == TOLD["tables_held"] == TOLD["tables"]
    assert TOLD["stored_rows"] == TOLD["loaded"] + TOLD["made"]
    for row in stored_table(STEM, "load-all"):
        assert int(row["rows"]) == len(truth.clean(row["table"])), row["table"]
        assert row["key"] == f"{row['table'].removesuffix('s')}_id"


def test_the_lake_reads_one_month_though_the_other_files_are_damaged(bought):
    assert TOLD["damaged"] == TOLD["files"] - 2 == 10
    assert TOLD["last_rows"] == int((bought["ordered_at"] >= "2024-09-01").sum())
    assert stored_text(STEM, "lake-reloaded") == f"({len(bought)}, {len(bought)})"


def test_the_database_holds_each_customer_once_however_often_it_is_loaded(bought):
    assert TOLD["rows_stored"] == TOLD["rows_again"] == bought["customer_id"].nunique()


def test_features_of_today_flatter_a_question_about_last_month(bought, shop):
    customers = shop.history()["customers"]["customer_id"]
    september = bought.loc[bought["ordered_at"] >= "2024-09-01", "customer_id"]
    assert TOLD["ordered_share"] == pytest.approx(customers.isin(september).mean(), abs=1e-5)
    assert TOLD["false_auc"] > 0.95  # "days since the last order" is nearly the answer itself
    assert 0.5 < TOLD["honest_auc"] < 0.85
    assert TOLD["leak"] == pytest.approx(TOLD["false_auc"] - TOLD["honest_auc"], abs=1e-5)
    buyers = bought.loc[bought["ordered_at"] < "2024-09-01", "customer_id"].nunique()
    assert f"{buyers} row(s) hold features from the future" in stored_text(STEM, "as-of-guard")


def test_a_load_is_repeatable_whole_and_alone():
    assert TOLD["same_tables"] == TOLD["untouched"] == "yes"
    failure = stored_text(STEM, "atomic-shown")
    assert "NOT NULL constraint failed: order_lines.price_eur" in failure
    assert "unchanged" in failure
    assert "one writer at a time" in stored_text(STEM, "writer-shown")


def test_pandas_numpy_and_scikit_learn_are_all_at_work():
    cells = read_notebook(ROOT / "notebooks" / f"{STEM}.ipynb").cells
    code = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    for used in ["import pandas as pd", "import numpy as np", "np.arange(", "from sklearn."]:
        assert used in code


# --- splits --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("part", "least", "most"), [("train", 0.6, 0.8), ("validation", 0.1, 0.2), ("test", 0.1, 0.2)]
)
def test_each_part_has_a_usual_share_of_the_rows(part, least, most, bought):
    # Days are not cut in two, so a share may miss its bound by the lines of a day.
    assert least - 0.005 <= TOLD[f"{part}_rows"] / len(bought) <= most + 0.005


def test_the_beauty_shop_is_split_by_time(bought):
    validation, test = TOLD["validation_from"], TOLD["test_from"]
    assert TOLD["train_rows"] == int((bought["ordered_at"] < validation).sum())
    assert TOLD["test_rows"] == int((bought["ordered_at"] >= test).sum())
    assert TOLD["train_rows"] + TOLD["validation_rows"] + TOLD["test_rows"] == len(bought)


def test_shares_that_do_not_add_up_are_refused():
    assert "add up to 1.2; 1 was expected" in stored_text(STEM, "shares-refused")


def test_a_random_split_flatters_the_recommender_and_hides_new_products():
    assert TOLD["false_share"] > TOLD["honest_share"] + 0.05
    random, by_time = (
        {row[""]: float(row[name]) for row in stored_table(STEM, "what-leaks")}
        for name in ("at random", "by time")
    )
    assert random["trained_on_the_future"] > 0.9
    assert by_time["trained_on_the_future"] == 0.0
    assert by_time["tested_on_new_products"] > 0.05 > random["tested_on_new_products"]
    assert by_time["tested_on_known_orders"] == 0.0
    assert random["tested_on_known_orders"] > 0.1
    assert TOLD["honest_share"] < TOLD["on_known"] < TOLD["false_share"]
    gap = TOLD["false_share"] - TOLD["honest_share"]
    assert TOLD["from_products"] + TOLD["from_future"] == pytest.approx(gap, abs=1e-5)
    assert TOLD["blind"] == 10 / parameter("PRODUCTS") < TOLD["honest_share"]


def test_no_subscriber_of_the_test_is_known():
    assert TOLD["known_subscribers"] == 0.0
    shares = [int(share.rstrip("%")) for share in TOLD["row_shares"].split(", ")]
    assert sum(shares) == pytest.approx(100, abs=1)


def test_the_picture_of_a_split_has_a_bar_a_month_and_part():
    table = pd.DataFrame({"train": [3, 2, None], "test": [None, 1, 4]}, index=["01", "02", "03"])
    (axes,) = plot_parts({"by time": table}, "Rows").axes
    tops = [bar.get_y() + bar.get_height() for bar in axes.patches]
    assert tops == [3, 2, 0, 3, 3, 4]
    assert (axes.get_title(), axes.get_ylabel()) == ("by time", "Rows")
    assert [text.get_text() for text in axes.get_xticklabels()] == ["01", "02", "03"]


# --- time, and the way back ------------------------------------------------------------------------------


def test_the_time_sheets_share_of_preparation_is_the_typical_one():
    entries = re.findall(r'"(\d) \w+", (\d+)\)', CELLS["time-sheet"])
    hours = Counter()
    for stage, spent in entries:
        hours[int(stage)] += int(spent)
    share, both = hours[3] / hours.total(), (hours[2] + hours[3]) / hours.total()
    assert (TOLD["preparation_hours"], TOLD["all_hours"]) == (hours[3], hours.total())
    assert TOLD["preparation_share"] == pytest.approx(share, abs=1e-5)
    assert TOLD["both_share"] == pytest.approx(both, abs=1e-5)
    assert 0.6 <= share < both <= 0.8  # the rule of thumb, in both of its readings


def test_evaluation_by_segment_finds_the_swapped_code_and_every_mended_code_is_true():
    size = {"subscribers": parameter("CUSTOMERS"), "seed": parameter("SEED")}
    spoiled = Operator(**size, incidents=[Incident("remapped_code", month=1, size=0.3)])
    known = spoiled.history()["customers"]
    month = spoiled.play(1, call_nobody)["customers"].set_index("customerID")["InternetService"]
    true = Operator(**size, incidents=[]).play(1, call_nobody)["customers"]
    true = true.set_index("customerID")["InternetService"]
    ours = month.index.intersection(known["customerID"])
    assert TOLD["remapped"] == int((month[ours] != true[ours]).sum())
    assert TOLD["newcomers"] == len(month) - len(ours)
    assert (known.set_index("customerID").loc[ours, "InternetService"] == true[ours]).all()
    assert TOLD["error_found"] > 5 * TOLD["error_before"]
    assert TOLD["error_found"] / TOLD["error_before"] > 2 * TOLD["all_found"] / TOLD["all_before"]
    assert TOLD["error_after"] == pytest.approx(TOLD["error_before"], rel=0.5)


def test_a_feature_of_the_calendar_tells_the_season_that_was_missed(shop, lived):
    category = shop.products(6).set_index("product_id")["category"]

    def warm_by_month(orders):
        warm = orders["product_id"].map(category).isin(["light fluid", "sun care"])
        return warm.groupby(orders["ordered_at"].dt.month).mean(), warm.mean()

    last_year, average = warm_by_month(shop.history()["orders"])
    seen, _ = warm_by_month(pd.concat(lived))
    moments = pd.concat(lived)["ordered_at"]
    weight = moments.dt.month.value_counts(normalize=True)  # a month counts with its purchases

    def gap(expected):
        return (seen.sub(expected).abs() * weight).sum()

    assert TOLD["gap_before"] == pytest.approx(gap(average), abs=1e-4)
    assert TOLD["gap_after"] < TOLD["gap_before"] / 2
    # The model is regularised, so it only comes near the plain shares of last year's months.
    assert TOLD["gap_after"] == pytest.approx(gap(last_year[seen.index]), abs=0.02)


def test_customers_without_an_order_are_the_edge_case_and_get_a_score(bought, shop):
    before = bought.loc[bought["ordered_at"] < "2024-09-01", "customer_id"]
    nobody_knows = ~shop.history()["customers"]["customer_id"].isin(before)
    assert TOLD["no_orders"] == int(nobody_knows.sum()) > 0
    assert "NaN" in stored_text(STEM, "edge-found")
    assert TOLD["scored_before"] + TOLD["no_orders"] == TOLD["scored_now"] == TOLD["asked_for"]
    assert TOLD["edge_auc"] > 0.5


def test_a_month_in_cents_is_repaired_to_what_the_shop_truly_sold(shop, lived):
    twin = the_shop()
    sold = [twin.play(month, at_random)["orders"] for month in (1, 2)][1]
    known = sold["product_id"].isin(shop.history()["products"]["product_id"])
    assert TOLD["true_revenue"] == pytest.approx(sold.loc[known, "price_eur"].sum(), abs=0.5)
    assert TOLD["unknown_rows"] == int((~known).sum())
    assert TOLD["times"] == pytest.approx(lived[1]["price_eur"].sum() / lived[0]["price_eur"].sum(), rel=1e-4)  # fmt: skip
    assert TOLD["times"] > 5
    first = lived[0]
    first = first[first["product_id"].isin(shop.history()["products"]["product_id"])]
    after = sold.loc[known, "price_eur"].sum() / first["price_eur"].sum()
    assert TOLD["times_after"] == pytest.approx(after, rel=1e-4)


def test_each_of_the_four_ways_back_makes_its_figure_better():
    assert TOLD["error_after"] < TOLD["error_found"]
    assert TOLD["gap_after"] < TOLD["gap_before"]
    assert TOLD["scored_now"] > TOLD["scored_before"]
    assert abs(TOLD["times_after"] - 1) < abs(TOLD["times"] - 1)


# --- real files ------------------------------------------------------------------------------------------


def test_the_same_chain_runs_on_files_of_the_real_form():
    assert (
        TOLD["telco_in"] == TOLD["telco_stored"] + TOLD["telco_refused"] == parameter("CUSTOMERS")
    )
    parts = [int(part) for part in TOLD["telco_parts"].split(", ")]
    assert sum(parts) == TOLD["telco_stored"]
    assert 0.1 <= parts[1] / sum(parts) <= 0.2
    assert {row["balanced"] for row in stored_table(STEM, "real-sephora-read")} == {"True"}
    assert TOLD["reviews_merged"] > 0
    assert TOLD["twins_at_random"] > 0.02 > TOLD["twins_by_time"]
