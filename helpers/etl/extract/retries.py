"""Patience with services: try again, wait as long as they ask, and give up in time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt

from helpers.etl.extract.network import Answer, CannotFetch, NetworkLimits, refuse_status
from helpers.etl.extract.web import Caller

Result = TypeVar("Result")
FIRST_WAIT_S = 0.2


def patiently(
    work: Callable[[], Result],
    limits: NetworkLimits,
    pause: Callable[[float], None] = time.sleep,
) -> Result:
    """Do `work`, and again when it failed in a way that may pass.

    Between two tries it waits as long as the service asked, or else 0.2 seconds, then twice as long
    each time. A service that asks for more than `limits.longest_wait_s` is given up at once.

    Parameters
    ----------
    work : raises `CannotFetch`, with `again` when another try may help.
    limits : `tries` and `longest_wait_s` count.
    pause : waits for so many seconds.

    Raises
    ------
    CannotFetch
        The last one, when the tries are used up.

    Examples
    --------
    >>> tried, waits = [], []
    >>> def work():
    ...     tried.append(1)
    ...     if len(tried) < 3:
    ...         raise CannotFetch("busy", again=True, wait_s=0.5 if len(tried) == 1 else None)
    ...     return "done"
    >>> patiently(work, NetworkLimits(), waits.append), waits
    ('done', [0.5, 0.4])
    """
    retrying = Retrying(
        stop=stop_after_attempt(limits.tries),
        wait=lambda state: _wait(state, limits),
        retry=retry_if_exception(lambda error: _may_pass(error, limits)),
        sleep=pause,
        reraise=True,
    )
    return retrying(work)


def _may_pass(error: BaseException, limits: NetworkLimits) -> bool:
    """Return whether another try may help."""
    if not isinstance(error, CannotFetch) or not error.again:
        return False
    return (error.wait_s or 0.0) <= limits.longest_wait_s


def _wait(state: RetryCallState, limits: NetworkLimits) -> float:
    """Return the seconds to wait before the next try."""
    asked = state.outcome.exception().wait_s
    if asked is not None:
        return asked
    return min(limits.longest_wait_s, FIRST_WAIT_S * 2 ** (state.attempt_number - 1))


def get_patiently(
    caller: Caller,
    url: str,
    params: Mapping | None = None,
    headers: Mapping | None = None,
    pause: Callable[[float], None] = time.sleep,
    hop: Callable[[str], None] | None = None,
) -> Answer:
    """Return a good answer (200 to 299, or 304), after as many tries as the limits allow."""
    return patiently(
        lambda: refuse_status(caller.get(url, params, headers, hop)), caller.limits, pause
    )
