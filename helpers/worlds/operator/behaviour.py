"""What the operator's customers do in a month: leave or stay, answer a call, and when."""

from __future__ import annotations

import numpy as np

from helpers.worlds.operator import people as crowd
from helpers.worlds.operator import records as records

SUCCESS_SHARE = 0.30  # of those called who have a number on file
NO_ANSWER_SHARE = 0.15
SILENT_SHARE = 0.3  # of the leavers stop using the line without a word


def draw_leaving(probability, people, rows, seed, month):
    """Return who would leave without a call, each with the given probability.

    The history is drawn evenly (systematic sampling, Madow & Madow 1944): customers stand in line
    by contract, internet, payment and tenure, so that each group loses the share it should and the
    table is as close to the real file with 4,000 customers as with many.
    """
    rng = crowd.stream(seed, month, "moods")
    if month == 0:
        line = np.lexsort([people[t] for t in ["tenure", "payment", "internet", "contract"]])
        reached = np.floor(np.cumsum(probability[line]) + rng.random())
        leaves = np.zeros(rows, dtype=bool)
        leaves[line] = np.diff(reached, prepend=0.0) > 0
        return leaves
    # One mood a row and month, so that the same customer would do the same under another policy.
    return rng.random(rows)[people["row"]] < probability


def draw_outcomes(reachable, called, seed, month):
    """Return how each call ends, an empty text where nobody was called.

    Whether the offer is accepted does not depend on wanting to leave: it is a good offer.
    """
    luck = crowd.stream(seed, month, "calls").random(len(called))
    outcome = np.full(len(called), "refused", dtype=object)
    outcome[luck < SUCCESS_SHARE] = "accepted"
    outcome[(luck >= 1 - NO_ANSWER_SHARE) | ~reachable] = "not reached"
    outcome[~called] = ""
    return outcome


def draw_left_day(left, seed, month):
    """Return the day of the month from which each line is dead, `STAYS` for those who stay."""
    rng = crowd.stream(seed, month, "leaving")
    day = rng.integers(1, crowd.MONTH_DAYS, len(left))
    day[rng.random(len(left)) < SILENT_SHARE] = records.SILENT
    return np.where(left, day, records.STAYS)


def grow_older(everyone, month, bills):
    """Return the customers of the next month: without the leavers, older by the bill that came."""
    stays = everyone["left_day"] == records.STAYS
    after = crowd.take_people(everyone, stays)
    del after["left_day"]
    day = crowd.month_start(month + 1)
    tenure = (day - after["started"] + crowd.MONTH_DAYS - 2) // crowd.MONTH_DAYS
    billed = tenure > after["tenure"]
    total = np.round(after["total"] + billed * bills[stays], 2)
    return {**after, "tenure": tenure, "total": total}
