"""The telecom operator: how each of its sources is shaped and cleaned."""

from __future__ import annotations

from functools import partial

import pandas as pd
from pandas import DataFrame

from helpers.etl import parsing
from helpers.etl.books import Cleaned, Cleaning
from helpers.etl.businesses.schemas import AREAS, LEAVING_REASONS, TOPICS, source_schema
from helpers.etl.businesses.sensors import clean_tower_sensors
from helpers.etl.businesses.steps import (
    NUMBER,
    at_path,
    clean_events,
    clean_requests,
    clean_supplier,
    clean_survey,
    flat,
    number_in,
    one_version,
    page_facts,
    read_ids,
    read_moments,
    read_numbers,
    read_page_prices,
    read_whole,
    read_words,
    request_lines,
    several,
    stream_events,
    supplier_items,
)
from helpers.etl.businesses.telco import TELCO_LEVELS
from helpers.etl.chain import Step

USAGE_NAMES = {"id": "usage_id", "customer": "customerID", "day": "used_on", "min": "minutes",
               "mb": "megabytes"}  # fmt: skip
LADDER_EUR = 2.0  # that each longer contract is cheaper
LARGEST_BILL_EUR = 500.0  # the dearest tariff with every extra is 120


def flat_tickets(raw: DataFrame) -> DataFrame:
    """Bring the documents of tickets, of two schemas, to one row a ticket.

    Returns
    -------
    `ticket_id`, `customerID`, `topic`, `opened_on`, `hours_to_solve`.

    Examples
    --------
    >>> from helpers.etl.extract.result import object_table
    >>> new = {"schema": 2, "id": "T-0000003", "customer_id": "a", "labels": ["network"],
    ...        "events": [{"what": "opened", "on": "2024-12-02"}], "solved": {"after_hours": "2.5"}}
    >>> flat_tickets(object_table([new])).values.tolist()
    [[3, 'a', 'network', '2024-12-02', '2.5']]
    """
    return flat(raw, "the ticket documents", {1: _ticket_1, 2: _ticket_2})


def _ticket_1(row):
    return {
        "ticket_id": row.get("ticket_id"), "customerID": at_path(row, "customer", "id"),
        "topic": row.get("topic"), "opened_on": row.get("opened"),
        "hours_to_solve": row.get("hours_to_solve"),
    }  # fmt: skip


def _ticket_2(row):
    opened = [one for one in several(row.get("events")) if at_path(one, "what") == "opened"]
    labels = several(row.get("labels"))
    topic = [one for one in labels if one in TOPICS] if len(labels) > 1 else labels
    return {
        "ticket_id": number_in(row.get("id")), "customerID": row.get("customer_id"),
        "topic": topic[0] if len(topic) == 1 else None,  # of two, nobody knows which
        "opened_on": at_path(opened[0], "on") if opened else None,
        "hours_to_solve": at_path(row, "solved", "after_hours"),
    }  # fmt: skip


def clean_towers(raw: DataFrame) -> Cleaned:
    """Clean the towers: no placeholder date of building."""
    return _with_dates("operator.towers", raw, "tower_id", ["built_on"])


def clean_subscribers(raw: DataFrame) -> Cleaned:
    """Clean the subscribers: no placeholder date of start, no blanks around a phone number.

    Examples
    --------
    >>> raw = DataFrame({"customerID": ["a"], "started_at": ["1970-01-01T00:00:00"],
    ...                  "phone_number": [" 0155-1"], "tower_id": ["T0"]})
    >>> clean_subscribers(raw).table[["started_at", "phone_number"]].to_numpy().tolist()
    [[NaT, '0155-1']]
    """
    return _with_dates("operator.subscribers", raw, "customerID", ["started_at"], ["phone_number"])


def clean_invoices(raw: DataFrame) -> Cleaned:
    """Clean the bills: an amount that no tariff reaches was written in cents.

    Examples
    --------
    >>> raw = DataFrame({"invoice_id": [1], "customerID": ["a"], "issued_on": ["2024-12-01"],
    ...                  "due_on": ["2024-12-15"], "amount_eur": [2185.0]})
    >>> clean_invoices(raw).table["amount_eur"].tolist()
    [21.85]
    """
    cleaning = Cleaning("operator.invoices", raw, ["invoice_id", "customerID", "amount_eur"])
    read_ids(cleaning)
    cleaning.merge("invoice_id")
    cleaning.parse("amount_eur", parsing.parse_numbers, NUMBER)
    amounts = cleaning["amount_eur"]
    euro = amounts.mask(amounts.gt(LARGEST_BILL_EUR), (amounts / 100).round(2))
    cleaning.repair("amount_eur", euro, "cents to euro")
    read_moments(cleaning, "issued_on", "due_on")
    return cleaning.done(source_schema("operator.invoices"))


def clean_payments(raw: DataFrame) -> Cleaned:
    """Clean the payments: one spelling of the method."""
    words = {"method": TELCO_LEVELS["PaymentMethod"]}
    return _with_words("operator.payments", raw, "payment_id", words, ["issued_on", "paid_on"])


def clean_cancellations(raw: DataFrame) -> Cleaned:
    """Clean the cancellations: one spelling of the reason."""
    words = {"reason": LEAVING_REASONS}
    return _with_words("operator.cancellations", raw, "cancellation_id", words, ["cancelled_on"])


def clean_tickets(source: str, raw: DataFrame) -> Cleaned:
    """Clean tickets from the document store or the interface.

    Parameters
    ----------
    source : "operator.ticket_documents" or "operator.tickets".
    raw : flattened: `ticket_id`, `customerID`, `opened_on`, `topic`, `hours_to_solve`.

    Examples
    --------
    >>> raw = DataFrame({"ticket_id": [1], "customerID": ["a"], "opened_on": ["2024-12-02"],
    ...                  "topic": ["Bill."], "hours_to_solve": [9999.0]})
    >>> clean_tickets("operator.tickets", raw).table[["topic", "hours_to_solve"]].to_numpy().tolist()
    [['billing', nan]]
    """
    cleaning = Cleaning(source, raw, ["ticket_id", "topic", "hours_to_solve"])
    read_ids(cleaning)
    cleaning.merge("ticket_id")
    cleaning.parse("topic", parsing.trimmed, "blanks around it")
    read_words(cleaning, "topic", TOPICS)
    cleaning.parse("hours_to_solve", parsing.parse_numbers, NUMBER)
    wrong = ~cleaning["hours_to_solve"].between(0, 5_000)
    cleaning.set_aside("hours_to_solve", wrong, "not from 0 to 5,000 hours")
    read_moments(cleaning, "opened_on")
    return cleaning.done(source_schema(source))


def clean_usage(source: str, raw: DataFrame) -> Cleaned:
    """Clean the daily use, from the interface ("operator.usage") or files ("operator.usage_records").

    A day has 1,440 minutes; what says otherwise is set aside.
    """
    cleaning = Cleaning(source, raw, ["usage_id", "customerID", "used_on", "minutes", "megabytes"])
    read_ids(cleaning)
    cleaning.merge("usage_id")
    for column in ["minutes", "megabytes"]:
        cleaning.parse(column, parsing.parse_numbers, NUMBER)
    cleaning.set_aside(
        "minutes", ~cleaning["minutes"].between(0, 1_440), "not from 0 to 1,440 minutes"
    )
    read_moments(cleaning, "used_on")
    return cleaning.done(source_schema(source))


def clean_coverage(raw: DataFrame) -> Cleaned:
    """Clean the partner's coverage scores: numbers, one spelling of the area."""
    cleaning = Cleaning("operator.coverage", raw, ["site", "area", "score"])
    cleaning.merge("site")
    cleaning.parse("score", parsing.parse_numbers, NUMBER)
    read_words(cleaning, "area", AREAS)
    return cleaning.done(source_schema("operator.coverage"))


def clean_scored_customers(raw: DataFrame) -> Cleaned:
    """Clean the customers of the scoring export: amounts and months as numbers.

    A total that is blank is that of a customer in month 0, who has not been billed: 0.00.
    """
    cleaning = Cleaning("operator.customers", raw, ["customerID", "tenure", "TotalCharges"])
    cleaning.merge("customerID")
    read_numbers(cleaning, "MonthlyCharges", "TotalCharges")
    read_whole(cleaning, "SeniorCitizen", "tenure")
    _first_month(cleaning)
    return cleaning.done(source_schema("operator.customers"))


def clean_crm(raw: DataFrame) -> Cleaned:
    """Clean the customer records that the CRM exports once a month.

    Parameters
    ----------
    raw : every cell as text; with `file`, the style of numbers is found file by file.
    """
    needs = ["record_id", "customerID", "Contract", "gender", "PaymentMethod", "MonthlyCharges"]
    cleaning = Cleaning("operator.crm_customers", raw, needs)
    cleaning.refuse(cleaning["record_id"].eq("record_id"), "a header in the middle of a file")
    totals = cleaning["record_id"].astype("str").str.lower().eq("total")
    cleaning.refuse(totals, "a row of totals")
    cleaning.merge("record_id")
    read_numbers(cleaning, "MonthlyCharges", "TotalCharges")
    read_whole(cleaning, "SeniorCitizen", "tenure")
    _first_month(cleaning)
    gaps = parsing.blanks_to_gaps(cleaning["PaymentMethod"])
    cleaning.repair("PaymentMethod", gaps, "a blank is a gap")
    cleaning.parse("InternetService", parsing.trimmed, "blanks around it")
    for column in ["Contract", "gender", "InternetService", "PaymentMethod"]:
        read_words(cleaning, column, TELCO_LEVELS[column])
    read_moments(cleaning, "scored_on")
    return cleaning.done(source_schema("operator.crm_customers"))


def clean_tariffs(raw: DataFrame) -> Cleaned:
    """Clean the tariffs read off the pages; a price that breaks the tariff's own ladder is mended.

    Each longer contract is cheaper by one step, the same for every line, and an extra costs a
    multiple of five euro: three prices a line vote on its base, and the middle one wins.

    Examples
    --------
    >>> raw = DataFrame({"product_id": [1, 2, 3], "category": "DSL", "price_eur": [45.0, 45.0, 41.0],
    ...                  "name": ["dsl month-to-month", "dsl one year", "dsl two year"]})
    >>> clean_tariffs(raw).table["price_eur"].tolist()
    [45.0, 43.0, 41.0]
    """
    cleaning = Cleaning("operator.tariffs", raw, ["product_id", "name", "category", "price_eur"])
    read_whole(cleaning, "product_id")
    read_page_prices(cleaning)
    cleaning.merge("product_id")
    cleaning.repair("price_eur", _ladder(cleaning.table), "a price off the ladder")
    return cleaning.done(source_schema("operator.tariffs"))


def _ladder(tariffs):
    """Return the prices that the ladder of each line says."""
    place = _steps_down(tariffs["name"])
    base = (
        (tariffs["price_eur"] + LADDER_EUR * place).groupby(tariffs["category"]).transform("median")
    )
    fives = (tariffs["price_eur"] / 5).round() * 5
    return (base - LADDER_EUR * place).where(place.notna(), fives)


def _steps_down(names):
    """Return how many steps a contract is down its ladder; a gap for what is no contract."""
    places = {"month-to-month": 0.0, "one year": 1.0, "two year": 2.0}
    return names.str.extract(f"({'|'.join(places)})")[0].map(places)


def clean_complaints(raw: DataFrame) -> Cleaned:
    """Clean the complaint forms: topic, date and the wish to be called in one form each."""
    cleaning = Cleaning(
        "operator.complaints", raw, ["entry_id", "written_on", "topic", "call_me_back"]
    )
    read_ids(cleaning)
    cleaning.merge("entry_id")
    cleaning.parse("call_me_back", parsing.parse_flags, "read as yes or no")
    read_words(cleaning, "topic", TOPICS)
    read_moments(cleaning, "written_on")
    return cleaning.done(source_schema("operator.complaints"))


def _with_dates(source, raw, key, dates, texts=()):
    """Clean a table whose dates may be placeholders and whose texts may have blanks around them."""
    cleaning = Cleaning(source, raw, [key, *dates, *texts])
    cleaning.merge(key)
    for column in texts:
        cleaning.parse(column, parsing.trimmed, "blanks around it")
    read_moments(cleaning, *dates)
    for column in dates:
        placeholder = parsing.no_placeholder(cleaning[column]).isna()
        cleaning.set_aside(column, placeholder, "a placeholder date")
    return cleaning.done(source_schema(source))


def _with_words(source, raw, key, words, dates):
    """Clean a table of words from a short list and of dates."""
    cleaning = Cleaning(source, raw, [key, *words, *dates])
    read_ids(cleaning)
    cleaning.merge(key)
    for column, known in words.items():
        read_words(cleaning, column, known)
    read_moments(cleaning, *dates)
    return cleaning.done(source_schema(source))


def _first_month(cleaning):
    """Give customers in month 0 the total that they have paid: nothing."""
    unbilled = cleaning["tenure"].eq(0) & cleaning["TotalCharges"].isna()
    totals = cleaning["TotalCharges"].mask(unbilled, 0.0)
    cleaning.repair("TotalCharges", pd.Series(totals, dtype="float64"), "not billed yet: 0.00")


OPERATOR = {
    "towers": Step(clean_towers),
    "subscribers": Step(clean_subscribers),
    "invoices": Step(clean_invoices),
    "payments": Step(clean_payments),
    "cancellations": Step(clean_cancellations),
    "ticket_documents": Step(partial(clean_tickets, "operator.ticket_documents"), flat_tickets),
    "tickets": Step(partial(clean_tickets, "operator.tickets")),
    "usage": Step(partial(clean_usage, "operator.usage")),
    "coverage": Step(clean_coverage),
    "customers": Step(clean_scored_customers),
    "crm_customers": Step(clean_crm),
    "usage_records": Step(
        partial(clean_usage, "operator.usage_records"),
        partial(one_version, names=USAGE_NAMES),
    ),
    "invoice_batch": Step(
        partial(clean_supplier, "operator.invoice_batch"),
        partial(supplier_items, day="issued_on"),
    ),
    "scoring_log": Step(partial(clean_requests, "operator.scoring_log"), request_lines),
    "usage_events": Step(partial(clean_events, "operator.usage_events"), stream_events),
    "tariffs": Step(clean_tariffs, page_facts),
    "tower_sensors": Step(clean_tower_sensors),
    "leavers": Step(partial(clean_survey, "operator.leavers")),
    "complaints": Step(clean_complaints),
}
# Tables that grow by the hour go into the lake as well, by the month of this column.
OPERATOR_MONTHS = {
    "usage": "used_on", "usage_records": "used_on", "usage_events": "at",
    "scoring_log": "requested_at", "tower_sensors": "read_on",
}  # fmt: skip
