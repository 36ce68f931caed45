"""What the worlds share: a month that cannot be played, what they refuse alike, and a draw."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Mapping
from numbers import Real

import numpy as np

MONTHS = 12


class CannotPlay(ValueError):
    """A month cannot be played: what was expected, what came, what to do.

    Examples
    --------
    >>> raise CannotPlay("month counts from 1 to 12; got 13: play months 1 to 12, in order.")
    Traceback (most recent call last):
    helpers.worlds.play.CannotPlay: month counts from 1 to 12; got 13: play months 1 to 12, in order.
    """


def plainly(value: object) -> str:
    """Return a value as a message shows it: a NumPy number as the plain number that it is.

    Examples
    --------
    >>> plainly(np.int64(2)), plainly(np.float64("nan")), plainly("2")
    ('2', 'nan', "'2'")
    """
    return repr(value.item() if isinstance(value, np.generic) else value)


def is_whole(value: object) -> bool:
    """Return whether a value is a whole number and no flag.

    Examples
    --------
    >>> is_whole(np.int64(2)), is_whole(2.0), is_whole(True)
    (True, False, False)
    """
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def require_month(month: object) -> None:
    """Raise CannotPlay unless `month` is a whole number from 1 to 12.

    Examples
    --------
    >>> require_month(12)
    """
    require_number("month", month, 1, MONTHS, 1)


def require_next(month: object, following: int, playing: bool, world: str) -> None:
    """Raise CannotPlay unless `month` is `following`, the one to play now, and none is being played.

    Examples
    --------
    >>> require_next(3, 3, False, "Shop")
    """
    if playing:
        raise CannotPlay(
            f"decide was to return a table, but it called play({plainly(month)}); a month cannot be "
            "played within another: take that call out of decide."
        )
    if following > MONTHS:
        raise CannotPlay(
            f"the year ends after month {MONTHS}, which has been played; got {plainly(month)}: "
            f"make a new {world}."
        )
    if not is_whole(month) or month != following:
        raise CannotPlay(
            f"months are played once each and in order, so month {following} was expected; got "
            f"{plainly(month)}: play month {following} next."
        )


def planned(incidents: object, story: object, usual: object, stories: Mapping) -> object:
    """Return the incidents of a story, or, without one, those given.

    Parameters
    ----------
    usual : the incidents that a world has when none are given.
    stories : name -> its incidents.

    Raises
    ------
    CannotPlay
        If there is no such story, or incidents are given beside it.

    Examples
    --------
    >>> planned((), None, (), {"quiet": ()}), planned((), "quiet", (), {"quiet": ()})
    ((), ())
    """
    if story is None:
        return incidents
    if not isinstance(story, str) or story not in stories:
        raise CannotPlay(
            f"story is one of {', '.join(map(repr, stories))}; got {plainly(story)}: name one, or "
            "give incidents."
        )
    if incidents is not usual:
        raise CannotPlay(
            f"incidents and story both say what happens; got both: leave out story={story!r}, or the "
            "incidents."
        )
    return stories[story]


def answer_of(decide: Callable, given: object, month: int) -> object:
    """Return what `decide` makes of what it is given in `month`; what it raises is CannotPlay.

    Examples
    --------
    >>> answer_of(len, [1, 2], 1)
    2
    """
    try:
        return decide(given)
    except CannotPlay:
        raise
    except Exception as error:
        raise CannotPlay(
            f"decide was to return a table for month {month}, but it raised "
            f"{type(error).__name__}: {error}. Mend it and play month {month} again."
        ) from error


def require_number(
    name: str, value: object, least: float, most: float, usual: float, *, whole: bool = True
) -> None:
    """Raise CannotPlay unless `value` is a number from `least` to `most`; `usual` is one that is.

    Examples
    --------
    >>> require_number("seed", 7, 0, math.inf, 7)
    """
    number = is_whole(value) if whole else isinstance(value, Real) and not isinstance(value, bool)
    if not number or not least <= value <= most:
        span = f"of at least {least}" if most == math.inf else f"from {least} to {most}"
        raise CannotPlay(
            f"{name} is a {'whole ' if whole else ''}number {span}; got {plainly(value)}: write for "
            f"instance {name}={usual}."
        )


def require_function(found: object, name: str, example: str) -> None:
    """Raise CannotPlay unless `found`, the argument `name`, can be called; `example` is one that can.

    Examples
    --------
    >>> require_function(len, "decide", "at_random")
    """
    if not callable(found):
        raise CannotPlay(
            f"{name} has to be a function, which the world calls; got a "
            f"{type(found).__name__}: pass one, for instance {example}."
        )


def require_world(world: object, kind: type) -> None:
    """Raise CannotPlay unless `world` is of the kind whose truth is asked for.

    Examples
    --------
    >>> require_world("a world", str)
    """
    if not isinstance(world, kind):
        raise CannotPlay(
            f"{kind.__name__}Truth tells of a world of type {kind.__name__}; got one of type "
            f"{type(world).__name__}: pass such a world, or take the other truth."
        )


def close(values: dict) -> None:
    """Let nobody write into the arrays among `values`.

    Examples
    --------
    >>> needs = np.zeros(3)
    >>> close({"needs": needs})
    >>> needs[0] = 1
    Traceback (most recent call last):
    ValueError: assignment destination is read-only
    """
    for array in [value for value in values.values() if isinstance(value, np.ndarray)]:
        array.setflags(write=False)


def luck(seed: int, month: int, purpose: str, *keys: np.ndarray | int) -> np.ndarray:
    """Return numbers in [0, 1) that belong to whole numbers, whatever else happens or is drawn.

    So the same customer, day or pair of customer and product has the same luck under every policy,
    asked alone or with others (common random numbers).

    Parameters
    ----------
    purpose : what the luck is for; another purpose, month or seed gives independent numbers.
    keys : whole numbers that broadcast against each other.

    Source
    ------
    SplitMix64's finaliser, applied once for each key (Steele, Lea & Flood 2014).

    Examples
    --------
    >>> alone, beside = luck(7, 1, "clicks", 3, 5), luck(7, 1, "clicks", [2, 3], [4, 5])
    >>> bool(alone == beside[1]), bool(alone == luck(7, 1, "looks", 3, 5))
    (True, False)
    """
    start = (seed * 0x9E3779B97F4A7C15 + (int(month) << 40) + zlib.crc32(purpose.encode())) % 2**64
    with np.errstate(over="ignore"):
        bits = _mixed(np.asarray(start, dtype=np.uint64))
        for key in keys:
            bits = _mixed(bits + np.asarray(key).astype(np.uint64) * _GOLDEN)
    return (bits >> np.uint64(11)) * 2.0**-53


_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def _mixed(bits):
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


def pick(shares: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw one column number per row of `shares`, whose rows each add up to about one.

    Examples
    --------
    >>> pick(np.array([[0.0, 1.0], [1.0, 0.0]]), np.random.default_rng(7)).tolist()
    [1, 0]
    """
    return np.minimum(
        (rng.random(len(shares))[:, None] > shares.cumsum(axis=1)).sum(axis=1), shares.shape[1] - 1
    )
