"""Sensor files: readings that drift, stick, jump, stop, or change their unit."""

from __future__ import annotations

import numpy as np

from helpers.worlds.sources import spoilers as spoil
from helpers.worlds.sources.blemishes import Planting
from helpers.worlds.sources.files import plain_csv
from helpers.worlds.sources.plan import Source

READING = "temperature_c"


def sensor_file(planting: Planting, source: Source, month: int) -> dict[str, bytes]:
    """Return the month's readings as CSV, sensor by sensor.

    Each sensor may drift upward from some reading on, stick for a while, leave a gap, and report
    degrees Fahrenheit from some reading on (under the same column name); single readings may jump.
    """
    sensors = planting.values["sensor_id"]
    dropped = np.zeros(len(sensors), dtype=bool)
    for sensor in sorted(set(sensors.tolist())):
        places = np.flatnonzero(sensors == sensor)
        _spoil_sensor(planting, places)
        if planting.happens("gap"):
            dropped[_run(planting, places, shortest=3, share=0.05)] = True
    planting.drop_rows("gap", dropped)
    return {planting.place: plain_csv(planting)}


def _spoil_sensor(planting, places):
    """Spoil the readings of one sensor, which stand at `places`."""
    which = np.zeros(len(planting.rows), dtype=bool)
    which[places] = planting.rng.random(len(places)) < planting.rates["spike"]
    planting.replace("spike", READING, which, lambda values, rng: [v + 25.0 for v in values])
    for kind, change in [("stuck", _stick), ("drift", _drift), ("unit", spoil.fahrenheit)]:
        if planting.happens(kind):
            share = 0.05 if kind == "stuck" else 1.0
            which[:] = False
            which[_run(planting, places, shortest=4, share=share)] = True
            planting.replace(kind, READING, which, change)
            if kind != "stuck":
                return  # a sensor that drifts keeps its unit


def _run(planting, places, shortest, share):
    """Draw a run of readings: a `share` of them, or with 1.0 all from the middle half on."""
    if share == 1.0:
        first = len(places) // 4 + int(planting.rng.integers(0, max(1, len(places) // 2)))
        return places[first:]
    length = max(shortest, int(share * len(places)))
    first = int(planting.rng.integers(0, max(1, len(places) - length)))
    return places[first : first + length]


def _stick(values, rng):
    """Repeat the first reading."""
    return [values[0]] * len(values)


def _drift(values, rng):
    """Add a hundredth of a degree more at every reading, 3 degrees at most."""
    return [round(v + min(3.0, 0.01 * step), 1) for step, v in enumerate(values, 1)]
