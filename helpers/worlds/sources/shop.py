"""What the beauty shop keeps where: the clean tables behind its sources."""

from __future__ import annotations

import numpy as np
import pandas as pd
from pandas import DataFrame

from helpers.worlds.incidents import shop as incidents
from helpers.worlds.play import MONTHS
from helpers.worlds.shop.market import HISTORY_STARTS, SKIN_OF_SPELLING, SPELLINGS, day_of
from helpers.worlds.shop.world import Shop
from helpers.worlds.sources import spoilers as spoil
from helpers.worlds.sources.blemishes import stream
from helpers.worlds.sources.plan import LIKERT, Source, answers, numbered, web_requests

STORES = ["Genève", "Köln", "Malmö", "Málaga"]
READS = ["sessions", "impressions", "clicks", "orders", "returns", "ratings", "feedback", "complaints"]  # fmt: skip
PRODUCT = ["product_id", "name", "brand", "category", "price_eur", "size_ml", "launched_on"]

SOURCES = [
    Source("customers", "table", "customer_id", "customers", spoils=(
        ("out of range", "age", spoil.out_of_range([-1, 0, 199, 999])),
        ("placeholder date", "joined_on", spoil.placeholder_date))),
    Source("products", "table", "product_id", "products", spoils=(
        ("whitespace", "brand", spoil.whitespace), ("spelling", "category", spoil.spelling))),
    Source("sessions", "table", "session_id", "sessions", links=(("customer_id", "customers"),)),
    Source("orders", "table", "order_id", "orders",
           links=(("session_id", "sessions"), ("customer_id", "customers"))),
    Source("order_lines", "table", "line_id", "order_lines",
           spoils=(("cents", "price_eur", spoil.cents), ("spelling", "channel", spoil.spelling)),
           links=(("order_id", "orders"), ("product_id", "products"))),
    Source("returns", "table", "return_id", "returns",
           spoils=(("spelling", "reason", spoil.spelling),),
           links=(("order_id", "orders"), ("product_id", "products"))),
    Source("catalogue", "documents", "product_id", "catalogue.json", spoils=(
        ("missing key", "size_ml", spoil.missing), ("missing key", "description", spoil.missing),
        ("number as text", "price_eur", spoil.number_as_text),
        ("spelling", "category", spoil.spelling))),
    Source("ratings", "endpoint", "rating_id", "ratings", when="known_at", spoils=(
        ("out of range", "rating", spoil.out_of_range([-1, 0, 50])),
        ("number as text", "rating", spoil.number_as_text))),
    Source("feedback", "endpoint", "feedback_id", "feedback", when="known_at",
           spoils=(("whitespace", "text", spoil.whitespace),)),
    Source("complaints", "endpoint", "complaint_id", "complaints", when="known_at",
           spoils=(("whitespace", "text", spoil.whitespace),)),
    Source("sustainability", "partner", "article", "scores", hidden=("product_id",), spoils=(
        ("number as text", "score", spoil.number_as_text), ("spelling", "maker", spoil.spelling))),
    Source("sales", "csv", "line_id", "exports/sales", when="ordered_at", copies=True,
           numbers=("price_eur", "points"), spoils=(
               ("blank", "price_eur", spoil.blank), ("blank", "category", spoil.blank),
               ("date format", "ordered_at", spoil.date_format),
               ("spelling", "category", spoil.spelling), ("whitespace", "store", spoil.whitespace))),
    Source("events", "json lines", "event_id", "events/events", when="at", bulky=True,
           spoils=(("number as text", "product_id", spoil.number_as_text),)),
    Source("price_list", "xml", "item_id", "supplier/price_list", when="listed_on", bulky=True,
           spoils=(("missing key", "name", spoil.missing), ("missing key", "price_eur", spoil.missing),
                   ("currency", "price_eur", spoil.in_currency), ("cents", "price_eur", spoil.in_cents))),
    Source("web_log", "log", "path", "logs/access", when="requested_at", bulky=True),
    Source("live_events", "stream", "event_id", "events", when="at"),
    Source("pages", "pages", "product_id", "product", spoils=(
        ("stale price", "price_eur", lambda values, rng: [value + 2.0 for value in values]),
        ("missing key", "size_ml", spoil.missing))),
    Source("cold_rooms", "sensors", "reading_id", "sensors/cold_rooms", when="read_at", bulky=True),
    Source("satisfaction", "survey", "answer_id", "surveys/satisfaction", when="answered_at"),
    Source("profiles", "forms", "entry_id", "forms/profiles", when="entered_at", spoils=(
        ("words", "age", spoil.age_in_words), ("words", "email_consent", spoil.flag_in_words),
        ("local format", "entered_at", spoil.date_format))),
]  # fmt: skip

_ARTICLES = 999_983  # a prime, so that no two products get the same number


class ShopTables:
    """The shop's clean tables, month by month.

    Parameters
    ----------
    world : the shop.
    months : months of history of the bulky sources, counted from the last.
    probes : sensors in each cold room, 1 or 2; with the second, one of the rooms truly warms.
    """

    name = "shop"
    sources = SOURCES
    first_month = 1 - MONTHS
    last_month = MONTHS
    reads = READS
    dated = (("sessions", "started_at"),)

    def __init__(self, world: Shop, months: int, probes: int = 1):
        self._world, self._months, self._probes = world, months, probes
        self._stated = world.hidden.market.people.public

    def label(self, month: int) -> str:
        """Return what a month is called in file names: year and month."""
        return str(HISTORY_STARTS + day_of(month))[:7]

    def starts(self, month: int) -> np.datetime64:
        """Return the first second of a month."""
        return (HISTORY_STARTS + day_of(month)).astype("M8[s]")

    def old_names(self, month: int) -> dict[str, str]:
        """Return the columns that the world has renamed: new name -> old name."""
        return incidents.SYSTEMS.old_names(self._world.hidden.market.schedule, month)

    def tables(self, seen: dict[str, DataFrame], month: int, taken: dict) -> dict[str, DataFrame]:
        """Return the clean table of each source for the history (month 0) or one played month.

        Parameters
        ----------
        seen : what `Shop.history` or `Shop.play` returned.
        taken : the last number that each source has given, so that numbers go on.
        """
        first = {name: last + 1 for name, last in taken.items()}
        products = self._new_products(month)
        lines = _lines(seen["orders"])
        feedback = seen["feedback"].copy()
        feedback["known_at"] = feedback["answered_at"].clip(upper=_last_second(self, month))
        return {
            "customers": self._people(month),
            "products": products[PRODUCT],
            "sessions": seen["sessions"][["session_id", "customer_id", "started_at"]],
            "orders": lines.drop_duplicates("order_id")[["order_id", "session_id", "customer_id", "ordered_at"]],
            "order_lines": lines[["line_id", "order_id", "product_id", "price_eur", "channel"]],
            "returns": numbered(seen["returns"].drop(columns="customer_id"), "return_id", first["returns"]),
            "catalogue": products[[*PRODUCT, "suits", "fragrance_free", "description"]],
            "ratings": numbered(seen["ratings"], "rating_id", first["ratings"]),
            "feedback": numbered(feedback, "feedback_id", first["feedback"]),
            "complaints": numbered(seen["complaints"], "complaint_id", first["complaints"]),
            "sustainability": self._scores(month),
            "sales": _sales(lines, self._catalogue(month)),
            "events": _events(seen),
            "price_list": self._price_lists(month),
            "web_log": _web_log(seen, stream(self._world.seed, month, "web log")),
            "live_events": _live(seen, self.starts(month)),
            "pages": products[PRODUCT[:-1]],
            "cold_rooms": self._cold_rooms(month),
            "satisfaction": self._survey(feedback, first["satisfaction"], month),
            "profiles": self._forms(seen["sessions"], first["profiles"], month),
        }  # fmt: skip

    def respell(self, planting) -> None:
        """Plant what the world itself spells in five ways: the skin type as customers stated it."""
        if planting.source not in ("customers", "profiles"):
            return
        if planting.source == "customers" and planting.rates["spelling"]:
            people = self._stated.set_index("customer_id")["skin_type"]
            stated = people.loc[[int(row) for row in planting.rows]]
            known = stated.dropna().tolist()
            which = stated.notna().to_numpy()
            planting.replace("spelling", "skin_type", which, lambda values, rng: known)
        if planting.source == "profiles":
            planting.spoil("words", "skin_type", _typed_skin)

    def _catalogue(self, month):
        """Return what has been on sale by the end of the month."""
        products = self._world.hidden.market.products.public
        if month < MONTHS:  # what the last month launches is on no first day of a month
            stored = self._world.products(max(1, month + 1))
            renamed = products.columns.difference(stored.columns)
            products = stored.join(products[renamed])  # an incident may have renamed a column
        return products[products["launched_on"].to_numpy() < self.starts(month + 1)].copy()

    def _new_products(self, month):
        known = self._catalogue(month)
        if month == 0:
            return known
        return known[known["launched_on"].to_numpy() >= self.starts(month)].copy()

    def _people(self, month):
        """Return who joined in the month, or before the future."""
        joined = self._stated["joined_on"].to_numpy()
        known = joined < self.starts(month + 1)
        if month:
            known &= joined >= self.starts(month)
        customers = self._stated[known]
        skin = customers["skin_type"].map(SKIN_OF_SPELLING, na_action="ignore")
        return customers.assign(skin_type=skin)

    def _scores(self, month):
        """Return the third party's scores, once they are out, under its own names."""
        scored = self._world.products(min(month + 1, MONTHS))
        if "sustainability" not in scored:
            return None
        if "sustainability" in self._world.products(max(1, month)) and month:
            scored = scored[scored["launched_on"].to_numpy() >= self.starts(month)]
        named = zip(scored["name"], scored["brand"], scored["size_ml"], strict=True)
        return DataFrame(
            {
                "article": [_article(number, self._world.seed) for number in scored["product_id"]],
                "product_id": scored["product_id"].to_numpy(),
                "maker": scored["brand"].str.upper().to_numpy() + " LTD",
                "title": [f"{name[len(brand) + 1 :]} / {size}ML" for name, brand, size in named],
                "score": scored["sustainability"].to_numpy(),
            }
        )

    def _price_lists(self, month):
        """Return the supplier's list of each month: what a jar costs the shop."""
        months = range(1 - self._months, 1) if month == 0 else [month]
        return pd.concat([self._price_list(one) for one in months], ignore_index=True)

    def _price_list(self, month):
        products = self._catalogue(month - 1)
        label = self.label(month)
        sku = [f"SUP-{number:06d}" for number in products["product_id"]]
        return DataFrame(
            {
                "item_id": [f"{label}/{one}" for one in sku],
                "sku": sku,
                "listed_on": self.starts(month),
                "name": products["name"].to_numpy(),
                "price_eur": products["price_eur"].to_numpy() / 2,
            }
        )

    def _cold_rooms(self, month):
        """Return what the sensors of the stores' cold rooms read: the last months, or the month."""
        first = 1 - self._months if month == 0 else month
        start, end = self.starts(first), self.starts(month + 1)
        at = np.arange(start, end, np.timedelta64(3_600, "s"))
        rng = stream(self._world.seed, month, "cold rooms")
        hour = (at - at.astype("M8[D]")).astype(int) / 3_600
        rooms = [self._room(place, at, hour, rng) for place in range(len(STORES))]
        if self._probes == 2:
            seconds = [self._room(place, at, hour, rng) for place in range(len(STORES))]
            for second in seconds:
                names = second[["reading_id", "sensor_id"]].replace("^C", "D", regex=True)
                rooms.append(second.assign(**names))
            self._fail_a_fridge(rooms, at)
        return pd.concat(rooms, ignore_index=True)

    def _fail_a_fridge(self, rooms, at):
        """Warm one room as a creeping sensor would: a hundredth an hour, for both of its probes."""
        rng = stream(self._world.seed, 0, "fridge")
        place = int(rng.integers(len(STORES)))
        began = self.starts(0) + np.timedelta64(int(rng.integers(48, 144)), "h")
        hours = (at - began).astype("m8[h]").astype(int)
        warmer = np.where(at < self.starts(1), np.clip(0.01 * hours, 0, 4), 0)  # repaired then
        for room in (rooms[place], rooms[place + len(STORES)]):
            room["temperature_c"] = (room["temperature_c"] + warmer).round(1)

    def _room(self, place, at, hour, rng):
        warm = 0.4 * np.sin(2 * np.pi * (hour - 9) / 24)
        number = ((at - self.starts(self.first_month)).astype(int)) // 60
        return DataFrame(
            {
                "reading_id": [f"C{place}-{one}" for one in number.tolist()],
                "sensor_id": f"C{place}",
                "store": STORES[place],
                "read_at": at,
                "temperature_c": np.round(5 + 0.3 * place + warm + rng.normal(0, 0.2, len(at)), 1),
                "humidity_pct": np.round(np.clip(60 + rng.normal(0, 3, len(at)), 0, 100), 1),
            }
        )

    def _survey(self, feedback, first, month):
        """Return the satisfaction survey: some of those who gave feedback answer five questions."""
        rng = stream(self._world.seed, month, "satisfaction")
        some = feedback[rng.random(len(feedback)) < 0.2].reset_index(drop=True)
        table = some[["customer_id"]].assign(answered_at=some["known_at"])
        table[LIKERT] = answers(some["found_something"].to_numpy(), rng)
        table["comment"] = some["text"].where(some["text"] != "")
        return numbered(table, "answer_id", first)

    def _forms(self, sessions, first, month):
        """Return profile forms, typed in the stores: skin type, age, consent to be written to."""
        rng = stream(self._world.seed, month, "profiles")
        visits = sessions[rng.random(len(sessions)) < 0.02]
        people = self._stated.set_index("customer_id").loc[visits["customer_id"]]
        table = DataFrame(
            {
                "customer_id": visits["customer_id"].to_numpy(),
                "entered_at": visits["started_at"].to_numpy(),
                "skin_type": people["skin_type"]
                .map(SKIN_OF_SPELLING, na_action="ignore")
                .to_numpy(),
                "age": people["age"].array,
                "email_consent": rng.random(len(visits)) < 0.6,
            }
        )
        return numbered(table, "entry_id", first)


def _last_second(books, month):
    return books.starts(month + 1) - np.timedelta64(1, "s")


def _article(product_id, seed):
    """Return the third party's number of a product: its own, and not to be guessed from ours."""
    return f"GL-{(product_id * 7_919 + seed * 104_729 + 31) % _ARTICLES:06d}"


def _typed_skin(values, rng):
    """Type a skin type in one of the five ways customers have."""
    ways = rng.integers(0, 5, len(values))
    return [SPELLINGS[value][way] for value, way in zip(values, ways, strict=True)]


def _lines(orders):
    """Return the orders line by line, each under a number of its own."""
    number = orders.groupby("order_id").cumcount() + 1
    return orders.assign(line_id=orders["order_id"] * 10 + number)


def _sales(lines, products):
    """Return the monthly sales export: what each line brought, in which store it was booked."""
    category = products.set_index("product_id")["category"].reindex(lines["product_id"])
    return DataFrame(
        {
            "line_id": lines["line_id"].to_numpy(),
            "customer_id": lines["customer_id"].to_numpy(),
            "product_id": lines["product_id"].to_numpy(),
            "category": category.to_numpy(),
            "store": np.array(STORES, dtype=object)[lines["customer_id"].to_numpy() % len(STORES)],
            "ordered_at": lines["ordered_at"].to_numpy(),
            "price_eur": lines["price_eur"].to_numpy(),
            "points": np.rint(lines["price_eur"].to_numpy() * 100).astype(int),
        }
    )


def _events(seen):
    """Return impressions and clicks as the website logs them, in order of time."""
    shown, clicks, sessions = seen["impressions"], seen["clicks"], seen["sessions"]
    place = np.searchsorted(sessions["session_id"].to_numpy(), shown["session_id"].to_numpy())
    shown = shown.assign(event="impression", at=sessions["started_at"].to_numpy()[place])
    clicks = clicks.assign(event="click", at=clicks["clicked_at"])
    columns = ["event", "session_id", "product_id", "rank", "at"]
    both = pd.concat([shown[columns], clicks[columns]], ignore_index=True)
    offset = np.where(both["event"] == "click", 50, 0)
    both.insert(0, "event_id", both["session_id"] * 100 + both["rank"] + offset)
    return both.sort_values("at", kind="stable", ignore_index=True)


def _web_log(seen, rng):
    """Return the requests of people: the front page, products clicked, checkouts.

    The web server writes a click once, however often a queue behind it delivers it.
    """
    sessions = seen["sessions"].set_index("session_id")["customer_id"]
    clicks = seen["clicks"].drop_duplicates(["session_id", "product_id"])
    orders = seen["orders"].drop_duplicates("order_id")
    front, clicked, paid = (t["session_id"].astype(str) for t in (seen["sessions"], clicks, orders))
    things = "/product/" + clicks["product_id"].astype(str) + "?session="
    path = ["/?session=" + front, things + clicked, "/checkout?session=" + paid]
    at = [seen["sessions"]["started_at"], clicks["clicked_at"], orders["ordered_at"]]
    who = [sessions, sessions.loc[clicks["session_id"]], orders["customer_id"]]
    method = np.repeat(["GET", "GET", "POST"], [len(part) for part in path])
    failed = rng.random(len(method))
    fine = np.where(method == "POST", 302, 200)
    status = np.select([failed < 0.003, failed < 0.008], [500, 404], fine)
    joined = [np.concatenate([part.to_numpy() for part in parts]) for parts in (at, who, path)]
    return web_requests(joined[0], joined[1], method, joined[2], status, rng)


def _live(seen, start):
    """Return the live feed: sessions, clicks and orders of the month as they happen."""
    sessions = seen["sessions"].assign(event="session", at=seen["sessions"]["started_at"])
    clicks = seen["clicks"].assign(event="click", at=seen["clicks"]["clicked_at"])
    orders = seen["orders"].assign(event="order", at=seen["orders"]["ordered_at"])
    both = pd.concat([sessions, clicks, orders], ignore_index=True)
    both = both[both["at"].to_numpy() >= start].sort_values("at", kind="stable", ignore_index=True)
    both["product_id"] = both["product_id"].astype("Int64")
    both["event_id"] = both["session_id"] * 100 + both.groupby("session_id").cumcount()
    return both[["event_id", "event", "session_id", "product_id", "at"]]
