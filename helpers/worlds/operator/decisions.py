"""What the operator's world accepts from a `decide`, and what it says otherwise."""

from __future__ import annotations

import numpy as np
import pandas as pd

from helpers.worlds.play import CannotPlay, plainly

COLUMNS = ["customerID", "churn_probability", "call"]
_WANTED = "decide was expected to return a table with customerID, churn_probability and call"


def checked_decisions(decided: object, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the churn probabilities and the calls that a `decide` returned, in the order of `ids`.

    Raises
    ------
    CannotPlay
        If `decided` is not exactly one decision for each of the customers.

    Examples
    --------
    >>> decided = pd.DataFrame({"customerID": ["b", "a"], "churn_probability": [0.9, 0.1],
    ...                         "call": [True, False]})
    >>> probability, call = checked_decisions(decided, np.array(["a", "b"], dtype=object))
    >>> probability.tolist(), call.tolist()
    ([0.1, 0.9], [False, True])
    """
    _check_columns(decided)
    order = _check_customers(decided["customerID"], ids)
    probability = _check_probability(decided)[order]
    return probability, _check_calls(decided)[order]


def _check_columns(decided):
    """Stop unless `decided` is a table of the three columns."""
    if not isinstance(decided, pd.DataFrame):
        raise CannotPlay(f"{_WANTED}; got a {type(decided).__name__}. Return a pandas DataFrame.")
    if sorted(map(str, decided.columns)) != sorted(COLUMNS):
        found = ", ".join(map(str, decided.columns)) or "no columns at all"
        raise CannotPlay(f"{_WANTED}; got {found}. Return these three columns and no other.")


def _check_customers(found, ids):
    """Return where each of `ids` is in `found`; each has to be there once, and nobody else."""
    if found.isna().any():
        raise CannotPlay(
            f"{_WANTED}; {int(found.isna().sum()):,} customerID(s) are missing. "
            "Copy the column from the customers given."
        )
    repeated = found[found.duplicated()]
    if len(repeated):
        raise CannotPlay(
            f"One decision a customer was expected; {len(repeated):,} row(s) repeat a customer, the "
            f"first being {plainly(repeated.iloc[0])}. Drop the repeats."
        )
    place = pd.Index(found.astype(object)).get_indexer(pd.Index(ids))
    absent = ids[place < 0]
    unknown = found[~found.isin(ids)]
    if len(unknown):
        raise CannotPlay(
            f"Decisions about the {len(ids):,} customers given were expected; {len(unknown):,} "
            f"row(s) are about somebody else, the first being {plainly(unknown.iloc[0])}. "
            "Decide about the customers given only."
        )
    if len(absent):
        raise CannotPlay(
            f"A decision for each of the {len(ids):,} customers was expected; {len(absent):,} are "
            f"without one, the first being {absent[0]!r}. Return a row for everybody, with "
            "call=False for those not to be called."
        )
    return place


def _check_probability(decided):
    """Return the probabilities as numbers from 0.0 to 1.0."""
    found = decided["churn_probability"]
    numbers = pd.to_numeric(found, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    outside = ~((numbers >= 0) & (numbers <= 1))
    if outside.any():
        row = int(outside.argmax())
        raise CannotPlay(
            "churn_probability was expected to be from 0.0 to 1.0; "
            f"{int(outside.sum()):,} row(s) are not, the first being {plainly(found.iloc[row])} of "
            f"customer {plainly(decided['customerID'].iloc[row])}. Return the second column of predict_proba."
        )
    return numbers


def _check_calls(decided):
    """Return the calls as flags."""
    found = decided["call"]
    flags = found.isin([True, False]).to_numpy()
    if not flags.all():
        row = int((~flags).argmax())
        raise CannotPlay(
            f"call was expected to be True or False; {int((~flags).sum()):,} row(s) are not, the "
            f"first being {plainly(found.iloc[row])} of customer "
            f"{plainly(decided['customerID'].iloc[row])}. "
            'Compare with a threshold, as in: call = decided["churn_probability"] >= 0.2.'
        )
    return found.to_numpy(dtype=bool)
