"""Stage 5: an A/B test: how many customers it needs, who is shown what, and what may be concluded.

The unit is the customer: a customer stays with a variant, and all rows of one count as one draw.
`always_valid` may be looked at every evening; `compare_groups` once, when the planned sample is full.
"""

from __future__ import annotations

import hashlib
import math
from bisect import bisect_left
from collections.abc import Hashable, Iterable, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from pandas import DataFrame, Series
from scipy.special import stdtr, stdtrit
from scipy.stats import norm

from helpers.checks import (
    require_columns,
    require_filled,
    require_rows,
    require_share,
    require_single,
)

ALPHA = 0.05  # of telling a difference where none is, on both sides together
POWER = 0.9  # of telling the one that was planned for
FEWEST = 50  # customers of a variant, before which always_valid says nothing


def sample_size(lift: float, spread: float, sequential: bool = False) -> int:
    """Return how many customers, in two groups of one size together, tell a lift nine times in ten.

    Parameters
    ----------
    lift : the difference that has to be told, in units of the metric: 0.02 is two points of a share.
    spread : the standard deviation of the metric, from `spread_of`.
    sequential : False for `compare_groups`, looked at once; True for `always_valid`, which needs more
        customers and tells it at least as often.

    Raises
    ------
    ValueError
        If the lift is 0 or no number, or the spread is not above 0.

    Source
    ------
    The normal approximation; 5 % of false alarms on both sides.

    Examples
    --------
    >>> sample_size(lift=2.0, spread=15.0), sample_size(lift=2.0, spread=15.0, sequential=True)
    (2365, 4272)
    """
    _require_some(lift, "lift is the difference that has to be told")
    if not (math.isfinite(spread) and spread > 0):
        raise ValueError(
            f"spread is a standard deviation, above 0; got {spread!r}. Take it from spread_of."
        )
    sizes = range(2, 10**15)
    return sizes[bisect_left(sizes, POWER, key=lambda size: _power(size, lift, spread, sequential))]


def spread_of(table: DataFrame, metric: Hashable) -> float:
    """Return the standard deviation of a metric from customer to customer, for `sample_size`.

    The metric is its mean over all rows; a customer with several rows counts with all of them.

    Examples
    --------
    >>> visits = DataFrame({"customer_id": [1, 1, 2, 2, 3, 3], "found": [1, 1, 0, 0, 1, 0]})
    >>> spread_of(visits, "found")
    0.5
    """
    groups = _groups_of(table, metric)
    _require_customers(len(groups.total), "the table")
    return float(_around(groups.total, groups.rows).std(ddof=1))


def assign(ids: Iterable, shares: Mapping[str, float], salt: str) -> Series:
    """Return the variant of each customer, by a hash: the same one wherever and whenever it is asked.

    When the share of one of two variants grows, it keeps the customers it has.

    Parameters
    ----------
    ids : of customers; each may come often.
    shares : name of a variant -> share of the customers; together 1.
    salt : names the experiment: another one shares the customers out anew, independently.

    Returns
    -------
    `variant`, one a row of `ids`, with their index where they have one.

    Raises
    ------
    ValueError
        If an id is missing, or the shares do not add up to 1.

    Examples
    --------
    >>> assign(["anna", "ben", "cem"], {"champion": 0.5, "challenger": 0.5}, salt="june").tolist()
    ['champion', 'challenger', 'champion']
    """
    ids = ids if isinstance(ids, Series) else Series(list(ids))
    require_filled(ids.to_frame("id"), "ids", "id")
    require_single(ids, "ids")
    for name, share in shares.items():
        require_share(share, f"shares[{name!r}]")
    total = math.fsum(shares.values())
    if not math.isclose(total, 1, abs_tol=1e-9):
        raise ValueError(f"shares have to add up to 1; they add up to {total:g}. Change a share.")
    # The names in order and the bits of the digest are those of helpers.worlds.traffic.split, so that
    # who is compared here is who was served there.
    names = sorted((name for name in shares if shares[name] > 0), key=str)
    digests = (
        hashlib.blake2b(f"{salt}/{one}".encode(), digest_size=8, person=b"split").digest()
        for one in ids.tolist()
    )
    bits = np.frombuffer(b"".join(digests), dtype=">u8").astype(np.uint64)
    spot = (bits >> np.uint64(11)) * 2.0**-53
    edges = np.cumsum([shares[name] for name in names])[:-1]
    places = np.searchsorted(edges, spot, side="right")
    return Series(np.array(names, dtype=object)[places], index=ids.index, name="variant", dtype=str)


class Compared(NamedTuple):
    """How a treated group differs from the control group, with a 95 % range."""

    control: float
    treated: float
    difference: float
    low: float
    high: float
    relative: float  # the difference as a share of `control`
    error: float  # the standard error of the difference
    p: float  # the chance of one at least as large where there is none
    customers: int  # of both groups


def compare_groups(
    table: DataFrame, metric: Hashable, control: str = "control", before: Hashable | None = None
) -> Compared:
    """Return by how much the mean of a metric differs between two groups of customers.

    Valid when it is looked at once, at the size that was planned. With several rows a customer it is
    the mean over rows, and the range allows for the rows of one customer being alike.

    Parameters
    ----------
    table : one row a visit, or a customer: `customer_id`, `variant` (two names), and the metric
        (number or flag).
    control : the name of the group that is compared with.
    before : a column with a figure of each customer from *before* the experiment (CUPED). What it
        explains is taken out, and the range becomes narrower. A gap counts as the average. A figure
        that the experiment could have changed makes the result wrong.

    Raises
    ------
    ValueError
        If a column is missing or has gaps, there are not two variants, a customer is in both, or a
        variant has fewer than two customers.

    Source
    ------
    Welch (1947), Biometrika 34; Deng, Knoblich & Lu (2018), KDD, the delta method for ratios; Deng, Xu,
    Kohavi & Walker (2013), WSDM, for CUPED.

    Examples
    --------
    >>> visits = DataFrame({"customer_id": range(400), "variant": ["control", "new"] * 200,
    ...                     "found": [True, True, False, True] * 100})
    >>> found = compare_groups(visits, "found")
    >>> found.control, found.treated, round(found.low, 3), round(found.high, 3)
    (0.5, 1.0, 0.43, 0.57)
    """
    groups = _two_groups(table, metric, control)
    past = None if before is None else _past(table, before, groups.code)
    return _compared(groups.total, groups.rows, groups.treated, past)


def always_valid(
    table: DataFrame, metric: Hashable, lift: float, control: str = "control"
) -> DataFrame:
    """Return the difference of two groups as known on each evening, with a range valid at every look.

    The chance that the range leaves out the truth on *any* evening is 5 %, so a test may be stopped
    as soon as it leaves out 0. A range for one look (`low_once`, `high_once`) stands beside it: whoever
    looks at that one each evening finds differences that are none.

    Parameters
    ----------
    table, metric, control : as in `compare_groups`; `day`, a date or a number, tells when a row
        becomes known.
    lift : the difference for which `sample_size(..., sequential=True)` was asked; the range is
        narrowest where that one is told. Choose it before the first look.

    Returns
    -------
    One row a day: `day`, `customers`, `difference`, `low`, `high`, `low_once`, `high_once`, `told` (the
    range valid at every look has left out 0, on this evening or an earlier one). Before each variant
    has 50 customers the ranges are open.

    Raises
    ------
    ValueError
        As in `compare_groups`; or if `lift` is 0 or no number.

    Source
    ------
    The normal mixture of Robbins (1970), Annals of Mathematical Statistics 41, with the variance as
    estimated so far: Johari, Koomen, Pekelis & Walsh (2022), Operations Research 70; Waudby-Smith et al.
    (2024), Annals of Statistics 52. Its boundary: Howard et al. (2021), Annals of Statistics 49.

    Examples
    --------
    >>> visits = DataFrame({"customer_id": range(400), "variant": ["control", "new"] * 200,
    ...                     "found": [True, True, False, True] * 100, "day": [1] * 200 + [2] * 200})
    >>> looks = always_valid(visits, "found", lift=0.2)
    >>> looks[["customers", "difference", "told"]].values.tolist(), looks["low"].round(2).tolist()
    ([[200, 0.5, True], [400, 0.5, True]], [0.35, 0.39])
    """
    _require_some(lift, "lift is the difference that has to be told")
    require_filled(table, "the table", "day")
    groups = _two_groups(table, metric, control)
    values = table[metric].to_numpy(dtype=float)
    when, days = pd.factorize(table["day"], sort=True)
    rows, total, told, looks = 0.0, 0.0, False, []
    for number, date in enumerate(days):
        code, count = groups.code[when == number], len(groups.rows)
        rows = rows + np.bincount(code, minlength=count)
        total = total + np.bincount(code, values[when == number], count)
        seen = rows > 0
        treated = groups.treated[seen]
        figures, ranges = [np.nan], [-np.inf, np.inf] * 2
        if FEWEST <= treated.sum() <= len(treated) - FEWEST:
            once = _compared(total[seen], rows[seen], treated)
            figures = [once.difference]
            half = once.error * _boundary(once.error, lift) if once.error else np.inf
            ranges = [once.difference - half, once.difference + half, once.low, once.high]
            told = told or abs(once.difference) > half
        looks.append((date, len(treated), *figures, *ranges, told))
    columns = ["day", "customers", "difference", "low", "high", "low_once", "high_once", "told"]
    return DataFrame(looks, columns=columns)


def guard_rails(
    table: DataFrame, worst: Mapping[str, float], control: str = "control"
) -> DataFrame:
    """Return for each metric that must not suffer whether it did.

    Parameters
    ----------
    table, control : as in `compare_groups`; looked at once.
    worst : metric -> the worst difference that is accepted: -0.01 of one that must not fall by more
        than 0.01; 20 of one that must not rise by more than 20.

    Returns
    -------
    One row a metric: `difference`, `low`, `high` (95 %), `worst`, `verdict`: "kept" where the whole
    range is better than `worst`, "broken" where all of it is worse, "open" where more customers are
    needed.

    Raises
    ------
    ValueError
        As in `compare_groups`; or if a `worst` is 0: no number of customers proves "not at all".

    Examples
    --------
    >>> visits = DataFrame({"customer_id": range(400), "variant": ["control", "new"] * 200,
    ...                     "found": [True, True, False, True] * 100})
    >>> guard_rails(visits, {"found": -0.05})["verdict"].tolist()
    ['kept']
    """
    rows = {}
    for metric, limit in worst.items():
        _require_some(
            limit,
            f"worst[{metric!r}] is the worst difference that is accepted, below 0 of what must not fall",
        )
        found = compare_groups(table, metric, control)
        better = sorted(math.copysign(1, -limit) * (end - limit) for end in (found.low, found.high))
        verdict = "kept" if better[0] > 0 else "broken" if better[1] < 0 else "open"
        rows[metric] = (found.difference, found.low, found.high, limit, verdict)
    columns = ["difference", "low", "high", "worst", "verdict"]
    return DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("metric")


# What the functions share.


def _power(customers, lift, spread, sequential):
    """Return the chance that two groups of one size tell a lift."""
    error = 2 * spread / math.sqrt(customers)
    bar = _boundary(error, lift) if sequential else norm.isf(ALPHA / 2)
    deviations = abs(lift) / error
    return float(norm.sf(bar - deviations) + norm.cdf(-bar - deviations))


def _boundary(error, lift):
    """Return how many standard errors a difference needs at any look.

    The mixture is the normal one around 0 whose standard deviation is the lift that is looked for.
    """
    ratio = (lift / error) ** 2
    return math.sqrt((1 + 1 / ratio) * (math.log1p(ratio) - 2 * math.log(ALPHA)))


class _Groups(NamedTuple):
    """A table by customer: sum and number of rows of each, who is treated, whose each row is."""

    total: np.ndarray
    rows: np.ndarray
    treated: np.ndarray
    code: np.ndarray


def _groups_of(table, metric, treated=None):
    """Sum a metric by customer."""
    for column in (metric, "customer_id"):
        require_filled(table, "the table", column)
    require_rows(table, "the table")
    require_single(table["customer_id"], "customer_id")
    values = pd.to_numeric(table[metric], errors="coerce").to_numpy(dtype=float)
    if not np.isfinite(values).all():
        place = int((~np.isfinite(values)).argmax())
        raise ValueError(
            f"{metric} has to hold numbers or flags; row {place + 1:,} holds "
            f"{table[metric].tolist()[place]!r}, of which there is no mean. Turn it into a number first."
        )
    code, _ = pd.factorize(table["customer_id"])
    count = code.max() + 1
    group = np.zeros(count, dtype=bool)
    if treated is not None:
        group[code] = treated
    return _Groups(np.bincount(code, values, count), np.bincount(code), group, code)


def _two_groups(table, metric, control):
    """Sum a metric by customer of two variants; refuse a table that cannot be compared."""
    require_filled(table, "the table", "variant")
    found = sorted(map(str, table["variant"].unique()))
    if len(found) != 2 or control not in found:
        raise ValueError(
            f"variant has to hold two names, one of them the control group's, {control!r}; it holds "
            f"{', '.join(found) or 'nothing'}. Keep the rows of two variants, and pass control=."
        )
    treated = table["variant"].ne(control).to_numpy(dtype=bool)
    groups = _groups_of(table, metric, treated)
    both = groups.treated[groups.code] != treated
    if both.any():
        first = table["customer_id"].to_numpy()[both][0]
        raise ValueError(
            f"{len(np.unique(groups.code[both])):,} customer(s) are in both variants, the first being "
            f"{first!r}, so what differs is not the variant's doing alone. Assign by customer, with one "
            "salt and the same shares, or leave these customers out."
        )
    for name, size in ((control, (~groups.treated).sum()), ("the other", groups.treated.sum())):
        _require_customers(size, name)
    return groups


def _require_customers(size, name):
    """Stop unless there are two customers, so that they can differ."""
    if size < 2:
        raise ValueError(
            f"{name} has {size} customer(s); at least 2 are needed to see how much customers differ. "
            "Collect more first."
        )


def _past(table, before, code):
    """Return for each customer a figure from before; a gap as the average."""
    require_columns(table, "the table", [before])
    if table[before].nunique() == 0:
        raise ValueError(
            f"{before} holds no value, so it can explain nothing. Take another column, or leave before "
            "out."
        )
    by_customer = table[before].astype(float).groupby(code)
    if by_customer.nunique(dropna=False).max() > 1:
        raise ValueError(
            f"{before} holds different values for one customer, so some of them are not from before the "
            "experiment. Write one figure of each customer, the same in all rows."
        )
    known = by_customer.first()
    return known.fillna(known.mean()).to_numpy()


def _around(total, rows):
    """Return how far each customer moves the mean over rows: 0 on average."""
    return (total - total.sum() / rows.sum() * rows) / rows.mean()


def _compared(total, rows, treated, past=None):
    """Compare two groups of customers; `past` is a figure of each from before."""
    explained = np.zeros(len(total))
    if past is not None and (spread := past.var(ddof=1)) > 0:
        slope = np.cov(_around(total, rows), past)[0, 1] / spread
        explained = slope * (past - past.mean())
    means, errors, sizes = [], [], []
    for one in (~treated, treated):
        means.append(total[one].sum() / rows[one].sum() - explained[one].mean())
        sizes.append(int(one.sum()))
        around = _around(total[one], rows[one]) - explained[one]
        errors.append(around.var(ddof=1) / sizes[-1])
    difference, error = means[1] - means[0], math.sqrt(sum(errors))
    half, p = 0.0, float(difference == 0)
    if error:
        parts = sum(one**2 / (size - 1) for one, size in zip(errors, sizes, strict=True))
        freedom = error**4 / parts
        half = stdtrit(freedom, 1 - ALPHA / 2) * error
        p = 2 * stdtr(freedom, -abs(difference) / error)
    relative = difference / means[0] if means[0] else np.nan
    figures = (*means, difference, difference - half, difference + half, relative, error, p)
    return Compared(*map(float, figures), len(total))


def _require_some(value, what):
    """Stop unless a difference is a number and not 0."""
    if not (math.isfinite(value) and value):
        raise ValueError(
            f"{what}, above or below 0; got {value!r}. Write the smallest one that would matter to the business."
        )
