"""Monitoring: how the service of a model does, from the rows it leaves of each request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd
from pandas import DataFrame

from helpers.monitoring.data_quality import ENOUGH, chance_of_more, finding

SLOWER, WORSE = 1.5, 0.01
TOLD = ["latency_ms", "status", "model_version"]


def service(past: Sequence[DataFrame], now: DataFrame, name: str = "telemetry") -> Iterator[dict]:
    """Hold the requests of a month against those of the months before.

    Parameters
    ----------
    past, now : one row a request: `latency_ms`, `status` (of HTTP), `model_version`. Versions with
        less than 50 rows say nothing.
    name : of the table, for the sentences.

    Yields
    ------
    Signals "system": a version whose median latency is 1.5 times the usual one; of each version how much more
    of its requests it refuses or fails (without what comes too late), at least 1 %.

    Examples
    --------
    >>> usual = DataFrame({"latency_ms": [40.0] * 60, "status": 200, "model_version": "1"})
    >>> next(service([usual], usual.assign(latency_ms=90.0)))["because"]
    'half the requests of version 1 take over 90 ms; 40 ms is usual'
    """
    past = [one[TOLD] for one in past if set(TOLD) <= set(one) and len(one)]
    if not past:
        return
    before = pd.concat(past)
    usual_ms, lost = before["latency_ms"].median(), _lost(before)
    for version, rows in now.groupby("model_version"):
        if len(rows) < ENOUGH:
            continue
        who, half_ms, gone = f"version {version}", rows["latency_ms"].median(), _lost(rows)
        if half_ms > SLOWER * usual_ms:
            yield finding(
                "system", f"{name}.latency_ms", half_ms, usual_ms,
                f"half the requests of {who} take over {half_ms:.0f} ms; {usual_ms:.0f} ms is usual",
                effect=1 - usual_ms / half_ms, where=who,
            )  # fmt: skip
        yield finding(
            "system", f"{name}.status", gone.mean(), lost.mean(),
            f"{gone.mean():.1%} of the requests of {who} are refused or fail; {lost.mean():.1%} is usual",
            where=who, p=chance_of_more(gone, lost, WORSE),
        )  # fmt: skip


def _lost(rows):
    """Return which requests got no answer of the model's, though not for being late."""
    return rows["status"].ge(500) & rows["status"].ne(504)
