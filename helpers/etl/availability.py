"""Stage 2: are there enough data? How far a share can be trusted, segment by segment, and what more rows bring."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from pandas import DataFrame, Series
from scipy.stats import binomtest, norm

from helpers.checks import require_columns, require_share

ROWS_PER_INPUT = 10  # rows of the rarer outcome that each input of a model should have, at least


class Gain(NamedTuple):
    """How much larger one share is than another, and the range that chance leaves open."""

    share: float
    low: float
    high: float


def share_interval(hits: int, rows: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the range in which the true share lies, when `hits` of `rows` were seen.

    Parameters
    ----------
    hits, rows : counts; `rows` is at least 1.
    confidence : the share of such ranges that hold the true share, above 0.0 and below 1.0.

    Returns
    -------
    The lower and the upper end, 0.0 to 1.0.

    Raises
    ------
    ValueError
        If the counts contradict each other, or `confidence` is out of its range.

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
    _require_confidence(confidence)
    found = binomtest(int(hits), int(rows)).proportion_ci(confidence, method="wilson")
    return float(found.low), float(found.high)


def _require_confidence(confidence):
    """Stop unless a confidence is one; nothing is sure, and 95 is not 0.95."""
    if not 0 < confidence < 1:
        raise ValueError(
            f"confidence is a share above 0 and below 1, such as 0.95; got {confidence}."
        )


def rows_needed(half_width: float, share: float = 0.5, confidence: float = 0.95) -> int:
    """Return how many rows a share needs to be known to plus or minus `half_width`.

    Half the width costs four times the rows. A share of one half needs the most.

    Parameters
    ----------
    half_width : as a share, above 0.0; 0.05 for five points.
    share : about what the share will be, 0.0 to 1.0.
    confidence : as in `share_interval`.

    Raises
    ------
    ValueError
        If a number is out of its range.

    Examples
    --------
    >>> rows_needed(0.05), rows_needed(0.10)
    (385, 97)
    """
    require_share(share, "share")
    if not 0 < half_width < 1:
        raise ValueError(
            f"half_width is a share above 0 and below 1, such as 0.05; got {half_width}."
        )
    _require_confidence(confidence)
    error = norm.ppf((1 + confidence) / 2) / half_width
    return max(1, math.ceil(share * (1 - share) * error**2))


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
        If a column is missing.

    Examples
    --------
    >>> table = DataFrame({"skin": ["dry"] * 200 + ["oily"] * 9, "found": [True, False] * 104 + [True]})
    >>> enough_by_segment(table, "skin", "found")[["rows", "enough"]].values.tolist()
    [[200, True], [9, False]]
    """
    require_columns(table, "the table", [segment, outcome])
    known = table.dropna(subset=[segment, outcome])
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


def gain(before: Series, after: Series, confidence: float = 0.95) -> Gain:
    """Return how much larger the share in `after` is than in `before`, on the same rows.

    Judged row by row, so what both get right or wrong says nothing. The lower end above zero means
    that chance alone is unlikely.

    Parameters
    ----------
    before, after : True and False, one a row, with the same index.
    confidence : as in `share_interval`.

    Raises
    ------
    ValueError
        If the rows are not the same, or fewer than two.

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
    _require_confidence(confidence)
    steps = after.to_numpy(dtype=float) - before.to_numpy(dtype=float)
    reach = norm.ppf((1 + confidence) / 2) * np.std(steps, ddof=1) / math.sqrt(len(steps))
    share = float(steps.mean())
    return Gain(share, share - float(reach), share + float(reach))
