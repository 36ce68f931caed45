"""How customers of the beauty shop behave: what they need, like, click, buy, return and say."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import expit, ndtri

from helpers.worlds.play import luck
from helpers.worlds.shop.market import CATEGORIES, Customers, Market, Products, day_of

# Rows follow CATEGORIES, columns January to December; 1 is an even month.
_EVEN = [1.0] * 12
SEASON = np.array(
    [
        [1.65, 1.60, 0.60, 0.45, 0.45, 0.45, 0.52, 0.60, 0.90, 1.15, 1.30, 1.40],
        [0.25, 0.30, 1.65, 1.85, 1.85, 1.85, 1.50, 1.25, 0.88, 0.55, 0.35, 0.25],
        _EVEN,
        _EVEN,
        [0.50, 0.60, 2.00, 2.10, 1.95, 1.80, 1.15, 0.85, 0.60, 0.47, 0.43, 0.43],
        *[_EVEN] * 5,
    ]
)
# Bought together: index of the partner category, -1 for none.
PARTNER = np.array([3, 3, 6, 0, 8, 3, 2, 9, 4, 7])
TURN = 6  # month in which the calendar turns warm

_THRESHOLD = 0.16
_CERTAINTY = 1.7  # how steeply a better product is wanted more often
_LOYALTY = np.array([1.7, 1.2, 0.8])  # worth of the first, second and third favourite brand
_PRICE_WEIGHT = 0.45
_SKIN_WEIGHT = 0.45
_FRESHNESS = 0.7
_FRESH_DAYS = 60.0
_BUZZ = 4.1  # added to a launch when customers search: it is what is talked about
_HYPE = 0.55  # added to it for each unit of appeal: the best launches become hits
_BUZZ_DAYS = 120.0
_FAME = 1.1  # what appeal adds when customers search: the best known come first
_LET_DOWN = 2.2  # what the old generation loses with a customer who expects the new one
_RISE_WEIGHT = 8.0  # what dearer products lose with the price-minded when all prices rise
_LOOKS_THIN_OUT = 0.15  # the chance to look at a place is 1 / (1 + this x places above it)
_HURRY = 2.0  # how much faster looks thin out when the list is all there is
_EMPTY_AFTER_DAYS = 35.0
_SEARCHES = 0.5
_HABIT = 4.9  # added to a favourite brand when customers search: its name is what they type
_SET = 6.2  # added to the brand already in the basket
_ADDS_PARTNER = 0.3
_PURSE_EUR = 42.0  # what somebody without a leaning likes to spend on a product
_DEAR_FROM = 0.6  # above that, in standard deviations of log prices
_DEAR_MEAN = 0.3  # of what is bought in the history
_DISAPPOINTS = 0.3
_HOPED_FOR = 0.78  # share of the sessions in which somebody in an even mood finds something
_IMPRESSES = 0.3  # how far a month moves a mood, for each unit of that share
_FADES = 0.75  # what is left of a mood a month later
_LEAVES = 0.008  # chance to leave for good after a month with visits, in an even mood
_LEAVES_SOONER = 4.0  # how fast it multiplies as the mood sinks
_STAR_CUTS = ndtri(np.cumsum([0.057, 0.049, 0.075, 0.182]))


@dataclass(frozen=True)
class State:
    """What earlier months left behind; a month replaces it and never writes into it."""

    last_bought: np.ndarray  # customers x CATEGORIES, day; -inf for never
    favourites: np.ndarray  # customers x 3 brands, first the dearest
    mood: np.ndarray  # customers; 0 is even, and so it is all through the history
    left: np.ndarray  # customers who never come again


def expected_visits(market: Market, state: State, month: int) -> np.ndarray:
    """Return how many sessions of each customer are to be expected in `month`.

    Who found little lately comes less often. A holiday and a promotion bring more of everybody.
    """
    plan, people = market.schedule, market.people
    more = (1 + plan.size("holiday", month)) * (1 + plan.size("promotion", month) / 2)
    here = (people.joined < day_of(month + 1)) & ~state.left
    return people.visits * np.exp(state.mood) * more * here


def need_weights(market: Market, state: State, visits) -> np.ndarray:
    """Return the chance of each category to be what a session is about: sessions x CATEGORIES.

    A need follows the customer, the season, and how long ago the last jar was bought.
    """
    since = visits.day[:, None] - state.last_bought[visits.who]
    empty = 1 - 0.8 * np.exp(-since / _EMPTY_AFTER_DAYS)
    weights = market.people.needs[visits.who] * season(visits.month, market.schedule) * empty
    return weights / weights.sum(axis=1, keepdims=True)


def needed(weights: np.ndarray, luck: np.ndarray) -> np.ndarray:
    """Return the category that each session is about."""
    return (luck[:, None] > weights.cumsum(axis=1)[:, :-1]).sum(axis=1)


def season(month: int, schedule) -> np.ndarray:
    """Return how much each category is needed in `month`: 1 is an even month.

    The calendar turns warm in month 6. A scheduled season moves that turn: come early, spring
    lasts until the calendar catches up; come late, winter does.
    """
    moved = schedule.get("season")
    if moved is None or month > moved.until:
        return SEASON[:, (month + 8) % 12]
    if month < moved.month:
        return SEASON[:, (min(month, TURN - 1) + 8) % 12]
    return SEASON[:, (max(month, TURN) + 8) % 12] ** moved.size


def prices(products: Products, month: int, schedule) -> np.ndarray:
    """Return what each product costs in `month`, in euro."""
    price = products.public["price_eur"].to_numpy()
    change = 1 + schedule.size("price_rise", month)
    change *= 1 - schedule.size("promotion", month)
    return np.round(price * change, 2) if change != 1 else price


def utility(market: Market, state: State, month: int, who, what, day):
    """Return what product `what` is worth to customer `who` on `day`; the three broadcast."""
    customers, products, schedule = market.people, market.products, market.schedule
    worth = products.appeal[what] - _PRICE_WEIGHT * np.abs(
        products.price[what] - customers.price[who]
    )
    brand = products.brand[what]
    loyalty = 0.0
    for place in (2, 1, 0):
        loyalty = np.where(brand == state.favourites[who, place], _LOYALTY[place], loyalty)
    worth = worth + loyalty
    worth = worth + _SKIN_WEIGHT * (products.suits[what, customers.skin[who]] - 0.6)
    age = np.maximum(0, day - products.launched[what])
    worth = worth + _FRESHNESS * np.exp(-age / _FRESH_DAYS)
    let_down = (day >= customers.adopts_on[who]) & ~products.new_generation[what]
    worth = worth - _LET_DOWN * let_down
    if green := schedule.size("new_goal", month):
        worth = worth + green * customers.green[who] * (products.green[what] - 0.5)
    if rise := schedule.size("price_rise", month):
        dearer = np.maximum(0, products.price[what] - customers.price[who])
        worth = worth - _RISE_WEIGHT * rise * dearer * (customers.price[who] < 0)
    return worth


def wanted_chance(customers: Customers, worth, who):
    """Return the chance that a product of the right category passes the customer's threshold."""
    return expit(_CERTAINTY * (worth - _THRESHOLD - customers.strictness[who]))


def look_and_click(matches, wanted, luck, only_list: float = 0.0):
    """Return who clicked what: a click needs a look, and looks thin out down the list.

    `only_list` is the share of searches that the list has replaced: the larger, the faster.
    """
    chance = np.where(wanted, 0.8, np.where(matches, 0.10, 0.02))
    thin_out = _LOOKS_THIN_OUT * (1 + _HURRY * only_list)
    looks = 1 / (1 + thin_out * np.arange(matches.shape[1]))
    return luck < looks * chance


def search(market: Market, state: State, visits, category, luck, beside=None):
    """Return what customers find by searching a category; -1 without a category or a product.

    `beside` is the product already in the basket, whose brand is preferred.
    """
    products, who, day, month = market.products, visits.who, visits.day, visits.month
    found = np.full(len(who), -1)
    for one in range(len(CATEGORIES)):
        searchers = np.flatnonzero(category == one)
        shelf = np.flatnonzero((products.category == one) & (products.launched < day_of(month + 1)))
        if len(shelf) == 0:
            continue
        rows = max(1, 2_000_000 // len(shelf))
        for start in range(0, len(searchers), rows):
            some = searchers[start : start + rows]
            worth = utility(market, state, month, who[some, None], shelf, day[some, None])
            brand = products.brand[shelf]
            one_of = [brand == state.favourites[who[some], place, None] for place in range(3)]
            worth += _HABIT * (one_of[0] | one_of[1] | one_of[2])
            young = np.maximum(0, day[some, None] - products.launched[shelf])
            talk = _BUZZ + _HYPE * products.appeal[shelf]
            worth += talk * np.exp(-young / _BUZZ_DAYS)
            worth += _FAME * products.appeal[shelf]
            if beside is not None:
                worth += _SET * (brand == products.brand[beside[some], None])
            found[some] = _choose(products, worth, shelf, day[some], luck[some])
    return found


def _choose(products, worth, shelf, day, luck):
    """Draw one product of the shelf for each row of `worth`, the worthier the likelier."""
    weights = np.exp(1.5 * worth) * (products.launched[shelf] <= day[:, None])
    edges = weights.cumsum(axis=1)
    place = (luck[:, None] * edges[:, -1:] >= edges).sum(axis=1)
    nothing = edges[:, -1] <= 0
    return np.where(nothing, -1, shelf[np.minimum(place, len(shelf) - 1)])


def partners(category, luck, only_list: float = 0.0):
    """Return the category that a buyer adds to the basket by searching, -1 for most."""
    return np.where(luck < _ADDS_PARTNER * (1 - only_list), PARTNER[category], -1)


def searches(luck, only_list: float = 0.0):
    """Return who searches after the list showed nothing they bought."""
    return luck < _SEARCHES * (1 - only_list)


def too_dear(market: Market, who, what) -> np.ndarray:
    """Return by how much products cost more than customers like to spend at once, 0 for most."""
    price = market.products.public["price_eur"].to_numpy()[what]
    return np.maximum(0, np.log(price / _PURSE_EUR) / 0.6 - market.people.price[who] - _DEAR_FROM)


def stars(market: Market, who, what, luck):
    """Return ratings of 1 to 5: mostly the product and chance, little the skin type and the price."""
    fits = market.products.suits[what, market.people.skin[who]]
    pleased = 0.30 * market.products.appeal[what] - 0.22 + 0.08 * (fits - 0.6)
    pleased = pleased - _DISAPPOINTS * (too_dear(market, who, what) - _DEAR_MEAN)
    return 1 + np.searchsorted(_STAR_CUTS, pleased + 0.95 * ndtri(luck))


def after_month(market: Market, state: State, visits, lived) -> State:
    """Return the state that a month leaves: filled jars, new favourites, and moods.

    A mood follows the share of the month's sessions that found something, and fades.
    """
    who, what = lived.baskets["who"], lived.baskets["what"]
    last = state.last_bought.copy()
    np.maximum.at(last, (who, market.products.category[what]), lived.baskets["day"])
    favourites = state.favourites.copy()
    brand = market.products.brand[what]
    lines = visits.part(lived.baskets["session"])
    draw = lines.luck(market.seed, "converts", lived.baskets["line"])
    converts = (lived.rating >= 4) & (draw < 0.10)
    converts &= ~(favourites[who] == brand[:, None]).any(1)
    # With two converts of one customer in a month the later purchase stays.
    favourites[who[converts], 2] = brand[converts]
    if visits.month < 1:  # the history knows no moods
        return replace(state, last_bought=last, favourites=favourites)
    people = len(state.mood)
    came = np.bincount(visits.who, minlength=people)
    found = np.bincount(visits.who, weights=lived.found, minlength=people)
    moved = _IMPRESSES * (found / np.maximum(came, 1) - _HOPED_FOR) * (came > 0)
    mood = _FADES * state.mood + moved
    leaves = luck(market.seed, visits.month, "leaves", np.arange(people))
    left = state.left | ((came > 0) & (leaves < _LEAVES * np.exp(-_LEAVES_SOONER * mood)))
    return State(last, favourites, mood, left)
