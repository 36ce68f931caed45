"""A supplier's XML: price lists of the shop, bills of the operator."""

from __future__ import annotations

from xml.sax.saxutils import escape, quoteattr

from helpers.worlds.sources.blemishes import Planting
from helpers.worlds.sources.plan import Source
from helpers.worlds.sources.spoilers import PER_EURO

NAMESPACE = "urn:supplier:prices:2"
EXTRAS = "urn:supplier:extras"


def supplier_xml(planting: Planting, source: Source, month: int) -> dict[str, bytes]:
    """Return the month's batch: items with a number, a name and a price.

    A price is in euro unless its attributes say otherwise: `currency` (the rates stand at the top)
    or `unit="cent"`. An element may be missing.
    """
    values = planting.written()
    day = source.when
    rates = [f'<x:rate currency="{name}" per_euro="{r}"/>' for name, r in PER_EURO.items()]
    items = [
        _item(dict(zip(values, row, strict=True)), day)
        for row in zip(*(column.tolist() for column in values.values()), strict=True)
    ]
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<batch xmlns="{NAMESPACE}" xmlns:x="{EXTRAS}">',
        f"  <x:rates>{''.join(rates)}</x:rates>",
        *items,
        "</batch>",
    ]
    return {planting.place: "".join(f"{line}\n" for line in lines).encode()}


def _item(row, day):
    """Write one item; a spoiled price is a text of amount and unit."""
    inner = ""
    if row["name"] is not None:
        inner += f"<name>{escape(row['name'])}</name>"
    if row["price_eur"] is not None:
        amount, _, unit = str(row["price_eur"]).partition(" ")
        cent = unit == "cent"
        currency = "EUR" if cent or not unit else unit
        inner += (
            f'<price currency="{currency}" unit="{"cent" if cent else "whole"}">{amount}</price>'
        )
    head = f"id={quoteattr(row['item_id'])} sku={quoteattr(row['sku'])} x:on={quoteattr(row[day])}"
    return f"  <item {head}>{inner}</item>"
