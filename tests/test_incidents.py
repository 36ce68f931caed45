"""`helpers.worlds.incidents.kinds`: each kind in each world, its effect, its end, and its truth."""

import copy
import os
import subprocess
import sys
from dataclasses import replace
from functools import cache
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from conftest import first_always
from pandas import DataFrame
from test_world_bytes import table_hashes

from helpers.lifecycle import Cause
from helpers.worlds import Operator, Shop
from helpers.worlds.incidents import (
    Incident,
    incident,
    incident_table,
    incidents,
    variation_table,
)
from helpers.worlds.incidents import operator as operator_incidents
from helpers.worlds.incidents import shop as shop_incidents
from helpers.worlds.incidents.effects import CALL_OUT_EUR
from helpers.worlds.incidents.kinds import Schedule
from helpers.worlds.operator import STORY as OPERATOR_STORY
from helpers.worlds.operator import OperatorTruth
from helpers.worlds.play import CannotPlay
from helpers.worlds.shop import STORY as SHOP_STORY
from helpers.worlds.shop import ShopTruth
from helpers.worlds.shop.market import draw_products

KINDS = incident_table().set_index("name")
RECORDS = [
    "price_in_cents", "renamed_column", "remapped_code", "dead_feed", "double_delivery",
    "clock_skew", "training_serving_skew", "label_delay", "full_disk", "target_leak", "bot_traffic",
]  # fmt: skip
SERVICE = ["slow_model", "error_rate", "bad_release"]
BEHAVIOUR = sorted(set(KINDS.index) - set(RECORDS) - set(SERVICE))
WORLDS = {"shop": (Shop, ShopTruth, SHOP_STORY), "operator": (Operator, OperatorTruth, OPERATOR_STORY)}  # fmt: skip
KEYS = {"shop": shop_incidents.KEYS, "operator": operator_incidents.KEYS}
FIRST, LAST, MONTHS = 2, 3, 4  # each incident is on in months 2 and 3 of 4
TINY = {"shop": {"customers": 60, "products": 20}, "operator": {"subscribers": 60}}
SMALLER = {
    "renamed_column": 1,
    "clock_skew": 2,
    "label_delay": 4,
    "bot_traffic": 0.1,
    "dead_feed": 0.2,
}
LARGER = {
    "renamed_column": 3, "clock_skew": 20, "label_delay": 25, "bot_traffic": 2.0,
    "dead_feed": 0.7, "full_disk": 0.5, "double_delivery": 0.9,
}  # fmt: skip
WIDER = {"renamed_column": 3}  # what else than the usual size is compared row by row
LEAKS = {"shop": ("sessions", "thank_you_page"), "operator": ("customers", "FinalBillSent")}


def everywhere(names):
    """Return the pairs of a kind and a world that can have it."""
    return [
        (name, world)
        for name in names
        for world in ("shop", "operator")
        if KINDS.loc[name, "worlds"] in (world, "both")
    ]


def in_one_world(names):
    """Return the same pairs as parameters: in one world always, in the other one under `--all`."""
    pairs = everywhere(names)
    return [
        pytest.param(*pair, marks=[pytest.mark.slow] * (pair[0] == before[0]))
        for before, pair in pairwise([("", ""), *pairs])
    ]


def first_ten(context):
    count = len(context.sessions)
    return DataFrame(
        {
            "session_id": np.repeat(context.sessions["session_id"].to_numpy(), 10),
            "product_id": np.tile(np.arange(1, 11), count),
            "rank": np.tile(np.arange(1, 11), count),
            "score": 0.5,
        }
    )


def call_some(customers):
    count = len(customers)
    return DataFrame(
        {
            "customerID": customers["customerID"],
            "churn_probability": np.linspace(0, 1, count),
            "call": np.arange(count) % 3 == 0,
        }
    )


def make(world, incidents, **sizes):
    if world == "shop":
        return Shop(**{"customers": 120, "products": 60, "seed": 3, **sizes}, incidents=incidents)
    return Operator(**{"subscribers": 120, "seed": 3, **sizes}, incidents=incidents)


@cache
def lived(world, **sizes):
    return make(world, (), **sizes)


def planned(world, incidents, **sizes):
    """Return a world that has lived through its history already, with other incidents to come.

    None reaches back (tests below), so this spares the tests dozens of histories. Only a launch
    wave is drawn with the products.
    """
    one = copy.copy(lived(world, **sizes))
    record, schedule = one.hidden, Schedule(incidents, world)
    if world == "shop":
        one._record = replace(record, market=replace(record.market, schedule=schedule))
    else:
        one._record = replace(record, schedule=schedule)
    return one


class Year:
    """A world played with a fixed policy: what was seen, stored on the first day, and given."""

    def __init__(self, world, incidents=(), months=MONTHS, start=make, **sizes):
        self.world = start(world, incidents, **sizes)
        self.truth = WORLDS[world][1](self.world)
        self.history = self.world.history()
        self.seen, self.given, self.stored = {}, {}, {}
        self._is_shop = world == "shop"
        for month in range(1, months + 1):
            self.seen[month] = self.world.play(month, lambda c, month=month: self._note(month, c))
            self.stored[month] = self._first_day(month)
        self.touched = {month: self.truth.touched(month) for month in self.seen}

    def _note(self, month, context):
        if self._is_shop:
            names = ["sessions", "products", "customers"]
            self.given[month] = {name: getattr(context, name).copy() for name in names}
            return first_ten(context)
        self.given[month] = {"customers": context.copy()}
        return call_some(context)

    def _first_day(self, month):
        if self._is_shop:
            return {
                "products": self.world.products(month),
                "customers": self.world.customers(month),
            }
        return {}

    def tables(self, month):
        """Return all that is stored of a month."""
        return {**self.seen[month], **self.stored[month]}


@cache
def quiet(world):
    return Year(world)


def loud(name, world, size=None):
    """Return the year with one incident; the same object whenever it is asked for."""
    return _loud(name, world, size)


@cache
def _loud(name, world, size):
    incidents = (Incident(name, FIRST, size, LAST),)
    return Year(world, incidents, start=planned if name in (*RECORDS, *SERVICE) else make)


@cache
def everything(world, sizes):
    """Return a world with every record incident at once, all of them small or all large."""
    changed = SMALLER if sizes == "small" else LARGER
    usual = 0.1 if sizes == "small" else 1.0
    names = [name for name, at in everywhere(RECORDS) if at == world]
    return Year(world, [Incident(name, FIRST, changed.get(name, usual), LAST) for name in names])


def same(one, other):
    """Return whether two sets of tables are equal to the last value, type and order of columns."""
    return one.keys() == other.keys() and all(one[name].equals(other[name]) for name in one)


def differences(true, found, keys):
    """Compare two tables row by row: {(key, place among equals, column, change): true text}."""
    rows = [numbered(table, keys) for table in (true, found)]
    gone, come = rows[0].index.difference(rows[1].index), rows[1].index.difference(rows[0].index)
    marks = {(row, "", "removed"): None for row in gone} | {
        (row, "", "added"): None for row in come
    }
    both = rows[0].index.intersection(rows[1].index)
    renamed = [column for column in true if column not in found]
    for column in renamed:
        here = rows[0].loc[both, column]
        marks |= {(row, column, "changed"): text(value) for row, value in here.items()}
    for column in [column for column in found if column not in true and not renamed]:
        marks |= {(row, column, "added"): None for row in both}
    for column in [column for column in true if column in found and column not in keys]:
        here, there = (table.loc[both, column] for table in rows)
        other = (here != there) & ~(here.isna() & there.isna())
        marks |= {(row, column, "changed"): text(value) for row, value in here[other].items()}
    return marks


def numbered(table, keys):
    """Index a table by its key and the number of the row among those with the same key."""
    number = table.groupby(keys).cumcount().rename("copy")
    return table.set_index([*(table[key] for key in keys), number])


def told(touched, keys):
    """Write what the truth tells in the form of `differences`."""
    marks = {}
    for row in touched.itertuples(index=False):
        key = tuple(getattr(row, name) for name in keys)
        copy = 1 if row.change == "added" and row.incident == "double_delivery" else 0
        value = row.true_value if row.change == "changed" and pd.notna(row.true_value) else None
        marks[((*key, copy), row.column, row.change)] = value
    return marks


def text(value):
    return None if pd.isna(value) else str(value)


@pytest.mark.parametrize(("name", "world"), in_one_world(KINDS.index))
def test_nothing_happens_before_the_first_month(name, world):
    year = loud(name, world)
    for month in range(1, FIRST):
        assert same(year.tables(month), quiet(world).tables(month))
        assert same(year.given[month], quiet(world).given[month])
        assert year.touched[month] == {}


@pytest.mark.parametrize(("name", "world"), in_one_world(BEHAVIOUR))
def test_no_change_of_behaviour_reaches_back_into_the_history(name, world):
    assert same(loud(name, world).history, quiet(world).history)


@pytest.mark.parametrize("world", ["shop", "operator"])
def test_what_happens_to_records_does_not_reach_back_into_the_history(world):
    assert same(everything(world, "small").history, quiet(world).history)


@pytest.mark.parametrize("world", ["shop", "operator"])
def test_what_starts_in_month_one_does_not_reach_back_either(world):
    every = [Incident(name, 1) for name, at in everywhere(KINDS.index) if at == world]
    assert same(make(world, every).history(), quiet(world).history)


@pytest.mark.parametrize(("name", "world"), in_one_world(RECORDS))
def test_the_truth_names_exactly_the_rows_that_differ_from_a_quiet_world(name, world):
    year, twin = loud(name, world, WIDER.get(name)), quiet(world)
    some = False
    for month in range(1, MONTHS + 1):
        touched, tables = year.touched[month], year.tables(month)
        for table, true in twin.tables(month).items():
            if table == "given":  # what was given is held against the truth below
                continue
            if table in touched:
                keys = KEYS[world][table]
                found = differences(true, tables[table], keys)
                assert found == told(touched[table], keys)
                assert found
                some = True
            else:
                assert same({table: tables[table]}, {table: true})
    assert some or name == "training_serving_skew"


@pytest.mark.parametrize(("name", "world"), in_one_world(RECORDS))
def test_a_decide_is_given_what_is_stored_but_for_the_rows_that_the_truth_names(name, world):
    year, twin = loud(name, world, WIDER.get(name)), quiet(world)
    for month in range(1, MONTHS + 1):
        touched, tables = year.touched[month], year.tables(month)
        asked = "sessions" if world == "shop" else "customers"
        assert same({"given": tables["given"]}, {"given": year.given[month][asked]})
        for table, given in year.given[month].items():
            keys = KEYS[world][table]
            if f"given.{table}" in touched:
                assert differences(twin.given[month][table], given, keys) == told(
                    touched[f"given.{table}"], keys
                )
            elif name not in ("target_leak", "bot_traffic"):
                assert same({table: given}, {table: tables[table]})
            else:  # what is only stored when the month is over, or never asks the model
                assert same({table: given}, {table: twin.given[month][table]})
    is_given = any(table.startswith("given.") for table in year.touched[FIRST])
    assert is_given == (name in ("training_serving_skew", "target_leak"))


@pytest.mark.parametrize(("name", "world"), in_one_world(RECORDS))
def test_it_is_over_after_the_last_month(name, world):
    year, twin = loud(name, world), quiet(world)
    if name != "label_delay":
        for month in range(LAST + 1, MONTHS + 1):
            assert same(year.tables(month), twin.tables(month))
            assert same(year.given[month], twin.given[month])
            assert year.touched[month] == {}
    else:  # what was held back comes later, once
        for table in ("ratings", "returns") if world == "shop" else ("labels",):
            all_rows = [
                pd.concat([one.seen[month][table] for month in one.seen]).drop(columns="known_at")
                for one in (year, twin)
            ]
            counts = [rows.value_counts().sort_index() for rows in all_rows]
            pd.testing.assert_series_equal(*counts)
            assert not same({0: year.seen[FIRST][table]}, {0: twin.seen[FIRST][table]})


@pytest.mark.parametrize(("name", "world"), in_one_world(RECORDS))
def test_a_larger_one_touches_more(name, world):
    counts = []
    for year in (everything(world, "small"), everything(world, "large")):
        if name == "target_leak":  # every row has the column; more of them tell
            table, column = LEAKS[world]
            counts.append(year.seen[FIRST][table][column].isin([True, "Yes"]).sum())
            continue
        rows = pd.concat([*year.touched[FIRST].values(), *year.touched[LAST].values()])
        rows = rows[rows["incident"].eq(name)]
        counts.append(len(rows if name != "label_delay" else rows[rows["change"].eq("removed")]))
    if name == "clock_skew":  # the machine is the same, its clock is worse
        assert min(counts) > 0
    else:
        assert counts[0] < counts[1]


@pytest.mark.parametrize("world", ["shop", "operator"])
def test_a_clock_is_behind_by_as_many_hours_as_the_size_says(world):
    table, column = ("clicks", "clicked_at") if world == "shop" else ("requests", "sent_at")
    for hours in (5, 20):
        year = loud("clock_skew", world, hours)
        late = quiet(world).seen[FIRST][table][column] - year.seen[FIRST][table][column]
        assert set(late) == {pd.Timedelta(0), pd.Timedelta(hours=hours)}
        assert 0.1 < late.gt(pd.Timedelta(0)).mean() < 0.5


def test_prices_of_some_brands_are_a_hundred_times_as_large_and_all_others_right():
    year, twin = loud("price_in_cents", "shop"), quiet("shop")
    told_brands = year.truth.incidents().loc[0, "affected"].split("brands ")[1].split(", ")
    for month in (FIRST, LAST):
        products = twin.stored[month]["products"]
        factor = year.stored[month]["products"]["price_eur"] / products["price_eur"]
        assert (factor == np.where(products["brand"].isin(told_brands), 100, 1)).all()
        orders = year.seen[month]["orders"].merge(products, on="product_id", suffixes=("", "_list"))
        factor = orders["price_eur"] / orders["price_eur_list"]
        assert (factor == np.where(orders["brand"].isin(told_brands), 100, 1)).all()
        assert 0 < len(told_brands) < products["brand"].nunique()


def test_invoices_of_some_towers_are_in_cents():
    year = loud("price_in_cents", "operator")
    told_towers = year.truth.incidents().loc[0, "affected"].split("towers ")[1].split(", ")
    people = pd.concat([year.history["subscribers"], *(t["joined"] for t in year.seen.values())])
    tower = people.drop_duplicates("customerID").set_index("customerID")["tower_id"]
    invoices = year.seen[FIRST]["invoices"]
    charges = year.seen[FIRST]["customers"].set_index("customerID")["MonthlyCharges"].astype(float)
    ratio = invoices["amount_eur"] / invoices["customerID"].map(charges)
    there = invoices["customerID"].map(tower).isin(told_towers)
    # What is used beyond the tariff makes a bill several times as large, never fifty times.
    assert (ratio > 50).eq(there)[ratio.notna()].all()
    assert there.any()


def test_a_remapped_skin_type_keeps_its_way_of_spelling_and_is_another_type():
    year, twin = loud("remapped_code", "shop"), quiet("shop")
    true, found = (one.stored[FIRST]["customers"]["skin_type"] for one in (twin, year))
    assert (true != found)[true.notna()].all()
    assert found.isna().equals(true.isna())
    assert set(zip(true.dropna(), found.dropna(), strict=True)) >= {("dry", "normal"), ("Oily", "Combination")}  # fmt: skip
    assert set(found.dropna()) <= set(year.history["customers"]["skin_type"].dropna())


def test_a_remapped_payment_method_is_still_one_of_the_four():
    year, twin = loud("remapped_code", "operator"), quiet("operator")
    for column, kinds in [("PaymentMethod", 4), ("InternetService", 3)]:
        pairs = set(zip(twin.seen[FIRST]["customers"][column], year.seen[FIRST]["customers"][column], strict=True))  # fmt: skip
        assert len(pairs) == kinds == len({found for _, found in pairs})
        assert all(true != found for true, found in pairs)


@pytest.mark.parametrize("world", ["shop", "operator"])
@pytest.mark.parametrize("name", ["dead_feed", "full_disk"])
def test_a_feed_lives_until_the_onset_and_is_dead_from_then_on(name, world):
    year, twin = loud(name, world, 1.0 if name == "dead_feed" else 0.5), quiet(world)
    onset = year.truth.incidents().loc[0, "onset"]
    table, time = ("clicks", "clicked_at") if world == "shop" else ("usage", "used_on")
    true, found = twin.seen[FIRST][table], year.seen[FIRST][table]
    begun = true["session_id"].map(twin.seen[FIRST]["sessions"].set_index("session_id")["started_at"]) if world == "shop" else true[time]  # fmt: skip
    begun = begun if name == "full_disk" else true[time]
    lives = true[(begun < onset).to_numpy()]
    pd.testing.assert_frame_equal(found, lives.reset_index(drop=True))
    assert 0 < len(lives) < len(true)
    if name == "dead_feed":
        assert year.seen[LAST][table].empty


def test_robots_click_everything_at_once_and_order_nothing():
    year, twin = loud("bot_traffic", "shop"), quiet("shop")
    seen, people = year.seen[FIRST], twin.seen[FIRST]
    robots = set(seen["sessions"]["session_id"]) - set(people["sessions"]["session_id"])
    assert 0.2 < len(robots) / len(people["sessions"]) < 0.4
    clicks = seen["clicks"][seen["clicks"]["session_id"].isin(robots)].groupby("session_id")
    assert clicks.size().eq(10).all()
    assert clicks["clicked_at"].nunique().eq(1).all()
    assert not seen["orders"]["session_id"].isin(robots).any()
    assert len(seen["telemetry"]) == len(seen["sessions"]) == len(seen["impressions"]) / 10


def test_a_leaking_column_reveals_the_outcome_where_it_is_stored_and_nothing_when_it_is_given():
    shop, operator = (loud("target_leak", world, 1.0) for world in ("shop", "operator"))
    sessions = shop.seen[FIRST]["sessions"]
    bought = sessions["session_id"].isin(shop.seen[FIRST]["orders"]["session_id"])
    assert sessions["thank_you_page"].equals(bought)
    assert not shop.given[FIRST]["sessions"]["thank_you_page"].any()
    customers = operator.seen[FIRST]["customers"].set_index("customerID")["FinalBillSent"]
    labels = operator.seen[FIRST + 1]["labels"].set_index("customerID")["churned"]
    assert customers.eq("Yes").equals(labels)
    assert set(operator.given[FIRST]["customers"]["FinalBillSent"]) == {"No"}


def test_a_model_is_given_tenure_in_years_and_net_prices():
    operator, shop = (loud("training_serving_skew", world) for world in ("operator", "shop"))
    months = operator.seen[FIRST]["customers"]["tenure"].astype(int)
    years = operator.given[FIRST]["customers"]["tenure"].astype(int)
    assert (years == (months / 12).round()).all()
    stored, given = shop.stored[FIRST]["products"], shop.given[FIRST]["products"]
    assert (stored["price_eur"] / given["price_eur"]).sub(1.19).abs().max() < 0.01
    assert given["suits"].isna().all()
    assert not set(given["brand"]) & set(stored["brand"])


def test_labels_are_later_by_ten_more_days_each_month():
    year, twin = loud("label_delay", "operator"), quiet("operator")
    label = ["customerID", "scored_on"]
    usual = pd.concat([twin.seen[month]["labels"] for month in twin.seen])
    came = pd.concat([year.seen[month]["labels"] for month in year.seen]).merge(usual, on=label)
    late, first = came["known_at_x"] - came["known_at_y"], came["known_at_y"]
    start = pd.Timestamp("2025-01-31") + pd.to_timedelta([0, 30, 60], unit="D")
    months = (first >= start[0]).astype(int) + (first >= start[1]) - 2 * (first >= start[2])
    assert (late == pd.to_timedelta(10 * months, unit="D")).all()
    assert set(months) == {0, 1, 2}
    much = loud("label_delay", "operator", 25)  # 50 days in month 3
    lengths = [len(much.seen[month]["labels"]) for month in range(1, MONTHS + 1)]
    whole = len(twin.seen[FIRST]["labels"])
    assert 0 < lengths[1] < 0.4 * whole
    assert lengths[2] == whole - lengths[1], "what was due in the second month, and nothing else"
    assert lengths[3] > len(twin.seen[MONTHS]["labels"]) * 0.9


@pytest.mark.parametrize("world", ["shop", "operator"])
def test_slow_answers_time_out_and_the_month_goes_on_without_them(world):
    year = loud("slow_model", world, 100)
    table = "telemetry" if world == "shop" else "requests"
    for month in range(1, MONTHS + 1):
        requests, usual = (one.seen[month][table] for one in (year, quiet(world)))
        slow = 100 if FIRST <= month <= LAST else 1
        # Whoever found nothing comes less often later; whoever was not called may leave.
        if world == "operator" or month <= FIRST:
            key = "session_id" if world == "shop" else "customerID"
            ratio = requests.set_index(key)["latency_ms"] / usual.set_index(key)["latency_ms"]
            assert ratio.notna().mean() > 0.5
            assert ratio.sub(slow).abs().max() < 0.05 * slow
        late = requests["latency_ms"] > 1000
        assert requests["status"].eq(504).equals(late)
        assert late.any() == (slow > 1)
        assert year.touched[month] == {}  # what is written down is true
        if world == "shop":
            lists = year.seen[month]["impressions"].groupby("session_id")
            usual_list = lists["product_id"].agg(tuple).isin([tuple(range(1, 11))])
            assert usual_list.to_numpy().tolist() == (~late).tolist()
            assert lists["score"].first().isna().to_numpy().tolist() == late.tolist()
        else:
            called = year.seen[month]["calls"]["customerID"]
            asked = call_some(year.given[month]["customers"])["call"].to_numpy()
            assert set(called) == set(requests.loc[asked & ~late, "customerID"])


def test_the_fallback_list_is_what_sold_best_in_the_old_window():
    year = loud("slow_model", "shop", 1000)
    shown = year.seen[FIRST]["impressions"].groupby("session_id")["product_id"].agg(tuple)
    assert len(set(shown)) == 1
    orders = year.history["orders"]
    age = 12 * (2024 - orders["ordered_at"].dt.year) + 9 - orders["ordered_at"].dt.month
    recent = (0.7**age).groupby(orders["product_id"]).sum().sort_values(ascending=False)
    assert recent[list(shown.iloc[0])].tolist() == pytest.approx(recent.head(10).tolist())


def test_slower_answers_leave_more_customers_without_the_model():
    late = [loud("slow_model", "shop", size).seen[FIRST]["telemetry"]["status"].eq(504).sum() for size in (10, 40, 100)]  # fmt: skip
    assert 0 < late[0] < late[1] < late[2]


@pytest.mark.parametrize(("name", "world"), in_one_world([*BEHAVIOUR, *SERVICE]))
def test_a_change_of_behaviour_or_service_shows_from_its_month_on_and_touches_no_row(name, world):
    year = loud(name, world)
    assert not same(year.tables(FIRST), quiet(world).tables(FIRST))
    assert all(year.touched[month] == {} for month in year.touched)


@cache
def expectations(name, size=None, first=3, until=None, months=5):
    """Return the expected accuracy of a fixed list, month by month, in a shop of 1,000 customers."""
    incidents = () if name is None else (Incident(name, first, size, until),)
    start = make if name == "launch_wave" else planned
    shop = start("shop", incidents, customers=500, products=100)
    truth, accuracies = ShopTruth(shop), []
    best = np.argsort(-truth.products()["appeal"].head(100).to_numpy(), kind="stable")[:10] + 1
    for month in range(1, months + 1):
        decide = lambda c: first_ten(c).assign(product_id=np.tile(best, len(c.sessions)))  # noqa: E731
        accuracies.append(truth.expected_accuracy(month, decide))
        shop.play(month, decide)
    return np.array(accuracies)


@pytest.mark.parametrize("name", ["launch_wave", "price_rise"])
def test_a_drop_comes_in_its_own_month_and_a_larger_one_is_deeper(name):
    calm, small, large = expectations(None), expectations(name, 0.1), expectations(name, 0.3)
    assert np.ptp(calm) < 0.03
    assert (small[:2] == calm[:2]).all()
    assert (large[:2] == calm[:2]).all()
    assert calm[3] - small[3] > 0.02
    assert small[3] - large[3] > 0.02
    later = expectations(name, 0.3, first=4)
    assert (later[:3] == calm[:3]).all()
    assert calm[4] - later[4] > 0.04


def test_after_a_price_rise_prices_and_customers_are_as_before():
    year, twin = loud("price_rise", "shop"), quiet("shop")
    true, found = (one.stored[FIRST]["products"]["price_eur"] for one in (twin, year))
    assert (found / true).sub(1.15).abs().max() < 0.003
    paid = year.seen[FIRST]["orders"].merge(year.stored[FIRST]["products"], on="product_id")
    assert (paid["price_eur_x"] == paid["price_eur_y"]).all()
    after = LAST + 1
    assert year.stored[after]["products"].equals(twin.stored[after]["products"])
    ended = expectations("price_rise", 0.3, until=3)
    assert abs(ended[3] - expectations(None)[3]) < 0.02


def test_launches_of_a_wave_come_in_its_months_only_and_are_as_many_as_its_size_says():
    def launches(incidents):
        story, schedule = draw_products(60, 3), Schedule(incidents, "shop")
        products = shop_incidents.planned_launches(story, 60, 3, schedule)
        months = products.public["launched_on"].dt.to_period("M").astype(str)
        return months[products.new_generation].value_counts().to_dict()

    assert launches(()) == {}
    assert launches(SHOP_STORY) == {"2024-11": 6, "2024-12": 6}
    assert launches((Incident("launch_wave", 5, 0.3),)) == {"2025-02": 18, "2025-03": 18}
    assert launches((Incident("launch_wave", 2, 0.1, 2),)) == {"2024-11": 6}


def sun_share(year, month):
    """Return the share of sun care in what is bought."""
    orders = year.seen[month]["orders"].merge(year.history["products"], on="product_id")
    return orders["category"].eq("sun care").mean()


def test_spring_comes_early_or_late_and_a_larger_one_is_more_of_a_spring():
    plans = [(), (Incident("season", 3),), (Incident("season", 3, 3.0),), (Incident("season", 7, 1.0),)]  # fmt: skip
    calm, early, strong, late = (
        Year("shop", incidents, months, planned, customers=2_000, products=100)
        for incidents, months in zip(plans, (6, 3, 3, 7), strict=True)
    )
    assert sun_share(calm, 6) > 1.5 * sun_share(calm, 3)
    assert sun_share(early, 3) > 1.5 * sun_share(calm, 3)
    assert sun_share(strong, 3) > 1.2 * sun_share(early, 3)
    # A late spring is missed from month 6 on, when it fails to come.
    assert all(same(late.tables(month), calm.tables(month)) for month in range(1, 6))
    assert sun_share(late, 6) < 0.7 * sun_share(calm, 6)
    assert sun_share(late, 7) > 1.5 * sun_share(late, 6)
    onset = late.truth.incidents().loc[0, "onset"]
    assert onset == pd.Timestamp("2025-03-01")


def test_the_list_that_replaces_the_search_feeds_on_itself():
    found = {}
    for size in (None, 0.3, 0.9):
        plan = [] if size is None else [Incident("feedback_loop", FIRST, size, LAST)]
        year = Year("shop", plan, start=planned)
        orders = pd.concat([year.seen[month]["orders"] for month in (FIRST, LAST)])
        clicks = pd.concat([year.seen[month]["clicks"] for month in (FIRST, LAST)])
        found[size] = (orders["channel"].eq("search").sum(), clicks["rank"].mean())
    searches, ranks = zip(*found.values(), strict=True)
    assert searches[0] > searches[1] > 2 * searches[2] > 0
    assert ranks[0] > ranks[1] > ranks[2]


def test_a_new_goal_brings_scores_and_sustainable_products_are_wanted_more():
    year = loud("new_goal", "shop")
    has = ["sustainability" in year.stored[month]["products"] for month in range(1, MONTHS + 1)]
    assert has == [False, True, True, False]
    gains = []
    for size in (0.1, 1.0, 3.0):
        shop = planned("shop", (Incident("new_goal", 1, size),))
        truth, green = ShopTruth(shop), shop.products(1)["sustainability"].to_numpy()
        best = [np.argsort(order, kind="stable")[:10] + 1 for order in (-green, green)]
        lists = [lambda c, ids=ids: first_ten(c).assign(product_id=np.tile(ids, len(c.sessions))) for ids in best]  # fmt: skip
        high, low = (truth.expected_accuracy(1, decide) for decide in lists)
        gains.append(high - low)
    assert gains[0] < gains[1] < gains[2]


def test_a_competitor_moves_in_its_own_month_as_hard_as_its_size_says_and_can_give_up():
    def accuracies(months, *incidents):
        """Return by month how right it is to expect that everybody stays."""
        year = Year("operator", incidents, months, subscribers=500)
        stays = {m: given["customers"][["customerID"]] for m, given in year.given.items()}
        return [year.truth.expected_accuracy(m, stays[m].assign(churn_probability=0.0)) for m in stays]  # fmt: skip

    calm, late = accuracies(7), accuracies(7, Incident("competitor", 7))
    story, gone = accuracies(5, *OPERATOR_STORY), accuracies(5, Incident("competitor", 4, until=4))
    half = accuracies(4, Incident("competitor", 4, 0.5))
    assert np.ptp(calm) < 0.08
    assert story[:3] == calm[:3] == half[:3]
    assert late[:6] == calm[:6]
    assert calm[3] > half[3] + 0.01 > story[3] + 0.09
    assert calm[6] > late[6] + 0.1
    assert gone[:4] == story[:4]
    assert gone[4] > story[4] + 0.05


def test_the_drift_of_the_operator_follows_the_schedule():
    world = planned("operator", (Incident("competitor", 5, 0.5, 6),))
    drift = OperatorTruth(world).drift()
    assert drift.index[drift["cause"].eq("competitor")].tolist() == [5, 6]
    full = OperatorTruth(planned("operator", OPERATOR_STORY)).drift().loc[4]
    logits = [name for name in drift if name.endswith("logit") and name != "all_logit"]
    assert (2 * drift.loc[5, logits] == full[logits]).all()


def test_a_price_rise_is_on_the_bills_of_fibre_customers_and_drives_them_away():
    rises = {size: Year("operator", (Incident("price_rise", 3, size, 4),), months=5) for size in (0.1, 0.5)}  # fmt: skip
    calm = quiet("operator")
    leaves = []
    for size, year in rises.items():
        for month, factor in [(2, 1), (3, 1 + size), (5, 1)]:
            customers = year.seen[month]["customers"].set_index("customerID")
            fibre = customers["InternetService"].eq("Fiber optic")
            base = year.seen[1]["customers"].set_index("customerID")["MonthlyCharges"].astype(float)
            ratio = (customers["MonthlyCharges"].astype(float) / base).dropna()
            assert (ratio - np.where(fibre[ratio.index], factor, 1)).abs().max() < 0.001
        leaves.append(year.truth.customers(3)["churn_probability"].mean())
        paid = year.seen[4]["payments"].merge(year.seen[3]["invoices"], on=["customerID", "issued_on"])  # fmt: skip
        assert len(paid) > 30
        assert (paid["amount_eur_x"] == paid["amount_eur_y"]).all()
        drift = year.truth.drift()
        assert drift["fiber_logit"].gt(0).tolist() == [3 <= month <= 4 for month in range(1, 13)]
    assert calm.truth.customers(3)["churn_probability"].mean() < leaves[0] < leaves[1]


def test_totals_still_add_up_from_the_bills_after_a_price_rise():
    year = loud("price_rise", "operator")
    first, last = (year.seen[m]["customers"].set_index("customerID") for m in (1, 4))
    both = first.index.intersection(last.index)
    both = both[first.loc[both, "TotalCharges"].ne(" ")]
    totals = [t.loc[both, "TotalCharges"].astype(float) for t in (last, first)]
    bills = pd.concat([year.seen[m]["invoices"] for m in (1, 2, 3, 4)]).set_index("customerID")
    days = [t["scored_at"].dt.floor("D").reindex(bills.index) for t in (first, last)]
    between = bills[(bills["issued_on"] > days[0]) & (bills["issued_on"] <= days[1])]
    billed = between["amount_eur"].groupby(level=0).sum()
    assert len(both) > 30
    assert (totals[0] - totals[1] - billed[both]).abs().max() < 0.02


@pytest.mark.parametrize("world", ["shop", "operator"])
def test_the_default_is_the_story_and_an_empty_list_is_a_quiet_world(world):
    make_one, truth, story = WORLDS[world]
    sizes = {"seed": 2, **TINY[world]}
    names = truth(make_one(**sizes)).incidents()["name"].tolist()
    assert names == [one.name for one in story]
    quiet_truth = truth(make_one(**sizes, incidents=[]))
    empty = quiet_truth.incidents()
    assert empty.empty
    assert list(empty.columns) == ["name", "month", "until", "size", "onset", "evidence_from", "repaired_from", "affected", "what", "cause", "reopen"]  # fmt: skip
    causes = quiet_truth.drift()["cause"]
    assert set(causes) == ({"season"} if world == "shop" else {"none"})


def test_the_stories_are_data():
    assert list(SHOP_STORY) == [Incident("launch_wave", 2, until=3), Incident("new_goal", 9)]
    assert list(OPERATOR_STORY) == [Incident("competitor", 4, 1.0, 12)]


def test_drift_of_the_shop_follows_the_schedule():
    shop = make("shop", (Incident("new_goal", 4), Incident("season", 7), Incident("double_delivery", 2)))  # fmt: skip
    drift = ShopTruth(shop).drift()
    assert drift[["month", "cause", "reopen"]].to_numpy().tolist() == [
        [4, "goal", "Problem Definition"], [7, "season", "Data Preparation"]
    ]  # fmt: skip
    every = [Incident(name, 3) for name, at in everywhere(BEHAVIOUR) if at == "shop"]
    truth = ShopTruth(make("shop", every))
    assert sorted(truth.drift()["reopen"]) == sorted(truth.incidents()["reopen"])


@pytest.mark.parametrize(("name", "world"), in_one_world(KINDS.index))
def test_the_truth_tells_what_since_when_and_which_stage_to_reopen(name, world):
    row = loud(name, world).truth.incidents().loc[0]
    assert (row["name"], row["month"], row["until"], row["size"]) == (name, FIRST, LAST, KINDS.loc[name, "size"])  # fmt: skip
    begins = {"shop": "2024-11-01", "operator": "2025-01-31"}[world]
    assert pd.Timestamp(begins) <= row["onset"] < pd.Timestamp(begins) + pd.Timedelta(days=30)
    assert row["reopen"] == Cause[row["cause"]].reopens.title == KINDS.loc[name, "reopen"]
    assert row["affected"]
    assert "{" not in row["affected"]


def test_touched_rows_are_told_of_played_months_only():
    for world in WORLDS:
        with pytest.raises(ValueError, match="play it first"):
            quiet(world).truth.touched(MONTHS + 1)


def all_records(world):
    names = [name for name, at in everywhere([*RECORDS, *SERVICE]) if at == world]
    return [Incident(name, 2 + place % 3, until=11) for place, name in enumerate(names)]


@pytest.mark.parametrize("world", ["shop", "operator"])
def test_the_smallest_worlds_survive_everything_at_once(world):
    sizes = {"customers": 1, "products": 10} if world == "shop" else {"subscribers": 1}
    every = [Incident(name, 2) for name, at in everywhere(KINDS.index) if at == world]
    year = Year(world, every, months=5, **sizes)
    assert set(year.truth.incidents()["name"]) == {one.name for one in every}


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bytes_in_a_fresh_process():
    code = (
        "import test_incidents as t; print([t.table_hashes(y.tables(m)) for w in t.WORLDS "
        "for y in [t.Year(w, t.all_records(w), months=3, **t.TINY[w])] for m in y.seen])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=os.path.dirname(__file__), capture_output=True, text=True,
        check=True, timeout=120, env={**os.environ, "PYTHONHASHSEED": "2", "OMP_NUM_THREADS": "2"},
    )  # fmt: skip
    years = [Year(world, all_records(world), months=3, **TINY[world]) for world in WORLDS]
    here = [table_hashes(year.tables(month)) for year in years for month in year.seen]
    assert ran.stdout == f"{here}\n"


@pytest.mark.parametrize("world", ["shop", "operator"])
def test_a_refused_decide_leaves_no_trace_whatever_goes_wrong_elsewhere(world):
    def spoil(given):
        table = given.products if world == "shop" else given
        table[table.columns[1]] = "spoilt"
        raise KeyError("price_eur")

    decide = first_ten if world == "shop" else call_some
    tried, untouched = (planned(world, all_records(world)) for _ in range(2))
    for month in range(1, 5):
        with pytest.raises(CannotPlay, match="KeyError"):
            tried.play(month, spoil)
        with pytest.raises(CannotPlay):
            tried.play(month, lambda given: decide(given).iloc[:, 1:])
        assert same(tried.play(month, decide), untouched.play(month, decide))


def test_a_month_of_the_shop_is_not_played_within_another():
    shop, twin = planned("shop", ()), planned("shop", ())
    with pytest.raises(CannotPlay, match="within another"):
        shop.play(1, lambda context: shop.play(1, first_ten))
    assert same(shop.play(1, first_ten), twin.play(1, first_ten))


def test_every_kind_is_drawn_and_every_draw_fits_its_world():
    drawn = [incident(seed) for seed in range(501)]
    assert {one.name for one in drawn} == set(KINDS.index)
    assert {one.month for one in drawn} == set(range(2, 11))
    assert drawn == [incident(seed) for seed in range(501)]
    for world in WORLDS:
        names = {incident(seed, world).name for seed in range(501)}
        assert names == {name for name, at in everywhere(KINDS.index) if at == world}
        assert all(Schedule([incident(seed, world)], world).incidents for seed in range(501))


def test_the_table_lists_twenty_kinds_with_a_usual_size_in_their_range():
    table = incident_table()
    assert len(table) == table["name"].nunique() == 20
    assert table["size"].between(table["smallest"], table["largest"]).all()
    assert set(table["worlds"]) == {"shop", "operator", "both"}
    assert [Cause[cause].reopens.title for cause in table["cause"]] == table["reopen"].tolist()
    assert not table.isna().any(axis=None)


BAD = [
    (("competiter", 4), "did you mean 'competitor'"),
    (("", 4), "no incident is named ''. There are launch_wave, season"),
    ((None, 4), "no incident is named None. There are launch_wave"),
    ((5, 4), "no incident is named 5. There are"),
    (("coffee machine", 4), "no incident is named 'coffee machine'. There are"),
    (("price in cents", 4), "did you mean 'price_in_cents'?"),
    (("competitor", 0), "month of competitor is a whole number from 1 to 12; got 0"),
    (("competitor", np.int64(13)), "got 13:"),
    (("competitor", 4, np.float64("nan")), "got nan:"),
    (("competitor", 4.0), "got 4.0"),
    (("competitor", True), "got True"),
    (("competitor", None), "got None"),
    (("competitor", 4, 1.0, 3), "until of competitor is a whole number from 4 to 12; got 3"),
    (("competitor", 4, 1.0, 13), "got 13"),
    (("competitor", 4, 9), "from 0.2 to 2; got 9"),
    (("competitor", 4, 0), "got 0"),
    (("competitor", 4, float("nan")), "got nan"),
    (("competitor", 4, True), "got True"),
    (("competitor", 4, "1"), "got '1'"),
    (("renamed_column", 4, 1.5), "whole number from 1 to 3; got 1.5"),
]


@pytest.mark.parametrize(("arguments", "says"), BAD)
def test_what_is_no_incident_is_refused_in_a_sentence(arguments, says):
    with pytest.raises(CannotPlay) as refused:
        Incident(*arguments)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("world", "incidents", "says"),
    [
        (
            "shop",
            [Incident("competitor", 4)],
            "happens to the operator only; this world is the shop",
        ),
        ("operator", [Incident("season", 4)], "happens to the shop only"),
        ("shop", [Incident("season", 4), Incident("season", 5)], "season twice"),
        ("shop", Incident("season", 4), "a list of Incident"),
        ("operator", "competitor", "a list of Incident"),
        ("operator", ["competitor"], "got 'competitor'"),
        ("operator", None, "a list of Incident"),
    ],
)
def test_a_world_takes_only_incidents_that_can_happen_in_it(world, incidents, says):
    with pytest.raises(CannotPlay, match=says):
        make(world, incidents)


@pytest.mark.parametrize(("seed", "world"), [(-1, None), (1.5, None), (True, None), (1, "bank")])
def test_a_draw_needs_a_seed_and_a_world(seed, world):
    with pytest.raises(CannotPlay):
        incident(seed, world)


def test_a_schedule_is_off_outside_its_months():
    schedule = Schedule([Incident("full_disk", 6)], "shop")
    assert [schedule.size("full_disk", month) for month in (-3, 5, 6, 7)] == [0, 0, 0.5, 0]
    assert schedule.get("season") is None


QUICK = [("bot_traffic", "shop"), ("bad_release", "operator")]


def a_few(names):
    """Return the pairs of a kind and a world as parameters: a few always, the others under `--all`."""
    return [
        pytest.param(*pair, marks=[pytest.mark.slow] * (pair not in QUICK))
        for pair in everywhere(names)
    ]


def evenings(world, incidents, months=FIRST, between=lambda world, month, day: None, **sizes):
    """Play months in days; return the world, the evenings by month and day, and the months' tables."""
    one = planned(world, incidents, **sizes)
    decide = first_ten if world == "shop" else call_some_alone
    seen, whole = {}, {}
    for number in range(1, months + 1):
        month = one.days(number)
        for day in month:
            seen[number, day.number] = day.play(decide)
            between(one, number, day.number)
        whole[number] = month.tables
    return one, seen, whole


def call_some_alone(customers):
    """Decide about each customer alone, whoever else is asked about."""
    lots = customers["customerID"].str[:4].astype(int)
    return DataFrame(
        {
            "customerID": customers["customerID"],
            "churn_probability": lots / 1e4,
            "call": lots % 3 == 0,
        }
    )


@pytest.mark.parametrize(("name", "world"), a_few([*RECORDS, *SERVICE]))
def test_the_evenings_of_a_month_hold_the_rows_of_the_month(name, world):
    plan = (Incident(name, FIRST, WIDER.get(name), LAST),)
    _, seen, whole = evenings(world, plan)
    decide = first_ten if world == "shop" else call_some_alone
    twin = planned(world, plan)
    for month in whole:
        assert same(whole[month], twin.play(month, decide))
        for table, rows in whole[month].items():
            parts = [tables[table] for (m, _), tables in seen.items() if m == month]
            union = pd.concat([part for part in parts if len(part)] or parts[:1])
            order = list(rows)
            assert (
                union[order].astype(str).sort_values(order).to_numpy().tolist()
                == rows.astype(str).sort_values(order).to_numpy().tolist()
            ), table


@cache
def calm_evenings(world):
    return evenings(world, (), months=LAST)


@pytest.mark.parametrize(("name", "world"), a_few(RECORDS))
def test_a_repair_works_from_the_next_day_on_and_not_before(name, world):
    plan = (Incident(name, FIRST, WIDER.get(name), LAST),)

    def ask(one, month, day):
        if (month, day) == (FIRST, 20):
            assert one.repair(name)

    repaired, seen, whole = evenings(world, plan, months=LAST, between=ask)
    _, broken, _ = evenings(world, plan, months=FIRST)
    _, calm, right = calm_evenings(world)
    for month, day in seen:
        is_over = (month, day) > (FIRST, 20)
        for table in seen[month, day]:
            if name == "label_delay" and is_over and table in ("ratings", "returns", "labels"):
                continue  # what was held back comes late
            like = calm if is_over else broken
            if table != "costs":
                assert same({0: seen[month, day][table]}, {0: like[month, day][table]}), (month, day, table)  # fmt: skip
    for table in whole[LAST]:
        if name != "label_delay" or table not in ("ratings", "returns", "labels"):
            assert same({0: whole[LAST][table]}, {0: right[LAST][table]}), table
    for table, rows in whole[FIRST].items():
        parts = [tables[table] for (month, _), tables in seen.items() if month == FIRST]
        assert len(rows) == sum(map(len, parts)), table
    for month in whole:  # the truth names each cell, before the repair and after it
        touched = WORLDS[world][1](repaired).touched(month)
        for table in set(whole[month]) - {"given", "costs"}:
            keys = KEYS[world][table]
            named = told(touched[table], keys) if table in touched else {}
            assert differences(right[month][table], whole[month][table], keys) == named, table
    costs = whole[FIRST]["costs"]
    assert costs[["asked", "worked", "cost_eur"]].to_numpy().tolist() == [[name, True, 0.0]]
    assert costs["asked_on"].dt.day.tolist() == [20 if world == "shop" else 19]
    row = WORLDS[world][1](repaired).incidents().loc[0]
    assert row["repaired_from"] == costs["asked_on"][0] + pd.Timedelta(days=1)


@pytest.mark.parametrize("world", first_always(["shop", "operator"]))
def test_what_was_repaired_disturbs_no_day_on_which_nobody_comes(world):
    sizes = {"customers": 3, "products": 10} if world == "shop" else {"subscribers": 3}
    names = [name for name, here in everywhere(RECORDS) if here == world]
    plan = tuple(Incident(name, 1) for name in names)
    one, seen, _ = evenings(
        world, plan, 2, lambda world, month, day: [world.repair(name) for name in names], **sizes
    )
    asked = "sessions" if world == "shop" else "requests"
    assert any(tables[asked].empty for tables in seen.values())
    assert one.next_month == 3


@pytest.mark.parametrize("world", ["shop", "operator"])
def test_a_repair_asks_for_any_table_of_a_month_and_for_nothing_else(world):
    one = planned(world, ())
    for table in set(one.play(1, first_ten if world == "shop" else call_some)) - {"costs"}:
        assert not one.repair(table), table
    for what in (None, pd.NA, ["orders"], np.array(["orders", "clicks"]), b"orders"):
        with pytest.raises(CannotPlay, match="what is repaired is an incident or a table"):
            one.repair(what)


@pytest.mark.parametrize("world", ["shop", "operator"])
@pytest.mark.parametrize("name", [1, pd.NA, ["quiet"], {}, np.array(["quiet", "00"]), "nope"])
def test_a_story_or_a_world_that_is_no_name_is_refused(world, name):
    with pytest.raises(CannotPlay, match="story is one of"):
        WORLDS[world][0](10, story=name)
    with pytest.raises(CannotPlay, match="world is"):
        incident(7, name)


@pytest.mark.parametrize("world", ["shop", "operator"])
def test_a_repair_by_the_name_of_a_table_finds_what_is_wrong_there_alone(world):
    table, other = ("products", "complaints") if world == "shop" else ("invoices", "complaints")
    one = planned(world, (Incident("price_in_cents", 1),))
    assert not one.repair(other)
    assert not one.repair("slow_model")
    assert not one.repair("price_in_cents"), "what has not begun is not repaired"
    decide = first_ten if world == "shop" else call_some
    costs = one.play(1, decide)["costs"]
    assert costs["cost_eur"].tolist() == [CALL_OUT_EUR] * 3
    assert one.repair(table)
    assert not one.repair(table), "it has been repaired"
    second = one.play(2, decide)
    assert second["costs"]["worked"].tolist() == [True, False]
    assert one.play(3, decide)["costs"].empty
    name, column = ("orders", "price_eur") if world == "shop" else ("invoices", "amount_eur")
    calm = planned(world, ())
    for month in (1, 2):
        true = calm.play(month, decide)
    assert same({0: second[name][column].to_frame()}, {0: true[name][column].to_frame()})


@pytest.mark.parametrize("what", ["order", "price_in_cent", "", None, 5, "MonthlyCharges"])
@pytest.mark.parametrize("world", ["shop", "operator"])
def test_what_is_no_incident_and_no_table_cannot_be_repaired(world, what):
    one = planned(world, ())
    with pytest.raises(
        CannotPlay, match="what is repaired is an incident or a table; got"
    ) as told_so:
        one.repair(what)
    assert "\n" not in str(told_so.value)
    assert one.play(1, first_ten if world == "shop" else call_some)["costs"].empty


@pytest.mark.parametrize("world", ["shop", "operator"])
def test_skew_reaches_the_version_that_serves_and_goes_the_day_after_another_one_serves(world):
    one = planned(world, (Incident("training_serving_skew", FIRST),))
    decide = first_ten if world == "shop" else call_some_alone
    strange = {}
    column, usual = (
        ("customer_id", lambda ids: ids < 1e6) if world == "shop" else ("Contract", None)
    )
    for number in (1, 2):
        month = one.days(number)
        for day in month:
            version = "2" if (number, day.number) >= (2, 9) else "1"
            seen = day.play(lambda given, v=version: decide(given).assign(model_version=v))
            if usual is None:
                stored = seen["customers"].set_index("customerID")[column]
                given = seen["given"].set_index("customerID")[column]
                strange[number, day.number] = bool((stored != given).any())
            else:
                strange[number, day.number] = bool((~usual(seen["given"][column])).any())
        asked = "sessions" if world == "shop" else "customers"
        stored, given = month.tables[asked], month.tables["given"]
        touched, keys = WORLDS[world][1](one).touched(number), KEYS[world][asked]
        named = told(touched[f"given.{asked}"], keys) if touched else {}
        assert differences(stored, given, keys) == named, "cell by cell, until it is gone"
    assert not any(strange[1, day] for day in range(1, 31))
    assert any(strange[2, day] for day in range(1, 10))
    assert not any(strange[2, day] for day in range(10, 29))


@pytest.mark.parametrize(("name", "world"), a_few(SERVICE))
def test_an_incident_of_the_service_goes_when_another_version_is_served(name, world):
    size = {"slow_model": 200.0, "error_rate": 0.6, "bad_release": 1.0}[name]
    one, twin = planned(world, (Incident(name, 1, size),)), planned(world, ())
    decide = first_ten if world == "shop" else call_some_alone
    table = "telemetry" if world == "shop" else "requests"
    harmed = 0
    for day, quiet_day in zip(one.days(1), twin.days(1), strict=True):
        version = "bad" if day.number < 9 else "good"
        seen, calm = (
            each.play(lambda given, v=version: decide(given).assign(model_version=v))
            for each in (day, quiet_day)
        )
        lists = ("impressions",) if world == "shop" else ("calls",)
        same_there = same({0: seen[table]}, {0: calm[table]}) and same(
            {x: seen[x] for x in lists}, {x: calm[x] for x in lists}
        )
        if version == "good":
            assert same_there
        else:
            harmed += not same_there
    assert harmed >= 4, "on most of the eight days with some requests"


@pytest.mark.parametrize("world", ["shop", "operator"])
@pytest.mark.parametrize("name", variation_table()["name"])
def test_a_quiet_variation_changes_the_month_and_is_no_incident(name, world):
    year = Year(world, (Incident(name, FIRST),), start=planned if name != "growth" else make)
    assert year.truth.incidents().empty
    assert all(year.touched[month] == {} for month in year.touched)
    assert same(year.tables(1), quiet(world).tables(1))
    changed = [not same(year.tables(m), quiet(world).tables(m)) for m in range(FIRST, MONTHS + 1)]
    assert any(changed)


def test_several_incidents_are_drawn_for_one_year_each_of_another_kind():
    for seed in range(60):
        for world in WORLDS:
            for count in (1, 2, 3):
                drawn = incidents(seed, world, count)
                assert len({one.name for one in drawn}) == count == len(drawn)
                assert Schedule(drawn, world).incidents == tuple(drawn)


@pytest.mark.parametrize("world", [None, "shop", "operator"])
def test_each_kind_is_drawn_equally_often(world):
    kinds = len(KINDS) if world is None else len(everywhere_in(world))
    names = pd.Series([incident(seed, world).name for seed in range(7 * kinds)])
    assert names.value_counts().eq(7).all()
    assert names.nunique() == kinds


def everywhere_in(world):
    return [name for name, at in everywhere(KINDS.index) if at == world]


WORDS = {
    "shop": {"complaints": "text", "feedback": "text", "returns": "reason", "orders": "channel"},
    "operator": {"complaints": "text", "cancellations": "reason", "tickets": "topic"},
}


@pytest.mark.parametrize(("name", "world"), in_one_world([*BEHAVIOUR, *SERVICE]))
def test_no_incident_gives_itself_away_by_a_word_of_its_own(name, world):
    size = KINDS.loc[name, "largest"]
    year, calm = loud(name, world, size), talkative(world)
    for table, column in WORDS[world].items():
        usual = {word for seen in calm.seen.values() for word in seen[table][column]}
        said = {word for seen in year.seen.values() for word in seen[table][column]}
        assert said <= usual, (table, said - usual)


@cache
def talkative(world):
    """Return a quiet year in which everything that is ever said is said."""
    sizes = {"customers": 1_000, "products": 60} if world == "shop" else {"subscribers": 2_000}
    return Year(world, months=6, start=planned, **sizes)
