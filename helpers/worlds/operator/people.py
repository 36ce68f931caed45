"""The operator's people: who they are, what they pay, and what makes them leave.

Codes instead of words, one NumPy array a trait, so that a month costs the same for each customer.
Each stands in a place, which is scored at its own moment of every month; who leaves it is followed by
somebody else. Why they leave is a logit fitted to IBM's file and then moved until the shares by
contract, tenure, internet and payment of the simulated people are those of the file.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import ndtri

from helpers.worlds.incidents.kinds import Schedule
from helpers.worlds.operator import telco as telecom
from helpers.worlds.play import luck, pick

MONTH_DAYS = 30
HISTORY = -6  # the first month that the operator knows of, six before the first of the story
GENERATIONS = 20  # people who can follow each other in the place of one
FIRST_DAY = pd.Timestamp("2025-01-01")  # the first day of month 1
_DAY = 86_400  # seconds
# Requests an hour of the day, from midnight on: most come in the working day.
_OFFICE = np.array(
    [1, 1, 1, 1, 1, 2, 4, 8, 14, 18, 19, 17, 14, 16, 18, 17, 14, 10, 7, 5, 4, 3, 2, 1]
)
_HOME = np.array(  # ... and what customers do by themselves comes in the evening
    [4, 2, 1, 1, 1, 1, 2, 5, 6, 6, 6, 7, 8, 7, 7, 7, 8, 10, 13, 16, 18, 18, 14, 8]
)

HEAVY_MB = (
    12_000.0  # who used more in the last 30 days leaves after a ticket, who did not without one
)
CROSSED = 0.70  # logit: how much more
TICKET_PUSH = 0.3  # logit a ticket of the last 30 days, at most two
# Use and tickets blur what IBM's columns tell, so the logit is stretched to keep the file's shares.
STRETCH, USUAL_LOGIT = 1.10, -0.22
GROWTH = 0.02  # customers a month that a growth of size 1 brings, as a share of all
SIGNS_A_YEAR = 0.05  # of those who join in the place of month-to-month customers

# What a competitor of size 1 changes, in logits. It used to court those free to leave; now it buys
# customers out of their contracts, with its own fibre for those who have fibre.
LEFT_ALONE = -1.6
BOUGHT_OUT = np.array([3.8, 4.5, 3.4])  # by INTERNET: DSL, fiber, none
RISE_PUSH = 6.0  # logit, times the share by which the bill of a fibre customer has risen

# What customers do with their lines, hidden: they talk, stream, do little, or wait for the weekend.
SEGMENTS = ("talkers", "streamers", "light", "weekend")
SEGMENT_SHARES = np.array([0.25, 0.25, 0.30, 0.20])
TALK = np.array([3.0, 0.7, 0.4, 1.0])  # multiples of the usual minutes
DATA = np.array([0.7, 4.0, 0.3, 1.5])  # ... and megabytes
USED_DAYS = np.array([0.95, 0.95, 0.80, 0.90])  # share of the days on which the line is used
WEEKEND = np.array([1.0, 1.0, 1.0, 4.0])  # multiple of both on Saturdays and Sundays
HABIT_SPREAD = 0.50
TICKETS = 0.30  # a month, without support from a technician more
BUNDLE_MINUTES, EURO_A_MINUTE = 900.0, 0.05
BUNDLE_MB, EURO_A_GB = 25_000.0, 0.60

# What a call does to a customer whom it reaches, by segment. Most can be moved, who does little with
# the line does not care; such a one on a contract is reminded that he may leave.
ACCEPTS = np.array([0.40, 0.40, 0.08, 0.40])  # share who take the offer, and stay
DRIVEN_OFF, REMINDED = 0.004, 0.10  # share of those who refuse it who leave because of it
NO_ANSWER = 0.15

_ID_COUNT = 10_000 * 26**5
_ID_STEP = 41_843_720_287  # coprime to the count, so that no two rows share an id


def stream(seed: int, month: int, purpose: str) -> np.random.Generator:
    """Return the random numbers of one purpose in one month, whatever else was drawn.

    Examples
    --------
    >>> bool(stream(7, 1, "calls").random() == stream(7, 1, "calls").random())
    True
    """
    return np.random.default_rng([seed, month - HISTORY + 1, *purpose.encode()])


def month_start(month: int) -> int:
    """Return the first day of `month`, counted in days from `FIRST_DAY`.

    Examples
    --------
    >>> month_start(1), month_start(0)
    (0, -30)
    """
    return (month - 1) * MONTH_DAYS


def draw_moments(places: np.ndarray, seed: int) -> np.ndarray:
    """Draw when in each month these places are scored, in seconds from its start, in order.

    Examples
    --------
    >>> bool((np.diff(draw_moments(np.arange(50), seed=7)) >= 0).all())
    True
    """
    day = (MONTH_DAYS * luck(seed, 0, "day", places)).astype(int)
    return np.sort(day * _DAY + _second_of_day(luck(seed, 0, "hour", places), _OFFICE))


def evening_second(lot: np.ndarray) -> np.ndarray:
    """Return the second of the day at which customers do what they do by themselves, most after work.

    Parameters
    ----------
    lot : numbers in [0, 1), one each.

    Examples
    --------
    >>> (evening_second(np.array([0.0, 0.5, 0.999])) // 3600).tolist()
    [0, 17, 23]
    """
    return _second_of_day(lot, _HOME)


def _second_of_day(lot, hours):
    """Return for each number in [0, 1) a second of the day, by how busy its hours are."""
    hour = np.interp(lot, np.concatenate([[0], hours.cumsum()]) / hours.sum(), np.arange(25))
    return np.minimum((hour * 3_600).astype(int), _DAY - 1)


def draw_people(
    count: int,
    seed: int,
    month: int,
    towers: int,
    before: dict | None = None,
    purpose: str = "people",
) -> dict:
    """Draw the people of `count` places, one array a trait: the first ones, or who come after them.

    Parameters
    ----------
    month : the window of the place in which they join.
    towers : towers to spread them over.
    before : the people of each place before them; sales find others with the same contract and line.
    purpose : of the random numbers.

    Examples
    --------
    >>> draw_people(count=2, seed=7, month=HISTORY, towers=3)["row"].tolist()
    [0, 20]
    """
    rng = stream(seed, month, purpose)
    if before is None:
        contract = rng.choice(3, size=count, p=telecom.CONTRACT_SHARES)
        internet = pick(telecom.INTERNET_BY_CONTRACT[contract], rng)
        tenure = telecom.draw_tenure(contract, rng)
        row = np.arange(count) * GENERATIONS
    else:
        signs = (before["contract"] == 0) & (rng.random(count) < SIGNS_A_YEAR)
        contract, internet = np.where(signs, 1, before["contract"]), before["internet"]
        tenure = np.zeros(count, dtype=int)
        row = before["row"] // GENERATIONS * GENERATIONS + month + 1 - HISTORY
    people = {
        "row": row,
        "id": customer_ids(row, seed),
        "contract": contract,
        "internet": internet,
        "tenure": tenure,
        **telecom.draw_family(internet, tenure, rng),
        "female": rng.random(count) < telecom.FEMALE_SHARE,
    }
    people["payment"] = telecom.draw_payment(people, rng)
    people |= telecom.draw_line(internet, rng)
    people["tower"] = rng.integers(0, towers, count)
    people["reachable"] = rng.random(count) < 0.96  # a contact number is on file
    people |= telecom.draw_services(people, rng)
    return people | telecom.draw_bill(people, rng) | draw_habits(row, seed)


def take_people(people: dict, rows: np.ndarray) -> dict:
    """Return the people at `rows`, a mask or positions.

    Examples
    --------
    >>> take_people({"tenure": np.array([3, 5])}, np.array([False, True]))["tenure"].tolist()
    [5]
    """
    return {name: values[rows] for name, values in people.items()}


def join_people(some: dict, more: dict) -> dict:
    """Return both, `some` first.

    Examples
    --------
    >>> join_people({"tenure": np.array([3])}, {"tenure": np.array([5])})["tenure"].tolist()
    [3, 5]
    """
    return {name: np.concatenate([some[name], more[name]]) for name in some}


def churn_probability(people: dict, month: int, schedule: Schedule) -> np.ndarray:
    """Return the true probability of each to leave in the 30 days to come when nobody calls.

    IBM's file counts who leaves within two such windows, and its logit `p` gives the share of one:
    `1 - sqrt(1 - p)`. A competitor of size 1.0 changes the logits by `BOUGHT_OUT` and `LEFT_ALONE`,
    a price rise those of fibre customers. Someone who has not had a bill yet does not leave.

    Parameters
    ----------
    people : with `tickets` and `megabytes` of their last 30 days.
    month : in which the 30 days begin.

    Examples
    --------
    >>> from helpers.worlds.incidents.kinds import Incident
    >>> people = draw_people(count=50, seed=7, month=HISTORY, towers=3)
    >>> people |= {"tickets": np.zeros(50), "megabytes": np.zeros(50)}
    >>> calm, story = (Schedule(some, "operator") for some in ([], [Incident("competitor", 4)]))
    >>> bool((churn_probability(people, 4, story) != churn_probability(people, 4, calm)).any())
    True
    """
    competitor, rise = (schedule.size(name, month) for name in ("competitor", "price_rise"))
    troubled, heavy = people["tickets"] > 0, people["megabytes"] > HEAVY_MB
    logit = STRETCH * _usual_logit(people) + USUAL_LOGIT
    logit = logit + TICKET_PUSH * np.minimum(people["tickets"], 2)
    logit = logit + np.where(troubled == heavy, CROSSED, -CROSSED)
    if competitor:
        bound = people["contract"] > 0
        logit = logit + competitor * np.where(bound, BOUGHT_OUT[people["internet"]], LEFT_ALONE)
    if rise:
        logit = logit + RISE_PUSH * rise * (people["internet"] == 1)
    within_two = 1 / (1 + np.exp(-logit))
    return np.where(people["tenure"] > 0, 1 - np.sqrt(1 - within_two), 0.0)


def churn_when_called(people: dict, probability: np.ndarray) -> np.ndarray:
    """Return the probability of each to leave when called, given the one without a call.

    Who takes the offer stays; of those who refuse it some leave because they were called.

    Examples
    --------
    >>> people = {"contract": np.array([0, 2]), "segment": np.array([0, 2])}
    >>> people |= {"reachable": np.array([True, True])}
    >>> churn_when_called(people, np.array([0.3, 0.02])).round(3).tolist()
    [0.181, 0.094]
    """
    accepts = ACCEPTS[people["segment"]]
    driven = (1 - NO_ANSWER - accepts) * driven_off(people)
    called = probability * (1 - accepts) + (1 - probability) * driven
    return np.where(people["reachable"], called, probability)


def driven_off(people: dict) -> np.ndarray:
    """Return the probability of each who refuses an offer, and would have stayed, to leave for it."""
    light = SEGMENTS.index("light")
    reminded = (people["contract"] > 0) & (people["segment"] == light)
    return np.where(reminded, REMINDED, DRIVEN_OFF)


def prices(people: dict, month: int, schedule: Schedule) -> np.ndarray:
    """Return what the tariff of each costs in `month`, in euro, after a price rise or a promotion.

    Examples
    --------
    >>> from helpers.worlds.incidents.kinds import Incident
    >>> rise = Schedule([Incident("price_rise", 1, 0.1)], "operator")
    >>> people = {"monthly": np.array([20.0, 80.0]), "internet": np.array([0, 1])}
    >>> prices({**people, "contract": np.array([0, 0])}, 1, rise).tolist()
    [20.0, 88.0]
    """
    rise, off = (schedule.size(name, month) for name in ("price_rise", "promotion"))
    share = (1 + rise * (people["internet"] == 1)) * (1 - off * (people["contract"] == 0))
    return np.round(people["monthly"] * share, 2)


def usual_use(people: dict) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean minutes and megabytes of a day of use of each."""
    segment = people["segment"]
    talk = (12.0 + 6.0 * people["phone"] + 3.0 * people["lines"]) * TALK[segment] * people["talk"]
    streams = people["extras"][:, 4] + people["extras"][:, 5] * 1.0
    data = np.array([450.0, 550.0, 300.0])[people["internet"]] * (1 + 0.1 * streams)
    return talk, data * DATA[segment] * people["data"]


def beyond_tariff(people: dict) -> np.ndarray:
    """Return what the last 30 days cost beyond the tariff, in euro: minutes and data above a bundle.

    Examples
    --------
    >>> beyond_tariff({"minutes": np.array([100.0, 1700.0]), "megabytes": np.array([0, 0])}).tolist()
    [0.0, 40.0]
    """
    minutes = np.maximum(people["minutes"] - BUNDLE_MINUTES, 0)
    data = np.maximum(people["megabytes"] - BUNDLE_MB, 0)
    return EURO_A_MINUTE * minutes + EURO_A_GB * data / 1000


def draw_habits(rows: np.ndarray, seed: int) -> dict:
    """Draw what each does with the line, the same in every month: `segment`, and `talk` and `data`,
    multiples of the usual use.

    Examples
    --------
    >>> draw_habits(np.array([0]), seed=7)["segment"].shape
    (1,)
    """
    segment = np.searchsorted(SEGMENT_SHARES.cumsum(), luck(seed, 0, "segment", rows))
    spread = {
        name: np.exp(HABIT_SPREAD * ndtri(luck(seed, 0, name, rows))) for name in ("talk", "data")
    }
    return {"segment": segment, **spread}


def customer_ids(rows: np.ndarray, seed: int) -> np.ndarray:
    """Return the customerID of each row of the world, in the pattern of IBM's file.

    Examples
    --------
    >>> customer_ids(np.array([0, 1]), seed=7).tolist()
    ['0160-QILUN', '3682-KXAHS']
    """
    start = int(stream(seed, 0, "ids").integers(_ID_COUNT))
    number = (start + rows * _ID_STEP) % _ID_COUNT
    letters = np.empty((len(rows), 10), dtype=np.uint8)
    for place in [9, 8, 7, 6, 5]:
        letters[:, place] = ord("A") + number % 26
        number = number // 26
    letters[:, 4] = ord("-")
    for place in [3, 2, 1, 0]:
        letters[:, place] = ord("0") + number % 10
        number = number // 10
    return letters.view("S10").ravel().astype("U10").astype(object)


def _usual_logit(people):
    """Return the logit of leaving that IBM's file shows."""
    monthly, year = people["contract"] == 0, people["contract"] == 1
    tenure, extras = people["tenure"], people["extras"]
    return (
        -3.14
        + 3.05 * monthly
        + 1.01 * year
        + np.array([0.42, 0.99, 0.0])[people["internet"]]
        + np.where(monthly, -0.60, -0.31) * np.log1p(tenure)
        + 0.71 * np.minimum(tenure, 72) / 72
        + 0.09 * (tenure == 1)
        - 1.09 * (tenure >= 72)
        + np.array([0.61, 0.09, 0.09, 0.07])[people["payment"]]
        + 0.35 * people["paperless"]
        + 0.32 * (extras[:, 4].astype(int) + extras[:, 5])
        - 0.31 * extras[:, 0]
        - 0.29 * extras[:, 3]
        - 0.57 * people["phone"]
        + 0.38 * people["lines"]
        + 0.23 * people["senior"]
        - 0.11 * people["dependents"]
    )
