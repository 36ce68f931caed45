"""Public web pages, read as their owner asks, and what each says about its thing."""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from bs4 import BeautifulSoup
from bs4.exceptions import ParserRejectedMarkup
from protego import Protego

from helpers.etl.extract.records import BadJson, parsed
from helpers.etl.extract.result import Extract, Tray, object_table
from helpers.etl.extract.web import (
    AGENT,
    USUAL,
    Answer,
    Caller,
    CannotFetch,
    NetworkLimits,
    as_called,
    host_of,
    joined,
    shown,
)

_MOST_TERMS = 1_000  # of the description lists of a page
_LONGEST_TEXT = 10_000  # characters of a fact
_ROBOTS_BYTES = 500_000  # RFC 9309 asks for at least as much
_LONGEST_ADDRESS = 2_000
_MOST_TAGS = 100_000  # of a page; a parsed tag takes about a kilobyte of memory
_MOST_OPEN = 100  # tags or comments at the end; for each, the parser looks through all that is left
_LINKS_A_PAGE = 1_000  # that are remembered for each page that may be read
_OF_THE_SITE = {"BreadcrumbList", "Organization", "SearchAction", "WebPage", "ItemPage", "WebSite"}
_NAMES = ("sku", "productID", "identifier", "@id", "name")
_FORBIDDEN = "robots.txt asks not to read it"


def facts_of(page: BeautifulSoup, thing: str = "body") -> dict[str, str | None]:
    """Return what a page says about its thing, as the texts that stand there.

    Returns
    -------
    `id` (the attribute `data-id` of the element that `thing` selects), `title` (the first heading),
    `price` (the text of `.price`), each term of a description list, and `json_ld`: the facts for
    machines (JSON-LD) as JSON text, None where there are none. Each of the first three is looked for
    in the thing's element, and on the whole page only if that has none. Of several JSON-LD facts it is the product; of
    several products the one with the page's id or title; without a product, the list of all that
    are not about the site itself (breadcrumbs, the company, the page).

    Raises
    ------
    CannotFetch
        If there are more than 1,000 terms, a text of more than 10,000 characters, several things or
        prices, or several products of which none is the page's own.

    Examples
    --------
    >>> page = BeautifulSoup('<body data-id="7"><h1>Dew</h1><dl><dt>brand</dt><dd>Lumo</dd></dl>', "html.parser")
    >>> facts_of(page)
    {'id': '7', 'title': 'Dew', 'price': None, 'brand': 'Lumo', 'json_ld': None}
    """
    own = page.select_one(thing)
    within = {id(one) for one in own.find_all(True)} if own else set()
    things = [one for one in page.select(thing) if id(one) not in within]
    _only(dict.fromkeys(one.get("data-id") or place for place, one in enumerate(things)), "things")
    facts = {
        "id": own.get("data-id") if own else None,
        "title": _text(next(iter(_within(own, page, "h1")), None)),
        "price": _only(dict.fromkeys(map(_text, _within(own, page, class_="price"))), "prices"),
    }
    for name, said in _terms(own if own and own.find("dt") else page):
        if name and name not in facts and name not in ("url", "json_ld"):
            facts[name] = said
    return {**facts, "json_ld": _json_ld(page, own, {facts["id"], facts["title"]} - {None})}


def _within(own, page, *what, **how):
    """Return the elements of the thing, or those of the page if it has none."""
    return (own.find_all(*what, **how) if own else []) or page.find_all(*what, **how)


def _only(found, what):
    """Return the one value that was found, or None; several are refused, for one would be a guess."""
    if len(found) > 1:
        one, other, *_ = (repr(value)[:60] for value in found)
        raise CannotFetch(
            f"it tells of several {what}, such as {one} and {other}, and it cannot be told which is the "
            "page's own."
        )
    return next(iter(found), None)


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
    """Return the text of an element, None for none."""
    text = element and element.get_text()
    if text and len(text) > _LONGEST_TEXT:
        raise CannotFetch(
            f"it has more than {_LONGEST_TEXT:,} characters in one {element.name!r}, too long for a fact."
        )
    return text and text.strip()


def _json_ld(page, own, names):
    """Return the machine-readable facts of the page's thing as JSON text in one way of writing."""
    everywhere, within = _things_in(page), _things_in(own) if own else {}
    products = [text for text, node in everywhere.items() if "Product" in _kinds(node)]
    if len(products) > 1:
        called = {text: {str(everywhere[text].get(key)) for key in _NAMES} for text in products}
        named = [text for text in products if names & called[text]]
        inside = [text for text in products if text in within]
        products = next((some for some in (named, inside) if len(some) == 1), products)
        _only(products, "products to machines")
    others = [text for text, node in everywhere.items() if not _kinds(node) & _OF_THE_SITE]
    found = products or others
    return f"[{', '.join(found)}]" if len(found) > 1 else next(iter(found), None)


def _things_in(element):
    """Return what the JSON-LD scripts in an element tell of: the text of each thing -> the thing."""
    found = []
    for script in element.find_all("script"):
        if script.get("type", "").partition(";")[0].strip().lower() == "application/ld+json":
            with contextlib.suppress(BadJson):
                found += _nodes(parsed(script.string or ""))
    return {json.dumps(node, ensure_ascii=False): node for node in found}


def _nodes(value):
    """Return the things in a JSON-LD value: a list, a graph, or the entity that a page is about."""
    if isinstance(value, list):
        return [node for one in value for node in _nodes(one)]
    if not isinstance(value, dict):
        return []
    inner = _nodes(value.get("@graph"))
    if _kinds(value) & _OF_THE_SITE:
        inner += _nodes(value.get("mainEntity"))
    return inner if "@graph" in value and "@type" not in value else [value, *inner]


def _kinds(node):
    """Return the types of a thing without where they are defined: Product, whoever says so."""
    kinds = node.get("@type")
    kinds = kinds if isinstance(kinds, list) else [kinds]
    return {re.split("[/#:]", str(kind))[-1] for kind in kinds}


def read_site(
    url: str,
    thing: str,
    *,
    delay_s: float = 1.0,
    pages: int = 1_000,
    when: str = "",
    agent: str = AGENT,
    limits: NetworkLimits = USUAL,
    pause: Callable[[float], None] = time.sleep,
) -> Extract:
    """Walk through a site's public pages from `url` on, and read the pages of its things.

    Only links on the same host are followed, none that robots.txt or `rel="nofollow"` rules out, and
    so it is with redirects. No page is read twice, by whichever address. Between two pages it pauses
    as long as robots.txt asks, and `delay_s` at least.

    Parameters
    ----------
    url : where to begin.
    thing : a CSS selector; a page that has such an element is about a thing and becomes a row.
    delay_s : the least pause between two pages, seconds.
    pages : pages that are read at most.
    when : the moment of reading, for the provenance.
    agent : what the reader says it is; robots.txt may have rules for it.
    limits, pause : bounds, and what waits for so many seconds.

    Returns
    -------
    One row a thing, all texts, see `facts_of`, in the order found, with its `url`. Set aside: links
    that may not be read, pages that are missing, no HTML, in no readable encoding or of more than
    100,000 tags; pages without a thing only lead on and are no rows.

    Raises
    ------
    CannotFetch
        If the first page or robots.txt cannot be had (robots.txt may be missing), if it asks for a
        longer pause than `limits.longest_wait_s`, or if the site has more pages than `pages`.
    """
    with Caller(url, "", agent, limits) as caller:
        rules = _rules(caller, pause)
        delay = _delay(rules, agent, delay_s, limits)
        walk = _Walk(caller, rules, agent, thing, delay, pause, Tray(shown(url)))
        walk.through(url, pages)
    table = object_table(walk.tray.rows, ["url", "id", "title"])
    read_as = f"HTML, {delay:g} s between pages, {walk.read} pages read"
    return walk.tray.extract(table, read_as, when)


def _rules(caller: Caller, pause) -> Protego:
    """Return the rules of robots.txt: none where it is missing; without an answer, no reading."""
    try:
        answer = caller.get(f"{caller.host}/robots.txt", pause)
    except CannotFetch as error:
        if 400 <= error.status < 500 and error.status != 429:
            return Protego.parse("")
        raise CannotFetch(
            f"{caller.host}/robots.txt gives no answer, so nothing may be read there yet: {error}"
        ) from error
    if len(answer.body) > _ROBOTS_BYTES:
        raise CannotFetch(
            f"{caller.host}/robots.txt has more than {_ROBOTS_BYTES:,} bytes, so its rules are not "
            "known and nothing may be read there: tell who runs it."
        )
    return Protego.parse(answer.body.decode("utf-8-sig", "replace"))


def _delay(rules: Protego, agent: str, least: float, limits: NetworkLimits) -> float:
    """Return the pause between two pages."""
    asked = rules.crawl_delay(agent) or 0.0
    rate = rules.request_rate(agent)
    asked = max(asked, rate.seconds / rate.requests if rate and rate.requests else 0.0)
    if not asked <= limits.longest_wait_s:
        raise CannotFetch(
            f"robots.txt asks for {asked:g} seconds between two pages; up to "
            f"{limits.longest_wait_s:g} are waited here. Ask the owner for an export, or allow more "
            "with NetworkLimits(longest_wait_s=...)."
        )
    return max(float(least), asked)


def _address(url: str) -> str:
    """Return an address in one way of writing: as it is called, with no place in it."""
    host_of(url)  # refuses what is none
    url = as_called(url)
    user, at, _ = urlsplit(url).netloc.rpartition("@")
    scheme, _, host = host_of(url).partition("://")
    return f"{scheme}://{user}{at}{host}{_path(url)}"


def _path(url: str) -> str:
    """Return the path of an address, and what is asked behind it."""
    parts = urlsplit(url)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


class _MetBefore(CannotFetch):
    """A redirect leads to a page that is read under its own address."""


@dataclass
class _Walk:
    """A walk over the pages of one host."""

    caller: Caller
    rules: Protego
    agent: str
    thing: str
    delay: float
    pause: Callable[[float], None]
    tray: Tray
    read: int = 0
    met: set[str] = field(default_factory=set)

    def through(self, start: str, pages: int) -> None:
        """Read page after page, nearest first."""
        waiting = deque([_address(start)])
        self.met.update(waiting)
        while waiting:
            address = waiting.popleft()
            if not self.rules.can_fetch(address, self.agent):
                self.tray.put(None, 0, _FORBIDDEN, _path(address))
                continue
            if self.read >= pages:
                raise CannotFetch(
                    f"{self.caller.host} has more than {pages:,} pages within reach: begin further "
                    "down, or allow more with pages=..."
                )
            waiting.extend(link for link in self._page(address) if self._is_new(link))
            if len(self.met) > _LINKS_A_PAGE * pages:
                raise CannotFetch(
                    f"{self.caller.host} leads to more than {_LINKS_A_PAGE * pages:,} addresses: it "
                    "may make them up without end. Begin further down."
                )

    def _is_new(self, address):
        """Return whether an address was not met before, and remember it."""
        new = address not in self.met
        self.met.add(address)
        return new

    def _page(self, address):
        """Read one page; return the addresses that it leads to."""
        if self.read:
            self.pause(self.delay)
        self.read += 1
        hops, page = [address], None
        try:
            answer = self.caller.get(address, self.pause, hop=lambda url: self._hop(url, hops))
            page = _parsed(answer)
            if page.select_one(self.thing):
                facts = facts_of(page, self.thing)
                self.tray.put({"url": f"{self.caller.host}{_path(hops[-1])}", **facts}, 0)
        except _MetBefore:
            return []
        except CannotFetch as error:
            if self.read == 1 and page is None:
                raise
            self.tray.put(None, 0, str(error), _path(address))
        return self._links(page, answer.url) if page else []

    def _hop(self, url, hops):
        """Ask before a redirect is followed: it is one more page, with its rules."""
        target = _address(url)
        if not self.rules.can_fetch(target, self.agent):
            raise CannotFetch(f"it leads on to {urlsplit(target).path}, and {_FORBIDDEN}")
        if target not in hops and not self._is_new(target):
            raise _MetBefore(f"it leads on to {shown(target)}, which was met before")
        hops.append(target)
        self.pause(self.delay)

    def _links(self, page, base):
        """Return the addresses of a page's links on the same host."""
        found, start = [], page.find("base", href=True)
        with contextlib.suppress(CannotFetch):
            base = joined(base, start["href"].strip()) if start else base
        for link in page.find_all("a", href=True):
            with contextlib.suppress(CannotFetch, ValueError):  # mailto:, javascript:, nonsense
                address = _address(joined(base, link["href"].strip()))
                own = host_of(address) == self.caller.host and len(address) <= _LONGEST_ADDRESS
                if own and "nofollow" not in (link.get("rel") or []):
                    found.append(address)
        return found


def _parsed(answer: Answer) -> BeautifulSoup:
    """Return a page, or say why it is none."""
    kind = answer.headers.get("content-type", "").lower()
    charset = kind.partition("charset=")[2].split(";")[0].strip(" \"'") or "utf-8"
    fault, text = "", ""
    try:
        text = answer.body.decode(charset)
    except (UnicodeError, LookupError) as error:
        fault = f"is not {charset[:40]}, as it says: {error}"
    # The comments and the tags that nothing closes any more.
    open_yet = max(text.count("<!--", text.rfind("-->") + 1), text.count("<", text.rfind(">") + 1))
    if "html" not in kind:
        fault = f"is {kind[:60]!r} and no HTML page"
    elif "\0" in text:
        fault = "holds a NUL and is no HTML page"
    elif text.count("<") > _MOST_TAGS:
        fault = f"has more than {_MOST_TAGS:,} tags, too many to read"
    elif open_yet > _MOST_OPEN:
        fault = f"leaves more than {_MOST_OPEN} tags or comments open"
    if not fault:
        try:
            return BeautifulSoup(text, "html.parser")
        except (ParserRejectedMarkup, RecursionError):
            fault = "is so broken that it cannot be read as HTML"
    raise CannotFetch(f"{shown(answer.url)} {fault}.")
