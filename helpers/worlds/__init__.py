"""The outside: two businesses that answer back. No stage of `helpers` may import it."""

from helpers.worlds.operator.world import Operator
from helpers.worlds.shop.world import Shop

__all__ = ["Operator", "Shop"]
