"""The beauty shop's paperwork: the lists it is handed, checked, and the tables it writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
import pandas as pd
from pandas import DataFrame

from helpers.worlds.play import CannotPlay
from helpers.worlds.service import Served, told, words
from helpers.worlds.shop.market import CATEGORIES, HISTORY_STARTS
from helpers.worlds.shop.visits import LIST_LENGTH

_START = HISTORY_STARTS.astype("M8[s]")
_REASONS = np.array(["did not suit my skin", "not as described", "ordered twice"])
_FOUND = ["found what I wanted", "nice choice", "quick and easy", ""]
_MISSED = ["could not find a {} for me", "same products as always, no {} I like", "nothing for me today", ""]  # fmt: skip
# What is said of a category when something was missed (0) or found (1), in four ways.
_TEXTS = np.array([[[text.format(one) for one in CATEGORIES] for text in texts] for texts in (_MISSED, _FOUND)])  # fmt: skip
_LATE = ["returns", "ratings", "complaints"]  # tables whose rows arrive when they are known
_SENT_BACK = 0.08  # chance that a line goes back for each unit by which it is too dear
_REGRETS = 0.008  # chance of a complaint for each such unit in a session
_GRUMBLES = 2.0  # how fast complaints multiply as moods sink
_NEEDED, _KEPT = ["session_id", "product_id", "rank"], ["score", "propensity"]
_TOLD = ["variant", "model_version"]  # columns that stay where the answers tell them


class Answer(NamedTuple):
    """What a `decide` answered, read: one row of each array a session."""

    shown: np.ndarray  # sessions x 10 product places, by rank; of no use where broken
    kept: dict[str, np.ndarray]  # score and propensity by rank, as far as told
    said: dict[str, np.ndarray]  # as `service.told` returns it
    tells: tuple[str, ...]  # which of variant and model_version
    broken: np.ndarray  # why the list cannot be shown, "" where it can
    shadow: DataFrame  # the rows that nobody is shown


@dataclass(frozen=True)
class Lists:
    """What sessions saw, in order of time, and how it was served; see `Answer`."""

    shown: np.ndarray
    served: Served
    kept: dict[str, np.ndarray]
    tells: tuple[str, ...]
    shadow: DataFrame


def joined(parts: Sequence[Lists]) -> Lists:
    """Return the lists of some days as those of all of them."""
    if len(parts) == 1:
        return parts[0]
    kept = {
        name: np.concatenate(
            [part.kept.get(name, np.full(part.shown.shape, np.nan)) for part in parts]
        )
        for name in _KEPT
        if any(name in part.kept for part in parts)
    }
    columns = [[getattr(part.served, one.name) for part in parts] for one in fields(Served)]
    return Lists(
        np.concatenate([part.shown for part in parts]),
        Served(*map(np.concatenate, columns)),
        kept,
        tuple(name for name in _TOLD if any(name in part.tells for part in parts)),
        pd.concat([part.shadow for part in parts], ignore_index=True),
    )


def read_answer(answer: object, first: int, count: int, on_sale: int) -> Answer:
    """Read what a `decide` returned: a list that cannot be shown is marked, and harms no other.

    Parameters
    ----------
    answer : for sessions `first` to `first + count - 1` and products 1 to `on_sale`.

    Raises
    ------
    CannotPlay
        If it is no table, lacks a column, names one twice or tells of another session.
    """
    if not isinstance(answer, DataFrame):
        _refuse(
            "return a DataFrame", f"a {type(answer).__name__}", "return one row a product shown"
        )
    names = [str(column) for column in answer.columns]
    for name in [name for name in _NEEDED if name not in names]:
        _refuse("return the columns session_id, product_id and rank", f"{names}", f"add {name}")
    if answer.columns.duplicated().any():
        _refuse("name each column once", f"{names}", "drop one")
    place = _places(answer, first, count)
    hidden = np.zeros(len(answer), dtype=bool)
    if "shadow" in answer:
        hidden = answer["shadow"].eq(True).fillna(False).to_numpy(dtype=bool)
    shadow = _shadow(answer[hidden & (place >= 0)])
    _require_asked(answer, (place < 0) & ~hidden, first, count)
    said = told(answer, np.where(hidden, -1, place), count)
    if hidden.any():
        answer, place = answer[~hidden], place[~hidden]
    kept = {name: _numbers(answer, name) for name in _KEPT if name in names}
    shown, broken, order = _checked(answer, place, count, on_sale, kept)
    by_rank = {name: np.full(shown.shape, np.nan) for name in kept}
    for name, values in kept.items():
        by_rank[name].reshape(-1)[order[order >= 0]] = values[order >= 0]
    return Answer(shown, by_rank, said, tuple(n for n in _TOLD if n in names), broken, shadow)


def _shadow(rows):
    """Return the rows that nobody is shown, numbers as numbers; what is none is missing."""
    columns = {}
    for name in [name for name in (*_NEEDED, *_KEPT, *_TOLD) if name in rows]:
        if name in _TOLD:
            columns[name] = words(rows[name]).array
            continue
        numbers = _numbers(rows, name)
        numbers = np.where(np.isinf(numbers), np.nan, numbers)
        whole = name in _NEEDED and (np.rint(numbers) == numbers).all()
        columns[name] = numbers.astype(int) if whole else numbers
    return DataFrame(columns)


def unsaid(shown: np.ndarray) -> Answer:
    """Return the answer of lists that tell nothing beside themselves."""
    count = len(shown)
    said = told(DataFrame(), np.zeros(0, dtype=int), count)
    return Answer(shown, {}, said, (), np.full(count, "", dtype=object), DataFrame(columns=_NEEDED))


def _refuse(expected, came, todo):
    raise CannotPlay(f"decide was to {expected}; it returned {came}: {todo}.")


def _numbers(answer, name):
    """Return a column as numbers, NaN where there is none; inf where there is something else."""
    if isinstance(answer[name].dtype, np.dtype) and answer[name].dtype.kind in "iuf":
        return answer[name].to_numpy(dtype=float)
    numbers = pd.to_numeric(answer[name], errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    return np.where(np.isnan(numbers) & answer[name].notna().to_numpy(), np.inf, numbers)


def _places(answer, first, count):
    """Return the session of each row, counted from 0; -1 for one that was not asked for."""
    session = _numbers(answer, "session_id") - first
    asked = (session >= 0) & (session < count) & (session == np.rint(session))
    return np.where(asked, session, -1).astype(int)


def _require_asked(answer, strange, first, count):
    if strange.any():
        row = int(strange.argmax())
        came = f"{answer['session_id'].iloc[[row]].tolist()[0]!r} in row {row}"
        asked = (
            f"from {first} to {first + count - 1}" if count else "of no session: none was asked for"
        )
        _refuse(f"return session_id {asked}", came, "answer those of context.sessions only")


def _checked(answer, place, count, on_sale, kept):
    """Return the lists by rank, why some cannot be shown, and where each row stands in them."""
    product, rank = _numbers(answer, "product_id"), _numbers(answer, "rank")
    ranked = (np.rint(rank) == rank) & (rank >= 1) & (rank <= LIST_LENGTH)
    sold = (product >= 1) & (product <= on_sale)
    whole = (np.rint(product) == product) & np.isfinite(product) & (np.rint(rank) == rank)
    chance = kept.get("propensity", np.zeros(len(answer)))
    for values in kept.values():
        whole &= ~np.isinf(values)
    order = np.where(ranked, LIST_LENGTH * place + np.where(ranked, rank, 1).astype(int) - 1, -1)
    times = np.bincount(order[ranked], minlength=LIST_LENGTH * count).reshape(count, LIST_LENGTH)
    shown = np.full((count, LIST_LENGTH), -1)
    shown.reshape(-1)[order[ranked & sold]] = product[ranked & sold].astype(int) - 1
    ordered = np.sort(shown, axis=1)
    rows = np.bincount(place, minlength=count)
    some = lambda bad: np.bincount(place[bad], minlength=count) > 0  # noqa: E731
    why = {
        "no answer": rows == 0,
        "not a number": some(~whole),
        "not ten products": rows != LIST_LENGTH,
        "rank not from 1 to 10": some(~ranked),
        "rank twice": (times > 1).any(axis=1),
        "product not on sale": some(~sold),
        "product twice": (ordered[:, 1:] == ordered[:, :-1]).any(axis=1),
        "propensity not from 0 to 1": some((chance < 0) | (chance > 1)),
    }
    broken = np.select(list(why.values()), list(why), default="")
    return shown, broken.astype(object), order


def sessions_table(visits) -> DataFrame:
    """Return the month's sessions as the shop logs them."""
    return DataFrame(
        {
            "session_id": visits.session_id,
            "customer_id": visits.who + 1,
            "started_at": _START + visits.second,
        }
    )


def website_tables(visits, lists: Lists, clicked) -> dict[str, DataFrame]:
    """Write down sessions, the lists they saw, what they clicked, and how they were served."""
    session, place = np.nonzero(clicked)
    shown = lists.shown
    return {
        "sessions": sessions_table(visits),
        "impressions": DataFrame(
            {
                "session_id": np.repeat(visits.session_id, LIST_LENGTH),
                "product_id": shown.ravel() + 1,
                "rank": np.tile(np.arange(1, LIST_LENGTH + 1), len(shown)),
                **{name: values.ravel() for name, values in lists.kept.items()},
                **_told(lists, np.repeat(np.arange(len(shown)), LIST_LENGTH)),
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
        "telemetry": DataFrame(
            {
                "session_id": visits.session_id,
                "requested_at": _START + visits.second,
                **lists.served.telemetry(),
            }
        ),
        "shadow": lists.shadow,
    }


def _told(lists, sessions):
    """Return the columns of those sessions that tell which version served them."""
    return {
        name: pd.array(getattr(lists.served, name)[sessions], dtype="str") for name in lists.tells
    }


def order_tables(lines, lists: Lists, baskets, prices, rating, dear, seed: int) -> dict:
    """Write down what was bought, sent back and rated.

    Parameters
    ----------
    lines : the visit of each line of the `baskets`.
    rating, dear : what each line deserves, and by how much it is dearer than its buyer likes.
    """
    draw = lambda purpose, apart=1: lines.luck(seed, purpose, apart * baskets["line"])  # noqa: E731
    ordered = lines.second + 90 + _whole(900 * draw("checkout", apart=0))
    columns = {
        "order_id": lines.session_id,  # a session ends in one order at most
        "session_id": lines.session_id,
        "customer_id": lines.who + 1,
        "product_id": baskets["what"] + 1,
        "ordered_at": _START + ordered,
        "price_eur": prices[baskets["what"]],
        "channel": np.where(baskets["by_list"], "list", "search"),
        **_told(lists, baskets["session"]),
    }
    weeks = (-np.log1p(-draw("rated after"))) ** (1 / 1.15)
    back, rated = 5 + 19 * draw("back after"), np.minimum(3 + 19 * weeks, 150)
    chance = np.array([0.15, 0.09, 0.036, 0.012, 0.006])[rating - 1] + _SENT_BACK * dear
    key = {name: columns[name] for name in ["order_id", "customer_id", "product_id"]}
    returns = {
        **key,
        "reason": _REASONS[np.searchsorted([0.6, 0.9], draw("reason"), side="right")],
        "known_at": _START + ordered + _whole(86_400 * back),
    }
    ratings = {**key, "rating": rating, "known_at": _START + ordered + _whole(86_400 * rated)}
    return {
        "orders": DataFrame(columns),
        "returns": _some(returns, draw("returns") < chance),
        "ratings": _some(ratings, draw("rates") < 0.35),
    }


def told_tables(visits, found, category, moods, dear, seed: int) -> dict[str, DataFrame]:
    """Write down what sessions say when asked, three in ten, and unasked.

    Who is in a low mood complains sooner, and so does who bought too dear (`dear`, by session).
    """
    draw = lambda purpose: visits.luck(seed, purpose)  # noqa: E731
    people = {"session_id": visits.session_id, "customer_id": visits.who + 1}
    feedback = {
        **people,
        "found_something": found,
        "text": _TEXTS[found.astype(int), _whole(4 * draw("words")), category],
        "answered_at": _START + visits.second + 600,
    }
    usual = np.where(found, 0.004, 0.02) * np.exp(-_GRUMBLES * moods)
    chance, about = usual + _REGRETS * dear, draw("about")
    texts = np.where(~found & (about < 0.8), "you never show me what I need", "parcel came late")
    after = 3_600 + _whole((4 * 86_400 - 3_600) * draw("complains after"))
    complaints = {
        **people,
        "text": np.where(about * chance >= usual, "this was not worth its price", texts),
        "known_at": _START + visits.second + after,
    }
    return {
        "feedback": DataFrame(_some(feedback, draw("answers") < 0.3)),
        "complaints": _some(complaints, draw("complains") < chance),
    }


def deliver(tables, pending, end):
    """Return the tables with the late rows known before `end`, and the rows still due.

    Late rows are columns until they are known: arrays by name.
    """
    due = {}
    for name in _LATE:
        rows = tables[name]
        if name in pending:
            rows = {one: np.concatenate([pending[name][one], rows[one]]) for one in rows}
        order = np.argsort(rows["known_at"], kind="stable")
        count = np.searchsorted(rows["known_at"][order], end.to_datetime64())
        due[name] = _some(rows, order[count:])
        tables[name] = DataFrame(_some(rows, order[:count]))
    return tables, due


def _some(columns, rows):
    """Return some rows of the columns."""
    return {name: values[rows] for name, values in columns.items()}


def _whole(numbers):
    return numbers.astype(int)
