"""Stage 3: garbage in, garbage out, as a measured curve: more and more blemishes, raw and cleaned.

What will each customer spend in the days after a date? Only the lines that a model learns from differ.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from pandas import DataFrame, Series

from helpers.checks import require_columns, require_rows
from helpers.etl.books import merge_deliveries
from helpers.etl.features import customer_features
from helpers.etl.parsing import hundredfold, parse_dates

# Shares of the lines that an ordinary shop spoils: written in cents, dated in German, sent twice.
EVERYDAY = {"cents": 0.01, "date format": 0.06, "sent twice": 0.01}
AMOUNTS = ["orders", "products", "spent_eur", "mean_price_eur", "days_since_last"]
_LINE = ["line_id", "customer_id", "order_id", "product_id", "category", "price_eur", "ordered_at"]


def spoil_lines(lines: DataFrame, times: float, seed: int) -> DataFrame:
    """Return order lines as a careless system would have written them.

    A line spoiled at one rate is spoiled at every higher one too, so that curves compare.

    Parameters
    ----------
    lines : clean lines with `line_id`, `price_eur`, `ordered_at` (moments).
    times : how many times the shares of `EVERYDAY`; 0 spoils nothing.
    seed : the same seed spoils the same lines.

    Returns
    -------
    The lines, `ordered_at` as text; lines sent twice stand twice.

    Raises
    ------
    ValueError
        If `times` is below 0.

    Examples
    --------
    >>> lines = DataFrame({"line_id": [1, 2], "price_eur": [5.0, 7.0],
    ...                    "ordered_at": pd.to_datetime(["2024-08-30", "2024-09-02"])})
    >>> spoil_lines(lines, times=100, seed=7)[["price_eur", "ordered_at"]].to_numpy().tolist()[0]
    [500.0, '30.08.2024 00:00:00']
    """
    require_columns(lines, "lines", ["line_id", "price_eur", "ordered_at"])
    if times < 0:
        raise ValueError(f"times multiplies the everyday shares, so at least 0; got {times}.")
    rng = np.random.default_rng([seed, *b"garbage"])
    hit = {kind: rng.random(len(lines)) < times * share for kind, share in EVERYDAY.items()}
    written = lines["ordered_at"].dt.strftime("%Y-%m-%dT%H:%M:%S").astype(object)
    german = lines.loc[hit["date format"], "ordered_at"].dt.strftime("%d.%m.%Y %H:%M:%S")
    written[hit["date format"]] = german
    spoiled = lines.assign(
        price_eur=lines["price_eur"].mask(hit["cents"], 100 * lines["price_eur"]),
        ordered_at=written.astype("str"),
    )
    return spoiled.iloc[np.repeat(np.arange(len(lines)), 1 + hit["sent twice"])].reset_index(
        drop=True
    )


def read_as_written(lines: DataFrame) -> DataFrame:
    """Return spoiled lines as they are read when nobody looks: a date in another form is lost."""
    moments = pd.to_datetime(lines["ordered_at"], format="ISO8601", errors="coerce")
    return lines.assign(ordered_at=moments)


def mend_lines(lines: DataFrame, listed: Series) -> DataFrame:
    """Return spoiled lines mended: delivered once, dates read, cents back to euro.

    Parameters
    ----------
    lines : of `spoil_lines`.
    listed : `product_id` -> its price in euro.

    Examples
    --------
    >>> lines = DataFrame({"line_id": [1, 1], "product_id": [3, 3], "price_eur": [500.0, 500.0],
    ...                    "ordered_at": ["30.08.2024 00:00:00"] * 2})
    >>> mended = mend_lines(lines, Series({3: 5.0}))
    >>> mended["price_eur"].tolist(), mended["ordered_at"].dt.day.tolist()
    ([5.0], [30])
    """
    once = merge_deliveries(lines, "line_id")
    in_cents = hundredfold(once["price_eur"], once["product_id"].map(listed))
    euro = once["price_eur"].where(~in_cents, once["price_eur"] / 100)
    return once.assign(price_eur=euro, ordered_at=parse_dates(once["ordered_at"]))


def spending_table(lines: DataFrame, as_of: str, customers: Iterable) -> tuple[DataFrame, Series]:
    """Return what was known of each customer at the start of a day, and what came from then on.

    Parameters
    ----------
    lines : see `helpers.etl.features.customer_features`.
    as_of : the first day that is not known yet.
    customers : who gets a row, whether they have ordered or not.

    Returns
    -------
    The five numbers of `AMOUNTS` by `customer_id` (0 without an order, 999 days since the last),
    and the euro spent on `as_of` and later.

    Examples
    --------
    >>> lines = DataFrame({"customer_id": [1, 1], "order_id": [7, 8], "product_id": [3, 3],
    ...                    "category": "mask", "price_eur": [5.0, 6.0],
    ...                    "ordered_at": pd.to_datetime(["2024-08-30", "2024-09-02"])})
    >>> known, spent = spending_table(lines, "2024-09-01", [1, 2])
    >>> known["spent_eur"].tolist(), spent.tolist()
    ([5.0, 0.0], [6.0, 0.0])
    """
    people = pd.Index(list(customers), name="customer_id")
    known = customer_features(lines, as_of).set_index("customer_id")[AMOUNTS].reindex(people)
    later = lines[lines["ordered_at"] >= pd.Timestamp(as_of)]
    spent = later.groupby("customer_id")["price_eur"].sum().reindex(people).fillna(0.0)
    nobody = dict.fromkeys(AMOUNTS, 0.0) | {"days_since_last": 999.0}
    return known.fillna(nobody).astype("float64"), spent


def garbage_curve(
    train: DataFrame, test: DataFrame, as_of: str, times: Iterable[float], seed: int
) -> DataFrame:
    """Train the same model on lines with growing garbage, read as written and mended.

    Parameters
    ----------
    train, test : clean lines of different customers; only those of `train` are spoiled.
    as_of : see `spending_table`.
    times : how many times the everyday shares, see `spoil_lines`; one point each.
    seed : each point is the mean over four draws of the spoiled lines.

    Returns
    -------
    By `times`: `as written` and `cleaned`, the mean error on the clean test customers in euro a
    customer, and `knowing nothing`, that of the mean of the clean training customers for everybody.
    """
    from sklearn.linear_model import LinearRegression
    from sklearn.metrics import mean_absolute_error
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    for name, lines in {"train": train, "test": test}.items():
        require_columns(lines, name, _LINE)
        require_rows(lines, name)
    learners, examinees = (sorted(set(part["customer_id"])) for part in (train, test))
    exam, truth = spending_table(test, as_of, examinees)
    listed = train.groupby("product_id")["price_eur"].median()
    nothing = spending_table(train, as_of, learners)[1].mean()

    def error(lines):
        known, spent = spending_table(lines, as_of, learners)
        model = make_pipeline(StandardScaler(), LinearRegression()).fit(known, spent)
        return mean_absolute_error(truth, model.predict(exam))

    rows = {}
    for rate in times:
        spoiled = [spoil_lines(train, rate, seed + draw) for draw in range(4 if rate else 1)]
        rows[rate] = {
            "as written": np.mean([error(read_as_written(one)) for one in spoiled]),
            "cleaned": np.mean([error(mend_lines(one, listed)) for one in spoiled]),
            "knowing nothing": mean_absolute_error(truth, np.full(len(truth), nothing)),
        }
    return DataFrame(rows).T.rename_axis("times")
