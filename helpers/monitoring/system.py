"""Monitoring: how the service of a model does, from the rows it leaves of each request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd
from pandas import DataFrame
from scipy.stats import fisher_exact

from helpers.monitoring.alerts import finding

SLOWER, WORSE, LEAST = 1.5, 0.01, 50
TOLD = ["latency_ms", "status", "reason", "model_version"]


def service(past: Sequence[DataFrame], now: DataFrame, name: str = "telemetry") -> Iterator[dict]:
    """Hold the requests of a month against those of the months before.

    Parameters
    ----------
    past, now : one row a request: `latency_ms`, `status` (of HTTP), `reason` (why a fallback was served,
        "" where none was), `model_version`. Tables of less than 50 rows say nothing.
    name : of the table, for the sentences.

    Yields
    ------
    Signals "system": a version whose median latency is 1.5 times the usual one, one that refuses or
    fails (without what comes too late) 1 % more of its requests than usual.

    Examples
    --------
    >>> usual = DataFrame({"latency_ms": [40.0] * 60, "status": 200, "reason": "", "model_version": "1"})
    >>> [one["because"] for one in service([usual], usual.assign(latency_ms=90.0))]
    ['half the requests of version 1 take over 90 ms; 40 ms is usual']
    """
    past = [one[TOLD] for one in past if set(TOLD) <= set(one) and len(one)]
    if not past or len(now) < LEAST:
        return
    before = pd.concat(past)
    usual_ms, lost = before["latency_ms"].median(), _lost(before)
    for version, rows in now.groupby("model_version"):
        who, half_ms = f"version {version}", rows["latency_ms"].median()
        if len(rows) < LEAST:
            continue
        if half_ms > SLOWER * usual_ms:
            yield finding(
                "system", f"{name}.latency_ms", half_ms, usual_ms,
                f"half the requests of {who} take over {half_ms:.0f} ms; {usual_ms:.0f} ms is usual",
                effect=1 - usual_ms / half_ms, where=who,
            )  # fmt: skip
        gone = _lost(rows)
        if gone.mean() > lost.mean() + WORSE:
            counts = [[gone.sum(), (~gone).sum()], [lost.sum(), (~lost).sum()]]
            yield finding(
                "system", f"{name}.status", gone.mean(), lost.mean(),
                f"{gone.mean():.1%} of the requests of {who} are refused or fail; {lost.mean():.1%} is usual",
                where=who, p=fisher_exact(counts, alternative="greater").pvalue,
            )  # fmt: skip


def _lost(rows):
    """Return which requests got no answer of the model's, though not for being late."""
    return rows["status"].ge(500) & rows["status"].ne(504)
