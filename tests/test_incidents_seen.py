"""No incident is too small to be seen: a plain monitor, which knows nothing of incidents, sees each.

The monitor counts figures of a month's tables and holds them against the two months before. A figure
rings when it moves by more than it ever did in quiet worlds of other seeds, or when a column comes or
goes. The smallest incident of each kind is seen within two months from `evidence_from`, the usual
one within one. What rings in the quiet twin too does not count.
"""

from functools import cache

import numpy as np
import pandas as pd
import pytest
from pandas.api import types
from test_incidents import KINDS, everywhere, make, planned

from helpers.etl.businesses import clean_telco
from helpers.training.churn import logistic
from helpers.worlds.incidents import Incident

START, SEEDS, OTHERS, MARGIN = 3, (1, 2, 3), range(101, 107), 1.3
SIZES = {"shop": {"customers": 3_500, "products": 300}, "operator": {"subscribers": 4_000}}
PRICES = {"OnlineSecurity": 5, "OnlineBackup": 5, "DeviceProtection": 5, "TechSupport": 5, "StreamingTV": 10, "StreamingMovies": 10}  # fmt: skip
LINES = {"DSL": 25, "Fiber optic": 50, "No": 0}


def figures(tables):
    """Count what can be counted of any tables: rows, repeats, columns, gaps, means, shares, hours."""
    found = {}
    for name, table in tables.items():
        found |= {
            f"{name}: rows": np.log1p(len(table)),
            f"{name}: twice": table.duplicated().mean(),
        }
        for column, values in table.items():
            found |= {f"{name}.{column}": 1.0, f"{name}.{column} missing": values.isna().mean()}
            if types.is_datetime64_any_dtype(values):
                found[f"{name}.{column} by night"] = (values.dt.hour < 7).mean()
            elif types.is_numeric_dtype(values) and not column.endswith("_id"):
                found[f"{name}.{column} mean"] = values.mean()
            elif values.nunique() <= 12:
                shares = values.value_counts(normalize=True)
                found |= {f"{name}.{column} {value}": share for value, share in shares.items()}
    return found


def shop_relations(tables, before):
    """Count what holds between the tables of a shop: prices, skin types, ids, times."""
    products, sessions = tables["products"].set_index("product_id"), tables["sessions"]
    begun = sessions.set_index("session_id")["started_at"]
    asked = tables["given"]["customer_id"]
    found = {
        "strangers": (~asked.isin(tables["customers"]["customer_id"])).mean(),
        "clicks a session": len(tables["clicks"]) / len(sessions),
        "searched a session": tables["orders"]["channel"].eq("search").sum() / len(sessions),
        "lists a session": len(tables["impressions"]) / len(sessions),
        "different products shown": tables["impressions"]["product_id"].nunique(),
        "launched lately": np.log(products["launched_on"].gt(begun.min() - pd.Timedelta(days=70)).sum()),
        "dearest": np.log(products["price_eur"].max()),
    }  # fmt: skip
    for name, column in [("clicks", "clicked_at"), ("orders", "ordered_at")]:
        rows = tables[name]
        found[f"{name} too early"] = (rows[column] < rows["session_id"].map(begun)).mean()
    if before is not None:
        past = before["products"].set_index("product_id")["price_eur"]
        found["other prices"] = (products["price_eur"].reindex(past.index) != past).mean()
        people = tables["customers"].set_index("customer_id")["skin_type"]
        then = before["customers"].set_index("customer_id")["skin_type"]
        found["other skins"] = (people.reindex(then.index).fillna("") != then.fillna("")).mean()
    for name in ("ratings", "returns"):
        lines = tables[name].merge(tables["lines"], on=["order_id", "product_id"])
        lag = (lines["known_at"] - lines["ordered_at"]).dt.total_seconds() / 86_400
        found |= {f"{name} come after": lag.mean(), f"first {name} come after": lag.quantile(0.1)}
    return found


def operator_relations(tables, before):
    """Count what holds between the tables of an operator: tariff and bill, labels, towers, scores."""
    customers = tables["customers"].set_index("customerID")
    charge = customers.get("MonthlyCharges", pd.Series(dtype=str)).astype(float)
    tariff = 20 * customers["PhoneService"].eq("Yes") + 5 * customers["MultipleLines"].eq("Yes")
    tariff += customers["InternetService"].map(LINES)
    for name, price in PRICES.items():
        tariff += price * customers[name].eq("Yes")
    given = tables["given"].set_index("customerID")
    requests, sensors, labels = tables["requests"], tables["sensors"], tables["labels"]
    scored = requests["customerID"].map(customers["scored_at"])
    invoices = tables["invoices"]
    found = {
        "bill and tariff": (charge - tariff.reindex(charge.index)).abs().mean(),
        "invoice and bill": (invoices["amount_eur"] / invoices["customerID"].map(charge)).mean(),
        "requests a customer": len(requests) / len(customers),
        "scored too early": (requests["sent_at"] < scored - pd.Timedelta(minutes=30)).mean(),
        "towers": sensors.loc[sensors["read_on"] > sensors["read_on"].max() - pd.Timedelta(days=2), "tower_id"].nunique(),
        "lag of labels": (labels["known_at"] - labels["scored_on"]).dt.total_seconds().mean() / 86_400,
    }  # fmt: skip
    for column in ("tenure", "Contract"):
        found[f"{column} given otherwise"] = (given[column] != customers[column].reindex(given.index)).mean()  # fmt: skip
    if before is not None:
        then = before["customers"].set_index("customerID")["Contract"]
        rates = labels["churned"].groupby(labels["customerID"].map(then)).mean()
        found |= {f"churned of {contract}": rate for contract, rate in rates.items()}
    contract = requests["customerID"].map(customers["Contract"])
    scores = requests["churn_probability"].groupby(contract).mean()
    return found | {f"score of {name}": score for name, score in scores.items()}


def bestsellers(world):
    top = world.history()["orders"]["product_id"].value_counts().index[:10].to_numpy()
    return lambda context: context.sessions[["session_id"]].merge(
        pd.DataFrame({"product_id": top, "rank": range(1, 11)}), how="cross"
    )


def churners(world):
    past = world.history()["customers"]
    model = logistic().fit(clean_telco(past), past["Churn"].eq("Yes"))

    def decide(customers):
        known = clean_telco(customers.rename(columns={"MonthlyFee": "MonthlyCharges"}))
        chance = model.predict_proba(known)[:, 1]
        return customers[["customerID"]].assign(churn_probability=chance, call=chance > 0.4)

    return decide


def monitored(business, incidents, seed, start=planned, months=2):
    """Return the figures of each month, to `months` from the start: a row a figure, a column a month."""
    world = start(business, incidents, seed=seed, **SIZES[business])
    decide = (bestsellers if business == "shop" else churners)(world)
    relations = shop_relations if business == "shop" else operator_relations
    seen, before, lines = {}, None, world.history().get("orders")
    for month in range(1, START + months):
        tables = world.play(month, decide)
        if business == "shop":
            tables |= {"products": world.products(month), "customers": world.customers(month)}
            after = world.products(month + 1)["launched_on"]  # what came in the month, at its end
            tables["launches"] = after[after >= tables["sessions"]["started_at"].min()].to_frame()
        old = {"category": "product_type", "age": "age_years", "rating": "stars"}
        named = {name: t.rename(columns={new: name for name, new in old.items()}) for name, t in tables.items()}  # fmt: skip
        if business == "shop":
            lines = pd.concat([lines, tables["orders"]])
            named["lines"] = lines[["order_id", "product_id", "ordered_at"]].drop_duplicates()
        seen[month] = pd.Series(figures(tables) | relations(named, before))
        before = named
    return pd.DataFrame(seen)


def moves(table, month):
    """Return how far each figure lies from its mean over the two months before the start."""
    return (table[month] - table[[START - 2, START - 1]].mean(axis=1)).abs()


@cache
def usual_moves(business):
    quiet = [monitored(business, (), seed, make) for seed in OTHERS]
    return pd.concat([moves(one, m) for one in quiet for m in (START, START + 1)], axis=1).max(axis=1)  # fmt: skip


def rings(business, table, months):
    """Return the figures that ring in one of the months."""
    most, found = usual_moves(business), set()
    for month in months:
        moved = moves(table, month)
        far = moved > MARGIN * most.reindex(moved.index) + 1e-6
        comes_or_goes = table[month].isna() != table[START - 1].isna()
        columns = table.index.str.fullmatch(r"\w+\.\w+")
        found |= {(month, name) for name in table.index[far | (comes_or_goes & columns)]}
    return found


@cache
def quiet_rings(business, seed):
    return rings(business, monitored(business, (), seed), (START, START + 1))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "business"), everywhere(KINDS.index))
@pytest.mark.parametrize(
    ("size", "months", "seed"), [("smallest", 2, 1), *(("size", 1, seed) for seed in SEEDS)]
)
def test_a_plain_monitor_sees_each_incident(name, business, size, months, seed):
    how_large = KINDS.loc[name, size]
    plan = (Incident(name, START, int(how_large) if name == "renamed_column" else how_large),)
    start = make if name == "launch_wave" else planned
    table = monitored(business, plan, seed, start, months)
    seen = rings(business, table, range(START, START + months)) - quiet_rings(business, seed)
    assert seen, f"nothing rings for {name} of size {how_large:g}"
