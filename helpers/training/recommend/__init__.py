"""Stage 4: recommenders. `fit` learns from orders; `recommend` returns a list for each customer."""

from helpers.training.recommend.combined import Hybrid, MultiObjective
from helpers.training.recommend.content import ContentBased
from helpers.training.recommend.factors import ALS, SVD
from helpers.training.recommend.neighbours import EASE, ItemNeighbours, Transitions
from helpers.training.recommend.personal import PersonalBestsellers
from helpers.training.recommend.popular import MostPopular

__all__ = [
    "ALS",
    "EASE",
    "SVD",
    "ContentBased",
    "Hybrid",
    "ItemNeighbours",
    "MostPopular",
    "MultiObjective",
    "PersonalBestsellers",
    "Transitions",
]
