"""What the operator's world accepts from a `decide`: what fails is no call, what is no answer is refused."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from pandas import DataFrame, Series

from helpers.worlds.play import CannotPlay, plainly
from helpers.worlds.service import TOLD, told, words

_NAMES = ("variant", "model_version")
COLUMNS = ["customerID", "churn_probability", "call"]
_WANTED = "decide was expected to return a table with customerID, churn_probability and call"


@dataclass(frozen=True)
class Decisions:
    """What was decided, one entry a customer asked about.

    Attributes
    ----------
    probability, call : NaN and False where the answer cannot be used.
    broken : why not, "" where it can.
    said : what the answer tells of itself, see `helpers.worlds.service.told`.
    named : which of variant and model_version it tells.
    shadow : the rows that nobody acts on.
    """

    probability: np.ndarray
    call: np.ndarray
    broken: np.ndarray
    said: dict[str, np.ndarray]
    named: tuple[str, ...]
    shadow: DataFrame


def read_decisions(decided: object, ids: np.ndarray) -> Decisions:
    """Return what a `decide` returned about the customers `ids`, in their order.

    A customer without a usable row is a failure, which the telemetry tells.

    Raises
    ------
    CannotPlay
        If `decided` is no table of the three columns, and of those in `helpers.worlds.service.TOLD`
        and `shadow`, or has rows about other customers.

    Examples
    --------
    >>> decided = DataFrame({"customerID": ["b", "a"], "churn_probability": [0.9, 1.1],
    ...                      "call": [True, False]})
    >>> found = read_decisions(decided, np.array(["a", "b", "c"], dtype=object))
    >>> found.broken.tolist(), found.call.tolist()
    (['not from 0 to 1', '', 'no answer'], [False, True, False])
    """
    _check_columns(decided)
    ids = ids.astype(object)
    found = decided["customerID"]
    if found.isna().any():
        raise CannotPlay(
            f"{_WANTED}; {int(found.isna().sum()):,} customerID(s) are missing. "
            "Copy the column from the customers given."
        )
    place = places(found, ids)
    if (place < 0).any():
        unknown = found[place < 0]
        raise CannotPlay(
            f"Decisions about the {len(ids):,} customers given were expected; {len(unknown):,} "
            f"row(s) are about somebody else, the first being {plainly(unknown.iloc[0])}. "
            "Decide about the customers given only, and copy customerID from them."
        )
    shadow = decided.iloc[:0]
    if "shadow" in decided:
        hidden = _flags(decided["shadow"])[0]
        shadow, decided, place = decided[hidden], decided[~hidden], place[~hidden]
    count = len(ids)
    rows = np.bincount(place, minlength=count)
    first = np.full(count, -1)
    first[place[::-1]] = np.arange(len(place))[::-1]
    numbers = pd.to_numeric(decided["churn_probability"], errors="coerce")
    probability = _taken(numbers.to_numpy(dtype=float, na_value=np.nan), first, np.nan)
    flag, known = (_taken(values, first, False) for values in _flags(decided["call"]))
    broken = np.select(
        [rows == 0, rows > 1, np.isnan(probability), (probability < 0) | (probability > 1), ~known],
        [
            "no answer",
            "two answers",
            "not a number",
            "not from 0 to 1",
            "call is not True or False",
        ],
        default="",
    ).astype(object)
    return Decisions(
        probability=np.where(broken == "", probability, np.nan),
        call=flag & (broken == ""),
        broken=broken,
        said=told(decided, place, count),
        named=tuple(name for name in _NAMES if name in decided),
        shadow=shadow,
    )


def shadow_table(parts: list[DataFrame]) -> DataFrame:
    """Return what was decided for nobody to act on, as it came; what is no number is missing.

    Returns
    -------
    `customerID`, `churn_probability`, `call`, `variant` and `model_version`, in the order of the rows.

    Examples
    --------
    >>> shadow_table([]).columns.tolist()
    ['customerID', 'churn_probability', 'call', 'variant', 'model_version']
    """
    rows = pd.concat([part for part in parts if len(part)] or [DataFrame(columns=COLUMNS)])
    names = {name: rows.get(name, pd.Series("", index=rows.index)) for name in _NAMES}
    return DataFrame(
        {
            "customerID": rows["customerID"].astype("str"),
            "churn_probability": pd.to_numeric(rows["churn_probability"], errors="coerce").astype(
                float
            ),
            "call": _flags(rows["call"])[0],
            **{name: words(column) for name, column in names.items()},
        }
    ).reset_index(drop=True)


def places(found: Series, ids: np.ndarray) -> np.ndarray:
    """Return where each row's customer is in `ids`, -1 for nobody there: an id is text, no bytes.

    Examples
    --------
    >>> places(Series(["b", b"a", 5]), np.array(["a", "b"], dtype=object)).tolist()
    [1, -1, -1]
    """
    texts = found.astype(object).map(lambda one: one if isinstance(one, str) else "")
    return pd.Index(ids).get_indexer(texts)


def _check_columns(decided):
    """Stop unless `decided` is a table of the three columns, and of what an answer may tell."""
    if not isinstance(decided, DataFrame):
        raise CannotPlay(f"{_WANTED}; got a {type(decided).__name__}. Return a pandas DataFrame.")
    names = list(decided.columns)
    unknown = [name for name in names if name not in [*COLUMNS, *TOLD, "shadow"]]
    if not set(COLUMNS) <= set(names) or unknown or len(set(names)) < len(names):
        found = ", ".join(map(str, names)) or "no columns at all"
        raise CannotPlay(
            f"{_WANTED}; got {found}. Return these three columns, each once, and of others only "
            f"{', '.join([*TOLD, 'shadow'])}."
        )


def _flags(column):
    """Return the flags of a column, False where there is none, and where there is one."""
    if column.dtype == bool:
        return column.to_numpy(), np.ones(len(column), dtype=bool)
    column = column.astype(object)
    known = column.isin([True, False]).to_numpy()
    return column.where(known, False).to_numpy(dtype=bool), known


def _taken(values, places, default):
    """Return the value at each place; -1 is nowhere."""
    return np.where(places < 0, default, np.append(values, default)[places])
