"""What a web page says about its thing: in its headings, its lists, and its facts for machines."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable
from urllib.parse import urldefrag, urlsplit

from bs4 import BeautifulSoup
from bs4.exceptions import ParserRejectedMarkup
from protego import Protego

from helpers.etl.extract.records import BadJson, parsed
from helpers.etl.extract.result import Extract, Origin, Tray, object_table, sha256_of_rows
from helpers.etl.extract.web import (
    AGENT,
    Answer,
    Caller,
    CannotFetch,
    NetworkLimits,
    get_patiently,
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
_FORBIDDEN = "robots.txt asks not to read it"


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


def read_site(
    url: str,
    thing: str,
    *,
    delay_s: float = 1.0,
    pages: int = 1_000,
    when: str = "",
    agent: str = AGENT,
    limits: NetworkLimits | None = None,
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
    limits = limits or NetworkLimits()
    with Caller(url, "", agent, limits) as caller:
        rules = _rules(caller, pause)
        delay = _delay(rules, agent, delay_s, limits)
        walk = _Walk(caller, rules, agent, thing, delay, pause)
        walk.through(url, pages)
    table = object_table(walk.tray.rows, ["url", "id", "title"])
    read_as = f"HTML, {delay:g} s between pages, {walk.read} pages read"
    origin = Origin(shown(url), *table.shape, sha256_of_rows(walk.tray.rows), when, read_as)
    return walk.tray.extract(table, origin)


def _rules(caller: Caller, pause) -> Protego:
    """Return the rules of robots.txt: none where it is missing; without an answer, no reading."""
    try:
        answer = get_patiently(caller, f"{caller.host}/robots.txt", pause=pause)
    except CannotFetch as error:
        if 400 <= error.status < 500 and error.status != 429:
            return Protego.parse("")
        raise CannotFetch(
            f"{caller.host}/robots.txt gives no answer, so nothing may be read there yet: {error}"
        ) from error
    return Protego.parse(answer.body[:_ROBOTS_BYTES].decode("utf-8-sig", "replace"))


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
    """Return an address in one way of writing: the host in small letters, a path, no place in it."""
    parts = urlsplit(urldefrag(url)[0])
    user, at, _ = parts.netloc.rpartition("@")
    scheme, _, host = host_of(url).partition("://")
    question = f"?{parts.query}" if parts.query else ""
    return f"{scheme}://{user}{at}{host}{parts.path or '/'}{question}"


class _MetBefore(CannotFetch):
    """A redirect leads to a page that is read under its own address."""


class _Walk:
    """A walk over the pages of one host."""

    def __init__(self, caller, rules, agent, thing, delay, pause):
        self._caller, self._rules, self._agent, self._thing = caller, rules, agent, thing
        self._delay, self._pause, self._met = delay, pause, set()
        self.tray, self.read = Tray(caller.host), 0

    def through(self, start: str, pages: int) -> None:
        """Read page after page, nearest first."""
        start = _address(start)
        waiting, self._met = deque([start]), {start}
        while waiting:
            address = waiting.popleft()
            if not self._rules.can_fetch(address, self._agent):
                self._set_aside(address, _FORBIDDEN, "")
                continue
            if self.read >= pages:
                raise CannotFetch(
                    f"{self._caller.host} has more than {pages:,} pages within reach: begin further "
                    "down, or allow more with pages=..."
                )
            found = self._page(address, first=self.read == 0)
            waiting.extend(link for link in found if self._is_new(link))
            if len(self._met) > _LINKS_A_PAGE * pages:
                raise CannotFetch(
                    f"{self._caller.host} leads to more than {_LINKS_A_PAGE * pages:,} addresses: it "
                    "may make them up without end. Begin further down."
                )

    def _is_new(self, address):
        """Return whether an address was not met before, and remember it."""
        new = address not in self._met
        self._met.add(address)
        return new

    def _page(self, address, first):
        """Read one page; return the addresses that it leads to."""
        if self.read:
            self._pause(self._delay)
        self.read += 1
        hops = {address}
        try:
            answer = get_patiently(self._caller, address, None, None, self._pause, self._hop(hops))
            page = _parsed(answer)
            is_one = page.select_one(self._thing) is not None
            facts = facts_of(page, self._thing) if is_one else {}
        except _MetBefore:
            return []
        except CannotFetch as error:
            if first:
                raise
            self._set_aside(address, str(error), "")
            return []
        if is_one:
            self.tray.seen += 1
            place = address if len(hops) == 1 else answer.url
            self.tray.rows.append({"url": shown(place), **facts})
        return self._links(page, answer.url)

    def _hop(self, hops):
        """Return what is asked before a redirect is followed: it is one more page, with its rules."""

        def ask(url: str) -> None:
            target = _address(url)
            if not self._rules.can_fetch(target, self._agent):
                raise CannotFetch(f"it leads on to {urlsplit(target).path}, and {_FORBIDDEN}")
            if target not in hops and not self._is_new(target):
                raise _MetBefore(f"it leads on to {shown(target)}, which was met before")
            hops.add(target)
            self._pause(self._delay)

        return ask

    def _links(self, page, base):
        """Return the addresses of a page's links on the same host."""
        found = []
        for link in page.find_all("a", href=True):
            if "nofollow" in (link.get("rel") or []):
                continue
            try:
                address = _address(joined(base, link["href"].strip()))
                own = host_of(address) == self._caller.host
            except (CannotFetch, ValueError):  # mailto:, javascript:, nonsense
                continue
            if own and len(address) <= _LONGEST_ADDRESS:
                found.append(address)
        return found

    def _set_aside(self, address, reason, text):
        self.tray.seen += 1
        self.tray.put_aside(0, reason, text or urlsplit(address).path or address)


def _parsed(answer: Answer) -> BeautifulSoup:
    """Return a page, or say why it is none."""
    kind = answer.headers.get("content-type", "").lower()
    if "html" not in kind:
        raise CannotFetch(f"{shown(answer.url)} is {kind[:60]!r} and no HTML page.")
    charset = kind.partition("charset=")[2].split(";")[0].strip(" \"'") or "utf-8"
    try:
        text = answer.body.decode(charset)
    except (UnicodeError, LookupError) as error:
        raise CannotFetch(
            f"{shown(answer.url)} is not {charset[:40]}, as it says: {error}."
        ) from error
    if "\0" in text:
        raise CannotFetch(f"{shown(answer.url)} holds a NUL and is no HTML page.")
    if text.count("<") > _MOST_TAGS:
        raise CannotFetch(
            f"{shown(answer.url)} has more than {_MOST_TAGS:,} tags, too many to read."
        )
    if _open_at_the_end(text) > _MOST_OPEN:
        raise CannotFetch(
            f"{shown(answer.url)} leaves more than {_MOST_OPEN} tags or comments open."
        )
    try:
        return BeautifulSoup(text, "html.parser")
    except (ParserRejectedMarkup, RecursionError) as error:
        raise CannotFetch(
            f"{shown(answer.url)} is so broken that it cannot be read as HTML."
        ) from error


def _open_at_the_end(text):
    """Count the comments and the tags that nothing closes any more."""
    comments = text.count("<!--", text.rfind("-->") + 1)
    return max(comments, text.count("<", text.rfind(">") + 1))
