"""Readings of sensors, and what people enter: surveys and forms."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pandas as pd
from pandas import DataFrame

from helpers.checks import require_columns
from helpers.etl.extract.accounts import (
    CannotExtract,
    Extract,
    RowAccount,
    Tray,
    aside_table,
    together,
)
from helpers.etl.extract.csv_files import read_csv
from helpers.etl.extract.json_files import read_json_list

EARLIEST, LATEST = "1990-01-01", "2100-01-01"


def read_sensors(
    paths: str | Path | Iterable[Path], moment: str, *, when: str = "", **options
) -> Extract:
    """Read the files of sensors: CSV with one reading a row, every value as text.

    Parameters
    ----------
    paths : one file or several, the oldest first.
    moment : the column that says when a reading was taken; ISO text.
    options : as in `csv_chunks`.

    Returns
    -------
    The readings. A row whose moment is none, or that lies before 1990 or after 2099 (a clock that
    was never set), is set aside: no reading can be placed without its time.

    Raises
    ------
    ValueError
        If a file cannot be read or lacks the column `moment`.

    Examples
    --------
    >>> import tempfile
    >>> from helpers.files import write_whole
    >>> text = "read_at,temperature_c\\n2024-09-01T10:00:00,5.1\\n-1,5.2\\nNaN,5.3\\n"
    >>> path = write_whole(Path(tempfile.mkdtemp()) / "room.csv", text)
    >>> print(read_sensors(path, "read_at").account)
    3 in = 1 returned + 2 set aside + 0 merged
    """
    files = [paths] if isinstance(paths, str | Path) else list(paths)
    return together(timed(read_csv(path, when=when, **options), moment) for path in files)


def read_survey(paths: str | Path | Iterable[Path], *, when: str = "", **options) -> Extract:
    """Read the answers of a survey: CSV with one person a row, every value as text.

    A formula that somebody typed (`=1+1`) stays text; see `helpers.etl.extract.neutralized` before
    a table goes to a spreadsheet. Parameters and errors are those of `csv_chunks`.
    """
    files = [paths] if isinstance(paths, str | Path) else list(paths)
    return together(read_csv(path, when=when, totals=False, **options) for path in files)


def read_forms(paths: str | Path | Iterable[Path], *, when: str = "", **options) -> Extract:
    """Read forms: JSON lists with one entry a form, values as typed; see `read_json_list`."""
    files = [paths] if isinstance(paths, str | Path) else list(paths)
    return together(read_json_list(path, when=when, **options) for path in files)


def timed(extract: Extract, column: str, earliest: str = EARLIEST, latest: str = LATEST) -> Extract:
    """Set rows aside whose moment in `column` cannot be: no ISO date, or not within the limits.

    Parameters
    ----------
    column : ISO text, or date and moment objects.
    earliest, latest : ISO dates; the first is within, the last is not.

    Raises
    ------
    ValueError
        If the column is missing.
    """
    require_columns(extract.table, extract.provenance.source, [column])
    values = extract.table[column].tolist()
    ends = datetime.fromisoformat(earliest), datetime.fromisoformat(latest)
    within = [_within(value, *ends) for value in values]
    kept = extract.table[within].reset_index(drop=True)
    tray = Tray(extract.provenance.source)
    odd = [place for place, fine in enumerate(within) if not fine]
    for place, row in zip(odd, extract.table.iloc[odd].to_dict("records"), strict=True):
        why = f"{column} {str(values[place])[:60]!r} is no moment from {earliest} to {latest}"
        tray.put_aside(place + 1, f"{why} (row {place + 1} of those that could be read)", str(row))
    return _moved(extract, kept, aside_table(tray.aside))


def _moved(extract: Extract, kept: DataFrame, aside: DataFrame) -> Extract:
    """Return the extract with some of its rows among those set aside."""
    account = extract.account
    both = pd.concat([extract.set_aside, aside], ignore_index=True)
    if account.returned != len(kept) + len(aside):
        raise CannotExtract("rows were lost on their way aside: report the source that shows it.")
    account = RowAccount(account.rows_in, len(kept), account.set_aside + len(aside), account.merged)
    return Extract(kept, both, replace(extract.provenance, rows=len(kept)), account)


def _within(value, earliest, latest):
    """Return whether a value is a moment within the limits."""
    text = value.strip() if isinstance(value, str) else str(value)
    try:
        moment = datetime.fromisoformat(text).replace(tzinfo=None)
    except ValueError:
        return False
    return earliest <= moment < latest
