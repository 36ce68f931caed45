"""Stage 3: from what a reader returned to the flat table that a cleaning takes; no value is touched.

A row stays a row: nested documents, two versions of a schema, a supplier's elements, page facts and
stream envelopes become columns under the names of the business, and nothing is repaired on the way.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from pandas import DataFrame

from helpers.checks import require_columns
from helpers.etl.extract.provenance import object_table
from helpers.etl.integrate import unify_versions

EVENT_NAMES = {"id": "event_id", "type": "event", "session": "session_id", "product": "product_id",
               "position": "rank", "ts": "at"}  # fmt: skip
USAGE_NAMES = {"id": "usage_id", "customer": "customerID", "day": "used_on", "min": "minutes",
               "mb": "megabytes"}  # fmt: skip
_NUMBERED = re.compile(r"[A-Z]-(\d{1,18})")


def as_read(raw: DataFrame) -> DataFrame:
    """Return a table that is flat already: tables of a database, CSV files, forms, interfaces."""
    return raw


def flat_products(raw: DataFrame) -> DataFrame:
    """Bring the catalogue's documents, of two schemas, to one row a product.

    Parameters
    ----------
    raw : one row a document, with `schema` (1 or 2); keys that a document lacks are None.

    Returns
    -------
    `product_id`, `name`, `brand`, `category`, `price_eur`, `size_ml`, `launched_on`, `suits` (skin
    types, joined by ", "), `fragrance_free`, `description`; None where the document says nothing.

    Examples
    --------
    >>> old = {"schema": 1, "product_id": 7, "name": "Dew", "attributes": {"size_ml": 50}}
    >>> new = {"schema": 2, "id": "P-000008", "title": "Mist", "label": {"claims": ["for dry skin"]}}
    >>> flat_products(object_table([old, new]))[["product_id", "name", "size_ml", "suits"]].values.tolist()
    [[7, 'Dew', 50, None], [8, 'Mist', None, 'dry']]
    """
    return _flat(raw, "catalogue", {1: _product_1, 2: _product_2})


def flat_tickets(raw: DataFrame) -> DataFrame:
    """Bring the documents of tickets, of two schemas, to one row a ticket.

    Returns
    -------
    `ticket_id`, `customerID`, `topic`, `opened_on`, `hours_to_solve`.

    Examples
    --------
    >>> new = {"schema": 2, "id": "T-0000003", "customer_id": "a", "labels": ["network"],
    ...        "events": [{"what": "opened", "on": "2024-12-02"}], "solved": {"after_hours": "2.5"}}
    >>> flat_tickets(object_table([new])).values.tolist()
    [[3, 'a', 'network', '2024-12-02', '2.5']]
    """
    return _flat(raw, "the ticket documents", {1: _ticket_1, 2: _ticket_2})


def one_version(raw: DataFrame, names: Mapping[str, str]) -> DataFrame:
    """Bring JSON lines that were written under two versions under the names of the first.

    Parameters
    ----------
    raw : one row a line, with `v`, None for the first version.
    names : the keys of version 2 under those of version 1, such as `EVENT_NAMES`.

    Examples
    --------
    >>> raw = object_table([{"event_id": 1, "at": "09:00"}, {"v": 2, "id": 2, "ts": "10:00"}])
    >>> one_version(raw, EVENT_NAMES).values.tolist()
    [[1, '09:00'], [2, '10:00']]
    """
    return unify_versions([_said(row) for row in raw.to_dict("records")], {1: {}, 2: names})


def supplier_items(raw: DataFrame, day: str) -> DataFrame:
    """Bring a supplier's elements under our names.

    Parameters
    ----------
    raw : one row an `item`, as `read_xml` returns it: `id`, `sku`, `on`, and where given `name`,
        `price`, `price.currency`, `price.unit`.
    day : our name of the date: "listed_on" or "issued_on".
    """
    names = {"id": "item_id", "sku": "sku", "on": day, "name": "name", "price": "price",
             "price.currency": "currency", "price.unit": "unit"}  # fmt: skip
    require_columns(raw, "the supplier's batch", ["id", "sku", "on"])
    return raw.reindex(columns=list(names)).rename(columns=names)


def request_lines(raw: DataFrame) -> DataFrame:
    """Return of a log's lines what says who asked for what; every browser leaves the rest alike."""
    columns = ["ip", "at", "method", "path", "status", "bytes", "agent"]
    require_columns(raw, "the log", columns)
    return raw[columns]


def page_facts(raw: DataFrame) -> DataFrame:
    """Bring what the pages say under our names; the facts for machines stay behind.

    Returns
    -------
    `product_id`, `name`, `price_eur` (text, as "€ 1.012,50"), and the terms of the page.
    """
    names = {"id": "product_id", "title": "name", "price": "price_eur"}
    require_columns(raw, "the pages", list(names))
    return raw.drop(columns=["url", "json_ld"], errors="ignore").rename(columns=names)


def stream_events(raw: DataFrame) -> DataFrame:
    """Return the events without the envelope in which the stream sent them."""
    return raw[[name for name in raw.columns if not name.startswith("sse_")]]


def _flat(raw: DataFrame, of: str, makers: Mapping[int, Callable[[dict], dict]]) -> DataFrame:
    """Bring each document to a row with the maker of its schema."""
    require_columns(raw, of, ["schema"])
    unknown = sorted({str(schema) for schema in raw["schema"] if schema not in list(makers)})
    if unknown:
        raise ValueError(
            f"Documents of schema {', '.join(unknown)} were found in {of}; known are "
            f"{', '.join(map(str, makers))}. Add the names of the new schema."
        )
    return object_table([makers[row["schema"]](row) for row in raw.to_dict("records")])


def _product_1(row):
    return {
        "product_id": row.get("product_id"), "name": row.get("name"), "brand": row.get("brand"),
        "category": row.get("category"), "price_eur": row.get("price_eur"),
        "size_ml": _at(row, "attributes", "size_ml"), "launched_on": row.get("launched_on"),
        "suits": _listed(_at(row, "claims", "skin_types")),
        "fragrance_free": _at(row, "attributes", "fragrance_free"),
        "description": row.get("description"),
    }  # fmt: skip


def _product_2(row):
    facts = {str(_at(one, "name")): _at(one, "value") for one in _several(row.get("attributes"))}
    claims = _at(row, "label", "claims")
    skins = [str(one).removeprefix("for ").removesuffix(" skin") for one in _several(claims)]
    return {
        "product_id": _number(row.get("id")), "name": row.get("title"),
        "brand": _at(row, "brand", "name"), "category": row.get("category"),
        "price_eur": _at(row, "price", "amount"), "size_ml": facts.get("size (ml)"),
        "launched_on": row.get("launched_on"), "suits": _listed(skins if isinstance(claims, list) else claims),
        "fragrance_free": facts.get("fragrance free"), "description": row.get("text"),
    }  # fmt: skip


def _ticket_1(row):
    return {
        "ticket_id": row.get("ticket_id"), "customerID": _at(row, "customer", "id"),
        "topic": row.get("topic"), "opened_on": row.get("opened"),
        "hours_to_solve": row.get("hours_to_solve"),
    }  # fmt: skip


def _ticket_2(row):
    first = next(iter(_several(row.get("events"))), None)
    return {
        "ticket_id": _number(row.get("id")), "customerID": row.get("customer_id"),
        "topic": next(iter(_several(row.get("labels"))), None), "opened_on": _at(first, "on"),
        "hours_to_solve": _at(row, "solved", "after_hours"),
    }  # fmt: skip


def _said(row):
    """Return a record without the keys that it does not have."""
    return {name: value for name, value in row.items() if value is not None}


def _at(row, *keys):
    """Return what lies at a path of keys, None where the path ends early."""
    for key in keys:
        row = row.get(key) if isinstance(row, dict) else None
    return row


def _several(values):
    """Return what a document lists; nothing where it holds something else in that place."""
    return values if isinstance(values, list) else []


def _listed(words):
    return ", ".join(map(str, words)) if isinstance(words, list) else words


def _number(label):
    """Return the number in a label such as "P-000007"; any other stays as it is."""
    found = _NUMBERED.fullmatch(label) if isinstance(label, str) else None
    return int(found[1]) if found else label
