"""What a web page says about its thing: in its headings, its lists, and its facts for machines."""

from __future__ import annotations

import json

from bs4 import BeautifulSoup

from helpers.etl.extract.network import CannotFetch
from helpers.etl.extract.strict_json import BadJson, parsed

_MOST_TERMS = 1_000  # of the description lists of a page
_LONGEST_TEXT = 10_000  # characters of a fact


def facts_of(page: BeautifulSoup, thing: str = "body") -> dict[str, str | None]:
    """Return what a page says about its thing, as the texts that stand there.

    Returns
    -------
    `id` (the attribute `data-id` of the element that `thing` selects), `title` (the first heading),
    `price` (the text of `.price`), each term of a description list, and `json_ld` (the facts for
    machines, as their JSON text; None where there are none or they are no JSON). Of a text of more
    than 10,000 characters its start counts.

    Raises
    ------
    CannotFetch
        If there are more than 1,000 terms.

    Examples
    --------
    >>> page = BeautifulSoup('<body data-id="7"><h1>Dew</h1><dl><dt>brand</dt><dd>Lumo</dd></dl>', "html.parser")
    >>> facts_of(page)
    {'id': '7', 'title': 'Dew', 'price': None, 'brand': 'Lumo', 'json_ld': None}
    """
    own = page.select_one(thing)
    facts = {
        "id": own.get("data-id") if own else None,
        "title": _text(page.find("h1")),
        "price": _text(page.find(class_="price")),
    }
    for name, said in _terms(page):
        if name and name not in facts and name not in ("url", "json_ld"):
            facts[name] = said
    return {**facts, "json_ld": _json_ld(page)}


def _terms(page):
    """Return each term of the description lists with the description that comes next in its list."""
    found = page.find_all(["dt", "dd"], limit=2 * _MOST_TERMS + 1)
    if len(found) > 2 * _MOST_TERMS:
        raise CannotFetch(f"it has more than {_MOST_TERMS:,} terms, too many to read.")
    terms, waiting = [], {}
    for element in found:
        mine = waiting.setdefault(id(element.parent), [])
        if element.name == "dt":
            terms.append([_text(element), None])
            mine.append(terms[-1])
        elif mine:
            said = _text(element)
            for term in mine:
                term[1] = said
            mine.clear()
    return terms


def _text(element):
    """Return the text of an element, or its start where it is long."""
    if element is None:
        return None
    pieces, length = [], 0
    for piece in element.strings:
        pieces.append(piece)
        length += len(piece) + 1
        if length > _LONGEST_TEXT:
            break
    return "".join(pieces)[:_LONGEST_TEXT].strip()


def _json_ld(page):
    """Return the machine-readable facts as JSON text in one way of writing."""
    script = page.select_one('script[type="application/ld+json"]')
    try:
        return json.dumps(parsed(script.string or ""), ensure_ascii=False) if script else None
    except BadJson:
        return None
