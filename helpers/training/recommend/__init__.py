"""Stage 4: recommenders. `fit` learns from orders; `recommend` returns a list for each customer."""

from helpers.doors import lazy_door

_PLACES = {
    "combined": ["Hybrid", "MultiObjective"],
    "content": ["ContentBased"],
    "factors": ["ALS", "SVD"],
    "neighbours": ["EASE", "ItemNeighbours", "Transitions"],
    "personal": ["PersonalBestsellers"],
    "popular": ["MostPopular"],
}
__getattr__, __dir__, __all__ = lazy_door(__name__, _PLACES)
