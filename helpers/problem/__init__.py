"""Stage 1: what is to be decided, whether machine learning fits, what success means and is worth."""

from helpers.problem.charter import Charter, SuccessCriterion
from helpers.problem.designs import Constraint, surviving
from helpers.problem.lift import Lift, lift
from helpers.problem.money import Offer
from helpers.problem.suitability import Ask, Evidence, Suitability

__all__ = [
    "Ask",
    "Charter",
    "Constraint",
    "Evidence",
    "Lift",
    "Offer",
    "SuccessCriterion",
    "Suitability",
    "lift",
    "surviving",
]
