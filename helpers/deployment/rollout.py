"""Stage 5: a new model comes to the customers: as a shadow, as a canary, or by one switch, and back.

`Canary` decides each evening whether a canary is held, widened, rolled back or promoted. Of a
hundred canaries as good as the champion it rolls back about three, however many evenings it looks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from pandas import DataFrame
from scipy.optimize import brentq
from scipy.special import betaln, ndtr
from scipy.stats import norm

from helpers.checks import require_columns, require_filled, require_rows, require_share

FALSE_ALARMS = 0.027  # of the first guard rail, over all evenings; on one side
OTHERS = 0.003  # of all other guard rails together
# Share of the planned visits -> the part of the false alarms that may be spent by then. A little guards
# every evening; most is kept for two moments: 0.4 of the visits show ten points, all of them five.
SPENT = {0: 0, 0.35: 0.05, 0.41: 0.32, 0.9: 0.34, 0.98: 1}
FEWEST = 50  # rows of either variant from which on a mean is taken for normal
STEP = 100  # visits that a canary has on each step before it is widened
DOUBT = 0.1  # a canary that looks as bad by a chance smaller than this is not widened
NAMES = ("champion", "canary")  # in the column `variant`
_NODES = 120
_NEWS = 0.01  # the share of new information that another look needs


class Verdict(NamedTuple):
    """What is to be done after an evening, and why."""

    evening: int
    verdict: str  # "hold", "widen", "roll back" or "promote"
    because: str
    figures: DataFrame  # one row a guard rail


class Cost(NamedTuple):
    """What the customers of a canary missed, with a 95 % range; below 0 is a gain."""

    customers: int
    visits: int
    evenings: int
    missed: float
    eur: float
    eur_low: float
    eur_high: float


class Canary:
    """A new model that few customers see at first, watched by guard rails each evening.

    Each guard rail compares the canary with the champion on the visits of the same time (step by step,
    so that a change of the shares is not taken for one of the model), allows for visits of one customer
    being alike, and has a bar for each evening. When the planned visits have come and no bar was
    crossed, the canary is promoted.

    Parameters
    ----------
    must_not : column -> "fall" or "rise", what it must not do: `{"found": "fall", "failed": "rise"}`.
        The first one is what the model is for, and has nearly all of the false alarms. Numbers or flags;
        a gap says that this visit tells nothing.
    steps : shares of the customers that see the canary, rising; each is held for 100 of its visits.
    visits : answers to the first guard rail after which it is decided, both variants together at equal
        shares; at other shares more are needed, for they tell less.
    hints : columns known of *every* visit, answered or not, such as whether there was a click. What they
        tell of the first guard rail is used for the visits that did not answer. Who answers has to be
        a matter of chance.

    Raises
    ------
    ValueError
        If there is no guard rail, a word is not "fall" or "rise", or the steps do not rise.

    Source
    ------
    Lan & DeMets (1983), Biometrika 70, for the bars; Mantel & Haenszel (1959) for the steps; Robins,
    Rotnitzky & Zhao (1994), Journal of the American Statistical Association 89, for the hints.

    Examples
    --------
    >>> canary = Canary({"found": "fall"}, steps=[0.1, 0.5], visits=2_000)
    >>> canary.shares
    {'champion': 0.9, 'canary': 0.1}
    >>> day = DataFrame({"customer_id": range(1_000), "variant": ["champion"] * 900 + ["canary"] * 100})
    >>> day["found"] = [True] * 720 + [False] * 180 + [True] * 40 + [False] * 60
    >>> verdict = canary.evening(day)
    >>> verdict.verdict, verdict.because
    ('roll back', 'found differs by -0.400 (0.800 with champion, 0.400 with canary): 8.1 standard errors \
worse, the bar is 3.2, more than chance')
    >>> canary.shares
    {'champion': 1.0, 'canary': 0.0}
    """

    def __init__(
        self,
        must_not: Mapping[str, str],
        steps: Sequence[float] = (0.05, 0.25, 0.5),
        visits: int = 3_500,
        hints: Sequence[str] = (),
    ):
        steps = list(steps)
        for step in steps:
            require_share(step, "a step")
        if not steps or not all(a < b for a, b in zip([0, *steps], [*steps, 1], strict=True)):
            raise ValueError(
                f"steps are shares above 0 and below 1 that rise, as (0.05, 0.25, 0.5); got {steps}. A "
                "canary that everybody sees has nothing to be compared with."
            )
        wrong = [word for word in must_not.values() if word not in ("fall", "rise")]
        if not must_not or wrong:
            raise ValueError(
                'must_not says of each column whether it must not "fall" or "rise", as {"found": "fall"}; '
                f"got {dict(must_not)}. Write one of the two."
            )
        if not visits >= 2 * FEWEST:
            raise ValueError(
                f"visits are the answers after which it is decided, at least {2 * FEWEST}; got {visits!r}. "
                "helpers.deployment.experiment.sample_size tells how many show a loss."
            )
        self._rails = {
            column: _Rail(
                column,
                1 if word == "rise" else -1,
                FALSE_ALARMS if place == 0 else OTHERS / (len(must_not) - 1),
                list(hints) if place == 0 else [],
            )
            for place, (column, word) in enumerate(must_not.items())
        }
        self._steps, self._visits, self._hints = steps, visits, list(hints)
        self._step, self._last, self._rows, self._log = 0, None, {}, []

    @property
    def shares(self) -> dict[str, float]:
        """The share of the customers that each variant is to have on the next day."""
        ended = {"roll back": 0.0, "promote": 1.0}
        share = ended.get(self._last.verdict if self._last else "", self._steps[self._step])
        return dict(zip(NAMES, (1 - share, share), strict=True))

    @property
    def log(self) -> DataFrame:
        """What was known on each evening: one row an evening and a guard rail.

        `evening`, `share` (of the canary on that day), `rail`, `champion`, `canary` (means so far),
        `difference`, `deviations` (standard errors; above 0 is worse), `bar` (missing where it was not
        looked), `told` (the share of the planned information), `verdict`.
        """
        evenings = [
            one.figures.reset_index().assign(evening=one.evening, share=share, verdict=one.verdict)
            for share, one in self._log
        ]
        return pd.concat(evenings, ignore_index=True) if evenings else DataFrame()

    def evening(self, visits: DataFrame) -> Verdict:
        """Take the visits that have become known since the evening before, and decide.

        Parameters
        ----------
        visits : one row a visit: `variant`, the customer and the columns of guard rails and hints. Rows
            of other variants are left out.

        Returns
        -------
        The verdict. After "roll back" and "promote" it stays the same, whatever comes.

        Raises
        ------
        ValueError
            If a column is missing, or holds texts or infinity.
        """
        if self._last and self._last.verdict in ("roll back", "promote"):
            return self._last
        columns = list(dict.fromkeys([*self._rails, *self._hints]))
        require_columns(visits, "the visits", ["variant", "customer_id", *columns])
        visits = visits[visits["variant"].isin(NAMES)]
        require_filled(visits, "the visits", "customer_id")
        for hint in self._hints:
            require_filled(visits, "the visits", hint, "a hint is known of every visit")
        evening = len(self._log) + 1
        new = {column: _numbers(visits[column], column) for column in columns}
        new["canary"] = visits["variant"].eq(NAMES[1]).to_numpy(dtype=bool)
        new["customer"] = visits["customer_id"].to_numpy()
        new |= {"step": np.full(len(visits), self._step), "evening": np.full(len(visits), evening)}
        if self._log:
            new = {name: np.concatenate([self._rows[name], some]) for name, some in new.items()}
        new["code"] = pd.factorize(new["customer"])[0]
        self._rows, self._last = new, self._decide(evening, new)
        self._log.append((self._steps[self._step], self._last))
        self._step += self._last.verdict == "widen"
        return self._last

    def cost(self, worth_eur: float) -> Cost:
        """Return what it cost, or brought, that customers saw the canary.

        Parameters
        ----------
        worth_eur : of one unit of the first guard rail, as of a visit in which something was found.

        Returns
        -------
        Who saw it and what was missed; the range is as at one look: it is about money, and decides nothing.
        """
        if not self._log:
            return Cost(0, 0, 0, 0.0, 0.0, 0.0, 0.0)
        rail = next(iter(self._rails.values()))
        found, seen = rail.compare(self._rows), self._rows["canary"]
        visits = int(seen.sum())
        missed = rail.sign * found.difference * visits
        half = norm.isf(0.025) * found.error * visits * abs(worth_eur)
        eur = missed * worth_eur
        customers, evenings = (
            len(pd.unique(self._rows[one][seen])) for one in ("customer", "evening")
        )
        return Cost(customers, visits, evenings, missed, eur, eur - half, eur + half)

    def _decide(self, evening, rows):
        """Look at all guard rails; return the verdict."""
        found = {name: rail.compare(rows) for name, rail in self._rails.items()}
        first = next(iter(self._rails))
        told = 4 * found[first].information / self._visits
        figures, crossed, doubted = {}, [], []
        for name, rail in self._rails.items():
            one = found[name]
            looked = np.isfinite(one.deviations)
            bar = rail.bar(one.information, told) if looked else np.inf
            figures[name] = (*one[:4], bar if np.isfinite(bar) else np.nan, min(told, 1.0))
            crossed += [name] if one.deviations >= bar else []
            doubted += [name] if looked and one.deviations > norm.isf(DOUBT) else []
        columns = ["champion", "canary", "difference", "deviations", "bar", "told"]
        table = DataFrame.from_dict(figures, orient="index", columns=columns).rename_axis("rail")
        seen = rows["canary"] & (rows["step"] == self._step)
        if crossed:
            verdict, because = "roll back", f"{self._said(table.loc[crossed[0]])}, more than chance"
        elif told >= 1:
            verdict, because = "promote", f"{self._said(table.loc[first])}, and all answers are in"
        elif doubted:
            verdict, because = "hold", f"{self._said(table.loc[doubted[0]])}, it may be chance"
        elif told and seen.sum() >= STEP and self._step < len(self._steps) - 1:
            verdict = "widen"
            because = f"no guard rail is near its bar after {seen.sum():,} visits of this step"
        else:
            verdict, because = "hold", f"no bar is crossed, {told:.0%} of the answers are in"
        return Verdict(evening, verdict, because, table)

    def _said(self, row):
        """Return the figures of a guard rail in words."""
        names = zip(NAMES, (row["champion"], row["canary"]), strict=True)
        means = ", ".join(f"{value:.3f} with {name}" for name, value in names)
        bar = "no bar this evening" if np.isnan(row["bar"]) else f"the bar is {row['bar']:.1f}"
        errors = f"{row['deviations']:.1f} standard errors worse, {bar}"
        return f"{row.name} differs by {row['difference']:+.3f} ({means}): {errors}"


class _Difference(NamedTuple):
    """What a guard rail says: means, their difference step by step, how bad it is."""

    champion: float
    canary: float
    difference: float
    deviations: float  # standard errors in the bad direction
    error: float
    information: float  # answers at equal shares, divided by 4


class _Rail:
    """A guard rail: how bad it looks, and how bad it must look for a verdict.

    The bars are those of a Brownian motion that is looked at as information comes: the chance to cross
    one by some look, where nothing differs, is what may be spent by then (Armitage, McPherson & Rowe,
    1969). Visits of one customer on several days only make the looks more alike, which is on the safe
    side.
    """

    def __init__(self, column, sign, alpha, hints):
        self.column, self.sign, self.alpha, self.hints = column, sign, alpha, hints
        self.spent, self.information, self.places, self.chances = 0.0, 0.0, np.zeros(1), np.ones(1)

    def compare(self, rows):
        """Compare the variants within each step, and add the steps up."""
        value, canary = rows[self.column], rows["canary"]
        told, steps = ~np.isnan(value), rows["step"]
        means = [value[told & one].mean() if (told & one).any() else np.nan for one in (~canary, canary)]  # fmt: skip
        few = min((told & canary).sum(), (told & ~canary).sum()) < FEWEST
        guess = np.zeros(len(value))
        if self.hints and not few:
            known = np.column_stack([np.ones(len(value)), *(rows[hint] for hint in self.hints)])
            some = known[told]  # the few products of the columns, not the rows, are solved for
            guess = known @ np.linalg.lstsq(some.T @ some, some.T @ value[told])[0]
        flags = not guess.any() and ((value[told] == 0) | (value[told] == 1)).all()
        information, moves = 0.0, np.zeros(len(value))
        seen, exact = 0, np.ones(1)  # flags of the canary, and their chances where nothing differs
        for step in range(steps.max(initial=-1) + 1):
            here = steps == step
            parts = [here & ~canary, here & canary]
            sizes = [int((part & told).sum()) for part in parts]
            if not all(sizes):
                continue
            answered, rest = here & told, value - guess
            weight = sizes[0] * sizes[1] / sum(sizes)
            rest, guessed = rest - rest[answered].mean(), guess - guess[here].mean()
            for part, size, sign in zip(parts, sizes, (-weight, weight), strict=True):
                moves[part] += sign * guessed[part] / part.sum()
                moves[part & told] += sign * rest[part & told] / size
            information += weight
            if flags:
                seen += int(value[answered & canary].sum())
                exact = np.convolve(exact, _chances(*sizes, int(value[answered].sum())))
        if not information:
            return _Difference(*means, np.nan, np.nan, np.nan, 0.0)
        variance = (np.bincount(rows["code"], moves) ** 2).sum()
        difference, error = moves.sum() / information, math.sqrt(variance) / information
        deviations = np.nan
        if flags:
            tail = exact[:seen].sum() if self.sign < 0 else exact[seen + 1 :].sum()
            alike = max(1.0, variance / (moves**2).sum()) if variance else 1.0
            deviations = norm.isf(max(tail + exact[seen] / 2, 1e-300)) / math.sqrt(alike)
        elif not few and error:
            deviations = self.sign * difference / error
        return _Difference(*means, difference, float(deviations), error, information)

    def bar(self, information, told):
        """Return the standard errors from which on chance is ruled out, at a look that is made now."""
        due = self.alpha * np.interp(told, [*SPENT], [*SPENT.values()]) - self.spent
        new = information - self.information
        if due <= 0 or new < _NEWS * information:
            return np.inf
        step, scale = math.sqrt(new), math.sqrt(information)
        crossing = lambda bar: self.chances @ ndtr((self.places - bar * scale) / step) - due  # noqa: E731
        bar = brentq(crossing, -10, 40)
        knots, weights = _legendre()
        half = (bar + 8) / 2 * scale
        places = (knots + 1) * half - 8 * scale
        moved = np.exp(-(((places[:, None] - self.places) / step) ** 2) / 2)
        density = moved @ self.chances / step / math.sqrt(2 * math.pi)
        self.spent, self.information = self.spent + due, information
        self.places, self.chances = places, density * weights * half
        return bar


@cache
def _legendre():
    return np.polynomial.legendre.leggauss(_NODES)


def _chances(others, mine, flagged):
    """Return the chance of each number of flags among `mine`, from 0, when chance deals them out.

    It is scipy.stats.hypergeom, a hundred times as fast on a few thousand visits.
    """
    count = np.arange(mine + 1)
    possible = (count <= flagged) & (flagged - count <= others)
    count = count[possible]
    ways = lambda of, some: -betaln(of - some + 1, some + 1) - np.log1p(of)  # noqa: E731
    total = ways(others + mine, flagged)
    chances = np.zeros(mine + 1)
    chances[possible] = np.exp(ways(mine, count) + ways(others, flagged - count) - total)
    return chances


def _numbers(values, column):
    """Return a column as numbers with gaps; refuse texts and infinity."""
    numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    wrong = np.isinf(numbers) | (np.isnan(numbers) & values.notna().to_numpy())
    if wrong.any():
        raise ValueError(
            f"{column} has to hold numbers, flags or gaps; row {int(wrong.argmax()) + 1:,} holds "
            f"{values[wrong].tolist()[0]!r}. Turn it into a number, as with column == 'yes'."
        )
    return numbers


class BlueGreen:
    """Two places, of which one answers: a new version is tried in the other, then all requests move.

    It is asked like a `decide`, and so is what stands in its places, such as the `over_http` of two
    addresses. Blue answers at first.

    Examples
    --------
    >>> both = BlueGreen(lambda given: f"1: {given}", lambda given: f"2: {given}")
    >>> both("anna"), both.live
    ('1: anna', 'blue')
    >>> both.switch(trial="ben"), both("anna")
    ('green', '2: anna')
    >>> both.roll_back(), both("anna")
    ('blue', '1: anna')
    """

    def __init__(self, blue: Callable[[Any], Any], green: Callable[[Any], Any]):
        for name, place in (("blue", blue), ("green", green)):
            _require_place(name, place)
        self._places, self.live = {"blue": blue, "green": green}, "blue"

    def __call__(self, given: Any) -> Any:
        """Let the live one answer."""
        return self._places[self.live](given)

    @property
    def idle(self) -> str:
        """The place that does not answer: "blue" or "green"."""
        return "green" if self.live == "blue" else "blue"

    def deploy(self, place: Callable[[Any], Any]) -> str:
        """Put a new version into the idle place, and return the place's name; nobody sees it yet."""
        _require_place(self.idle, place)
        self._places[self.idle] = place
        return self.idle

    def switch(self, trial: Any) -> str:
        """Let the idle one answer a trial; if it can, it is live. Return the name of the live one.

        Raises
        ------
        ValueError
            If it raises, answers nothing, or fails a request of the trial. The live one stays live.
        """
        try:
            answer = self._places[self.idle](trial)
            came = "nothing" if answer is None or len(answer) == 0 else ""
            if "reason" in getattr(answer, "columns", ()):  # as `over_http` tells of failures
                failed = answer.loc[answer["reason"] != "", "reason"]
                came = f"{len(failed):,} failure(s) ({failed.iloc[0]})" if len(failed) else came
        except Exception as error:
            came = f"{type(error).__name__}: {error}"
        if came:
            raise ValueError(
                f"{self.idle} was to answer a trial before it goes live; {came} came. {self.live} goes on "
                "answering. Repair it, deploy it again, and switch then."
            )
        self.live = self.idle
        return self.live

    def roll_back(self) -> str:
        """Let the other one answer again, at once and without a trial; return its name."""
        self.live = self.idle
        return self.live


def _require_place(name, place):
    if not callable(place):
        raise ValueError(
            f"{name} is something that answers requests, as over_http(address) does; got {place!r}. "
            "Wrap the address in over_http."
        )


class Shadowed(NamedTuple):
    """How a shadow answered beside what was shown."""

    requests: int
    answered: int
    same: float  # share of the answered with the very same answer
    alike: float  # mean share of products that both lists have, or 1 less the distance of probabilities
    latency: DataFrame  # p50, p95 and p99 in ms where they are told


def compare_shadow(shown: DataFrame, hidden: DataFrame, request: Hashable) -> Shadowed:
    """Compare what a shadow answered with what was shown for the same requests.

    Parameters
    ----------
    shown, hidden : one row a product (`product_id`, `rank`) or a score (`churn_probability`, `call`), with
        the column of the request, and `latency_ms` where it was measured.
    request : the column that names a request, such as "session_id".

    Raises
    ------
    ValueError
        If a column is missing, or nothing was shown.

    Examples
    --------
    >>> shown = DataFrame({"session_id": [1, 1, 2, 2], "product_id": [5, 6, 5, 7], "rank": [1, 2] * 2})
    >>> hidden = DataFrame({"session_id": [1, 1, 2, 2], "product_id": [5, 6, 8, 5], "rank": [1, 2] * 2})
    >>> compare_shadow(shown, hidden, "session_id")[:4]
    (2, 2, 0.5, 0.75)
    """
    lists = "product_id" in shown
    columns = ["product_id", "rank"] if lists else ["churn_probability", "call"]
    for name, table in (("shown", shown), ("hidden", hidden)):
        require_columns(table, name, [request, *columns])
    require_rows(shown, "shown")
    requests = shown[request].nunique()
    parts = [table.dropna(subset=columns[:1]) for table in (shown, hidden)]
    if lists:
        parts = [part.sort_values([request, "rank"]).groupby(request)["product_id"].agg(tuple) for part in parts]  # fmt: skip
        both = pd.concat(parts, axis=1, keys=["a", "b"], join="inner")
        pairs = list(zip(both["a"], both["b"], strict=True))
        same = [one == other for one, other in pairs]
        alike = [len({*one} & {*other}) / len({*one}) for one, other in pairs]
    else:
        both = parts[0].merge(parts[1], on=request, suffixes=("_a", "_b"))
        same = both["call_a"].astype(bool) == both["call_b"].astype(bool)
        alike = 1 - (both["churn_probability_a"] - both["churn_probability_b"]).abs()
    names = {"shown": shown, "shadow": hidden}
    latency = {
        name: table.drop_duplicates(request)["latency_ms"].quantile([0.5, 0.95, 0.99])
        for name, table in names.items()
        if "latency_ms" in table
    }
    figures = [float(np.mean(one)) if len(both) else math.nan for one in (same, alike)]
    return Shadowed(requests, len(both), *figures, DataFrame(latency).set_axis(["p50", "p95", "p99"][: 3 * bool(latency)]))  # fmt: skip
