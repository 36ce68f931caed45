"""A world as a business keeps it: databases, files and services, with the blemishes of real data."""

from helpers.worlds.sources.layout import Sources
from helpers.worlds.sources.truth import SourcesTruth

__all__ = ["Sources", "SourcesTruth"]
