"""Stage 3: from rows to what a model can use: derived columns, aggregates, products bought together."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from pandas import DataFrame

from helpers.checks import require_columns, require_filled
from helpers.etl.load import (
    WITH_ZONE,
    checked_name,
    identifier,
    kind_of,
    kind_of_type,
    load_warehouse,
    opened,
)

KNOWN_AT = "known_at"


def _plain(values):
    """Return a column with the type of its values, not that of categories."""
    categories = isinstance(values.dtype, pd.CategoricalDtype)
    return values.astype(values.cat.categories.dtype) if categories else values


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
    for column in (entity, KNOWN_AT):
        why = "nobody knows for whom, or from when, they may be used"
        require_filled(features, "features", column, why)
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
        If nothing is stored there, the entities are of another kind there (texts, numbers), a moment
        is missing or is none, or one is in a time zone and the other is not: hours of the future
        could slip in.

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
    import duckdb

    checked_name(name)
    require_columns(asked, "the rows asked", [entity, at])
    require_filled(asked, "the rows asked", at, "nobody knows what was known then")
    numbered = asked.reset_index(drop=True)[[entity, at]].set_axis(["entity", "at"], axis=1)
    numbered["place"] = range(len(numbered))
    whom, place = identifier(entity), identifier(name)
    with opened(store) as connection:
        try:
            there = connection.execute(f"SELECT {KNOWN_AT}, {whom} FROM {place} LIMIT 0")
        except duckdb.Error as error:
            raise ValueError(
                f"The store holds no table {name} with {entity} and {KNOWN_AT}. Store it first with "
                "store_features."
            ) from error
        known, named = (kind_of_type(str(kind)) for _, kind, *_ in there.description)
        _require_moments(asked, "the rows asked", at, [known])
        ours = kind_of(asked[entity])
        if ours and ours != named:  # DuckDB would take the text "007" for 7, or stop at "a"
            raise ValueError(
                f"{entity} holds {ours} in the rows asked and {named} in {name}, so they would not "
                "meet. Bring both to one type first."
            )
        connection.register("asked", numbered)
        found = connection.execute(
            f"SELECT asked.place, stored.* EXCLUDE ({whom}) FROM asked ASOF LEFT JOIN {place} AS stored "
            f"ON asked.entity = stored.{whom} AND asked.at >= stored.{KNOWN_AT} ORDER BY place"
        ).df()
    found = found.drop(columns="place").set_axis(asked.index)
    both = [column for column in found.columns if column in asked.columns]
    if both:
        raise ValueError(f"The rows asked have {', '.join(both)} already. Rename or drop them.")
    return pd.concat([asked, found], axis=1)
