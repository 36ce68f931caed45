"""Stage 2: are the data reliable? Five scores of a source, each a share that anybody can count again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd
from pandas import DataFrame, Series

from helpers.checks import require_columns

SCORES = ["rows", "complete", "valid", "unique", "timely", "consistent"]


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
    kept = []
    for column, rule in rules.items():
        filled = table[column][is_filled(table[column])]
        kept.append(rule(filled).astype(bool))
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
    start, until : the first moment that counts, and the first that no longer does.
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

    Parameters
    ----------
    of_sources : source -> what `scores` returned.

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
