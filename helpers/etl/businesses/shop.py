"""The beauty shop: how each of its sources is shaped and cleaned."""

from __future__ import annotations

from functools import partial

from pandas import DataFrame, Series

from helpers.checks import require_same_kind, require_unique
from helpers.etl import parsing
from helpers.etl.books import Cleaned, Cleaning
from helpers.etl.businesses.schemas import (
    CATEGORIES,
    CHANNELS,
    RETURN_REASONS,
    SKIN_TYPES,
    SKIN_WORDS,
    STORES,
    source_schema,
)
from helpers.etl.businesses.sensors import clean_cold_rooms
from helpers.etl.businesses.steps import (
    NUMBER,
    agreed,
    at_path,
    clean_events,
    clean_requests,
    clean_supplier,
    clean_survey,
    flat,
    listed,
    number_in,
    one_version,
    page_facts,
    read_ids,
    read_moments,
    read_numbers,
    read_page_prices,
    read_whole,
    read_words,
    request_lines,
    several,
    stream_events,
    supplier_items,
)
from helpers.etl.chain import Step
from helpers.etl.parsing import hundredfold

EVENT_NAMES = {"id": "event_id", "type": "event", "session": "session_id", "product": "product_id",
               "position": "rank", "ts": "at"}  # fmt: skip


def flat_products(raw: DataFrame) -> DataFrame:
    """Bring the catalogue's documents, of two schemas, to one row a product.

    Parameters
    ----------
    raw : one row a document, with `schema` (1 or 2); keys that a document lacks are None.

    Returns
    -------
    `product_id`, `name`, `brand`, `category`, `price_eur`, `size_ml`, `launched_on`, `suits` (skin
    types, joined by ", "), `fragrance_free`, `description`; None where the document says nothing.

    Examples
    --------
    >>> from helpers.etl.extract.result import object_table
    >>> old = {"schema": 1, "product_id": 7, "name": "Dew", "attributes": {"size_ml": 50}}
    >>> new = {"schema": 2, "id": "P-000008", "title": "Mist", "label": {"claims": ["for dry skin"]}}
    >>> flat_products(object_table([old, new]))[["product_id", "name", "size_ml", "suits"]].values.tolist()
    [[7, 'Dew', 50, None], [8, 'Mist', None, 'dry']]
    """
    return flat(raw, "catalogue", {1: _product_1, 2: _product_2})


def _product_1(row):
    return {
        "product_id": row.get("product_id"), "name": row.get("name"), "brand": row.get("brand"),
        "category": row.get("category"), "price_eur": row.get("price_eur"),
        "size_ml": at_path(row, "attributes", "size_ml"), "launched_on": row.get("launched_on"),
        "suits": listed(at_path(row, "claims", "skin_types")),
        "fragrance_free": at_path(row, "attributes", "fragrance_free"),
        "description": row.get("description"),
    }  # fmt: skip


def _product_2(row):
    facts = {
        str(at_path(one, "name")): at_path(one, "value") for one in several(row.get("attributes"))
    }
    claims = at_path(row, "label", "claims")
    skins = [str(one).removeprefix("for ").removesuffix(" skin") for one in several(claims)]
    return {
        "product_id": number_in(row.get("id")), "name": row.get("title"),
        "brand": at_path(row, "brand", "name"), "category": row.get("category"),
        "price_eur": at_path(row, "price", "amount"), "size_ml": facts.get("size (ml)"),
        "launched_on": row.get("launched_on"), "suits": listed(skins if isinstance(claims, list) else claims),
        "fragrance_free": facts.get("fragrance free"), "description": row.get("text"),
    }  # fmt: skip


def clean_customers(raw: DataFrame) -> Cleaned:
    """Clean the shop's customers: one spelling of a skin type, no impossible age, no placeholder date.

    Parameters
    ----------
    raw : `customer_id`, `age` (years), `skin_type`, `joined_on`.

    Examples
    --------
    >>> raw = DataFrame({"customer_id": [1, 2], "age": [31, 999], "skin_type": ["combi", "DRY"],
    ...                  "joined_on": ["2024-01-31", "1970-01-01"]})
    >>> clean_customers(raw).table["skin_type"].tolist()
    ['combination', 'dry']
    """
    cleaning = Cleaning("shop.customers", raw, ["customer_id", "age", "skin_type", "joined_on"])
    read_ids(cleaning)
    cleaning.merge("customer_id")
    _skin_type(cleaning)
    _age(cleaning)
    read_moments(cleaning, "joined_on")
    placeholder = parsing.no_placeholder(cleaning["joined_on"]).isna()
    cleaning.set_aside("joined_on", placeholder, "a placeholder date")
    return cleaning.done(source_schema("shop.customers"))


def clean_products(raw: DataFrame) -> Cleaned:
    """Clean the products: brands without blanks around them, one spelling of a category."""
    cleaning = Cleaning("shop.products", raw, ["product_id", "brand", "category", "launched_on"])
    read_ids(cleaning)
    cleaning.merge("product_id")
    cleaning.parse("brand", parsing.trimmed, "blanks around it")
    read_words(cleaning, "category", CATEGORIES)
    read_moments(cleaning, "launched_on")
    return cleaning.done(source_schema("shop.products"))


def clean_keyed(source: str, raw: DataFrame) -> Cleaned:
    """Clean a table that needs no more than its dates read, its copies merged and its schema held.

    Parameters
    ----------
    source : such as "shop.sessions" or "shop.orders".

    Examples
    --------
    >>> raw = DataFrame({"session_id": [5, 5], "customer_id": [1, 1], "started_at": ["2024-09-01T10:00:00"] * 2})
    >>> clean_keyed("shop.sessions", raw).books.merged
    1
    """
    schema = source_schema(source)
    cleaning = Cleaning(source, raw, schema.columns)
    read_ids(cleaning)
    cleaning.merge(next(iter(schema.columns)))
    read_moments(cleaning, *[c for c in schema.columns if c.endswith(("_on", "_at")) or c == "at"])
    return cleaning.done(schema)


def known_price(cleaning: Cleaning, products: DataFrame) -> Series:
    """Return what each row's product costs by the clean products; a gap where it is none of them.

    Raises
    ------
    ValueError
        If a product comes twice, or the ids are texts on one side and numbers on the other.
    """
    require_unique(products, "products", "product_id")
    theirs = products["product_id"]
    require_same_kind(cleaning["product_id"], cleaning.source, theirs, "products", "product_id")
    return cleaning["product_id"].map(products.set_index("product_id")["price_eur"])


def clean_order_lines(raw: DataFrame, products: DataFrame) -> Cleaned:
    """Clean the order lines: amounts in cents back to euro, one spelling of the channel.

    Nothing in a line says "cents"; a price a hundred times that of the product does.

    Parameters
    ----------
    raw : `line_id`, `order_id`, `product_id`, `price_eur`, `channel`.
    products : clean products, with `product_id` and `price_eur`.

    Examples
    --------
    >>> raw = DataFrame({"line_id": [11], "order_id": [1], "product_id": [3], "price_eur": [5800.0],
    ...                  "channel": ["Lists"]})
    >>> products = DataFrame({"product_id": [3], "price_eur": [58.0]})
    >>> clean_order_lines(raw, products).table[["price_eur", "channel"]].to_numpy().tolist()
    [[58.0, 'list']]
    """
    cleaning = Cleaning("shop.order_lines", raw, ["line_id", "product_id", "price_eur", "channel"])
    read_ids(cleaning)
    cleaning.merge("line_id")
    cleaning.parse("price_eur", parsing.parse_numbers, NUMBER)
    listed = known_price(cleaning, products)
    usual = cleaning["price_eur"].groupby(cleaning["product_id"]).transform("median")
    in_cents = hundredfold(cleaning["price_eur"], listed.fillna(usual))
    euro = cleaning["price_eur"].where(~in_cents, cleaning["price_eur"] / 100)
    cleaning.repair("price_eur", euro, "cents to euro")
    read_words(cleaning, "channel", CHANNELS)
    return cleaning.done(source_schema("shop.order_lines"))


def clean_returns(raw: DataFrame) -> Cleaned:
    """Clean the returns: one spelling of the reason."""
    cleaning = Cleaning("shop.returns", raw, ["return_id", "reason", "known_at"])
    read_ids(cleaning)
    cleaning.merge("return_id")
    read_words(cleaning, "reason", RETURN_REASONS)
    read_moments(cleaning, "known_at")
    return cleaning.done(source_schema("shop.returns"))


def clean_catalogue(raw: DataFrame) -> Cleaned:
    """Clean the flattened catalogue: prices as numbers, one spelling of a category.

    A size or a description that is not there stays a gap: it is imputed where a model needs it.
    """
    cleaning = Cleaning("shop.catalogue", raw, ["product_id", "category", "price_eur"])
    read_ids(cleaning)
    cleaning.merge("product_id")
    cleaning.parse("price_eur", parsing.parse_numbers, NUMBER)
    read_words(cleaning, "category", CATEGORIES)
    read_moments(cleaning, "launched_on")
    return cleaning.done(source_schema("shop.catalogue"))


def clean_ratings(raw: DataFrame) -> Cleaned:
    """Clean the ratings: numbers typed as text, and ratings that are none of 1 to 5 set aside.

    Examples
    --------
    >>> raw = DataFrame({"rating_id": [1, 2], "customer_id": [1, 1], "product_id": [1, 2],
    ...                  "rating": ["4", 50], "known_at": ["2024-09-01T10:00:00"] * 2})
    >>> clean_ratings(raw).table["rating"].tolist()
    [4.0, nan]
    """
    cleaning = Cleaning("shop.ratings", raw, ["rating_id", "rating", "known_at"])
    read_ids(cleaning)
    cleaning.merge("rating_id")
    cleaning.parse("rating", parsing.parse_numbers, NUMBER)
    cleaning.set_aside("rating", ~cleaning["rating"].isin(range(1, 6)), "not from 1 to 5")
    read_moments(cleaning, "known_at")
    return cleaning.done(source_schema("shop.ratings"))


def clean_texts(source: str, raw: DataFrame) -> Cleaned:
    """Clean what customers wrote ("shop.feedback" or "shop.complaints"): no blanks around it."""
    schema = source_schema(source)
    cleaning = Cleaning(source, raw, schema.columns)
    read_ids(cleaning)
    cleaning.merge(next(iter(schema.columns)))
    cleaning.parse("text", parsing.trimmed, "blanks around it")
    read_moments(cleaning, *[column for column in raw.columns if column.endswith("_at")])
    return cleaning.done(schema)


def clean_sustainability(raw: DataFrame, products: DataFrame) -> Cleaned:
    """Clean the third party's scores: numbers, and one spelling of each maker.

    Parameters
    ----------
    raw : `article`, `maker` ("BELIA LTD"), `title`, `score`.
    products : clean products; the makers are their brands.
    """
    cleaning = Cleaning("shop.sustainability", raw, ["article", "maker", "title", "score"])
    cleaning.merge("article")
    cleaning.parse("score", parsing.parse_numbers, NUMBER)
    read_words(cleaning, "maker", [f"{brand.upper()} LTD" for brand in products["brand"].unique()])
    return cleaning.done(source_schema("shop.sustainability"))


def clean_sales(raw: DataFrame) -> Cleaned:
    """Clean the monthly exports of sales, which break every convention that a CSV file can break.

    A price that is blank is no guess: a line earns a hundred points a euro, so the points tell it.
    A category that is blank is that of the same product's other lines, if they agree.

    Parameters
    ----------
    raw : every cell as text: `line_id`, `customer_id`, `product_id`, `category`, `store`,
        `ordered_at`, `price_eur`, `points`; with `file`, the style of numbers is found file by file.

    Examples
    --------
    >>> raw = DataFrame([["11", "1", "3", "MASK", " Köln", "01.09.2024 10:00:00", "1.058,5", "105.850"],
    ...                  ["21", "1", "3", "n/a", "Köln", "2024-09-01T11:00:00", "-", "5.800"],
    ...                  ["Total", "", "", "", "", "", "1.058,5", "111.650"]],
    ...                 columns=["line_id", "customer_id", "product_id", "category", "store",
    ...                          "ordered_at", "price_eur", "points"])
    >>> done = clean_sales(raw)
    >>> done.table[["category", "price_eur"]].to_numpy().tolist(), done.quarantined["reason"].tolist()
    ([['mask', 1058.5], ['mask', 58.0]], ['a row of totals'])
    """
    needs = [
        "line_id",
        "customer_id",
        "product_id",
        "category",
        "store",
        "ordered_at",
        "price_eur",
        "points",
    ]
    cleaning = Cleaning("shop.sales", raw, needs)
    cleaning.refuse(cleaning["line_id"].eq("line_id"), "a header in the middle of a file")
    cleaning.refuse(cleaning["line_id"].astype("str").str.lower().eq("total"), "a row of totals")
    read_numbers(cleaning, "price_eur")
    read_numbers(cleaning, "points", whole=True)
    for column in ["line_id", "customer_id", "product_id"]:
        lost = parsing.lost_digits(cleaning[column])
        cleaning.refuse(lost, f"{column} is in scientific notation: digits are lost")
        cleaning.parse(column, parsing.parse_whole, NUMBER)
        cleaning.refuse(cleaning[column].isna(), f"{column} is no number")
        if cleaning[column].dtype == "Int64":  # the gaps are gone
            cleaning.table = cleaning.table.astype({column: "int64"})
    cleaning.merge("line_id")
    told = cleaning["price_eur"].fillna((cleaning["points"] / 100).round(2))
    cleaning.repair("price_eur", told, "a blank price told by the points")
    cleaning.repair("category", parsing.blanks_to_gaps(cleaning["category"]), "a blank is a gap")
    read_words(cleaning, "category", CATEGORIES)
    told = cleaning["category"].fillna(agreed(cleaning["category"], cleaning["product_id"]))
    cleaning.repair("category", told, "a blank category told by the product's other lines")
    cleaning.parse("store", parsing.trimmed, "blanks around it")
    read_words(cleaning, "store", STORES)
    read_moments(cleaning, "ordered_at")
    return cleaning.done(source_schema("shop.sales"))


def clean_pages(raw: DataFrame, products: DataFrame) -> Cleaned:
    """Clean what was read off the shop's pages; a price that the database contradicts is set aside.

    Parameters
    ----------
    raw : `product_id`, `name`, `brand`, `category`, `price_eur` (number, or text as "€ 1.012,50"),
        `size_ml`.
    products : clean products of the database, which wins: a page may be old.
    """
    cleaning = Cleaning("shop.pages", raw, ["product_id", "price_eur", "category"])
    read_whole(cleaning, "product_id", "size_ml")
    read_page_prices(cleaning)
    cleaning.merge("product_id")
    listed = known_price(cleaning, products)
    stale = listed.notna() & (cleaning["price_eur"] - listed).abs().gt(0.005)
    cleaning.repair("price_eur", cleaning["price_eur"].mask(stale, listed), "a stale price")
    read_words(cleaning, "category", CATEGORIES)
    return cleaning.done(source_schema("shop.pages"))


def clean_profiles(raw: DataFrame) -> Cleaned:
    """Clean the forms typed in the stores: skin type, age and consent in people's own words."""
    cleaning = Cleaning(
        "shop.profiles", raw, ["entry_id", "entered_at", "skin_type", "age", "email_consent"]
    )
    read_ids(cleaning)
    cleaning.merge("entry_id")
    _skin_type(cleaning)
    _age(cleaning)
    cleaning.parse("email_consent", parsing.parse_flags, "read as yes or no")
    read_moments(cleaning, "entered_at")
    return cleaning.done(source_schema("shop.profiles"))


def _skin_type(cleaning):
    read_words(cleaning, "skin_type", SKIN_TYPES, SKIN_WORDS)


def _age(cleaning):
    cleaning.parse("age", parsing.parse_ages, NUMBER)
    cleaning.set_aside("age", ~cleaning["age"].between(14, 120), "not from 14 to 120 years")


SHOP = {
    "customers": Step(clean_customers),
    "products": Step(clean_products),
    "sessions": Step(partial(clean_keyed, "shop.sessions")),
    "orders": Step(partial(clean_keyed, "shop.orders")),
    "order_lines": Step(clean_order_lines, needs="products"),
    "returns": Step(clean_returns),
    "catalogue": Step(clean_catalogue, flat_products),
    "ratings": Step(clean_ratings),
    "feedback": Step(partial(clean_texts, "shop.feedback")),
    "complaints": Step(partial(clean_texts, "shop.complaints")),
    "sustainability": Step(clean_sustainability, needs="products"),
    "sales": Step(clean_sales),
    "events": Step(
        partial(clean_events, "shop.events"),
        partial(one_version, names=EVENT_NAMES),
    ),
    "price_list": Step(
        partial(clean_supplier, "shop.price_list"),
        partial(supplier_items, day="listed_on"),
    ),
    "web_log": Step(partial(clean_requests, "shop.web_log"), request_lines),
    "live_events": Step(partial(clean_events, "shop.live_events"), stream_events),
    "pages": Step(clean_pages, page_facts, needs="products"),
    "cold_rooms": Step(clean_cold_rooms),
    "satisfaction": Step(partial(clean_survey, "shop.satisfaction")),
    "profiles": Step(clean_profiles),
}
# Tables that grow by the hour go into the lake as well, by the month of this column.
SHOP_MONTHS = {
    "events": "at",
    "live_events": "at",
    "web_log": "requested_at",
    "cold_rooms": "read_at",
}
