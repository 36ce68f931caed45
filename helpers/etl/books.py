"""Stages 2 and 3: no row is dropped in silence.

Rows in = loaded + set aside (cannot be read) + quarantined (breaks a rule) + merged, always.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pandas as pd
from pandas import DataFrame, Series

from helpers.checks import kinds_of, require_columns
from helpers.etl.parsing import blanks_to_gaps, parse_dates, rewritten, typed

if TYPE_CHECKING:
    from pandera.pandas import DataFrameSchema


@dataclass(frozen=True)
class Books:
    """Where the rows of a source went, from the source to the clean table.

    Attributes
    ----------
    rows_in : rows met, counted before anything was decided about them.
    loaded : rows that went on.
    quarantined : rows that broke a rule, by reason.
    merged : repeated deliveries of a row that is loaded or quarantined already.
    set_aside : rows that could not be read.
    made : rows from nowhere that the table holds too, such as one for a reading that never came.

    Raises
    ------
    ValueError
        If the rows do not add up: then a step dropped or made rows without saying so.

    Examples
    --------
    >>> print(Books("sales", rows_in=10, loaded=7, quarantined={"a row of totals": 1}, merged=2))
    sales                       rows
    in                            10
    loaded                         7
    merged                         2
    quarantined                    1
      a row of totals              1
    >>> Books("sales", 120, 117, merged=1, set_aside=2).line()
    '120 in = 117 loaded + 2 set aside + 1 merged'
    """

    source: str
    rows_in: int
    loaded: int
    quarantined: Mapping[str, int] = field(default_factory=dict)
    merged: int = 0
    set_aside: int = 0
    made: int = 0

    def __post_init__(self):
        if self.rows_in != self.loaded + self.set_aside + self.refused + self.merged:
            raise ValueError(
                f"The rows of {self.source} do not add up: {self.rows_in:,} came in, but "
                f"{self.loaded:,} were loaded, {self.set_aside:,} set aside, {self.refused:,} "
                f"quarantined and {self.merged:,} merged. A step dropped or made rows: let it refuse "
                "or merge them by name."
            )

    @property
    def refused(self) -> int:
        """Return how many rows are in quarantine."""
        return sum(self.quarantined.values())

    def __str__(self):
        lines = {"in": self.rows_in, "loaded": self.loaded, "merged": self.merged}
        if self.set_aside:
            lines["set aside"] = self.set_aside
        lines["quarantined"] = self.refused
        lines |= {f"  {reason}": count for reason, count in sorted(self.quarantined.items())}
        wide = max(22, *map(len, [self.source, *lines]))
        head = f"{self.source:<{wide}}{'rows':>10}"
        return "\n".join([head, *(f"{name:<{wide}}{rows:>10,}" for name, rows in lines.items())])

    def line(self) -> str:
        """Return the books of a reader in one line."""
        return (
            f"{self.rows_in:,} in = {self.loaded:,} loaded + {self.set_aside:,} set aside + "
            f"{self.merged:,} merged"
        )

    def __add__(self, other: Books) -> Books:
        """Return the sum of two deliveries of a source."""
        both = " + ".join(dict.fromkeys([self.source, other.source]))
        loaded = self.loaded + other.loaded
        return self._with(other, both, self.rows_in + other.rows_in, loaded)

    def followed_by(self, later: Books) -> Books:
        """Return the books of two steps in a row, the second of which took what the first loaded.

        Examples
        --------
        >>> read, cleaned = Books("sales", 9, 7, set_aside=2), Books("sales", 7, 6, merged=1)
        >>> read.followed_by(cleaned).line()
        '9 in = 6 loaded + 2 set aside + 1 merged'
        """
        if later.rows_in != self.loaded:
            raise ValueError(
                f"The second step on {self.source} took {later.rows_in:,} rows, but the first left "
                f"{self.loaded:,}. Give it the table of the first."
            )
        return self._with(later, self.source, self.rows_in, later.loaded)

    def _with(self, other, source, rows_in, loaded):
        merged, set_aside = self.merged + other.merged, self.set_aside + other.set_aside
        reasons = dict(sorted((Counter(self.quarantined) + Counter(other.quarantined)).items()))
        return Books(
            source, rows_in, loaded, reasons, merged, set_aside, made=self.made + other.made
        )


@dataclass(frozen=True)
class Cleaned:
    """A cleaned table and everything that was done to get it.

    Attributes
    ----------
    table : the rows that go on, indexed from 0.
    quarantined : the rows set aside, as they were then, see `with_reason`.
    books : where the rows went.
    changes : what was done to single values: `column`, `what`, `values` (how many).
    key : the column that names a row, as the schema tells; "" when none does.
    """

    table: DataFrame
    quarantined: DataFrame
    books: Books
    changes: DataFrame
    key: str = ""

    def followed_by(self, later: Cleaned) -> Cleaned:
        """Return both of two cleanings in a row, the second of which took the table of the first.

        Examples
        --------
        >>> first = Cleaning("sales", DataFrame({"line_id": [1, 1, 2]}))
        >>> first.merge("line_id")
        >>> second = Cleaning("sales", first.table)
        >>> second.refuse(second["line_id"].eq(2), "no sale")
        >>> print(first.done().followed_by(second.done()).books)
        sales                       rows
        in                             3
        loaded                         1
        merged                         1
        quarantined                    1
          no sale                      1
        """
        books = self.books.followed_by(later.books)
        aside = pd.concat([self.quarantined, later.quarantined], ignore_index=True)
        changes = pd.concat([self.changes, later.changes], ignore_index=True)
        return Cleaned(later.table, aside, books, changes, later.key)


class Cleaning:
    """The cleaning of one table, step by step, with a record of each.

    Parameters
    ----------
    source : the name for the accounts.
    raw : the table as read; it is left alone.
    needs : columns without which the table cannot be cleaned.

    Examples
    --------
    >>> raw = DataFrame({"line_id": ["11", "11", "Total"], "price_eur": [5.0, 5.0, 10.0]})
    >>> cleaning = Cleaning("sales", raw, ["line_id"])
    >>> cleaning.refuse(raw["line_id"].eq("Total"), "a row of totals")
    >>> cleaning.merge("line_id")
    >>> done = cleaning.done()
    >>> len(done.table), done.books.merged, done.quarantined["reason"].tolist()
    (1, 1, ['a row of totals'])
    """

    def __init__(self, source: str, raw: DataFrame, needs=()):
        require_columns(raw, source, needs)
        if raw.columns.has_duplicates:
            twice = raw.columns[raw.columns.duplicated()][0]
            raise ValueError(
                f"{source} has two columns {twice!r}, so which one is meant is unknown. Rename or drop one."
            )
        self.source, self.table = source, typed(raw.reset_index(drop=True))
        self._rows_in, self._merged = len(raw), 0
        self._aside: list[DataFrame] = []
        self._values: list[tuple] = []
        self._unread: dict[str, tuple] = {}  # column -> rows, and what to say of them

    def __getitem__(self, column: str) -> Series:
        return self.table[column]

    def refuse(self, which: Series, reason: str) -> None:
        """Send the rows at `which`, a flag a row, to quarantine."""
        which = self._aligned(which).fillna(False).to_numpy(bool)
        if which.any():
            self._aside.append(with_reason(self.table[which], reason))
            self.table = self.table[~which]

    def merge(self, key, newest: str | None = None) -> None:
        """Merge repeated deliveries, see `merge_deliveries`."""
        before = len(self.table)
        self.table = self.table.iloc[_one_a_key(self.table, key, newest)]
        self._merged += before - len(self.table)

    def repair(self, column: str, values: Series, what: str) -> None:
        """Put `values` into a column and count those that differ from what stood there."""
        values = self._aligned(values)
        old = self.table[column] if column in self.table else Series(None, index=self.table.index)
        plain = old.dtype == values.dtype and old.dtype.kind in "iufbM"  # else 7 and "7" are one
        same = old.eq(values) if plain else old.astype("str").eq(values.astype("str"))
        same |= old.isna() & values.isna()
        self.table = self.table.assign(**{column: values})
        self._count(column, what, int((~same).sum()))

    def set_aside(self, column: str, which: Series, why: str) -> None:
        """Take the values at `which` out of a column: a gap is better than a wrong value."""
        values = self.table[column]
        which = self._aligned(which).fillna(False).to_numpy(bool) & values.notna().to_numpy()
        if which.any():
            kinds = {"b": "boolean", "i": "Int64", "u": "Int64"}
            values = values.astype(kinds.get(values.dtype.kind, values.dtype)).mask(which)
            self.table = self.table.assign(**{column: values})
        self._count(column, why, int(which.sum()))

    def parse(self, column: str, read: Callable[[Series], Series], what: str) -> None:
        """Read a column with one of `helpers.etl.parsing`; a text that cannot be read is set aside."""
        written = self.table[column]
        values = self._aligned(read(written))
        self.table = self.table.assign(**{column: values})
        unread = written[written.notna() & values.isna()]
        if len(unread):
            can = f"cannot be {what}" if what.startswith("read ") else "is no known word"
            said = f"{column} {can}, such as {str(unread.iloc[0])[:60]!r}"
            self._unread[column] = unread.index, said
        self._count(column, f"{what}: unreadable, set aside", len(unread))
        changed = rewritten(written, values) & written.notna() & values.notna()
        self._count(column, what, int(changed.sum()))

    def done(self, schema: DataFrameSchema | None = None) -> Cleaned:
        """Close the books; rows that break `schema` go to quarantine first.

        Parameters
        ----------
        schema : its metadata may name the `key`, and those of a column may say `kind`: "number".

        Raises
        ------
        ValueError
            If rows do not add up or a column of the schema is missing.
        """
        if schema is not None:
            reasons = self._reasons(schema)
            if len(reasons):  # a value that gave a column no type may be gone with its row
                self._aside.append(with_reason(self.table.loc[reasons.index], reasons))
                self.table = typed(self.table.drop(index=reasons.index))
            for name, column in schema.columns.items():
                numeric = (column.metadata or {}).get("kind") == "number"
                if numeric and self.table[name].dtype == object:  # a text such as "7" among numbers
                    self.parse(name, pd.to_numeric, "read as a number")
        parts = self._aside or [with_reason(self.table.head(0), "")]
        aside = pd.concat(parts, ignore_index=True)
        reasons = {str(k): int(n) for k, n in aside["reason"].value_counts().items()}
        books = Books(self.source, self._rows_in, len(self.table), reasons, self._merged)
        values = DataFrame(self._values, columns=["column", "what", "values"])
        key = ((schema.metadata if schema else None) or {}).get("key", "")
        return Cleaned(self.table.reset_index(drop=True), aside, books, values, key)

    def _reasons(self, schema):
        """Return why rows break a schema; a value that could not be read is no missing one."""
        reasons = broken_rules(self.table, schema)
        for column, (rows, why) in self._unread.items():
            there = reasons.index.intersection(rows)
            reasons[there] = reasons[there].str.replace(f"{column} is given", why, regex=False)
        return reasons

    def _aligned(self, values):
        """Return values that have an entry a row; older ones speak of rows that are gone."""
        if not values.index.equals(self.table.index):
            raise ValueError(
                f"A step of {self.source} got {len(values):,} value(s) for {len(self.table):,} rows, or "
                "under another index: rows were refused or merged since. Take them from the cleaning "
                "itself, as in cleaning[column]."
            )
        return values

    def _count(self, column, what, values):
        if values:
            self._values.append((column, what, values))


def with_reason(rows: DataFrame, reason) -> DataFrame:
    """Return rows with why they were set aside as `reason`; one of their own becomes `own_reason`.

    Examples
    --------
    >>> returned = DataFrame({"return_id": [1], "reason": ["ordered twice"]})
    >>> with_reason(returned, "no date").to_dict("records")
    [{'return_id': 1, 'own_reason': 'ordered twice', 'reason': 'no date'}]
    """
    return rows.rename(columns={"reason": "own_reason"}).assign(reason=reason)


def quarantine(raw: pd.DataFrame, schema: DataFrameSchema) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Split `raw` into the rows that keep the schema and the rows that break it.

    Returns
    -------
    The accepted rows as they were, and the quarantined rows with one more column, `reason`, that
    names every broken rule; see `with_reason`. Every row is on exactly one side.

    Raises
    ------
    ValueError
        If a column of the schema is missing altogether.

    Examples
    --------
    >>> import pandera.pandas as pa
    >>> rule = pa.Check.isin(["Yes", "No"], error="Churn is a known level")
    >>> table = pd.DataFrame({"Churn": ["Yes", "Maybe"]})
    >>> accepted, refused = quarantine(table, pa.DataFrameSchema({"Churn": pa.Column(str, rule)}))
    >>> len(accepted), refused["reason"].tolist()
    (1, ['Churn is a known level'])
    """
    numbered = raw.reset_index(drop=True)
    reasons = broken_rules(numbered, schema)
    accepted = numbered.drop(index=reasons.index).reset_index(drop=True)
    return accepted, with_reason(numbered.loc[reasons.index], reasons).reset_index(drop=True)


def broken_rules(table: DataFrame, schema: DataFrameSchema) -> Series:
    """Return why each row that breaks a schema does: every broken rule, by the table's index.

    Parameters
    ----------
    table : indexed by different numbers.

    Raises
    ------
    ValueError
        If a column of the schema is missing altogether, or a rule cannot be tried row by row.
    """
    from pandera.errors import SchemaErrors

    require_columns(table, "the raw table", schema.columns)
    try:
        schema.validate(table, lazy=True)
    except SchemaErrors as errors:
        broken = errors.failure_cases.dropna(subset="index")
        if len(broken) < len(errors.failure_cases):
            unplaced = errors.failure_cases[errors.failure_cases["index"].isna()].iloc[0]
            raise ValueError(
                f"The raw table breaks a rule as a whole: {unplaced['check']} "
                f"(column {unplaced['column']}). Read every column as text first."
            ) from errors
        named = broken.assign(index=broken["index"].astype(int)).drop_duplicates(["index", "check"])
        by_row = named["check"].astype("str").sort_values().groupby(named["index"])
        return by_row.agg("; ".join)
    return Series(dtype="str")


def merge_deliveries(
    table: DataFrame, key: str | list[str], newest: str | None = None
) -> DataFrame:
    """Merge rows that were delivered more than once: one row a key stays.

    The rule: the copy with the latest `newest` wins, for a system sends a row again after it was
    edited; without such a column, or when it is equal, the copy that arrived last wins. The row
    stays where its first copy stood, so the order of the table is kept. A row without a key is
    nobody's copy and stays.

    Parameters
    ----------
    table : rows in the order in which they arrived.
    key : the column or columns that name a row.
    newest : a column that tells which copy is younger; a gap counts as the oldest. Texts are read as
        moments, see `parse_dates`.

    Raises
    ------
    ValueError
        If a column is missing, or a text in `newest` is no moment.

    Examples
    --------
    >>> table = DataFrame({"order_id": [1, 2, 1], "price_eur": [9.0, 5.0, 8.0], "sent": [2, 1, 1]})
    >>> merge_deliveries(table, "order_id")["price_eur"].tolist()
    [8.0, 5.0]
    >>> merge_deliveries(table, "order_id", newest="sent")["price_eur"].tolist()
    [9.0, 5.0]
    """
    return table.iloc[_one_a_key(table, key, newest)].reset_index(drop=True)


def _one_a_key(table, key, newest):
    """Return the places of the rows that stay, each where the first copy of its key stood."""
    keys = [key] if isinstance(key, str) else list(key)
    require_columns(table, "the deliveries", [*keys, *([newest] if newest else [])])
    numbered = table.reset_index(drop=True)
    names = numbered[keys].apply(_comparable)
    nameless = names.isna().any(axis=1)
    if not names.duplicated().any():
        return numbered.index
    ages = _ages(numbered[newest]) if newest else numbered.index.to_series()
    rows = ages.sort_values(kind="stable", na_position="first").index
    kept = rows[~names.loc[rows].duplicated(keep="last") | nameless.loc[rows]]
    number = numbered.index.to_series()
    first = number.groupby([names[one] for one in keys], sort=False, dropna=False).transform("min")
    place = first.where(~nameless, number)
    return place.loc[kept].sort_values(kind="stable").index


def _ages(values):
    """Return what tells the younger copy; texts in the order of the moments that they say."""
    if "texts" not in kinds_of(values):
        return values
    moments = parse_dates(values)
    unread = values[moments.isna() & blanks_to_gaps(values).notna()]
    if len(unread):
        raise ValueError(
            f"{values.name} tells which copy is younger, but {unread.iloc[0]!r} cannot be read as a "
            "moment, and texts have another order ('10' before '9'). Read the column first."
        )
    return moments


def _comparable(values):
    """Return a column in which lists and the like, which a careless system sends, stand as texts."""
    if values.dtype != object:
        return values
    return values.map(lambda one: one if isinstance(one, Hashable) else repr(one))
