"""The public web pages of a business: what is on sale, in pages of ten, with a robots.txt.

Half of the pages carry their facts as JSON-LD too; the others have nothing but what is seen.
"""

from __future__ import annotations

import json
from html import escape

PER_PAGE = 10


def robots_txt(crawl_delay: int) -> str:
    """Return what robots may not read, and the seconds they should wait between two pages.

    Examples
    --------
    >>> robots_txt(1).splitlines()[:2]
    ['User-agent: *', 'Crawl-delay: 1']
    """
    return (
        f"User-agent: *\nCrawl-delay: {crawl_delay}\n"
        "Disallow: /admin\nDisallow: /reviews/private\nAllow: /\n"
    )


def page(path: str, rows: list[dict], place: str) -> str | None:
    """Return the HTML page at `path`, or None where there is none.

    Parameters
    ----------
    path : "/", "/category/sun-care", "/category/sun-care/2", "/product/17".
    rows : what is on sale; `product_id`, `name`, `category`, `price_eur` and further facts.
    place : the first part of the path of one thing on sale, such as "product".

    Examples
    --------
    >>> rows = [{"product_id": 1, "name": "Dew", "category": "sun care", "price_eur": 12.5}]
    >>> "€ 12,50" in page("/product/1", rows, "product"), page("/product/2", rows, "product")
    (True, None)
    """
    parts = [part for part in path.split("/") if part]
    if not parts:
        return _front(rows)
    if parts[0] == "category" and len(parts) in (2, 3):
        return _category(parts[1], parts[2] if len(parts) == 3 else "1", rows, place)
    if parts[0] == place and len(parts) == 2:
        return next((_thing(row) for row in rows if str(row["product_id"]) == parts[1]), None)
    if parts[0] == "admin" or parts[:2] == ["reviews", "private"]:
        return _html("Not for robots", "<p>Staff only.</p>")
    return None


def slug(category: str) -> str:
    """Return a category as it stands in an address.

    Examples
    --------
    >>> slug("Fiber optic")
    'fiber-optic'
    """
    return category.lower().replace(" ", "-")


def euro(price: float) -> str:
    """Return a price as the pages show it.

    Examples
    --------
    >>> euro(1012.5)
    '€ 1.012,50'
    """
    return "€ " + f"{price:,.2f}".translate(str.maketrans(",.", ".,"))


def _front(rows):
    """Return the front page: a link to each category, and one that robots may not follow."""
    categories = sorted({row["category"] for row in rows})
    links = "".join(f'<li><a href="/category/{slug(c)}">{escape(c)}</a></li>' for c in categories)
    return _html("Welcome", f'<ul class="categories">{links}</ul><a href="/admin">staff</a>')


def _category(wanted, number, rows, place):
    """Return one page of a category, with links to the things and to the next page."""
    own = [row for row in rows if slug(row["category"]) == wanted]
    pages = max(1, -(-len(own) // PER_PAGE))
    if not own or not number.isascii() or not number.isdigit() or not 1 <= int(number) <= pages:
        return None
    start = (int(number) - 1) * PER_PAGE
    links = "".join(
        f'<li><a class="thing" href="/{place}/{row["product_id"]}">{escape(row["name"])}</a></li>'
        for row in own[start : start + PER_PAGE]
    )
    body = f"<ul>{links}</ul>"
    if int(number) < pages:
        body += f'<a rel="next" href="/category/{wanted}/{int(number) + 1}">next</a>'
    return _html(own[0]["category"], body)


def _thing(row):
    """Return the page of one thing on sale."""
    facts = {name: value for name, value in row.items() if value is not None}
    seen = "".join(
        f'<dt>{escape(name)}</dt><dd class="{name}">{escape(str(value))}</dd>'
        for name, value in facts.items()
        if name not in ("product_id", "name", "price_eur")
    )
    body = f'<p class="price">{euro(row["price_eur"])}</p><dl>{seen}</dl>'
    if row["product_id"] % 2 == 0:
        body += f'<script type="application/ld+json">{_json_ld(facts)}</script>'
    return _html(row["name"], body, f' data-id="{row["product_id"]}"')


def _json_ld(facts):
    """Return the facts in schema.org's terms."""
    offer = {"@type": "Offer", "price": facts["price_eur"], "priceCurrency": "EUR"}
    more = {name: facts[name] for name in ("category", "brand", "size_ml") if name in facts}
    linked = {"@context": "https://schema.org", "@type": "Product", "sku": facts["product_id"],
              "name": facts["name"], **more, "offers": offer}  # fmt: skip
    return json.dumps(linked, ensure_ascii=False).replace("</", "<\\/")


def _html(title, body, attributes=""):
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title></head>\n'
        f"<body{attributes}><h1>{escape(title)}</h1>{body}</body></html>\n"
    )
