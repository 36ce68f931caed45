"""Documents as a business stores them: nested, with keys left out, in two versions of a schema."""

from __future__ import annotations

import numpy as np

# Of five documents numbered in a row, three are in the first version and two in the second.
FIRST_OF_FIVE = 3


def documents(shape: str, values: dict[str, np.ndarray]) -> list[dict]:
    """Return one document a row; a missing value leaves its key out.

    Parameters
    ----------
    shape : "catalogue" or "ticket_documents".
    values : plain columns, as planted.

    Examples
    --------
    >>> row = {"ticket_id": 1, "customerID": "0001-ABCDE", "opened_on": "2024-12-02",
    ...        "topic": "billing", "hours_to_solve": None}
    >>> documents("ticket_documents", {name: np.array([value], dtype=object) for name, value in row.items()})
    [{'schema': 1, 'ticket_id': 1, 'opened': '2024-12-02', 'customer': {'id': '0001-ABCDE'}, 'topic': 'billing'}]
    """
    rows = [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]
    makers = _MAKERS[shape]
    return [without_gaps(makers[_version(shape, row) - 1](row)) for row in rows]


def without_gaps(document: dict) -> dict:
    """Return the document without keys that hold nothing, at any depth.

    Examples
    --------
    >>> without_gaps({"size": None, "claims": {"skin": None}, "price": 0})
    {'price': 0}
    """
    kept = {
        key: without_gaps(value) if isinstance(value, dict) else value
        for key, value in document.items()
    }
    return {key: value for key, value in kept.items() if value is not None and value != {}}


def _version(shape, row):
    """Return the version of the schema that a row is written in, which its number decides."""
    number = row["product_id"] if shape == "catalogue" else row["ticket_id"]
    return 1 if number % 5 < FIRST_OF_FIVE else 2


def _product_1(row):
    return {
        "schema": 1,
        "product_id": row["product_id"],
        "name": row["name"],
        "brand": row["brand"],
        "category": row["category"],
        "price_eur": row["price_eur"],
        "launched_on": row["launched_on"],
        "attributes": {"size_ml": row["size_ml"], "fragrance_free": row["fragrance_free"]},
        "claims": {"skin_types": row["suits"] and row["suits"].split(", ")},
        "description": row["description"],
    }


def _product_2(row):
    price = row["price_eur"]
    return {
        "schema": 2,
        "id": f"P-{row['product_id']:06d}",
        "title": row["name"],
        "brand": {"name": row["brand"]},
        "category": row["category"],
        "price": {"amount": price, "currency": "EUR"},
        "launched_on": row["launched_on"],
        "attributes": [
            {"name": name, "value": row[key]}
            for name, key in (("size (ml)", "size_ml"), ("fragrance free", "fragrance_free"))
            if row[key] is not None
        ],
        "label": {"claims": row["suits"] and [f"for {one} skin" for one in row["suits"].split(", ")]},
        "text": row["description"],
    }  # fmt: skip


def _ticket_1(row):
    return {
        "schema": 1,
        "ticket_id": row["ticket_id"],
        "opened": row["opened_on"],
        "customer": {"id": row["customerID"]},
        "topic": row["topic"],
        "hours_to_solve": row["hours_to_solve"],
    }


def _ticket_2(row):
    return {
        "schema": 2,
        "id": f"T-{row['ticket_id']:07d}",
        "customer_id": row["customerID"],
        "events": [{"what": "opened", "on": row["opened_on"]}],
        "labels": [row["topic"]],
        "solved": {"after_hours": row["hours_to_solve"]},
    }


_MAKERS = {"catalogue": (_product_1, _product_2), "ticket_documents": (_ticket_1, _ticket_2)}
