"""Stage 3: texts into numbers, dates, flags and known words; what cannot be read becomes a gap."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import date, datetime

import numpy as np
import pandas as pd
from pandas import DataFrame, Series

LARGEST_EXACT = 2**53  # from here on a decimal number cannot hold every whole one
BLANKS = ("", "-", "?", "n/a", "na", "nan", "none", "null")
PLACEHOLDER_DATES = ("1900-01-01", "1970-01-01")  # what forms and computers write for "no date"
# Yes and no in pairs: half of a pair, known alone, would turn a column into one answer.
YES_NO = (("1", "0"), ("true", "false"), ("t", "f"), ("yes", "no"), ("y", "n"), ("on", "off"),
          ("ja", "nein"), ("j", "n"), ("wahr", "falsch"), ("oui", "non"), ("o", "n"), ("vrai", "faux"),
          ("sí", "no"), ("si", "no"), ("s", "n"), ("verdadero", "falso"), ("vero", "falso"),
          ("sim", "não"), ("verdadeiro", "falso"))  # fmt: skip
_ISO = r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}(?::?\d{2})?)?)?"
_OTHER = (
    r"^(?P<first>\d{1,2})(?P<sign>[./])(?P<second>\d{1,2})(?P=sign)(?P<year>\d{4})"
    r"(?: (?P<hour>[01]?\d|2[0-3]):(?P<minute>[0-5]\d)(?::(?P<seconds>[0-5]\d))?(?P<half> [AP]M)?)?$"
)
_BLANKS = "'\u2019\u00a0\u2009\u202f "  # that may separate thousands in any style
_STYLES = ((".", ","), (",", "."))  # the decimal and the thousands sign
_SCIENTIFIC = re.compile(r"[+-]?\d+(?:[.,]\d*)?[eE][+-]?\d+")


def trimmed(texts: Series) -> Series:
    """Return texts without blanks around them (the unbreakable kind too); gaps stay gaps.

    Examples
    --------
    >>> trimmed(Series([" Basel\\u00a0", None])).tolist()
    ['Basel', nan]
    """
    return texts.astype("str").str.strip()


def blanks_to_gaps(values: Series) -> Series:
    """Return the values with every way of writing "nothing" as a real gap.

    Examples
    --------
    >>> blanks_to_gaps(Series(["mask", "n/a", "-", ""])).isna().tolist()
    [False, True, True, True]
    """
    nothing = values.astype("str").str.strip().str.lower().isin(BLANKS)
    return values.mask(nothing)


def number_style(texts: Series, whole: bool = False) -> tuple[str, str]:
    """Return the decimal and the thousands sign that a column of texts uses.

    One text may be ambiguous ("1,234"); a file's column seldom is. A sign is the decimal one if it
    stands last in a text with both, or once and not as a thousands sign does: before exactly three
    digits and behind one to three that begin with no nought ("0,125" and "1234,567" are decimal).

    Parameters
    ----------
    texts : numbers written by one system, so in one style.
    whole : True when the column holds whole numbers; then every sign separates thousands.

    Raises
    ------
    ValueError
        If both signs are used as the decimal one: two systems have written here.

    Examples
    --------
    >>> number_style(Series(["12,5", "1.234,0"])), number_style(Series(["1,234"]), whole=True)
    ((',', '.'), ('.', ','))
    >>> number_style(Series(["0,125"]))
    (',', '.')
    """
    written = texts.dropna().astype("str").str.strip()
    if whole:
        commas = written.str.contains(",", regex=False).any()
        return (".", ",") if commas else (",", ".")
    found = written.str.extract(r"([.,])(\d+)$")
    grouped = written.str.fullmatch(r"[+-]?[1-9]\d{0,2}[.,]\d{3}").fillna(False).to_numpy(bool)
    other = found[0].map({".": ",", ",": "."})
    counts = {sign: written.str.count(re.escape(sign)) for sign in ".,"}
    once = np.where(found[0].eq("."), counts["."], counts[","]) == 1
    has_other = np.where(other.eq("."), counts["."], counts[","]) > 0
    decimal = once & (has_other | ~grouped) & found[0].notna().to_numpy()
    signs = sorted(found.loc[decimal, 0].unique())
    if len(signs) > 1:
        examples = [written[decimal & found[0].eq(sign)].iloc[0] for sign in signs]
        raise ValueError(
            f"One way of writing numbers was expected in {texts.name}, but {examples[0]!r} and "
            f"{examples[1]!r} stand there. Parse the files one by one, by file name."
        )
    if not signs:
        several = counts["."].gt(1).any()
        return (",", ".") if several else (".", ",")
    return (signs[0], "." if signs[0] == "," else ",")


def parse_numbers(
    texts: Series,
    by: Series | None = None,
    whole: bool = False,
    style: tuple[str, str] | None = None,
) -> Series:
    """Read texts as numbers, whatever the decimal sign; what is no number becomes a gap.

    Thousands stand in groups of three, or in twos before the last three as in India: "1.234.567" and
    "1,01,215" are numbers, "01.09.2024" and "1.2.3" are none. Digits that a spreadsheet has dropped
    from a whole number ("4.91761E+11") make a gap.

    Parameters
    ----------
    texts : numbers or texts of numbers; blanks around them are harmless.
    by : the file or system that each row comes from; the style is found for each.
    whole : True for a column of whole numbers, see `number_style`.
    style : the decimal and the thousands sign, where they are known; else they are found.

    Returns
    -------
    Floats with the same index.

    Examples
    --------
    >>> parse_numbers(Series(["1.234,5", "7,0", "n/a"])).tolist()
    [1234.5, 7.0, nan]
    >>> parse_numbers(Series(["1,5", "1.5"]), by=Series(["a.csv", "b.csv"])).tolist()
    [1.5, 1.5]
    """
    if texts.dtype.kind in "if":
        return texts.astype("float64")
    numbers = Series(np.nan, index=texts.index, dtype="float64", name=texts.name)
    groups = np.zeros(len(texts)) if by is None else by
    codes, names = pd.factorize(groups, use_na_sentinel=False)  # a gap is a group, not -1
    for group in range(len(names)):
        own = np.flatnonzero(codes == group)
        numbers.iloc[own] = _in_one_style(texts.iloc[own], whole, style)
    return numbers


def _in_one_style(texts, whole, style):
    """Read the numbers of one file."""
    typed = texts.map(lambda value: isinstance(value, (int, float, np.number))).to_numpy(bool)
    written = texts.astype("str").str.strip()
    fits = {style: _fits(written, *style, whole) & ~typed for style in _STYLES}
    either = np.logical_or(*fits.values())
    decimal, thousands = style or number_style(written[either].rename(texts.name), whole)
    readable = fits[decimal, thousands]
    written = written.str.replace(r"[.,]0{1,2}$", "", regex=True) if whole else written
    plain = written.str.replace(f"[{_BLANKS}]", "", regex=True)
    plain = plain.str.replace(thousands, "", regex=False).str.replace(decimal, ".", regex=False)

    def floats(values):
        return pd.to_numeric(values, errors="coerce").to_numpy(dtype=float, na_value=np.nan)

    return np.where(typed, floats(texts.where(typed)), floats(plain.where(readable)))


def _fits(written, decimal, thousands, whole):
    """Return where a text is a number in one style."""
    group, point = f"[{re.escape(thousands)}{_BLANKS}]", re.escape(decimal)
    indian = rf"\d{{1,2}}(?:{re.escape(thousands)}\d{{2}})+{re.escape(thousands)}\d{{3}}"
    digits = rf"(?:\d{{1,3}}(?:{group}\d{{3}})+|{indian}|\d+)"
    if whole:  # "5.0" is how a spreadsheet writes a 5, whichever sign it takes
        pattern = rf"[+-]?(?:{digits}|\d+[.,]0{{1,2}})"
    else:
        pattern = rf"[+-]?(?:{digits}(?:{point}\d*)?|{point}\d+)(?:[eE][+-]?\d{{1,3}})?"
    return written.str.fullmatch(pattern).fillna(False).to_numpy(bool)


def parse_whole(texts: Series) -> Series:
    """Read whole numbers such as ids to the last digit; a column with anything else stays decimal.

    Returns
    -------
    Whole numbers, nullable where there are gaps. A number in scientific notation, or one that no
    64 bits hold, has lost digits or would lose them: two customers could share one, so it is a gap.

    Examples
    --------
    >>> parse_whole(Series(["7", "9007199254740993", "4.91761E+11"])).tolist()
    [7, 9007199254740993, <NA>]
    """
    if texts.dtype.kind in "iu":
        return texts
    written = texts.astype("str").str.strip()
    plain = written.str.fullmatch(r"[+-]?\d+").fillna(False).to_numpy(bool)
    exact = {text: int(text) for text in written[plain].unique() if abs(int(text)) < 2**63}
    others = parse_numbers(texts.mask(plain | lost_digits(texts)))
    if (others.dropna() % 1).ne(0).any():
        held = {text: float(one) for text, one in exact.items() if abs(one) <= LARGEST_EXACT}
        return others.fillna(written.map(held).astype("float64"))
    found = Series([exact.get(text) for text in written], texts.index, "Int64", texts.name)
    found = found.fillna(others.where(others.abs().lt(LARGEST_EXACT)).astype("Int64"))
    return found if found.isna().any() else found.astype("int64")


def lost_digits(texts: Series) -> Series:
    """Return where a text is a number in scientific notation, as spreadsheets shorten long ids.

    Examples
    --------
    >>> lost_digits(Series(["4.91761E+11", "7", None])).tolist()
    [True, False, False]
    """
    return texts.map(lambda one: isinstance(one, str) and bool(_SCIENTIFIC.fullmatch(one.strip())))


def parse_dates(texts: Series) -> Series:
    """Read dates and moments: ISO, and with dots or strokes in the order of the column.

    Dates with strokes are read day first if one of them can be nothing else ("25/12/2024"), and else
    month first. Dates with dots are read day first, but month first if one of them can be nothing
    else ("09.13.2024") and none can only be day first. Moments with a zone are brought to UTC.
    Anything else, and a day that is in no calendar, becomes a gap. Placeholders (1970-01-01) are read
    as they stand: see `no_placeholder`.

    Returns
    -------
    Moments without a zone, to the second, or to the microsecond where one has fractions.

    Raises
    ------
    ValueError
        If some dates with strokes can only be read day first, and others only month first.

    Examples
    --------
    >>> texts = Series(["2024-09-01T13:05:00", "01.09.2024 13:05:00", "09/01/2024 01:05:00 PM", "?"])
    >>> parse_dates(texts).dt.strftime("%d %b %H:%M").tolist()
    ['01 Sep 13:05', '01 Sep 13:05', '01 Sep 13:05', nan]
    >>> parse_dates(Series(["25/12/2024", "01/09/2024"])).dt.strftime("%d %b").tolist()
    ['25 Dec', '01 Sep']
    """
    if texts.dtype.kind == "M":
        return texts if texts.dt.tz is None else texts.dt.tz_convert("UTC").dt.tz_localize(None)
    codes, words = pd.factorize(texts.astype("str").str.strip())
    words = Series(words, dtype="str", name=texts.name)
    iso = words.str.fullmatch(_ISO).to_numpy(bool)
    found = pd.to_datetime(words.where(iso), format="ISO8601", errors="coerce", utc=True)
    found = found.dt.tz_localize(None)
    if not iso.all():
        found = found.fillna(_day_or_month_first(words[~iso]).reindex(words.index))
    unit = "us" if found.dt.microsecond.gt(0).any() else "s"
    moments = found.astype(f"datetime64[{unit}]").reindex(codes)  # -1, a gap, is in no index
    return moments.set_axis(texts.index)


def _day_or_month_first(words):
    """Read texts of dates that begin with a day or a month."""
    parts = words.str.extract(_OTHER)
    written = ["first", "second", "year", "hour", "minute", "seconds"]
    numbers = parts[written].astype("float64").fillna(0)
    strokes, dots = parts["sign"].eq("/"), parts["sign"].eq(".")
    only_day = numbers["first"].between(13, 31) & numbers["second"].between(1, 12)
    only_month = numbers["second"].between(13, 31) & numbers["first"].between(1, 12)
    day_first, month_first = strokes & only_day, strokes & only_month
    if day_first.any() and month_first.any():
        raise ValueError(
            f"One way of writing dates was expected in {words.name}, but {words[day_first].iloc[0]!r} "
            f"can only begin with the day and {words[month_first].iloc[0]!r} only with the month. "
            "Parse the files one by one, by file name."
        )
    swapped = strokes & (not day_first.any())
    swapped |= dots & ((dots & only_month).any() and not (dots & only_day).any())
    day = numbers["first"].where(~swapped, numbers["second"])
    month = numbers["second"].where(~swapped, numbers["first"])
    half = parts["half"].str.strip()
    hour = numbers["hour"] % 12 + 12 * half.eq("PM")
    hour = hour.where(half.notna() & numbers["hour"].between(1, 12), numbers["hour"])
    written = parts["sign"].notna() & (half.isna() | numbers["hour"].between(1, 12))
    calendar = DataFrame({"year": numbers["year"], "month": month, "day": day, "hour": hour,
                          "minute": numbers["minute"], "second": numbers["seconds"]})  # fmt: skip
    return pd.to_datetime(calendar[written].astype("int64"), errors="coerce")


def parse_log_moments(texts: Series) -> Series:
    """Read moments as web servers write them, in UTC without a zone; anything else is a gap.

    Examples
    --------
    >>> str(parse_log_moments(Series(["01/Sep/2024:08:22:33 +0200"])).iloc[0])
    '2024-09-01 06:22:33'
    """
    moments = pd.to_datetime(texts, format="%d/%b/%Y:%H:%M:%S %z", errors="coerce", utc=True)
    return moments.dt.tz_localize(None)


def no_placeholder(dates: Series) -> Series:
    """Return the dates with placeholder days as gaps.

    Examples
    --------
    >>> no_placeholder(pd.to_datetime(Series(["1970-01-01", "2024-09-01"]))).isna().tolist()
    [True, False]
    """
    return dates.mask(dates.dt.normalize().isin(pd.to_datetime(list(PLACEHOLDER_DATES))))


def parse_flags(values: Series) -> Series:
    """Read yes and no in several languages as a nullable boolean; anything else is a gap.

    A column whose known words all mean the same, beside one other word that comes again, holds half
    of a pair that is not known here; then nothing of it is read.

    Examples
    --------
    >>> parse_flags(Series(["Ja", "N", True, "perhaps"])).tolist()
    [True, False, True, <NA>]
    >>> parse_flags(Series(["no", "igen", "no", "igen"])).isna().tolist()
    [True, True, True, True]
    """
    words = values.astype("str").str.strip().str.lower().replace({"1.0": "1", "0.0": "0"})
    known = {word: word in {yes for yes, _ in YES_NO} for pair in YES_NO for word in pair}
    flags = words.map(known).astype("boolean")
    unknown = words[flags.isna() & ~words.isin(BLANKS)].value_counts()
    half = len(flags.dropna().unique()) == 1 and len(unknown) == 1 and unknown.iloc[0] > 1
    return flags.mask(flags.notna()) if half else flags


def parse_ages(values: Series) -> Series:
    """Read an age as people type it: 29, "29 years", "29y", "age 29"; anything else is a gap.

    Examples
    --------
    >>> parse_ages(Series([29, "29 years", "age 31", "young"])).tolist()
    [29, 29, 31, <NA>]
    """
    words = values.astype("str").str.strip().str.lower()
    found = words.str.extract(r"^(?:age)? ?(\d{1,3})(?:\.0)? ?(?:y|years?)?$")[0]
    return pd.to_numeric(found).astype("Int64")


def spelling_key(text: str) -> str:
    """Return what is left of a word when case, blanks, hyphens and dots do not count.

    Examples
    --------
    >>> spelling_key(" Sun-Care.") == spelling_key("SUN CARE")
    True
    """
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFC", text).casefold())


def one_spelling(
    values: Series, known: Iterable[str], also: Mapping[str, str] | None = None
) -> Series:
    """Return each word in its one agreed spelling; a word that fits none or several is a gap.

    A spelling fits a known word when they differ in case, blanks, hyphens or a plural s only, or
    when it is an abbreviation with a dot that begins exactly one known word.

    Parameters
    ----------
    values : words as written.
    known : the agreed spellings.
    also : further spellings that only people know to be the same, such as `{"greasy": "oily"}`.

    Examples
    --------
    >>> one_spelling(Series(["SUN CARE", "sun-care", "sun.", "masks", "soap"]), ["sun care", "mask"]).tolist()
    ['sun care', 'sun care', 'sun care', 'mask', nan]
    """
    known = sorted(set(known))
    written = values.dropna().astype("str")
    found = {text: _fitting(text, known, also or {}) for text in written.unique().tolist()}
    return values.astype("str").map(found).astype("str")


def _fitting(text, known, also):
    """Return the one known word that `text` spells, or nothing."""
    if text in known:
        return text
    key = spelling_key(text)
    same = [word for word in known if spelling_key(word) == key]
    same = same or [word for text, word in also.items() if spelling_key(text) == key]
    same = same or [word for word in known if f"{spelling_key(word)}s" == key]
    if not same and len(key) >= 3 and text.strip().endswith("."):
        same = [word for word in known if spelling_key(word).startswith(key)]
    return same[0] if len(set(same)) == 1 else None


def typed(table: DataFrame) -> DataFrame:
    """Give columns of plain Python values the type that holds them; no value changes.

    A reader leaves a number a number and a text a text, in columns of any objects. A column that
    mixes them stays as it is: what the texts mean is for its cleaning to say. A list or an object
    of JSON in a cell becomes its text, which no rule takes for a number or a known word.

    Examples
    --------
    >>> table = DataFrame({"age": [31, None], "rating": [5, "4"], "on": [True, False]}, dtype=object)
    >>> typed(table).dtypes.astype(str).tolist()
    ['Int64', 'object', 'bool']
    """
    columns = [name for name in table.columns if table[name].dtype == object]
    return table.assign(**{name: _typed(table[name]) for name in columns})


def _typed(values):
    """Return a column of objects in the type of its values, if they are of one."""
    nested = values.map(lambda one: isinstance(one, (list, dict, tuple, set)))
    if nested.any():
        values = values.mask(nested, values[nested].map(lambda one: json.dumps(one, default=str)))
    kinds = {type(one) for one in values[values.notna()]}
    gaps = values.isna().any()
    if kinds and kinds <= {date, datetime}:
        zones = {getattr(one, "tzinfo", None) and one.utcoffset() for one in values[values.notna()]}
        if None in zones and len(zones) > 1:
            return values  # clocks with a zone and without one
        return pd.to_datetime(values, utc=len(zones) > 1)  # summer and winter are two
    if kinds == {int, float}:
        huge = values.map(lambda one: isinstance(one, int) and abs(one) > LARGEST_EXACT)
        return values if huge.any() else values.astype("float64")
    dtypes = {bool: "boolean" if gaps else "bool", int: "Int64" if gaps else "int64",
              float: "float64", str: "str"}  # fmt: skip
    found = dtypes.get(kinds.pop()) if len(kinds) == 1 else None
    try:
        return values.astype(found) if found else values
    except OverflowError:  # a whole number beyond 64 bits: no id and no amount
        return values


def rewritten(written: Series, values: Series) -> Series:
    """Return where reading a column did more than to give all of it a type.

    Examples
    --------
    >>> rewritten(Series(["12", "1.058,5"]), Series([12.0, 1058.5])).tolist()
    [False, True]
    >>> rewritten(Series([4, "5"], dtype=object), Series([4.0, 5.0])).tolist()
    [False, True]
    """
    if values.dtype.kind == "M":
        read = pd.to_datetime(written, format="ISO8601", errors="coerce", utc=True)
        return read.dt.tz_localize(None) != values
    if values.dtype.kind not in "iuf":
        return written.astype("str").ne(values.astype("str"))
    if written.dtype == object:  # a text among numbers was mended, a number was none
        written = written.mask(written.map(lambda one: isinstance(one, str)), None)
    return pd.to_numeric(written, errors="coerce") != values


def fahrenheit_to_celsius(values: Series) -> Series:
    """Return degrees Celsius, to a tenth.

    Examples
    --------
    >>> fahrenheit_to_celsius(Series([41.0, 32.0])).tolist()
    [5.0, 0.0]
    """
    return ((values - 32) * 5 / 9).round(1)


def to_eur(
    amounts: Series, currency: Series, unit: Series, per_euro: Mapping[str, float]
) -> Series:
    """Return amounts in euro, to a cent; a currency without a rate gives a gap.

    Parameters
    ----------
    currency : of each amount; EUR needs no rate.
    unit : "cent" for hundredths, anything else for whole units.
    per_euro : what one euro costs in each currency.

    Examples
    --------
    >>> to_eur(Series([10.8, 1250.0]), Series(["USD", "EUR"]), Series(["whole", "cent"]), {"USD": 1.08}).tolist()
    [10.0, 12.5]
    """
    rates = currency.map({"EUR": 1.0, **per_euro}).astype("float64")
    return (amounts / rates / np.where(unit.eq("cent"), 100, 1)).round(2)


def hundredfold(values: Series, reference: Series) -> Series:
    """Return where an amount is a hundred times too large: it was written in cents.

    Parameters
    ----------
    values : amounts that should be in euro.
    reference : what the same thing costs by another source, in euro; a gap decides nothing, and no
        true amount is more than eight times as high.

    Examples
    --------
    >>> hundredfold(Series([12.5, 1250.0]), Series([12.5, 12.5])).tolist()
    [False, True]
    """
    return values.gt(8 * reference) & reference.gt(0)
