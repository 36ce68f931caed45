"""Lesson 03c: its claims on twenty seeds against the world's truth, and its "Your turn"."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from conftest import SEEDS
from matplotlib.dates import num2date

from helpers.etl.combine import join
from helpers.plots import plot_known
from helpers.worlds.sources import SourcesTruth

pytestmark = pytest.mark.slow

STEM = "03c_join_and_settle"


def truth_of(cells, table):
    return SourcesTruth(cells["systems"]).clean(table)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_repeated_key_invents_exactly_the_revenue_of_the_repeats(played, seed):
    figures, cells = played(seed)
    bought = truth_of(cells, "order_lines").merge(truth_of(cells, "orders"), on="order_id")
    forms = Counter(truth_of(cells, "profiles")["customer_id"])
    price, who = bought["price_eur"], bought["customer_id"]
    counted = [max(1, forms[one]) for one in who]
    assert cells["revenue"] == cells["now"] == pytest.approx(price.sum())
    assert len(cells["left"]) == sum(counted)
    assert cells["told"] == pytest.approx((price * counted).sum())
    assert figures["invented"] == pytest.approx(cells["told"] / cells["revenue"] - 1, rel=1e-5)
    assert figures["invented"] > 0.01
    assert len(cells["inner"]) == sum(forms[one] for one in who)
    assert cells["inner"]["price_eur"].sum() < cells["revenue"]  # the other error, the other way
    latest = cells["forms"].sort_values("entered_at").groupby("customer_id")["skin_type"].last()
    by_skin = cells["by_skin"].set_index("line_id")
    assert by_skin["skin_type"].equals(by_skin["customer_id"].map(latest).rename("skin_type"))


def test_one_gap_meets_another_in_pandas_and_not_in_the_courses_join():
    bought = pd.DataFrame({"customer_id": [1.0, np.nan], "price_eur": [5.0, 7.0]})
    forms = pd.DataFrame({"customer_id": [1.0, np.nan], "skin_type": ["dry", "oily"]})
    assert bought.merge(forms, on="customer_id")["skin_type"].tolist() == ["dry", "oily"]
    assert join(bought, forms, on="customer_id")["skin_type"].isna().tolist() == [False, True]


@pytest.mark.parametrize("seed", SEEDS)
def test_in_euro_the_suppliers_price_is_half_of_ours_for_every_product(played, seed):
    _, cells = played(seed)
    ratio, newest = cells["ratio"], cells["newest"]
    assert ratio["in euro"].between(0.497, 0.503).all()
    assert ratio["as told"].max() > 40  # cents, told as if they were euro
    assert set(newest["price.unit"]) == {"whole", "cent"}
    assert {"CHF", "USD"} & set(newest["currency"])
    unlisted = ~cells["basket"]["product_id"].isin(newest["product_id"])
    assert cells["with_cost"]["cost_eur"].isna().sum() == unlisted.sum()


@pytest.mark.parametrize("seed", SEEDS)
def test_every_stale_page_and_nothing_else_contradicts_and_the_tills_know_it(played, seed):
    figures, cells = played(seed)
    planted = SourcesTruth(cells["systems"]).blemishes("pages").query("kind == 'stale price'")
    assert figures["lost"] == len(cells["lost"]) == len(planted) > 0
    assert set(cells["lost"]["source"]) == {"page"}
    share = cells["heard"][["database", "page", "mean"]].mean()
    assert share.loc[True].to_list() == [1.0, 0.0, 0.0]
    assert share.loc[False].eq(1.0).all()  # the witness is right where nobody disagrees
    assert cells["verdict"] == "Customers paid what the **database** says, so it wins."
    prices = truth_of(cells, "products").set_index("product_id")["price_eur"]
    settled = cells["settled"].set_index("product_id")["price_eur"]
    pd.testing.assert_series_equal(settled, prices.loc[settled.index], check_names=False)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_column_of_today_is_the_answer_and_of_the_morning_it_is_not(played, seed):
    figures, cells = played(seed)
    asked, orders = cells["asked"], truth_of(cells, "orders")
    assert figures["false_auc"] > 0.95
    assert 0.5 < figures["honest_auc"] < 0.75
    before = orders[orders["ordered_at"] < "2024-09-01"]
    newest = before.groupby("customer_id")["ordered_at"].max()
    days = (newest - pd.Timestamp("2024-09-01")).dt.days
    found = asked.loc[~asked["is_new"]].set_index("customer_id")["then"]
    assert found.astype("int64").equals(days.loc[found.index].rename("then"))
    assert figures["honest_auc"] == pytest.approx(pairs_put_right(asked[~asked["is_new"]]))


def pairs_put_right(asked):
    """Return the AUC of `then`, counted pair by pair."""
    yes, no = (asked.loc[asked["ordered"].eq(one), "then"].to_numpy() for one in (True, False))
    above = yes[:, None] - no[None, :]
    return ((above > 0).mean() + (above == 0).mean() / 2).round(6)


@pytest.mark.parametrize("seed", SEEDS)
def test_customers_without_an_order_are_the_edge_case_and_get_a_value(played, seed):
    _, cells = played(seed)
    asked, orders = cells["asked"], truth_of(cells, "orders")
    before = orders.loc[orders["ordered_at"] < "2024-09-01", "customer_id"]
    assert asked["is_new"].equals((~asked["customer_id"].isin(before)).rename("is_new"))
    assert 0 < asked["is_new"].sum() < 0.2 * len(asked)
    assert asked["then"].notna().all()
    assert asked.loc[asked["is_new"], "then"].max() < asked.loc[~asked["is_new"], "then"].min()


@pytest.mark.parametrize("seed", SEEDS)
def test_visits_are_called_better_only_where_chance_is_ruled_out(played, seed):
    figures, cells = played(seed)
    asked = cells["asked"]
    sessions = truth_of(cells, "sessions").query("started_at < '2024-09-01'")
    visits = sessions.groupby("customer_id").size()
    assert asked["visits"].tolist() == [visits.get(one, 0) for one in asked["customer_id"]]
    lead = cells["auc"](asked, "visits") - cells["auc"](asked, "then")
    assert cells["low"] < lead
    assert ("tell more" in figures["more"]) == (cells["low"] > 0) or "open" in figures["more"]
    assert figures["more"].startswith("visits") == (cells["low"] > 0)


def test_ten_customers_are_drawn_and_orange_are_the_orders_after_the_morning(played):
    _, cells = played(1)
    known, later = cells["ax"].lines[:2]
    morning = cells["MORNING"].tz_localize("UTC")
    assert all(num2date(one) < morning for one in known.get_xdata(orig=False))
    assert all(num2date(one) >= morning for one in later.get_xdata(orig=False))
    lanes = cells["few"]["ordered"]
    assert lanes.tolist() == [False] * 5 + [True] * 5
    assert set(later.get_ydata()) == set(lanes.index[lanes])  # only those who ordered


def test_the_picture_of_a_moment_says_what_was_known():
    dots = pd.DataFrame({"row": [0, 1], "at": pd.to_datetime(["2024-08-01", "2024-09-02"])})
    ax = plot_known(dots, pd.Timestamp("2024-09-01"), pd.Series(["ada", "bo"]), "two")
    assert [line.get_ydata().tolist() for line in ax.lines[:2]] == [[0], [1]]
    assert [text.get_text() for text in ax.get_yticklabels()] == ["ada", "bo"]
    assert [text.get_text().strip() for text in ax.texts] == ["known", "not yet known"]


# --- Your turn -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("stale", [0.0, 0.5])
def test_however_many_pages_are_old_the_verdict_fits(played, stale):
    figures, cells = played(3, STALE=stale)
    if stale:
        assert 30 < figures["lost"] < 70
        assert cells["winner"] == "database"
    else:
        assert figures["lost"] == 0
        assert cells["verdict"] == "There is **nothing** to decide."


def test_the_first_form_gives_the_same_revenue_and_other_skin_types(played):
    text = 'drop_duplicates("customer_id", keep="last")'
    _, cells = played(4, ((text, text.replace("last", "first")),))
    _, latest = played(4)
    assert cells["now"] == cells["revenue"] == latest["now"]
    repeated = cells["latest"].merge(latest["latest"], on="customer_id")
    assert (repeated["entered_at_x"] < repeated["entered_at_y"]).any()


@pytest.mark.parametrize("seed", [1, 5, 9])
def test_a_month_earlier_the_leak_is_there_and_smaller(played, seed):
    text = 'pd.Timestamp("2024-09-01")'
    figures, _ = played(seed, ((text, 'pd.Timestamp("2024-08-01")'),))
    assert figures["honest_auc"] + 0.03 < figures["false_auc"] < 1


# --- what the words promise when the data say something else ---------------------------------------------


def test_a_witness_that_never_sold_the_disputed_jars_decides_nothing(played):
    text = 'paid = tables["sales"].sort_values("ordered_at")'
    silent = 'paid = tables["sales"][~tables["sales"]["product_id"].isin(prices.index[disputed])].sort_values("ordered_at")'
    _, cells = played(2, ((text, silent),))
    assert cells["verdict"].startswith("**No witness**")


def test_a_witness_that_wavers_is_followed_case_by_case(played):
    text = (
        'paid = tables["sales"].sort_values("ordered_at").groupby("product_id")["price_eur"].last()'
    )
    wavers = text + '\nodd = prices.index[disputed][::3]\npaid[odd] = prices["page"][odd]'
    _, cells = played(2, ((text, wavers),))
    assert "**not always**" in cells["verdict"]
