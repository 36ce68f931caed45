"""The telecom operator: how each of its sources is shaped and cleaned."""

from __future__ import annotations

from functools import partial

from pandas import DataFrame

from helpers.etl.books import Cleaned, Cleaning
from helpers.etl.businesses import shared
from helpers.etl.businesses.schemas import TOPICS, rules_of
from helpers.etl.businesses.sensors import clean_tower_sensors
from helpers.etl.businesses.telco import TELCO_LEVELS
from helpers.etl.chain import Step

USAGE_NAMES = {"id": "usage_id", "customer": "customerID", "day": "used_on", "min": "minutes",
               "mb": "megabytes"}  # fmt: skip
LADDER_EUR = 2.0  # that each longer contract is cheaper
LARGEST_BILL_EUR = 1_200.0  # with what is used beyond the tariff; the smallest reads 1,825 in cents


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
    return shared.flat(raw, "the ticket documents", {1: _ticket_1, 2: _ticket_2})


def _ticket_1(row):
    return {
        "ticket_id": row.get("ticket_id"), "customerID": shared.at_path(row, "customer", "id"),
        "topic": row.get("topic"), "opened_on": row.get("opened"),
        "hours_to_solve": row.get("hours_to_solve"),
    }  # fmt: skip


def _ticket_2(row):
    events = shared.several(row.get("events"))
    opened = [one for one in events if shared.at_path(one, "what") == "opened"]
    labels = shared.several(row.get("labels"))
    topic = [one for one in labels if one in TOPICS] if len(labels) > 1 else labels
    return {
        "ticket_id": shared.number_in(row.get("id")), "customerID": row.get("customer_id"),
        "topic": topic[0] if len(topic) == 1 else None,  # of two, nobody knows which
        "opened_on": shared.at_path(opened[0], "on") if opened else None,
        "hours_to_solve": shared.at_path(row, "solved", "after_hours"),
    }  # fmt: skip


def clean_invoices(raw: DataFrame) -> Cleaned:
    """Clean the bills: an amount that no tariff reaches was written in cents.

    Examples
    --------
    >>> raw = DataFrame({"invoice_id": [1], "customerID": ["a"], "issued_on": ["2024-12-01"],
    ...                  "due_on": ["2024-12-15"], "amount_eur": [2185.0]})
    >>> clean_invoices(raw).table["amount_eur"].tolist()
    [21.85]
    """
    cleaning = shared.started("operator.invoices", raw)
    shared.parse_numbers(cleaning, "amount_eur")
    amounts = cleaning["amount_eur"]
    euro = amounts.mask(amounts.gt(LARGEST_BILL_EUR), (amounts / 100).round(2))
    cleaning.repair("amount_eur", euro, "cents to euro")
    return shared.finished(cleaning)


def clean_payments(raw: DataFrame) -> Cleaned:
    """Clean the payments: one spelling of the method."""
    cleaning = shared.started("operator.payments", raw)
    shared.read_words(cleaning, "method", TELCO_LEVELS["PaymentMethod"])
    return shared.finished(cleaning)


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
    cleaning = shared.started(source, raw)
    shared.trim(cleaning, "topic")
    shared.parse_numbers(cleaning, "hours_to_solve")
    shared.keep_within(cleaning, "hours_to_solve", 0, 5_000, " hours")
    return shared.finished(cleaning)


def clean_usage(source: str, raw: DataFrame) -> Cleaned:
    """Clean the daily use, from the interface ("operator.usage") or files ("operator.usage_records").

    A day has 1,440 minutes; what says otherwise is set aside.
    """
    cleaning = shared.started(source, raw)
    shared.parse_numbers(cleaning, "minutes", "megabytes")
    shared.keep_within(cleaning, "minutes", 0, 1_440, " minutes")
    return shared.finished(cleaning)


def clean_scored_customers(raw: DataFrame) -> Cleaned:
    """Clean the customers of the scoring export: amounts and months as numbers."""
    cleaning = shared.started("operator.customers", raw)
    _read_charges(cleaning)
    return shared.finished(cleaning)


def clean_crm(raw: DataFrame) -> Cleaned:
    """Clean the customer records that the CRM exports once a month.

    Parameters
    ----------
    raw : every cell as text; with `file`, the style of numbers is found file by file.
    """
    source = "operator.crm_customers"
    cleaning = Cleaning(source, raw, rules_of(source))
    shared.refuse_no_rows(cleaning, "record_id")
    cleaning.merge("record_id")
    _read_charges(cleaning)
    shared.gaps_for_blanks(cleaning, "PaymentMethod")
    shared.trim(cleaning, "InternetService")
    for column in ["Contract", "gender", "InternetService", "PaymentMethod"]:
        shared.read_words(cleaning, column, TELCO_LEVELS[column])
    return shared.finished(cleaning)


def _read_charges(cleaning):
    """Read amounts and months; a blank total in month 0, not billed yet, is 0.00."""
    shared.read_numbers(cleaning, "MonthlyCharges", "TotalCharges")
    shared.read_whole(cleaning, "SeniorCitizen", "tenure")
    unbilled = cleaning["tenure"].eq(0) & cleaning["TotalCharges"].isna()
    totals = cleaning["TotalCharges"].mask(unbilled, 0.0).astype("float64")
    cleaning.repair("TotalCharges", totals, "not billed yet: 0.00")


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
    cleaning = Cleaning("operator.tariffs", raw, rules_of("operator.tariffs"))
    shared.read_whole(cleaning, "product_id")
    shared.read_page_prices(cleaning)
    cleaning.merge("product_id")
    cleaning.repair("price_eur", _ladder(cleaning.table), "a price off the ladder")
    return shared.finished(cleaning)


def _ladder(tariffs):
    """Return the prices that the ladder of each line says."""
    places = {"month-to-month": 0.0, "one year": 1.0, "two year": 2.0}
    down = LADDER_EUR * tariffs["name"].str.extract(f"({'|'.join(places)})")[0].map(places)
    base = (tariffs["price_eur"] + down).groupby(tariffs["category"]).transform("median")
    fives = (tariffs["price_eur"] / 5).round() * 5  # of an extra, which is no contract
    return (base - down).where(down.notna(), fives)


def clean_complaints(raw: DataFrame) -> Cleaned:
    """Clean the complaint forms: topic, date and the wish to be called in one form each."""
    cleaning = shared.started("operator.complaints", raw, "call_me_back")
    shared.read_flags(cleaning, "call_me_back")
    return shared.finished(cleaning)


OPERATOR = {
    "towers": Step(partial(shared.clean_keyed, "operator.towers", days=["built_on"])),
    "subscribers": Step(
        partial(
            shared.clean_keyed, "operator.subscribers", texts=["phone_number"], days=["started_at"]
        )
    ),
    "invoices": Step(clean_invoices),
    "payments": Step(clean_payments),
    "cancellations": Step(partial(shared.clean_keyed, "operator.cancellations")),
    "ticket_documents": Step(partial(clean_tickets, "operator.ticket_documents"), flat_tickets),
    "tickets": Step(partial(clean_tickets, "operator.tickets")),
    "usage": Step(partial(clean_usage, "operator.usage")),
    "coverage": Step(partial(shared.clean_keyed, "operator.coverage", numbers=["score"])),
    "customers": Step(clean_scored_customers),
    "crm_customers": Step(clean_crm),
    "usage_records": Step(
        partial(clean_usage, "operator.usage_records"),
        partial(shared.one_version, names=USAGE_NAMES),
    ),
    "invoice_batch": Step(
        partial(shared.clean_supplier, "operator.invoice_batch"),
        partial(shared.supplier_items, day="issued_on"),
    ),
    "scoring_log": Step(partial(shared.clean_requests, "operator.scoring_log")),
    "usage_events": Step(partial(shared.clean_events, "operator.usage_events")),
    "tariffs": Step(clean_tariffs, shared.page_facts),
    "tower_sensors": Step(clean_tower_sensors),
    "leavers": Step(partial(shared.clean_survey, "operator.leavers")),
    "complaints": Step(clean_complaints),
}
# Tables that grow by the hour go into the lake as well, by the month of this column.
OPERATOR_MONTHS = {
    "usage": "used_on", "usage_records": "used_on", "usage_events": "at",
    "scoring_log": "requested_at", "tower_sensors": "read_on",
}  # fmt: skip
