"""The operator's people: who they are, what they pay, and what makes them leave.

Codes instead of words, one NumPy array a trait, so that a month costs the same for each customer.
Why they leave is a logit fitted to IBM's file and then moved until the shares by contract, tenure,
internet and payment of the simulated people are those of the file.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from helpers.worlds.operator import telco as telecom

MONTH_DAYS = 30
HISTORY = -1  # in the place of a month: the customers whom the history starts with
FIRST_DAY = pd.Timestamp("2025-01-01")  # the first day of month 1

CONTRACTS_OF_ALL = np.array([0.55, 0.21, 0.24])
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
    """Draw who was there when month 0 began, or who joins during a month.

    Parameters
    ----------
    count : people to draw; 0 is fine.
    seed : the world's seed.
    month : `HISTORY` draws who was there when month 0 began, 0 to 12 who join in that month.
    first_row : their number in the world, which makes their customerID.
    towers : towers to spread them over.

    Returns
    -------
    One array a trait, `count` long.

    Examples
    --------
    >>> draw_people(count=2, seed=7, month=1, first_row=0, towers=3)["tenure"].tolist()
    [0, 0]
    """
    rng = stream(seed, month, "people")
    joining = month > HISTORY
    contract = rng.choice(3, size=count, p=CONTRACTS_OF_JOINERS if joining else CONTRACTS_OF_ALL)
    internet = _draw_internet(contract, joining, rng)
    tenure = np.zeros(count, dtype=int) if joining else _draw_tenure(contract, rng)
    people = {
        "row": np.arange(first_row, first_row + count),
        "contract": contract,
        "internet": internet,
        "tenure": tenure,
        "started": _draw_started(tenure, month, rng),
        **_draw_household(internet, tenure, rng),
        "payment": _draw_payment(contract, internet, tenure, rng),
        "paperless": rng.random(count) < np.array([0.549, 0.774, 0.292])[internet],
        "phone": (internet != 0) | (rng.random(count) < 0.718),
        "tower": rng.integers(0, towers, count),
        "reachable": rng.random(count) < 0.96,  # a contact number is on file
        "tickets": np.zeros(count, dtype=int),
    }
    people |= telecom.draw_services(people, rng)
    people["monthly"] = _draw_monthly(people, rng)
    noise = np.where(tenure > 1, rng.normal(1.0, 0.05, count), 1.0)
    people["total"] = np.round(people["monthly"] * tenure * noise, 2)
    return people


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


def churn_probability(
    people: dict, month: int, competitor: float = 0.0, rise: float = 0.0
) -> np.ndarray:
    """Return the true probability of each to leave in `month` when nobody calls.

    Parameters
    ----------
    people : one array a trait.
    month : from 1 on the odds are those of the calmer year to come.
    competitor : how hard the competitor courts; 1.0 changes the logits by `BOUGHT_OUT` and
        `LEFT_ALONE`, 0.0 by nothing.
    rise : share by which the bills of fibre customers have risen.

    Returns
    -------
    Shares from 0.0 to 1.0. Someone who has not had a bill yet does not leave.

    Examples
    --------
    >>> people = draw_people(count=50, seed=7, month=HISTORY, first_row=0, towers=3)
    >>> bool((churn_probability(people, 4, competitor=1.0) != churn_probability(people, 4)).any())
    True
    """
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


def telco_rows(people: dict, ids: np.ndarray) -> pd.DataFrame:
    """Write the people as IBM's file does, all text, without `Churn`.

    Examples
    --------
    >>> people = draw_people(count=2, seed=7, month=HISTORY, first_row=0, towers=3)
    >>> telco_rows(people, customer_ids(people["row"], 7)).shape
    (2, 20)
    """
    yes = _words(["No", "Yes"])
    offline = people["internet"] == 2
    extra_words = _words(["No", "Yes", "No internet service"])
    line_words = _words(["No", "Yes", "No phone service"])
    extras = {
        name: extra_words[np.where(offline, 2, people["extras"][:, column])]
        for column, name in enumerate(telecom.EXTRAS)
    }
    total = _amount_texts(people["total"])
    total[people["tenure"] == 0] = " "  # not billed yet
    columns = {
        "customerID": pd.array(ids, dtype="str"),
        "gender": _words(["Male", "Female"])[people["female"].astype(int)],
        "SeniorCitizen": _words(["0", "1"])[people["senior"].astype(int)],
        "Partner": yes[people["partner"].astype(int)],
        "Dependents": yes[people["dependents"].astype(int)],
        "tenure": _words([str(month) for month in range(people["tenure"].max(initial=0) + 1)])[people["tenure"]],
        "PhoneService": yes[people["phone"].astype(int)],
        "MultipleLines": line_words[np.where(people["phone"], people["lines"], 2)],
        "InternetService": _words(telecom.INTERNET)[people["internet"]],
        **extras,
        "Contract": _words(telecom.CONTRACTS)[people["contract"]],
        "PaperlessBilling": yes[people["paperless"].astype(int)],
        "PaymentMethod": _words(telecom.PAYMENTS)[people["payment"]],
        "MonthlyCharges": _amount_texts(people["monthly"]),
        "TotalCharges": total,
    }  # fmt: skip
    return pd.DataFrame(columns)


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
    return telecom.draw_row_wise(shares / shares.sum(axis=1, keepdims=True), rng)


def _draw_tenure(contract, rng):
    """Draw the months behind each customer of the history by inverting the file's deciles."""
    place = rng.random(len(contract)) * 10
    tenure = np.zeros(len(contract), dtype=int)
    for code, deciles in enumerate(telecom.TENURE_DECILES):
        chosen = contract == code
        tenure[chosen] = np.rint(np.interp(place[chosen], np.arange(11), deciles)).astype(int)
    # In the file the few who wait for their first bill are on long contracts.
    newcomers = max(1, len(contract) // 500)
    tenure[np.argsort(rng.random(len(contract)) + (contract == 0))[:newcomers]] = 0
    return tenure


def _draw_started(tenure, month, rng):
    """Draw the day on which each began; a bill closes each month, not for who came on its last day."""
    day = rng.integers(0, MONTH_DAYS, len(tenure))
    if month > HISTORY:
        return month_start(month) + day
    day = np.where(tenure > 0, np.minimum(day, MONTH_DAYS - 2), MONTH_DAYS - 1)
    return month_start(0) - MONTH_DAYS * np.maximum(tenure, 1) + day


def _draw_household(internet, tenure, rng):
    """Draw gender, age and family."""
    count = len(internet)
    senior = rng.random(count) < np.array([0.107, 0.268, 0.034])[internet]
    partner = rng.random(count) < 0.22 + 0.0081 * tenure
    dependents = rng.random(count) < np.where(senior, 0.08, np.where(partner, 0.57, 0.11))
    female = rng.random(count) < 0.495
    return {"female": female, "senior": senior, "partner": partner, "dependents": dependents}


def _draw_payment(contract, internet, tenure, rng):
    """Draw how each pays; few newcomers have set up an automatic payment yet."""
    monthly = (contract == 0)[:, None]
    shares = np.where(monthly, telecom.PAYMENT_MONTHLY[internet], telecom.PAYMENT_LONGER[internet])
    payment = telecom.draw_row_wise(shares, rng)
    redrawn = (tenure <= 2) & (payment >= 2) & (rng.random(len(contract)) < 0.65)
    return np.where(redrawn, rng.choice(2, size=len(contract), p=[0.55, 0.45]), payment)


def _draw_monthly(people, rng):
    """Build the monthly bill from the tariff, in euro, to 5 cents."""
    prices = np.array([5, 5, 5, 5, 10, 10])
    monthly = (
        20.0 * people["phone"]
        + 5.0 * people["lines"]
        + np.array([25.0, 50.0, 0.0])[people["internet"]]
        + people["extras"] @ prices
        + rng.normal(0, 1, len(people["phone"])) * np.array([1.1, 1.1, 0.55])[people["internet"]]
    )
    return np.round(np.maximum(18.25, np.rint(monthly * 20) / 20), 2)


def _words(words):
    """Return the words as an array whose entries are shared, not copied, when it is indexed."""
    return pd.array(words, dtype="str")


def _amount_texts(amounts):
    """Write amounts with at most two decimals and no trailing zeros, as IBM's file does."""
    # Cents as a whole number: each distinct amount is written once.
    cents, place = np.unique(np.rint(amounts * 100).astype(np.int64), return_inverse=True)
    texts = [f"{cent / 100:.2f}".rstrip("0").rstrip(".") for cent in cents.tolist()]
    return pd.array(texts, dtype="str")[place]
