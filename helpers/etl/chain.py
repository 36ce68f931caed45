"""Stages 2 and 3 in one chain: from a business's source systems to clean tables that are loaded.

`extract_all` reads every source with the reader of its kind, `clean_all` shapes and cleans each,
`ledger` shows that no row was lost on the way, `load_all` fills a warehouse and a lake. Each step
takes what the one before returned, so that it can be stopped, looked at and repeated anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from pandas import DataFrame

from helpers.etl.accounting import Cleaned
from helpers.etl.extract import Extract
from helpers.etl.lake import lake_rows, load_lake
from helpers.etl.load import load_tables
from helpers.etl.schemas import TABLES
from helpers.etl.shapes import as_read
from helpers.etl.source_systems import NOTHING_YET, Access, extract_all, extract_source

__all__ = [
    "PER_EURO", "Access", "Step", "clean_all", "clean_source", "extract_all", "extract_source", "ledger",
    "load_all", "steps_of",
]  # fmt: skip

PER_EURO = {"CHF": 0.96, "USD": 1.08}  # what one euro costs, as the suppliers' batches say
# Tables that grow by the hour go into the lake as well, by the month of this column.
BULKY = {"events": "at", "live_events": "at", "web_log": "requested_at", "cold_rooms": "read_at",
         "usage": "used_on", "usage_records": "used_on", "usage_events": "at",
         "scoring_log": "requested_at", "tower_sensors": "read_on"}  # fmt: skip


@dataclass(frozen=True)
class Step:
    """How the raw table of a source is shaped and cleaned.

    Attributes
    ----------
    clean : takes the flat table (and what `needs` names) and returns a `Cleaned`.
    shape : from the reader's table to the flat one, see `helpers.etl.shapes`.
    needs : "" or "products" (the clean list) or "per_euro" (the exchange rates).
    """

    clean: Callable[..., Cleaned]
    shape: Callable[[DataFrame], DataFrame] = as_read
    needs: str = ""


def clean_all(
    extracts: Mapping[str, Extract], business: str, per_euro: Mapping[str, float] = PER_EURO
) -> dict[str, Cleaned]:
    """Shape and clean every source; the list of products first, for others are checked against it.

    Parameters
    ----------
    extracts : of `extract_all`; those that returned no row are left out.
    business : "shop" or "operator".
    per_euro : what one euro costs in each currency of the suppliers.

    Returns
    -------
    Source -> cleaned, in the order of `extracts`.

    Raises
    ------
    ValueError
        If the business or one of its sources is unknown, or the products are needed and missing.
    """
    full = {name: one for name, one in extracts.items() if one.account.returned}
    for name in full:
        step_of(name, business)
    known: dict = {"per_euro": per_euro}
    done = {}
    for name in sorted(full, key=lambda one: one != "products"):
        done[name] = clean_source(name, full[name].table, business, known)
        if name == "products":
            known["products"] = done[name].table
    return {name: done[name] for name in full}


def clean_source(name: str, raw: DataFrame, business: str, known: Mapping | None = None) -> Cleaned:
    """Shape and clean one source.

    Parameters
    ----------
    name, business : such as "catalogue" of the "shop".
    raw : the table that the reader of the source returned.
    known : what some cleanings need: `products` (the clean list), `per_euro` (exchange rates).

    Raises
    ------
    ValueError
        If the source or what its cleaning needs is unknown, or its table cannot be cleaned: which
        source it is stands before the reason.
    """
    step, known = step_of(name, business), known or {}
    if step.needs and step.needs not in known:
        raise ValueError(
            f"The cleaning of {name} needs {step.needs}, which is not there: extract and clean that "
            "first, or pass it."
        )
    more = [known[step.needs]] if step.needs else []
    try:
        return step.clean(step.shape(raw), *more)
    except ValueError as error:
        raise ValueError(f"{business}.{name} cannot be cleaned: {error}") from error


def step_of(name: str, business: str) -> Step:
    """Return how one source is shaped and cleaned.

    Raises
    ------
    ValueError
        If the business has no such source.
    """
    steps = steps_of(business)
    if name not in steps:
        raise ValueError(
            f"{name} is no source of the {business}; known are {', '.join(steps)}. Name the right "
            "business, or add a step."
        )
    return steps[name]


def steps_of(business: str) -> Mapping[str, Step]:
    """Return source -> how it is shaped and cleaned, for "shop" or "operator".

    Examples
    --------
    >>> steps_of("bank")
    Traceback (most recent call last):
    ValueError: business is 'shop' or 'operator'; got 'bank'.
    """
    if business == "shop":
        from helpers.etl.shop_chain import SHOP_STEPS

        return SHOP_STEPS
    if business == "operator":
        from helpers.etl.operator_chain import OPERATOR_STEPS

        return OPERATOR_STEPS
    raise ValueError(f"business is 'shop' or 'operator'; got {business!r}.")


def ledger(extracts: Mapping[str, Extract], cleaned: Mapping[str, Cleaned]) -> DataFrame:
    """Return where the rows of each source went, from the source to the clean table.

    The reader and the cleaning keep books of their own; only here do they meet. A source is
    balanced if rows in = set aside + quarantined + merged + loaded over both, and if the tables
    hold as many rows as the books say.

    Returns
    -------
    One row a source: `source`, `rows_in` (in the source), `set_aside` (by the reader),
    `quarantined` (by the cleaning), `merged` (by both), `loaded`, `made` (rows for readings that
    never came: in the table, but from nowhere), `balanced`, `note`.
    """
    rows = [_entry(name, one, cleaned.get(name)) for name, one in extracts.items()]
    return DataFrame(rows, columns=["source", "rows_in", "set_aside", "quarantined", "merged",
                                    "loaded", "made", "balanced", "note"])  # fmt: skip


def _entry(name, read, done):
    """Return the row of one source in the ledger."""
    account = read.account
    if done is None:
        note = "not cleaned" if account.returned else "nothing could be read"
        return (name, account.rows_in, account.set_aside, 0, account.merged, 0, 0,
                not account.returned, note if account.rows_in else NOTHING_YET)  # fmt: skip
    books = done.accounting
    quarantined, merged = len(done.quarantined), account.merged + books.merged
    balanced = (
        account.returned == len(read.table)
        and account.set_aside == len(read.set_aside)
        and len(done.table) == books.loaded + books.made
        and account.rows_in == account.set_aside + quarantined + merged + books.loaded
    )
    return (name, account.rows_in, account.set_aside, quarantined, merged, books.loaded,
            books.made, balanced, "")  # fmt: skip


def load_all(
    cleaned: Mapping[str, Cleaned],
    warehouse: str | Path,
    lake: str | Path | None = None,
    *,
    keys: Mapping[str, str | list[str]] | None = None,
    months: Mapping[str, str] = BULKY,
) -> DataFrame:
    """Load every clean table into a warehouse, all or none, and the bulky ones into a lake too.

    A row whose key is stored already replaces it, so that the same run twice is the same tables.

    Parameters
    ----------
    cleaned : of `clean_all`, or any other tables with their accounts.
    warehouse : a DuckDB file, made if it is not there.
    lake : the folder of the Parquet files; None for no lake.
    keys : table -> the column or columns that name a row; those of the schemas where not given.
    months : the tables that go into the lake -> the date whose month makes the folders.

    Returns
    -------
    One row a table: `table`, `key`, `rows` (stored in the warehouse now), `lake_rows` (in the lake;
    0 for a table that does not go there).
    """
    tables = {name: _storable(done.table) for name, done in cleaned.items()}
    named = {
        n: (keys or {}).get(n) or key_of(done.accounting.source) for n, done in cleaned.items()
    }
    stored = load_tables(tables, warehouse, named)
    rows = []
    for name, key in named.items():
        to_lake = lake is not None and name in months
        in_lake = _to_lake(name, tables[name], key, lake, months[name]) if to_lake else 0
        rows.append((name, key if isinstance(key, str) else ", ".join(key), stored[name], in_lake))
    return DataFrame(rows, columns=["table", "key", "rows", "lake_rows"])


def _storable(table):
    """Return the table with texts where a column has no type: only gaps, or values of several."""
    loose = [name for name in table.columns if table[name].dtype == object]
    return table.astype(dict.fromkeys(loose, "str"))


def _to_lake(name, table, key, lake, date):
    """Load a table into the lake by month; return the rows that it has there."""
    month = pd.to_datetime(table[date]).dt.strftime("%Y-%m")
    load_lake(table.assign(month=month), lake, name, by=["month"], key=key)
    return lake_rows(lake, name)


def key_of(source: str) -> str:
    """Return the column that names a row of a clean table.

    Raises
    ------
    ValueError
        If no schema tells it.

    Examples
    --------
    >>> key_of("shop.sales")
    'line_id'
    """
    for name in TABLES.get(source, ()):
        if name.endswith("!"):
            return name.rstrip("!")
    raise ValueError(
        f"No schema tells which column names a row of {source}. Pass it: load_all(..., keys={{table: "
        "column})."
    )
