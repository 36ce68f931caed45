"""What goes wrong in production: incidents with a name, a first month and a size.

A world is given the incidents of its future as data: `Shop(incidents=[Incident("season", month=4)])`.
Behaviour incidents change what customers do; each world reads them from its `Schedule`. Record
incidents change what the systems hold or hand over, and nothing else (`effects`). Service incidents
hit the version of the model that serves when they begin, and go when another one serves. A quiet
variation, such as a promotion, is scheduled alike and is no incident: an alarm about it is false.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pandas as pd

from helpers.lifecycle import Cause
from helpers.worlds.play import MONTHS, CannotPlay, is_whole, plainly, require_number


@dataclass(frozen=True)
class Kind:
    """What all incidents of one name share."""

    name: str
    worlds: tuple[str, ...]
    size: float
    least: float
    most: float
    means: str  # what size counts
    what: str
    cause: Cause | None  # None for a quiet variation, which is no incident
    lasts: int = MONTHS  # months, unless `until` says otherwise
    whole: bool = False  # size is a whole number
    seen_after: int = 0  # days from the onset to the first trace in the tables


WAVE_SHARE = 0.10  # of the first catalogue, launched in each month of the wave
GREEN_WEIGHT = 0.8  # of sustainability in what customers want
_SHOP, _OPERATOR, _BOTH = ("shop",), ("operator",), ("shop", "operator")
_KINDS = (
    Kind("launch_wave", _SHOP, WAVE_SHARE, 0.04, 0.5, "share of the first catalogue that is launched in each month of the wave", "a new generation of products makes the old one disappoint", Cause.DATA_INSUFFICIENT, lasts=2),
    Kind("season", _SHOP, 1.5, 1.0, 3.0, "exponent on how much more or less each category is needed", "the warm season of month 6 comes in this month instead", Cause.FEATURES_MISSING),
    Kind("competitor", _OPERATOR, 1.0, 0.2, 2.0, "multiple of the change in the logits of leaving", "a competitor leaves alone those who are free to leave and buys others out of their contracts", Cause.MODEL_OBSOLETE, seen_after=1),
    Kind("price_rise", _BOTH, 0.15, 0.02, 1.0, "share by which prices rise", "prices rise, and those who mind leave or buy otherwise", Cause.MODEL_OBSOLETE),
    Kind("feedback_loop", _SHOP, 0.8, 0.3, 1.0, "share of the searches that fall away", "the list replaces the search page, so what is bought is what was shown", Cause.DATA_INSUFFICIENT),
    Kind("new_goal", _SHOP, GREEN_WEIGHT, 0.1, 3.0, "weight of sustainability in what customers want", "sustainability scores are published, and customers weigh them", Cause.REQUIREMENTS_CHANGED),
    Kind("price_in_cents", _BOTH, 0.3, 0.01, 1.0, "share of the brands, or of the towers, concerned", "one supplier of amounts sends cents instead of euro", Cause.DATA_QUALITY),
    Kind("renamed_column", _BOTH, 1, 1, 3, "number of columns renamed", "a system is updated and its columns have other names", Cause.DATA_QUALITY, whole=True),
    Kind("remapped_code", _BOTH, 1.0, 0.05, 1.0, "share of the customers whose row is written by the new system", "a system writes each code in the place of another", Cause.DATA_QUALITY),
    Kind("dead_feed", _BOTH, 0.3, 0.2, 1.0, "share of the sessions, or of the towers, that fall silent", "a feed is dead from a day of the month on", Cause.DATA_INSUFFICIENT),
    Kind("double_delivery", _BOTH, 0.2, 0.01, 1.0, "share of the rows delivered twice", "a queue delivers rows twice", Cause.DATA_QUALITY),
    Kind("clock_skew", _BOTH, 5.0, 1.0, 24.0, "hours by which the clock is behind", "the clock of one machine, which writes three rows in ten, is behind", Cause.DATA_QUALITY),
    Kind("training_serving_skew", _BOTH, 1.0, 0.05, 1.0, "share of the products, or of the customers, given otherwise", "what the model is given is not computed as what it learned from", Cause.INFRASTRUCTURE),
    Kind("label_delay", _BOTH, 10.0, 3.0, 60.0, "days added to the delay in each further month", "labels arrive later from month to month", Cause.DATA_INSUFFICIENT),
    Kind("error_rate", _BOTH, 0.1, 0.03, 1.0, "share of the requests that are refused", "the service refuses requests", Cause.INFRASTRUCTURE),
    Kind("bad_release", _BOTH, 0.5, 0.1, 1.0, "share of the requests that are answered at random", "a release goes out with a broken model, and its answers are random", Cause.INFRASTRUCTURE),
    Kind("slow_model", _BOTH, 40.0, 2.0, 1000.0, "multiple of the latency", "the model answers slowly, and what takes more than a second times out", Cause.INFRASTRUCTURE),
    Kind("full_disk", _BOTH, 0.5, 0.05, 1.0, "share of the month that is lost, its end", "the disk is full, and the logs are lost until the month ends", Cause.INFRASTRUCTURE, lasts=1),
    Kind("target_leak", _BOTH, 0.95, 0.1, 1.0, "share of the outcomes that the new column gives away", "a stored table has a column that is filled after the fact", Cause.DATA_QUALITY),
    Kind("bot_traffic", _BOTH, 0.3, 0.05, 5.0, "robots' sessions, or requests, for each of a person", "a robot repeats what people asked for, faster than a person can", Cause.DATA_QUALITY),
)  # fmt: skip
_VARIATIONS = (
    Kind("promotion", _BOTH, 0.2, 0.05, 0.5, "share by which prices are lower", "a promotion: prices are lower for a month", None, lasts=1),
    Kind("holiday", _BOTH, 0.4, 0.1, 1.0, "share by which visits, or usage, are up", "a holiday month: people have more time", None, lasts=1),
    Kind("growth", _BOTH, 1.0, 0.5, 3.0, "multiple of the shop's usual newcomers that comes on top; of an operator, how often 2 % of its customers", "the business grows: more newcomers each month", None),
)  # fmt: skip
_BY_NAME = {kind.name: kind for kind in (*_KINDS, *_VARIATIONS)}


@dataclass(frozen=True)
class Incident:
    """Something that goes wrong, or changes, from a month on.

    Attributes
    ----------
    name : one of those in `incident_table` or `variation_table`.
    month : first month, 1 to 12.
    size : how large, in the unit and range that the table tells; None for the usual size.
    until : last month, from `month` to 12; None for the usual length: to month 12, but one month
        for full_disk, promotion and holiday, and two for launch_wave.

    Raises
    ------
    CannotPlay
        If there is no such incident, or a number is out of its range.

    Examples
    --------
    >>> Incident("competitor", month=7)
    Incident(name='competitor', month=7, size=1.0, until=12)
    >>> Incident("competiter", month=7)
    Traceback (most recent call last):
    helpers.worlds.play.CannotPlay: no incident is named 'competiter': did you mean 'competitor'? ...
    """

    name: str
    month: int
    size: float | None = None
    until: int | None = None

    def __post_init__(self):
        kind = _require_kind(self.name)
        _require_month("month", self.month, 1, self.name)
        if self.size is None:
            object.__setattr__(self, "size", kind.size)
        if self.until is None:
            object.__setattr__(self, "until", min(MONTHS, self.month + kind.lasts - 1))
        _require_month("until", self.until, self.month, self.name)
        _require_size(self.size, kind)

    @property
    def kind(self) -> Kind:
        """What all incidents of this name share."""
        return _BY_NAME[self.name]


class Schedule:
    """The incidents of one world, by name; a world reads here what is on in a month.

    Parameters
    ----------
    incidents : at most one of each name.
    world : "shop" or "operator".
    repaired : incident -> the moment from which on it does no more harm.

    Raises
    ------
    CannotPlay
        If one is no `Incident`, is named twice, or belongs to the other world.

    Examples
    --------
    >>> schedule = Schedule([Incident("competitor", month=4)], "operator")
    >>> schedule.size("competitor", 3), schedule.size("competitor", 4)
    (0.0, 1.0)
    """

    def __init__(
        self,
        incidents: Sequence[Incident],
        world: str,
        repaired: Mapping[str, pd.Timestamp] = MappingProxyType({}),
    ):
        self.incidents, self.world = _require_incidents(incidents, world), world
        self.repaired = dict(repaired)
        self._by_name = {one.name: one for one in self.incidents}

    def get(self, name: str) -> Incident | None:
        """Return the incident of that name, None if there is none in this world."""
        return self._by_name.get(name)

    def size(self, name: str, month: int) -> float:
        """Return the size of an incident in `month`, 0.0 when it is not on."""
        one = self.get(name)
        return float(one.size) if one and one.month <= month <= one.until else 0.0

    def repair(self, name: str, moment: pd.Timestamp) -> Schedule:
        """Return the schedule with one incident repaired: from `moment` on it does no more harm."""
        return Schedule(self.incidents, self.world, {**self.repaired, name: moment})


def incident_table() -> pd.DataFrame:
    """List what can go wrong.

    Returns
    -------
    One row a kind: `name`, `worlds` ("shop", "operator" or "both"), `size` (the usual one),
    `smallest`, `largest`, `size_means`, `what`, `cause` (name in `helpers.lifecycle.Cause`) and
    `reopen` (title of the stage).

    Examples
    --------
    >>> incident_table().set_index("name").loc["new_goal", ["worlds", "reopen"]].tolist()
    ['shop', 'Problem Definition']
    """
    table = _tabulated(_KINDS)
    table["cause"] = [kind.cause.name for kind in _KINDS]
    table["reopen"] = [kind.cause.reopens.title for kind in _KINDS]
    return table


def variation_table() -> pd.DataFrame:
    """List what varies though nothing is wrong: no stage is to be reopened for it.

    Returns
    -------
    As `incident_table`, without `cause` and `reopen`.

    Examples
    --------
    >>> variation_table()["name"].tolist()
    ['promotion', 'holiday', 'growth']
    """
    return _tabulated(_VARIATIONS)


def incident(seed: int, world: str | None = None) -> Incident:
    """Draw an incident: any kind, a month from 2 to 10, a size within the range of its kind.

    Each kind is equally frequent: so many seeds in a row as there are kinds draw each once.

    Parameters
    ----------
    seed : a whole number from 0; the same one draws the same incident.
    world : "shop" or "operator" for one that this world can have; None for any.

    Raises
    ------
    CannotPlay
        If `seed` or `world` is neither.

    Examples
    --------
    >>> incident(7) == incident(7), "operator" in incident(7, world="operator").kind.worlds
    (True, True)
    """
    require_number("seed", seed, 0, math.inf, 7)
    if world is not None and not (isinstance(world, str) and world in _BOTH):
        raise CannotPlay(f'world is "shop", "operator" or None for any; got {world!r}: name one.')
    kinds = [kind for kind in _KINDS if world is None or world in kind.worlds]
    block, place = divmod(int(seed), len(kinds))
    kind = kinds[np.random.default_rng([block, *b"kinds"]).permutation(len(kinds))[place]]
    rng = np.random.default_rng([int(seed), *b"incident"])
    month, luck = int(rng.integers(2, 11)), rng.random()
    size = kind.least * (kind.most / kind.least) ** luck  # as many small as large ones
    return Incident(kind.name, month, round(size) if kind.whole else _rounded(size, kind))


def incidents(seed: int, world: str, count: int) -> list[Incident]:
    """Draw several incidents of one world that happen in the same year, each of another kind.

    Parameters
    ----------
    seed : a whole number from 0.
    world : "shop" or "operator".
    count : from 1 to 5.

    Raises
    ------
    CannotPlay
        If one of them is not.

    Examples
    --------
    >>> [one.name for one in incidents(7, "shop", 2)] == [one.name for one in incidents(7, "shop", 2)]
    True
    """
    require_number("count", count, 1, 5, 2)
    require_number("seed", seed, 0, math.inf, 7)
    drawn = {}
    for following in range(2 * count):  # two blocks of seeds may begin with the same kind
        one = incident(count * int(seed) + following, world)
        drawn.setdefault(one.name, one)
    return list(drawn.values())[:count]


def running(schedule: Schedule, month: int, names: Sequence[str]) -> list[Incident]:
    """Return those of the named incidents that are on in `month`, in the order of `names`."""
    found = [schedule.get(name) for name in names]
    return [one for one in found if one and one.month <= month <= one.until]


def truth_table(schedule: Schedule, onsets: dict, affected: dict) -> pd.DataFrame:
    """Tabulate the incidents of one world: `onsets` and `affected` by name, from the world.

    `evidence_from` is the first day on which the business could see anything of it. Quiet
    variations are left out.
    """
    columns = ["name", "month", "until", "size", "onset", "evidence_from", "repaired_from", "affected", "what", "cause", "reopen"]  # fmt: skip
    rows = []
    for one in [one for one in schedule.incidents if one.kind.cause]:
        onset, kind = onsets[one.name], one.kind
        seen = (onset + pd.Timedelta(days=kind.seen_after)).floor("D")
        times = [onset, seen, schedule.repaired.get(one.name, pd.NaT)]
        told = [affected[one.name], kind.what, kind.cause.name, kind.cause.reopens.title]
        rows.append([one.name, one.month, one.until, one.size, *times, *told])
    times = dict.fromkeys(["onset", "evidence_from", "repaired_from"], "datetime64[s]")
    table = pd.DataFrame(rows, columns=columns)
    return table.astype({**times, "month": int, "until": int, "size": float})


def require_known(name: object, tables: Sequence[str]) -> None:
    """Raise CannotPlay unless `name` is an incident's or one of the `tables`.

    Examples
    --------
    >>> require_known("orders", ["orders"])
    """
    known = [*_BY_NAME, *tables]
    if not isinstance(name, str) or name not in known:
        near = difflib.get_close_matches(str(name), known, n=1)
        hint = f": did you mean {near[0]!r}?" if near else "."
        raise CannotPlay(
            f"what is repaired is an incident or a table; got {plainly(name)}{hint} The tables are "
            f"{', '.join(tables)}; incident_table() lists the incidents."
        )


def _tabulated(kinds):
    """Return the table of some kinds."""
    rows = [
        {
            "name": kind.name,
            "worlds": "both" if len(kind.worlds) == 2 else kind.worlds[0],
            "size": float(kind.size),
            "smallest": float(kind.least),
            "largest": float(kind.most),
            "size_means": kind.means,
            "what": kind.what,
        }
        for kind in kinds
    ]
    return pd.DataFrame(rows)


def _rounded(size, kind):
    """Return the size to three digits, within the range of its kind."""
    return min(kind.most, max(kind.least, float(f"{size:.3g}")))


def _require_kind(name):
    """Return the kind of that name; stop if there is none."""
    if isinstance(name, str) and name in _BY_NAME:
        return _BY_NAME[name]
    near = difflib.get_close_matches(name, _BY_NAME, n=1) if isinstance(name, str) else []
    hint = f": did you mean {near[0]!r}?" if near else "."
    raise CannotPlay(f"no incident is named {plainly(name)}{hint} There are {', '.join(_BY_NAME)}.")


def _require_month(what, month, least, name):
    """Stop unless `month` is a month from `least` to 12."""
    if not is_whole(month) or not least <= month <= MONTHS:
        raise CannotPlay(
            f"{what} of {name} is a whole number from {least} to {MONTHS}; got {plainly(month)}: "
            f"write for instance {what}={least}."
        )


def _require_size(size, kind):
    """Stop unless `size` is a number that an incident of this kind can have."""
    number = isinstance(size, int | float | np.integer | np.floating) and not isinstance(size, bool)
    fits = number and kind.least <= size <= kind.most  # no NaN does
    if not fits or (kind.whole and size != round(size)):
        raise CannotPlay(
            f"size of {kind.name} ({kind.means}) is a {'whole ' if kind.whole else ''}number from "
            f"{kind.least:g} to {kind.most:g}; got {plainly(size)}: leave it out for {kind.size:g}."
        )


def _require_incidents(incidents, world):
    """Return the incidents as a tuple; stop at one that this world cannot have."""
    example = 'Incident("price_in_cents", month=4)'
    if isinstance(incidents, str | Incident) or not isinstance(incidents, Sequence):
        raise CannotPlay(
            f"incidents is a list of Incident; got {incidents!r}: write incidents=[{example}], or [] "
            "for none."
        )
    names = set()
    for one in incidents:
        if not isinstance(one, Incident):
            raise CannotPlay(f"incidents holds Incident only; got {one!r}: write {example}.")
        if world not in one.kind.worlds:
            raise CannotPlay(
                f"{one.name} happens to the {one.kind.worlds[0]} only; this world is the {world}: "
                "take it out of incidents."
            )
        if one.name in names:
            raise CannotPlay(f"one incident of a name is possible; got {one.name} twice: keep one.")
        names.add(one.name)
    return tuple(incidents)
