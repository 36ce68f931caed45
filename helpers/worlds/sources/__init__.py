"""A world as a business keeps it: databases, files and services, with the blemishes of real data."""

from helpers.worlds.sources.layout import Sources

__all__ = ["Sources"]
