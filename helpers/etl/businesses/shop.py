"""The beauty shop: how each of its sources is shaped and cleaned."""

from __future__ import annotations

from functools import partial

from pandas import DataFrame, Series

from helpers.checks import require_same_kind, require_unique
from helpers.etl import parsing
from helpers.etl.books import Cleaned, Cleaning
from helpers.etl.businesses import shared
from helpers.etl.businesses.schemas import CATEGORIES, SKIN_TYPES, SKIN_WORDS, rules_of
from helpers.etl.businesses.sensors import clean_cold_rooms
from helpers.etl.chain import Step

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
    return shared.flat(raw, "catalogue", {1: _product_1, 2: _product_2})


def _product_1(row):
    return {
        "product_id": row.get("product_id"), "name": row.get("name"), "brand": row.get("brand"),
        "category": row.get("category"), "price_eur": row.get("price_eur"),
        "size_ml": shared.at_path(row, "attributes", "size_ml"), "launched_on": row.get("launched_on"),
        "suits": shared.listed(shared.at_path(row, "claims", "skin_types")),
        "fragrance_free": shared.at_path(row, "attributes", "fragrance_free"),
        "description": row.get("description"),
    }  # fmt: skip


def _product_2(row):
    said = shared.several(row.get("attributes"))
    facts = {str(shared.at_path(one, "name")): shared.at_path(one, "value") for one in said}
    claims = shared.at_path(row, "label", "claims")
    skins = [str(one).removeprefix("for ").removesuffix(" skin") for one in shared.several(claims)]
    return {
        "product_id": shared.number_in(row.get("id")), "name": row.get("title"),
        "brand": shared.at_path(row, "brand", "name"), "category": row.get("category"),
        "price_eur": shared.at_path(row, "price", "amount"), "size_ml": facts.get("size (ml)"),
        "launched_on": row.get("launched_on"), "suits": shared.listed(skins if isinstance(claims, list) else claims),
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
    cleaning = shared.started("shop.customers", raw)
    _skin_and_age(cleaning)
    shared.read_days(cleaning, "joined_on")
    return shared.finished(cleaning)


def clean_products(raw: DataFrame) -> Cleaned:
    """Clean the products: brands without blanks around them, one spelling of a category."""
    return shared.clean_keyed("shop.products", raw, texts=["brand"])


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
    cleaning = shared.started("shop.order_lines", raw)
    shared.parse_numbers(cleaning, "price_eur")
    listed = known_price(cleaning, products)
    usual = cleaning["price_eur"].groupby(cleaning["product_id"]).transform("median")
    in_cents = parsing.hundredfold(cleaning["price_eur"], listed.fillna(usual))
    euro = cleaning["price_eur"].where(~in_cents, cleaning["price_eur"] / 100)
    cleaning.repair("price_eur", euro, "cents to euro")
    return shared.finished(cleaning)


def clean_ratings(raw: DataFrame) -> Cleaned:
    """Clean the ratings: numbers typed as text, and ratings that are none of 1 to 5 set aside.

    Examples
    --------
    >>> raw = DataFrame({"rating_id": [1, 2], "customer_id": [1, 1], "product_id": [1, 2],
    ...                  "rating": ["4", 50], "known_at": ["2024-09-01T10:00:00"] * 2})
    >>> clean_ratings(raw).table["rating"].tolist()
    [4.0, nan]
    """
    cleaning = shared.started("shop.ratings", raw)
    shared.parse_numbers(cleaning, "rating")
    cleaning.set_aside("rating", ~cleaning["rating"].isin(range(1, 6)), "not from 1 to 5")
    return shared.finished(cleaning)


def clean_sustainability(raw: DataFrame, products: DataFrame) -> Cleaned:
    """Clean the third party's scores: numbers, and one spelling of each maker.

    Parameters
    ----------
    raw : `article`, `maker` ("BELIA LTD"), `title`, `score`.
    products : clean products; the makers are their brands.
    """
    cleaning = shared.started("shop.sustainability", raw)
    shared.parse_numbers(cleaning, "score")
    makers = [f"{brand.upper()} LTD" for brand in products["brand"].unique()]
    shared.read_words(cleaning, "maker", makers)
    return shared.finished(cleaning)


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
    cleaning = Cleaning("shop.sales", raw, rules_of("shop.sales"))
    shared.refuse_no_rows(cleaning, "line_id")
    shared.read_numbers(cleaning, "price_eur")
    shared.read_numbers(cleaning, "points", whole=True)
    for column in ["line_id", "customer_id", "product_id"]:
        lost = parsing.lost_digits(cleaning[column])
        cleaning.refuse(lost, f"{column} is in scientific notation: digits are lost")
        shared.read_whole(cleaning, column)
        cleaning.refuse(cleaning[column].isna(), f"{column} is no number")
        if cleaning[column].dtype == "Int64":  # the gaps are gone
            cleaning.table = cleaning.table.astype({column: "int64"})
    cleaning.merge("line_id")
    told = cleaning["price_eur"].fillna((cleaning["points"] / 100).round(2))
    cleaning.repair("price_eur", told, "a blank price told by the points")
    shared.gaps_for_blanks(cleaning, "category")
    shared.read_words(cleaning, "category", CATEGORIES)
    told = cleaning["category"].fillna(shared.agreed(cleaning["category"], cleaning["product_id"]))
    cleaning.repair("category", told, "a blank category told by the product's other lines")
    shared.trim(cleaning, "store")
    return shared.finished(cleaning)


def clean_pages(raw: DataFrame, products: DataFrame) -> Cleaned:
    """Clean what was read off the shop's pages; a price that the database contradicts is set aside.

    Parameters
    ----------
    raw : `product_id`, `name`, `brand`, `category`, `price_eur` (number, or text as "€ 1.012,50"),
        `size_ml`.
    products : clean products of the database, which wins: a page may be old.
    """
    cleaning = Cleaning("shop.pages", raw, rules_of("shop.pages"))
    shared.read_whole(cleaning, "product_id", "size_ml")
    shared.read_page_prices(cleaning)
    cleaning.merge("product_id")
    listed = known_price(cleaning, products)
    stale = listed.notna() & (cleaning["price_eur"] - listed).abs().gt(0.005)
    cleaning.repair("price_eur", cleaning["price_eur"].mask(stale, listed), "a stale price")
    return shared.finished(cleaning)


def clean_profiles(raw: DataFrame) -> Cleaned:
    """Clean the forms typed in the stores: skin type, age and consent in people's own words."""
    cleaning = shared.started("shop.profiles", raw, "email_consent")
    _skin_and_age(cleaning)
    shared.read_flags(cleaning, "email_consent")
    return shared.finished(cleaning)


def _skin_and_age(cleaning):
    shared.read_words(cleaning, "skin_type", SKIN_TYPES, SKIN_WORDS)
    cleaning.parse("age", parsing.parse_ages, "read as a number")
    shared.keep_within(cleaning, "age", 14, 120, " years")


SHOP = {
    "customers": Step(clean_customers),
    "products": Step(clean_products),
    "sessions": Step(partial(shared.clean_keyed, "shop.sessions")),
    "orders": Step(partial(shared.clean_keyed, "shop.orders")),
    "order_lines": Step(clean_order_lines, needs="products"),
    "returns": Step(partial(shared.clean_keyed, "shop.returns")),
    # A size or a description that is not there stays a gap: it is imputed where a model needs it.
    "catalogue": Step(
        partial(shared.clean_keyed, "shop.catalogue", numbers=["price_eur"]), flat_products
    ),
    "ratings": Step(clean_ratings),
    "feedback": Step(partial(shared.clean_keyed, "shop.feedback", texts=["text"])),
    "complaints": Step(partial(shared.clean_keyed, "shop.complaints", texts=["text"])),
    "sustainability": Step(clean_sustainability, needs="products"),
    "sales": Step(clean_sales),
    "events": Step(
        partial(shared.clean_events, "shop.events"), partial(shared.one_version, names=EVENT_NAMES)
    ),
    "price_list": Step(
        partial(shared.clean_supplier, "shop.price_list"),
        partial(shared.supplier_items, day="listed_on"),
    ),
    "web_log": Step(partial(shared.clean_requests, "shop.web_log")),
    "live_events": Step(partial(shared.clean_events, "shop.live_events")),
    "pages": Step(clean_pages, shared.page_facts, needs="products"),
    "cold_rooms": Step(clean_cold_rooms),
    "satisfaction": Step(partial(shared.clean_survey, "shop.satisfaction")),
    "profiles": Step(clean_profiles),
}
# Tables that grow by the hour go into the lake as well, by the month of this column.
SHOP_MONTHS = {
    "events": "at", "live_events": "at", "web_log": "requested_at", "cold_rooms": "read_at",
}  # fmt: skip
