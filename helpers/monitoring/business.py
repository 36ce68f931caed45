"""Monitoring: what holds between the tables of the two businesses, and what they live by.

A *relation* is exact: no click comes before its visit, no list is bought from without a click. One row
that breaks it is news. A *habit* varies from month to month: it is held against the months before, with
a test and a least effect. `past` is what was known at the start, and the months since, oldest first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
from pandas import DataFrame, Series

from helpers.monitoring.data_quality import ENOUGH, chance_of_more, finding
from helpers.monitoring.performance import check_labels

Month = Mapping[str, DataFrame]
FEW = 5  # rows that may be an accident
CENTS = 40.0  # from this factor on an amount is in another unit, not dearer
SAME = 0.004  # a price that changed by less is the same
DAY = pd.Timedelta(days=1)


def _all(months, name, columns):
    """Return these columns of a table over several months, of those that have them."""
    parts = [one[name][columns] for one in months if name in one and set(columns) <= set(one[name])]
    return pd.concat(parts, ignore_index=True) if parts else DataFrame(columns=columns)


def _known(months, names, key, column, keep="first"):
    """Return what a column of these tables held for each key when it was first written, or last."""
    rows = pd.concat([_all(months, name, [key, column]) for name in names.split()])
    return rows.drop_duplicates(key, keep=keep).set_index(key)[column]


def _by(key, table):
    """Return a table by its key, of several rows the first."""
    return table.drop_duplicates(key).set_index(key)


def run(checks: Mapping[Callable, str], past: Sequence[Month], month: Month) -> Iterator[dict]:
    """Run the checks whose columns are there with a value; those marked by "?" need none.

    What is missing has been told by then; months of the past that lack a column are passed over.
    """
    for check, needs in checks.items():
        if _has(month, needs):
            yield from check([*past[:1], *(one for one in past[1:] if _has(one, needs))], month)


def _has(month, needs):
    """Return whether a month has these columns, and something in those without a "?"."""
    for place in needs.split():
        name, column = place.rstrip("?").split(".")
        if name not in month or column not in month[name]:
            return False
        if not place.endswith("?") and not month[name][column].notna().any():
            return False
    return True


def _rewritten(key):
    def check(past, month):
        """Tell of each column of words in which customers are not as they were first written down, nor lately."""
        now = _by(key, month["customers"])
        before = [one["customers"] for one in past if key in one.get("customers", ())]
        before = pd.concat(before) if before else month["customers"].head(0)
        first, last = (before.drop_duplicates(key, keep=keep).set_index(key).reindex(now.index) for keep in ("first", "last"))  # fmt: skip
        for column in now.select_dtypes("str").columns.intersection(first.columns):
            words, then, lately = now[column], first[column], last[column]
            numbers = pd.to_numeric(words.dropna().head(50), errors="coerce").notna().mean() > 0.5
            if numbers or words.nunique() > 40:
                continue
            known = then.notna() & words.notna()
            other = known & (then != words) & (lately != words)
            if other.sum() > max(FEW, 0.005 * known.sum()):
                swaps = (words[other] + " in the place of " + then[other]).mode()[0]
                yield finding(
                    "relation", f"customers.{column}", other.sum() / known.sum(), 0,
                    f"{column} is another one for {other.sum() / known.sum():.1%} of those known before, most "
                    f"often {swaps}", where=f"those of customers whose {column} was rewritten",
                )  # fmt: skip

    return check


def _too_early(place: str, times: Series, earliest: Series, after: str) -> Iterator[dict]:
    """Tell of moments that lie before the one they follow from."""
    early = times < earliest
    if early.sum() > FEW:
        hours = (earliest - times)[early].dt.total_seconds().median() / 3600
        yield finding(
            "relation", place, early.mean(), 0,
            f"{early.mean():.1%} of the moments lie before {after}, half of them by over {hours:.1f} hours",
            where=f"{early.mean():.0%} of the rows", since=times[early].min(),
        )  # fmt: skip


def _dearer(place: str, price: Series, known: Series, lately: Series, group: Series) -> Iterator[dict]:  # fmt: skip
    """Tell of prices that rose or fell since they were first `known`, and of those in another unit.

    What was so `lately`, when they were last known, is told already. `group` says of each price to whom it
    belongs: brands, towers, lines.
    """
    ratio = (price / known).where((price / lately - 1).abs() > SAME, 1.0)
    ratio = ratio[known.notna()].replace(np.inf, np.nan).dropna()
    cents, rest = ratio[ratio >= CENTS], ratio[ratio < CENTS]
    if len(cents):
        share = len(cents) / len(ratio)
        yield finding(
            "range", place, cents.median(), 1,
            f"{share:.1%} of the amounts are about {cents.median():.0f} times what they "
            "were: another unit", effect=share, where=_whose(group, cents) or "everybody",
        )  # fmt: skip
    moved = rest[(rest - 1).abs() > SAME]
    if len(moved) > 0.05 * len(rest):
        share, change = len(moved) / len(rest), moved.median()
        yield finding(
            "business", place, change, 1,
            f"{share:.0%} of the prices are {abs(change - 1):.1%} {'higher' if change > 1 else 'lower'} "
            "than when they were first known", effect=change - 1,
            where="everybody" if share > 0.9 else _whose(group, moved),
        )  # fmt: skip


def _whose(group, some):
    """Return the first four names of those to whom some prices belong."""
    return ", ".join(sorted(group.reindex(some.index).dropna().astype(str).unique())[:4])


def _silent(place: str, lost: Series, moments: Series, what: str, where: str) -> Iterator[dict]:
    """Tell of what left no row though it happened; `lost` flags it, `moments` says when it was."""
    if lost.sum() > FEW:
        yield finding(
            "rows", place, 1 - lost.mean(), 1, f"{lost.sum():,} {what}", effect=lost.mean(), where=where,
            since=moments[lost].min(),
        )  # fmt: skip


# The shop.


def shop(past: Sequence[Month], month: Month) -> Iterator[dict]:
    """Yield the signals of a month of the shop; a check whose columns are missing is left out.

    Parameters
    ----------
    past, month : tables as a shop has them: of its `play`, and `products` and `customers` as stored.
    """
    month, robots = _of_people(month)
    past = [_of_people(one)[0] for one in past]
    sessions = month["sessions"] if "sessions" in month else DataFrame()
    if len(robots) > FEW:
        share = len(robots) / (len(sessions) + len(robots))
        yield finding(
            "relation", "sessions.session_id", share, 0,
            f"{share:.1%} of the visits are robots': several clicks in one second, or no request to the model", since=robots.min(),
            where="visits by robots",
        )  # fmt: skip
    yield from run(_SHOP, past, month)


def _of_people(month):
    """Return the month without rows that came twice and without robots, and when these came.

    A robot clicks on several products in the same second, and no model was asked for its list.
    """
    month = dict(month)
    for name in {"clicks", "orders"} & set(month):
        month[name] = month[name].drop_duplicates()
    there = {(name, column) for name, table in month.items() for column in table}
    if not {("sessions", "session_id"), ("sessions", "started_at")} <= there:
        return month, Series(dtype="datetime64[s]")
    robots, sessions = [], month["sessions"]
    if {("clicks", "session_id"), ("clicks", "clicked_at")} <= there:
        clicks = month["clicks"]
        robots.append(clicks.loc[clicks.duplicated(["session_id", "clicked_at"]), "session_id"])
    if ("given", "session_id") in there:
        asked = sessions["session_id"].isin(month["given"]["session_id"])
        robots.append(sessions.loc[~asked, "session_id"])
    robots = pd.concat(robots).unique() if robots else []
    begun = sessions.loc[sessions["session_id"].isin(robots), "started_at"]
    for name in {"sessions", "impressions", "clicks", "telemetry"} & {name for name, c in there if c == "session_id"}:  # fmt: skip
        month[name] = month[name][~month[name]["session_id"].isin(robots)]
    return month, begun


def _click_times(past, month):
    yield from _before_the_visit("clicks", "clicked_at", month)


def _order_times(past, month):
    yield from _before_the_visit("orders", "ordered_at", month)


def _before_the_visit(name, column, month):
    begun = _by("session_id", month["sessions"])["started_at"]
    rows = month[name]
    yield from _too_early(f"{name}.{column}", rows[column], rows["session_id"].map(begun), "the visit began")  # fmt: skip


def _lost_clicks(past, month):
    """Who buys from a list has clicked on it."""
    bought = month["orders"].query("channel == 'list'")
    pair = ["session_id", "product_id"]
    shown = bought.merge(month["impressions"][pair], on=pair)
    clicked = shown.merge(
        month["clicks"][pair].drop_duplicates(), on=pair, how="left", indicator=True
    )
    lost = clicked["_merge"].eq("left_only")
    what = f"of {len(lost):,} products bought from a list were bought without a click"
    where = f"{lost.mean():.0%} of the visits" if len(lost) else ""
    yield from _silent("clicks", lost, clicked["ordered_at"], what, where)


def _lost_lists(past, month):
    """Each visit sees a list."""
    sessions = month["sessions"]
    lost = ~sessions["session_id"].isin(month["impressions"]["session_id"])
    what = f"of {len(lost):,} visits left no list in the log"
    yield from _silent("impressions", lost, sessions["started_at"], what, "the logs of the website")


def _shop_prices(past, month):
    products = _by("product_id", month["products"])
    known = [_known(past, "products", "product_id", "price_eur", keep).reindex(products.index) for keep in ("first", "last")]  # fmt: skip
    yield from _dearer("products.price_eur", products["price_eur"], *known, products["brand"])


def _launches(past, month):
    """Count the products that are new in the month: launched in it, or bought and not known before."""
    first = month["sessions"]["started_at"].min().to_period("M")
    known = month["products"]
    new = set(month["orders"]["product_id"]) - set(known["product_id"])
    if _has(month, "launches.product_id"):
        new |= set(month["launches"]["product_id"])
    months = known["launched_on"].dt.to_period("M").value_counts()
    year = months.reindex(pd.period_range(first - 12, first - 1, freq="M"), fill_value=0)
    usual = year.median()
    if len(new) > max(1.6 * usual, FEW):
        yield finding(
            "business", "products.launched_on", len(new), usual,
            f"{len(new)} products are new this month; {usual:.0f} are in half the months of a year",
            where="new products", effect=len(new) / len(known),
        )  # fmt: skip


def _calendar(past, month):
    """Hold what is bought against the same calendar month a year ago, category by category.

    If that ratio is not what it was in the first month since the start, nor a month ago, the season is not
    the calendar's.
    """
    kinds = _known([*past, month], "products", "product_id", "category")
    orders = _all([*past, month], "orders", ["product_id", "ordered_at"])
    counts = pd.crosstab(orders["ordered_at"].dt.to_period("M"), orders["product_id"].map(kinds))
    now = month["sessions"]["started_at"].max().to_period("M")
    played = [one["sessions"]["started_at"].max().to_period("M") for one in past[1:2]]
    references = {played[0] if played else now - 1, now - 1}
    if not {now, now - 12, *references, *(one - 12 for one in references)} <= set(counts.index):
        return
    shares = counts.div(counts.sum(axis=1), axis=0)
    year = shares.loc[now - 12 : now - 1].iloc[:12]
    seasonal = year.max() > 2 * year.clip(lower=1e-9).min()
    for kind in shares.columns[seasonal]:
        share, cells = shares[kind].clip(lower=1e-9), counts[kind] + 0.5
        moved = [np.log(share[now] / share[now - 12] * share[then - 12] / share[then]) for then in references]  # fmt: skip
        spread = [np.sqrt(sum(1 / cells[at] for at in (now, now - 12, then, then - 12))) for then in references]  # fmt: skip
        if all(abs(one) > max(0.5, 4 * sd) for one, sd in zip(moved, spread, strict=True)):
            yield finding(
                "business", "orders.product_id", shares.loc[now, kind], shares.loc[now - 12, kind],
                f"{kind}: {shares.loc[now, kind]:.1%} of what is bought, {shares.loc[now - 12, kind]:.1%} in "
                "the same month a year ago; at the start it was as a year before", where=kind,
                effect=np.tanh(min(map(abs, moved))),
            )  # fmt: skip


def _search_share(month):
    """Return of each visit that bought nothing from its list whether it bought by searching."""
    sessions, orders = month["sessions"]["session_id"], month["orders"]
    by_list = orders.loc[orders["channel"].eq("list"), "session_id"]
    return sessions[~sessions.isin(by_list)].isin(orders["session_id"])


def _searches(past, month):
    """Hold searches against the months since the start: before it another shop window was used."""
    if len(past) > 1:
        now = _search_share(month)
        before = min((_search_share(one) for one in (past[1], past[-1])), key=Series.mean)
        yield finding(
            "business", "orders.channel", now.mean(), before.mean(),
            f"of the visits that buy nothing from their list {now.mean():.1%} buy by searching; "
            f"{before.mean():.1%} did", where="the search page", effect=1 - now.mean() / before.mean(),
            p=chance_of_more(~now, ~before, 0.15 * before.mean()),
        )  # fmt: skip


def _unlike(month):
    """Return of each list whether it shares less than half with the same customer's list before."""
    lists = month["impressions"][["session_id", "product_id"]]
    served = month["telemetry"].drop_duplicates("session_id")
    own = served.loc[served["fallback"].eq(False), "session_id"]
    lists = lists[lists["session_id"].isin(own)].drop_duplicates()
    length = lists.groupby("session_id")["product_id"].transform("size")
    lists = lists[length == length.mode().max()].sort_values(["session_id", "product_id"])
    sessions = month["sessions"].drop_duplicates("session_id").set_index("session_id")
    ids = lists["session_id"].drop_duplicates()
    if ids.empty or not ids.isin(sessions.index).all():
        return Series(dtype=bool)
    shown = DataFrame(lists["product_id"].to_numpy().reshape(len(ids), -1), index=ids)
    who = sessions.loc[ids, ["customer_id", "started_at"]]
    version = served.set_index("session_id")["model_version"].reindex(ids).astype(str)
    order = np.lexsort([who["started_at"], version, who["customer_id"]])
    shown, person = shown.to_numpy()[order], who["customer_id"].to_numpy()[order]
    version = version.to_numpy()[order]  # another version may show other lists
    again = np.flatnonzero((person[1:] == person[:-1]) & (version[1:] == version[:-1]))
    common = (shown[again, :, None] == shown[again + 1, None, :]).sum(axis=(1, 2))
    return Series(common < shown.shape[1] / 2, dtype=bool)


def _lists(past, month):
    now, before = _unlike(month), pd.concat([Series(dtype=bool), *map(_unlike, past[1:])])
    if min(len(now), len(before)) > FEW:
        yield finding(
            "system", "impressions.product_id", now.mean(), before.mean(),
            f"{now.mean():.1%} of the lists share less than half with the list that the same customer saw before of "
            f"the same version; {before.mean():.1%} did", where="the version that serves",
            p=chance_of_more(now, before, 0.03),
        )  # fmt: skip


def _found(past, month):
    """Hold who found something against the start; a fall is told once, so not if a month ago it was as deep."""
    if len(past) < 2:
        return
    first, last, now = (one["feedback"]["found_something"].dropna().astype(bool) for one in (past[1], past[-1], month))  # fmt: skip
    told = now.mean() >= last.mean() - 0.04 and last.mean() < first.mean() - 0.04
    yield finding(
        "performance", "feedback.found_something", now.mean(), first.mean(),
        f"{now.mean():.1%} of those who answer found something; {first.mean():.1%} did at the start, "
        f"{last.mean():.1%} a month ago", p=1.0 if told else chance_of_more(~now, ~first, 0.04),
    )  # fmt: skip


def _shop_labels(name):
    def check(past, month):
        """Count the days from an order to what is known of it."""
        keys = ["order_id", "product_id"]
        orders = _all([*past, month], "orders", [*keys, "ordered_at"]).drop_duplicates(keys)
        days = [_days(one.merge(orders, on=keys), "ordered_at") for one in (month[name], _all(past, name, [*keys, "known_at"]))]  # fmt: skip
        yield from check_labels(name, *days, [len(one[name]) for one in past[1:]])

    return check


def _days(table, start):
    return (pd.to_datetime(table["known_at"]) - pd.to_datetime(table[start])).dt.total_seconds() / 86_400  # fmt: skip


_SHOP: dict[Callable, str] = {
    _click_times: "sessions.session_id sessions.started_at clicks.session_id clicks.clicked_at",
    _order_times: "sessions.session_id sessions.started_at orders.session_id orders.ordered_at",
    _lost_clicks: "orders.channel orders.session_id orders.product_id orders.ordered_at impressions.session_id impressions.product_id clicks.session_id? clicks.product_id?",
    _lost_lists: "sessions.session_id sessions.started_at impressions.session_id?",
    _rewritten("customer_id"): "customers.customer_id",
    _shop_prices: "products.product_id products.price_eur products.brand",
    _launches: "sessions.started_at products.product_id products.launched_on orders.product_id",
    _calendar: "sessions.started_at products.product_id products.category orders.product_id orders.ordered_at",
    _searches: "sessions.session_id orders.session_id orders.channel",
    _lists: "impressions.session_id impressions.product_id telemetry.fallback telemetry.model_version telemetry.session_id sessions.session_id sessions.customer_id sessions.started_at",
    _found: "feedback.found_something",
    _shop_labels("returns"): "orders.order_id orders.product_id orders.ordered_at returns.order_id? returns.product_id? returns.known_at?",
    _shop_labels("ratings"): "orders.order_id orders.product_id orders.ordered_at ratings.order_id? ratings.product_id? ratings.known_at?",
}  # fmt: skip


# The operator.


def operator(past: Sequence[Month], month: Month) -> Iterator[dict]:
    """Yield the signals of a month of the operator; a check whose columns are missing is left out.

    Parameters
    ----------
    past, month : tables as an operator has them, of its `history` and its `play`.
    """
    yield from run(_OPERATOR, past, month)


def _asked(month):
    """Return the first request of each customer, and the others, which only a robot sends."""
    requests = month["requests"].sort_values("request_id")
    again = requests.duplicated("customerID")
    return requests[~again], requests[again]


def _robots(past, month):
    first, again = _asked(month)
    if len(again) > FEW:
        yield finding(
            "relation", "requests.request_id", len(again) / len(first), 0,
            f"{len(again):,} requests ask again for one of {len(first):,} customers", where="requests by robots",
            since=again["sent_at"].min(),
        )  # fmt: skip


def _request_times(past, month):
    first, _ = _asked(month)
    moment = first["customerID"].map(_by("customerID", month["customers"])["scored_at"])
    yield from _too_early("requests.sent_at", first["sent_at"], moment, "the customer was due")


def _payment_times(past, month):
    paid = month["payments"].drop_duplicates()
    yield from _too_early("payments.paid_on", paid["paid_on"], paid["issued_on"], "the bill")


def _lost_requests(past, month):
    """Each customer is asked about once a month."""
    customers = month["customers"]
    lost = ~customers["customerID"].isin(month["requests"]["customerID"])
    what = f"of {len(lost):,} customers left no request in the log"
    yield from _silent("requests", lost, customers["scored_at"], what, "the logs of the service")


def _silent_towers(past, month):
    sensors = month["sensors"]
    towers = _all(past, "sensors", ["tower_id"])["tower_id"].unique()
    last = sensors.groupby("tower_id")["read_on"].max().reindex(towers)
    end = month["customers"]["scored_at"].max().normalize()
    start = month["customers"]["scored_at"].min().normalize()
    quiet = last.isna() | (last < end - DAY)
    if quiet.any():
        since = (last[quiet] + DAY).fillna(start).min()
        yield finding(
            "rows", "sensors", 1 - quiet.mean(), 1,
            f"{quiet.sum()} of {len(towers)} towers send no reading any more", effect=quiet.mean(),
            where=", ".join(sorted(last.index[quiet])[:4]), since=since,
        )  # fmt: skip


def _bills(past, month):
    now = _charges(month)
    known = [pd.to_numeric(_known(past, "snapshots customers", "customerID", "MonthlyCharges", keep), errors="coerce").reindex(now.index) for keep in ("first", "last")]  # fmt: skip
    lines = _by("customerID", month["customers"])["InternetService"]
    for other in (
        now < known[0],
        now > known[0],
    ):  # a promotion for some may hide a rise for others
        yield from _dearer("customers.MonthlyCharges", now.where(~other), *known, lines)


def _charges(month):
    """Return what each customer pays a month."""
    return pd.to_numeric(_by("customerID", month["customers"])["MonthlyCharges"], errors="coerce")


def _invoices(past, month):
    """Hold each bill against what its customer pays a month."""
    bill = _by("customerID", month["invoices"])["amount_eur"]
    usual = _charges(month).reindex(bill.index)
    if (bill / usual >= CENTS).any():
        towers = _known([*past, month], "subscribers joined", "customerID", "tower_id")
        yield from _dearer("invoices.amount_eur", bill, usual, usual, towers)


def _operator_labels(past, month):
    usual = _all(past[1:], "labels", ["scored_on", "known_at"])
    yield from check_labels("labels", _days(month["labels"], "scored_on"), _days(usual, "scored_on"), [len(one["labels"]) for one in past[1:]])  # fmt: skip


def _off(month):
    """Return of each customer whether its score is far from those given alike.

    A model answers by what it is given: same contract, line and years get about the same.
    """
    first, _ = _asked(month)
    scores = first.set_index("customerID")["churn_probability"].dropna()
    table = _by("customerID", month["given"]).join(scores, how="inner")
    years = pd.to_numeric(table["tenure"], errors="coerce") // 24
    alike = table.groupby([table["Contract"], table["InternetService"], years])["churn_probability"]
    return (table["churn_probability"] - alike.transform("median")).abs() > 0.3


def _scores(past, month):
    """Hold the scores against what the model was given."""
    now, before = _off(month), pd.concat([Series(dtype=bool), *map(_off, past[1:])])
    if min(len(now), len(before)) > ENOUGH:
        yield finding(
            "system", "requests.churn_probability", now.mean(), before.mean(),
            f"{now.mean():.1%} of the scores lie over 0.3 from those of customers given alike; "
            f"{before.mean():.1%} did", where="the version that serves", p=chance_of_more(now, before, 0.02),
        )  # fmt: skip


def _contracts(months):
    """Return the contract of each customer, as it was known last."""
    return _known(months, "snapshots customers", "customerID", "Contract", "last")


def _reasons(past, month):
    """Which reason leavers tick, those bound by a contract and those free apart."""
    contracts = _contracts([*past, month])
    now, before = month["cancellations"], _all(past, "cancellations", ["customerID", "reason"])
    for who, wanted in [("bound", True), ("free", False)]:
        ticked, did = (one.loc[_bound(one, contracts) == wanted, "reason"] for one in (now, before))
        for reason in ticked.unique() if min(len(ticked), len(did)) > FEW else ():
            share, usual = ticked.eq(reason), did.eq(reason)
            yield finding(
                "business", "cancellations.reason", share.mean(), usual.mean(),
                f"{share.mean():.0%} of the {who} customers who cancel name: {reason}; "
                f"{usual.mean():.0%} did", where=f"{who}: {reason}", p=chance_of_more(share, usual, 0.08),
            )  # fmt: skip


def _bound(table, contracts):
    """Return which rows are of customers bound by a contract."""
    return table["customerID"].map(contracts).ne("Month-to-month")


def _strangers(past, month):
    """Tell of labels of customers who were never scored; of the months since the start all are known."""
    labels = month["labels"]
    unknown = ~labels["customerID"].isin(_contracts([*past, month]).index)
    if len(past) > 1 and unknown.sum() > FEW:
        yield finding(
            "relation", "labels.customerID", unknown.mean(), 0,
            f"{unknown.sum():,} of {len(labels):,} labels are of customers whom nobody scored",
        )  # fmt: skip


def _leavers(past, month):
    """Count who left though bound by a contract, against the month before and the start."""
    if len(past) < 2:
        return
    contracts, left = _contracts([*past, month]), []
    for labels in (past[1]["labels"], past[-1]["labels"], month["labels"].drop_duplicates()):
        labels = labels[labels["customerID"].isin(contracts.index)]
        left.append(labels.loc[_bound(labels, contracts), "churned"].dropna().astype(bool))
    usual = max(left[0].mean(), left[1].mean())
    if min(map(len, left)) > FEW:
        yield finding(
            "performance", "labels.churned", left[2].mean(), usual,
            f"{left[2].mean():.1%} of the customers bound by a contract left; {usual:.1%} did", where="bound customers",
            p=chance_of_more(left[2], left[1], 1.3 * usual + 0.01 - left[1].mean()),
        )  # fmt: skip


_OPERATOR: dict[Callable, str] = {
    _robots: "requests.request_id requests.customerID requests.sent_at",
    _request_times: "requests.request_id requests.customerID requests.sent_at customers.customerID customers.scored_at",
    _payment_times: "payments.paid_on payments.issued_on",
    _lost_requests: "customers.customerID customers.scored_at requests.customerID?",
    _silent_towers: "sensors.tower_id? sensors.read_on? customers.scored_at",
    _rewritten("customerID"): "customers.customerID",
    _bills: "customers.customerID customers.MonthlyCharges customers.InternetService",
    _invoices: "customers.customerID customers.MonthlyCharges invoices.amount_eur invoices.customerID",
    _operator_labels: "labels.scored_on? labels.known_at?",
    _scores: "requests.request_id requests.customerID requests.churn_probability given.customerID given.tenure given.Contract given.InternetService",
    _reasons: "customers.customerID customers.Contract cancellations.reason cancellations.customerID",
    _strangers: "customers.customerID customers.Contract labels.customerID",
    _leavers: "customers.customerID customers.Contract labels.churned labels.customerID",
}  # fmt: skip
