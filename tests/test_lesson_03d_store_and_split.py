"""Lesson 03d: its loads, stores and splits on many seeds, counted another way, and its "Your turn"."""

import sqlite3
from contextlib import closing

import duckdb
import numpy as np
import pandas as pd
import pytest
from conftest import ROOT, SEEDS, stored_table
from sklearn.metrics import roc_auc_score

from helpers.course.runner.shelf import read_notebook
from helpers.worlds import Shop
from helpers.worlds.shop import at_random

pytestmark = pytest.mark.slow

STEM = "03d_store_and_split"


@pytest.mark.parametrize("seed", SEEDS)
def test_a_load_changes_no_value(played, seed):
    _, cells = played(seed)
    ratings = cells["ratings"]
    with duckdb.connect() as con:
        con.execute("CREATE TABLE stored AS FROM ratings")
        back = con.execute("FROM stored").df()
    pd.testing.assert_frame_equal(back, ratings, check_dtype=False)


@pytest.mark.parametrize("seed", SEEDS)
def test_one_question_reaches_the_ratings_of_an_interface_and_the_products_of_a_database(
    played, seed
):
    _, cells = played(seed)
    both = cells["ratings"].merge(cells["products"], on="product_id", validate="many_to_one")
    assert len(both) == len(cells["ratings"])  # no rating is lost by the question
    if seed == 1:
        means = both.groupby("category")["rating"].mean().round(2).sort_values()
        best = stored_table(STEM, "warehouse-asked")
        assert [float(row["rating"]) for row in best] == means.iloc[:-4:-1].tolist()


@pytest.mark.parametrize("seed", SEEDS)
def test_appended_twice_a_month_counts_twice_and_upserted_once(played, seed):
    _, cells = played(seed)
    eur, sales = cells["eur"], cells["sales"]
    true = sales.groupby(sales["ordered_at"].dt.strftime("%Y-%m"))["price_eur"].sum()
    assert np.allclose(eur["upserted"], true)
    assert np.allclose(eur["appended"], true * np.where(true.index == "2024-09", 2, 1))
    assert cells["share"] == pytest.approx(2)
    assert not sales.duplicated(["order_id", "product_id"]).any()  # or it were no key


@pytest.mark.parametrize("seed", SEEDS)
def test_the_lake_doubles_when_appended_and_not_when_written_anew(played, seed):
    _, cells = played(seed)
    rows = [len(cells["sales"]), len(cells["september"])]
    assert cells["stored"] == {"APPEND": tuple(2 * one for one in rows), "OVERWRITE": tuple(rows)}


def test_one_month_is_read_though_the_files_of_the_others_are_damaged(played, tmp_path):
    _, cells = played(1)
    lake, con = tmp_path / "lake", duckdb.connect()
    con.register("sales", cells["sales"])
    con.execute(f"COPY ({cells['monthly']}) TO '{lake}' (FORMAT parquet, PARTITION_BY (month))")
    for path in sorted(lake.glob("month=*/*"))[1:]:  # the first tells the columns
        if "2024-09" not in path.parent.name:
            path.write_bytes(b"damaged")
    asked = (
        f"FROM read_parquet('{lake}/*/*.parquet', hive_partitioning=true) WHERE month = '2024-09'"
    )
    assert len(con.execute(asked).df()) == len(cells["september"])
    with pytest.raises(duckdb.Error):
        con.execute(asked.replace("2024-09", "2024-08")).df()


def test_half_a_load_loses_the_month_and_a_transaction_keeps_it(played):
    _, cells = played(1)
    assert cells["broken"]["price_eur"].isna().sum() == 9
    stored = read_notebook(ROOT / "notebooks" / f"{STEM}.ipynb")
    shown = {cell.id: str(cell.get("outputs", "")) for cell in stored.cells}
    assert "[(0,)]" in shown["half"]
    assert "NOT NULL constraint failed" in shown["half"]
    assert f"[({len(cells['september'])},)]" in shown["whole"]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_key_is_searched_and_a_sum_scans(played, seed):
    _, cells = played(seed)
    plan = "EXPLAIN QUERY PLAN SELECT {}"
    with closing(sqlite3.connect(cells["app"].removeprefix("sqlite:///"))) as app:
        one, all_of_them = (
            app.execute(plan.format(ask)).fetchall()[0][-1]
            for ask in ["* FROM customers WHERE customer_id = 7", "sum(eur) FROM customers"]
        )
    assert one.startswith("SEARCH")
    assert all_of_them.startswith("SCAN")


@pytest.mark.parametrize("seed", SEEDS)
def test_the_feature_store_answers_as_of_the_day(played, seed):
    _, cells = played(seed)
    who = cells["sales"]["customer_id"].mode()[0]
    mine = cells["sales"][cells["sales"]["customer_id"] == who]
    features = cells["features"].set_index(["customer_id", "known_at"])["orders"]
    for morning in ["2024-08-01", "2024-09-01"]:
        counted = mine.loc[mine["ordered_at"] < morning, "order_id"].nunique()
        assert features[who, pd.Timestamp(morning)] == counted


def test_the_stored_answers_are_of_the_last_morning_before_the_question(played):
    _, cells = played(1)
    features, days = cells["features"], cells["days"]
    asked = pd.DataFrame({"customer_id": cells["sales"]["customer_id"].mode()[0], "at": days})
    features = features.sort_values("known_at")
    found = pd.merge_asof(asked, features, left_on="at", right_on="known_at", by="customer_id")
    assert found["known_at"].astype(str).tolist() == ["2024-08-01", "2024-09-01"]
    stored = read_notebook(ROOT / "notebooks" / f"{STEM}.ipynb")
    (shown,) = [str(cell.outputs) for cell in stored.cells if cell.id == "features"]
    assert all(f"<td>{orders}</td>" in shown for orders in found["orders"])


@pytest.mark.parametrize("seed", SEEDS)
def test_each_part_has_its_share_and_every_row_is_in_one(played, seed):
    _, cells = played(seed)
    for parts in cells["splits"].values():
        rows = pd.concat(parts)
        assert rows.index.is_unique
        assert len(rows) == len(cells["sales"])
        shares = [len(part) / len(rows) for part in parts]
        assert shares == pytest.approx([0.7, 0.15, 0.15], abs=0.01)  # days are not cut in two
    first, second, third = cells["splits"]["by time"]
    assert first["ordered_at"].max() < second["ordered_at"].min()
    assert second["ordered_at"].max() < third["ordered_at"].min()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_cut_by_lot_flatters_the_recommender_and_hides_new_products(played, seed):
    figures, cells = played(seed)
    lot, time = cells["exams"]["at random"], cells["exams"]["by time"]
    assert figures["by_lot"] > figures["by_time"]
    assert lot[1] < time[1]  # new products
    assert time[0] < time[2]  # they are a part of the gap


def test_the_recommender_finds_what_a_loop_finds():
    rows = [(1, "a"), (1, "b"), (2, "a"), (2, "c"), (3, "d"), (3, "e")]
    train = pd.DataFrame(rows, columns=["customer_id", "product_id"])
    more = pd.DataFrame({"customer_id": 3, "product_id": [*"fghijklm"]})
    train = pd.concat([train, more], ignore_index=True)
    test = pd.DataFrame({"customer_id": [1, 1, 9], "product_id": ["c", "new", "a"]})
    code = {
        cell.id: cell.source for cell in read_notebook(ROOT / "notebooks" / f"{STEM}.ipynb").cells
    }
    names = {"pd": pd}
    exec(code["recommender"], names)
    assert (
        names["found"](train, test) == 0.5
    )  # c is found, the new one is not, a stranger is left out


@pytest.mark.parametrize("seed", SEEDS)
def test_by_row_the_tree_knows_the_people_and_by_customer_it_guesses(played, seed):
    _, cells = played(seed)
    assert cells["auc"]["by row"] > 0.85
    assert 0.2 < cells["auc"]["by customer"] < 0.7
    learn, judge = cells["learn"], cells["judge"]
    who = cells["rows"]["customer_id"]
    assert not set(who.iloc[learn]) & set(who.iloc[judge])
    again = roc_auc_score(cells["combination"].iloc[judge], cells["guess"][:, 1])
    assert cells["auc"]["by customer"] == pytest.approx(again)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_month_in_cents_is_repaired_to_what_the_quiet_twin_sold(played, seed):
    _, cells = played(seed)
    twin = Shop(cells["CUSTOMERS"], products=100, seed=seed, incidents=[])
    sold = [twin.play(month, at_random)["orders"] for month in (1, 2)][1]
    key = ["order_id", "product_id"]
    both = cells["ready"].merge(sold[[*key, "price_eur"]], on=key, validate="one_to_one")
    assert len(both) == len(cells["ready"]) == len(sold) - cells["waits"].sum()
    assert np.allclose(both["price_eur_x"], both["price_eur_y"])
    revenue = cells["revenue"]
    assert revenue.iloc[-1] > 3 * revenue.iloc[-2]  # the dashboard celebrates
    assert 0.5 < cells["ready"]["price_eur"].sum() / revenue.iloc[-2] < 2
    assert 0 < cells["wrong"].sum() < len(sold)


def test_the_beauty_shop_is_split_by_time_and_stored(played):
    figures, cells = played(3)
    parts = cells["splits"]["by time"]
    assert figures["parts"] == " / ".join(f"{len(part):,}" for part in parts)
    with duckdb.connect(f"{cells['RUNS_FOLDER']}/shop.duckdb", read_only=True) as con:
        rows = [con.execute(f"SELECT count(*), min(ordered_at) FROM sales_{name}").fetchall()[0] for name in cells["PARTS"]]  # fmt: skip
    if rows[2][0] == len(parts[2]):  # no other seed has taken the folder since
        assert [one for one, _ in rows] == [len(part) for part in parts]
        assert [day for _, day in rows] == sorted(day for _, day in rows)


def test_pandas_and_scikit_learn_are_at_work_and_the_rule_of_thumb_is_doubted():
    cells = read_notebook(ROOT / "notebooks" / f"{STEM}.ipynb").cells
    code = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    assert "import pandas as pd" in code
    assert "from sklearn." in code
    (time,) = [cell.source for cell in cells if "## Where the time goes" in cell.source]
    assert "60-80 %" in time
    assert "cannot measure it" in time


# --- Your turn -----------------------------------------------------------------------------------------


def test_a_longer_future_holds_more_new_products(played):
    _, cells = played(5, VALIDATION_SHARE=0.2, TEST_SHARE=0.2)
    assert [len(part) / len(cells["sales"]) for part in cells["splits"]["by time"]] == pytest.approx([0.6, 0.2, 0.2], abs=0.01)  # fmt: skip
    assert cells["exams"]["by time"][0] < cells["exams"]["at random"][0]


def test_without_age_and_joining_the_exam_by_row_flatters_less(played):
    text = "cut = GroupShuffleSplit(1, test_size=0.3, random_state=SEED)"
    less = f'inputs = inputs.drop(columns=["age", "joined"])\n{text}'
    _, cells = played(5, ((text, less),))
    assert cells["auc"]["by row"] < played(5)[1]["auc"]["by row"] - 0.15


def test_or_ignore_keeps_one_september_and_loses_a_correction(played):
    text = 'for _ in range(2):\n    con.execute("INSERT OR REPLACE INTO sales FROM september")'
    more = text.replace("OR REPLACE", "OR IGNORE") + "\nfixed = september.assign(price_eur=1.0)"
    more += '\ncon.execute("INSERT OR IGNORE INTO sales FROM fixed")'
    _, cells = played(5, ((text, more),))
    assert cells["eur"]["upserted"].equals(played(5)[1]["eur"]["upserted"])
