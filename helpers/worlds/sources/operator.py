"""What the telecom operator keeps where: the clean tables behind its sources."""

from __future__ import annotations

import numpy as np
from pandas import DataFrame

from helpers.worlds.incidents import operator as incidents
from helpers.worlds.operator.people import FIRST_DAY, month_start
from helpers.worlds.operator.telco import CONTRACTS, EXTRAS, INTERNET
from helpers.worlds.operator.world import Operator
from helpers.worlds.play import MONTHS
from helpers.worlds.sources import spoilers as spoil
from helpers.worlds.sources.blemishes import stream
from helpers.worlds.sources.plan import LIKERT, Source, answers, numbered, web_requests

READS = ["usage", "tickets", "invoices", "payments", "cancellations", "sensors", "customers",
         "joined", "complaints", "requests"]  # fmt: skip
_TEXTS = {
    "billing": "My bill is higher than I expected.",
    "contract": "Nobody could tell me when my contract ends.",
    "equipment": "The box in the hall has stopped blinking.",
    "network": "The connection drops every evening.",
}

SOURCES = [
    Source("towers", "table", "tower_id", "towers",
           spoils=(("placeholder date", "built_on", spoil.placeholder_date),)),
    Source("subscribers", "table", "customerID", "subscribers",
           spoils=(("placeholder date", "started_at", spoil.placeholder_date),
                   ("whitespace", "phone_number", spoil.whitespace)),
           links=(("tower_id", "towers"),)),
    Source("invoices", "table", "invoice_id", "invoices",
           spoils=(("cents", "amount_eur", spoil.cents),), links=(("customerID", "subscribers"),)),
    Source("payments", "table", "payment_id", "payments",
           spoils=(("spelling", "method", spoil.spelling),), links=(("customerID", "subscribers"),)),
    Source("cancellations", "table", "cancellation_id", "cancellations",
           spoils=(("spelling", "reason", spoil.spelling),),
           links=(("customerID", "subscribers"),)),
    Source("ticket_documents", "documents", "ticket_id", "tickets.json", spoils=(
        ("missing key", "hours_to_solve", spoil.missing),
        ("number as text", "hours_to_solve", spoil.number_as_text),
        ("spelling", "topic", spoil.spelling))),
    Source("tickets", "endpoint", "ticket_id", "tickets", when="opened_on", spoils=(
        ("out of range", "hours_to_solve", spoil.out_of_range([-1.0, 9999.0])),
        ("whitespace", "topic", spoil.whitespace))),
    Source("usage", "endpoint", "usage_id", "usage", when="used_on", bulky=True, spoils=(
        ("out of range", "minutes", spoil.out_of_range([-1.0, 9999.0])),
        ("number as text", "megabytes", spoil.number_as_text))),
    Source("coverage", "partner", "site", "coverage", hidden=("tower_id",), spoils=(
        ("number as text", "score", spoil.number_as_text), ("spelling", "area", spoil.spelling))),
    Source("customers", "csv", "customerID", "exports/customers", when="scored_on"),
    Source("crm_customers", "csv", "record_id", "exports/crm_customers", when="scored_on",
           copies=True, numbers=("MonthlyCharges", "TotalCharges"), spoils=(
               ("blank", "PaymentMethod", spoil.blank), ("blank", "MonthlyCharges", spoil.blank),
               ("spelling", "Contract", spoil.spelling), ("spelling", "gender", spoil.spelling),
               ("date format", "scored_on", spoil.date_format),
               ("whitespace", "InternetService", spoil.whitespace))),
    Source("usage_records", "json lines", "usage_id", "usage/usage", when="used_on", bulky=True,
           spoils=(("number as text", "megabytes", spoil.number_as_text),)),
    Source("invoice_batch", "xml", "item_id", "supplier/invoice_batch", when="issued_on", spoils=(
        ("missing key", "price_eur", spoil.missing), ("currency", "price_eur", spoil.in_currency),
        ("cents", "price_eur", spoil.in_cents))),
    Source("scoring_log", "log", "path", "logs/scoring", when="requested_at"),
    Source("usage_events", "stream", "event_id", "events", when="at"),
    Source("tariffs", "pages", "product_id", "tariff", spoils=(
        ("stale price", "price_eur", lambda values, rng: [value + 2.0 for value in values]),)),
    Source("tower_sensors", "sensors", "reading_id", "sensors/towers", when="read_on"),
    Source("leavers", "survey", "answer_id", "surveys/leavers", when="answered_on"),
    Source("complaints", "forms", "entry_id", "forms/complaints", when="written_on", spoils=(
        ("words", "call_me_back", spoil.flag_in_words), ("spelling", "topic", spoil.spelling),
        ("local format", "written_on", spoil.date_format))),
]  # fmt: skip


class OperatorTables:
    """The operator's clean tables, month by month of 30 days.

    Parameters
    ----------
    world : the operator.
    months : months of history of the bulky sources, counted from the last; there are two.
    """

    name = "operator"
    sources = SOURCES
    first_month = -1
    last_month = MONTHS
    reads = READS
    dated = (("usage", "used_on"), ("invoices", "issued_on"), ("sensors", "read_on"))

    def __init__(self, world: Operator, months: int):
        self._world, self._months = world, months

    def label(self, month: int) -> str:
        """Return what a month is called in file names: its first day."""
        return str(self.starts(month))[:10]

    def starts(self, month: int) -> np.datetime64:
        """Return the first second of a month."""
        return FIRST_DAY.to_datetime64().astype("M8[s]") + np.timedelta64(month_start(month), "D")

    def respell(self, planting) -> None:
        """Plant nothing: this world spells well."""

    def old_names(self, month: int) -> dict[str, str]:
        """Return the columns that the world has renamed: new name -> old name."""
        return incidents.SYSTEMS.old_names(self._world.hidden.schedule, month)

    def tables(self, seen: dict[str, DataFrame], month: int, taken: dict) -> dict[str, DataFrame]:
        """Return the clean table of each source for the history (month 0) or one played month.

        Parameters
        ----------
        seen : what `Operator.history` or `Operator.play` returned.
        taken : the last number that each source has given, so that numbers go on.
        """
        first = {name: last + 1 for name, last in taken.items()}
        seed = self._world.seed
        tickets = numbered(seen["tickets"], "ticket_id", first["tickets"])
        usage = _by(seen["usage"].drop(columns="last_used_at"), "used_on")
        usage = numbered(usage, "usage_id", first["usage"])
        invoices = numbered(seen["invoices"], "invoice_id", first["invoices"])
        return {
            "towers": seen.get("towers"),
            "subscribers": seen["subscribers"] if month == 0 else seen["joined"],
            "invoices": invoices,
            "payments": numbered(seen["payments"], "payment_id", first["payments"]),
            "cancellations": numbered(seen["cancellations"], "cancellation_id", first["cancellations"]),
            "ticket_documents": tickets,
            "tickets": _by(tickets, "opened_on"),
            "usage": usage,
            "usage_records": usage,
            "coverage": _coverage(seen.get("towers"), stream(seed, 0, "coverage")),
            "customers": None if month else seen["customers"],
            "crm_customers": _crm(seen),
            "invoice_batch": _batch(invoices),
            "scoring_log": _scoring_log(seen, self, month, stream(seed, month, "scoring log")),
            "usage_events": _live(usage.rename(columns=self.old_names(month)), self.starts(month), stream(seed, month, "usage events")),
            "tariffs": _tariffs() if month == 0 else None,
            "tower_sensors": _sensors(seen["sensors"]),
            "leavers": _leavers(seen["cancellations"], first["leavers"], stream(seed, month, "leavers")),
            "complaints": _forms(seen, first["complaints"], stream(seed, month, "complaint forms")),
        }  # fmt: skip


def _by(table, column):
    """Return the rows in order of a date."""
    return table.sort_values(column, kind="stable", ignore_index=True)


def _crm(seen):
    """Return the customers as the CRM exports them: each once a month, as scored, with the day."""
    table = seen["customers"]
    if "snapshots" in seen:  # the history: those scored last; `customers` are those scored first
        table = seen["snapshots"].tail(len(table)).reset_index(drop=True)
    scored_on = table["scored_at"].dt.floor("D")
    beside = ["scored_at", "known_at", "churned", *(one for one in table if one.endswith("_30d"))]
    table = table.drop(columns=beside, errors="ignore").assign(scored_on=scored_on)
    table.insert(0, "record_id", table["customerID"] + "/" + scored_on.astype(str))
    return table


def _coverage(towers, rng):
    """Return a partner's coverage score of each site, under the partner's own names."""
    if towers is None:
        return None
    number = towers["tower_id"].str[1:].astype(int)
    areas = np.array(["city centre", "suburb", "open country"], dtype=object)
    return DataFrame(
        {
            "site": [f"DE/S-{one}" for one in number],
            "tower_id": towers["tower_id"].to_numpy(),
            "area": areas[rng.integers(0, 3, len(towers))],
            "score": rng.integers(40, 101, len(towers)),
        }
    )


def _batch(invoices):
    """Return the billing supplier's batch: the same bills under the supplier's names."""
    return DataFrame(
        {
            "item_id": [f"B-{number:08d}" for number in invoices["invoice_id"]],
            "sku": invoices["customerID"].to_numpy(),
            "issued_on": invoices["issued_on"].to_numpy(),
            "name": "monthly bill",
            "price_eur": invoices["amount_eur"].to_numpy(),
        }
    )


def _scoring_log(seen, books, month, rng):
    """Return the requests that the scoring service answered: a customer each, on scoring day.

    Each has a number, so that a robot's repeats can be told from what people asked for.
    """
    if "requests" in seen:
        requests = seen["requests"]
        at, status, ids, numbers = (
            requests[name].to_numpy() for name in ["sent_at", "status", "customerID", "request_id"]
        )
    else:
        ids = seen["customers"]["customerID"].to_numpy()
        numbers = np.arange(len(ids)) + 1
        at = books.starts(month) + np.sort(rng.integers(0, 3_600, len(ids))).astype("m8[s]")
        status = np.where(rng.random(len(ids)) < 0.004, 500, 200)
    caller = 65_536 + rng.integers(0, 3, len(ids))
    day = books.label(month)
    asked = zip(ids, numbers, strict=True)
    path = [f"/score?customer={one}&on={day}&request={n}" for one, n in asked]
    return web_requests(at, caller, np.repeat("POST", len(ids)), path, status, rng)


def _live(usage, start, rng):
    """Return the live feed of the month's use: one in ten records, at a drawn second of its day."""
    some = usage[(usage["used_on"].to_numpy() >= start) & (rng.random(len(usage)) < 0.1)]
    second = rng.integers(0, 86_400, len(some)).astype("m8[s]")
    table = DataFrame(
        {
            "event_id": some["usage_id"].to_numpy(),
            "event": "usage",
            "customerID": some["customerID"].to_numpy(),
            "minutes": some["minutes"].to_numpy(),
            "megabytes": some["megabytes"].to_numpy(),
            "at": some["used_on"].to_numpy() + second,
        }
    )
    return _by(table, "at")


def _tariffs():
    """Return the tariffs on the operator's pages: contracts by line, and what can be added."""
    lines = zip([*INTERNET[:2], "Phone only"], [45.0, 70.0, 20.0], strict=True)
    rows = [
        (f"{line} {contract}".lower(), line, price - 2.0 * place)
        for line, price in lines
        for place, contract in enumerate(CONTRACTS)
    ]
    prices = zip(EXTRAS, [5.0, 5.0, 5.0, 5.0, 10.0, 10.0], strict=True)
    rows += [(name, "extra", price) for name, price in prices]
    return numbered(DataFrame(rows, columns=["name", "category", "price_eur"]), "product_id", 1)


def _sensors(sensors):
    """Return the towers' readings, each under a name of its own."""
    day = sensors["read_on"].dt.strftime("%Y%m%d")
    return sensors.assign(reading_id=sensors["tower_id"] + "-" + day).rename(
        columns={"tower_id": "sensor_id"}
    )[["reading_id", "sensor_id", "read_on", "temperature_c", "load_share", "packet_loss_share"]]


def _leavers(cancellations, first, rng):
    """Return the survey of those who left: three in ten answer why, within the week."""
    some = cancellations[rng.random(len(cancellations)) < 0.3].reset_index(drop=True)
    table = some[["customerID"]].assign(answered_on=some["cancelled_on"])
    table[LIKERT] = answers(np.zeros(len(some), dtype=bool), rng)
    table["comment"] = some["reason"].where(rng.random(len(some)) < 0.7)
    return numbered(table, "answer_id", first)


def _forms(seen, first, rng):
    """Return complaint forms: those the month brought, or one of five tickets of the history."""
    if "complaints" in seen:
        table = seen["complaints"][["customerID", "written_on", "text"]].copy()
        topics = np.array(sorted(_TEXTS), dtype=object)
        table["topic"] = topics[rng.integers(0, len(topics), len(table))]
    else:
        tickets = seen["tickets"][rng.random(len(seen["tickets"])) < 0.2]
        table = tickets.rename(columns={"opened_on": "written_on"})[
            ["customerID", "written_on", "topic"]
        ]
        table["text"] = table["topic"].map(_TEXTS)
    table["call_me_back"] = rng.random(len(table)) < 0.5
    return numbered(table, "entry_id", first)[
        ["entry_id", "customerID", "written_on", "topic", "text", "call_me_back"]
    ]
