"""A seeded table of telecom customers with the columns and spellings of IBM's Telco file.

Mixes and rates follow that file's published cross tables: a product mix by contract, a bill built
from a tariff, and churn drawn from a logistic model of the customer's own attributes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from helpers.files import write_whole

CONTRACTS = ["Month-to-month", "One year", "Two year"]
INTERNET = ["DSL", "Fiber optic", "No"]
PAYMENTS = [
    "Electronic check",
    "Mailed check",
    "Bank transfer (automatic)",
    "Credit card (automatic)",
]
EXTRAS = [
    "OnlineSecurity",
    "OnlineBackup",
    "DeviceProtection",
    "TechSupport",
    "StreamingTV",
    "StreamingMovies",
]

# Shares of INTERNET in the real file; rows follow CONTRACTS.
INTERNET_BY_CONTRACT = np.array([[0.316, 0.549, 0.135], [0.387, 0.366, 0.247], [0.371, 0.253, 0.376]])  # fmt: skip
# Tenure deciles in months, one row per contract: drawn by inverting them.
TENURE_DECILES = np.array(
    [
        [1, 1, 2, 4, 8, 12, 17, 24, 33, 46, 72],
        [1, 14, 23, 30, 37, 44, 50, 55, 61, 67, 72],
        [1, 26, 44, 52, 60, 64, 68, 70, 72, 72, 72],
    ]
)
# Shares of PAYMENTS; rows follow INTERNET, first for monthly contracts, then for the longer ones.
PAYMENT_MONTHLY = np.array([[0.37, 0.30, 0.16, 0.17], [0.63, 0.09, 0.15, 0.13], [0.13, 0.62, 0.13, 0.12]])  # fmt: skip
PAYMENT_LONGER = np.array([[0.15, 0.20, 0.31, 0.34], [0.28, 0.06, 0.33, 0.33], [0.05, 0.42, 0.26, 0.27]])  # fmt: skip
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
    profile = _draw_profile(customers, rng)
    services = draw_services(profile, rng)
    bill = _draw_bill(profile, services, rng)
    table = pd.DataFrame(
        {"customerID": _draw_ids(customers, rng), **_spell(profile, services), **bill}
    )
    table["Churn"] = np.where(rng.random(customers) < _churn_probability(profile, services), "Yes", "No")  # fmt: skip
    table.loc[profile["tenure"] == 0, "Churn"] = "No"
    return table.astype(str)


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


def _draw_profile(customers, rng):
    """Draw who the customers are: contract, tenure, household, internet, phone, payment."""
    contract = rng.choice(3, size=customers, p=[0.55, 0.21, 0.24])
    internet = draw_row_wise(INTERNET_BY_CONTRACT[contract], rng)
    place = rng.random(customers) * 10
    tenure = np.array(
        [
            np.interp(p, np.arange(11), TENURE_DECILES[c])
            for p, c in zip(place, contract, strict=True)
        ]
    )
    tenure = np.rint(tenure).astype(int)
    # The first month is not billed yet; in the real file these customers are on long contracts.
    newcomers = np.argsort(rng.random(customers) + (contract == 0))[: max(1, customers // 500)]
    tenure[newcomers] = 0
    senior = rng.random(customers) < np.array([0.107, 0.268, 0.034])[internet]
    partner = rng.random(customers) < 0.22 + 0.0081 * tenure
    dependents = rng.random(customers) < np.where(senior, 0.08, np.where(partner, 0.57, 0.11))
    payment = draw_row_wise(
        np.where((contract == 0)[:, None], PAYMENT_MONTHLY[internet], PAYMENT_LONGER[internet]),
        rng,
    )
    # Few newcomers have set up an automatic payment yet.
    redrawn = (tenure <= 2) & (payment >= 2) & (rng.random(customers) < 0.65)
    payment = np.where(redrawn, rng.choice(2, size=customers, p=[0.55, 0.45]), payment)
    return {
        "contract": contract,
        "internet": internet,
        "tenure": tenure,
        "female": rng.random(customers) < 0.495,
        "senior": senior,
        "partner": partner,
        "dependents": dependents,
        "payment": payment,
        "paperless": rng.random(customers) < np.array([0.549, 0.774, 0.292])[internet],
        "phone": (internet != 0) | (rng.random(customers) < 0.718),
    }


def draw_services(profile: dict, rng: np.random.Generator) -> dict:
    """Draw the extras booked and who has a second line.

    Parameters
    ----------
    profile : the codes `contract` and `internet` and the flag `phone`, one entry a customer.
    rng : where the chance comes from.

    Returns
    -------
    `extras`, flags customers x EXTRAS, and `lines`, a flag a customer.

    Examples
    --------
    >>> offline = {"contract": np.array([0]), "internet": np.array([2]), "phone": np.array([True])}
    >>> draw_services(offline, np.random.default_rng(7))["extras"].any()
    np.False_
    """
    contract, internet = profile["contract"], profile["internet"]
    share = np.where(
        (internet == 0)[:, None], _EXTRAS_DSL[contract], _EXTRAS_FIBER[contract]
    ) * (internet != 2)[:, None]  # fmt: skip
    second_line = np.array([0.397, 0.626, 0.224])[internet]
    return {
        "extras": rng.random(share.shape) < share,
        "lines": profile["phone"] & (rng.random(len(contract)) < second_line),
    }


def _draw_bill(profile, services, rng):
    """Build the monthly bill from the tariff and add it up over the tenure."""
    prices = np.array([5, 5, 5, 5, 10, 10])
    monthly = (
        20.0 * profile["phone"]
        + 5.0 * services["lines"]
        + np.array([25.0, 50.0, 0.0])[profile["internet"]]
        + services["extras"] @ prices
        + rng.normal(0, np.array([1.1, 1.1, 0.55])[profile["internet"]])
    )
    monthly = np.maximum(18.25, np.rint(monthly * 20) / 20)
    tenure = profile["tenure"]
    total = monthly * tenure * np.where(tenure > 1, rng.normal(1.0, 0.05, len(tenure)), 1.0)
    return {
        "MonthlyCharges": [f"{value:.2f}".rstrip("0").rstrip(".") for value in monthly],
        "TotalCharges": [
            " " if months == 0 else f"{value:.2f}".rstrip("0").rstrip(".")
            for months, value in zip(tenure, total, strict=True)
        ],
    }


def _spell(profile, services):
    """Write the attributes in the spellings of IBM's file, in its column order."""
    yes = lambda flags: np.where(flags, "Yes", "No")  # noqa: E731
    offline = profile["internet"] == 2
    extras = {
        name: np.where(offline, "No internet service", yes(services["extras"][:, column]))
        for column, name in enumerate(EXTRAS)
    }
    return {
        "gender": np.where(profile["female"], "Female", "Male"),
        "SeniorCitizen": profile["senior"].astype(int),
        "Partner": yes(profile["partner"]),
        "Dependents": yes(profile["dependents"]),
        "tenure": profile["tenure"],
        "PhoneService": yes(profile["phone"]),
        "MultipleLines": np.where(profile["phone"], yes(services["lines"]), "No phone service"),
        "InternetService": np.array(INTERNET)[profile["internet"]],
        **extras,
        "Contract": np.array(CONTRACTS)[profile["contract"]],
        "PaperlessBilling": yes(profile["paperless"]),
        "PaymentMethod": np.array(PAYMENTS)[profile["payment"]],
    }


def _churn_probability(profile, services):
    """Return each customer's probability to leave, by the logit fitted to the real file."""
    extras = services["extras"]
    logit = (
        -1.68
        + np.array([1.67, 0.97, 0.0])[profile["contract"]]
        + np.array([0.82, 1.62, 0.0])[profile["internet"]]
        - 0.72 * np.log1p(profile["tenure"])
        + 0.33 * (profile["payment"] == 0)
        + 0.36 * profile["paperless"]
        + 0.31 * (extras[:, 4].astype(int) + extras[:, 5])
        - 0.32 * extras[:, 0]
        - 0.28 * extras[:, 3]
        - 0.55 * profile["phone"]
        + 0.37 * services["lines"]
        + 0.23 * profile["senior"]
        - 0.12 * profile["dependents"]
    )
    return 1 / (1 + np.exp(-logit))


def draw_row_wise(shares: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw one column number per row of `shares`, whose rows each add up to about one.

    Examples
    --------
    >>> draw_row_wise(np.array([[0.0, 1.0], [1.0, 0.0]]), np.random.default_rng(7)).tolist()
    [1, 0]
    """
    return np.minimum(
        (rng.random(len(shares))[:, None] > shares.cumsum(axis=1)).sum(axis=1), shares.shape[1] - 1
    )


def _draw_ids(customers, rng):
    """Draw unique ids in the pattern of IBM's file: four digits, a dash, five letters."""
    letters = np.array(list("ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
    digits = rng.permutation(max(10_000, customers))[:customers]
    words = letters[rng.integers(0, 26, size=(customers, 5))]
    return [f"{number:04d}-{''.join(word)}" for number, word in zip(digits, words, strict=True)]
