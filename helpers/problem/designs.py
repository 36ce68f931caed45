"""Stage 1: constraints that can be checked, and the designs that they leave."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from helpers.checks import require_columns

KINDS = ("time", "budget", "resources", "regulations")


@dataclass(frozen=True)
class Constraint:
    """A limit that a design keeps or breaks.

    Attributes
    ----------
    kind : "time", "budget", "resources" or "regulations".
    what : what is limited, in words.
    column : column of the table of designs that holds the figure.
    at_most : the limit, in `unit`; equality keeps it.
    unit : what the limit counts.

    Raises
    ------
    ValueError
        If `kind` is none of the four, or `at_most` is no number: it would rule nothing out.

    Examples
    --------
    >>> season = Constraint("time", "live before the season", "weeks", at_most=16, unit="weeks")
    >>> str(season)
    'time: live before the season, at most 16 weeks'
    """

    kind: str
    what: str
    column: str
    at_most: float
    unit: str

    def __post_init__(self):
        """Stop a kind that nobody would look for, and a limit that no design could break."""
        if self.kind not in KINDS:
            raise ValueError(
                f"A constraint is of the kind {', '.join(KINDS)}; got {self.kind!r}. Take the one "
                "that the limit is about."
            )
        if math.isnan(self.at_most):
            raise ValueError(
                f"at_most of {self.what!r} is the highest figure allowed; got {self.at_most}, which no "
                f"design could exceed. Ask those responsible for {self.kind} for a number."
            )

    def __str__(self) -> str:
        """Say the limit in one line."""
        return f"{self.kind}: {self.what}, at most {self.at_most:,g} {self.unit}"

    def broken_by(self, designs: pd.DataFrame) -> pd.Series:
        """Return which designs break the limit.

        Parameters
        ----------
        designs : one row a design, with `column`.

        Raises
        ------
        ValueError
            If the column is missing, or a design has no figure in it.

        Examples
        --------
        >>> designs = pd.DataFrame({"weeks": [2, 30]}, index=["a list", "a camera"])
        >>> limit = Constraint("time", "live before the season", "weeks", 16, "weeks")
        >>> limit.broken_by(designs).to_dict()
        {'a list': False, 'a camera': True}
        """
        require_columns(designs, "designs", [self.column])
        unknown = designs[self.column].isna()
        if unknown.any():
            raise ValueError(
                f"designs has no {self.column} for {designs.index[unknown][0]!r}; the {self.kind} "
                "cannot be checked. Ask for an estimate."
            )
        return designs[self.column] > self.at_most


def surviving(designs: pd.DataFrame, constraints: Sequence[Constraint]) -> pd.DataFrame:
    """Return the designs with what rules each of them out.

    Parameters
    ----------
    designs : one row a design, named by the index, with the columns that the constraints read.
    constraints : what the designs are held against.

    Returns
    -------
    The same rows and columns, and `ruled out by`: the kinds of the constraints that the design
    breaks, in their order; "" for a design that is left.

    Examples
    --------
    >>> designs = pd.DataFrame({"weeks": [2, 30], "cost_eur": [500, 90_000]}, index=["list", "camera"])
    >>> limits = [Constraint("time", "live in spring", "weeks", 16, "weeks"),
    ...           Constraint("budget", "this year's", "cost_eur", 50_000, "EUR")]
    >>> surviving(designs, limits)["ruled out by"].to_dict()
    {'list': '', 'camera': 'time, budget'}
    """
    broken = [(one.kind, one.broken_by(designs).to_numpy()) for one in constraints]
    why = [
        ", ".join(dict.fromkeys(kind for kind, flags in broken if flags[row]))
        for row in range(len(designs))
    ]
    return designs.assign(**{"ruled out by": why})
