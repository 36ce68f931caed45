"""`helpers.monitoring.watch`: what happens to a business is named, dated and sent to a stage; quiet is quiet."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
from benchmarks import monitoring as bench
from conftest import first_always
from pandas import DataFrame

from helpers.lifecycle import Cause, Stage, Trigger
from helpers.monitoring.data_quality import finding
from helpers.monitoring.data_quality import signals as as_signals
from helpers.monitoring.system import service
from helpers.monitoring.watch import RULES, TOLD, diagnose, signals, watch, watch_months
from helpers.worlds.incidents import Incident, incident_table

SMALL = {"shop": {"customers": 900, "products": 150}, "operator": {"subscribers": 900}}
KINDS = incident_table().set_index("name")
EXACT = {"operator": "price_in_cents", "shop": "target_leak"}
BUSINESSES = ["operator", pytest.param("shop", marks=pytest.mark.slow)]


@cache
def small(business):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bench, "SIZES", SMALL)
        return bench.Seed(business, 3)


def after(business, name, one=None):
    """Return the months before an incident, and its first."""
    one = one or small(business)
    world = bench.planned(business, one.before, [Incident(name, bench.START)])
    return one.past, bench.played(business, world, bench.START, one.decide)


def test_a_course_of_months_is_watched_month_by_month():
    past, month = after("operator", "price_in_cents")
    heard = watch_months([*past, month])
    alone = [
        (number, one.what, one.trigger.name.lower(), one.reopen.title, one.instead)
        for number in range(2, len(past) + 1)
        for one in watch([*past, month][:number], [*past, month][number])
    ]
    assert [*heard.itertuples(index=False, name=None)] == alone
    assert heard.iloc[-1][["month", "what"]].tolist() == [len(past), "price in cents"]
    with pytest.raises(ValueError, match="a month that is over"):
        watch_months([*past, {}])


def test_each_incident_has_a_rule_that_sends_it_to_the_right_stage():
    rules = {rule.what.replace(" ", "_"): rule.cause.name for rule in RULES}
    assert rules == KINDS["cause"].to_dict()


@pytest.mark.parametrize("business", BUSINESSES)
def test_a_quiet_month_is_silent(business):
    one = small(business)
    assert [alerts for _, alerts in one.quiet.values()] == [[], []]
    assert watch(one.past[:1], one.past[1]) == []  # month 1: only the history is known


@pytest.mark.parametrize("business", BUSINESSES)
def test_an_incident_is_named_dated_and_sent_to_its_stage(business):
    name = EXACT[business]
    past, month = after(business, name)
    [alert] = watch(past, month)
    assert alert.what == name.replace("_", " ")
    assert alert.reopen == Cause[KINDS.loc[name, "cause"]].reopens
    assert alert.instead not in ("", alert.what)
    assert alert.because in alert.evidence
    first = (
        month["sessions"]["started_at"] if business == "shop" else month["customers"]["scored_at"]
    )
    assert alert.since == first.min().normalize()


@pytest.mark.slow
@pytest.mark.parametrize("business", ["shop", "operator"])
def test_on_seed_one_each_incident_of_usual_size_is_named(business):
    rows = bench.run_seed(business, 1, ["usual"])
    told = rows[rows["kind"] == "incident"]
    assert told["detected"].mean() >= 0.95
    assert told["first"].mean() >= 0.8
    assert told["stage"].mean() >= 0.9
    assert not rows.loc[rows["kind"].isin(["quiet", "variation"]), "rang"].any()


# What arrives may be broken in any way.


@pytest.mark.parametrize(
    ("business", "names"),
    [
        ("operator", ["requests"]),
        pytest.param("operator", None, marks=pytest.mark.slow),
        pytest.param("shop", None, marks=pytest.mark.slow),
    ],
)
def test_a_table_that_is_missing_or_empty_is_no_trace(business, names):
    one = small(business)
    month = one.past[-1]
    for name in names or month:
        for broken in (
            {k: v for k, v in month.items() if k != name},
            {**month, name: month[name].head(0)},
        ):
            found = signals(one.past[:-1], broken)
            if len(one.past[-2].get(name, ())) > 50:
                assert name in set(found["table"])


@pytest.mark.slow
@pytest.mark.parametrize("business", ["shop", "operator"])
def test_a_column_that_is_missing_or_all_gaps_is_no_trace(business):
    one = small(business)
    month = one.past[-1]
    for name, table in month.items():
        for column in table:
            found = signals(one.past[:-1], {**month, name: table.drop(columns=column)})
            may_go = column in TOLD and name not in ("telemetry", "requests")  # decide's to tell
            assert may_go or ((found["table"] == name) & (found["column"] == column)).any()
            gaps = table.assign(**{column: table[column].where(np.zeros(len(table), dtype=bool))})
            signals(one.past[:-1], {**month, name: gaps})


ANOTHER = {
    "text": lambda values: values.astype("str"),
    "zone": lambda values: values.dt.tz_localize("UTC"),
}


@pytest.mark.parametrize(
    "broken",
    first_always(["requests.sent_at zone", "customers.scored_at text", "labels.churned text", "labels.known_at zone", "invoices.amount_eur text", "sensors.read_on text", "payments.paid_on zone"]),
)  # fmt: skip
def test_a_column_of_another_kind_is_an_alarm_in_that_month_and_no_trace_in_the_next(broken):
    place, kind = broken.split()
    one, (name, column) = small("operator"), place.split(".")
    month = one.past[-1]
    broken = {**month, name: month[name].assign(**{column: ANOTHER[kind](month[name][column])})}
    [alert] = watch(one.past[:-1], broken)
    assert alert.what == "unexplained"
    assert f"{place} holds" in alert.because
    assert watch([*one.past[:-1], broken], broken) == [], "it is told once"
    assert watch([*one.past[:-1], broken], month) == []


def test_months_of_one_row_or_not_over_ring_by_name():
    one = small("operator")
    month = one.past[-1]
    rows = watch(one.past[:-1], {name: table.head(1) for name, table in month.items()})
    assert "1 rows of labels came" in " ".join(alert.because for alert in rows)
    scored = month["customers"]
    half = scored[scored["scored_at"] < scored["scored_at"].median()]
    mine = lambda table: table[table["customerID"].isin(half["customerID"])]  # noqa: E731
    cut = {name: mine(month[name]) for name in ("requests", "given")}
    [alert] = watch(one.past[:-1], {**month, **cut, "customers": half})
    assert "the month is not over" in alert.because


def test_labels_of_customers_whom_nobody_scored_ring_and_count_for_nothing_else():
    one = small("operator")
    labels = one.past[-1]["labels"]
    strange = labels.head(200).assign(customerID=lambda table: "Z" + table["customerID"])
    month = {**one.past[-1], "labels": pd.concat([labels, strange])}
    [alert] = watch(one.past[:-1], month)
    assert "whom nobody scored" in alert.because


@pytest.mark.parametrize(
    ("reference", "month", "said"),
    [
        ([], {"sessions": DataFrame({"a": [1]})}, "months before it"),
        ({"sessions": DataFrame()}, {"sessions": DataFrame({"a": [1]})}, "months before it"),
        ([{}], {}, "none with a row"),
        ([{}], {"sessions": DataFrame({"a": []})}, "none with a row"),
        ([{}], None, "none with a row"),
        ([{}], {"sessions": [1]}, "sessions should be a pandas DataFrame"),
        ([{}], {"sessions": DataFrame([[1, 2]], columns=["a", "a"])}, "column a more than once"),
    ],
)
def test_what_cannot_be_watched_is_one_clear_error(reference, month, said):
    with pytest.raises(ValueError, match=said):
        watch(reference, month)


# From signals to causes.


def told(*rows):
    return diagnose(as_signals(rows))


def test_no_signal_is_no_alert():
    assert told() == []


def test_two_faults_with_signals_of_their_own_are_two_alerts_the_better_explained_first():
    twice = finding("twice", "orders", 0.2, 0, "one row in five came twice")
    late = finding("labels", "ratings.known_at", 9, 4, "ratings come 5 days later")
    alerts = told(twice, late)
    assert {alert.what for alert in alerts} == {"double delivery", "label delay"}
    assert alerts[0].instead == alerts[1].what


def test_what_a_cause_explains_raises_no_second_alert():
    lost = finding("rows", "clicks", 0.7, 1, "bought without a click")
    few = finding("labels", "ratings.known_at", 10, 400, "hardly a rating came")
    assert [alert.what for alert in told(lost, few)] == ["dead feed"]


def test_a_column_that_describes_products_is_a_new_goal_and_one_filled_later_a_leak():
    goal = finding("schema", "products.sustainability", 1, 0, "new", where="new")
    leak = finding("schema", "sessions.thank_you_page", 1, 0, "new", where="new")
    filled = finding("given", "sessions.thank_you_page", 0.3, 0, "filled later")
    assert [(alert.what, alert.reopen) for alert in told(goal)] == [
        ("new goal", Stage.PROBLEM_DEFINITION)
    ]
    assert [alert.what for alert in told(leak, filled)] == ["target leak"]


def test_a_version_that_is_slow_or_refuses_is_named_and_few_requests_say_nothing():
    usual = DataFrame(
        {"latency_ms": [40.0] * 900, "status": 200, "reason": "", "model_version": "1"}
    )
    other = usual.assign(model_version="2", latency_ms=90.0)
    other.loc[:90, "status"] = 503
    now = pd.concat([usual, other])
    news = [row for row in service([usual], now) if not row["p"] > 0.001]
    assert {row["where"] for row in news} == {"version 2"}
    assert {row["column"] for row in news} == {"latency_ms", "status"}
    assert list(service([usual], other.head(40))) == []


def test_what_no_rule_reads_rings_as_unexplained():
    [alert] = told(
        finding("missing", "customers.age", 1, 0.01, "customers.age is empty in all rows")
    )
    assert (alert.what, alert.trigger) == ("unexplained", Trigger.DATA_DRIFT)
    [alert] = told(
        finding("performance", "feedback.found_something", 0.6, 0.8, "fewer find something")
    )
    assert alert.trigger == Trigger.PERFORMANCE_DROP


def test_a_level_that_was_so_a_month_ago_is_told_once():
    """A new column, a new price and a new name are news in one month; a fault that goes on rings on."""
    one = small("operator")
    past, month = after("operator", "price_rise")
    assert [alert.what for alert in watch(past, month)] == ["price rise"]
    again = watch([*past, month], month)
    assert "price rise" not in {alert.what for alert in again}
    past, month = after("operator", "renamed_column", one)
    assert [alert.what for alert in watch(past, month)] == ["renamed column"]
    assert watch([*past, month], month) == []


def test_a_service_that_gives_no_answer_is_no_dead_feed_though_nobody_is_called():
    down = finding("system", "requests.status", 1.0, 0.001, "all requests are refused")
    none = finding("rows", "calls", 0, 900, "no row of calls came", where="no row came")
    gaps = finding("missing", "requests.churn_probability", 1, 0, "empty in all rows")
    assert [alert.what for alert in told(none, down, gaps)] == ["error rate"]
    down = finding("system", "telemetry.status", 1.0, 0.001, "all requests are refused")
    gaps = finding("missing", "impressions.score", 1, 0, "empty in all rows")
    assert [alert.what for alert in told(down, gaps)] == ["error rate"]
