"""What the cleanings of both businesses share: readers of columns, feeds, logs, surveys."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial

import pandas as pd
from pandas import DataFrame, Series

from helpers.checks import require_columns
from helpers.etl import parsing
from helpers.etl.books import Cleaned, Cleaning
from helpers.etl.businesses.schemas import LIKERT, key_of, number_columns, rules_of, source_schema
from helpers.etl.combine import require_known, unify_versions
from helpers.etl.extract.result import object_table

PER_EURO = {"CHF": 0.96, "USD": 1.08}  # what one euro costs, as the suppliers' batches say
REQUEST = ["ip", "at", "method", "path", "status", "bytes", "agent"]
_NUMBERED = re.compile(r"[A-Z]-(\d{1,18})")
PERSON = {"shop.web_log": r"[?&]session=\d+", "operator.scoring_log": r"[?&]customer=[\w-]+"}


def started(source: str, raw: DataFrame, *also: str) -> Cleaning:
    """Start the cleaning of a table with a schema: its ids are read, repeated deliveries merged.

    Parameters
    ----------
    also : columns that the cleaning needs beside those of the schema.
    """
    cleaning = Cleaning(source, raw, [*rules_of(source), *also])
    read_ids(cleaning)
    cleaning.merge(key_of(source))
    return cleaning


def finished(cleaning: Cleaning) -> Cleaned:
    """Close the books: known words in one spelling, dates read, rows that break the schema refused."""
    rules = rules_of(cleaning.source)
    require_columns(cleaning.table, cleaning.source, rules)
    for column, rule in rules.items():
        if isinstance(rule, list):
            read_words(cleaning, column, rule)
        elif rule == "moment":
            read_moments(cleaning, column)
    return cleaning.done(source_schema(cleaning.source))


def clean_keyed(
    source: str,
    raw: DataFrame,
    texts: Iterable[str] = (),
    numbers: Iterable[str] = (),
    days: Iterable[str] = (),
) -> Cleaned:
    """Clean a table that needs little more than its schema: copies merged, words and dates read.

    Parameters
    ----------
    source : such as "shop.sessions" or "shop.orders".
    texts, numbers, days : columns with blanks around their texts, with numbers written as texts,
        and with dates among which are placeholders.

    Examples
    --------
    >>> raw = DataFrame({"session_id": [5, 5], "customer_id": [1, 1], "started_at": ["2024-09-01T10:00:00"] * 2})
    >>> clean_keyed("shop.sessions", raw).books.merged
    1
    """
    cleaning = started(source, raw)
    trim(cleaning, *texts)
    parse_numbers(cleaning, *numbers)
    read_days(cleaning, *days)
    return finished(cleaning)


def gaps_for_blanks(cleaning: Cleaning, *columns: str) -> None:
    """Put a gap where a column says "nothing", such as "n/a"."""
    for column in columns:
        cleaning.repair(column, parsing.blanks_to_gaps(cleaning[column]), "a blank is a gap")


def trim(cleaning: Cleaning, *columns: str) -> None:
    """Take the blanks around texts away."""
    for column in columns:
        cleaning.parse(column, parsing.trimmed, "blanks around it")


def read_flags(cleaning: Cleaning, *columns: str) -> None:
    """Read columns of yes and no."""
    for column in columns:
        cleaning.parse(column, parsing.parse_flags, "read as yes or no")


def parse_numbers(cleaning: Cleaning, *columns: str, **how: object) -> None:
    """Read columns of numbers; `how` goes to `helpers.etl.parsing.parse_numbers`."""
    for column in columns:
        cleaning.parse(column, partial(parsing.parse_numbers, **how), "read as a number")


def read_numbers(cleaning: Cleaning, *columns: str, whole: bool = False) -> None:
    """Read columns of an export, in which blanks are gaps, each file in its own style.

    Parameters
    ----------
    whole : True for counts such as points, in which every sign parts thousands.
    """
    gaps_for_blanks(cleaning, *columns)
    by = cleaning["file"] if "file" in cleaning.table else None
    parse_numbers(cleaning, *columns, by=by, whole=whole)


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
        lost = parsing.lost_digits(cleaning[column])
        cleaning.set_aside(column, lost, "an id in scientific notation: digits are lost")
        cleaning.parse(column, parsing.parse_whole, "read as a number")


def keep_within(cleaning: Cleaning, column: str, least: int, most: int, unit: str = "") -> None:
    """Set aside the numbers beyond two limits."""
    outside = ~cleaning[column].between(least, most)
    cleaning.set_aside(column, outside, f"not from {least:,} to {most:,}{unit}")


def read_words(
    cleaning: Cleaning, column: str, known: Iterable[str], also: Mapping[str, str] | None = None
) -> None:
    """Bring a column to one spelling; unknown spellings are set aside and counted."""
    spell = partial(parsing.one_spelling, known=known, also=also)
    cleaning.parse(column, spell, "one spelling")


def read_moments(cleaning: Cleaning, *columns: str) -> None:
    """Read the dates of those columns that hold none yet; file by file, if the rows name their file."""
    by = cleaning["file"] if "file" in cleaning.table else None

    def read(values):
        if by is None or by.isna().all():
            return parsing.parse_dates(values)
        files = [parsing.parse_dates(own) for _, own in values.groupby(by, dropna=False)]
        return pd.concat(files).loc[values.index]

    for column in columns:
        if cleaning[column].dtype.kind != "M":
            cleaning.parse(column, read, "read as a date")


def read_days(cleaning: Cleaning, *columns: str) -> None:
    """Read dates and set placeholders such as 1970-01-01 aside."""
    read_moments(cleaning, *columns)
    for column in columns:
        placeholder = parsing.no_placeholder(cleaning[column]).isna()
        cleaning.set_aside(column, placeholder, "a placeholder date")


def refuse_no_rows(cleaning: Cleaning, key: str) -> None:
    """Refuse the lines of an export that are no rows: headers within a file, totals."""
    cleaning.refuse(cleaning[key].eq(key), "a header in the middle of a file")
    cleaning.refuse(cleaning[key].astype("str").str.lower().eq("total"), "a row of totals")


def read_page_prices(cleaning: Cleaning) -> None:
    """Read prices as pages write them, "€ 1.012,50"; numbers stay numbers.

    Examples
    --------
    >>> cleaning = Cleaning("pages", DataFrame({"price_eur": ["€ 1.012,50", "€ 45,00"]}))
    >>> read_page_prices(cleaning)
    >>> cleaning["price_eur"].tolist()
    [1012.5, 45.0]
    """
    written = cleaning["price_eur"]
    if written.dtype.kind not in "if":
        bare = written.replace(r"^€", "", regex=True)
        cleaning.repair("price_eur", parsing.parse_numbers(bare), "read as a number")


def read_ids(cleaning: Cleaning) -> None:
    """Read the ids, numbers by the schema, among which a text stands: it leaves them without a type.

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


def one_version(raw: DataFrame, names: Mapping[str, str]) -> DataFrame:
    """Bring JSON lines that were written under two versions under the names of the first.

    Parameters
    ----------
    raw : one row a line, with `v`, None for the first version.
    names : the keys of version 2 under those of version 1, such as {"ts": "at"}.

    Examples
    --------
    >>> raw = object_table([{"event_id": 1, "at": "09:00"}, {"v": 2, "id": 2, "ts": "10:00"}])
    >>> one_version(raw, {"id": "event_id", "ts": "at"}).values.tolist()
    [[1, '09:00'], [2, '10:00']]
    """
    rows = raw.to_dict("records")
    said = [{name: one for name, one in row.items() if one is not None} for row in rows]
    return unify_versions(said, {1: {}, 2: names})


def supplier_items(raw: DataFrame, day: str) -> DataFrame:
    """Bring a supplier's elements under our names.

    Parameters
    ----------
    raw : one row an `item`, as `read_xml` returns it: `id`, `sku`, `on`, and where given `name`,
        `price`, `price.currency`, `price.unit`.
    day : our name of the date: "listed_on" or "issued_on".
    """
    names = {"id": "item_id", "sku": "sku", "on": day, "name": "name", "price": "price",
             "price.currency": "currency", "price.unit": "unit"}  # fmt: skip
    require_columns(raw, "the supplier's batch", ["id", "sku", "on"])
    return raw.reindex(columns=list(names)).rename(columns=names)


def page_facts(raw: DataFrame) -> DataFrame:
    """Bring what the pages say under our names; the facts for machines stay behind.

    Returns
    -------
    `product_id`, `name`, `price_eur` (text, as "€ 1.012,50"), and the terms of the page.
    """
    names = {"id": "product_id", "title": "name", "price": "price_eur"}
    require_columns(raw, "the pages", list(names))
    return raw.drop(columns=["url", "json_ld"], errors="ignore").rename(columns=names)


def flat(raw: DataFrame, of: str, makers: Mapping[int, Callable[[dict], dict]]) -> DataFrame:
    """Bring each document to a row with the maker of its schema."""
    require_columns(raw, of, ["schema"])
    require_known(raw["schema"], makers, "Documents of schema", f" in {of}")
    return object_table([makers[row["schema"]](row) for row in raw.to_dict("records")])


def at_path(row, *keys):
    """Return what lies at a path of keys, None where the path ends early."""
    for key in keys:
        row = row.get(key) if isinstance(row, dict) else None
    return row


def several(values):
    """Return what a document lists; nothing where it holds something else in that place."""
    return values if isinstance(values, list) else []


def listed(words):
    return ", ".join(map(str, words)) if isinstance(words, list) else words


def number_in(label):
    """Return the number in a label such as "P-000007"; any other stays as it is."""
    found = _NUMBERED.fullmatch(label) if isinstance(label, str) else None
    return int(found[1]) if found else label


def clean_events(source: str, raw: DataFrame) -> Cleaned:
    """Clean events, from files or from a stream: numbers, repeats merged, in order of time.

    Parameters
    ----------
    source : "shop.events", "shop.live_events" or "operator.usage_events".
    raw : one row an event, with `event_id` and `at`.
    """
    said = raw[[name for name in raw.columns if not name.startswith("sse_")]]  # no envelope
    cleaning = started(source, said)
    read_whole(cleaning, "product_id")
    read_moments(cleaning, "at")
    cleaning.table = cleaning.table.sort_values(["at", "event_id"])
    return finished(cleaning)


def clean_supplier(source: str, raw: DataFrame) -> Cleaned:
    """Clean a supplier's batch: every price in euro, whatever its currency and unit.

    Parameters
    ----------
    source : "shop.price_list" or "operator.invoice_batch".
    raw : `item_id`, `sku`, `name`, the date, and `price`, `currency`, `unit` as the file says.

    Examples
    --------
    >>> raw = DataFrame({"item_id": ["a"], "sku": ["S"], "listed_on": ["2024-07-01"], "name": ["Dew"],
    ...                  "price": ["10.8"], "currency": ["USD"], "unit": ["whole"]})
    >>> clean_supplier("shop.price_list", raw).table["price_eur"].tolist()
    [10.0]
    """
    cleaning = Cleaning(source, raw, ["item_id", "price", "currency", "unit"])
    cleaning.merge("item_id")
    parse_numbers(cleaning, "price")
    currency = parsing.trimmed(cleaning["currency"]).str.upper()
    unit = parsing.trimmed(cleaning["unit"]).str.lower().replace({"cents": "cent"})
    strange = unit.notna() & ~unit.isin(["cent", "whole", ""])
    cleaning.set_aside("price", strange, "a unit that is neither cent nor whole")
    euro = parsing.to_eur(cleaning["price"], currency, unit, PER_EURO)
    cleaning.set_aside("price", euro.isna(), "a currency without a rate")
    cleaning.repair("price", euro, "currency and unit to euro")
    kept = cleaning.table.drop(columns=["currency", "unit"])
    cleaning.table = kept.rename(columns={"price": "price_eur"})
    return finished(cleaning)


def clean_requests(source: str, raw: DataFrame) -> Cleaned:
    """Clean the requests of a log: typed, and without robots.

    Half of the robots say so; the others borrow a browser's name, but ask for what no person asks
    for, or come without the session (the customer) that every page of ours carries.

    Parameters
    ----------
    source : "shop.web_log" or "operator.scoring_log".
    raw : the fields of a line as text: `ip`, `at` ("01/Jul/2024:06:27:07 +0000"), `method`,
        `path`, `status`, `bytes`, `agent`; a line that was cut off has no path.

    Examples
    --------
    >>> raw = DataFrame({"ip": "198.18.0.1", "at": "01/Jul/2024:06:27:07 +0000", "method": "GET",
    ...                  "path": ["/?session=5", "/product/7", None], "status": "200", "bytes": "9",
    ...                  "agent": "Firefox"})
    >>> clean_requests("shop.web_log", raw).quarantined["reason"].tolist()
    ['a line that cannot be read', 'a robot: no session or customer in the path']
    """
    require_columns(raw, source, REQUEST)
    cleaning = Cleaning(source, raw[REQUEST])  # every browser leaves the rest alike
    cleaning.refuse(cleaning["path"].isna(), "a line that cannot be read")
    named = cleaning["agent"].str.contains(r"bot|crawl|spider", case=False, regex=True, na=False)
    cleaning.refuse(named, "a robot: it says so")
    probe = cleaning["path"].str.contains(r"^/(?:robots\.txt|wp-login|\.env)", regex=True, na=False)
    cleaning.refuse(probe, "a robot: it asks for what no person asks for")
    nobody = ~cleaning["path"].str.contains(PERSON[source], regex=True, na=False)
    cleaning.refuse(nobody, "a robot: no session or customer in the path")
    moments = parsing.parse_log_moments(cleaning["at"])
    cleaning.table = cleaning.table.assign(requested_at=moments).drop(columns="at")
    read_whole(cleaning, "status", "bytes")
    return finished(cleaning)


def clean_survey(source: str, raw: DataFrame) -> Cleaned:
    """Clean a survey of five answers from 1 to 5.

    Who answers beyond 5, and in even numbers only, took a scale of ten: the answers are halved.
    Who ticks one mark all the way down says nothing: those answers are set aside. Both rules are
    judgements: some people do mean the same mark five times, and who means 1 and 2 on a scale of
    ten writes 2 and 4, which nobody can tell from an answer on a scale of five.

    Parameters
    ----------
    source : "shop.satisfaction" or "operator.leavers".
    raw : `answer_id`, the customer, the date, `q1` to `q5`, `comment`.

    Examples
    --------
    >>> raw = DataFrame({"answer_id": [1, 2], "customer_id": [5, 6], "answered_at": ["2024-09-01"] * 2,
    ...                  "q1": [8, 3], "q2": [6, 3], "q3": [10, 3], "q4": [4, 3], "q5": [8, 3]})
    >>> clean_survey("shop.satisfaction", raw).table[["q1", "q2"]].to_numpy().tolist()
    [[4.0, 3.0], [nan, nan]]
    """
    cleaning = Cleaning(source, raw, ["answer_id", *LIKERT])
    read_whole(cleaning, "answer_id", "customer_id")
    cleaning.merge("answer_id")
    read_numbers(cleaning, *LIKERT)
    ten, same = scale_of_ten(cleaning.table), straight_line(cleaning.table)
    for column in LIKERT:
        halved = cleaning[column].where(~ten, cleaning[column] / 2)
        cleaning.repair(column, halved, "scale of ten to five")
        cleaning.set_aside(column, same, "one mark all the way down")
        keep_within(cleaning, column, 1, 5)
    if "comment" in raw:
        said = cleaning["comment"].mask(cleaning["comment"].eq(""))
        cleaning.repair("comment", said, "a blank is a gap")
    return finished(cleaning)


def scale_of_ten(answers: DataFrame) -> Series:
    """Return who answered on a scale of ten: an answer beyond 5, and even numbers only.

    Examples
    --------
    >>> answers = DataFrame([[8, 2, 4, 4, 2], [2, 4, 2, 4, 2], [5, 4, 4, 5, 3]], columns=LIKERT)
    >>> scale_of_ten(answers).tolist()
    [True, False, False]
    """
    marks = answers[LIKERT].astype("float64")
    return marks.gt(5).any(axis=1) & (marks.mod(2).eq(0) | marks.isna()).all(axis=1)


def straight_line(answers: DataFrame) -> Series:
    """Return who ticked the same mark in every question, none skipped.

    Examples
    --------
    >>> answers = DataFrame([[3, 3, 3, 3, 3], [3, 3, 3, 3, 4], [3, 3, 3, 3, None]], columns=LIKERT)
    >>> straight_line(answers).tolist()
    [True, False, False]
    """
    marks = answers[LIKERT].astype("float64")
    return marks.notna().all(axis=1) & marks.nunique(axis=1).eq(1)
