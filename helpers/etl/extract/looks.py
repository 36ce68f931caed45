"""The first look at what was extracted: how much came, of which days, and how much of it is blank."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from pandas import DataFrame, Series

from helpers.checks import require_columns
from helpers.etl.extract.accounts import Extract
from helpers.etl.parsing import parse_dates

_LOG_MOMENT = "%d/%b/%Y:%H:%M:%S %z"  # 01/Sep/2024:08:22:33 +0000


def first_look(extracts: Mapping[str, Extract], moments: Mapping[str, str]) -> DataFrame:
    """Tabulate what came from each source, before anything is done to it.

    Dates are read as ISO, German, American or web-server text, only to find the first and the last.

    Parameters
    ----------
    extracts : what each source is called -> what its reader returned.
    moments : source -> its column of moments; a source without one is left out.

    Returns
    -------
    One row a source, in the order given: `rows_in`, `returned`, `set_aside`, `merged`,
    `blank_share` (cells that are missing or hold blanks only, 0.0 to 1.0), `first_day` and
    `last_day` (ISO text, "" where there is none).

    Raises
    ------
    ValueError
        If a source lacks its column of moments.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from helpers.etl.extract import read_csv
    >>> from helpers.files import write_whole
    >>> path = write_whole(Path(tempfile.mkdtemp()) / "sales.csv", "id,on\\n1,2024-09-01\\n2, \\n3\\n")
    >>> look = first_look({"sales": read_csv(path)}, {"sales": "on"})
    >>> look[["rows_in", "returned", "set_aside", "blank_share", "last_day"]].to_dict("records")
    [{'rows_in': 3, 'returned': 2, 'set_aside': 1, 'blank_share': 0.25, 'last_day': '2024-09-01'}]
    """
    rows = {}
    for name, (table, _, _, account) in extracts.items():
        first, last = _days(table, name, moments[name]) if name in moments else ("", "")
        rows[name] = {
            "rows_in": account.rows_in,
            "returned": account.returned,
            "set_aside": account.set_aside,
            "merged": account.merged,
            "blank_share": _blank_share(table),
            "first_day": first,
            "last_day": last,
        }
    return DataFrame.from_dict(rows, orient="index")


def _blank_share(table: DataFrame) -> float:
    """Return the share of cells with nothing in them."""
    blank = table.isna() | table.map(lambda value: isinstance(value, str) and not value.strip())
    return float(blank.to_numpy().mean()) if table.size else 0.0


def _days(table: DataFrame, name: str, column: str) -> tuple[str, str]:
    """Return the first and the last day of a column of moments."""
    if table.empty:
        return "", ""
    require_columns(table, name, [column])
    days = _read(table[column]).dropna()
    return (str(days.min())[:10], str(days.max())[:10]) if len(days) else ("", "")


def _read(moments: Series) -> Series:
    """Read moments in any of the forms that the sources write."""
    logged = pd.to_datetime(moments.astype("str"), format=_LOG_MOMENT, errors="coerce", utc=True)
    return parse_dates(moments).fillna(logged.dt.tz_localize(None))
