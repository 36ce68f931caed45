"""What the operator's systems write down in a month: use, tickets, bills, towers, complaints.

Each function returns one tidy table with true dates, in order of time. Nothing of the customers'
inner workings is in it but what they do.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy.special import ndtri

from helpers.worlds.operator import telco as telecom
from helpers.worlds.operator.behaviour import OUTCOMES, SILENT, STAYS, Lived, Network
from helpers.worlds.operator.people import (
    FIRST_DAY,
    MONTH_DAYS,
    evening_second,
    month_start,
    stream,
    take_people,
)
from helpers.worlds.play import luck

Columns = dict[str, np.ndarray]  # of a table, before names are looked up
_DAY = np.timedelta64(1, "D")
LOOKS, LOOKS_UP = 3, 0.08  # chances to look something up in 30 days, and how often each is taken
# The column that says when a row is known.
TIMES = {
    "labels": "known_at", "joined": "started_at", "complaints": "written_on", "usage": "used_on",
    "lookups": "looked_up_at",
    "tickets": "opened_on", "invoices": "issued_on", "payments": "paid_on",
    "cancellations": "cancelled_on",
}  # fmt: skip
# What the numbers in a column stand for.
_WORDS = {
    "reason": ["too expensive", "moving away", "bad connection", "no longer needed", "a better offer elsewhere"],
    "text": ["My bill is higher than I expected.", "The connection drops every evening.", "Nobody answers when I ring.", "Please stop ringing me with offers."],
    "topic": ["billing", "contract", "equipment", "network"],
    "channel": ["e-mail", "letter", "phone", "web form"],
    "method": telecom.PAYMENTS,
    "page": ["bill", "coverage", "tariffs", "how to cancel"],
    "outcome": OUTCOMES,
}  # fmt: skip


class Directory:
    """Who is who: the customers of a month by their row.

    Parameters
    ----------
    people : parts of them, each with `row`, `id`, `tower` and `reachable`; no row twice.
    """

    def __init__(self, *people: dict):
        self.people = {
            name: np.concatenate([part[name] for part in people])
            for name in ("row", "id", "tower", "reachable")
        }
        rows = self.people["row"]
        self._place = np.zeros(rows.max(initial=0) + 1, dtype=np.int32)
        self._place[rows] = np.arange(len(rows))
        self._ids = pd.array(self.people["id"], dtype="str")

    def frame(self, columns: Columns, seed: int) -> pd.DataFrame:
        """Return a table of customers with their ids, and words for numbers."""
        place = self._place[columns["row"]]
        if "started_at" in columns:
            people = take_people(self.people, place)
            return subscriber_table({**people, "started_at": columns["started_at"]}, seed)
        table = {"customerID": self._ids[place]}
        for column, values in columns.items():
            if column in _WORDS:
                words = pd.array(np.array(_WORDS[column], dtype=object), dtype="str")
                table[column] = words[values]
            elif column != "row":
                table[column] = values
        return pd.DataFrame(table)


def dates(days: np.ndarray) -> np.ndarray:
    """Return the dates of days counted from the first day of month 1.

    Examples
    --------
    >>> str(dates(np.array([0]))[0])[:10]
    '2025-01-01'
    """
    return FIRST_DAY.to_datetime64().astype("datetime64[s]") + np.asarray(days) * _DAY


def subscriber_table(people: dict, seed: int) -> pd.DataFrame:
    """Return what IBM's file lacks, one row a customer.

    `customerID`, `started_at`, `phone_number` (about 4 % missing), `tower_id`.

    Examples
    --------
    >>> people = {"row": np.array([3]), "started_at": dates(np.array([-40])), "tower": np.array([1]),
    ...           "reachable": np.array([True]), "id": np.array(["a"])}
    >>> subscriber_table(people, 7)["tower_id"].tolist()
    ['T0001']
    """
    # The remainder first: an endless seed does not fit into the numbers of a column.
    number = (people["row"] * 4_567_891 + seed * 7_919 % 10_000_000) % 10_000_000
    texts = np.array([f"0155-{one:07d}" for one in number.tolist()], dtype=object)
    return pd.DataFrame(
        {
            "customerID": pd.array(people["id"], dtype="str"),
            "started_at": people["started_at"],
            "phone_number": pd.array(np.where(people["reachable"], texts, None), dtype="str"),
            "tower_id": _tower_ids(people["tower"]),
        }
    )


def written(network: Network, lived: Lived) -> dict[str, Columns]:
    """Return what the systems write down of customers and their 30 days after scoring.

    Returns
    -------
    The columns of `usage` (one row a customer and day of use: `last_used_at`, `minutes` of calls,
    `megabytes`), `lookups` (one a look at the operator's pages), `tickets`, `invoices`, `payments`,
    `cancellations` (who falls silent is not there), `joined`, `complaints` and `labels`, in order of
    time; `row` is the customer's.
    """
    row = lived.users["row"][lived.who]
    tables = {
        "usage": {
            "row": row,
            "used_on": dates(lived.day),
            "last_used_at": _evenings(lived.day, luck(network.seed, 0, "last use", row, lived.day)),
            "minutes": lived.minutes,
            "megabytes": lived.megabytes,
        },
        "lookups": _lookups(network, lived),
        "tickets": _tickets(network, lived),
        "invoices": _invoices(lived.asked),
        "payments": _payments(network, lived),
        "cancellations": _cancellations(network, lived),
        "joined": joined(lived),
        "complaints": _complaints(network, lived),
        "labels": labels(lived.asked, lived.left, lived.called),
    }
    return {name: _in_order(columns, TIMES[name]) for name, columns in tables.items()}


def joined(lived: Lived) -> Columns:
    """Return who joins in the place of the leavers, and when: `started_at`."""
    users, new = lived.users, len(lived.left)
    started = dates(users["begins"] + users["since"])
    return {"row": users["row"][new:], "started_at": started[new:]}


def known(
    chunks: list[Mapping[str, Columns]], name: str, first: pd.Timestamp, end: pd.Timestamp | None
) -> Columns:
    """Return the rows of a table that become known from `first` on, before `end`, in order of time.

    Parameters
    ----------
    chunks : parts of the tables, each in order of time.
    """
    first, end = (None if one is None else np.datetime64(one, "s") for one in (first, end))
    found: dict[str, list] = {column: [] for column in chunks[0][name]}
    for chunk in chunks:
        times = chunk[name][TIMES[name]]
        last = len(times) if end is None else times.searchsorted(end)
        rows = slice(times.searchsorted(first), last)
        for column, values in chunk[name].items():
            found[column].append(values[rows])
    together = {column: np.concatenate(parts) for column, parts in found.items()}
    return _in_order(together, TIMES[name])


def _in_order(columns, time):
    """Return the rows in order of a time; those of the same one stay as they stand."""
    times = columns[time]
    if (times[1:] >= times[:-1]).all():
        return columns
    order = np.argsort(times, kind="stable")
    return {name: values[order] for name, values in columns.items()}


def moments(people: dict) -> np.ndarray:
    """Return when each of those scored is scored."""
    return dates(people["begins"]) + people["second"].astype("m8[s]")


def labels(asked: dict, churned, called, months: int = 1) -> Columns:
    """Return who left within so many months of 30 days after scoring, known when they are over.

    `scored_on`, `known_at`, `churned`, `called` (then it is what the call has left).
    """
    return {
        "row": asked["row"],
        "scored_on": dates(asked["begins"]),
        "known_at": moments(asked) + months * MONTH_DAYS * _DAY,
        "churned": churned,
        "called": called,
    }


def calls(lived: Lived) -> Columns:
    """Return one row a call: `called_on`, `outcome`."""
    called = lived.called
    return {
        "row": lived.asked["row"][called],
        "called_on": moments(lived.asked)[called],
        "outcome": lived.outcome[called],
    }


def tower_table(towers: int, seed: int) -> pd.DataFrame:
    """Return one row a tower: `tower_id`, `latitude`, `longitude`, `technology`, `built_on`.

    Examples
    --------
    >>> tower_table(3, seed=7)["tower_id"].tolist()
    ['T0000', 'T0001', 'T0002']
    """
    rng = stream(seed, 0, "towers")
    kinds = np.array(["4G", "5G"], dtype=object)
    return pd.DataFrame(
        {
            "tower_id": _tower_ids(np.arange(towers)),
            "latitude": np.round(50 + rng.random(towers), 4),
            "longitude": np.round(8 + rng.random(towers), 4),
            "technology": pd.array(kinds, dtype="str")[rng.integers(0, 2, towers)],
            "built_on": dates(-rng.integers(200, 4000, towers)),
        }
    )


def sensor_table(network: Network, month: int, days: range) -> pd.DataFrame:
    """Return one row a tower and day of the month: `load_share`, `temperature_c`, `packet_loss_share`."""
    tower = np.tile(np.arange(network.towers), len(days))
    day = np.repeat(np.array(days), network.towers) + month_start(month) - 1
    lot = lambda purpose: luck(network.seed, 0, purpose, tower, day)  # noqa: E731
    trouble = np.where(network.troubled(month)[tower], 6.0, 1.0)
    season = -10 * np.cos(2 * np.pi * day / 365)
    return pd.DataFrame(
        {
            "tower_id": _tower_ids(tower),
            "read_on": dates(day),
            "load_share": np.round(np.clip(0.6 + 0.148 * ndtri(lot("load")), 0, 1), 3),
            "temperature_c": np.round(28 + season + 2 * ndtri(lot("warmth")), 1),
            "packet_loss_share": np.round(
                np.minimum(-0.004 * np.log1p(-lot("loss")) * trouble, 1.0), 5
            ),
        }
    )


def _evenings(day, lot):
    """Return moments of days at which customers do what they do by themselves."""
    return dates(day) + evening_second(lot).astype("m8[s]")


def _lookups(network, lived):
    """Return who looked up what on the operator's pages: `looked_up_at`, `page`.

    Up to three looks in 30 days. Who is about to leave looks four times as often, and how to cancel.
    """
    users = lived.users
    who, look = np.divmod(np.arange(LOOKS * len(users["row"])), LOOKS)
    lot = lambda purpose: luck(network.seed, lived.month, purpose, users["row"][who], look)  # noqa: E731
    after, leaves = (MONTH_DAYS * lot("look day")).astype(int), users["until"][who] < STAYS
    there = (after >= users["since"][who]) & (after < users["until"][who])
    looks = there & (lot("looks") < np.where(leaves, 4 * LOOKS_UP, LOOKS_UP))
    page = (3 * lot("page")).astype(int)
    page = np.where(lot("cancels") < np.where(leaves, 0.4, 0.02), 3, page)
    day = (users["begins"][who] + after)[looks]
    return {
        "row": users["row"][who][looks],
        "looked_up_at": _evenings(day, lot("look hour")[looks]),
        "page": page[looks],
    }


def _tickets(network, lived):
    """Return one row a ticket: `opened_on`, `topic`, `hours_to_solve`."""
    who, day, users = lived.ticket_who, lived.ticket_day, lived.users
    lot = lambda purpose: luck(network.seed, 0, purpose, users["row"][who], day)  # noqa: E731
    now, later = (network.troubled(month) for month in (lived.month, lived.month + 1))
    tower = users["tower"][who]
    troubled = np.where(day < month_start(lived.month + 1), now[tower], later[tower])
    topic = (len(_WORDS["topic"]) * lot("topic")).astype(int)
    return {
        "row": users["row"][who],
        "opened_on": dates(day),
        "topic": np.where(
            troubled & (lot("outage") < 0.7), _WORDS["topic"].index("network"), topic
        ),
        "hours_to_solve": np.round(2 - 20 * np.log1p(-lot("hours")), 1),
    }


def _invoices(asked):
    """Return the bills of the day of scoring: `issued_on`, `due_on`, `amount_eur`."""
    billed = asked["due"] > 0
    day = asked["begins"][billed]
    return {
        "row": asked["row"][billed],
        "issued_on": dates(day),
        "due_on": dates(day + 14),
        "amount_eur": asked["due"][billed],
    }


def _payments(network, lived):
    """Return what comes in for these bills within 30 days; about 2 % never pay.

    `issued_on` (the bill that is paid), `paid_on`, `amount_eur`, `method`.
    """
    asked = lived.asked
    lot = lambda purpose: luck(network.seed, lived.month, purpose, asked["row"])  # noqa: E731
    automatic = asked["payment"] >= 2
    delay = np.where(automatic, 4 * lot("paying"), 2 + 28 * lot("paying")).astype(int)
    pays = (asked["due"] > 0) & (lot("arrears") >= np.where(automatic, 0.005, 0.035))
    return {
        "row": asked["row"][pays],
        "issued_on": dates(asked["begins"][pays]),
        "paid_on": dates(asked["begins"] + delay)[pays],
        "amount_eur": asked["due"][pays],
        "method": asked["payment"][pays],
    }


def _cancellations(network, lived):
    """Return the contracts cancelled: `cancelled_on`, `reason` (as it was ticked).

    After a competitor's move more of those who were bound name a better offer, after a price rise
    more of those with fibre name the price.
    """
    asked, schedule = lived.asked, network.schedule
    lot = lambda purpose: luck(network.seed, lived.month, purpose, asked["row"])  # noqa: E731
    reason = (len(_WORDS["reason"]) * lot("reasons")).astype(int)
    most = lot("push") < 0.5
    if schedule.size("price_rise", lived.month):
        reason = np.where((asked["internet"] == 1) & most, 0, reason)
    if schedule.size("competitor", lived.month):
        reason = np.where((asked["contract"] > 0) & most, len(_WORDS["reason"]) - 1, reason)
    gone = (lived.left_day > SILENT) & (lived.left_day < STAYS)
    return {
        "row": asked["row"][gone],
        "cancelled_on": dates(asked["begins"] + lived.left_day)[gone],
        "reason": reason[gone],
    }


def _complaints(network, lived):
    """Return what customers wrote: `written_on`, `channel`, `text`.

    Some of those called want no calls; some of those whom a competitor courts find a reason to write.
    """
    asked, texts = lived.asked, len(_WORDS["text"])
    lot = lambda purpose: luck(network.seed, lived.month, purpose, asked["row"])  # noqa: E731
    courted = network.schedule.size("competitor", lived.month) * (asked["contract"] > 0)
    rings = lived.called & (lot("rings") < 0.03)
    writes = (rings | (lot("complaints") < 0.01 + 0.006 * courted)) & (lived.left_day > SILENT)
    text = np.where(rings, texts - 1, ((texts - 1) * lot("texts")).astype(int))
    day = (lot("written") * lived.left_day).astype(int)
    return {
        "row": asked["row"][writes],
        "written_on": dates(asked["begins"] + day)[writes],
        "channel": (len(_WORDS["channel"]) * lot("channels")).astype(int)[writes],
        "text": text[writes],
    }


def _tower_ids(numbers):
    """Return the names of towers, as text."""
    names = [f"T{number:04d}" for number in range(np.max(numbers, initial=0) + 1)]
    return pd.array(names, dtype="str")[numbers]
