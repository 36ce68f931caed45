"""`helpers.worlds.shop.world`: the beauty shop, its story played, and what it keeps to itself."""

import copy
import operator
from dataclasses import replace
from functools import cache, partial

import numpy as np
import pandas as pd
import pytest
from conftest import TWENTY, examples
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas import DataFrame
from test_world_bytes import table_hashes

from helpers.training.recommend import PersonalBestsellers
from helpers.worlds import Operator, Shop
from helpers.worlds.incidents import Incident, incident_table
from helpers.worlds.incidents.kinds import Schedule
from helpers.worlds.play import CannotPlay, luck
from helpers.worlds.shop import STORIES, STORY, ShopTruth, at_random, serve
from helpers.worlds.shop.market import SKIN_TYPES


def lists(context, places):
    return DataFrame(
        {
            "session_id": np.repeat(context.sessions["session_id"].to_numpy(), 10),
            "product_id": context.products["product_id"].to_numpy()[places].ravel(),
            "rank": np.tile(np.arange(1, 11), len(places)),
        }
    )


def first_ten(context):
    return lists(context, np.tile(np.arange(10), (len(context.sessions), 1)))


@cache
def _made(sizes):
    return Shop(**dict(sizes))


def made(**sizes):
    """Return a shop with its history. A month replaces what a shop keeps, so a copy is a twin."""
    return copy.copy(_made(tuple(sizes.items())))


def play_the_story(seed):
    """Play nine months as the lessons do; return the accuracies and what bounds them."""
    shop = made(seed=seed)
    truth, history = ShopTruth(shop), shop.history()
    orders, told = [history["orders"]], {"shop": shop}

    def fitted(month, **options):
        on = pd.Timestamp("2024-10-01") + pd.DateOffset(months=month - 1)
        model = PersonalBestsellers(**options).fit(pd.concat(orders), shop.products(month), on=on)
        return serve(model.recommend)

    first = current = fitted(1)
    for month in range(1, 10):
        if month >= 4:  # from month 4 on retrained, from month 7 on with seasons
            current = fitted(month, seasons=month >= 7)
        if month in (4, 6, 9):
            told[f"frozen {month}"] = truth.expected_accuracy(month, first)
        if month == 6:
            told["seasons 6"] = truth.expected_accuracy(month, fitted(month, seasons=True))
        if month in (1, 9):
            told[f"random {month}"] = truth.expected_accuracy(month, at_random)
            told[f"oracle {month}"] = truth.expected_accuracy(month, truth.oracle)
        if month == 9:
            for name, weight in [("accuracy", 0.0), ("both", 0.25), ("sustainability", 1.0)]:
                decide = fitted(month, seasons=True, sustainability=weight)
                told[f"agreed {name}"] = agreed_score(shop, truth, month, decide)
            told["agreed frozen"] = agreed_score(shop, truth, month, first)
        told[f"expected {month}"] = truth.expected_accuracy(month, current)
        orders.append(shop.play(month, current)["orders"])
        told[month] = truth.accuracy(month)
    return told


def agreed_score(shop, truth, month, decide):
    """Six parts accuracy, four parts mean sustainability (0 to 1) of what is shown."""
    shown = decide(shop.hidden.context(month)[0])["product_id"]
    green = shop.products(month).set_index("product_id")["sustainability"][shown].mean() / 100
    return 0.6 * truth.expected_accuracy(month, decide) + 0.4 * green


@pytest.fixture(scope="module", params=TWENTY, ids=lambda seed: f"seed {seed}")
def story(request):
    return play_the_story(request.param)


@pytest.fixture(scope="module")
def shop():
    return made(seed=1)


@pytest.fixture(scope="module")
def history(shop):
    return shop.history()


def test_accuracy_starts_at_four_in_five_and_falls_to_seven_in_ten_after_the_launches(story):
    assert story[1] == pytest.approx(0.80, abs=0.03)
    assert story[3] == pytest.approx(0.70, abs=0.03)


def test_retraining_on_the_new_products_brings_accuracy_back_and_doing_nothing_does_not(story):
    assert story[4] >= 0.77
    assert story["frozen 4"] < 0.73


def test_the_turn_of_the_season_costs_accuracy_until_the_model_knows_months(story):
    # 1,800 sessions leave a standard error of 0.01, so the expected values are compared.
    assert story["expected 6"] < story["expected 5"] - 0.02
    assert story["seasons 6"] > story["expected 6"] + 0.02
    assert story["frozen 6"] < story["seasons 6"] - 0.05


def test_two_objectives_beat_either_one_on_the_agreed_score(story):
    others = [story[f"agreed {name}"] for name in ("accuracy", "sustainability", "frozen")]
    assert story["agreed both"] > max(others) + 0.005


def test_random_and_frozen_do_worse_and_the_oracle_bounds_them_all(story):
    for month in (1, 9):
        assert story[f"random {month}"] < story[f"expected {month}"] - 0.2
        assert story[f"expected {month}"] < story[f"oracle {month}"]
    assert story["frozen 9"] < story["expected 9"] - 0.04


def played_year(seed, first, retrain=False):
    """Play a whole year; return each month's accuracy, and the oracle's in months 6 and 12."""
    shop = made(customers=1_200, seed=seed)
    truth, orders, rows, decide = ShopTruth(shop), [shop.history()["orders"]], [], first(shop)
    for month in range(1, 13):
        if retrain and month > 1:
            model = PersonalBestsellers(seasons=True).fit(pd.concat(orders), shop.products(month))
            decide = serve(model.recommend)
        best = truth.expected_accuracy(month, truth.oracle) if month % 6 == 0 else np.nan
        orders.append(shop.play(month, decide)["orders"])
        rows.append((truth.accuracy(month), best))
    return np.array(rows).T


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 21))
def test_over_a_played_year_random_and_frozen_policies_are_visibly_worse_and_none_beats_the_oracle(
    seed,
):
    def trained(shop):
        past = shop.history()
        return serve(PersonalBestsellers().fit(past["orders"], past["products"]).recommend)

    years = {
        "random": played_year(seed, lambda shop: at_random),
        "frozen": played_year(seed, trained),
        "tended": played_year(seed, trained, retrain=True),
    }
    mean = {name: found.mean() for name, (found, _) in years.items()}
    assert mean["random"] < mean["frozen"] - 0.25
    assert mean["frozen"] < mean["tended"] - 0.06
    assert all((found[[5, 11]] < best[[5, 11]]).all() for found, best in years.values())


def bestsellers(shop, orders, month):
    """Show everybody what sold best in the last 90 days, those still on sale."""
    recent = orders[orders["ordered_at"] >= orders["ordered_at"].max() - pd.Timedelta(days=90)]
    sold = recent["product_id"].value_counts()
    ten = shop.products(month)["product_id"].map(sold).fillna(0).nlargest(10).index.to_numpy()
    return lambda context: lists(context, np.tile(ten, (len(context.sessions), 1)))


def personal(shop, orders, month):
    """Retrain the personal recommender each month, with seasons once they turn."""
    on = pd.Timestamp("2024-10-01") + pd.DateOffset(months=month - 1)
    model = PersonalBestsellers(seasons=month >= 6).fit(orders, shop.products(month), on=on)
    return serve(model.recommend)


def greedy(shop, orders, month):
    """Show the dearest of the forty that the personal recommender would show first."""
    model = PersonalBestsellers().fit(orders, shop.products(month))
    price = shop.products(month).set_index("product_id")["price_eur"]

    def recommend(customer_ids, k, on=None):
        table = model.recommend(customer_ids, 40, on)
        table["rank"] = table["product_id"].map(price).groupby(table["customer_id"]).rank(method="first", ascending=False).astype(int)  # fmt: skip
        return table[table["rank"] <= k]

    return serve(recommend)


def lived(shop, decide, months):
    """Play the months with `decide(shop, orders, month)`; return the tables of all of them."""
    orders, played = shop.history()["orders"], []
    for month in range(1, months + 1):
        played.append(shop.play(month, decide(shop, orders, month)))
        orders = pd.concat([orders, played[-1]["orders"]])
    return {name: pd.concat([tables[name] for tables in played]) for name in played[0]}


def came(tables, month):
    """Return who came in a month."""
    sessions = tables["sessions"]
    return set(sessions.loc[sessions["started_at"].dt.month == (month + 8) % 12 + 1, "customer_id"])


@pytest.mark.parametrize("seed", TWENTY)
def test_over_a_year_a_good_recommender_earns_more_and_keeps_more_customers(seed):
    policies = {"good": personal, "best": bestsellers, "random": lambda *_: at_random}
    shops = {name: made(seed=seed) for name in policies}
    years = {name: lived(shops[name], decide, 12) for name, decide in policies.items()}
    revenue = {name: year["orders"]["price_eur"].sum() for name, year in years.items()}
    active = {name: len(came(year, 12)) for name, year in years.items()}
    lost = {name: ShopTruth(shop).loyalty(12)["left"].sum() for name, shop in shops.items()}
    for poor in ("best", "random"):
        assert revenue["good"] > 1.08 * revenue[poor]
        assert active["good"] > active[poor]
        assert lost["good"] < 0.85 * lost[poor]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 4))
def test_a_split_by_customer_sees_revenue_or_retention_within_the_year(seed):
    """Half of 20,000 customers see the retrained model, half the one of month 1."""
    first = []

    def half(shop, orders, month):
        new = personal(shop, orders, month)
        first.append(new)

        def decide(context):
            mine = luck(0, 0, "arm", context.sessions["customer_id"]) < 0.5
            parts = (replace(context, sessions=context.sessions[arm]) for arm in (mine, ~mine))
            return pd.concat([new(next(parts)), first[0](next(parts))])

        return decide

    people, year = np.arange(1, 20_001), lived(Shop(20_000, seed=seed), half, 12)
    arm = luck(0, 0, "arm", people) < 0.5
    spent = year["orders"].groupby("customer_id")["price_eur"].sum().reindex(people, fill_value=0)
    scores = []
    for values in (spent.to_numpy(), np.isin(people, list(came(year, 12))).astype(float)):
        one, other = values[arm], values[~arm]
        error = np.sqrt(one.var() / len(one) + other.var() / len(other))
        scores.append((one.mean() - other.mean()) / error)
    assert max(scores) > 2.5


@pytest.mark.parametrize("seed", TWENTY)
def test_returns_and_complaints_rise_when_a_model_is_greedy(seed):
    years = [lived(made(seed=seed), decide, 6) for decide in (personal, greedy)]
    returns = [len(year["returns"]) / len(year["orders"]) for year in years]
    complaints = [len(year["complaints"]) / len(year["sessions"]) for year in years]
    a_session = [year["orders"]["price_eur"].sum() / len(year["sessions"]) for year in years]
    assert a_session[1] > a_session[0], "it earns more from each session"
    assert returns[1] > 1.4 * returns[0]
    assert complaints[1] > 1.5 * complaints[0]


def always_ten(*_):
    return first_ten


def test_newcomers_join_each_month_and_growth_leaves_everybody_else_as_they_were():
    usual, more = (
        made(customers=400, products=40, seed=3, incidents=planned)
        for planned in ((), (Incident("growth", 2),))
    )
    years = [lived(shop, always_ten, 4)["sessions"] for shop in (usual, more)]
    known = usual.customers(4)
    assert len(usual.customers(1)) == 400
    assert len(known) == 400 + 3 * 8
    assert len(more.customers(4)) == len(known) + 2 * 8
    others = years[1][years[1]["customer_id"] <= 400 + 12 * 8]
    columns = ["customer_id", "started_at"]
    assert others[columns].to_numpy().tolist() == years[0][columns].to_numpy().tolist()
    joined = pd.concat([more.customers(5)]).set_index("customer_id")["joined_on"]
    begun = years[1].set_index("customer_id")["started_at"]
    assert (begun >= joined.loc[begun.index]).all()


def test_the_same_customers_come_at_the_same_times_whatever_is_shown_but_for_their_moods():
    shops = [made(seed=2) for _ in range(2)]
    found = [
        {(who, at) for who, at in lived(shop, decide, 3)["sessions"][["customer_id", "started_at"]].to_numpy()}
        for shop, decide in zip(shops, (personal, lambda *_: at_random), strict=True)
    ]  # fmt: skip
    assert len(found[1] - found[0]) < 0.02 * len(found[0]), "nearly all of the fewer come anyway"
    moods = [ShopTruth(shop).loyalty(4)["mood"].mean() for shop in shops]
    assert moods[0] > -0.05 > moods[1] + 0.1


def test_who_is_let_down_comes_less_and_who_has_left_never_comes_again():
    shop = made(customers=500, products=40, seed=3)
    year = lived(shop, lambda *_: at_random, 12)
    truth = ShopTruth(shop)
    for month in (4, 12):
        loyalty = truth.loyalty(month).set_index("customer_id")
        left = set(loyalty.index[loyalty["left"]])
        assert left
        assert not left & came(year, month)
        assert loyalty.loc[list(left), "expected_visits"].eq(0).all()
    months = year["sessions"]["started_at"].dt.to_period("M").value_counts().sort_index()
    assert months.iloc[-1] < 0.8 * months.iloc[0]


def test_a_promotion_and_a_holiday_bring_visits_and_a_promotion_lower_prices():
    visits, prices = {}, {}
    for name in ("", "promotion", "holiday"):
        planned = (Incident(name, 2),) if name else ()
        shop = made(customers=2_000, products=40, seed=3, incidents=planned)
        visits[name] = [len(lived(shop, always_ten, 3)["sessions"]), len(shop.hidden.played[1].visits.who)]  # fmt: skip
        prices[name] = shop.products(2)["price_eur"].sum()
        assert ShopTruth(shop).incidents().empty
    assert visits["promotion"][1] / visits[""][1] == pytest.approx(1.1, abs=0.03)
    assert visits["holiday"][1] / visits[""][1] == pytest.approx(1.4, abs=0.04)
    assert prices["promotion"] / prices[""] == pytest.approx(0.8, abs=0.001)
    assert prices["holiday"] == prices[""]


def test_a_story_is_named_and_stands_in_the_place_of_incidents():
    assert Shop(20, 20, 1, story="00").hidden.market.schedule.incidents == STORIES["00"] == STORY
    assert Shop(20, 20, 1, story="quiet").hidden.market.schedule.incidents == ()
    for name, planned in STORIES.items():
        assert Schedule(planned, "shop").incidents == planned, name
    for story in ("1", 0, ["00"]):
        with pytest.raises(CannotPlay, match="story is one of '00', 'quiet', .*got .*: name one"):
            Shop(20, 20, 1, story=story)
    with pytest.raises(CannotPlay, match="got both: leave out story='00', or the incidents"):
        Shop(20, 20, 1, incidents=(), story="00")


def test_what_happens_agrees_with_what_was_to_be_expected(story):
    # Sessions of one customer share needs: 0.035 is three and a half standard errors.
    assert all(abs(story[month] - story[f"expected {month}"]) < 0.035 for month in range(1, 10))


EVERY = [
    name for name, worlds in incident_table()[["name", "worlds"]].to_numpy() if worlds != "operator"
]


def told_and_random(context):
    """Answer each session alone: at random, with version and score."""
    answer = at_random(context).assign(model_version="1", variant="a")
    return answer.assign(score=answer["product_id"] / answer["session_id"])


def plays_in_days_as_at_once(one):
    other = copy.copy(one)
    for month in (1, 2):
        tables, days = one.play(month, told_and_random), other.days(month)
        evenings = [day.play(told_and_random) for day in days]
        assert table_hashes(days.tables) == table_hashes(tables)
        touched = (ShopTruth(shop).touched(month) for shop in (one, other))
        assert operator.eq(*map(table_hashes, touched))
        for name, table in tables.items():
            known, by = pd.concat([evening[name] for evening in evenings]), list(table.columns)
            pairs = (rows.astype(str).sort_values(by, ignore_index=True) for rows in (known, table))
            pd.testing.assert_frame_equal(*pairs)


@settings(max_examples=examples(12))
@given(st.integers(0, 10**6))
def test_a_month_in_days_gives_the_bytes_of_the_month_at_once(seed):
    plays_in_days_as_at_once(Shop(30, 20, seed, incidents=[]))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 21))
def test_so_it_does_when_everything_goes_wrong(seed):
    plays_in_days_as_at_once(Shop(30, 20, seed, [Incident(name, 1) for name in EVERY]))


def test_each_day_hands_out_its_own_sessions_in_order_of_time_and_another_days_are_refused():
    shop, seen = made(customers=60, products=40, seed=2), []

    def decide(context):
        seen.append(context.sessions)
        return first_ten(context)

    for day in shop.days(1):
        if day.number == 5:
            with pytest.raises(CannotPlay, match="answer those of context.sessions only"):
                day.play(lambda context: first_ten(shop.hidden.context(1)[0]))
        day.play(decide)
        assert seen[-1]["started_at"].dt.normalize().eq(day.date).all()
        assert seen[-1]["started_at"].is_monotonic_increasing
    every = shop.hidden.played[0].visits.session_id
    assert pd.concat(seen)["session_id"].tolist() == every.tolist()


def raises(context):
    raise RuntimeError("no model on disk")


def spoiling(context):
    context.sessions["customer_id"] = 1
    context.products["category"] = "gone"
    raise KeyError("spoilt")


# What breaks the contract as a whole is refused ...
BAD = {
    "an unknown session": (lambda c: first_ten(c).assign(session_id=5), "context.sessions"),
    "half a session": (lambda c: first_ten(c).assign(session_id=lambda t: t["session_id"] + 0.5), "in row 0"),
    "another month's": (lambda c: first_ten(c).assign(session_id=lambda t: t["session_id"] + 10**7), "context.sessions"),
    "a session without number": (lambda c: first_ten(c).assign(session_id=np.nan), "nan in row 0"),
    "a missing column": (lambda c: first_ten(c).drop(columns="rank"), "add rank"),
    "a column twice": (lambda c: pd.concat([first_ten(c), first_ten(c)[["rank"]]], axis=1), "each column once"),
    "no table": (lambda c: [1, 2, 3], "a list"),
    "nothing": (lambda c: None, "NoneType"),
    "an error": (raises, "RuntimeError: no model on disk"),
    "spoilt tables": (spoiling, "KeyError"),
}  # fmt: skip
# ... and what spoils the list of one session gets the fallback there: its rows, and the reason.
BROKEN = {
    "a product twice": (lambda t: t.assign(product_id=1), "product twice"),
    "a rank twice": (lambda t: t.assign(rank=1), "rank twice"),
    "an unknown product": (lambda t: t.replace({"product_id": {1: 10**9}}), "product not on sale"),
    "product 0": (lambda t: t.assign(product_id=lambda t: t["product_id"] - 1), "product not on sale"),
    "too few rows": (lambda t: t.iloc[1:], "not ten products"),
    "too many rows": (lambda t: pd.concat([t, t]), "not ten products"),
    "no rows": (lambda t: t.iloc[:0], "no answer"),
    "rank 0": (lambda t: t.assign(rank=t["rank"] - 1), "rank not from 1 to 10"),
    "not a number": (lambda t: t.assign(product_id=np.nan), "not a number"),
    "half a product": (lambda t: t.assign(product_id=t["product_id"] + 0.5), "not a number"),
    "endless": (lambda t: t.assign(product_id=np.inf), "not a number"),
    "text": (lambda t: t.assign(product_id="cream"), "not a number"),
    "a chance above one": (lambda t: t.assign(propensity=1.2), "propensity not from 0 to 1"),
    "a chance below zero": (lambda t: t.assign(propensity=-0.1), "propensity not from 0 to 1"),
    "an endless score": (lambda t: t.assign(score=np.inf), "not a number"),
    "a timeout": (lambda t: t.iloc[:1].assign(status=504, reason="timeout"), "timeout"),
    "an error": (lambda t: t.iloc[:1].assign(status=500), "error"),
}  # fmt: skip


@pytest.fixture(scope="module")
def tried():
    """A shop that is handed every bad answer."""
    return Shop(60, 40, 2)


@pytest.mark.parametrize("name", BAD)
def test_an_answer_that_breaks_the_contract_is_refused_in_one_sentence(name, tried):
    decide, says = BAD[name]
    before = tried.hidden
    with pytest.raises(CannotPlay, match=says) as refused:
        tried.play(1, decide)
    assert "\n" not in str(refused.value)
    assert tried.hidden is before


def test_refused_answers_leave_no_trace(tried):
    untouched = Shop(60, 40, 2)
    for month in (1, 2):
        for decide, says in BAD.values():
            with pytest.raises(CannotPlay, match=says):
                tried.play(month, decide)
        played = table_hashes(tried.play(month, first_ten))
        assert played == table_hashes(untouched.play(month, first_ten))


@pytest.mark.parametrize("name", BROKEN)
def test_a_session_whose_list_cannot_be_shown_gets_the_fallback_and_the_others_their_own(name):
    break_, says = BROKEN[name]

    def decide(context):
        answer = first_ten(context).assign(model_version="2", score=0.5)
        third = answer["session_id"] == context.sessions["session_id"].iloc[2]
        return pd.concat([break_(answer[third]), answer[~third].iloc[::-1]])

    seen = made(customers=60, products=40, seed=2).play(1, decide)
    told = seen["telemetry"]
    assert told["model_version"].eq("2").sum() >= len(told) - 1  # who did not answer told nothing
    assert told["reason"].iloc[2] == says
    assert told["fallback"].tolist() == [place == 2 for place in range(len(told))]
    lists = seen["impressions"].groupby("session_id")["product_id"].agg(list)
    assert all((one == list(range(1, 11))) == (place != 2) for place, one in enumerate(lists))
    scores = seen["impressions"]["score"].isna().to_numpy().reshape(-1, 10)
    assert (scores == (np.arange(len(scores)) == 2)[:, None]).all()


@pytest.mark.parametrize("kind", ["Int64", "float32", "category", "object", "str", "uint64"])
def test_of_whatever_kind_an_answer_is_the_tables_are_the_same_in_days_and_at_once(kind):
    def plain(context):
        answer = at_random(context)
        hidden = answer[answer["session_id"] % 2 == 0]
        return pd.concat([answer.assign(shadow=False), hidden.assign(shadow=True)])

    def decide(context):
        numbers = ["product_id", "rank", *(["session_id"] if kind != "float32" else [])]
        answer = plain(context)
        answer = answer.astype(dict.fromkeys(numbers, kind)).assign(variant="b")
        return answer.astype({"variant": "category"}).set_index("rank", drop=False)

    made_so = lambda: made(customers=60, products=40, seed=2)  # noqa: E731
    seen, like = made_so().play(1, decide), made_so().play(1, plain)
    month = made_so().days(1)
    told = [day.play(decide)["shadow"] for day in month]
    for name, table in seen.items():
        pd.testing.assert_frame_equal(table, month.tables[name], obj=name)
        table = table.drop(columns="variant", errors="ignore")
        pd.testing.assert_frame_equal(table, like[name].drop(columns="variant", errors="ignore"))
    assert len(seen["shadow"])
    assert all(table.dtypes.equals(seen["shadow"].dtypes) for table in told)


def test_gaps_among_scores_spoil_nothing_and_shadow_rows_are_shown_to_nobody():
    def decide(context):
        answer = first_ten(context).assign(score=np.nan, model_version="1", shadow=False)
        hidden = answer.assign(product_id=-1, model_version="2", shadow=True)
        strange = hidden.assign(session_id=5)
        return pd.concat([hidden, answer, strange])

    seen = made(customers=60, products=40, seed=2).play(1, decide)
    assert not seen["telemetry"]["fallback"].any()
    assert seen["impressions"]["model_version"].eq("1").all()
    assert len(seen["shadow"]) == len(seen["impressions"])
    assert seen["shadow"]["model_version"].eq("2").all()


def test_words_of_bytes_are_told_as_they_are_written():
    def decide(context):
        shown = first_ten(context).assign(variant=b"\xff", model_version=b"\xfe", shadow=False)
        return pd.concat([shown, shown.assign(shadow=True)]).assign(reason=b"\xfd")

    seen = made(customers=60, products=40, seed=2).play(1, decide)
    for table in ("telemetry", "shadow"):
        assert set(seen[table]["variant"]) == {r"b'\xff'"}
        assert set(seen[table]["model_version"]) == {r"b'\xfe'"}
    assert seen["telemetry"]["reason"].eq(r"b'\xfd'").mean() > 0.9  # a few of any service


def test_a_decide_that_no_world_can_call_is_refused_at_the_door():
    shop = made(customers=20, products=20, seed=1)
    for decide in [None, 5, first_ten(shop.hidden.context(1)[0])]:
        with pytest.raises(CannotPlay, match="decide has to be a function"):
            shop.play(1, decide)
        with pytest.raises(CannotPlay, match="decide has to be a function"):
            ShopTruth(shop).expected_accuracy(1, decide)
        with pytest.raises(CannotPlay, match="recommend has to be a function"):
            serve(decide)
    assert shop.next_month == 1


def test_what_is_served_tells_its_version_if_it_has_one():
    def recommend(customers, k, on=None):
        ranks = DataFrame({"product_id": range(1, k + 1), "rank": range(1, k + 1)})
        return DataFrame({"customer_id": customers}).merge(ranks, how="cross")

    shop = Shop(customers=60, products=40, seed=7)
    named, plain = (copy.copy(shop).play(1, serve(recommend, *version)) for version in ([2], []))
    assert set(named["telemetry"]["model_version"]) == {"2"}
    assert "2" not in set(plain["telemetry"]["model_version"])
    assert named["impressions"][[*plain["impressions"]]].equals(plain["impressions"])


def test_what_a_decide_itself_refuses_is_told_once():
    shop = made(customers=20, products=20, seed=1)

    def nested(context):
        return shop.play(1, first_ten)

    with pytest.raises(CannotPlay) as refused:
        shop.play(1, nested)
    assert str(refused.value).startswith("decide was to return a table, but it called play(1);")
    assert str(refused.value).count("decide was to") == 1
    shop.play(1, first_ten)


def test_any_whole_seed_makes_a_shop():
    assert len(Shop(20, 20, 10**30).play(1, first_ten)["impressions"]) > 0


def test_the_truth_of_a_shop_is_asked_in_its_own_terms():
    with pytest.raises(CannotPlay, match="type Operator"):
        ShopTruth(Operator(5, seed=1))
    truth = ShopTruth(made(customers=20, products=20, seed=1))
    for context in [1, None]:
        with pytest.raises(CannotPlay, match="the oracle decides about the Context"):
            truth.oracle(context)
    expected = partial(truth.expected_accuracy, decide=first_ten)
    for ask in [truth.accuracy, truth.touched, expected]:
        for month in [0, 13, True, 1.0, None, [1]]:
            with pytest.raises(CannotPlay, match="whole number from 1 to 12"):
                ask(month)


@pytest.mark.parametrize("month", [0, 2, 13, -1, 1.0, True, "1", None])
def test_months_are_whole_numbers_and_come_in_order(month):
    shop = made(customers=20, products=20, seed=1)
    with pytest.raises(CannotPlay, match="in order"):
        shop.play(month, first_ten)
    assert shop.next_month == 1


@pytest.mark.parametrize(
    "sizes", [(0, 20, 1), (20, 9, 1), (20, 20, -1), (1.5, 20, 1), (20, "a", 1)]
)
def test_sizes_that_make_no_shop_are_refused(sizes):
    with pytest.raises(CannotPlay, match="whole number of at least"):
        Shop(*sizes)


@pytest.mark.parametrize("sizes", [(1, 10), (1, 300), (40, 10)])
def test_the_smallest_shops_play_a_whole_year(sizes):
    shop = Shop(*sizes, seed=5)
    for month in range(1, 13):
        shop.play(month, first_ten)
    for month in (12, 13, 1, None):
        told = f"year ends after month 12.*got {month}: make a new Shop"
        with pytest.raises(CannotPlay, match=told):
            shop.play(month, first_ten)


def test_nothing_hidden_is_in_the_tables_and_the_score_comes_in_month_nine(shop, history):
    hidden = {"appeal", "needs", "want", "wanted", "green", "strictness", "new_generation",
              "sustainability", "threshold", "utility", "adopts_on"}  # fmt: skip
    for table in history.values():
        assert not hidden & set(table.columns)
        assert not any(column.startswith("need") for column in table.columns)
    assert "sustainability" not in shop.products(8)
    assert shop.products(9)["sustainability"].between(0, 100).all()


def test_the_hidden_side_is_for_reading_and_no_decide_is_handed_it():
    shop, given = made(customers=20, products=20, seed=1), []
    shop.play(1, lambda context: given.append(context) or first_ten(context))
    assert {type(part) for part in vars(given[0]).values()} == {int, pd.Timestamp, DataFrame}
    hidden = shop.hidden
    for array in [hidden.market.products.appeal, hidden.market.people.needs]:
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
    with pytest.raises(AttributeError, match="cannot assign"):
        hidden.state = None
    with pytest.raises(TypeError, match="does not support"):
        hidden.played[0] = None
    assert shop.hidden is hidden, "asking changes nothing"


def test_labels_are_late_and_come_in_the_month_they_are_known():
    shop = Shop(300, 60, 1)
    orders = [shop.history()["orders"]]
    for month in (1, 2):
        seen = shop.play(month, first_ten)
        orders.append(seen["orders"])
        start = pd.Timestamp("2024-09-01") + pd.DateOffset(months=month)
        for name in ("returns", "ratings"):
            late = seen[name].merge(pd.concat(orders), on=["order_id", "customer_id", "product_id"])
            assert len(late) == len(seen[name]) > 0
            assert (late["known_at"] - late["ordered_at"]).min() >= pd.Timedelta(days=3)
            assert late["known_at"].between(start, start + pd.DateOffset(months=1)).all()
            assert (late["ordered_at"] < start).any()


def test_what_is_shown_changes_what_is_bought_and_needed_next():
    one, other = (made(customers=400, products=60, seed=1) for _ in range(2))
    seen = one.play(1, first_ten), other.play(1, ShopTruth(other).oracle)
    sales = [(table["orders"]["channel"] == "list").sum() for table in seen]
    assert sales[1] > 1.3 * sales[0]
    needs = [ShopTruth(shop).expected_accuracy(2, first_ten) for shop in (one, other)]
    assert needs[0] != needs[1]


def test_looks_thin_out_down_the_list(history):
    # The old window's order was random, so only the place makes the difference.
    shown = history["impressions"]["rank"].value_counts().sort_index()
    rate = history["clicks"]["rank"].value_counts().sort_index() / shown
    assert rate[1] / rate[10] == pytest.approx(1 + 0.15 * 9, rel=0.25)
    assert rate[1] > rate[3] > rate[6] > rate[10]


def test_the_history_resembles_the_public_reviews(history):
    orders = history["orders"].merge(history["products"], on="product_id", suffixes=("", "_now"))
    stars = history["ratings"]["rating"].value_counts(normalize=True).sort_index()
    # Sephora's histogram, within three points; its brands are more (141), so loyalty is looser.
    assert np.abs(stars - [0.057, 0.049, 0.075, 0.182, 0.638]).max() < 0.03
    sold = orders["product_id"].value_counts().to_numpy()
    assert 0.36 < sold[: len(sold) // 10].sum() / sold.sum() < 0.60  # real: 43, 52 %
    ordered = orders.sort_values(["customer_id", "ordered_at"], kind="stable")
    follows = ordered["customer_id"].eq(ordered["customer_id"].shift())
    same_brand = ordered["brand"].eq(ordered["brand"].shift())[follows].mean()
    assert 0.30 < same_brand < 0.42  # real: 37 %
    age = (orders["ordered_at"] - orders["launched_on"]).dt.days
    assert 0.20 < (age < 90).mean() < 0.41  # real: 25 to 41 %
    assert 0.39 < (age < 365).mean() < 0.62  # real: 39 to 53 %, and growing
    share = pd.crosstab(orders["ordered_at"].dt.month, orders["category"], normalize="index")
    sun = share["sun care"] / share["sun care"].mean()
    assert sun[[3, 4, 5, 6]].between(1.15, 1.75).all()  # real: 1.34 to 1.50
    assert sun[[10, 12]].between(0.4, 0.9).all()  # real: 0.57 and 0.55
    price = history["products"]["price_eur"]
    assert 38 < price.median() < 50  # real: 44
    assert 0.6 < np.log(price).std() < 0.85  # real: 0.78


def test_skin_type_is_stated_with_errors_weak_in_ratings_and_visible_in_choice(shop, history):
    truth = ShopTruth(shop)
    stated = history["customers"]["skin_type"]
    assert stated.isna().mean() == pytest.approx(0.15, abs=0.03)
    assert stated.dropna().nunique() == 5 * len(SKIN_TYPES)
    true = truth.customers()[["customer_id", "skin_type"]]
    rated = history["ratings"].merge(true, on="customer_id")
    means = rated.groupby("skin_type")["rating"].mean()
    assert means.max() - means.min() < 0.2  # real: 0.03 on far more ratings
    bought = (
        history["orders"].merge(true, on="customer_id").merge(truth.products(), on="product_id")
    )
    dry = bought["skin_type"].eq("dry")
    assert dry[bought["suits_dry"]].mean() > dry[~bought["suits_dry"]].mean() + 0.02
