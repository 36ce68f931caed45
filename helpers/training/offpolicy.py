"""Stage 4: what another policy would have earned, told from the log of the one that served."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
from pandas import DataFrame

from helpers.checks import require_columns, require_each, require_rows

FEW = 0.1  # share of the rows that count effectively, below which an estimate is a guess
_LOG = "Log the probability with which each thing was shown, and leave these rows out."


def off_policy(logged: DataFrame) -> DataFrame:
    """Return the mean reward that a new policy would have earned, by each estimator, and its error.

    What the old policy showed is weighed by how much more likely the new one would have shown it.

    Parameters
    ----------
    logged : one row a thing shown by the old policy: `reward` (1 for a click, or an amount),
        `propensity` (the probability with which the old policy showed it there, above 0) and
        `new_propensity` (that of the new policy, 0.0 to 1.0). The doubly robust estimate also needs
        a model's `expected` reward of what was shown, and `new_expected`, the mean of the model's
        rewards over what the new policy would show.

    Returns
    -------
    One row an estimator: `ips` (the mean of the weighed rewards), `snips` (divided by the mean weight)
    and `dr` (the model, corrected by the weighed errors it made) if it can be made; `value`,
    `standard_error`, `effective_rows` (as many rows without weights say as much), `rows`.

    Raises
    ------
    ValueError
        If a column or every row is missing, a value is no number or a probability cannot be one, or
        the new policy would have shown nothing of what was shown.

    Warns
    -----
    UserWarning
        If few rows count effectively, or the mean weight is far from 1.

    Source
    ------
    Horvitz & Thompson (1952), JASA 47; Swaminathan & Joachims (2015), NeurIPS; Dudik, Langford & Li
    (2011), ICML; Kong (1992) for the effective rows.

    Examples
    --------
    >>> logged = DataFrame({"reward": [1, 0, 1, 0], "propensity": 0.5, "new_propensity": [0.8, 0.2] * 2})
    >>> off_policy(logged)["value"].to_dict()
    {'ips': 0.8, 'snips': 0.8}
    """
    model = ["expected", "new_expected"] if {"expected", "new_expected"} & {*logged} else []
    columns = ["reward", "propensity", "new_propensity", *model]
    require_columns(logged, "logged", columns)
    require_rows(logged, "logged", at_least=2)
    reward, old, new, *models = (_numbers(logged, name) for name in columns)
    for name, right, expected in [
        ("propensity", (old > 0) & (old <= 1), "above 0.0 and up to 1.0"),
        ("new_propensity", (new >= 0) & (new <= 1), "from 0.0 to 1.0"),
    ]:
        require_each(right, logged, "logged", name, expected, _LOG)
    weight = new / old
    if not weight.any():
        raise ValueError(
            "The new policy would have shown nothing of what was shown (new_propensity is 0 in every "
            "row), so this log tells nothing about it. Try it on some customers first."
        )
    rows = len(logged)
    effective = weight.sum() ** 2 / (weight**2).sum()
    _warn(weight, effective)
    terms = weight * reward
    snips = terms.sum() / weight.sum()
    found = {
        "ips": (terms.mean(), terms.std(ddof=1) / rows**0.5),
        "snips": (snips, ((weight * (reward - snips)) ** 2).sum() ** 0.5 / weight.sum()),
    }
    if models:
        terms = models[1] + weight * (reward - models[0])
        found["dr"] = (terms.mean(), terms.std(ddof=1) / rows**0.5)
    table = DataFrame(found, index=["value", "standard_error"]).T
    return table.assign(effective_rows=effective, rows=rows)


def _numbers(logged, name):
    """Return a column as numbers, or stop at what is none."""
    numbers = pd.to_numeric(logged[name], errors="coerce").to_numpy(float, na_value=np.nan)
    require_each(np.isfinite(numbers), logged, "logged", name, "a number", _LOG)
    return numbers


def _warn(weight, effective):
    """Warn where the weights make the estimate a guess."""
    rows, largest = len(weight), weight.max() / weight.sum()
    if effective < FEW * rows:
        warnings.warn(
            f"Of {rows:,} rows only {effective:,.0f} count effectively ({effective / rows:.1%}; at least "
            f"{FEW:.0%} is asked for), and the heaviest carries {largest:.1%} of all weight: the two "
            "policies differ too much. Take the estimate as a guess, and try the new policy on some "
            "customers.",
            stacklevel=3,
        )
    doubt = weight.std(ddof=1) / rows**0.5
    if abs(weight.mean() - 1) > 4 * doubt + 1e-9:
        warnings.warn(
            f"The weights are {weight.mean():.2f} on average, where 1 was expected: the probabilities are "
            "those of something else, or the new policy shows what the old one never did. Check both.",
            stacklevel=3,
        )
