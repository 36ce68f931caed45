"""The outside: two businesses that answer back. No stage of `helpers` may import it."""

from helpers.worlds.operator import Operator
from helpers.worlds.shop import Shop

__all__ = ["Operator", "Shop"]
