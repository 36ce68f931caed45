"""How requests are served: what an answer tells of itself, what the service adds, and what fails.

A failed request gets the fallback of its world. It stands in the telemetry with the version that
failed and the reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from pandas import DataFrame, Series
from scipy.special import ndtri

from helpers.lifecycle import Cause, Finding
from helpers.worlds.incidents.kinds import Schedule
from helpers.worlds.play import luck, require_number

TIMED_OUT_MS = 1000.0  # an answer that takes longer is not waited for
UNNAMED = "unnamed"  # the version of a decide that does not tell its version
# Columns of an answer. `reason`: why it cannot be used. `fallback`: it can, and it is not the model's.
TOLD = ("variant", "model_version", "latency_ms", "status", "reason", "fallback")
OWN = "the service's own"  # reason of a fallback that came with the answer
# Service incidents hit the version that serves when they begin, and go when another one serves.
HIT_A_VERSION = ("slow_model", "error_rate", "bad_release", "training_serving_skew")
_REFUSED_SHARE = 0.001  # of requests, by any service


@dataclass(frozen=True)
class Served:
    """How requests were served: arrays of one entry a request.

    Attributes
    ----------
    variant : of an experiment, "" without one.
    model_version : `UNNAMED` where the answer does not tell.
    network_ms : of the simulated network between customer and service.
    latency_ms : of the service: measured where the answer tells it, else simulated.
    status : of HTTP; 200 is an answer, 504 one that came too late.
    reason : why the world's fallback was served, "" where it was not.
    own : where the answer itself says that it is a fallback; it is served all the same.
    """

    variant: np.ndarray
    model_version: np.ndarray
    network_ms: np.ndarray
    latency_ms: np.ndarray
    status: np.ndarray
    reason: np.ndarray
    own: np.ndarray

    @property
    def fallback(self) -> np.ndarray:
        """Which requests were served the world's fallback."""
        return self.reason != ""

    def telemetry(self) -> dict[str, object]:
        """Return the columns of a telemetry table; a fallback there is the world's or the service's."""
        reason = np.where(self.own & ~self.fallback, OWN, self.reason)
        words = {"variant": self.variant, "model_version": self.model_version, "reason": reason}
        words = {name: pd.array(values, dtype="str") for name, values in words.items()}
        return {
            "latency_ms": np.round(self.latency_ms, 1),
            "network_ms": np.round(self.network_ms, 1),
            "status": self.status,
            "model_version": words["model_version"],
            "variant": words["variant"],
            "fallback": self.fallback | self.own,
            "reason": words["reason"],
        }


_WORDS = ("variant", "model_version", "reason")
_DEFAULTS = {"variant": "", "model_version": UNNAMED, "latency_ms": np.nan, "status": 200, "reason": "", "fallback": False}  # fmt: skip


def told(answer: DataFrame, place: np.ndarray, count: int) -> dict[str, np.ndarray]:
    """Return what an answer tells of each request beside the answer itself.

    Parameters
    ----------
    answer : what a decide returned; any of the columns `TOLD`, the same in all rows of a request.
    place : for each row the number of its request, from 0; -1 for no request's.
    count : requests.

    Returns
    -------
    The columns `TOLD`, one entry a request.

    Examples
    --------
    >>> told(DataFrame({"model_version": ["2", "2"]}), np.array([1, 1]), 2)["model_version"].tolist()
    ['unnamed', '2']
    """
    found = {}
    for name in TOLD:
        kind = object if name in _WORDS else float
        found[name] = np.full(count, _DEFAULTS[name], dtype=kind)
        if name in answer:
            column = answer[name]
            known = (column.notna().to_numpy() & (place >= 0)).nonzero()[0]
            values = column.iloc[known]
            values = words(values) if name in _WORDS else pd.to_numeric(values, errors="coerce")
            found[name][place[known]] = values.to_numpy(dtype=kind)
    found["status"] = np.nan_to_num(found["status"], nan=500.0).astype(int)
    found["fallback"] = found["fallback"] == 1
    return found


def words(column: Series) -> Series:
    """Return a column as text, "" where it is missing; bytes that are no text as they are written.

    Examples
    --------
    >>> words(Series(["2", None, b"\\xff"])).tolist()
    ['2', '', "b'\\\\xff'"]
    """
    known = column.astype(object).where(column.notna(), "")
    try:
        return known.astype("str")
    except UnicodeDecodeError:
        return known.map(str).astype("str")


def failures(telemetry: DataFrame, limit: float = 0.05) -> list[Finding]:
    """Tell of each version whether it failed in more than a share of its requests.

    Parameters
    ----------
    telemetry : of a shop, or the `requests` of an operator, of an evening or a month.
    limit : the share of fallbacks that is put up with, 0 to 1.

    Returns
    -------
    One finding a version, in order of their names; `sends_back` tabulates them.

    Raises
    ------
    CannotPlay
        If `limit` is no such share.

    Examples
    --------
    >>> told = DataFrame({"model_version": ["1", "1", "2"], "fallback": [True, False, False]})
    >>> [(one.what, one.seen) for one in failures(told)][0]
    ('version 1 failed in 50.0 % of its 2 requests; 5 % are put up with', True)
    """
    require_number("limit", limit, 0, 1, 0.05, whole=False)
    by_version = telemetry.groupby("model_version")["fallback"].agg(["size", "mean"])
    return [
        Finding(
            f"version {version} failed in {100 * share:.1f} % of its {count:,} requests; "
            f"{100 * limit:g} % are put up with",
            Cause.INFRASTRUCTURE,
            bool(share > limit),
        )
        for version, count, share in by_version.itertuples()
    ]


@dataclass(frozen=True)
class Service:
    """The service that stands between the customers and what is deployed.

    Attributes
    ----------
    seed, schedule : of the world.
    usual_ms, spread : median and log-spread of the latency that is simulated.
    """

    seed: int
    schedule: Schedule
    usual_ms: float
    spread: float

    def serve(
        self,
        said: Mapping[str, np.ndarray],
        broken: np.ndarray,
        keys: tuple,
        month: int,
        day: np.ndarray,
        hits: Mapping[str, str],
    ) -> tuple[Served, np.ndarray, dict[str, str]]:
        """Serve requests: simulate latency and failures, and apply the incidents of the service.

        Parameters
        ----------
        said : as `told` returns it.
        broken : for each request why its answer cannot be used, "" where it can.
        keys : whole numbers that tell the requests of the month apart, such as customer and visit.
        day : the day of each request, in order of time; any count that grows.
        hits : incident -> the version that it hits, as far as known.

        Returns
        -------
        How they were served, which of them a bad release answered at random, and `hits` with those
        of incidents that have begun.
        """
        draw = lambda purpose: luck(self.seed, month, purpose, *keys)  # noqa: E731
        version = said["model_version"]
        hits = self._hits(version, month, day, hits)
        hit = lambda name: self._size(name, month) * (version == hits.get(name))  # noqa: E731
        simulated = self.usual_ms * np.exp(self.spread * ndtri(draw("latency")))
        latency = np.where(np.isnan(said["latency_ms"]), simulated, said["latency_ms"])
        latency = latency + simulated * np.maximum(hit("slow_model") - 1, 0)
        refused = draw("refusals") < np.maximum(_REFUSED_SHARE, hit("error_rate"))
        status = np.where(refused, 503, said["status"])
        status = np.where(latency > TIMED_OUT_MS, 504, status)
        reason = np.select(
            [said["reason"] != "", status == 504, status == 503, status != 200],
            [said["reason"], "timeout", "refused", "error"],
            default=broken,
        )
        served = Served(
            variant=said["variant"],
            model_version=version,
            network_ms=25.0 * np.exp(0.5 * ndtri(draw("network"))),
            latency_ms=latency,
            status=status,
            reason=reason.astype(object),
            own=said["fallback"],
        )
        return served, draw("bad release") < hit("bad_release"), hits

    def _size(self, name, month):
        return self.schedule.size(name, month)

    def _hits(self, version, month, day, hits):
        """Add to `hits` the version that served most requests on the day on which an incident began."""
        hits = dict(hits)
        begun = [name for name in HIT_A_VERSION if self._size(name, month) and name not in hits]
        if len(version) and begun:
            names, counts = np.unique(version[day == day[0]].astype(str), return_counts=True)
            hits |= dict.fromkeys(begun, str(names[counts.argmax()]))
        return hits
