"""A world as a business keeps it: databases, files and services, with the blemishes of real data.

layout                              lays a world down, month by month, and serves it
plan, shop, operator                what each business keeps where
databases, documents, files, ...    how each kind of source is written
services, pages                     what answers over HTTP on loopback
blemishes, spoilers                 what is wrong in them, drawn from the seed
truth                               what is wrong, for graders, tests and reveals only
"""

from helpers.worlds.sources.layout import Sources
from helpers.worlds.sources.truth import SourcesTruth

__all__ = ["Sources", "SourcesTruth"]
