"""Stage 3: requests in a web server's log: people stay, robots go to quarantine."""

from __future__ import annotations

import pandas as pd
from pandas import DataFrame

from helpers.etl.accounting import Cleaned, Cleaning
from helpers.etl.clean_steps import read_whole
from helpers.etl.schemas import source_schema

PERSON = {"shop.web_log": r"[?&]session=\d+", "operator.scoring_log": r"[?&]customer=[\w-]+"}


def clean_requests(source: str, raw: DataFrame) -> Cleaned:
    """Clean the requests of a log: typed, and without robots.

    Half of the robots say so; the others borrow a browser's name, but ask for what no person asks
    for, or come without the session (the customer) that every page of ours carries.

    Parameters
    ----------
    source : "shop.web_log" or "operator.scoring_log".
    raw : the fields of a line as text: `ip`, `at` ("01/Jul/2024:06:27:07 +0000"), `method`,
        `path`, `status`, `bytes`, `agent`; a line that was cut off has no path.

    Examples
    --------
    >>> raw = DataFrame({"ip": "198.18.0.1", "at": "01/Jul/2024:06:27:07 +0000", "method": "GET",
    ...                  "path": ["/?session=5", "/product/7", None], "status": "200", "bytes": "9",
    ...                  "agent": "Firefox"})
    >>> clean_requests("shop.web_log", raw).quarantined["reason"].tolist()
    ['a line that cannot be read', 'a robot: no session or customer in the path']
    """
    cleaning = Cleaning(source, raw, ["ip", "at", "method", "path", "status", "bytes", "agent"])
    cleaning.refuse(cleaning["path"].isna(), "a line that cannot be read")
    named = cleaning["agent"].str.contains(r"bot|crawl|spider", case=False, regex=True, na=False)
    cleaning.refuse(named, "a robot: it says so")
    probe = cleaning["path"].str.contains(r"^/(?:robots\.txt|wp-login|\.env)", regex=True, na=False)
    cleaning.refuse(probe, "a robot: it asks for what no person asks for")
    nobody = ~cleaning["path"].str.contains(PERSON[source], regex=True, na=False)
    cleaning.refuse(nobody, "a robot: no session or customer in the path")
    moments = pd.to_datetime(cleaning["at"], format="%d/%b/%Y:%H:%M:%S %z", errors="coerce", utc=True)  # fmt: skip
    cleaning.table = cleaning.table.assign(requested_at=moments.dt.tz_localize(None)).drop(columns="at")  # fmt: skip
    read_whole(cleaning, "status", "bytes")
    return cleaning.done(source_schema(source))
