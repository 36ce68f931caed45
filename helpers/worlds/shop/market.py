"""Who shops and what is on sale in the beauty shop: products and customers, hidden traits included.

Shares and spreads follow Sephora's public reviews. Traits are dealt from fixed quantiles and then
shuffled, so that two seeds give different shops of the same breadth.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import pandas as pd
from numpy.random import PCG64, Generator, SeedSequence
from scipy.special import ndtri

from helpers.worlds.incidents.kinds import WAVE_SHARE, Schedule
from helpers.worlds.play import MONTHS, close

CATEGORIES = ["rich cream", "light fluid", "treatment", "cleanser", "sun care", "mask", "eye care", "lip care", "body care", "make-up"]  # fmt: skip
SKIN_TYPES = ["combination", "dry", "normal", "oily"]
HISTORY_STARTS = np.datetime64("2023-10-01")  # month 1 of the future is October 2024
GENERATIONS_IN = (2, 3)  # months whose launches are the story's wave, drawn with the catalogue

CATEGORY_SHARES = np.array([0.13, 0.11, 0.13, 0.12, 0.13, 0.09, 0.08, 0.07, 0.07, 0.07])
_PRICE_MEDIANS = np.array([60, 56, 58, 34, 37, 42, 48, 20, 30, 36], dtype=float)
_SKIN_SHARES = np.array([0.55, 0.19, 0.14, 0.12])
_STREAM_SHARE = 0.02  # of the first catalogue, launched in an ordinary month
_WAVE_APPEAL = 1.5
_TAIL = 1.0  # what poor products lose more than good ones gain: the long tail that hardly sells
_TWIN_SHARE = 0.08
_NEED_SHAPE = 0.49  # of a gamma: smaller makes each customer's needs fewer
_JOINS = 0.02  # of the first customers, newcomers in each month of the future
_ADOPTERS = 0.215  # share of the customers who come to expect the new generation
_LINES = ["Hydra", "Pure", "Glow", "Calm", "Velvet", "Dew", "Silk", "Bright"]
SPELLINGS = {
    "combination": ["combination", "Combination", "combi", "mixed", "COMBINATION"],
    "dry": ["dry", "Dry", "dry skin", "DRY", "very dry"],
    "normal": ["normal", "Normal", "NORMAL", "norm.", "normal skin"],
    "oily": ["oily", "Oily", "oily skin", "OILY", "greasy"],
}
SKIN_OF_SPELLING = {text: name for name, texts in SPELLINGS.items() for text in texts}
_SYLLABLES = ["Al", "Be", "Ca", "Do", "El", "Fa", "Ga", "Io", "Ju", "Ka", "Lu", "Mi", "No", "Or", "Pe"]  # fmt: skip
_ENDINGS = ["lia", "mora", "nique", "ra", "sol", "tine", "vea"]


@dataclass(frozen=True)
class Products:
    """Every product of history and future, ordered by launch; arrays of one entry a product.

    `appeal`, `green`, `new_generation` and `suits` are hidden; `public` is what the shop lists.
    """

    public: pd.DataFrame
    category: np.ndarray
    brand: np.ndarray
    price: np.ndarray  # log price in standard deviations from the category's median
    appeal: np.ndarray
    green: np.ndarray  # 0 to 1, published as a score of 0 to 100 from month 9
    new_generation: np.ndarray
    suits: np.ndarray  # products x SKIN_TYPES
    launched: np.ndarray  # day, counted from the first day of history

    def __post_init__(self):
        close(vars(self))


@dataclass(frozen=True)
class Customers:
    """Every customer; arrays of one entry a customer, all hidden but `public`."""

    public: pd.DataFrame
    needs: np.ndarray  # customers x CATEGORIES, rows add up to 1
    favourites: np.ndarray  # customers x 3 brands at the first day of history
    price: np.ndarray  # preferred standing of `Products.price`
    skin: np.ndarray
    green: np.ndarray  # 0 to 1
    strictness: np.ndarray  # added to the threshold that a product has to pass
    adopts_on: np.ndarray  # day from which the old generation disappoints; infinite for most
    visits: np.ndarray  # expected sessions a month of somebody in an even mood
    joined: np.ndarray  # day, counted from the first day of history; negative for most

    def __post_init__(self):
        close(vars(self))


@dataclass(frozen=True)
class Market:
    """What stays the same all year."""

    people: Customers
    products: Products
    schedule: Schedule
    seed: int


def stream(seed: int, month: int, purpose: str) -> Generator:
    """Return the random stream of one purpose in one month, independent of all the others.

    Examples
    --------
    >>> stream(7, 1, "sessions").random() == stream(7, 1, "sessions").random()
    True
    >>> stream(7, 1, "sessions").random() == stream(7, 1, "clicks").random()
    False
    """
    key = [seed, month + MONTHS, *purpose.encode()]
    return Generator(PCG64(SeedSequence(key)))


def day_of(month: int) -> int:
    """Return the first day of `month` (-11 to 13), counted from the first day of history.

    Examples
    --------
    >>> day_of(-11), day_of(1)
    (0, 366)
    """
    first = HISTORY_STARTS.astype("M8[M]") + (month + MONTHS - 1)
    return int((first.astype("M8[D]") - HISTORY_STARTS).astype(int))


def draw_products(count: int, seed: int) -> Products:
    """Draw the `count` products on sale when the future starts, and its launches."""
    rng = stream(seed, 0, "products")
    return _products(count, *_launch_days(count, rng), rng)


def draw_launches(count: int, seed: int, month: int, share: float | None) -> Products:
    """Draw other launches for one month: a wave of `share` of `count`, or, with None, a usual one."""
    rng = stream(seed, month, "launches")
    launches = max(1, round((_STREAM_SHARE if share is None else share) * count))
    launched = np.sort(_days_of_launch(month, launches, share is not None, rng))
    return _products(count, launched, np.full(launches, share is not None), rng)


def _products(count, launched, wave, rng):
    """Draw what is launched on the given days for a catalogue of `count` products."""
    era = np.where(wave, 2, np.where(launched < 0, 0, np.where(launched < day_of(1), 1, 3)))
    category = _dealt_categories(era, rng)
    # The make-up of each shelf is the market's and alike for all seeds; who fills it is chance.
    dealt = np.empty((len(launched), 7))
    for group in range(4 * len(CATEGORIES)):
        places = np.flatnonzero(category * 4 + era == group)
        points = _spread(len(places), 7, shift=group * 0.381966)
        # Along the launches strong and weak products take turns.
        turn = (np.arange(len(places)) * 0.618034 + rng.random()) % 1
        dealt[places[np.argsort(turn, kind="stable")]] = points[
            np.argsort(points[:, 0], kind="stable")
        ]
    quality = ndtri(dealt[:, 0])
    appeal = 0.9 * quality - _TAIL * np.maximum(0, -quality) + _WAVE_APPEAL * wave
    price = ndtri(dealt[:, 1])
    brand = _brands(dealt[:, 2], count)
    suits = dealt[:, 3:] < np.array([0.66, 0.61, 0.65, 0.61])
    green = _green(brand, rng)
    size = rng.choice([30, 50, 75, 150], size=len(launched))
    price_eur = _PRICE_MEDIANS[category] * np.exp(0.6 * price)
    # A brand has two lines of products.
    line = (3 * brand + rng.integers(2, size=len(launched))) % len(_LINES)
    for small, large in _twins(category, appeal, launched, rng):
        for array in (brand, appeal, suits, green, line):
            array[large] = array[small]
        size[large] = size[small] * 3
        price_eur[large] = price_eur[small] * 2.2
    public = pd.DataFrame(
        {
            "product_id": np.arange(1, len(launched) + 1),
            "name": _names(brand, line, category),
            "category": np.array(CATEGORIES, dtype=object)[category],
            "brand": _brand_names(brand.max() + 1)[brand],
            "price_eur": np.maximum(3.0, np.rint(price_eur * 2) / 2),
            "size_ml": size,
            "suits": _suits_text(suits, rng),
            "fragrance_free": rng.random(len(launched)) < 0.3,
            "launched_on": (HISTORY_STARTS + launched).astype("M8[s]"),
        }
    )
    public["description"] = _descriptions(public, rng)
    return Products(public, category, brand, price, appeal, green, wave, suits, launched)


def draw_customers(count: int, products: Products, seed: int, schedule: Schedule) -> Customers:
    """Draw `count` customers with their needs, leanings and habits, and those who will join them.

    Growth adds newcomers after all others, who stay the same. From the first day of a wave on the
    first of them come to expect the new generation, the more of them the larger the wave.
    """
    months, days = np.arange(1, MONTHS + 1), stream(seed, 0, "days of joining")
    usual = np.repeat(months, round(_JOINS * count))
    growth = [round(_JOINS * count * schedule.size("growth", month)) for month in months]
    past = -stream(seed, 0, "customers' past").integers(1, 1_200, count)
    groups = [
        _people(past, products, stream(seed, 0, "customers"), schedule),
        _people(_days_of_joining(usual, days), products, stream(seed, 0, "joiners"), schedule),
        _people(
            _days_of_joining(np.repeat(months, growth), days),
            products,
            stream(seed, 0, "growth"),
            schedule,
        ),
    ]
    names = [one.name for one in fields(Customers) if one.name != "public"]
    columns = {name: np.concatenate([getattr(some, name) for some in groups]) for name in names}
    public = pd.concat([some.public for some in groups], ignore_index=True)
    return Customers(public.assign(customer_id=np.arange(1, len(public) + 1)), **columns)


def _days_of_joining(months, rng):
    """Draw a day in each of these months, in order."""
    first = np.array([day_of(month) for month in range(1, MONTHS + 2)])
    length = np.diff(first)[months - 1]
    return np.sort(first[months - 1] + (length * rng.random(len(months))).astype(int))


def _people(joined, products, rng, schedule):
    """Draw customers who joined on these days."""
    count = len(joined)
    needs = CATEGORY_SHARES * rng.gamma(_NEED_SHAPE, size=(count, len(CATEGORIES)))
    needs /= needs.sum(axis=1, keepdims=True)
    sizes = np.bincount(products.brand) ** 0.5
    favourites = rng.choice(len(sizes), size=(count, 3), p=sizes / sizes.sum())
    skin = rng.choice(4, size=count, p=_SKIN_SHARES)
    age = np.clip(np.rint(rng.gamma(6, 3.2, count) + 17), 16, 88)
    price, strictness, visits, adopts = rng.permutation(_spread(count, 4, shift=0.5)).T
    wave = schedule.get("launch_wave")
    adopters = min(0.9, _ADOPTERS * (wave.size / WAVE_SHARE)) if wave else 0.0
    new_from = day_of(wave.month) if wave else np.inf
    adopts_on = np.where(adopts < adopters, new_from + 30 * rng.random(count) ** 0.7, np.inf)
    public = pd.DataFrame(
        {
            "customer_id": np.arange(1, count + 1),
            "age": pd.array(np.where(rng.random(count) < 0.08, np.nan, age), dtype="Int64"),
            "skin_type": _stated(skin, rng),
            "joined_on": (HISTORY_STARTS + joined).astype("M8[s]"),
        }
    )
    return Customers(
        public=public,
        needs=needs,
        favourites=favourites,
        price=0.8 * ndtri(price),
        skin=skin,
        green=rng.beta(2, 3, count),
        strictness=0.4 * ndtri(strictness),
        adopts_on=adopts_on,
        visits=1.2 * np.exp(0.7 * ndtri(visits) - 0.245),
        joined=joined,
    )


def _launch_days(count, rng):
    """Return launch days in order, and which launches belong to the wave."""
    recent = min(max(0, count - 10), int(0.28 * count))
    evenly = (np.arange(recent) + rng.random(recent)) / max(1, recent)
    parts = [-rng.integers(1, 1_100, count - recent), (day_of(1) * evenly).astype(int)]
    wave = [np.zeros(count, dtype=bool)]
    for month in range(1, MONTHS + 1):
        is_wave = month in GENERATIONS_IN
        launches = max(1, round((WAVE_SHARE if is_wave else _STREAM_SHARE) * count))
        parts.append(_days_of_launch(month, launches, is_wave, rng))
        wave.append(np.full(launches, is_wave))
    launched, wave = np.concatenate(parts), np.concatenate(wave)
    order = np.argsort(launched, kind="stable")
    return launched[order], wave[order]


def _days_of_launch(month, launches, is_wave, rng):
    """Draw days of `month`; a wave is announced: it is on the shelves within the first days."""
    length = 6 if is_wave else day_of(month + 1) - day_of(month)
    return day_of(month) + rng.integers(0, length, launches)


def _dealt_categories(era, rng):
    """Deal categories by their shares in each era, each evenly along its launches."""
    category = np.empty(len(era), dtype=int)
    for one in range(4):
        places = np.flatnonzero(era == one)
        share = (np.arange(len(places)) + 0.5) / max(1, len(places))
        dealt = np.searchsorted(CATEGORY_SHARES.cumsum() / CATEGORY_SHARES.sum(), share)
        count = np.bincount(dealt, minlength=len(CATEGORIES))
        turn = np.arange(len(places)) - (count.cumsum() - count)[dealt]
        when = (turn + rng.random(len(CATEGORIES))[dealt]) / count[dealt]
        category[places] = dealt[np.argsort(when, kind="stable")]
    return category


def _brands(dealt, count):
    """Return brands, few large and many small, about ten products to a brand."""
    weight = 1 / (np.arange(max(2, count // 10)) + 3.0)
    return np.searchsorted((weight.cumsum() / weight.sum())[:-1], dealt)


def _green(brand, rng):
    """Draw how sustainable products are: partly their brand's policy, partly their own."""
    policy = rng.random(brand.max() + 1)
    return np.clip(0.15 * policy[brand] + 0.85 * rng.random(len(brand)), 0, 1)


def _spread(count, columns, shift):
    """Return `count` points in the open unit cube, spread evenly in every direction.

    Kronecker's sequence with the powers of the root of x^(d+1) = x + 1: any two traits meet in
    even shares, so that no shop is rich or poor by chance alone.
    """
    root = 1.5
    for _ in range(60):
        root = (1 + root) ** (1 / (columns + 1))
    steps = root ** -np.arange(1.0, columns + 1)
    points = (np.arange(count)[:, None] * steps + shift) % 1
    ranks = points.argsort(axis=0, kind="stable").argsort(axis=0, kind="stable")
    return (ranks + 0.5) / max(1, count)


def _twins(category, appeal, launched, rng):
    """Return pairs of products to be made one article in two sizes."""
    settled = np.flatnonzero(launched < 0)
    settled = settled[np.lexsort((appeal[settled], category[settled]))]
    first = np.arange(0, len(settled) - 1, 2)
    first = first[category[settled[first]] == category[settled[first + 1]]]
    chosen = rng.permutation(first)[: int(_TWIN_SHARE * len(settled))]
    return np.stack([settled[chosen], settled[chosen + 1]], axis=1)


def _brand_names(count):
    whole = len(_SYLLABLES) * len(_ENDINGS)
    return np.array(
        [
            _SYLLABLES[n % len(_SYLLABLES)]
            + _ENDINGS[n // len(_SYLLABLES) % len(_ENDINGS)]
            + (f" {n // whole + 1}" if n >= whole else "")
            for n in range(count)
        ],
        dtype=object,
    )


def _names(brand, line, category):
    brands = _brand_names(brand.max() + 1)
    words = np.array(_LINES, dtype=object)
    return brands[brand] + " " + words[line] + " " + np.array(CATEGORIES, dtype=object)[category]


def _suits_text(suits, rng):
    """Write the skin types that the label claims; none known for a third of the products."""
    texts = [", ".join(np.array(SKIN_TYPES)[row]) for row in suits]
    unknown = rng.random(len(suits)) < 0.32
    return pd.Series(np.where(unknown, None, np.array(texts, dtype=object)), dtype="str")


def _descriptions(public, rng):
    """Write a line about each product; a sixth have none."""
    texts = public["name"] + ", " + public["size_ml"].astype(str) + " ml"
    texts = texts + np.where(public["fragrance_free"], ", fragrance free", "")
    return texts.astype("str").mask(rng.random(len(public)) < 0.16)


def _stated(skin, rng):
    """Return the skin type as customers stated it: 15 % missing, 4 % wrong, five spellings."""
    count = len(skin)
    wrong = rng.random(count) < 0.04
    stated = np.where(wrong, (skin + rng.integers(1, 4, count)) % 4, skin)
    table = np.array([SPELLINGS[name] for name in SKIN_TYPES], dtype=object)
    spelling = np.minimum(4, (8 * rng.random(count) ** 2).astype(int))
    return pd.Series(table[stated, spelling], dtype="str").mask(rng.random(count) < 0.15)
