"""A seeded table of telecom customers with the columns and spellings of IBM's Telco file.

Mixes and rates follow that file's published cross tables: a product mix by contract, a bill built
from a tariff, and churn drawn from a logistic model of the customer's own attributes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from helpers.files import write_whole
from helpers.worlds.play import pick

CONTRACTS = ["Month-to-month", "One year", "Two year"]
INTERNET = ["DSL", "Fiber optic", "No"]
PAYMENTS = ["Electronic check", "Mailed check", "Bank transfer (automatic)", "Credit card (automatic)"]  # fmt: skip
EXTRAS = ["OnlineSecurity", "OnlineBackup", "DeviceProtection", "TechSupport", "StreamingTV", "StreamingMovies"]  # fmt: skip

CONTRACT_SHARES = np.array([0.55, 0.21, 0.24])
FEMALE_SHARE = 0.495

# Shares of INTERNET in the real file; rows follow CONTRACTS.
INTERNET_BY_CONTRACT = np.array([[0.316, 0.549, 0.135], [0.387, 0.366, 0.247], [0.371, 0.253, 0.376]])  # fmt: skip
# Tenure deciles in months, one row per contract: drawn by inverting them.
_TENURE_DECILES = [[1, 1, 2, 4, 8, 12, 17, 24, 33, 46, 72], [1, 14, 23, 30, 37, 44, 50, 55, 61, 67, 72], [1, 26, 44, 52, 60, 64, 68, 70, 72, 72, 72]]  # fmt: skip
# Shares of PAYMENTS; rows follow INTERNET, first for monthly contracts, then for the longer ones.
_PAYMENT_MONTHLY = np.array([[0.37, 0.30, 0.16, 0.17], [0.63, 0.09, 0.15, 0.13], [0.13, 0.62, 0.13, 0.12]])  # fmt: skip
_PAYMENT_LONGER = np.array([[0.15, 0.20, 0.31, 0.34], [0.28, 0.06, 0.33, 0.33], [0.05, 0.42, 0.26, 0.27]])  # fmt: skip
# Share with each of EXTRAS; rows: contract x (DSL, fiber).
_EXTRAS_DSL = np.array([[0.30, 0.30, 0.23, 0.28, 0.24, 0.25], [0.58, 0.49, 0.54, 0.57, 0.45, 0.45], [0.77, 0.69, 0.76, 0.82, 0.64, 0.66]])  # fmt: skip
_EXTRAS_FIBER = np.array([[0.17, 0.33, 0.32, 0.16, 0.47, 0.47], [0.41, 0.64, 0.63, 0.42, 0.74, 0.75], [0.61, 0.72, 0.79, 0.72, 0.82, 0.82]])  # fmt: skip


def telco_table(customers: int, seed: int) -> pd.DataFrame:
    """Make a table of `customers` rows as a telecom operator would export it, all text.

    Parameters
    ----------
    customers : rows, at least 1.
    seed : the same seed gives the same table.

    Returns
    -------
    One row a customer, 21 text columns in the order of IBM's file. About two rows in a thousand
    (at least one) are customers in their first month: tenure 0 and a blank TotalCharges.

    Raises
    ------
    ValueError
        If `customers` is below 1.

    Examples
    --------
    >>> telco_table(customers=3, seed=7)[["tenure", "Contract", "Churn"]].shape
    (3, 3)
    """
    if customers < 1:
        raise ValueError(f"customers counts the rows of the table, so at least 1; got {customers}.")
    rng = np.random.default_rng(seed)
    contract = rng.choice(3, size=customers, p=CONTRACT_SHARES)
    internet = pick(INTERNET_BY_CONTRACT[contract], rng)
    tenure = draw_tenure(contract, rng)
    people = {"contract": contract, "internet": internet, "tenure": tenure}
    people |= draw_family(internet, tenure, rng)
    people["payment"] = draw_payment(people, rng)
    people["female"] = rng.random(customers) < FEMALE_SHARE
    people |= draw_line(internet, rng)
    people |= draw_services(people, rng)
    people |= draw_bill(people, rng)
    people["id"] = _draw_ids(customers, rng)
    leaves = (rng.random(customers) < _churn_probability(people)) & (tenure > 0)
    return telco_rows(people).assign(Churn=_words(["No", "Yes"])[leaves.astype(int)])


def write_telco_csv(customers: int, seed: int, folder: str | Path) -> Path:
    """Write `telco_table` as the CSV file that the operator would hand over; return its path.

    Examples
    --------
    >>> import tempfile
    >>> write_telco_csv(customers=2, seed=7, folder=tempfile.mkdtemp()).name
    'telco_2_customers_seed_7.csv'
    """
    path = Path(folder) / f"telco_{customers}_customers_seed_{seed}.csv"
    return write_whole(path, telco_table(customers, seed).to_csv(index=False, lineterminator="\n"))


def draw_tenure(contract: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw the months behind each customer, given the code of the contract, by inverting deciles.

    Examples
    --------
    >>> draw_tenure(np.array([0]), np.random.default_rng(7)).tolist()  # waits for the first bill
    [0]
    """
    place = rng.random(len(contract)) * 10
    tenure = np.zeros(len(contract), dtype=int)
    for code, deciles in enumerate(_TENURE_DECILES):
        chosen = contract == code
        tenure[chosen] = np.rint(np.interp(place[chosen], np.arange(11), deciles)).astype(int)
    # In the file the few who wait for their first bill are on long contracts.
    newcomers = max(1, len(contract) // 500)
    tenure[np.argsort(rng.random(len(contract)) + (contract == 0))[:newcomers]] = 0
    return tenure


def draw_family(internet, tenure, rng: np.random.Generator) -> dict:
    """Draw the flags `senior`, `partner` and `dependents`."""
    senior = rng.random(len(internet)) < np.array([0.107, 0.268, 0.034])[internet]
    partner = rng.random(len(internet)) < 0.22 + 0.0081 * tenure
    chance = np.where(senior, 0.08, np.where(partner, 0.57, 0.11))
    dependents = rng.random(len(internet)) < chance
    return {"senior": senior, "partner": partner, "dependents": dependents}


def draw_payment(people: dict, rng: np.random.Generator) -> np.ndarray:
    """Draw how each pays; few newcomers have set up an automatic payment yet."""
    contract, internet, tenure = people["contract"], people["internet"], people["tenure"]
    monthly = (contract == 0)[:, None]
    payment = pick(np.where(monthly, _PAYMENT_MONTHLY[internet], _PAYMENT_LONGER[internet]), rng)
    redrawn = (tenure <= 2) & (payment >= 2) & (rng.random(len(contract)) < 0.65)
    return np.where(redrawn, rng.choice(2, size=len(contract), p=[0.55, 0.45]), payment)


def draw_line(internet, rng: np.random.Generator) -> dict:
    """Draw the flags `paperless` (how the bill comes) and `phone`."""
    paperless = rng.random(len(internet)) < np.array([0.549, 0.774, 0.292])[internet]
    return {"paperless": paperless, "phone": (internet != 0) | (rng.random(len(internet)) < 0.718)}


def draw_services(people: dict, rng: np.random.Generator) -> dict:
    """Draw `extras`, flags customers x EXTRAS, and `lines`, who has a second line.

    Examples
    --------
    >>> offline = {"contract": np.array([0]), "internet": np.array([2]), "phone": np.array([True])}
    >>> draw_services(offline, np.random.default_rng(7))["extras"].any()
    np.False_
    """
    contract, internet = people["contract"], people["internet"]
    dsl = (internet == 0)[:, None]
    share = np.where(dsl, _EXTRAS_DSL[contract], _EXTRAS_FIBER[contract])
    share = share * (internet != 2)[:, None]
    second_line = np.array([0.397, 0.626, 0.224])[internet]
    return {
        "extras": rng.random(share.shape) < share,
        "lines": people["phone"] & (rng.random(len(contract)) < second_line),
    }


def draw_bill(people: dict, rng: np.random.Generator) -> dict:
    """Build the `monthly` bill from the tariff, in euro, to 5 cents, and the `total` of the tenure."""
    tenure, prices = people["tenure"], np.array([5, 5, 5, 5, 10, 10])
    monthly = (
        20.0 * people["phone"]
        + 5.0 * people["lines"]
        + np.array([25.0, 50.0, 0.0])[people["internet"]]
        + people["extras"] @ prices
        + rng.normal(0, 1, len(tenure)) * np.array([1.1, 1.1, 0.55])[people["internet"]]
    )
    monthly = np.round(np.maximum(18.25, np.rint(monthly * 20) / 20), 2)
    noise = np.where(tenure > 1, rng.normal(1.0, 0.05, len(tenure)), 1.0)
    return {"monthly": monthly, "total": np.round(monthly * tenure * noise, 2)}


def telco_rows(people: dict) -> pd.DataFrame:
    """Write the people as IBM's file does, all text, without `Churn`.

    Examples
    --------
    >>> from helpers.worlds.operator.people import HISTORY, draw_people
    >>> telco_rows(draw_people(count=2, seed=7, month=HISTORY, towers=3)).shape
    (2, 20)
    """
    yes = _words(["No", "Yes"])
    offline = people["internet"] == 2
    extra_words = _words(["No", "Yes", "No internet service"])
    line_words = _words(["No", "Yes", "No phone service"])
    extras = {
        name: extra_words[np.where(offline, 2, people["extras"][:, column])]
        for column, name in enumerate(EXTRAS)
    }
    months = _words([str(month) for month in range(people["tenure"].max(initial=0) + 1)])
    total = _amount_texts(people["total"])
    total[people["tenure"] == 0] = " "  # not billed yet
    columns = {
        "customerID": pd.array(people["id"], dtype="str"),
        "gender": _words(["Male", "Female"])[people["female"].astype(int)],
        "SeniorCitizen": _words(["0", "1"])[people["senior"].astype(int)],
        "Partner": yes[people["partner"].astype(int)],
        "Dependents": yes[people["dependents"].astype(int)],
        "tenure": months[people["tenure"]],
        "PhoneService": yes[people["phone"].astype(int)],
        "MultipleLines": line_words[np.where(people["phone"], people["lines"], 2)],
        "InternetService": _words(INTERNET)[people["internet"]],
        **extras,
        "Contract": _words(CONTRACTS)[people["contract"]],
        "PaperlessBilling": yes[people["paperless"].astype(int)],
        "PaymentMethod": _words(PAYMENTS)[people["payment"]],
        "MonthlyCharges": _amount_texts(people["monthly"]),
        "TotalCharges": total,
    }
    return pd.DataFrame(columns)


def _churn_probability(people):
    """Return each customer's probability to leave, by the logit fitted to the real file."""
    extras = people["extras"]
    logit = (
        -1.68
        + np.array([1.67, 0.97, 0.0])[people["contract"]]
        + np.array([0.82, 1.62, 0.0])[people["internet"]]
        - 0.72 * np.log1p(people["tenure"])
        + 0.33 * (people["payment"] == 0)
        + 0.36 * people["paperless"]
        + 0.31 * (extras[:, 4].astype(int) + extras[:, 5])
        - 0.32 * extras[:, 0]
        - 0.28 * extras[:, 3]
        - 0.55 * people["phone"]
        + 0.37 * people["lines"]
        + 0.23 * people["senior"]
        - 0.12 * people["dependents"]
    )
    return 1 / (1 + np.exp(-logit))


def _words(words):
    """Return the words as an array whose entries are shared, not copied, when it is indexed."""
    return pd.array(words, dtype="str")


def _amount_texts(amounts):
    """Write amounts with at most two decimals and no trailing zeros, as IBM's file does."""
    # Cents as a whole number: each distinct amount is written once.
    cents, place = np.unique(np.rint(amounts * 100).astype(np.int64), return_inverse=True)
    texts = [f"{cent / 100:.2f}".rstrip("0").rstrip(".") for cent in cents.tolist()]
    return pd.array(texts, dtype="str")[place]


def _draw_ids(customers, rng):
    """Draw unique ids in the pattern of IBM's file: four digits, a dash, five letters."""
    letters = np.array(list("ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
    digits = rng.permutation(max(10_000, customers))[:customers]
    words = letters[rng.integers(0, 26, size=(customers, 5))]
    return [f"{number:04d}-{''.join(word)}" for number, word in zip(digits, words, strict=True)]
