"""Monitoring: an alert when a promise is broken: a floor that was agreed, or a rule about a service's figures.

The rules are plain records. `evaluate` holds them against a table of figures in this process;
`prometheus_rules` writes the same records for Prometheus.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from prometheus_client.parser import text_string_to_metric_families

from helpers.checks import require_columns
from helpers.lifecycle import Cause, Stage, Trigger
from helpers.problem import SuccessCriterion


@dataclass(frozen=True)
class Alert:
    """A promise that is no longer kept, or what a watch found. It is a question, not a verdict.

    Attributes
    ----------
    trigger : what rang.
    because : the figure that rang, in one sentence.
    check : the causes to rule out, the likeliest first; each names a stage to reopen.
    what : what a watch takes it for, such as "clock skew"; "" where only a figure is known.
    where, since : for whom, and from when on as far as it can be told.
    instead : what it would be next, should it not be that.
    evidence : what speaks for it, a sentence each.
    """

    trigger: Trigger
    because: str
    check: tuple[Cause, ...]
    what: str = ""
    where: str = "everybody"
    since: pd.Timestamp | None = None
    instead: str = ""
    evidence: tuple[str, ...] = ()

    @property
    def reopen(self) -> Stage:
        """The stage where the likeliest cause is repaired."""
        return self.check[0].reopens


def check_criterion(criterion: SuccessCriterion, value: float) -> Alert | None:
    """Return an alert when `value` breaks the criterion, and None when it keeps it.

    Examples
    --------
    >>> floor = SuccessCriterion("accuracy", 0.8, "all customers", "each month")
    >>> check_criterion(floor, 0.7).because
    'accuracy is 0.700, below the agreed 0.8 on all customers, each month'
    >>> check_criterion(floor, 0.85) is None
    True
    """
    if criterion.met(value):
        return None
    because = (
        f"{criterion.metric} is {value:.3f}, below the agreed {criterion.at_least:g} "
        f"on {criterion.population}, {criterion.window}"
    )
    return Alert(Trigger.PERFORMANCE_DROP, because, Trigger.PERFORMANCE_DROP.causes)


_SELECTOR = re.compile(r'([a-z0-9_]+)(?:\{((?:[a-z_]+=~?"[^"\\]*",?)*)\})?').fullmatch
_LABEL = re.compile(r'([a-z_]+)(=~?)"([^"]*)"').findall
_SPAN = re.compile("[0-9]+[smhd]").fullmatch


@dataclass(frozen=True)
class Rule:
    """What is put up with: a share of one counter in another, or the value of a gauge.

    Attributes
    ----------
    name : one word, such as TooManyErrors.
    part : what is counted, as Prometheus selects it: `name{label="value",label=~"this|that"}`.
    of : what it is a share of; "" where `part` is a gauge, whose least value counts.
    at_least, at_most : a value outside rings.
    over : the share is of the increase over the last `over`: a number and s, m, h or d. A few scrapes long.
    least : increases of `of` below it ring no bell: too few to judge.
    lasting : how long the value has to stay outside until the alert fires; before that it is pending.
    says : what is wrong and what to do, in a sentence for whoever is woken.

    Raises
    ------
    ValueError
        If a selector or a span has another form.
    """

    name: str
    part: str
    of: str = ""
    at_least: float = -np.inf
    at_most: float = np.inf
    over: str = "5m"
    least: int = 20
    lasting: str = "1m"
    says: str = ""

    def __post_init__(self):
        for what, form, like in [
            *((one, _SELECTOR, 'lab_requests_total{status=~"5.."}') for one in {self.part, self.of or "up"}),
            *((one, _SPAN, "5m") for one in (self.over, self.lasting)),
        ]:  # fmt: skip
            if not form(what):
                raise ValueError(f"rule {self.name}: expected something like {like!r}, got {what!r}: neither Prometheus nor the table could tell what is meant. Write it so.")  # fmt: skip


SERVED = '{path=~"/predict|/recommend"}'
SERVICE_RULES = (
    Rule("ServiceDown", "up", at_least=1, says="The service gives no figures. Start it again; until then visitors see the shelf."),
    Rule("TooManyErrors", 'lab_requests_total{path=~"/predict|/recommend",status=~"5.."}', "lab_requests_total" + SERVED, at_most=0.01, says="More than 1 % of the requests fail. Read the log, roll back."),
    Rule("TooSlow", 'lab_request_seconds_bucket{path=~"/predict|/recommend",le="0.1"}', "lab_request_seconds_count" + SERVED, at_least=0.99, says="More than 1 % of the answers take longer than 0.1 s: p99 is above it. Look at the load, add a worker."),
    Rule("TooManyFallbacks", 'lab_answers_total{fallback="true"}', "lab_answers_total", at_most=0.1, says="More than 10 % of the answers are fallbacks. Look at the version that serves, roll back."),
)  # fmt: skip


def scraped(text: str | None, at: str | pd.Timestamp) -> pd.DataFrame:
    """Return what a service tells at `/metrics` as a table.

    Parameters
    ----------
    text : as it came; None where nothing came.
    at : when it was asked.

    Returns
    -------
    One row a figure: `at`, `series` (as Prometheus writes it), `name`, `value`, and a column for each label.
    The figure `up` is 1, or the only one and 0.

    Examples
    --------
    >>> scraped('lab_requests_total{status="200"} 7\\n', "2024-10-01")[["name", "value", "status"]]
                     name  value status
    0                  up    1.0    NaN
    1  lab_requests_total    7.0    200
    """
    rows = [{"series": "up", "name": "up", "value": float(text is not None)}]
    for family in text_string_to_metric_families(text or ""):
        for one in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sorted(one.labels.items()))
            series = one.name + (f"{{{labels}}}" if labels else "")
            rows.append({"series": series, "name": one.name, "value": one.value, **one.labels})
    table = pd.DataFrame(rows)
    table.insert(0, "at", pd.Timestamp(at))
    return table


def evaluate(rules: Iterable[Rule], scrapes: pd.DataFrame) -> pd.DataFrame:
    """Hold rules against figures, at each moment at which they were asked for.

    A counter that falls began anew with its service; one that is not there yet stands at 0.

    Parameters
    ----------
    rules : such as `SERVICE_RULES`.
    scrapes : tables of `scraped`, one below the other.

    Returns
    -------
    One row a moment and rule: `at`, `rule`, `value` (NaN where nothing was counted), `state`: "inactive",
    "pending" or "firing".

    Examples
    --------
    >>> texts = ['a_total{ok="no"} 0\\na_total{ok="yes"} 0\\n', 'a_total{ok="no"} 3\\na_total{ok="yes"} 27\\n']
    >>> asked = ["2024-10-01 09:00", "2024-10-01 09:01"]
    >>> table = pd.concat([scraped(text, at) for text, at in zip(texts, asked)])
    >>> rule = Rule("TooMany", 'a_total{ok="no"}', "a_total", at_most=0.05, lasting="0s")
    >>> evaluate([rule], table)[["value", "state"]].values.tolist()
    [[nan, 'inactive'], [0.1, 'firing']]
    """
    require_columns(scrapes, "scrapes", ["at", "series", "name", "value"])
    wide = scrapes.pivot_table("value", "at", "series", aggfunc="last")
    series = scrapes.drop_duplicates("series").set_index("series")
    # Where nothing came, nothing is known; what is not there yet, or fell, began at 0.
    counts = wide.fillna(0.0).where(wide["up"].eq(1)).ffill()
    rises = counts.diff().fillna(0.0)
    rises = rises.where(rises >= 0, counts)
    told = []
    for rule in rules:
        part = _selected(series, rule.part)
        if rule.of:
            over = rises.rolling(_span(rule.over)).sum()
            counted = over[_selected(series, rule.of)].sum(axis=1).round(9)
            value = over[part].sum(axis=1) / counted.where(counted > 0)
        else:
            value = wide[part].min(axis=1)
        enough = counted >= rule.least if rule.of else True
        outside = enough & ((value < rule.at_least) | (value > rule.at_most))
        at = value.index.to_series()
        since = at.where(outside & ~outside.shift(fill_value=False)).ffill()
        lasted = (at - since) >= _span(rule.lasting)
        state = np.select([~outside, lasted], ["inactive", "firing"], "pending")
        told.append(pd.DataFrame({"at": at, "rule": rule.name, "value": value, "state": state}))
    return pd.concat(told, ignore_index=True).sort_values("at", kind="stable", ignore_index=True)


def _span(text):
    return pd.Timedelta(seconds=int(text[:-1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[text[-1]])


def _selected(series, selector):
    """Return the names of the series that a selector means."""
    name, labels = _SELECTOR(selector).groups()
    mine = series["name"].eq(name)
    for label, kind, value in _LABEL(labels or ""):
        column = series.get(label, pd.Series("", series.index)).fillna("")
        mine &= column.str.fullmatch(value if kind == "=~" else re.escape(value))
    return series.index[mine]


def prometheus_rules(rules: Iterable[Rule]) -> str:
    """Write rules as Prometheus reads them from a file of rules; JSON is YAML, too.

    Examples
    --------
    >>> one = json.loads(prometheus_rules(SERVICE_RULES[:1]))["groups"][0]["rules"][0]
    >>> one["alert"], one["expr"], one["for"]
    ('ServiceDown', 'min(up) < 1', '1m')
    """
    written = [
        {"alert": rule.name, "expr": _expression(rule), "for": rule.lasting, "annotations": {"summary": rule.says}}
        for rule in rules
    ]  # fmt: skip
    return json.dumps({"groups": [{"name": "service", "rules": written}]}, indent=1) + "\n"


def _expression(rule):
    value, bounds = _value(rule), []
    if np.isfinite(rule.at_least):
        bounds.append(f"{value} < {rule.at_least:g}")
    if np.isfinite(rule.at_most):
        bounds.append(f"{value} > {rule.at_most:g}")
    outside = " or ".join(bounds)
    counted = f"sum(increase({rule.of}[{rule.over}]))"
    return f"({outside}) and {counted} >= {rule.least}" if rule.of else outside


def _value(rule):
    """Return what a rule looks at, as Prometheus computes it."""
    if not rule.of:
        return f"min({rule.part})"
    part, of = (f"sum(increase({one}[{rule.over}]))" for one in (rule.part, rule.of))
    return f"{part} / {of}"


def grafana_dashboard(title: str, rows: Mapping[str, Iterable[Rule]]) -> str:
    """Write rules as a dashboard for Grafana: a panel a rule, its limits drawn as lines.

    Import it there; it asks which Prometheus has the figures.

    Parameters
    ----------
    title : of the dashboard.
    rows : the title of each row, from above -> its rules, from the left; three panels side by side.

    Source
    ------
    Grafana, "Dashboard JSON model" (schema 39).

    Examples
    --------
    >>> board = json.loads(grafana_dashboard("service", {"system": SERVICE_RULES[:2]}))
    >>> [(one["type"], one["title"]) for one in board["panels"]]
    [('row', 'system'), ('timeseries', 'ServiceDown'), ('timeseries', 'TooManyErrors')]
    """
    panels, top = [], 0
    for row, rules in rows.items():
        panels.append({"type": "row", "title": row, "gridPos": {"h": 1, "w": 24, "x": 0, "y": top}})
        for place, rule in enumerate(rules):
            down, right = divmod(place, 3)
            at = {"h": 6, "w": 8, "x": 8 * right, "y": top + 1 + 6 * down}
            panels.append(_panel(rule, at))
        top = panels[-1]["gridPos"]["y"] + panels[-1]["gridPos"]["h"]
    for number, panel in enumerate(panels, start=1):
        panel["id"] = number
    source = {"name": "source", "type": "datasource", "query": "prometheus"}
    board = {
        "title": title,
        "schemaVersion": 39,
        "panels": panels,
        "templating": {"list": [source]},
    }
    return json.dumps(board, indent=1) + "\n"


def _panel(rule, at):
    """Return a panel of Grafana: green where the rule is kept, red where it is broken."""
    steps = [{"color": "green", "value": None}]
    if np.isfinite(rule.at_least):
        steps = [{"color": "red", "value": None}, {"color": "green", "value": rule.at_least}]
    if np.isfinite(rule.at_most):
        steps.append({"color": "red", "value": rule.at_most})
    return {
        "type": "timeseries", "title": rule.name, "description": rule.says, "gridPos": at,
        "datasource": {"type": "prometheus", "uid": "${source}"},
        "targets": [{"expr": _value(rule), "refId": "A"}],
        "fieldConfig": {"defaults": {"thresholds": {"mode": "absolute", "steps": steps}, "custom": {"thresholdsStyle": {"mode": "line"}}}},
    }  # fmt: skip
