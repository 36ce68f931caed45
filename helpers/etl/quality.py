"""Stage 2: the first look, enough data, and how reliable a source is."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pandas as pd
from pandas import DataFrame, Series
from scipy.special import ndtri

from helpers.checks import require_columns, require_flags
from helpers.etl.extract.result import Extract
from helpers.etl.parsing import parse_dates, parse_log_moments

CONFIDENCE = 0.95  # the share of ranges that hold the true value
DEVIATIONS = float(ndtri((1 + CONFIDENCE) / 2))  # standard deviations that such a range reaches
FEW = 10  # rows that changed, below which their spread says too little
SCORES = ["rows", "complete", "valid", "unique", "timely", "consistent"]


def first_look(extracts: Mapping[str, Extract], moments: Mapping[str, str]) -> DataFrame:
    """Tabulate what came from each source, before anything is done to it.

    Dates are read as ISO, German, American or web-server text, only to find the first and the last.

    Parameters
    ----------
    extracts : what each source is called -> what its reader returned.
    moments : source -> its column of moments; a source without one is left out.

    Returns
    -------
    One row a source, in the order given: `rows_in`, `loaded`, `set_aside`, `merged`,
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
    >>> look[["rows_in", "loaded", "set_aside", "blank_share", "last_day"]].to_dict("records")
    [{'rows_in': 3, 'loaded': 2, 'set_aside': 1, 'blank_share': 0.25, 'last_day': '2024-09-01'}]
    """
    rows = {}
    for name, (table, _, _, books) in extracts.items():
        first, last = _days(table, name, moments[name]) if name in moments else ("", "")
        filled = table.apply(is_filled).to_numpy()
        rows[name] = {
            "rows_in": books.rows_in,
            "loaded": books.loaded,
            "set_aside": books.set_aside,
            "merged": books.merged,
            "blank_share": float((~filled).mean()) if table.size else 0.0,
            "first_day": first,
            "last_day": last,
        }
    return DataFrame.from_dict(rows, orient="index")


def _days(table, name, column):
    """Return the first and the last day of a column of moments, in any form that the sources write."""
    if table.empty:
        return "", ""
    require_columns(table, name, [column])
    written = table[column]
    days = parse_dates(written).fillna(parse_log_moments(written.astype("str"))).dropna()
    return (str(days.min())[:10], str(days.max())[:10]) if len(days) else ("", "")


class Gain(NamedTuple):
    """How much larger one share is than another, and the range that chance leaves open."""

    share: float
    low: float
    high: float


def share_interval(hits: int, rows: int) -> tuple[float, float]:
    """Return the range in which the true share lies at 95 % confidence, for `hits` seen in `rows`.

    Returns
    -------
    The lower and the upper end, 0.0 to 1.0.

    Raises
    ------
    ValueError
        If the counts contradict each other.

    Source
    ------
    Wilson (1927), Journal of the American Statistical Association 22(158); computed by SciPy.

    Examples
    --------
    >>> low, high = share_interval(8, 20)
    >>> round(low, 2), round(high, 2)
    (0.22, 0.61)
    """
    if rows < 1 or not 0 <= hits <= rows:
        raise ValueError(
            f"hits are counted among the rows, so from 0 to rows, and there is at least 1 row; got "
            f"{hits} of {rows}. A segment without rows has no share."
        )
    from scipy.stats import binomtest

    found = binomtest(int(hits), int(rows)).proportion_ci(CONFIDENCE, method="wilson")
    return float(found.low), float(found.high)


def rows_needed(half_width: float) -> int:
    """Return how many rows a share needs to be known to plus or minus `half_width`, at 95 %.

    Half the width costs four times the rows. Counted for a share of one half, which needs the most.

    Parameters
    ----------
    half_width : a share above 0.0 and below 1.0; 0.05 for five points.

    Raises
    ------
    ValueError
        If it is out of its range.

    Examples
    --------
    >>> rows_needed(0.05), rows_needed(0.10)
    (385, 97)
    """
    if not 0 < half_width < 1:
        raise ValueError(f"half_width is a share between 0 and 1, such as 0.05; got {half_width}.")
    return max(1, math.ceil((DEVIATIONS / half_width / 2) ** 2))


def enough_by_segment(
    table: DataFrame, segment: str, outcome: str, half_width: float = 0.10
) -> DataFrame:
    """Return for each segment how well its share of an outcome is known.

    Parameters
    ----------
    table : one row an observation; rows without a segment or an outcome are left out.
    segment : a column of names.
    outcome : a column of True and False, or 1 and 0.
    half_width : a segment has enough rows when its range is no wider than twice this.

    Returns
    -------
    One row a segment, by name: `rows`, `share`, `low`, `high`, `enough`.

    Raises
    ------
    ValueError
        If a column is missing, or an outcome is no flag.

    Examples
    --------
    >>> table = DataFrame({"skin": ["dry"] * 200 + ["oily"] * 9, "found": [True, False] * 104 + [True]})
    >>> enough_by_segment(table, "skin", "found")[["rows", "enough"]].values.tolist()
    [[200, True], [9, False]]
    """
    require_columns(table, "the table", [segment, outcome])
    known = table.dropna(subset=[segment, outcome])
    require_flags(known[outcome], outcome)
    counts = known[outcome].astype(int).groupby(known[segment]).agg(["size", "sum"])
    ranges = [share_interval(hits, rows) for rows, hits in counts.to_numpy().tolist()]
    found = DataFrame(ranges, columns=["low", "high"], index=counts.index)
    found.insert(0, "share", counts["sum"] / counts["size"])
    found.insert(0, "rows", counts["size"])
    return found.assign(enough=found["high"] - found["low"] <= 2 * half_width)


def rows_per_input(outcomes: Series, inputs: int) -> float:
    """Return the rows of the rarer outcome for each input of a model; ten are a rule of thumb.

    Parameters
    ----------
    outcomes : two levels or more; gaps do not count.
    inputs : columns that the model may look at, at least 1.

    Raises
    ------
    ValueError
        If there is only one outcome, or no input.

    Source
    ------
    Peduzzi et al. (1996), Journal of Clinical Epidemiology 49(12): ten events per variable.

    Examples
    --------
    >>> rows_per_input(Series(["no"] * 70 + ["yes"] * 30), inputs=4)
    7.5
    """
    counts = outcomes.value_counts()
    if len(counts) < 2 or inputs < 1:
        raise ValueError(
            f"two outcomes and at least one input were expected; got the outcomes "
            f"{counts.index.tolist()} and {inputs} input(s). One outcome alone teaches nothing."
        )
    return float(counts.min() / inputs)


def gain(before: Series, after: Series) -> Gain:
    """Return how much larger the share in `after` is than in `before`, on the same rows.

    Judged row by row, so what both get right or wrong says nothing. The lower end above zero means
    that chance alone is unlikely.

    Parameters
    ----------
    before, after : True and False, or shares from 0.0 to 1.0, one a row, two at least, with the
        same index.

    Raises
    ------
    ValueError
        If the rows are not the same, or fewer than two, or a value is no flag and no share.

    Examples
    --------
    >>> before, after = Series([1, 0, 0, 0] * 50), Series([1, 1, 0, 0] * 50)
    >>> gained = gain(before, after)
    >>> gained.share, round(gained.low, 2), round(gained.high, 2)
    (0.25, 0.19, 0.31)
    """
    if len(before) < 2 or not before.index.equals(after.index):
        raise ValueError(
            f"before and after are the same rows, two at least; got {len(before):,} and "
            f"{len(after):,} row(s) with {'the same' if before.index.equals(after.index) else 'another'} "
            "index. Judge both on one table."
        )
    for name, values in [("before", before), ("after", after)]:
        wrong = values[~pd.to_numeric(values, errors="coerce").between(0, 1).fillna(False)]
        if len(wrong):
            raise ValueError(
                f"{name} holds flags, or shares from 0 to 1; {len(wrong):,} value(s) are none, the first "
                f"being {wrong.iloc[0]!r}. Compare first, or leave these rows out of both."
            )
    steps = after.to_numpy(dtype=float) - before.to_numpy(dtype=float)
    changed = int(np.count_nonzero(steps))
    if changed < FEW:
        warnings.warn(
            f"Of {len(steps):,} rows {changed:,} changed; with fewer than {FEW} the range is narrower than "
            "chance makes it. Judge more rows.",
            stacklevel=2,
        )
    reach = DEVIATIONS * float(np.std(steps, ddof=1)) / math.sqrt(len(steps))
    share = float(steps.mean())
    return Gain(share, share - reach, share + reach)


@dataclass(frozen=True)
class Promise:
    """What a source should keep, as agreed with whoever sends it.

    Attributes
    ----------
    key : the column that names a row.
    filled : columns that should hold something in every row.
    rules : column -> a function that takes its filled texts and returns True where one is valid.
    moment : the column that tells when; "" for a source without times.
    every : the longest time in which at least one row is due, such as "1h" or "7D".
    by : the column that tells the senders apart, when each has to send; "" for one sender.
    """

    key: str
    filled: Sequence[str]
    rules: Mapping[str, Callable[[Series], Series]] = field(default_factory=dict)
    moment: str = ""
    every: str = "1D"
    by: str = ""


def is_filled(values: Series) -> Series:
    """Return where something stands: no gap, and no text of blanks only.

    Examples
    --------
    >>> is_filled(Series(["dry", " ", "", None], dtype=object)).tolist()
    [True, False, False, False]
    """
    blank = values.map(lambda value: isinstance(value, str) and not value.strip())
    return values.notna() & ~blank.astype(bool)


def completeness(table: DataFrame, columns: Sequence[str]) -> float:
    """Return the share of the cells of `columns` that hold something; nan without a cell.

    Examples
    --------
    >>> completeness(DataFrame({"skin": ["dry", ""], "age": ["31", "40"]}), ["skin", "age"])
    0.75
    """
    require_columns(table, "the table", columns)
    filled = [is_filled(table[column]) for column in columns]
    return float(pd.concat(filled).astype(float).mean()) if filled else float("nan")


def validity(table: DataFrame, rules: Mapping[str, Callable[[Series], Series]]) -> float:
    """Return the share of the filled cells that keep the rule of their column; no rule, no score.

    Examples
    --------
    >>> table = DataFrame({"mark": ["4", "8", None]})
    >>> validity(table, {"mark": lambda texts: texts.isin(list("12345"))})
    0.5
    """
    require_columns(table, "the table", list(rules))
    filled = {column: table[column][is_filled(table[column])] for column in rules}
    kept = [rule(filled[column]).astype(bool) for column, rule in rules.items()]
    return float(pd.concat(kept).mean()) if kept else float("nan")


def uniqueness(table: DataFrame, key: str) -> float:
    """Return the share of the rows that are the first with their key; nan without a row.

    Examples
    --------
    >>> uniqueness(DataFrame({"event_id": [1, 2, 2, 3]}), "event_id")
    0.75
    """
    require_columns(table, "the table", [key])
    return float(1 - table[key].astype("str").duplicated().mean())


def timeliness(
    moments: Series,
    every: str,
    start: str | pd.Timestamp,
    until: str | pd.Timestamp,
    by: Series | None = None,
) -> float:
    """Return the share of the times at which a row was due, in which one came.

    Parameters
    ----------
    moments : when each row is from; a gap belongs to no time. Those with a zone count in UTC.
    every : the longest time in which at least one row is due, such as "1h" or "7D".
    start, until : the first moment that counts, and the first after it that no longer does.
    by : tells the senders apart, aligned with `moments`: each of them has to send. A row without a
        sender belongs to none.

    Raises
    ------
    ValueError
        If `until` is not after `start`.

    Examples
    --------
    >>> days = Series(pd.to_datetime(["2024-09-01", "2024-09-02", "2024-09-02", "2024-09-04"]))
    >>> timeliness(days, "1D", "2024-09-01", "2024-09-05")
    0.75
    """
    start, until = pd.Timestamp(start), pd.Timestamp(until)
    due = pd.date_range(start, until, freq=every, inclusive="left")
    if not len(due):
        raise ValueError(
            f"until is after start, or nothing was due; got {start} and {until}. Swap them, or "
            "choose a longer span."
        )
    moments = moments.dt.tz_convert(None) if moments.dt.tz is not None else moments
    senders = by if by is not None else Series("", index=moments.index)
    within = moments.between(start, until, inclusive="left") & senders.notna()
    period = (moments[within] - start) // pd.Timedelta(every)
    came = DataFrame({"sender": senders[within], "period": period}).drop_duplicates()
    return float(len(came) / (len(due) * max(1, senders.nunique())))


def scores(
    table: DataFrame,
    promise: Promise,
    start: str | pd.Timestamp,
    until: str | pd.Timestamp,
    agrees: Series | None = None,
) -> dict[str, float]:
    """Return the five scores of a source, shares of 0.0 to 1.0; nan where one cannot be counted.

    Parameters
    ----------
    table : the raw rows; moments are ISO texts or dates, those with a zone in UTC.
    promise : what the source should keep.
    start, until : the time that counts, see `timeliness`.
    agrees : for rows that another source also tells about, whether the two agree; gaps elsewhere.

    Returns
    -------
    The names of `SCORES`; `rows` is a count.

    Examples
    --------
    >>> forms = DataFrame({"entry_id": [1, 2], "age": ["31", ""], "entered_at": ["2024-09-01", "2024-09-09"]})
    >>> promise = Promise("entry_id", ["age"], {"age": lambda a: a.str.isdigit()}, "entered_at", "7D")
    >>> scores(forms, promise, "2024-09-01", "2024-09-15", Series([True, None]))
    {'rows': 2, 'complete': 0.5, 'valid': 1.0, 'unique': 1.0, 'timely': 1.0, 'consistent': 1.0}
    """
    timely = float("nan")
    if promise.moment:
        require_columns(table, "the table", [promise.moment, *filter(None, [promise.by])])
        moments = pd.to_datetime(table[promise.moment], errors="coerce", format="ISO8601", utc=True)
        by = table[promise.by] if promise.by else None
        timely = timeliness(moments, promise.every, start, until, by)
    compared = Series(dtype=float) if agrees is None else agrees.dropna().astype(float)
    return {
        "rows": len(table),
        "complete": completeness(table, promise.filled),
        "valid": validity(table, promise.rules),
        "unique": uniqueness(table, promise.key),
        "timely": timely,
        "consistent": float(compared.mean()) if len(compared) else float("nan"),
    }


def score_table(of_sources: Mapping[str, Mapping[str, float]]) -> DataFrame:
    """Return the scores of several sources as one table, with the weakest score of each.

    The weakest is what decides: a source that is complete and always late is not average, it is late.

    Returns
    -------
    One row a source, in the order given: `SCORES`, then `weakest`, the name of the lowest share
    ("none" where all that could be counted are 1, or nothing could be).

    Examples
    --------
    >>> table = score_table({"forms": {"rows": 2, "complete": 0.5, "valid": 1.0, "unique": 1.0,
    ...                                "timely": 1.0, "consistent": float("nan")}})
    >>> table.loc["forms", "weakest"]
    'complete'
    """
    table = DataFrame.from_dict(of_sources, orient="index")[SCORES]
    shares = table[SCORES[1:]].astype("float64")
    weakest = shares.fillna(1.0).idxmin(axis=1)
    return table.assign(weakest=weakest.where(shares.min(axis=1) < 1, "none"))
