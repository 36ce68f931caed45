"""The beauty shop: what a lesson takes of it beside `helpers.worlds.Shop`."""

from helpers.worlds.shop.behaviour import PARTNER
from helpers.worlds.shop.market import CATEGORIES
from helpers.worlds.shop.reviews import sephora_like
from helpers.worlds.shop.truth import ShopTruth
from helpers.worlds.shop.world import STORIES, STORY, at_random, serve

__all__ = [
    "CATEGORIES",
    "PARTNER",
    "STORIES",
    "STORY",
    "ShopTruth",
    "at_random",
    "sephora_like",
    "serve",
]
