"""Stage 3: features with the day on which each was known, read as of any day without the future."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from pandas import DataFrame

from helpers.checks import require_columns
from helpers.etl.duck import identifier
from helpers.etl.load import load_warehouse, opened
from helpers.etl.storing import WITH_ZONE, checked_name, kind_of, kind_of_type

KNOWN_AT = "known_at"


def store_features(features: DataFrame, store: str | Path, name: str, entity: str) -> int:
    """Add features to a store, each row with the moment from which it was known; return all rows.

    The same row twice is stored once, and a row of the same entity and moment replaces the old.

    Parameters
    ----------
    features : `entity`, `known_at` (when the values were known, not what they are about), values.
    store : a DuckDB file.
    entity : the column that names whom the features describe, such as "customer_id".

    Raises
    ------
    ValueError
        If an entity or a moment is missing, the moments are none, or the pair repeats.
    """
    require_columns(features, "features", [entity, KNOWN_AT])
    gaps = features[[entity, KNOWN_AT]].isna().any(axis=1)
    if gaps.any():
        raise ValueError(
            f"{int(gaps.sum()):,} row(s) of features lack {entity} or {KNOWN_AT}: nobody knows "
            "from when they may be used. Quarantine them first."
        )
    _require_moments(features, "features", KNOWN_AT)
    return load_warehouse(features, store, name, key=[entity, KNOWN_AT])


def _require_moments(table, name, column, kinds=("moments", f"moments{WITH_ZONE}")):
    """Stop if a column is compared as something else than moments, or in another time zone's."""
    found = kind_of(table[column])
    if len(table) and found not in kinds:
        raise ValueError(
            f"{column} of {name} holds {found or 'gaps'}; {' or '.join(kinds)} were expected, or nobody "
            "knows what came first. Read it with pd.to_datetime, in one time zone."
        )


def features_as_of(
    asked: DataFrame, store: str | Path, name: str, entity: str, at: str
) -> DataFrame:
    """Return for each row asked the features as they were known then: never one from the future.

    A row known exactly at the moment asked counts as known. An entity of which nothing was known
    yet has gaps.

    Parameters
    ----------
    asked : `entity` and the moment `at`, with any other columns (such as the label).
    store, name, entity : see `store_features`.

    Returns
    -------
    The rows asked, in their order and under their index, with `known_at` and the features.

    Raises
    ------
    ValueError
        If nothing is stored there, a moment is missing or is none, or one is in a time zone and the
        other is not: hours of the future could slip in.

    Examples
    --------
    >>> import tempfile
    >>> store = Path(tempfile.mkdtemp()) / "features.duckdb"
    >>> days = pd.to_datetime(["2024-08-01", "2024-09-01"])
    >>> features = DataFrame({"customer_id": 1, "known_at": days, "orders": [3, 5]})
    >>> store_features(features, store, "customers", "customer_id")
    2
    >>> asked = DataFrame({"customer_id": [1, 1], "at": pd.to_datetime(["2024-07-31", "2024-08-31"])})
    >>> features_as_of(asked, store, "customers", "customer_id", "at")["orders"].tolist()
    [<NA>, 3]
    """
    checked_name(name)
    require_columns(asked, "the rows asked", [entity, at])
    if asked[at].isna().any():
        raise ValueError(f"{int(asked[at].isna().sum()):,} row(s) asked have no {at}. Drop or date them.")  # fmt: skip
    numbered = asked.reset_index(drop=True)[[entity, at]].set_axis(["entity", "at"], axis=1)
    numbered["place"] = range(len(numbered))
    whom, place = identifier(entity), identifier(name)
    with opened(store) as connection:
        known = connection.execute(f"SELECT {KNOWN_AT} FROM {place} LIMIT 0").description[0][1]
        _require_moments(asked, "the rows asked", at, [kind_of_type(str(known))])
        connection.register("asked", numbered)
        found = connection.execute(
            f"SELECT asked.place, stored.* EXCLUDE ({whom}) FROM asked ASOF LEFT JOIN {place} AS stored "
            f"ON asked.entity = stored.{whom} AND asked.at >= stored.{KNOWN_AT} ORDER BY place"
        ).df()  # fmt: skip
    found = found.drop(columns="place").set_axis(asked.index)
    both = [column for column in found.columns if column in asked.columns]
    if both:
        raise ValueError(f"The rows asked have {', '.join(both)} already. Rename or drop them.")
    return pd.concat([asked, found], axis=1)


def require_no_future(table: DataFrame, at: str, known_at: str = KNOWN_AT) -> None:
    """Stop if a row holds features that were known only after the moment it is about.

    Raises
    ------
    ValueError
        With the number of such rows and the first one.

    Examples
    --------
    >>> row = DataFrame({"at": pd.to_datetime(["2024-08-01"]), "known_at": pd.to_datetime(["2024-08-02"])})
    >>> require_no_future(row, "at")
    Traceback (most recent call last):
    ValueError: 1 row(s) hold features from the future, the first in row 1: known at 2024-08-02, used \
for 2024-08-01. Read them as of the day with features_as_of.
    """
    require_columns(table, "the table", [at, known_at])
    late = table[known_at] > table[at]
    if late.any():
        row = int(late.to_numpy().argmax())
        raise ValueError(
            f"{int(late.sum()):,} row(s) hold features from the future, the first in row {row + 1:,}: "
            f"known at {table[known_at].iloc[row]:%Y-%m-%d}, used for {table[at].iloc[row]:%Y-%m-%d}. "
            "Read them as of the day with features_as_of."
        )
