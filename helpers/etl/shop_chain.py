"""The shop's part of the chain: how each of its sources is shaped and cleaned."""

from __future__ import annotations

from functools import partial

from helpers.etl import clean_feeds, clean_logs, clean_sensors, clean_shop, clean_surveys, shapes
from helpers.etl.chain import Step

SHOP_STEPS = {
    "customers": Step(clean_shop.clean_customers),
    "products": Step(clean_shop.clean_products),
    "sessions": Step(partial(clean_shop.clean_keyed, "shop.sessions")),
    "orders": Step(partial(clean_shop.clean_keyed, "shop.orders")),
    "order_lines": Step(clean_shop.clean_order_lines, needs="products"),
    "returns": Step(clean_shop.clean_returns),
    "catalogue": Step(clean_shop.clean_catalogue, shapes.flat_products),
    "ratings": Step(clean_shop.clean_ratings),
    "feedback": Step(partial(clean_shop.clean_texts, "shop.feedback")),
    "complaints": Step(partial(clean_shop.clean_texts, "shop.complaints")),
    "sustainability": Step(clean_shop.clean_sustainability, needs="products"),
    "sales": Step(clean_shop.clean_sales),
    "events": Step(
        partial(clean_feeds.clean_events, "shop.events"),
        partial(shapes.one_version, names=shapes.EVENT_NAMES),
    ),
    "price_list": Step(
        partial(clean_feeds.clean_supplier, "shop.price_list"),
        partial(shapes.supplier_items, day="listed_on"),
        needs="per_euro",
    ),
    "web_log": Step(partial(clean_logs.clean_requests, "shop.web_log"), shapes.request_lines),
    "live_events": Step(
        partial(clean_feeds.clean_events, "shop.live_events"), shapes.stream_events
    ),
    "pages": Step(clean_shop.clean_pages, shapes.page_facts, needs="products"),
    "cold_rooms": Step(clean_sensors.clean_cold_rooms),
    "satisfaction": Step(partial(clean_surveys.clean_survey, "shop.satisfaction")),
    "profiles": Step(clean_shop.clean_profiles),
}
