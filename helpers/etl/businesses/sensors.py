"""Stage 3: readings of sensors that stick, jump, drift, stop or change their unit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
from pandas import DataFrame, Series
from scipy.stats import median_abs_deviation

from helpers.checks import require_columns
from helpers.etl.books import Books, Cleaned, Cleaning, merge_deliveries
from helpers.etl.businesses.schemas import number_columns, source_schema
from helpers.etl.businesses.shared import parse_numbers
from helpers.etl.parsing import fahrenheit_to_celsius, parse_dates, typed

TEMPERATURE = "temperature_c"
FAULTS = ["gap", "spike", "stuck", "drift"]
DRIFT_PER_READING, DRIFT_AT_MOST = 0.01, 3.0  # from the maker's data sheet
LONGEST_GAP = 1_000  # steps; when all sensors are silent for longer, nobody was measuring


def clean_cold_rooms(raw: DataFrame) -> Cleaned:
    """Clean the readings of the shop's cold rooms; see `clean_readings`.

    Parameters
    ----------
    raw : `reading_id`, `sensor_id`, `store`, `read_at`, `temperature_c`, `humidity_pct`.
    """
    require_columns(raw, "shop.cold_rooms", ["reading_id", "read_at"])
    dated = raw.assign(read_at=parse_dates(raw["read_at"]))
    minutes = pd.to_numeric(dated["reading_id"].astype("str").str.extract(r"-(\d{1,8})$")[0])
    starts = (dated["read_at"] - pd.to_timedelta(minutes, unit="m")).mode()
    if starts.empty:
        raise ValueError(
            "No reading_id ends in the minute of its read_at, as C0-600 does. Look at the file."
        )
    start = starts.iloc[0]

    def name(sensor, at):
        return f"{sensor}-{int((at - start).total_seconds()) // 60}"

    day = dated["read_at"].dt.hour + dated["read_at"].dt.minute / 60
    return clean_readings("shop.cold_rooms", dated, "read_at", name, moment=day, shortest_stuck=8)


def clean_tower_sensors(raw: DataFrame) -> Cleaned:
    """Clean the daily readings of the operator's towers; see `clean_readings`.

    A drift of a few tenths within a month cannot be seen behind weather of two degrees: it stays.
    """
    source = "operator.tower_sensors"
    require_columns(raw, source, ["read_on"])
    dated = raw.assign(read_on=parse_dates(raw["read_on"]))

    def name(sensor, on):
        return f"{sensor}-{on:%Y%m%d}"

    month = (dated["read_on"] - dated["read_on"].min()).dt.days // 30
    return clean_readings(source, dated, "read_on", name, moment=month, shortest_stuck=4)


def clean_readings(
    source: str,
    raw: DataFrame,
    at: str,
    name: Callable[[str, pd.Timestamp], str],
    moment: Series,
    shortest_stuck: int,
) -> Cleaned:
    """Bring readings to one unit, set aside what is no measurement, and make gaps visible.

    Degrees Fahrenheit are turned back: nothing is lost. Readings of a sensor that is stuck, that
    jumps or that has begun to drift are set aside; the row stays, so that its other values do. A
    reading that never came gets a row without a value; it came from nowhere, so the accounts, which
    speak of rows that came in, leave it out.

    Parameters
    ----------
    source : for the accounts and the schema.
    raw : one row a reading: `reading_id`, `sensor_id`, the date `at`, `temperature_c`; dates are typed.
    name : returns the `reading_id` of a sensor at a time, for readings that never came.
    moment : what the usual value depends on (an hour of the day, a month), aligned with `raw`.
    shortest_stuck : that many equal readings in a row, or more, are no measurement.

    Returns
    -------
    The readings with one more column, `fault`: "" or one of `FAULTS`.
    """
    require_columns(raw, source, ["reading_id", "sensor_id", at, TEMPERATURE])
    raw = typed(raw.assign(_moment=moment).reset_index(drop=True))
    once = merge_deliveries(raw, "reading_id")
    cleaning = Cleaning(source, with_gaps(once, at, name))
    of_time = once.drop_duplicates(at).set_index(at)["_moment"]
    moment = cleaning[at].map(of_time)
    cleaning.table = cleaning.table.drop(columns="_moment")
    parse_numbers(cleaning, *number_columns(source, cleaning.table))
    celsius = to_celsius(cleaning.table, TEMPERATURE, moment)
    cleaning.repair(TEMPERATURE, celsius, "Fahrenheit to Celsius")
    fault = faults(cleaning.table, at, TEMPERATURE, moment, shortest_stuck)
    for kind in FAULTS[1:]:
        cleaning.set_aside(TEMPERATURE, fault.eq(kind), f"{kind}: no measurement")
    cleaning.table = cleaning.table.assign(fault=fault)
    done = cleaning.done(source_schema(source))
    made = len(done.table) + len(done.quarantined) - len(once)
    loaded, merged = len(done.table) - made, len(raw) - len(once)
    books = Books(source, len(raw), loaded, done.books.quarantined, merged, made=made)
    return replace(done, books=books)


def with_gaps(readings: DataFrame, at: str, name: Callable) -> DataFrame:
    """Return the readings with a row for each that never came; its values are gaps.

    The usual step is the commonest distance between two readings of a sensor. A wrong date, such as
    one in the year 9999, makes no gap of centuries: see `LONGEST_GAP`.

    Examples
    --------
    >>> days = pd.to_datetime(["2024-09-01", "2024-09-02", "2024-09-04"])
    >>> readings = DataFrame({"reading_id": list("abc"), "sensor_id": "C0", "read_on": days, "load": 1.0})
    >>> with_gaps(readings, "read_on", lambda sensor, on: f"{sensor}-{on:%d}")["reading_id"].tolist()
    ['a', 'b', 'C0-03', 'c']
    """
    ordered = readings.sort_values(["sensor_id", at], kind="stable")
    steps = ordered.groupby("sensor_id")[at].diff()
    steps = steps[steps.gt(pd.Timedelta(0))]  # two readings at one time are no step
    if steps.empty:
        return ordered.reset_index(drop=True)
    step = steps.mode().iloc[0]
    missing = []
    times = _expected(ordered[at], step)
    for sensor, own in ordered.groupby("sensor_id"):
        never = times.difference(pd.DatetimeIndex(own[at]))
        missing.append(DataFrame({"sensor_id": sensor, at: never.astype(ordered[at].dtype)}))
    gaps = pd.concat(missing, ignore_index=True)
    gaps["reading_id"] = [name(s, t) for s, t in zip(gaps["sensor_id"], gaps[at], strict=True)]
    for column in ordered.columns.difference(gaps.columns):
        own = ordered.groupby("sensor_id")[column]
        if ordered[column].dtype.kind not in "if" and own.nunique().max() == 1:
            gaps[column] = gaps["sensor_id"].map(own.first())  # the store that a sensor stands in
    every = pd.concat([ordered, gaps], ignore_index=True) if len(gaps) else ordered
    return every.sort_values(["sensor_id", at], kind="stable", ignore_index=True)


def _expected(dates, step):
    """Return the times at which readings are expected, wherever anything was measured at all."""
    known = dates.dropna().drop_duplicates().sort_values()
    stretch = known.groupby(known.diff().gt(LONGEST_GAP * step).cumsum())
    ranges = [pd.date_range(own.iloc[0], own.iloc[-1], freq=step) for _, own in stretch]
    return pd.DatetimeIndex(np.concatenate(ranges)).unique()


def usual_level(readings: DataFrame, value: str, moment: Series) -> Series:
    """Return what each reading should be: the sensor's middle value and that of the moment.

    Examples
    --------
    >>> readings = DataFrame({"sensor_id": ["a", "a", "b", "b"], "t": [5.0, 6.0, 7.0, 8.0]})
    >>> usual_level(readings, "t", Series([0, 1, 0, 1])).tolist()
    [5.0, 6.0, 7.0, 8.0]
    """
    sensor = readings.groupby("sensor_id")[value].transform("median")
    rest = readings[value] - sensor
    return sensor + rest.groupby(moment).transform("median")


def to_celsius(readings: DataFrame, value: str, moment: Series) -> Series:
    """Return the values with those in Fahrenheit turned back: the reading that fits its sensor wins.

    A sensor that sends Fahrenheit most of the time makes that its usual level. The same warmth is a
    higher number in Fahrenheit, so where a sensor's readings stand around two levels that belong
    together, the lower one is Celsius. A sensor that sends nothing else cannot be told from a warm one.

    Examples
    --------
    >>> readings = DataFrame({"sensor_id": "a", "t": [5.0, 5.1, 4.9, 5.0, 41.2, 30.0]})
    >>> to_celsius(readings, "t", Series([0] * 6)).tolist()
    [5.0, 5.1, 4.9, 5.0, 5.1, 30.0]
    >>> readings = DataFrame({"sensor_id": "a", "t": [41.0, 41.2, 40.8, 41.0, 5.0, 30.0]})
    >>> to_celsius(readings, "t", Series([0] * 6)).tolist()
    [5.0, 5.1, 4.9, 5.0, 5.0, 30.0]
    """
    given = readings[value].astype("float64")
    level = usual_level(readings.assign(**{value: given}), value, moment)
    turned = fahrenheit_to_celsius(given)
    spread = max(_spread((given - level).dropna()), 0.1)
    usual = given.groupby(readings["sensor_id"]).transform("median")
    lower = level - usual + fahrenheit_to_celsius(usual)  # the level, if the usual is Fahrenheit
    far = (given - level).abs().gt(10 * spread)

    def share(near):
        return (near.abs().le(5 * spread) & far).groupby(readings["sensor_id"]).transform("mean")

    below, above = share(given - lower), share(turned - level)
    level = level.mask(below.gt(0.02) & below.gt(above), lower)
    fits = (turned - level).abs().le(5 * spread) & (given - level).abs().gt(10 * spread)
    return given.mask(fits, turned)


def faults(readings: DataFrame, at: str, value: str, moment: Series, shortest_stuck: int) -> Series:
    """Return for each reading "" or what makes it no measurement; see `clean_readings`.

    A jump is seen by its distance from the usual level, in robust standard deviations; a stuck
    sensor by equal readings in a row; a drift by the least squares of a ramp of the slope that the
    maker states, sensor by sensor and month by month.
    """
    rest = readings[value] - usual_level(readings, value, moment)
    spread = _spread(rest.dropna())
    fault = Series("", index=readings.index, dtype="str")
    fault[rest.abs().gt(max(10 * spread, DRIFT_AT_MOST + 5 * spread))] = "spike"
    for _, own in readings[value].mask(fault.eq("spike")).groupby(readings["sensor_id"]):
        repeated = without_last_measured(own, stuck(own, shortest_stuck))
        fault.loc[own.index[repeated]] = "stuck"
    months = readings[at].dt.to_period("M")
    for places in readings.groupby(["sensor_id", months]).groups.values():
        moving = places[fault.loc[places].eq("")]  # a sensor that is stuck does not creep
        onset = drift_onset(rest.loc[moving].to_numpy(dtype=float), spread)
        if onset is not None:
            late = places[places >= moving[min(onset, len(moving) - 1)]]
            fault.loc[late] = fault.loc[late].where(fault.loc[late].ne(""), "drift")
    fault[readings[value].isna()] = "gap"
    return fault


def stuck(values: Series, shortest: int) -> np.ndarray:
    """Return where a sensor shows the same value again and again.

    At least `shortest` equal readings in a row are no measurement. A gap does not free a sensor, nor
    does a drift: half as many (but three) are enough where gaps within or beside them, or a
    neighbour three tenths away at most, fill the run up.

    Examples
    --------
    >>> stuck(Series([1.0, 2.0, 2.0, 2.0, 3.0]), 3).tolist()
    [False, True, True, True, False]
    """
    place = np.flatnonzero(values.notna())
    known = values.to_numpy(dtype=float)[place]
    run = np.concatenate([[0], np.cumsum(known[1:] != known[:-1])]) if len(known) else known
    marked = np.zeros(len(values), dtype=bool)
    for number in np.unique(run):
        own = np.flatnonzero(run == number)
        before = place[own[0] - 1] if own[0] else -1
        after = place[own[-1] + 1] if own[-1] + 1 < len(place) else len(values)
        ends = [e for e in (own[0] - 1, own[-1] + 1) if 0 <= e < len(known)]
        near = any(abs(known[e] - known[own[0]]) <= 0.301 for e in ends)
        bridged = len(own) >= max(3, shortest // 2) and after - before - 1 + near >= shortest
        marked[place[own]] = len(own) >= shortest or bridged
    return marked


def without_last_measured(values: Series, marked: np.ndarray) -> np.ndarray:
    """Return the marks of `stuck` without the first reading of each run: it was measured.

    A stuck sensor goes on showing what it measured last. Where a gap stands before a run, the gap
    may hide that reading, so all of the run stays marked. Later readings that are true by chance
    cannot be told, for a stuck sensor would show the same: they stay marked as well.

    Examples
    --------
    >>> values = Series([1.0, 2.0, 2.0, 2.0, None, 4.0, 4.0, 4.0])
    >>> without_last_measured(values, stuck(values, 3)).tolist()
    [False, False, True, True, False, True, True, True]
    """
    number = values.to_numpy(dtype=float)
    before = np.concatenate([[np.nan], number[:-1]])[: len(number)]
    measured = np.isfinite(before) & (before != number)
    return marked & ~measured


def drift_onset(rest: np.ndarray, spread: float) -> int | None:
    """Return the place of the reading at which a drift begins to show, or None.

    The onset is known to a reading or two, so it is set early: two hundredths of a degree are
    rounded away, a tenth is not.

    Parameters
    ----------
    rest : readings minus their usual level, in order of time; nan where there is none.
    spread : standard deviation of a sound reading.

    Examples
    --------
    >>> rng = np.random.default_rng(7)
    >>> rest = rng.normal(0, 0.2, 700)
    >>> drift_onset(rest, 0.2) is None
    True
    >>> rest[300:] += np.minimum(3.0, 0.01 * np.arange(1, 401))
    >>> abs(drift_onset(rest, 0.2) - 302) <= 4
    True
    """
    known = np.isfinite(rest).astype("float64")
    size, measured = len(rest), known.sum()
    if measured < 20 or spread <= 0:
        return None
    values = np.where(known, rest, 0.0)
    values -= known * values.sum() / measured
    ramp = np.minimum(DRIFT_AT_MOST, DRIFT_PER_READING * np.arange(1, size + 1))
    # By how much each onset lowers the sum of squares: as sums over what lies behind it.
    ramps, squares = _behind(known, ramp), _behind(known, ramp**2)
    gained = 2 * _behind(values, ramp) - squares + ramps**2 / measured
    best = int(gained.round(9).argmax())
    if gained[best] < 30 * spread**2:
        return None
    return min(size - 1, best + 2)


def _behind(values, shape):
    """Return for each place the sum of the values from there on, each times the shape's next."""
    return np.correlate(values, shape, "full")[len(values) - 1 :]


def _spread(values):
    """Return the standard deviation as the middle half of the values shows it, 0 of none."""
    values = values.dropna()
    return float(median_abs_deviation(values, scale="normal")) if len(values) else 0.0
