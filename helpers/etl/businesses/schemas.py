"""Stages 2 and 3: what each table of the shop and of the operator holds once it is clean."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pandas import DataFrame
    from pandera.pandas import DataFrameSchema

SKIN_TYPES = ["combination", "dry", "normal", "oily"]
# What only people know to be the same; case, blanks and abbreviations need no entry.
SKIN_WORDS = {
    "combi": "combination", "mixed": "combination", "dry skin": "dry", "very dry": "dry",
    "norm.": "normal", "normal skin": "normal", "oily skin": "oily", "greasy": "oily",
}  # fmt: skip
CATEGORIES = [
    "rich cream", "light fluid", "treatment", "cleanser", "sun care", "mask", "eye care", "lip care",
    "body care", "make-up",
]  # fmt: skip
CHANNELS = ["list", "search"]
STORES = ["Genève", "Köln", "Malmö", "Málaga"]
RETURN_REASONS = ["did not suit my skin", "not as described", "ordered twice"]
TOPICS = ["billing", "contract", "equipment", "network"]
AREAS = ["city centre", "open country", "suburb"]
LEAVING_REASONS = [
    "a better offer elsewhere", "bad connection", "moving away",
    "no longer needed", "too expensive",
]  # fmt: skip
LIKERT = ["q1", "q2", "q3", "q4", "q5"]
# Per source: column -> rule. A number rule is (least, most); a list holds the known words; "moment"
# is a date; "text" is anything. A "?" behind a name allows gaps; a "!" makes the column the key.
TABLES: dict[str, dict[str, object]] = {
    "shop.customers": {"customer_id!": (1, 1e12), "age?": (14, 120), "skin_type?": SKIN_TYPES, "joined_on?": "moment"},
    "shop.products": {"product_id!": (1, 1e9), "name": "text", "brand": "text", "category": CATEGORIES, "price_eur": (0, 1e4), "size_ml": (1, 5e3), "launched_on": "moment"},
    "shop.sessions": {"session_id!": (1, 1e12), "customer_id": (1, 1e12), "started_at": "moment"},
    "shop.orders": {"order_id!": (1, 1e12), "session_id": (1, 1e12), "customer_id": (1, 1e12), "ordered_at": "moment"},
    "shop.order_lines": {"line_id!": (1, 1e13), "order_id": (1, 1e12), "product_id": (1, 1e9), "price_eur": (0, 1e4), "channel?": CHANNELS},
    "shop.returns": {"return_id!": (1, 1e12), "order_id": (1, 1e12), "product_id": (1, 1e9), "reason?": RETURN_REASONS, "known_at": "moment"},
    "shop.catalogue": {"product_id!": (1, 1e9), "name": "text", "brand": "text", "category?": CATEGORIES, "price_eur": (0, 1e4), "size_ml?": (1, 5e3), "launched_on": "moment", "suits?": "text", "description?": "text"},
    "shop.ratings": {"rating_id!": (1, 1e12), "customer_id": (1, 1e12), "product_id": (1, 1e9), "rating?": (1, 5), "known_at": "moment"},
    "shop.feedback": {"feedback_id!": (1, 1e12), "session_id": (1, 1e12), "customer_id": (1, 1e12), "text?": "text", "answered_at?": "moment", "known_at": "moment"},
    "shop.complaints": {"complaint_id!": (1, 1e12), "customer_id": (1, 1e12), "text": "text", "known_at": "moment"},
    "shop.sustainability": {"article!": "text", "maker?": "text", "title": "text", "score": (0, 100)},
    "shop.sales": {"line_id!": (1, 1e13), "customer_id": (1, 1e12), "product_id": (1, 1e9), "category?": CATEGORIES, "store": STORES, "ordered_at": "moment", "price_eur?": (0, 1e4), "points": (0, 1e6)},
    "shop.events": {"event_id!": (1, 1e15), "event": "text", "session_id": (1, 1e12), "product_id": (1, 1e9), "rank": (1, 100), "at": "moment"},
    "shop.price_list": {"item_id!": "text", "sku": "text", "listed_on": "moment", "name?": "text", "price_eur?": (0, 1e4)},
    "shop.web_log": {"path!": "text", "requested_at": "moment", "ip": "text", "status": (100, 599), "bytes": (0, 1e12)},
    "shop.live_events": {"event_id!": (1, 1e15), "event": "text", "session_id": (1, 1e12), "product_id?": (1, 1e9), "at": "moment"},
    "shop.pages": {"product_id!": (1, 1e9), "name": "text", "category": CATEGORIES, "price_eur?": (0, 1e4), "size_ml?": (1, 5e3)},
    "shop.cold_rooms": {"reading_id!": "text", "sensor_id": "text", "read_at": "moment", "temperature_c?": (-30, 60), "humidity_pct?": (0, 100)},
    "shop.satisfaction": {"answer_id!": (1, 1e12), "customer_id": (1, 1e12), "answered_at": "moment", **{f"{q}?": (1, 5) for q in LIKERT}},
    "shop.profiles": {"entry_id!": (1, 1e12), "customer_id": (1, 1e12), "entered_at": "moment", "skin_type?": SKIN_TYPES, "age?": (14, 120)},
    "operator.towers": {"tower_id!": "text", "latitude": (-90, 90), "longitude": (-180, 180), "technology": "text", "built_on?": "moment"},
    "operator.subscribers": {"customerID!": "text", "started_at?": "moment", "phone_number?": "text", "tower_id": "text"},
    "operator.invoices": {"invoice_id!": (1, 1e12), "customerID": "text", "issued_on": "moment", "due_on": "moment", "amount_eur": (0, 1e3)},
    "operator.payments": {"payment_id!": (1, 1e12), "customerID": "text", "issued_on?": "moment", "paid_on?": "moment", "amount_eur": (0, 1e3), "method?": "text"},
    "operator.cancellations": {"cancellation_id!": (1, 1e12), "customerID": "text", "cancelled_on": "moment", "reason?": LEAVING_REASONS},
    "operator.ticket_documents": {"ticket_id!": (1, 1e12), "customerID": "text", "opened_on": "moment", "topic?": TOPICS, "hours_to_solve?": (0, 5e3)},
    "operator.tickets": {"ticket_id!": (1, 1e12), "customerID": "text", "opened_on": "moment", "topic?": TOPICS, "hours_to_solve?": (0, 5e3)},
    "operator.usage": {"usage_id!": (1, 1e12), "customerID": "text", "used_on": "moment", "minutes?": (0, 1440), "megabytes": (0, 1e9)},
    "operator.usage_records": {"usage_id!": (1, 1e12), "customerID": "text", "used_on": "moment", "minutes?": (0, 1440), "megabytes": (0, 1e9)},
    "operator.coverage": {"site!": "text", "area?": AREAS, "score": (0, 100)},
    "operator.customers": {"customerID!": "text", "tenure": (0, 2e3), "MonthlyCharges": (0, 1e3), "TotalCharges": (0, 1e6)},
    "operator.crm_customers": {"record_id!": "text", "customerID": "text", "scored_on": "moment", "Contract?": "text", "gender?": "text", "PaymentMethod?": "text", "MonthlyCharges?": (0, 1e3)},
    "operator.invoice_batch": {"item_id!": "text", "sku": "text", "issued_on": "moment", "price_eur?": (0, 1e3)},
    "operator.scoring_log": {"path!": "text", "requested_at": "moment", "ip": "text", "status": (100, 599), "bytes": (0, 1e12)},
    "operator.usage_events": {"event_id!": (1, 1e12), "event": "text", "customerID": "text", "minutes": (0, 1440), "megabytes": (0, 1e9), "at": "moment"},
    "operator.tariffs": {"product_id!": (1, 1e6), "name": "text", "category": "text", "price_eur?": (0, 1e3)},
    "operator.tower_sensors": {"reading_id!": "text", "sensor_id": "text", "read_on": "moment", "temperature_c?": (-60, 90), "load_share?": (0, 1), "packet_loss_share?": (0, 1)},
    "operator.leavers": {"answer_id!": (1, 1e12), "customerID": "text", "answered_on": "moment", **{f"{q}?": (1, 5) for q in LIKERT}},
    "operator.complaints": {"entry_id!": (1, 1e12), "customerID": "text", "written_on": "moment", "topic?": TOPICS, "text": "text"},
}  # fmt: skip


def source_schema(source: str) -> DataFrameSchema:
    """Return the schema of a clean table of the shop or of the operator.

    Parameters
    ----------
    source : business and source, such as "shop.sales"; all are in `TABLES`.

    Raises
    ------
    ValueError
        If there is no such source.

    Examples
    --------
    >>> sorted(source_schema("operator.coverage").columns)
    ['area', 'score', 'site']
    """
    import pandera.pandas as pa

    if source not in TABLES:
        raise ValueError(
            f"{source!r} is no source with a schema; known are {', '.join(TABLES)}. Name one."
        )
    columns, key = {}, key_of(source)
    for marked, rule in TABLES[source].items():
        name = marked.rstrip("?!")
        checks = [_fits(pa, name, rule)]
        if not marked.endswith("?"):
            given = f"{name} is given"
            checks.append(pa.Check(lambda values: values.notna(), error=given, ignore_na=False))
        if name == key:
            once = f"{name} names one row"
            checks.append(pa.Check(lambda values: ~values.duplicated(), error=once))
        kind = {"kind": "number"} if isinstance(rule, tuple) else None
        columns[name] = pa.Column(checks=checks, nullable=True, metadata=kind)
    return pa.DataFrameSchema(columns, metadata={"key": key})


def key_of(source: str) -> str:
    """Return the column that names a row of a clean table."""
    return next(name.rstrip("!") for name in TABLES[source] if name.endswith("!"))


def rules_of(source: str) -> dict[str, object]:
    """Return the columns of a clean table with what each holds; see `TABLES`.

    Examples
    --------
    >>> rules_of("operator.coverage")["score"]
    (0, 100)
    """
    return {name.rstrip("?!"): rule for name, rule in TABLES.get(source, {}).items()}


def number_columns(source: str, table: DataFrame) -> list[str]:
    """Return the columns of a table that its schema says are numbers; none without a schema.

    Examples
    --------
    >>> from pandas import DataFrame
    >>> number_columns("shop.cold_rooms", DataFrame(columns=["reading_id", "humidity_pct"]))
    ['humidity_pct']
    """
    rules = rules_of(source)
    return [name for name in table.columns if isinstance(rules.get(name), tuple)]


def _fits(pa, name, rule):
    """Return the check of one column's values; gaps pass."""
    import pandas as pd

    def is_date(values):
        return pd.to_datetime(values, errors="coerce", utc=True).notna()

    def is_text(values):
        return values.map(lambda one: isinstance(one, str))

    def is_known(values):
        return values.isin(rule)

    def is_within(values):
        numbers = pd.to_numeric(values, errors="coerce")
        whole = numbers.mod(1).eq(0) if name.endswith("_id") else True
        return (numbers.between(*rule) & whole).fillna(False)

    if isinstance(rule, tuple):
        fits, said = is_within, f"is a number from {rule[0]:g} to {rule[1]:g}"
    elif isinstance(rule, list):
        fits, said = is_known, "is a known word"
    else:
        fits, said = {"moment": (is_date, "is a date"), "text": (is_text, "is a text")}[rule]
    return pa.Check(lambda values: fits(values) | values.isna(), error=f"{name} {said}")
