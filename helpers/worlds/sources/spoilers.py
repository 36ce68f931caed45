"""Ways to spoil a value: each takes plain values and a random stream, and returns as many values.

The value behind a spoiled one can be found again by reading it well, except where it is lost
(`blank`, `out_of_range`) and has to be looked up elsewhere or set aside.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

BLANKS = ["", "NA", "-", "n/a"]


def blank(values, rng):
    """Write nothing, in one of four ways.

    Examples
    --------
    >>> set(blank(["a"] * 50, np.random.default_rng(7))) == set(BLANKS)
    True
    """
    return [BLANKS[n] for n in rng.integers(0, 4, len(values))]


def missing(values, rng):
    """Leave the value out altogether."""
    return [None] * len(values)


def spelling(values, rng):
    """Spell a word in another way: five spellings with the right one.

    Examples
    --------
    >>> sorted(set(spelling(["sun care"] * 50, np.random.default_rng(7))))
    ['SUN CARE', 'Sun Care', 'sun-care', 'sun.']
    """
    ways = [
        str.upper,
        lambda text: text.title() if text.title() != text else text.lower(),
        lambda text: text.replace(" ", "-") if " " in text else f"{text}s",
        lambda text: f"{text[:4].strip()}.",
    ]
    return [ways[n](text) for n, text in zip(rng.integers(0, 4, len(values)), values, strict=True)]


def whitespace(values, rng):
    """Add blanks before or behind, one of them the kind that does not break."""
    ways = [" {}", "{} ", "  {} ", "{}\u00a0"]
    return [ways[n].format(v) for n, v in zip(rng.integers(0, 4, len(values)), values, strict=True)]


def number_as_text(values, rng):
    """Write a number between quotes.

    Examples
    --------
    >>> number_as_text([5, 2.5], None)
    ['5', '2.5']
    """
    return [str(value) for value in values]


def cents(values, rng):
    """Write an amount in hundredths, without a word about it.

    Examples
    --------
    >>> cents([12.5], None)
    [1250.0]
    """
    return [float(round(100 * value)) for value in values]


def out_of_range(wrong: list) -> Callable:
    """Return the spoiler that writes one of the values that cannot be.

    Examples
    --------
    >>> out_of_range([999])([31], np.random.default_rng(7))
    [999]
    """
    return lambda values, rng: [wrong[n] for n in rng.integers(0, len(wrong), len(values))]


def date_format(values, rng):
    """Write a date as in Germany (day first, dots) or the United States (month first, strokes).

    Examples
    --------
    >>> sorted(set(date_format(["2024-09-01T13:05:00"] * 9, np.random.default_rng(7))))
    ['01.09.2024 13:05:00', '09/01/2024 01:05:00 PM']
    """
    ways = [_german, _american]
    return [ways[n](text) for n, text in zip(rng.integers(0, 2, len(values)), values, strict=True)]


def placeholder_date(values, rng):
    """Write the day on which computers count from, as forms do where a date is asked for."""
    return ["1970-01-01" + "T00:00:00" * ("T" in text) for text in values]


def wrong_scale(values, rng):
    """Answer on a scale of 10 where one of 5 was asked for.

    Examples
    --------
    >>> wrong_scale([4], None)
    [8]
    """
    return [2 * value for value in values]


def age_in_words(values, rng):
    """Type an age as people do.

    Examples
    --------
    >>> sorted(set(age_in_words([29] * 20, np.random.default_rng(7))))
    ['29 years', '29y', 'age 29']
    """
    ways = ["{} years", "{}y", "age {}"]
    return [ways[n].format(v) for n, v in zip(rng.integers(0, 3, len(values)), values, strict=True)]


def flag_in_words(values, rng):
    """Type yes or no as people do."""
    ways = [("no", "yes"), ("N", "Y"), ("nein", "ja"), ("0", "1")]
    return [ways[n][bool(v)] for n, v in zip(rng.integers(0, 4, len(values)), values, strict=True)]


def in_currency(values, rng):
    """Write an amount in another currency, named beside it.

    Examples
    --------
    >>> sorted(set(in_currency([10.0] * 9, np.random.default_rng(7))))
    ['10.8 USD', '9.6 CHF']
    """
    names = list(PER_EURO)
    picked = [names[n] for n in rng.integers(0, len(names), len(values))]
    return [
        f"{round(value * PER_EURO[name], 4)} {name}"
        for value, name in zip(values, picked, strict=True)
    ]


PER_EURO = {"CHF": 0.96, "USD": 1.08}  # what one euro costs


def in_cents(values, rng):
    """Write an amount in cents, with the word beside it.

    Examples
    --------
    >>> in_cents([12.5], None)
    ['1250 cent']
    """
    return [f"{round(100 * value)} cent" for value in values]


def fahrenheit(values, rng):
    """Write a temperature in degrees Fahrenheit.

    Examples
    --------
    >>> fahrenheit([5.0], None)
    [41.0]
    """
    return [float(np.round(value * 9 / 5 + 32, 1)) for value in values]


def _german(text):
    """Write ISO text with the day first."""
    return f"{text[8:10]}.{text[5:7]}.{text[:4]}" + (f" {text[11:]}" if "T" in text else "")


def _american(text):
    """Write ISO text with the month first and the hours counted to twelve."""
    date = f"{text[5:7]}/{text[8:10]}/{text[:4]}"
    if "T" not in text:
        return date
    hour = int(text[11:13])
    return f"{date} {(hour + 11) % 12 + 1:02d}{text[13:]} {'AM' if hour < 12 else 'PM'}"
