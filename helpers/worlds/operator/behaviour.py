"""What the operator's customers do in the 30 days after they were scored: stay, leave, use the line.

All luck belongs to a customer and a month or day, so it is the same whoever else is asked about.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from helpers.worlds.incidents.kinds import Schedule
from helpers.worlds.operator import people as crowd
from helpers.worlds.operator.people import MONTH_DAYS, month_start
from helpers.worlds.play import luck

SILENT_SHARE = 0.3  # of the leavers stop using the line without a word
STAYS = MONTH_DAYS  # the day of leaving of somebody who does not leave
SILENT = 0  # ... and of somebody who is not heard of any more
OUTCOMES = np.array(["", "accepted", "refused", "not reached"], dtype=object)


@dataclass(frozen=True)
class Network:
    """What is outside the customers: chance, plans, towers.

    Attributes
    ----------
    seed, schedule : of the world.
    towers : how many there are.
    """

    seed: int
    schedule: Schedule
    towers: int

    def troubled(self, month: int) -> np.ndarray:
        """Return which towers fail now and then in the month: about one in ten."""
        return luck(self.seed, month, "trouble", np.arange(self.towers)) < 0.1


@dataclass(frozen=True)
class Lived:
    """What followed from the scoring of some customers, in the 30 days after it.

    Attributes
    ----------
    month : in which they were scored.
    asked : the customers scored, one array a trait, with `begins`: the day, counted from the first
        of month 1.
    called, outcome : who was called, and the place in `OUTCOMES` of how that ended.
    probability, would_leave : to leave without a call, and whether that would have come true.
    left_day : how many days later they left, `STAYS`, or `SILENT`.
    users : the same customers and, behind them, who joined in the place of the leavers, with the
        days `since` and `until` which each used the line.
    who, day, minutes, megabytes : one entry a user (a place in `users`) and day of use.
    ticket_who, ticket_day : one entry a ticket.
    """

    month: int
    asked: dict
    called: np.ndarray
    outcome: np.ndarray
    probability: np.ndarray
    would_leave: np.ndarray
    left_day: np.ndarray
    users: dict
    who: np.ndarray
    day: np.ndarray
    minutes: np.ndarray
    megabytes: np.ndarray
    ticket_who: np.ndarray
    ticket_day: np.ndarray

    @property
    def left(self) -> np.ndarray:
        """Which of those scored left, silently or not."""
        return self.left_day < STAYS


def newcomers(network: Network, people: dict, month: int) -> dict:
    """Return who joins in the month though nobody leaves, with `begins`, `second` and `since`.

    Without growth that is nobody.
    """
    seed = network.seed
    count = round(crowd.GROWTH * network.schedule.size("growth", month) * len(people["row"]))
    place = people["row"].max(initial=0) // crowd.GENERATIONS + 1 + np.arange(count)
    alike = (len(people["row"]) * luck(seed, month, "alike", place)).astype(int)
    before = {name: people[name][alike] for name in ("contract", "internet")}
    before["row"] = place * crowd.GENERATIONS
    new = crowd.draw_people(count, seed, month, network.towers, before, "growth")
    moment = crowd.draw_moments(place, seed)
    return {
        **new,
        "begins": month_start(month) + moment // 86_400,
        "second": moment % 86_400,
        "since": _joining(network, new, month),
    }


def live(
    network: Network, people: dict, following: dict, new: dict, called: np.ndarray, month: int
) -> Lived:
    """Let customers who have been scored live through the next 30 days.

    Parameters
    ----------
    people : those scored, with `begins` and `second`, the day on which they were and the second of it.
    following : who joins in the place of each, if he leaves.
    new : who joins beside them, see `newcomers`.
    called : who was called.
    """
    seed, row = network.seed, people["row"]
    lot = lambda purpose: luck(seed, month, purpose, row)  # noqa: E731
    probability = crowd.churn_probability(people, month, network.schedule)
    would_leave = _would_leave(people, probability, lot("moods"), month)
    outcome = _outcomes(people, called, lot("calls"))
    driven = (outcome == 2) & (lot("anger") < crowd.driven_off(people))
    left = (would_leave & (outcome != 1)) | driven
    day = 1 + ((MONTH_DAYS - 1) * lot("leaving")).astype(int)
    left_day = np.where(lot("silence") < SILENT_SHARE, SILENT, day)
    left_day = np.where(left, left_day, STAYS)
    joined = crowd.take_people(following, left)
    for name in ("begins", "second"):
        joined[name] = people[name][left]
    joined["since"] = _joining(network, joined, month)
    users = {name: people[name] for name in joined}
    for more in (joined, new):
        users = crowd.join_people(users, more)
    until = np.full(len(users["row"]), STAYS)
    until[: len(left)] = left_day
    users["until"] = until
    return Lived(
        month, people, called, outcome, probability, would_leave, left_day, users,
        *_use(network, users, month), *_tickets(network, users, month),
    )  # fmt: skip


def recent(users: dict, lived: Lived) -> dict[str, np.ndarray]:
    """Return what each user did in the 30 days: `tickets`, `minutes`, `megabytes`, `days_used`."""
    count = len(users["row"])
    return {
        "tickets": np.bincount(lived.ticket_who, minlength=count),
        "minutes": np.round(np.bincount(lived.who, lived.minutes, minlength=count), 1),
        "megabytes": np.bincount(lived.who, lived.megabytes, minlength=count).astype(int),
        "days_used": np.bincount(lived.who, minlength=count),
    }


def grow_older(lived: Lived) -> dict:
    """Return the customers who are scored 30 days later: who stayed, and who joined instead.

    Their next bill has not come yet.
    """
    users = {**lived.users, **recent(lived.users, lived)}
    gone = np.zeros(len(users["row"]), dtype=bool)
    gone[: len(lived.left)] = lived.left
    after = crowd.take_people(users, ~gone)
    # Of two who are scored in the same second the older place comes first, whoever is in it.
    place = after["row"] // crowd.GENERATIONS
    return crowd.take_people(after, np.lexsort([place, after["second"], after["begins"]]))


def bill(people: dict, month: int, schedule: Schedule) -> dict:
    """Return the customers on their scoring day of `month`, with the bill that has just come.

    `price` is what the tariff costs this month, `due` the bill's amount, in euro. Who came on the day
    before has no bill yet.
    """
    billed = people["since"] < MONTH_DAYS - 1
    price = crowd.prices(people, month, schedule)
    due = np.where(billed, np.round(price + crowd.beyond_tariff(people), 2), 0.0)
    return {
        **people,
        "begins": people["begins"] + MONTH_DAYS,
        "since": np.zeros_like(people["since"]),
        "tenure": people["tenure"] + billed,
        "total": np.round(people["total"] + due, 2),
        "price": price,
        "due": due,
    }


def _would_leave(people, probability, lot, month):
    """Return who would leave without a call, each with the given probability.

    IBM's file is one month of customers, and its twin is drawn evenly (systematic sampling, Madow &
    Madow 1944): customers stand in line by contract, internet, payment and tenure, so that each group
    loses the share it should and 4,000 customers are as close to the file as many.
    """
    if month > crowd.HISTORY + 1:
        return lot < probability
    line = np.lexsort([people[t] for t in ["tenure", "payment", "internet", "contract"]])
    reached = np.floor(np.cumsum(probability[line]) + lot[:1])
    leaves = np.zeros(len(lot), dtype=bool)
    leaves[line] = np.diff(reached, prepend=0.0) > 0
    return leaves


def _joining(network, people, month):
    """Return how many days after the scoring of their place people join."""
    lot = luck(network.seed, month, "joining", people["row"])
    return 1 + ((MONTH_DAYS - 1) * lot).astype(int)


def _outcomes(people, called, lot):
    """Return how each call ends, as a place in `OUTCOMES`."""
    outcome = np.where(lot < crowd.ACCEPTS[people["segment"]], 1, 2)
    outcome = np.where((lot >= 1 - crowd.NO_ANSWER) | ~people["reachable"], 3, outcome)
    return np.where(called, outcome, 0)


def _use(network, users, month):
    """Return user, day, minutes and megabytes of each day of use."""
    seed, segment, row = network.seed, users["segment"], users["row"][:, None]
    offset = np.arange(MONTH_DAYS)
    day = users["begins"][:, None] + offset
    there = (offset >= users["since"][:, None]) & (offset < users["until"][:, None])
    share = crowd.USED_DAYS[segment]
    lot = luck(seed, 0, "usage", row, day)
    who, place = np.nonzero(there & (lot < share[:, None]))
    talk, data = crowd.usual_use(users)
    # The luck that says whether a line is used says as well how long.
    minutes = -np.log1p(-lot[who, place] / share[who])
    megabytes = -np.log1p(-luck(seed, 0, "data", users["row"][who], day[who, place]))
    day = day[who, place]
    more = _holiday(network.schedule, month, day)
    weekend = np.where((day + 2) % 7 >= 5, crowd.WEEKEND[segment][who], 1.0)  # day 0: Wednesday
    more = more * weekend
    order = np.argsort((day - day.min(initial=0)).astype(np.int16), kind="stable")
    minutes = np.round(minutes * talk[who] * more, 1)
    megabytes = np.ceil(megabytes * data[who] * more).astype(int)
    return who[order], day[order], minutes[order], megabytes[order]


def _holiday(schedule, month, day):
    """Return by what the use of each day is multiplied: the 30 days reach into the next month."""
    now, later = (1 + schedule.size("holiday", one) for one in (month, month + 1))
    return np.where(day < month_start(month + 1), now, later)


def _tickets(network, users, month):
    """Return user and day of each ticket; a troubled tower triples the rate."""
    offset = np.arange(MONTH_DAYS)
    day = users["begins"][:, None] + offset
    there = (offset >= users["since"][:, None]) & (offset < users["until"][:, None])
    alone = (users["internet"] != 2) & (users["extras"][:, 3] == 0)
    rate = crowd.TICKETS * (1 + 0.8 * alone) / MONTH_DAYS
    now, later = (1 + 2.0 * network.troubled(one)[users["tower"]] for one in (month, month + 1))
    trouble = np.where(day < month_start(month + 1), now[:, None], later[:, None])
    opened = luck(network.seed, 0, "tickets", users["row"][:, None], day) < rate[:, None] * trouble
    who, place = np.nonzero(there & opened)
    return who, day[who, place]
