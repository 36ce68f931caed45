"""Stage 1: a flag is yes or no; the text "No" is neither, though Python takes it for a yes."""

from __future__ import annotations

import pandas as pd


def require_flags(values: pd.Series, name: str) -> None:
    """Stop unless every value is True or False, or 1 or 0.

    Raises
    ------
    ValueError
        If a value is a gap or something else; with how many and the first.

    Examples
    --------
    >>> require_flags(pd.Series(["Yes", "No"]), "churned")
    Traceback (most recent call last):
    ValueError: churned has 2 value(s) that are no flags, the first being 'Yes'; True and False were \
expected. Compare first, as in column == "Yes", and leave gaps out.
    """
    values = pd.Series(values)
    wrong = ~values.isin([True, False]).to_numpy()
    if wrong.any():
        raise ValueError(
            f"{name} has {int(wrong.sum()):,} value(s) that are no flags, the first being "
            f"{values[wrong].iloc[0]!r}; True and False were expected. Compare first, as in "
            'column == "Yes", and leave gaps out.'
        )
