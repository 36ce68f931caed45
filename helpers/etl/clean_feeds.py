"""Stage 3: what both businesses get in the same form: events, and a supplier's batches."""

from __future__ import annotations

from collections.abc import Mapping

from pandas import DataFrame

from helpers.etl.accounting import Cleaned, Cleaning
from helpers.etl.clean_steps import NUMBER, read_ids, read_moments, read_whole
from helpers.etl.parsing import parse_numbers
from helpers.etl.schemas import source_schema
from helpers.etl.units import to_eur


def clean_events(source: str, raw: DataFrame) -> Cleaned:
    """Clean events, from files or from a stream: numbers, repeats merged, in order of time.

    Parameters
    ----------
    source : "shop.events", "shop.live_events" or "operator.usage_events".
    raw : one row an event, with `event_id` and `at`.
    """
    cleaning = Cleaning(source, raw, ["event_id", "at"])
    read_ids(cleaning)
    read_whole(cleaning, "product_id")
    cleaning.merge("event_id")
    read_moments(cleaning, "at")
    cleaning.table = cleaning.table.sort_values(["at", "event_id"], ignore_index=True)
    return cleaning.done(source_schema(source))


def clean_supplier(source: str, raw: DataFrame, per_euro: Mapping[str, float]) -> Cleaned:
    """Clean a supplier's batch: every price in euro, whatever its currency and unit.

    Parameters
    ----------
    source : "shop.price_list" or "operator.invoice_batch".
    raw : `item_id`, `sku`, `name`, the date, and `price`, `currency`, `unit` as the file says.
    per_euro : what one euro costs in each currency; the batch tells it.

    Examples
    --------
    >>> raw = DataFrame({"item_id": ["a"], "sku": ["S"], "listed_on": ["2024-07-01"], "name": ["Dew"],
    ...                  "price": ["10.8"], "currency": ["USD"], "unit": ["whole"]})
    >>> clean_supplier("shop.price_list", raw, {"USD": 1.08}).table["price_eur"].tolist()
    [10.0]
    """
    cleaning = Cleaning(source, raw, ["item_id", "price", "currency", "unit"])
    cleaning.merge("item_id")
    cleaning.parse("price", parse_numbers, NUMBER)
    euro = to_eur(cleaning["price"], cleaning["currency"], cleaning["unit"], per_euro)
    foreign = cleaning["currency"].ne("EUR") | cleaning["unit"].eq("cent")
    cleaning.repair("price", euro, "currency and unit to euro")
    cleaning.set_aside("price", foreign & euro.isna(), "a currency without a rate")
    cleaning.table = cleaning.table.rename(columns={"price": "price_eur"}).drop(columns=["currency", "unit"])  # fmt: skip
    read_moments(cleaning, *[name for name in raw.columns if name.endswith("_on")])
    return cleaning.done(source_schema(source))
