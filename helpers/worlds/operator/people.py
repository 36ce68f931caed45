"""The operator's people: who they are, what they pay, and what makes them leave.

Codes instead of words, one NumPy array a trait, so that a month costs the same for each customer.
Why they leave is a logit fitted to IBM's file and then moved until the shares by contract, tenure,
internet and payment of the simulated people are those of the file.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from helpers.worlds.incidents.kinds import Schedule
from helpers.worlds.operator import telco as telecom
from helpers.worlds.play import pick

MONTH_DAYS = 30
HISTORY = -1  # in the place of a month: the customers whom the history starts with
FIRST_DAY = pd.Timestamp("2025-01-01")  # the first day of month 1

# Joiners sign for the fibre and the one-year contracts that the sales desk pushes.
CONTRACTS_OF_JOINERS = np.array([0.36, 0.52, 0.12])
FIBER_PUSH = np.array([1.0, 2.0, 1.0])

CALM = -0.65  # logit: in the year to come the odds to leave are half those of the history's window
TICKET_PUSH = 0.5  # logit a ticket of the last 30 days, at most two
TICKET_MEAN = 0.105  # keeps the average customer where the file has it

# What a competitor of size 1 changes, in logits. It used to court those free to leave; now it buys
# customers out of their contracts, with its own fibre for those who have fibre.
LEFT_ALONE = -1.6
BOUGHT_OUT = np.array([2.1, 3.1, 1.5])  # by INTERNET: DSL, fiber, none
RISE_PUSH = 6.0  # logit, times the share by which the bill of a fibre customer has risen

_ID_COUNT = 10_000 * 26**5
_ID_STEP = 41_843_720_287  # coprime to the count, so that no two rows share an id


def stream(seed: int, month: int, purpose: str) -> np.random.Generator:
    """Return the random numbers of one purpose in one month, whatever else was drawn.

    Examples
    --------
    >>> bool(stream(7, 1, "calls").random() == stream(7, 1, "calls").random())
    True
    """
    return np.random.default_rng([seed, month + 2, *purpose.encode()])


def month_start(month: int) -> int:
    """Return the first day of `month`, counted in days from `FIRST_DAY`.

    Examples
    --------
    >>> month_start(1), month_start(0)
    (0, -30)
    """
    return (month - 1) * MONTH_DAYS


def draw_people(count: int, seed: int, month: int, first_row: int, towers: int) -> dict:
    """Draw `count` people, one array a trait: those of the `HISTORY`, or who join in a month 0 to 12.

    Parameters
    ----------
    first_row : their number in the world, which makes their customerID.
    towers : towers to spread them over.

    Examples
    --------
    >>> draw_people(count=2, seed=7, month=1, first_row=0, towers=3)["tenure"].tolist()
    [0, 0]
    """
    rng = stream(seed, month, "people")
    joining = month > HISTORY
    shares = CONTRACTS_OF_JOINERS if joining else telecom.CONTRACT_SHARES
    contract = rng.choice(3, size=count, p=shares)
    internet = _draw_internet(contract, joining, rng)
    tenure = np.zeros(count, dtype=int) if joining else telecom.draw_tenure(contract, rng)
    row = np.arange(first_row, first_row + count)
    people = {
        "row": row,
        "id": customer_ids(row, seed),
        "contract": contract,
        "internet": internet,
        "tenure": tenure,
        "started": _draw_started(tenure, month, rng),
        **telecom.draw_family(internet, tenure, rng),
        "female": rng.random(count) < telecom.FEMALE_SHARE,
    }
    people["payment"] = telecom.draw_payment(people, rng)
    people |= telecom.draw_line(internet, rng)
    people["tower"] = rng.integers(0, towers, count)
    people["reachable"] = rng.random(count) < 0.96  # a contact number is on file
    people["tickets"] = np.zeros(count, dtype=int)
    people |= telecom.draw_services(people, rng)
    return people | telecom.draw_bill(people, rng)


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
    """Return the true probability of each to leave in `month` when nobody calls, 0.0 to 1.0.

    From month 1 on the odds are those of the calmer year to come. A competitor of size 1.0 changes
    the logits by `BOUGHT_OUT` and `LEFT_ALONE`, a price rise those of fibre customers. Someone who
    has not had a bill yet does not leave.

    Examples
    --------
    >>> from helpers.worlds.incidents.kinds import Incident
    >>> people = draw_people(count=50, seed=7, month=HISTORY, first_row=0, towers=3)
    >>> calm, story = (Schedule(some, "operator") for some in ([], [Incident("competitor", 4)]))
    >>> bool((churn_probability(people, 4, story) != churn_probability(people, 4, calm)).any())
    True
    """
    competitor, rise = (schedule.size(name, month) for name in ("competitor", "price_rise"))
    tickets = TICKET_PUSH * np.minimum(people["tickets"], 2) - TICKET_MEAN
    logit = _usual_logit(people) + tickets
    if month >= 1:
        logit = logit + CALM
    if competitor:
        bound = people["contract"] > 0
        logit = logit + competitor * np.where(bound, BOUGHT_OUT[people["internet"]], LEFT_ALONE)
    if rise:
        logit = logit + RISE_PUSH * rise * (people["internet"] == 1)
    return np.where(people["tenure"] > 0, 1 / (1 + np.exp(-logit)), 0.0)


def bills(people: dict, rise: float) -> np.ndarray:
    """Return the monthly bills in euro when those of fibre customers are up by the share `rise`.

    Examples
    --------
    >>> bills({"monthly": np.array([20.0, 80.0]), "internet": np.array([0, 1])}, 0.1).tolist()
    [20.0, 88.0]
    """
    monthly = people["monthly"]
    if not rise:
        return monthly
    return np.where(people["internet"] == 1, np.round(monthly * (1 + rise), 2), monthly)


def customer_ids(rows: np.ndarray, seed: int) -> np.ndarray:
    """Return the customerID of each row of the world, in the pattern of IBM's file.

    Examples
    --------
    >>> customer_ids(np.array([0, 1]), seed=7).tolist()
    ['0602-IGWLI', '4124-CVKYN']
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
        -3.25
        + 3.21 * monthly
        + 1.12 * year
        + np.array([0.44, 1.05, 0.0])[people["internet"]]
        + np.where(monthly, -0.60, -0.31) * np.log1p(tenure)
        + 0.71 * np.minimum(tenure, 72) / 72
        - 1.09 * (tenure >= 72)
        + 0.50 * (people["payment"] == 0)
        + 0.35 * people["paperless"]
        + 0.32 * (extras[:, 4].astype(int) + extras[:, 5])
        - 0.31 * extras[:, 0]
        - 0.29 * extras[:, 3]
        - 0.57 * people["phone"]
        + 0.38 * people["lines"]
        + 0.23 * people["senior"]
        - 0.11 * people["dependents"]
    )


def _draw_internet(contract, joining, rng):
    """Draw the internet service by contract."""
    shares = telecom.INTERNET_BY_CONTRACT[contract] * (FIBER_PUSH if joining else 1.0)
    return pick(shares / shares.sum(axis=1, keepdims=True), rng)


def _draw_started(tenure, month, rng):
    """Draw the day on which each began; a bill closes each month, not for who came on its last day."""
    day = rng.integers(0, MONTH_DAYS, len(tenure))
    if month > HISTORY:
        return month_start(month) + day
    day = np.where(tenure > 0, np.minimum(day, MONTH_DAYS - 2), MONTH_DAYS - 1)
    return month_start(0) - MONTH_DAYS * np.maximum(tenure, 1) + day
