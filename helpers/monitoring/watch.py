"""Monitoring: one pass over a month's tables: from signals to alerts that name a cause and a stage.

`signals` looks at everything and says what is not as it was. `RULES` is how they are read: which signals
speak for a cause, each with a weight. The cause that explains most comes first; another one is raised only
for a signal that no cause before it explains.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch

import numpy as np
import pandas as pd
from pandas import DataFrame, Series
from pandas.api.types import is_datetime64_any_dtype
from scipy.stats import false_discovery_control

from helpers.lifecycle import Cause, Trigger
from helpers.monitoring import business, system
from helpers.monitoring.alerts import Alert
from helpers.monitoring.data_quality import (
    ANOTHER_KIND,
    ENOUGH,
    changed_columns,
    check_given,
    check_table,
    finding,
    renamed,
    require_table,
)
from helpers.monitoring.data_quality import signals as as_signals

Month = Mapping[str, DataFrame]
# These ring though no rule reads them.
UNEXPLAINED = ("schema", "missing", "given", "rows", "relation", "performance")
TOLD = {"score", "propensity", "variant", "model_version"}  # a decide may begin to tell these
DECIDES = 3  # a signal of this weight names a cause by itself
BUDGET = 0.0001  # one month in ten thousand may ring by chance, whatever the number of tests


@dataclass(frozen=True, eq=False)
class Rule:
    """How one cause shows.

    Attributes
    ----------
    what : its name.
    cause : what it is a case of, which names the stage to reopen.
    trigger : what kind of alarm it is.
    speaks : pattern of a signal -> its weight. A signal reads "relation clicks.clicked_at +", with "-" where
        the value is below what was expected, "=" where it is neither.
    """

    what: str
    cause: Cause
    trigger: Trigger
    speaks: Mapping[str, int]


_DRIFT, _DROP, _WANTS, _SAY = Trigger.DATA_DRIFT, Trigger.PERFORMANCE_DROP, Trigger.NEW_REQUIREMENTS, Trigger.USER_FEEDBACK  # fmt: skip
RULES = (
    Rule("renamed column", Cause.DATA_QUALITY, _DRIFT, {"schema * =": 3, "schema * -": 3}),
    Rule("target leak", Cause.DATA_QUALITY, _DRIFT, {"given sessions.* +": 3, "given customers.* +": 3, "schema * +": 1}),
    Rule("new goal", Cause.REQUIREMENTS_CHANGED, _WANTS, {"schema products.* +": 3, "schema launches.* +": 1, "performance feedback.* -": 1}),
    Rule("training serving skew", Cause.INFRASTRUCTURE, _DRIFT, {"given given.?* +": 3, "performance *": 1}),
    Rule("price in cents", Cause.DATA_QUALITY, _DRIFT, {"range * +": 3}),
    Rule("price rise", Cause.MODEL_OBSOLETE, _DROP, {"business products.price_eur +": 3, "business customers.MonthlyCharges +": 3, "business cancellations.reason * expensive": 2, "performance *": 1}),
    Rule("remapped code", Cause.DATA_QUALITY, _DRIFT, {"relation customers.* words": 3, "performance *": 1}),
    Rule("double delivery", Cause.DATA_QUALITY, _DRIFT, {"twice * +": 3}),
    Rule("clock skew", Cause.DATA_QUALITY, _DRIFT, {"relation *_at +": 3, "relation *_on +": 3}),
    Rule("bot traffic", Cause.DATA_QUALITY, _DRIFT, {"relation *_id +": 3}),
    Rule("dead feed", Cause.DATA_INSUFFICIENT, _DRIFT, {"rows clicks. -": 3, "rows sensors. -": 3, "rows * none": 3, "labels ratings.* -": 1}),
    Rule("full disk", Cause.INFRASTRUCTURE, _DRIFT, {"rows impressions. *": 3, "rows requests. *": 3, "rows telemetry. none": 3, "rows * none": 1}),
    Rule("label delay", Cause.DATA_INSUFFICIENT, _DROP, {"labels *": 3}),
    Rule("slow model", Cause.INFRASTRUCTURE, _DROP, {"system *.latency_ms +": 3, "performance feedback.* -": 1, "rows calls. none": 1, "missing requests.* +": 1, "missing impressions.score +": 1}),
    Rule("error rate", Cause.INFRASTRUCTURE, _DROP, {"system *.status +": 3, "performance feedback.* -": 1, "rows calls. none": 1, "missing requests.* +": 1, "missing impressions.score +": 1}),
    Rule("bad release", Cause.INFRASTRUCTURE, _DROP, {"system impressions.* +": 3, "system requests.churn_probability +": 3, "missing impressions.score +": 1, "performance *": 1}),
    Rule("launch wave", Cause.DATA_INSUFFICIENT, _SAY, {"business products.launched_on +": 3, "performance feedback.* -": 1}),
    Rule("season", Cause.FEATURES_MISSING, _SAY, {"business orders.product_id *": 3, "performance feedback.* -": 1}),
    Rule("feedback loop", Cause.DATA_INSUFFICIENT, _DROP, {"business orders.channel -": 3, "performance feedback.* -": 1}),
    Rule("competitor", Cause.MODEL_OBSOLETE, _DROP, {"business cancellations.reason *elsewhere": 3, "performance labels.* bound*": 3}),
)  # fmt: skip


def watch(reference: Sequence[Month], month: Month) -> list[Alert]:
    """Return what is wrong with a month, the best explained first; an empty list where nothing is.

    Parameters
    ----------
    reference : what was known when the model was trained (the `history` of a world), and then the months since,
        oldest first: two references, the start and the month before.
    month : the tables of the month that is over.

    Returns
    -------
    One alert a cause: what, where, since when, why, which stage to reopen, and what it would be instead.

    Raises
    ------
    ValueError
        If there is no reference, or no month with rows.

    Examples
    --------
    >>> visits = DataFrame({"session_id": range(60), "started_at": pd.Timestamp("2025-01-02")})
    >>> month = {"sessions": pd.concat([visits, visits.head(9)])}
    >>> [(one.what, one.reopen.title) for one in watch([{"sessions": visits}], month)]
    [('double delivery', 'Data Preparation')]
    """
    return diagnose(signals(reference, month))


def watch_months(months: Sequence[Month]) -> DataFrame:
    """Watch each month after the first, beside the start and the months before it: one row an alert.

    Parameters
    ----------
    months : what was known when the model was trained, then the months that are over, oldest first.

    Returns
    -------
    `month` (its number), `what`, `trigger` (its name), `reopen` (title of the stage), `if not that`. The
    first month is not judged: it belongs to the reference.

    Raises
    ------
    ValueError
        As `watch`.

    Examples
    --------
    >>> visits = DataFrame({"session_id": range(60), "started_at": pd.Timestamp("2025-01-02")})
    >>> twice = {"sessions": pd.concat([visits, visits.head(9)])}
    >>> watch_months([{"sessions": visits}] * 2 + [twice])[["month", "what"]].to_numpy().tolist()
    [[2, 'double delivery']]
    """
    rows = [
        (number, one.what, one.trigger.name.lower(), one.reopen.title, one.instead)
        for number in range(2, len(months))
        for one in watch(months[:number], months[number])
    ]
    return DataFrame(rows, columns=["month", "what", "trigger", "reopen", "if not that"])


def signals(reference: Sequence[Month], month: Month) -> DataFrame:
    """Return all that is not as it was, one row a signal; see `helpers.monitoring.data_quality.signals`.

    A signal with a test has a least effect, and all tests of a month share one budget (Benjamini & Hochberg 1995).
    Parameters and errors are those of `watch`.
    """
    _require_months(reference, month)
    start, *past, now = [_comparable(reference, one) for one in (*reference, month)]
    past = [start, *past]
    shop = "session_id" in now.get("given", now.get("sessions", ()))
    found = as_signals([
        *_arrived(reference, month),
        *_gone(reference, month),
        *_not_over(past, now),
        *business.run(_CHECKS, past, now),
        *(business.shop if shop else business.operator)(past, now),
    ])  # fmt: skip
    found["since"] = found["since"].fillna(_moments(now)[1].min().floor("D"))
    tested = found["p"].notna()
    news = ~tested
    if tested.any():
        news[tested] = false_discovery_control(found.loc[tested, "p"]) <= BUDGET
    return found[news].reset_index(drop=True)


def _require_months(reference, month):
    if isinstance(reference, Mapping) or not reference:
        raise ValueError(
            "watch holds a month against months before it; got none: pass a list, the tables known at "
            "the start first, then each month since."
        )
    if not isinstance(month, Mapping) or not any(len(table) for table in month.values()):
        raise ValueError(
            "watch needs the tables of a month that is over, name -> table; got none with a row: pass "
            "what play returned."
        )
    for name, table in [pair for one in (*reference, month) for pair in one.items()]:
        require_table(table, name)


def _moments(month):
    """Return when the visits began, or the customers were scored: in which column, and the moments."""
    for name, column in [("sessions", "started_at"), ("customers", "scored_at")]:
        if name in month and is_datetime64_any_dtype(month[name].get(column)):
            return f"{name}.{column}", month[name][column].dropna()
    return "", Series(dtype="datetime64[s]")


def _usual(reference, name):
    """Return the first month since the start that has the table; the start itself if none has."""
    return next((one[name] for one in [*reference[1:], reference[0]] if name in one), None)


def _comparable(reference, month):
    """Return a month with its columns named as usual, and without those that hold another kind."""
    tables = {}
    for name, table in month.items():
        if month is not reference[0] and (usual := _usual(reference, name)) is not None:
            table = table.rename(columns=renamed(usual, table))
            other = [row["column"] for row in changed_columns(usual, table, name) if row["where"] == ANOTHER_KIND]  # fmt: skip
            table = table.drop(columns=other)
        tables[name] = table
    return tables


def _arrived(reference, month) -> Iterator[dict]:
    """Tell what is wrong with the tables that came; of the start only repeats, since its tables have another form.

    A change of the form is told once: what was so a month ago is known.
    """
    for name, table in month.items():
        if (usual := _usual(reference, name)) is None:
            continue
        free = TOLD if name not in ("telemetry", "requests") else ()
        known = [(row["column"], row["where"]) for row in changed_columns(usual, reference[-1].get(name, usual), name)]  # fmt: skip
        rows = check_table(usual, table, name).to_dict("records") if len(usual) else changed_columns(usual, table, name)  # fmt: skip
        for row in rows:
            told = row["column"] in free or (row["column"], row["where"]) in known
            if row["signal"] == "twice" or (len(reference) > 1 and not (told and row["signal"] == "schema")):  # fmt: skip
                yield row


def _gone(reference, month) -> Iterator[dict]:
    """Tell of tables that used to come and did not, or came empty."""
    for name, usual in reference[-1].items():
        if len(reference) > 1 and len(usual) > ENOUGH and not len(month.get(name, ())):
            signal = "labels" if name in ("labels", "ratings", "returns") else "rows"
            yield finding(signal, name, 0, len(usual), f"no row of {name} came; {len(usual):,} did a month ago", effect=1, where="no row came")  # fmt: skip


def _not_over(past, month) -> Iterator[dict]:
    """Tell of a month that ends before its time."""
    place, moments = _moments(month)
    days, usual = (np.ptp(one) / pd.Timedelta(days=1) if len(one) else np.nan for one in (moments, _moments(past[-1])[1]))  # fmt: skip
    if len(past) > 1 and days < 0.8 * usual:
        yield finding("rows", place, days, usual, f"the moments of {place} span {days:.0f} days, {usual:.0f} before: the month is not over", effect=1 - days / usual)  # fmt: skip


def _given(name, key):
    def check(past, month):
        """Hold what the model was given against what is stored; a column filled since then is the table's own."""
        usual = _usual(past, name)
        new = set() if usual is None else set(month[name]) - set(usual)
        for row in check_given(month["given"], month[name], key, "given").to_dict("records"):
            yield {**row, "table": name if row["column"] in new else "given"}

    return check


def _service(name):
    return lambda past, month: system.service([one[name] for one in past if name in one], month[name], name)  # fmt: skip


_CHECKS = {
    _given("sessions", "session_id"): "given.session_id sessions.session_id",
    _given("customers", "customerID"): "given.customerID customers.customerID",
    **{_service(name): " ".join(f"{name}.{column}" for column in system.TOLD) for name in ("telemetry", "requests")},
}  # fmt: skip


def diagnose(found: DataFrame) -> list[Alert]:
    """Read signals by `RULES`: one alert a cause, and one more for what is left unexplained.

    Parameters
    ----------
    found : a table of `signals`.
    """
    keys = [_key(row) for row in found.to_dict("records")]
    claims = {rule: _claims(rule, keys) for rule in RULES}
    left, ranked = set(range(len(keys))), []
    while left:
        best = max(RULES, key=lambda rule: _score(claims[rule], left))
        if not any(weight >= DECIDES for at, weight in claims[best].items() if at in left):
            break
        ranked.append(best)
        left -= set(claims[best])
    alerts = [_alert(rule, claims, found, ranked) for rule in ranked]
    rest = found.iloc[sorted(left)]
    rest = rest[rest["signal"].isin(UNEXPLAINED)]
    return [*alerts, *([_unexplained(rest)] if len(rest) else [])]


def _unexplained(rest):
    """Return the alert that something is wrong, and nobody knows what."""
    drop = rest["signal"].eq("performance").any()
    trigger = Trigger.PERFORMANCE_DROP if drop else Trigger.DATA_DRIFT
    first = rest.loc[rest["effect"].abs().idxmax()]
    return Alert(
        trigger, first["because"], trigger.causes, "unexplained", first["where"], rest["since"].min(), "",
        tuple(rest["because"]),
    )  # fmt: skip


def _key(row):
    """Return a signal as the patterns of the rules read it."""
    sign = {1: "+", -1: "-"}.get(int(np.sign(row["value"] - row["expected"])), "=")
    if row["signal"] == "relation" and row["where"].endswith("was rewritten"):
        sign = "words"
    if row["where"] == ANOTHER_KIND:
        sign = "kind"
    if row["where"] == "no row came":
        sign = "none"
    if row["table"] in ("cancellations", "labels") and row["signal"] != "labels":
        sign = row["where"]
    return f"{row['signal']} {row['table']}.{row['column']} {sign}"


def _claims(rule, keys):
    """Return which signals speak for a rule: number of the signal -> weight."""
    found = {}
    for at, key in enumerate(keys):
        weights = [weight for pattern, weight in rule.speaks.items() if fnmatch(key, pattern)]
        if weights:
            found[at] = max(weights)
    return found


def _score(claims, left):
    """Return how much of what is left a rule explains."""
    return max([weight for at, weight in claims.items() if at in left], default=0) + 0.1 * sum(
        claims.values()
    )


def _alert(rule, claims, found, ranked):
    """Return the alert of a rule: with what else the same signals could mean."""
    mine = found.iloc[list(claims[rule])]
    first = found.iloc[max(claims[rule], key=lambda at: (claims[rule][at], abs(found["effect"].iloc[at])))]  # fmt: skip
    others = [one for one in RULES if one is not rule and one not in ranked[: ranked.index(rule)]]
    kinds = set(mine["signal"])
    near = lambda one: (one in ranked, sum(claims[one].values()), len(kinds & {p.split()[0] for p in one.speaks}))  # noqa: E731  # fmt: skip
    instead = max(others, key=near)
    causes = tuple(dict.fromkeys([rule.cause, instead.cause]))
    return Alert(
        rule.trigger, first["because"], causes, rule.what, first["where"], mine["since"].min(), instead.what,
        tuple(mine["because"]),
    )  # fmt: skip
