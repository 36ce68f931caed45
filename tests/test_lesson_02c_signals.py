"""Lesson 02c on signals: its claims on twenty seeds, against the truth behind the world."""

from pathlib import Path

import pandas as pd
import pytest
from conftest import SEEDS

from helpers.plots import plot_beside
from helpers.worlds import Operator, Shop
from helpers.worlds.play import CannotPlay
from helpers.worlds.sources import Sources, SourcesTruth

pytestmark = pytest.mark.slow

STEM = "02c_signals"


def planted(cells, source):
    blemishes = SourcesTruth(cells["sources"]).blemishes(source)
    return blemishes.set_index("row")["kind"]


def sent_in_fahrenheit(cells):
    kinds = planted(cells, "cold_rooms")
    return set(kinds.index[kinds == "unit"]) & set(cells["readings"]["reading_id"])  # or never came


def cells_of(cells, table):
    """Return a table of hours and sensors as reading ids, as the truth names them."""
    ids = cells["readings"].pivot_table("reading_id", "read_at", "sensor_id", aggfunc="first")
    return set(ids.to_numpy()[table.to_numpy(bool)])


@pytest.mark.parametrize("seed", SEEDS)
def test_a_feed_taken_up_again_loses_nothing_and_reads_nothing_twice(played, seed):
    _, cells = played(seed)
    resumed, anew = cells["heard"]["resumed"], cells["heard"]["begun anew"]
    assert [int(one) for one in resumed["id"]] == list(range(1, 401))
    assert len(anew) == 400
    assert anew["id"].nunique() == 200
    assert resumed["event_id"].nunique() < 400  # the shop's queue sends some twice


@pytest.mark.parametrize("seed", SEEDS)
def test_only_the_events_own_time_finds_the_abandoned_visits(played, seed):
    _, cells = played(seed)
    clean = SourcesTruth(cells["sources"]).clean("live_events").sort_values(["at", "event_id"])
    last = dict(zip(clean["session_id"], clean["event"], strict=True))  # the last one stays
    abandoned = {session for session, event in last.items() if event == "click"}
    bought = set(clean.loc[clean["event"] == "order", "session_id"])
    by_time, by_arrival = (cells["reminders"][n] for n in ("by event time", "by arrival"))
    assert by_time == {"reminded": len(abandoned), "had bought": len(abandoned & bought)}
    assert by_arrival["had bought"] > by_time["had bought"]
    repeats = planted(cells, "live_events").eq("repeated event").sum()
    assert cells["repeated"].sum() == repeats
    assert len(cells["events"]) == len(clean) + repeats
    assert 0 < (cells["late"] > 1).mean() < (cells["late"] > 0).mean()
    assert not cells["late"][cells["repeated"]].any()  # a repeat is counted as a repeat


@pytest.mark.parametrize("seed", SEEDS)
def test_every_public_page_is_read_once_at_the_pace_asked_for_and_no_other(played, seed):
    _, cells = played(seed)
    assert len(cells["pages"]) == 150
    assert cells["pauses"] == [1.0] * len(cells["queue"])
    assert len(set(cells["queue"])) == len(cells["queue"])
    assert cells["forbidden"] == 0
    wrong = {str(number) for number in cells["stale"].index[cells["stale"]]}
    kinds = planted(cells, "pages")
    assert wrong == set(kinds.index[kinds == "stale price"])


@pytest.mark.parametrize("seed", SEEDS)
def test_fahrenheit_is_judged_right_whatever_a_sensor_usually_sends(played, seed):
    _, cells = played(seed)
    assert cells_of(cells, cells["fahrenheit"]) == sent_in_fahrenheit(cells)


def test_a_sensor_that_sends_fahrenheit_more_than_half_the_time_is_one_of_them(played):
    _, cells = played(101)
    assert cells["fahrenheit"].mean().max() > 0.5
    assert cells_of(cells, cells["fahrenheit"]) == sent_in_fahrenheit(cells)
    level = cells["sent"].median()
    assert level.max() > 35  # its usual number is in the other unit


@pytest.mark.parametrize("seed", SEEDS)
def test_stuck_sensors_and_spikes_are_those_that_were_planted(played, seed):
    _, cells = played(seed)
    kinds = planted(cells, "cold_rooms")
    spikes = set(kinds.index[kinds == "spike"])
    found = cells_of(cells, cells["spike"])
    assert found <= spikes
    assert len(found) >= 0.85 * len(spikes)  # one beside a gap has too few neighbors
    drifting = set(kinds.index[kinds == "drift"])
    stuck = set(kinds.index[kinds == "stuck"])
    marked = cells_of(cells, cells["stuck"])
    assert len(marked - stuck - drifting) <= 0.2 * len(stuck) + 10
    assert len(stuck - drifting - marked) <= 0.4 * len(stuck)  # cut short by a gap
    gaps = cells["sent"].isna().to_numpy().sum()
    assert gaps == (kinds == "gap").sum()


@pytest.mark.parametrize("seed", SEEDS)
def test_the_second_probe_tells_a_failing_fridge_from_a_creeping_sensor(played, seed):
    figures, cells = played(seed)
    rung = cells["rung"]
    hot = cells["hot"].sum()
    assert hot > 200
    assert rung.loc["nobody", "false"] > hot  # most alarms are none
    assert rung.loc["other rooms", "missed"] > 0.9 * hot  # and with them the fridge
    assert rung.loc["second probe", "missed"] < 0.2 * rung.loc["other rooms", "missed"]
    assert (
        rung.loc["second probe", "false"] < 0.2 * rung.loc["nobody", "false"]
    )  # two creep at once
    assert (rung["alarms"] - rung["false"] + rung["missed"] == hot).all()
    assert figures["second"] < figures["other"]
    assert "sees the fridge fail" in figures["verdict"]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_survey_speaks_for_regulars_and_weights_repair_most_of_it(played, seed):
    _, cells = played(seed)
    eur, everybody = cells["eur"], cells["spent"].mean()
    assert eur["answers"] > 1.4 * everybody
    assert abs(eur["weighted"] / everybody - 1) < 0.25
    history = cells["shop"].history()
    price = history["products"].set_index("product_id")["price_eur"]
    total = sum(price[product] for product in history["orders"]["product_id"])
    assert everybody == pytest.approx(total / len(history["customers"]))


@pytest.mark.parametrize("seed", SEEDS)
def test_bool_takes_a_no_for_a_yes_and_known_words_do_not(played, seed):
    _, cells = played(seed)
    clean = SourcesTruth(cells["sources"]).clean("profiles")["email_consent"]
    assert cells["yes"].sum() == clean.sum()
    assert cells["no"].sum() == (~clean).sum()
    said = cells["letters"]
    assert (said["by bool"] & cells["no"]).sum() > 0
    assert not (said["by known words"] & cells["no"]).any()
    kinds = planted(cells, "profiles")
    assert cells["ticked"].sum() > 0.5 * len(clean)
    assert cells["broken"].sum() >= (~cells["ticked"]).sum() > 0
    assert "words" in set(kinds)


@pytest.mark.parametrize("seed", SEEDS[:2])
def test_no_share_of_what_cannot_be_believed_is_beyond_what_was_planted(played, seed):
    figures, cells = played(seed)
    assert all(0 < share < 0.6 for share in cells["wrong"].values())
    assert figures["share"] == pytest.approx(max(cells["wrong"].values()))
    assert cells["wrong"][figures["worst"]] == max(cells["wrong"].values())


def test_a_shakier_stream_reminds_more_buyers_by_arrival(played):
    _, calm = played(1)
    _, shaky = played(1, SHAKY=0.2)
    n = [cells["reminders"]["by arrival"]["had bought"] for cells in (calm, shaky)]
    t = [cells["reminders"]["by event time"]["had bought"] for cells in (calm, shaky)]
    assert n[1] > 1.5 * n[0]
    assert t[0] == t[1]


def test_a_lower_alarm_and_a_larger_shop_run(played):
    _, cells = played(2, ALARM=7.0)
    rung = cells["rung"]
    assert rung.loc["second probe", "missed"] < rung.loc["other rooms", "missed"]
    _, large = played(2, CUSTOMERS=3_000)
    everybody = large["spent"].mean()
    assert large["eur"]["answers"] > 1.4 * everybody  # more answers do not mend it
    assert abs(large["eur"]["weighted"] / everybody - 1) < 0.1


def test_without_a_second_probe_the_rooms_are_what_they_were(tmp_path):
    shop = Shop(60, 40, 3, story="quiet")
    tables = []
    for probes in (1, 2):
        sources = Sources(shop, tmp_path / str(probes), probes=probes)
        sources.lay_down()
        tables.append(SourcesTruth(sources).clean("cold_rooms").set_index("reading_id"))
    one, two = tables
    assert one["sensor_id"].nunique() == 4
    assert two["sensor_id"].nunique() == 8
    warmer = two.loc[one.index, "temperature_c"] - one["temperature_c"]
    warm = warmer[warmer > 0]
    assert not warm.empty
    assert warm.max() == pytest.approx(4, abs=0.11)
    assert len(set(two.loc[warm.index, "sensor_id"])) == 1  # one room
    second = two[two["sensor_id"] == two.loc[warm.index[0], "sensor_id"].replace("C", "D")]
    assert second["temperature_c"].max() > 8.5  # both of its probes saw it
    with pytest.raises(CannotPlay, match="probes"):
        Sources(shop, tmp_path / "3", probes=3)
    Sources(Operator(subscribers=40, seed=1), tmp_path / "operator")  # has no cold rooms


def test_pictures_beside_each_other_share_a_scale_and_name_their_lines_once():
    days = pd.date_range("2024-07-01", periods=3)
    panels = {
        name: pd.DataFrame({"a": [0, 1, n], "b": [1, 1, 1]}, days) for n, name in enumerate("xyz")
    }
    axes = plot_beside(panels, "degrees").axes
    assert [ax.get_title(loc="left") or ax.get_title() for ax in axes] == list("xyz")
    assert len({ax.get_ylim() for ax in axes}) == 1
    assert [ax.get_legend() is not None for ax in axes] == [True, False, False]
    assert list(axes[2].lines[0].get_ydata()) == [0, 1, 2]


def test_the_lesson_writes_into_its_folder_only(played):
    _, cells = played(1)
    assert Path(cells["sources"].folder).parent == Path(cells["RUNS_FOLDER"])
