"""Stage 3: steps that the cleanings of both businesses share, each counted by its `Cleaning`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pandas import DataFrame, Series

from helpers.etl import parsing
from helpers.etl.accounting import Cleaning
from helpers.etl.schemas import number_columns

SPELLING = "one spelling"
NUMBER = "read as a number"
DATE = "read as a date"
LARGEST_EXACT = 2**53  # from here on a decimal number cannot hold every whole one


def read_numbers(cleaning: Cleaning, *columns: str, whole: bool = False) -> None:
    """Read columns of amounts; where the rows say which file they are from, file by file.

    Parameters
    ----------
    whole : True for counts such as points, in which every sign parts thousands.
    """
    by = cleaning["file"] if "file" in cleaning.table else None
    for column in columns:
        gaps = parsing.blanks_to_gaps(cleaning[column])
        cleaning.repair(column, gaps, "a blank is a gap")
        cleaning.parse(column, lambda values: parsing.parse_numbers(values, by=by, whole=whole), NUMBER)  # fmt: skip


def read_whole(cleaning: Cleaning, *columns: str) -> None:
    """Read columns of whole numbers, such as ids; a column with anything else stays decimal.

    Examples
    --------
    >>> cleaning = Cleaning("answers", DataFrame({"customer_id": ["7", None]}))
    >>> read_whole(cleaning, "customer_id")
    >>> cleaning["customer_id"].tolist()
    [7, <NA>]
    """
    for column in [name for name in columns if name in cleaning.table]:
        if cleaning[column].dtype.kind in "iu":
            continue
        cleaning.parse(column, parsing.parse_numbers, NUMBER)
        values = cleaning[column]
        known = values.dropna()
        if (known % 1).eq(0).all() and known.abs().lt(LARGEST_EXACT).all():
            whole = values.astype("Int64" if values.isna().any() else "int64")
            cleaning.table = cleaning.table.assign(**{column: whole})


def read_words(
    cleaning: Cleaning, column: str, known: Iterable[str], also: Mapping[str, str] | None = None
) -> None:
    """Bring a column to one spelling; unknown spellings are set aside and counted."""
    cleaning.parse(column, lambda values: parsing.one_spelling(values, known, also), SPELLING)


def read_moments(cleaning: Cleaning, *columns: str) -> None:
    """Read the dates of those columns that are there and are none yet."""
    for column in columns:
        if column in cleaning.table and cleaning[column].dtype.kind != "M":
            cleaning.parse(column, parsing.parse_dates, DATE)


def read_page_prices(cleaning: Cleaning, column: str = "price_eur") -> None:
    """Read prices as pages write them, "€ 1.012,50"; numbers stay numbers.

    Examples
    --------
    >>> cleaning = Cleaning("pages", DataFrame({"price_eur": ["€ 1.012,50", "€ 45,00"]}))
    >>> read_page_prices(cleaning)
    >>> cleaning["price_eur"].tolist()
    [1012.5, 45.0]
    """
    if cleaning[column].dtype.kind not in "if":
        bare = cleaning[column].map(lambda one: one.removeprefix("€").strip() if isinstance(one, str) else one)  # fmt: skip
        cleaning.repair(column, parsing.parse_numbers(bare), NUMBER)


def read_ids(cleaning: Cleaning) -> None:
    """Read the ids among which something else stands, in the columns that the schema says are numbers.

    A database gives them as numbers; a single text among them would leave the column without a type.

    Examples
    --------
    >>> cleaning = Cleaning("shop.sessions", DataFrame({"session_id": [5, "6", "?"], "customer_id": [1, 2, 3]}))
    >>> read_ids(cleaning)
    >>> cleaning["session_id"].tolist()
    [5, 6, <NA>]
    """
    names = number_columns(cleaning.source, cleaning.table)
    mixed = [n for n in names if n.endswith("_id") and cleaning[n].dtype == object]
    read_whole(cleaning, *mixed)


def agreed(words: Series, by: Series) -> Series:
    """Return for each row the one word that the rows of its group agree on, else a gap.

    Examples
    --------
    >>> agreed(Series(["mask", None, "cream", "mask"]), Series([1, 1, 2, 2])).tolist()
    ['mask', 'mask', nan, nan]
    """
    known = DataFrame({"word": words, "by": by}).dropna().drop_duplicates()
    alone = known[~known["by"].duplicated(keep=False)]
    return by.map(alone.set_index("by")["word"])
