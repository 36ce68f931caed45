"""Monitoring: an alert when a promised floor is missed, and which stage to look at."""

from __future__ import annotations

from dataclasses import dataclass

from helpers.lifecycle import Cause, Trigger
from helpers.problem import SuccessCriterion


@dataclass(frozen=True)
class Alert:
    """A promise that is no longer kept. It is a question, not a diagnosis.

    Attributes
    ----------
    trigger : what rang.
    because : the figure that rang, in one sentence.
    check : the causes to rule out, the most frequent first; each names a stage to reopen.
    """

    trigger: Trigger
    because: str
    check: tuple[Cause, ...]


def check_criterion(criterion: SuccessCriterion, value: float) -> Alert | None:
    """Return an alert when `value` breaks the criterion, and None when it keeps it.

    Examples
    --------
    >>> floor = SuccessCriterion("accuracy", 0.8, "all customers", "each month")
    >>> check_criterion(floor, 0.7).because
    'accuracy is 0.700, below the agreed 0.8 on all customers, each month'
    >>> check_criterion(floor, 0.85) is None
    True
    """
    if criterion.met(value):
        return None
    because = (
        f"{criterion.metric} is {value:.3f}, below the agreed {criterion.at_least:g} "
        f"on {criterion.population}, {criterion.window}"
    )
    return Alert(Trigger.PERFORMANCE_DROP, because, Trigger.PERFORMANCE_DROP.causes)
