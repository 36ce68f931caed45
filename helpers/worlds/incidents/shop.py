"""The incidents of the beauty shop: what its systems then hold, and what a recommender is given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

import numpy as np
import pandas as pd

from helpers.worlds.incidents import effects as records
from helpers.worlds.incidents.effects import COPY_STEP, GIVEN, MACHINE_SHARE, Systems
from helpers.worlds.incidents.kinds import WAVE_SHARE, Schedule
from helpers.worlds.play import MONTHS, luck
from helpers.worlds.shop.behaviour import TURN
from helpers.worlds.shop.market import (
    GENERATIONS_IN,
    HISTORY_STARTS,
    SKIN_TYPES,
    SPELLINGS,
    Products,
    day_of,
    draw_launches,
    stream,
)

KEYS = {
    "sessions": ["session_id"],
    "impressions": ["session_id", "product_id"],
    "clicks": ["session_id", "product_id"],
    "orders": ["order_id", "product_id"],
    "returns": ["order_id", "product_id"],
    "ratings": ["order_id", "product_id"],
    "feedback": ["session_id"],
    "complaints": ["session_id"],
    "telemetry": ["session_id"],
    "given": ["session_id"],
    "shadow": ["session_id", "product_id"],
    "customers": ["customer_id"],
    "products": ["product_id"],
}
_OTHER_NAMES = (("products", "category", "product_type"), ("customers", "age", "age_years"), ("ratings", "rating", "stars"))  # fmt: skip
_VAT = 0.19
_CONCERNED = {
    "launch_wave": "products launched in these months",
    "season": "the categories that customers need",
    "price_rise": "products.price_eur and orders.price_eur, and the price-minded customers",
    "feedback_loop": "the searches, and the lower places of the lists",
    "new_goal": "products.sustainability, and every customer's choice",
    "price_in_cents": "products.price_eur and orders.price_eur of the brands {some}",
    "remapped_code": "customers.skin_type of {share} of the customers",
    "dead_feed": "clicks and ratings of {share} of the sessions",
    "double_delivery": "{share} of the rows of orders and clicks",
    "clock_skew": "clicks.clicked_at and orders.ordered_at of {machine} of the sessions",
    "training_serving_skew": "customer_id of {share} of the customers, and price_eur, suits and brand of as many products, as given to decide",
    "label_delay": "ratings.known_at and returns.known_at",
    "slow_model": "the lists of the sessions whose request takes more than a second",
    "error_rate": "the lists of {share} of the sessions that the version serves",
    "bad_release": "the lists of {share} of the sessions that the version serves",
    "full_disk": "impressions, clicks and telemetry of the last {share} of the month",
    "target_leak": "sessions.thank_you_page",
    "bot_traffic": "sessions, impressions, clicks and telemetry",
}  # fmt: skip
_REPAIRS = {
    "price_in_cents": ("products", "orders"),
    "renamed_column": ("products", "customers", "ratings"),
    "remapped_code": ("customers",),
    "dead_feed": ("clicks", "ratings"),
    "double_delivery": ("orders", "clicks"),
    "clock_skew": ("clicks", "orders"),
    "training_serving_skew": ("given",),
    "label_delay": ("ratings", "returns"),
    "full_disk": ("impressions", "clicks", "telemetry"),
    "target_leak": ("sessions",),
    "bot_traffic": ("sessions", "impressions", "clicks", "telemetry"),
}
_WRITTEN = {
    "sessions": "started_at", "clicks": "clicked_at", "orders": "ordered_at", "returns": "known_at",
    "ratings": "known_at", "feedback": "answered_at", "complaints": "known_at",
    "telemetry": "requested_at", "given": "started_at",
}  # fmt: skip
_OTHER_ID = 1_000_000  # between the id of a customer and that of the same one in another system


@dataclass(frozen=True)
class Month:
    """Where and when an incident happens.

    Attributes
    ----------
    products : all that the shop ever sells.
    last : the last moment that the tables are about; None for the month's.
    served, hits : the version that served last, and incident -> the version that it hits.
    begun : for each session of the month when it began, for tables without a time.
    """

    seed: int
    month: int
    products: Products
    last: pd.Timestamp | None = None
    served: str = ""
    hits: Mapping[str, str] = field(default_factory=dict)
    begun: pd.Series | None = None

    @property
    def now(self) -> pd.Timestamp:
        return self.last or self.end - pd.Timedelta(seconds=1)

    def moments(self, name: str, rows: pd.DataFrame) -> pd.Series:
        """Return when each row of a table was written."""
        if name in _WRITTEN:
            return rows[_WRITTEN[name]]
        if self.begun is not None and "session_id" in rows:
            first = self.begun.index.min()  # a robot repeats a session on the same day
            copied = first + (rows["session_id"] - first) % COPY_STEP
            return self.begun.reindex(copied).set_axis(rows.index)
        return pd.Series(self.now, index=rows.index)

    @property
    def start(self) -> pd.Timestamp:
        return pd.Timestamp(HISTORY_STARTS + day_of(self.month))

    @property
    def end(self) -> pd.Timestamp:
        return pd.Timestamp(HISTORY_STARTS + day_of(self.month + 1))

    def rng(self, name: str) -> np.random.Generator:
        return stream(self.seed, self.month, name)

    def lot(self, ids, name: str) -> np.ndarray:
        """Return a number in [0, 1) that belongs to an id and an incident, in every month."""
        return luck(self.seed, 0, name, np.asarray(ids))


def planned_launches(story: Products, count: int, seed: int, schedule: Schedule) -> Products:
    """Return the products with the launches of this schedule in the place of the story's wave.

    Parameters
    ----------
    story : the products of the story, drawn for `count` on sale in month 1.
    schedule : a wave in it is launched in place of what those months usually bring.

    Returns
    -------
    In order of launch, numbered anew; what comes before the first difference stays as it is.
    """
    wave = schedule.get("launch_wave")
    shares = dict.fromkeys(range(wave.month, wave.until + 1), wave.size) if wave else {}
    told = dict.fromkeys(GENERATIONS_IN, WAVE_SHARE)
    others = [month for month in range(1, MONTHS + 1) if shares.get(month) != told.get(month)]
    if not others:
        return story
    edges = np.array([day_of(month) for month in range(1, MONTHS + 2)])
    kept = ~np.isin(np.searchsorted(edges, story.launched, side="right"), others)
    drawn = [draw_launches(count, seed, month, shares.get(month)) for month in others]
    return _by_launch(story, np.flatnonzero(kept), drawn)


def onsets(schedule: Schedule, seed: int) -> dict[str, pd.Timestamp]:
    """Return when each incident of the schedule begins to show."""
    found = {}
    for one in schedule.incidents:
        month = min(TURN, one.month) if one.name == "season" else one.month
        found[one.name] = SYSTEMS.onset(one, Month(seed, month, None))
    return found


def affected(schedule: Schedule, seed: int, products: Products) -> dict[str, str]:
    """Return what each incident of the schedule concerns, in words."""
    words = {}
    for one in schedule.incidents:
        brands = []
        if one.name == "price_in_cents":
            concerned = np.isin(products.brand, _supplied(one, Month(seed, one.month, products)))
            brands = sorted(products.public["brand"][concerned].unique())
        words[one.name] = SYSTEMS.affected(one, brands)
    return words


def _by_launch(story, kept, drawn):
    """Return the kept products and those drawn in order of launch, numbered anew."""
    launched = np.concatenate([story.launched[kept], *(more.launched for more in drawn)])
    order = np.argsort(launched, kind="stable")
    columns = {}
    for name in [one.name for one in fields(Products) if one.name != "public"]:
        parts = [getattr(story, name)[kept], *(getattr(more, name) for more in drawn)]
        columns[name] = np.concatenate(parts)[order]
    public = pd.concat([story.public.iloc[kept], *(more.public for more in drawn)])
    public = public.iloc[order].assign(product_id=np.arange(1, len(order) + 1))
    return Products(public=public.reset_index(drop=True), **columns)


def _supplied(one, where):
    """Return the brands of the supplier who sends cents."""
    brands = np.unique(where.products.brand)
    chosen = records.chosen_first(len(brands), one.size, stream(where.seed, 0, "price_in_cents"))
    return brands[chosen]


def _price_in_cents(books, one, where):
    concerned = np.isin(where.products.brand, _supplied(one, where))
    for name in [name for name in ("products", "orders") if name in books]:
        table = books.tables[name]
        rows = concerned[table["product_id"].to_numpy() - 1]
        books.change(one, name, "price_eur", rows, np.round(100 * table["price_eur"], 2))


def _remapped_code(books, one, where):
    if "customers" in books:
        customers = books.tables["customers"]
        following = dict(zip(SKIN_TYPES, [*SKIN_TYPES[1:], SKIN_TYPES[0]], strict=True))
        other = {
            word: SPELLINGS[following[skin]][place]
            for skin in SKIN_TYPES
            for place, word in enumerate(SPELLINGS[skin])
        }
        rows = where.lot(customers["customer_id"], one.name) < one.size
        books.change(one, "customers", "skin_type", rows, customers["skin_type"].map(other))


def _silent_from(one, where):
    """Return the moment of the first month at which the feed dies."""
    first = Month(where.seed, one.month, None)
    day = int(first.rng(one.name).integers(1, 20))
    return first.start + pd.Timedelta(days=day)


def _dead_feed(books, one, where):
    since = _silent_from(one, where)
    feeds = [("clicks", "session_id", "clicked_at"), ("ratings", "order_id", "known_at")]
    for name, source, time in [feed for feed in feeds if feed[0] in books]:
        table = books.tables[name]
        silent = where.lot(table[source], one.name) < one.size
        books.remove(one, name, silent & (table[time] >= since).to_numpy())


def _full_disk(books, one, where):
    if "sessions" not in books:
        return
    sessions, since = books.tables["sessions"], records.full_from(one, where)
    begun = pd.Series(sessions["started_at"].to_numpy(), index=sessions["session_id"])
    for name in ["impressions", "clicks", "telemetry"]:
        times = begun.reindex(books.tables[name]["session_id"])
        books.remove(one, name, (times >= since).to_numpy())


def _clock_skew(books, one, where):
    for name, column in [("clicks", "clicked_at"), ("orders", "ordered_at")]:
        if name in books:
            rows = where.lot(books.tables[name]["session_id"], one.name) < MACHINE_SHARE
            records.clock_behind(books, one, name, column, rows)


def _double_delivery(books, one, where):
    for name in ["orders", "clicks"]:
        if name in books:
            lots = luck(where.seed, where.month, f"{one.name} {name}", *_ids(books.tables[name]))
            records.double_delivery(books, one, name, lots)


def _ids(table):
    return table["session_id"].to_numpy(), table["product_id"].to_numpy()


def _bot_traffic(books, one, where):
    if "sessions" not in books or books.tables["sessions"].empty:
        return
    sessions = books.tables["sessions"]
    count = records.copies(one.size, where.lot(sessions["session_id"], one.name))
    place = np.repeat(np.arange(len(count)), count)
    number = np.arange(len(place)) - np.repeat(count.cumsum() - count, count) + 1
    copied = sessions["session_id"].to_numpy()[place]
    ids = copied + COPY_STEP * number
    seconds = 60 + (3_540 * luck(where.seed, where.month, one.name, copied, number)).astype(int)
    begun = sessions["started_at"].to_numpy()[place]
    # A robot's visit ends before midnight.
    last = begun.astype("M8[D]") + np.timedelta64(1, "D") - np.timedelta64(2, "s")
    begun = np.minimum(begun + seconds.astype("m8[s]"), last.astype(begun.dtype))
    robots = pd.DataFrame({"copied": copied, "session_id": ids, "begun": begun})

    def repeated(name):
        """Return the rows of a table that belong to the copied sessions, under their new ids."""
        rows = books.tables[name].rename(columns={"session_id": "copied"})
        rows = robots.merge(rows, on="copied").drop(columns="copied")
        return rows[[*books.tables[name].columns, "begun"]]

    lists, moment = repeated("impressions"), pd.Timedelta(seconds=1)
    clicks = lists.assign(clicked_at=lists["begun"] + moment)[books.tables["clicks"].columns]
    times = {"sessions": "started_at", "telemetry": "requested_at"}
    added = {
        name: repeated(name).assign(**{time: lambda rows: rows["begun"]}).drop(columns="begun")
        for name, time in times.items()
    }
    for name, rows in {
        **added,
        "impressions": lists.drop(columns="begun"),
        "clicks": clicks,
    }.items():
        books.add(one, name, rows)


def _target_leak(books, one, where):
    if "sessions" in books:
        sessions = books.tables["sessions"]["session_id"]
        bought = sessions.isin(books.tables["orders"]["session_id"])
        known = where.lot(sessions, one.name) < one.size
        books.add_column(one, "sessions", "thank_you_page", bought & known)


def _leak_to_come(books, one, where):
    books.add_column(one, f"{GIVEN}sessions", "thank_you_page", False)


def _training_serving_skew(books, one, where):
    """Give ids of another system, net prices, brands in capitals, no skin types.

    Another program than in training fills the request.
    """
    sessions = books.tables[f"{GIVEN}sessions"]
    strangers = where.lot(sessions["customer_id"], one.name) < one.size
    others = sessions["customer_id"] + _OTHER_ID
    books.change(one, f"{GIVEN}sessions", "customer_id", strangers, others)
    name = f"{GIVEN}products"
    products = books.tables[name]
    rows = where.lot(products["product_id"], one.name) < one.size
    net = np.round(products["price_eur"] / (1 + _VAT), 2)
    books.change(one, name, "price_eur", rows, net)
    books.change(one, name, "brand", rows, products["brand"].str.upper())
    books.change(one, name, "suits", rows, pd.Series(None, index=products.index, dtype="str"))


SYSTEMS = Systems(
    keys=KEYS,
    late=("returns", "ratings"),
    names=_OTHER_NAMES,
    concerned=_CONCERNED,
    repairs=_REPAIRS,
    # Rows are added and lost before they are changed.
    steps={
        "bot_traffic": _bot_traffic,
        "target_leak": _target_leak,
        "dead_feed": _dead_feed,
        "full_disk": _full_disk,
        "price_in_cents": _price_in_cents,
        "remapped_code": _remapped_code,
        "clock_skew": _clock_skew,
        "double_delivery": _double_delivery,
    },
    given_steps={"training_serving_skew": _training_serving_skew, "target_leak": _leak_to_come},
    since={"dead_feed": _silent_from, "full_disk": records.full_from},
)
