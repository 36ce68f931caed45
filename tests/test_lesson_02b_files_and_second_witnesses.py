"""Lesson 02b, files: its claims on twenty seeds, held against what was planted in the files."""

import io
import re

import numpy as np
import pandas as pd
import pytest
from conftest import SEEDS, stored_text
from defusedxml import EntitiesForbidden

from helpers.worlds.sources import SourcesTruth

pytestmark = pytest.mark.slow

STEM = "02b_files_and_second_witnesses"


def planted(cells, source, *kinds):
    found = SourcesTruth(cells["sources"]).blemishes(source)
    return found[found["kind"].isin(kinds)]


def clean(cells, source):
    return SourcesTruth(cells["sources"]).clean(source)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_contract_sets_aside_what_was_planted_and_nothing_else(played, seed):
    figures, cells = played(seed)
    assert figures["kept"] == len(clean(cells, "sales"))
    assert figures["aside"] == len(planted(cells, "sales", "repeated header", "totals row")) > 0
    assert figures["merged"] == len(planted(cells, "sales", "duplicate row")) > 0
    assert figures["open"] == 0
    aside = cells["lines"].loc[cells["aside"].index, "line_id"]
    assert set(aside) <= {"line_id", "Total"}
    assert set(cells["kept"]["line_id"].astype(int)) == set(clean(cells, "sales")["line_id"])


def months_read_wrongly(cells):
    """Return the months that a reading forced to run gets wrong, by what was planted in each file."""
    kinds = ("decimal comma", "encoding", "totals row", "thousands separator")
    wrong = set()
    for place, found in planted(cells, "sales", *kinds).groupby("place"):
        written = found.set_index("kind")["written"]
        unread = "decimal comma" in written or written.get("encoding") == "utf-16"
        # A total with a thousands separator is no number for pandas, and harms nothing.
        twice = "totals row" in written and "thousands separator" not in written
        if unread or twice:
            wrong.add(re.search(r"\d{4}-\d\d", place)[0])
    return wrong


@pytest.mark.parametrize("seed", SEEDS)
def test_files_forced_to_run_are_wrong_in_the_months_whose_conventions_differ(played, seed):
    _, cells = played(seed)
    sales = clean(cells, "sales")
    month = sales["ordered_at"].dt.strftime("%Y-%m")
    by_hand = sales["price_eur"].sum()
    assert cells["careful"].sum() == pytest.approx(by_hand)
    by_month = sales.groupby(month)["price_eur"].sum()
    # An order shortly after midnight stands in the export of the month in which its visit began.
    assert cells["careful"].to_numpy() == pytest.approx(by_month[: len(cells["files"])], rel=0.02)
    tempting, careful = cells["tempting"], cells["careful"]
    wrong = cells["wrong"]
    assert set(wrong.index[wrong]) == months_read_wrongly(cells)
    assert wrong.sum() >= 4
    share = (tempting / careful)[wrong]
    assert ((share < 0.01) | (share > 1.9)).all()  # at zero or at twice, as the lesson says


@pytest.mark.parametrize("seed", SEEDS)
def test_damaged_lines_of_json_are_set_aside_and_the_others_read(played, seed):
    _, cells = played(seed)
    damaged = planted(cells, "events", "cut line", "trailing comma")
    assert sorted(cells["damaged"]["text"]) == sorted(damaged["written"])
    assert len(damaged) > 0
    assert sum(map(len, cells["events"])) == len(clean(cells, "events")) - len(damaged)
    one_damaged = io.StringIO("\n".join(['{"v": 2}', damaged["written"].iloc[0]]))
    with pytest.raises(ValueError, match=r"."):
        pd.read_json(one_damaged, lines=True)
    first, second = cells["events"]
    assert "product_id" in first
    assert "product_id" not in second


@pytest.mark.parametrize("seed", SEEDS)
def test_prices_in_xml_are_counted_by_unit(played, seed):
    _, cells = played(seed)
    prices = cells["prices"]
    assert len(prices) == len(clean(cells, "price_list"))
    other = prices["currency"].isin(["CHF", "USD"]) | prices["unit"].eq("cent")
    assert other.sum() == len(planted(cells, "price_list", "currency", "cents")) > 0
    missing = planted(cells, "price_list", "missing key").query("column == 'price_eur'")
    assert prices["currency"].isna().sum() == len(missing)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_robots_of_the_web_log_are_found_whether_they_say_so_or_not(played, seed):
    _, cells = played(seed)
    cut = len(planted(cells, "web_log", "cut line"))
    named, hidden = (len(planted(cells, "web_log", kind)) for kind in ("bot", "disguised bot"))
    assert len(cells["cut"]) == cut
    robots = cells["robots"]
    assert robots["requests"] + cut == len(clean(cells, "web_log")) + named + hidden
    assert named - cut <= robots["robots by name"] <= named
    assert hidden - cut <= robots["robots without"] <= hidden


@pytest.mark.parametrize("seed", SEEDS)
def test_a_hundredfold_price_is_seen_beside_the_exports_and_judged_by_the_list(played, seed):
    figures, cells = played(seed)
    cents = planted(cells, "order_lines", "cents")
    both = cells["both"]
    assert set(both.loc[cells["hundredfold"], "line_id"].astype(str)) == set(cents["row"])
    assert figures["cents"] == len(cents) > 0
    assert both["_merge"].eq("both").all()
    assert both["price_eur"].gt(0).all()  # all that a contract would have promised
    assert cells["agree"].to_dict() == {"database": 0.0, "exports": 1.0}
    assert "the **exports**" in figures["side"]
    assert not cells["unexplained"].drop("browsing").any()


@pytest.mark.parametrize("seed", SEEDS)
def test_every_product_sold_is_described_with_its_attributes(played, seed):
    _, cells = played(seed)
    assert cells["checks"]["catalogue: attributes"].all()
    catalogue = clean(cells, "catalogue")
    assert set(cells["described"]) == set(catalogue["product_id"])


@pytest.mark.parametrize("seed", SEEDS)
def test_ages_stated_twice_differ_only_where_an_impossible_one_was_planted(played, seed):
    _, cells = played(seed)
    odd = set(planted(cells, "customers", "out of range")["row"].astype(int))
    differ = ~cells["checks"]["profile: age"]
    who = cells["two"].loc[differ.index[differ], "customer_id"]
    assert set(who) <= odd
    assert cells["witnesses"].loc["profile: age", "explained"] == len(who)
    skins = clean(cells, "customers")["skin_type"]
    written = cells["customers"]["skin_type"]
    assert written.nunique() > 2 * skins.nunique()  # one type, many spellings
    assert cells["spelled"]


@pytest.mark.parametrize("seed", SEEDS)
def test_every_rating_is_of_a_product_that_was_bought(played, seed):
    _, cells = played(seed)
    assert cells["checks"]["ratings"].all()
    assert len(cells["checks"]["ratings"]) == min(1_000, len(clean(cells, "ratings")))


@pytest.mark.parametrize("seed", SEEDS)
def test_browsing_is_told_alike_by_two_logs_but_for_the_damaged_lines(played, seed):
    _, cells = played(seed)
    missing = cells["witnesses"].loc["browsing"]
    damaged = planted(cells, "events", "cut line", "trailing comma")["true"]
    clicks = damaged[damaged.str.contains('"click"')]
    assert missing["differ"] == missing["explained"] <= len(clicks)
    for session in cells["lost"]:
        assert clicks.str.contains(str(session)).any()


def test_an_entity_bomb_is_refused(played):
    _, cells = played(1)
    bomb = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><x><item>&b;</item></x>'
    with pytest.raises(EntitiesForbidden):
        cells["fromstring"](bomb)


def test_with_a_strict_limit_more_months_are_wrong(played):
    _, cells = played(1, OFF=0.01)
    _, usual = played(1)
    assert cells["wrong"].sum() >= usual["wrong"].sum()
    assert set(usual["wrong"].index[usual["wrong"]]) <= set(cells["wrong"].index[cells["wrong"]])


def test_the_other_shop_that_is_proposed(played):
    figures, cells = played(31)
    assert figures["open"] == 0
    assert figures["cents"] == len(planted(cells, "order_lines", "cents")) > 0


def test_a_price_above_zero_is_a_contract_that_every_hundredfold_price_keeps(played):
    _, cells = played(1)
    pa = cells["pa"]

    class Line(pa.DataFrameModel):
        price_eur: float = pa.Field(gt=0)

    Line.validate(cells["order_lines"], lazy=True)
    sound = cells["both"].loc[~cells["hundredfold"], "price_eur"].max()
    assert np.isfinite(sound)


def test_what_sends_back_is_what_was_seen():
    told = stored_text(STEM, "sends-back")
    assert re.search(r"contradict each other in the price +yes", told)
    assert re.search(r"nobody can explain +no", told)
