"""The operator's part of the chain: how each of its sources is shaped and cleaned."""

from __future__ import annotations

from functools import partial

from helpers.etl import (
    clean_feeds,
    clean_logs,
    clean_operator,
    clean_sensors,
    clean_surveys,
    shapes,
)
from helpers.etl.chain import Step

OPERATOR_STEPS = {
    "towers": Step(clean_operator.clean_towers),
    "subscribers": Step(clean_operator.clean_subscribers),
    "invoices": Step(clean_operator.clean_invoices),
    "payments": Step(clean_operator.clean_payments),
    "cancellations": Step(clean_operator.clean_cancellations),
    "ticket_documents": Step(
        partial(clean_operator.clean_tickets, "operator.ticket_documents"), shapes.flat_tickets
    ),
    "tickets": Step(partial(clean_operator.clean_tickets, "operator.tickets")),
    "usage": Step(partial(clean_operator.clean_usage, "operator.usage")),
    "coverage": Step(clean_operator.clean_coverage),
    "customers": Step(clean_operator.clean_scored_customers),
    "crm_customers": Step(clean_operator.clean_crm),
    "usage_records": Step(
        partial(clean_operator.clean_usage, "operator.usage_records"),
        partial(shapes.one_version, names=shapes.USAGE_NAMES),
    ),
    "invoice_batch": Step(
        partial(clean_feeds.clean_supplier, "operator.invoice_batch"),
        partial(shapes.supplier_items, day="issued_on"),
        needs="per_euro",
    ),
    "scoring_log": Step(
        partial(clean_logs.clean_requests, "operator.scoring_log"), shapes.request_lines
    ),
    "usage_events": Step(
        partial(clean_feeds.clean_events, "operator.usage_events"), shapes.stream_events
    ),
    "tariffs": Step(clean_operator.clean_tariffs, shapes.page_facts),
    "tower_sensors": Step(clean_sensors.clean_tower_sensors),
    "leavers": Step(partial(clean_surveys.clean_survey, "operator.leavers")),
    "complaints": Step(clean_operator.clean_complaints),
}
