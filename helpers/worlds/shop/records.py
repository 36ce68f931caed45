"""The beauty shop's paperwork: the lists it is handed, checked, and the tables it writes."""

from __future__ import annotations

import numpy as np
import pandas as pd
from pandas import DataFrame

from helpers.worlds.service import TIMED_OUT_MS
from helpers.worlds.play import CannotPlay
from helpers.worlds.shop.market import CATEGORIES, HISTORY_STARTS, day_of

_START = HISTORY_STARTS.astype("M8[s]")
_RETURN_REASONS = np.array(["did not suit my skin", "not as described", "ordered twice"])
_FOUND_TEXTS = np.array(["found what I wanted", "nice choice", "quick and easy", ""])
_MISSED_TEXTS = ["could not find a {} for me", "same products as always, no {} I like", "nothing for me today", ""]  # fmt: skip
_LATE = ["returns", "ratings", "complaints"]  # tables whose rows arrive when they are known


def checked_lists(answer, first: int, last: int, on_sale: int):
    """Return lists as product places (sessions x 10, by rank) and the columns kept beside them.

    Parameters
    ----------
    answer : what a `decide` returned for sessions `first` to `last` and products 1 to `on_sale`.

    Raises
    ------
    CannotPlay
        If it is not ten different products on sale, ranked 1 to 10, for every session, or a
        propensity is no chance from 0 to 1.
    """
    if not isinstance(answer, DataFrame):
        _refuse(
            "return a DataFrame", f"a {type(answer).__name__}", "return one row a product shown"
        )
    names = [str(column) for column in answer.columns]
    for name in [name for name in ["session_id", "product_id", "rank"] if name not in names]:
        _refuse("return the columns session_id, product_id and rank", f"{names}", f"add {name}")
    if answer.columns.duplicated().any():
        _refuse("name each column once", f"{names}", "drop one")
    session, product, rank = (_whole(answer, n) for n in ["session_id", "product_id", "rank"])
    _require_inside("session_id", session, first, last, "use those of context.sessions")
    todo = "use those of context.products, on sale on the first day"
    _require_inside("product_id", product, 1, on_sale, todo)
    _require_inside("rank", rank, 1, 10, "count places from 1 to 10")
    session, product = session - first, product - 1
    _require_ten(session, last - first + 1, first)
    order = np.lexsort((rank, session))
    shown, ranks = product[order].reshape(-1, 10), rank[order].reshape(-1, 10)
    _require_different("rank", ranks, first)
    _require_different("product_id", shown + 1, first)
    kept = [name for name in ["score", "propensity"] if name in answer.columns]
    extras = {name: _finite(answer, name) for name in kept}
    if "propensity" in extras:
        todo = "give the chance with which the product was to be shown"
        _require_inside("propensity", extras["propensity"], 0, 1, todo)
    return shown, {name: values[order] for name, values in extras.items()}


def _refuse(expected, came, todo):
    raise CannotPlay(f"decide was to {expected}; it returned {came}: {todo}.")


def _whole(answer, name):
    """Return a column as whole numbers, or refuse its first value that is none."""
    values = _finite(answer, name)
    broken = values != np.rint(values)
    if broken.any():
        _refuse(f"return whole numbers as {name}", f"{values[broken][0]}", "round it")
    return values.astype(np.int64)


def _finite(answer, name):
    numbers = pd.to_numeric(answer[name], errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    broken = ~np.isfinite(numbers)
    if broken.any():
        row = int(broken.argmax())
        came = f"{answer[name].iloc[[row]].tolist()[0]!r} in row {row}"
        _refuse(f"return a number in every row of {name}", came, "fill or drop it")
    return numbers


def _require_inside(name, values, least, most, todo):
    outside = (values < least) | (values > most)
    if outside.any():
        _refuse(f"return {name} from {least} to {most}", f"{values[outside][0]}", todo)


def _require_ten(session, count, first):
    rows = np.bincount(session, minlength=count)
    if (rows != 10).any():
        one = int((rows != 10).argmax())
        came = f"{rows[one]} for session {first + one}"
        _refuse("return ten rows for every session", came, "show ten products in each")


def _require_different(name, lists, first):
    ordered = np.sort(lists, axis=1)
    again = ordered[:, 1:] == ordered[:, :-1]
    if again.any():
        one, place = np.argwhere(again)[0]
        came = f"{ordered[one, place]} twice for session {first + one}"
        _refuse(f"use each {name} once in a session's list", came, "drop the repeat")


def sessions_table(visits) -> DataFrame:
    """Return the month's sessions as the shop logs them."""
    return DataFrame(
        {
            "session_id": visits.session_id,
            "customer_id": visits.who + 1,
            "started_at": _START + visits.second,
        }
    )


def website_tables(visits, shown, extras, clicked) -> dict[str, DataFrame]:
    """Write down the sessions of a month, the lists they saw, and what they clicked."""
    session, place = np.nonzero(clicked)
    return {
        "sessions": sessions_table(visits),
        "impressions": DataFrame(
            {
                "session_id": np.repeat(visits.session_id, shown.shape[1]),
                "product_id": shown.ravel() + 1,
                "rank": np.tile(np.arange(1, shown.shape[1] + 1), len(shown)),
                **extras,
            }
        ),
        "clicks": DataFrame(
            {
                "session_id": visits.session_id[session],
                "product_id": shown[session, place] + 1,
                "rank": place + 1,
                "clicked_at": _START + visits.second[session] + 5 + 12 * place,
            }
        ),
    }


def order_tables(visits, baskets, prices, rating, draw) -> dict[str, DataFrame]:
    """Write down what was bought, sent back and rated; `rating` is what each line deserves."""
    orders = _orders(visits, baskets, prices, draw("checkout"))
    return {
        "orders": orders,
        "returns": _returns(orders, rating, draw("returns")),
        "ratings": _ratings(orders, rating, draw("ratings")),
    }


def told_tables(visits, found, category, draw) -> dict[str, DataFrame]:
    """Write down what sessions say when asked, and unasked."""
    return {
        "feedback": _feedback(visits, found, category, draw("feedback")),
        "complaints": _complaints(visits, found, draw("complaints")),
    }


def deliver(tables, pending, month):
    """Return the tables with the late rows known by the end of `month`, and the rows still due."""
    end = _START + day_of(month + 1) * 86_400
    due = {}
    for name in _LATE:
        parts = [pending[name], tables[name]] if name in pending else [tables[name]]
        rows = pd.concat(parts, ignore_index=True)
        known = rows["known_at"] < end
        due[name] = rows[~known]
        tables[name] = rows[known].sort_values("known_at", kind="stable", ignore_index=True)
    return tables, due


def timed_out(visits, rng, slow: float) -> np.ndarray:
    """Return which sessions' requests take longer than a second, by the draws of the telemetry."""
    return _latency(visits, rng, slow) > TIMED_OUT_MS


def _orders(visits, baskets, prices, rng):
    second = visits.second[baskets["session"]]
    pause = 90 + rng.integers(0, 900, len(visits.who))[baskets["session"]]
    session_id = visits.session_id[baskets["session"]]
    return DataFrame(
        {
            "order_id": session_id,  # a session ends in one order at most
            "session_id": session_id,
            "customer_id": baskets["who"] + 1,
            "product_id": baskets["what"] + 1,
            "ordered_at": _START + second + pause,
            "price_eur": prices[baskets["what"]],
            "channel": np.where(baskets["by_list"], "list", "search"),
        }
    )


def _returns(orders, rating, rng):
    chance = np.array([0.25, 0.15, 0.06, 0.02, 0.01])[rating - 1]
    gone = rng.random(len(orders)) < chance
    delay = rng.integers(5 * 86_400, 24 * 86_400, len(orders))
    reason = _RETURN_REASONS[rng.choice(3, size=len(orders), p=[0.6, 0.3, 0.1])]
    table = orders[["order_id", "customer_id", "product_id"]].copy()
    table["reason"] = reason
    table["known_at"] = orders["ordered_at"].to_numpy() + delay
    return table[gone]


def _ratings(orders, rating, rng):
    says = rng.random(len(orders)) < 0.35
    delay = (86_400 * np.minimum(3 + rng.gamma(1.3, 14, len(orders)), 150)).astype(int)
    table = orders[["order_id", "customer_id", "product_id"]].copy()
    table["rating"] = rating
    table["known_at"] = orders["ordered_at"].to_numpy() + delay
    return table[says]


def _feedback(visits, found, category, rng):
    """Write the answers to "did you find something you want?": three sessions in ten give one."""
    answers = rng.random(len(found)) < 0.3
    choice = rng.integers(0, 4, len(found))
    missed = [
        _MISSED_TEXTS[n].format(CATEGORIES[one]) for n, one in zip(choice, category, strict=True)
    ]
    table = DataFrame(
        {
            "session_id": visits.session_id,
            "customer_id": visits.who + 1,
            "found_something": found,
            "text": pd.Series(np.where(found, _FOUND_TEXTS[choice], missed), dtype="str"),
            "answered_at": _START + visits.second + 600,
        }
    )
    return table[answers].reset_index(drop=True)


def _complaints(visits, found, rng):
    chance = np.where(found, 0.004, 0.02)
    writes = rng.random(len(found)) < chance
    about_choice = ~found & (rng.random(len(found)) < 0.8)
    table = DataFrame(
        {
            "session_id": visits.session_id,
            "customer_id": visits.who + 1,
            "text": np.where(about_choice, "you never show me what I need", "parcel came late"),
            "known_at": _START + visits.second + rng.integers(3_600, 4 * 86_400, len(found)),
        }
    )
    return table[writes]


def _latency(visits, rng, slow):
    """Draw how long each request takes, in milliseconds."""
    latency = rng.lognormal(np.log(38), 0.45, len(visits.who))
    return np.round(latency * slow if slow else latency, 1)


def telemetry_table(visits, rng, slow: float) -> DataFrame:
    """Write down the requests to the model, one a session; `slow` multiplies the latency."""
    latency = _latency(visits, rng, slow)
    failed = rng.random(len(visits.who)) < 0.001
    return DataFrame(
        {
            "session_id": visits.session_id,
            "requested_at": _START + visits.second,
            "latency_ms": latency,
            "status": np.where(latency > TIMED_OUT_MS, 504, np.where(failed, 503, 200)),
        }
    )
