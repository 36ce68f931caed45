"""The scoring of the incident benchmark, on tables small enough to count by hand, and what other tools are given."""

import numpy as np
import pandas as pd
import pytest
from benchmarks import monitoring as bench
from benchmarks import others
from pandas import DataFrame, Timestamp

ROWS = DataFrame(
    [
        # kind, business, seed, size, month, true, detected, rang, first, two, stage, true_stage, off_days, pass_s
        ("quiet", "shop", 1, "", 2, "", False, 0, False, True, False, "", np.nan, np.nan),
        ("quiet", "shop", 1, "", 3, "", True, 1, False, True, False, "", np.nan, np.nan),
        ("variation", "shop", 1, "usual", 3, "growth", False, 0, False, False, False, "", np.nan, 0.2),
        ("incident", "shop", 1, "usual", 3, "season", True, 1, True, True, True, "DATA", 0.0, 0.2),
        ("incident", "shop", 1, "usual", 3, "dead_feed", True, 1, False, True, True, "DATA", 2.0, 0.4),
        ("incident", "shop", 1, "usual", 3, "bad_release", True, 2, False, False, False, "MODEL", 4.0, 0.2),
        ("incident", "shop", 1, "usual", 3, "new_goal", False, 1, True, True, True, "DATA", 0.0, 0.4),
        ("incident", "shop", 1, "smallest", 4, "season", False, 0, False, False, False, "DATA", np.nan, 0.2),
        ("pair", "shop", 1, "usual", 3, "season+dead_feed", True, 2, True, True, True, "DATA", 0.0, 0.2),
        ("pair", "shop", 1, "usual", 3, "season+new_goal", False, 2, True, True, True, "DATA", 0.0, 0.2),
    ],
    columns=["kind", "business", "seed", "size", "month", "true", "detected", "rang", "first", "two", "stage", "true_stage", "off_days", "pass_s"],
)  # fmt: skip
CASES = DataFrame(
    [
        ("shop", 1, 2, "quiet", ""), ("shop", 1, 3, "quiet", ""), ("shop", 1, 3, "variation", "growth"),
        ("shop", 1, 3, "incident", "season"), ("shop", 1, 3, "incident", "dead_feed"), ("shop", 1, 3, "incident", "new_goal"),
        ("operator", 1, 3, "quiet", ""), ("operator", 1, 3, "incident", "dead_feed"),
    ],
    columns=["business", "seed", "month", "kind", "true"],
).assign(case=lambda table: [others.case_of(row) for row in table.to_dict("records")])  # fmt: skip
TOLD = DataFrame(
    [
        ("shop-1-3-quiet-", "wide.price"),
        ("shop-1-3-incident-season", "wide.price"),  # the twin gives it too
        ("shop-1-3-incident-dead_feed", "wide.price"),
        ("shop-1-3-incident-dead_feed", "wide.clicks"),
        ("operator-1-3-incident-dead_feed", "wide.price"),  # its own twin is silent
    ],
    columns=["case", "signal"],
)


def test_an_undetected_incident_counts_as_a_wrong_cause_and_stage():
    told = {one.what: one.ours for one in bench.summary(ROWS)}
    assert told["usual size, detected within a month"] == 3 / 4
    assert told["smallest size, detected within two months"] == 0
    assert told["quiet months with a false alarm"] == 1 / 2
    assert told["harmless variations with a false alarm"] == 0
    assert told["right cause, first guess"] == 1 / 5
    assert told["right cause, first two"] == 2 / 5
    assert told["pairs: both in the first two"] == 1 / 2
    assert told["right stage to reopen"] == 2 / 5
    assert told["always the commonest stage"] == 4 / 5
    assert told["since, days off (median)"] == 1


def test_a_goal_is_met_on_the_right_side_only():
    met = {one.what: one.met for one in bench.summary(ROWS)}
    assert met["harmless variations with a false alarm"] is True
    assert met["usual size, detected within a month"] is False
    assert met["always the commonest stage"] is None


def test_what_the_quiet_twin_signals_too_is_not_new():
    told = others.scored(CASES, TOLD)
    assert told["any signal"] == 3 / 4
    assert told["a new one"] == 2 / 4
    assert told["false alarms"] == pytest.approx(1 / 3)
    assert (told["of the shop"], told["of the operator"]) == (1 / 2, 0)
    assert told["harmless"] == 0
    assert others.by_kind(CASES, TOLD).to_dict() == {
        ("operator", "dead_feed"): 1, ("shop", "dead_feed"): 1, ("shop", "new_goal"): 0, ("shop", "season"): 0,
    }  # fmt: skip


def test_a_monitor_that_always_rings_tells_nothing_new_and_one_that_never_does_nothing():
    table = bench.beside(ROWS, {})
    figures = ["any signal", "a new one", "false alarms", "harmless"]
    assert table.loc["always rings, names the commonest", figures].tolist() == [1, 0, 1, 1]
    assert table.loc["never rings", figures].tolist() == [0, 0, 0, 0]
    assert table.loc["always rings, names the commonest", ["right cause", "right stage"]].tolist() == [1 / 4, 3 / 4]  # fmt: skip
    ours = table.loc["the watch", [*figures, "right cause", "right stage", "s a pass"]]
    assert ours.tolist() == pytest.approx([1, 3 / 4, 1 / 2, 0, 1 / 4, 2 / 4, 0.28])


def test_a_monitor_is_given_its_own_signals_and_each_crash():
    told = DataFrame({
        "case": ["a", "a", "b", "c", "d"],
        "signal": ["wide.price", "outcomes.days", "wide drifts", "crash", ""], "seconds": [0, 0, 0, 0, 2.0],
    })  # fmt: skip
    counted = {name: others.said_by(name, told)["case"].tolist() for name in others.MONITORS}
    assert counted["Evidently, the table drifts"] == ["b", "c"]
    assert counted["Evidently, a column drifts"] == ["a", "c"]
    assert counted["Evidently, a column or an outcome drifts"] == ["a", "a", "c"]


def test_of_a_tool_that_was_not_run_the_reason_stands_there():
    lines = bench.lines_of(bench.beside(ROWS, {}), {"evidently": "not run: no network"})
    [line] = [one for one in lines if "evidently" in one.reference_name and "twin" in one.what]
    assert (line.ours, line.reference, line.met) == (3 / 4, None, None)
    assert line.reference_name == "evidently, not run: no network"


def test_an_environment_that_cannot_be_made_is_a_reason_and_no_crash(monkeypatch, tmp_path):
    monkeypatch.setattr(others, "FOLDER", tmp_path)
    monkeypatch.setattr(others, "find_uv_bin", lambda: str(tmp_path / "no uv"))
    python, why = others.environment("nannyml")
    assert python is None
    assert why.startswith("not run: ")
    assert "no uv" in why
    assert others.judged(range(1, 2))[0] == {}


def test_a_wide_table_has_one_row_a_visit_and_moments_as_hours_since():
    noon = Timestamp("2025-01-01 12:00")
    month = {
        "sessions": DataFrame({"session_id": [1, 2], "customer_id": [7, 7], "started_at": [noon, noon]}),
        "customers": DataFrame({"customer_id": [7], "age": ["40"], "joined_on": [noon]}),
        "products": DataFrame({"product_id": [5, 6], "price_eur": [10.0, 30.0], "name": ["a", "b"], "launched_on": [noon, noon]}),
        "impressions": DataFrame({"session_id": [1, 1, 2], "product_id": [5, 6, 6]}),
        "clicks": DataFrame({"session_id": [2, 2], "clicked_at": [noon, noon + pd.Timedelta(hours=4)]}),
        **{name: DataFrame({"session_id": [1]}) for name in ("telemetry", "orders", "feedback", "complaints")},
    }  # fmt: skip
    table = others.wide("shop", month).set_index("session_id")
    assert table["started_at"].tolist() == [12, 12]
    assert table["age"].tolist() == [40, 40]
    assert table["shown.price_eur"].tolist() == [20, 30]
    assert table["clicks.rows"].tolist() == [0, 2]
    assert table.loc[2, "clicks.clicked_at"] == 2
    assert not {
        "customer_id",
        "joined_on",
        "shown.name",
        "shown.product_id",
        "shown.launched_on",
    } & set(table)


def test_the_picture_shows_each_incident_and_every_monitor(tmp_path):
    told = {"Evidently, a column drifts": (CASES, TOLD, 1.0)}
    bench.draw(ROWS, told, tmp_path / "there" / "monitoring.png")
    assert (tmp_path / "there" / "monitoring.png").stat().st_size > 5_000
