"""What the operator's systems write down in a month: use, tickets, bills, towers, complaints.

Each function returns one tidy table with true dates. Nothing of the customers' inner workings is
in it but what they do.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from helpers.worlds.incidents.kinds import Schedule
from helpers.worlds.operator import telco as telecom
from helpers.worlds.operator.people import FIRST_DAY, MONTH_DAYS, month_start, stream
from helpers.worlds.service import TIMED_OUT_MS

STAYS = MONTH_DAYS  # the day of leaving of somebody who does not leave
SILENT = 0  # ... and of somebody who is not heard of from the first day on
_DAY = np.timedelta64(1, "D")
_REASONS = ["too expensive", "moving away", "bad connection", "no longer needed"]
_BUYOUT = "another company pays the rest of my contract"


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
    >>> people = {"row": np.array([3]), "started": np.array([-40]), "tower": np.array([1]),
    ...           "reachable": np.array([True]), "id": np.array(["0001-ABCDE"])}
    >>> subscriber_table(people, 7)["tower_id"].tolist()
    ['T0001']
    """
    # The remainder first: an endless seed does not fit into the numbers of a column.
    number = (people["row"] * 4_567_891 + seed * 7_919 % 10_000_000) % 10_000_000
    numbers = "0155-" + pd.Series(number).astype("str").str.zfill(7)
    return pd.DataFrame(
        {
            "customerID": pd.array(people["id"], dtype="str"),
            "started_at": dates(people["started"]),
            "phone_number": numbers.where(people["reachable"]),
            "tower_id": _tower_ids(people["tower"]),
        }
    )


def usage_table(people: dict, seed: int, month: int) -> pd.DataFrame:
    """Return one row a customer and day of use; a day without use has no row.

    `customerID`, `used_on`, `minutes` (calls), `megabytes`. `left_day` of the people is the day of
    the month from which the line is dead, `STAYS` for everybody else.

    Examples
    --------
    >>> people = {name: np.array([0]) for name in ["internet", "phone", "lines", "row"]}
    >>> people |= {"started": np.array([-90]), "extras": np.zeros((1, 6)), "id": np.array(["a"])}
    >>> len(usage_table({**people, "left_day": np.array([SILENT])}, 7, 1))
    0
    """
    rng = stream(seed, month, "usage")
    day = np.arange(MONTH_DAYS)
    alive = (day < people["left_day"][:, None]) & (day >= _first_day(people, month)[:, None])
    used = alive & (rng.random(alive.shape, dtype=np.float32) < 0.93)
    who, when = np.nonzero(used)
    talk = (6.0 + 12.0 * people["phone"] + 6.0 * people["lines"]) * _habit(people, seed, "talk")
    streams = people["extras"][:, 4] + people["extras"][:, 5] * 1.0
    data = np.array([900.0, 1500.0, 60.0])[people["internet"]] * (1 + 0.6 * streams)
    data *= _habit(people, seed, "data")
    size = len(who)
    minutes = talk[who] * rng.standard_exponential(size, dtype=np.float32)
    megabytes = data[who] * rng.standard_exponential(size, dtype=np.float32)
    return pd.DataFrame(
        {
            "customerID": pd.array(people["id"], dtype="str")[who],
            "used_on": dates(month_start(month) + when),
            "minutes": np.round(minutes, 1),
            "megabytes": np.ceil(megabytes).astype(int),
        }
    )


def draw_tickets(people: dict, troubled, seed: int, month: int) -> np.ndarray:
    """Return how many tickets each opens in the month; a troubled tower triples the rate.

    Examples
    --------
    >>> people = {"internet": np.array([2]), "extras": np.zeros((1, 6)), "tower": np.array([0])}
    >>> people |= {"started": np.array([-90]), "left_day": np.array([SILENT])}
    >>> draw_tickets(people, np.array([False]), 7, 1).tolist()
    [0]
    """
    rng = stream(seed, month, "tickets")
    alone = (people["internet"] != 2) & (people["extras"][:, 3] == 0)
    rate = 0.10 * (1 + 0.8 * alone) * (1 + 2.0 * troubled[people["tower"]])
    days = people["left_day"] - _first_day(people, month)
    return rng.poisson(rate * np.maximum(days, 0) / MONTH_DAYS)


def ticket_table(people: dict, troubled, seed: int, month: int) -> pd.DataFrame:
    """Return one row a ticket: `customerID`, `opened_on`, `topic`, `hours_to_solve`."""
    rng = stream(seed, month, "ticket details")
    who = np.repeat(np.arange(len(people["tickets"])), people["tickets"])
    topics = np.array(["billing", "contract", "equipment", "network"], dtype=object)
    topic = np.where(
        troubled[people["tower"][who]] & (rng.random(len(who)) < 0.7),
        3,
        rng.integers(0, 4, len(who)),
    )
    first = _first_day(people, month)
    days = (people["left_day"] - first)[who]
    day = np.floor(first[who] + rng.random(len(who)) * days).astype(int)
    return pd.DataFrame(
        {
            "customerID": pd.array(people["id"], dtype="str")[who],
            "opened_on": dates(month_start(month) + day),
            "topic": pd.array(topics, dtype="str")[topic],
            "hours_to_solve": np.round(2 + 20 * rng.standard_exponential(len(who)), 1),
        }
    )


def invoice_table(people: dict, month: int) -> pd.DataFrame:
    """Return the bills that close the month: `customerID`, `issued_on`, `due_on`, `amount_eur`.

    Who left has none, nor has who came on the very last day.
    """
    issued = month_start(month) + MONTH_DAYS - 1
    billed = (people["left_day"] == STAYS) & (people["started"] < issued)
    ids = people["id"][billed]
    return pd.DataFrame(
        {
            "customerID": pd.array(ids, dtype="str"),
            "issued_on": dates(np.full(len(ids), issued)),
            "due_on": dates(np.full(len(ids), issued + 14)),
            "amount_eur": people["monthly"][billed],
        }
    )


def payment_table(people: dict, seed: int, month: int) -> pd.DataFrame:
    """Return what came in during the month for the last bills; about 2 % never pay.

    `customerID`, `issued_on` (the bill that is paid), `paid_on`, `amount_eur`, `method`.
    """
    rng = stream(seed, month, "payments")
    automatic = people["payment"] >= 2
    size = len(automatic)
    days = np.where(automatic, rng.integers(0, 4, size), rng.integers(2, MONTH_DAYS, size))
    pays = (people["tenure"] > 0) & (rng.random(size) >= np.where(automatic, 0.005, 0.035))
    method = pd.array(telecom.PAYMENTS, dtype="str")[people["payment"][pays]]
    return pd.DataFrame(
        {
            "customerID": pd.array(people["id"], dtype="str")[pays],
            "issued_on": dates(np.full(pays.sum(), month_start(month) - 1)),
            "paid_on": dates(month_start(month) + days[pays]),
            "amount_eur": people["monthly"][pays],
            "method": method,
        }
    )


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


def troubled_towers(towers: int, seed: int, month: int) -> np.ndarray:
    """Return which towers fail now and then in the month: about one in ten.

    Examples
    --------
    >>> troubled_towers(4, seed=7, month=1).shape
    (4,)
    """
    return stream(seed, month, "trouble").random(towers) < 0.1


def sensor_table(troubled, seed: int, month: int) -> pd.DataFrame:
    """Return one row a tower and day: `load_share`, `temperature_c`, `packet_loss_share`."""
    rng = stream(seed, month, "sensors")
    tower = np.repeat(np.arange(len(troubled)), MONTH_DAYS)
    day = np.tile(np.arange(MONTH_DAYS), len(troubled)) + month_start(month)
    loss = 0.004 * rng.standard_exponential(len(day)) * np.where(troubled[tower], 6.0, 1.0)
    season = -10 * np.cos(2 * np.pi * day / 365)
    return pd.DataFrame(
        {
            "tower_id": _tower_ids(tower),
            "read_on": dates(day),
            "load_share": np.round(rng.beta(6, 4, len(day)), 3),
            "temperature_c": np.round(28 + season + rng.normal(0, 2, len(day)), 1),
            "packet_loss_share": np.round(np.minimum(loss, 1.0), 5),
        }
    )


def cancellation_table(people: dict, seed: int, month: int, schedule: Schedule) -> pd.DataFrame:
    """Return the contracts cancelled in the month; who falls silent instead is not here.

    `customerID`, `cancelled_on`, `reason` (as the customer ticked it).
    """
    rng = stream(seed, month, "reasons")
    courted, rise = (schedule.size(name, month) for name in ("competitor", "price_rise"))
    reason = np.array([*_REASONS, _BUYOUT], dtype=object)[_draw_reasons(people, courted, rise, rng)]
    left_day = people["left_day"]
    gone = (left_day > SILENT) & (left_day < STAYS)
    return pd.DataFrame(
        {
            "customerID": pd.array(people["id"], dtype="str")[gone],
            "cancelled_on": dates(month_start(month) + left_day[gone]),
            "reason": pd.array(reason[gone], dtype="str"),
        }
    )


def complaint_table(people: dict, called, seed: int, month: int, courted: bool) -> pd.DataFrame:
    """Return what customers wrote: `customerID`, `written_on`, `channel`, `text`."""
    rng = stream(seed, month, "complaints")
    left_day, size = people["left_day"], len(people["id"])
    texts = np.array(
        [
            "My bill is higher than I expected.",
            "The connection drops every evening.",
            "Nobody answers when I ring.",
            "Please stop ringing me with offers.",
            "Others would pay the rest of my contract if I came over.",
        ],
        dtype=object,
    )
    text = rng.integers(0, 3, size)
    rings = called & (rng.random(size) < 0.03)
    text[rings] = 3
    tempted = (people["contract"] > 0) & (rng.random(size) < 0.02) & courted
    text[tempted & ~rings] = 4
    writes = ((rng.random(size) < 0.01) | rings | tempted) & (left_day > SILENT)
    day = np.floor(rng.random(size) * left_day).astype(int)
    channels = np.array(["e-mail", "letter", "phone", "web form"], dtype=object)
    return pd.DataFrame(
        {
            "customerID": pd.array(people["id"], dtype="str")[writes],
            "written_on": dates(month_start(month) + day[writes]),
            "channel": pd.array(channels, dtype="str")[rng.integers(0, 4, size)[writes]],
            "text": pd.array(texts, dtype="str")[text[writes]],
        }
    )


def request_table(ids, probability, seed: int, month: int, slow: float = 0.0) -> pd.DataFrame:
    """Return the telemetry of the scoring service, one row a request.

    `slow` multiplies the latency; a request that takes more than a second brings no answer (504).
    `request_id` (counts within the month, from 1), `customerID`, `sent_at`, `latency_ms`,
    `status`, `churn_probability`.
    """
    rng = stream(seed, month, "requests")
    seconds = np.sort(rng.integers(0, 3600, len(ids)))
    latency = 12 * np.exp(rng.normal(0, 0.4, len(ids)))
    latency = np.round(latency * slow if slow else latency, 1)
    late = latency > TIMED_OUT_MS
    start = dates(np.full(len(ids), month_start(month)))
    return pd.DataFrame(
        {
            "request_id": np.arange(len(ids)) + 1,
            "customerID": pd.array(ids, dtype="str"),
            "sent_at": start + seconds.astype("timedelta64[s]"),
            "latency_ms": latency,
            "status": np.where(late, 504, 200),
            "churn_probability": np.where(late, np.nan, probability),
        }
    )


def _first_day(people, month):
    """Return the day of the month on which each is first there."""
    return np.maximum(people["started"] - month_start(month), 0)


def _draw_reasons(people, courted, rise, rng):
    """Draw the reason of each: after a competitor's move most who were bound name it.

    After a price rise most with fibre name the price.
    """
    contract = people["contract"]
    reason = rng.integers(0, len(_REASONS), len(contract))
    most = rng.random(len(contract)) < 0.6
    if rise:
        reason = np.where((people["internet"] == 1) & most, 0, reason)
    return np.where((contract > 0) & bool(courted) & most, len(_REASONS), reason)


def _habit(people, seed, purpose):
    """Return how much each customer uses, around 1; the same in every month."""
    rng = stream(seed, 0, purpose)
    return np.exp(0.4 * rng.standard_normal(people["row"].max(initial=0) + 1))[people["row"]]


def _tower_ids(numbers):
    """Return the names of towers, as text."""
    names = [f"T{number:04d}" for number in range(np.max(numbers, initial=0) + 1)]
    return pd.array(names, dtype="str")[numbers]
