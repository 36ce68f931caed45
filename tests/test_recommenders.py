"""`helpers.training.recommend`: what every recommender keeps to, and what each of them learns."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest
from conftest import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas import DataFrame

from helpers.training.recommend import (
    ALS,
    EASE,
    SVD,
    ContentBased,
    Hybrid,
    ItemNeighbours,
    MostPopular,
    MultiObjective,
    PersonalBestsellers,
    Transitions,
)

PRODUCTS = DataFrame(
    {
        "product_id": range(1, 13),
        "name": ["rose cream", "rose soap", "mint gel"] * 4,
        "brand": ["Ana", "Bea", None, "Ana"] * 3,
        "category": ["face", "body"] * 6,
    }
)
MODELS = {
    "most popular": MostPopular,
    "popular lately": lambda **options: MostPopular(window_days=30, **options),
    "popular in the brand": lambda **options: MostPopular(within="brand", **options),
    "content": ContentBased,
    "neighbours": ItemNeighbours,
    "transitions": Transitions,
    "ease": EASE,
    "hybrid": lambda **options: Hybrid(
        [(ItemNeighbours(), 1.0), (ContentBased(), 0.5), (MostPopular(window_days=30), 0.1)],
        **options,
    ),
    "sparse hybrid": lambda **options: Hybrid(
        [(ItemNeighbours(), 1), (Transitions(), 1)], **options
    ),
    "als": lambda **options: ALS(factors=3, **options),
    "svd": lambda **options: SVD(factors=3, **options),
    "personal": lambda show_seen=False: PersonalBestsellers(show_seen=show_seen),
}
EVERY = pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)


def orders(*rows):
    """Orders from (customer, product, day of 2024)."""
    table = DataFrame(rows, columns=["customer_id", "product_id", "day"])
    days = pd.to_timedelta(table["day"], unit="D")
    return table[["customer_id", "product_id"]].assign(ordered_at=pd.Timestamp("2023-12-31") + days)


# Six customers buy odd products only, six even ones: a board on which every model must see the color.
BOARD = orders(
    *[
        (who, what, 10 + (who + what) % 90)
        for who in range(1, 13)
        for what in range(2 - who % 2, 13, 2)
        if (who + what) % 5
    ]
)


@pytest.mark.parametrize(
    "make",
    [ItemNeighbours, Transitions, EASE, MODELS["als"], MODELS["svd"], MODELS["sparse hybrid"]],
)
def test_who_buys_odd_products_is_shown_odd_ones(make):
    lists = make().fit(BOARD, PRODUCTS).recommend(range(1, 13), k=1)
    assert (lists["customer_id"] % 2 == lists["product_id"] % 2).all()


def test_content_shows_what_is_described_alike():
    products = PRODUCTS.head(3).assign(name=["rose cream", "lip balm", "rose soap"], brand=None)
    model = ContentBased().fit(orders((1, 1, 1), (2, 2, 2), (3, 2, 2)), products)
    assert model.recommend([1, 9], k=1)["product_id"].tolist() == [3, 2]


def test_a_brand_counts_as_the_words_of_a_name_do():
    products = DataFrame(
        {
            "product_id": [1, 2, 3],
            "name": ["cream", "gel", "soap"],
            "brand": ["Ana", "Bea", "Ana"],
        }
    )
    assert first(ContentBased().fit(orders((1, 1, 1), (2, 2, 1)), products), 1) == 3


def first(model, customer, **options):
    return model.recommend([customer], k=1, **options)["product_id"].item()


def test_popular_lately_forgets_what_sold_before():
    sold = orders((1, 1, 1), (2, 1, 1), (3, 1, 1), (4, 2, 99), (5, 2, 98), (6, 3, 99))
    assert first(MostPopular().fit(sold), 9) == 1
    assert first(MostPopular(window_days=30).fit(sold), 9) == 2
    assert first(MostPopular(window_days=1).fit(sold), 9) == 2, "a tie goes to what sold most"


def test_popular_in_the_brand_is_the_root_of_sales_by_the_share_of_the_brand():
    products = DataFrame({"product_id": [1, 2, 3, 4], "brand": ["Ana", "Ana", None, None]})
    sold = orders(
        *[(who, 1, 1) for who in range(10, 19)], (1, 2, 1), (2, 4, 1), (2, 2, 1), (3, 3, 1)
    )
    model = MostPopular(within="brand").fit(sold, products)
    lists = model.recommend([1, 2, 3, 99], k=1)
    assert lists["product_id"].tolist() == [1, 1, 4, 1], "a gap is a brand of its own"
    assert lists["score"].to_numpy() == pytest.approx([3, 1.5, 1, 9])
    with pytest.raises(ValueError, match="products lacks the column.s. line"):
        MostPopular(within="line").fit(sold, products)


def test_the_cosine_of_two_products_is_that_of_the_hand():
    sold = DataFrame({"customer_id": [1, 1, 2, 2, 3, 4], "product_id": list("abacab")})
    scores = ItemNeighbours(shrink=0).fit(sold).recommend([3], k=2)
    # a: 1 2 3, b: 1 4, c: 2. a.b = 1/sqrt(3 * 2), a.c = 1/sqrt(3 * 1).
    assert scores["product_id"].tolist() == ["c", "b"]
    assert scores["score"].to_numpy() == pytest.approx([1 / 3**0.5, 1 / 6**0.5])
    shrunk = ItemNeighbours(shrink=1).fit(sold).recommend([3], k=1)["score"].item()
    assert shrunk == pytest.approx(1 / ((3**0.5 + 1) * 2))


def test_what_was_liked_last_weighs_most():
    sold = orders(
        (1, 1, 1), (1, 2, 1), (2, 3, 1), (2, 4, 1), (3, 1, 1), (3, 3, 2), (4, 3, 1), (4, 1, 2)
    )
    model = ItemNeighbours(decay=0.5).fit(sold)
    assert [first(model, customer) for customer in (3, 4)] == [4, 2]


def test_a_transition_counts_in_its_direction():
    sold = DataFrame({"customer_id": [1, 1, 2, 2, 3, 4], "product_id": list("ababab")})
    onward = Transitions(back=0.0, show_seen=True).fit(sold)
    assert onward.recommend([3], k=1)["score"].item() == pytest.approx(2 / (4 ** (1 / 3) + 20))
    assert onward.recommend([4], k=1)["score"].item() == 0, "nothing follows b"
    assert first(Transitions(back=1.0).fit(sold), 4) == "a"


def test_ease_has_the_weights_of_its_closed_form():
    rng = np.random.default_rng(7)
    sold = DataFrame(
        {"customer_id": rng.integers(0, 30, 120), "product_id": rng.integers(0, 8, 120)}
    )
    model = EASE(penalty=5, decay=1.0, show_seen=True).fit(sold)
    table = pd.crosstab(sold["customer_id"], sold["product_id"]).gt(0).astype(float)
    for product in table:  # the ridge regression of each product on the others
        others = table.drop(columns=product)
        gram = others.T @ others + 5 * np.eye(len(others.columns))
        predicted = others @ np.linalg.solve(gram, others.T @ table[product])
        lists = model.recommend(table.index, k=8).query("product_id == @product")
        assert lists["score"].to_numpy() == pytest.approx(predicted.to_numpy(), abs=1e-4)


def test_ease_refuses_what_would_not_fit():
    many = DataFrame({"product_id": range(40_000)})
    with pytest.raises(ValueError, match="40,000 x 40,000 products, which takes about 19 GB"):
        EASE().fit(BOARD, many)


def test_a_hybrid_adds_what_its_parts_say():
    products = DataFrame({"product_id": [1, 2, 3], "name": ["rose cream", "mint gel", "rose soap"]})
    sold = orders((7, 1, 1), (8, 1, 1), (8, 2, 2))
    for weight, best in [(0.5, 2), (2.0, 3)]:
        parts = [(ItemNeighbours(), 1.0), (ContentBased(), weight)]
        lists = Hybrid(parts).fit(sold, products).recommend([7], k=2)
        assert lists["product_id"].iloc[0] == best
        assert sorted(lists["score"]) == pytest.approx(sorted([1.0, weight]))


def test_a_hybrid_takes_recommenders_with_weights_only():
    for parts, said in [
        ([], "got none"),
        ([(ItemNeighbours(), 0)], "above 0"),
        ([ItemNeighbours()], "pairs of a recommender"),
        ([(MultiObjective(MostPopular(), "margin", 0.5), 1.0)], "scores every product"),
    ]:
        with pytest.raises(ValueError, match=said):
            Hybrid(parts)


@pytest.mark.parametrize(
    "model", [ItemNeighbours(), MostPopular(), PersonalBestsellers(), ALS(factors=2)]
)
def test_a_second_goal_moves_the_list_as_far_as_it_weighs(model):
    products = PRODUCTS.assign(category="cream", sustainability=range(0, 120, 10))

    def shown(weight, customers=(1, 99), k=4, among=50):
        both = MultiObjective(model, "sustainability", weight, among)
        return both.fit(BOARD, products).recommend(customers, k)

    model.fit(BOARD, products)
    pd.testing.assert_frame_equal(
        shown(0.0).drop(columns="score"), model.recommend([1, 99], k=4).drop(columns="score")
    )
    green = products.set_index("product_id")["sustainability"]
    means = [shown(weight)["product_id"].map(green).mean() for weight in (0.0, 0.3, 0.7, 1.0)]
    assert means == sorted(means)
    assert means[0] < means[-1]
    assert shown(1.0)["rank"].tolist() == [1, 2, 3, 4] * 2
    assert set(shown(1.0, among=4)["product_id"]) == set(shown(0.0)["product_id"])
    assert (shown(0.5)["score"].diff()[shown(0.5)["rank"] > 1] <= 0).all()


def test_a_second_goal_that_is_no_number_is_named():
    goal = PRODUCTS.assign(sustainability=[1, "green", *[3] * 10])
    with pytest.raises(
        ValueError, match="sustainability of 1 row.* not a number, the first being 'green' .row 2"
    ):
        MultiObjective(ItemNeighbours(), "sustainability", 0.5).fit(BOARD, goal)
    with pytest.raises(ValueError, match="lacks the column.s. margin"):
        MultiObjective(ItemNeighbours(), "margin", 0.5).fit(BOARD, PRODUCTS)
    with pytest.raises(ValueError, match="weight is a share"):
        MultiObjective(ItemNeighbours(), "margin", 5)
    both = MultiObjective(ItemNeighbours(), "sustainability", 0.5).fit(
        BOARD, PRODUCTS.assign(sustainability=1)
    )
    for k in (13, 0, 2.0):
        with pytest.raises(ValueError, match="1 to the 12 products"):
            both.recommend([1], k)


@EVERY
def test_a_list_shows_nothing_twice_and_nothing_seen(make):
    model = make().fit(BOARD, PRODUCTS)
    lists = model.recommend([3, 99, 3, 4], k=12)
    assert not lists.assign(of=lists["rank"].eq(1).cumsum()).duplicated(["of", "product_id"]).any()
    had = BOARD.merge(lists, on=["customer_id", "product_id"])
    assert had.empty
    assert lists.groupby("customer_id").size()[99] == 12
    again = make(show_seen=True).fit(BOARD, PRODUCTS).recommend([3], k=12)
    assert sorted(again["product_id"]) == list(range(1, 13))


@EVERY
def test_what_is_not_launched_yet_or_withdrawn_is_not_shown(make):
    dates = PRODUCTS.assign(
        launched_on=pd.to_datetime(["2024-01-01", "2024-07-01", None, *["2023-01-01"] * 9]),
        withdrawn_on=pd.to_datetime([None, None, "2024-08-01", *[None] * 9]),
    )
    model = make().fit(BOARD, dates)

    def shown(on):
        return set(model.recommend([99], k=12, on=on)["product_id"])

    assert shown(None) == set(range(1, 13)) - {2}
    assert shown("2024-07-01") == set(range(1, 13))
    assert shown("2024-08-01") == set(range(1, 13)) - {3}
    with pytest.raises(ValueError, match="on is 2024-01-01, .* would know its future"):
        shown("2024-01-01")


@EVERY
def test_the_order_of_rows_and_of_products_changes_nothing(make):
    ours = make().fit(BOARD, PRODUCTS).recommend(range(1, 14), k=6)
    other = make().fit(
        BOARD.sample(frac=1, random_state=3), PRODUCTS.sample(frac=1, random_state=4)
    )
    theirs = other.recommend(range(1, 14), k=6)
    columns = ["customer_id", "product_id", "rank"]
    pd.testing.assert_frame_equal(theirs[columns], ours[columns])
    repeated = make().fit(BOARD, PRODUCTS).recommend(range(1, 14), k=6)
    pd.testing.assert_frame_equal(repeated, ours)


def test_als_gives_the_same_factors_whatever_the_order_of_the_rows():
    """The day tells what came first; the random start is that of a customer, not of a row."""
    rng = np.random.default_rng(7)
    log = orders(*rng.integers(1, 91, (4_000, 3)))
    who = sorted(log["customer_id"].unique())
    one, other = (
        ALS(factors=8).fit(rows).recommend(who, k=10)
        for rows in (log, log.sample(frac=1, random_state=3))
    )
    pd.testing.assert_frame_equal(one, other)


@settings(max_examples=examples(30), deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 6), st.integers(1, 12), st.integers(1, 99)),
        min_size=1,
        max_size=40,
    ),
    st.lists(st.integers(1, 9), min_size=1, max_size=9),
    st.integers(1, 12),
    st.sampled_from(sorted(MODELS)),
)
def test_every_list_is_ranked_from_one_by_falling_scores(rows, customers, k, name):
    lists = MODELS[name]().fit(orders(*rows), PRODUCTS).recommend(customers, k)
    assert list(lists.columns) == ["customer_id", "product_id", "rank", "score"]
    starts = lists["rank"].eq(1)
    assert (lists["rank"].diff()[~starts] == 1).all()
    assert (lists["score"].diff()[~starts] <= 0).all()
    assert set(lists["customer_id"]) <= set(customers)


@EVERY
def test_rows_without_a_customer_tell_what_sells_and_nothing_else(make):
    nobodys = pd.concat([BOARD, DataFrame({"customer_id": [None] * 50, "product_id": [7, 8] * 25,
                                           "ordered_at": pd.Timestamp("2024-04-01")})])  # fmt: skip
    model = make().fit(nobodys, PRODUCTS)
    assert set(model.recommend([99], k=2)["product_id"]) == {7, 8}
    assert set(model.known.customer_ids) == set(range(1, 13))


@EVERY
def test_ids_of_another_type_that_are_equal_meet(make):
    ours = make().fit(BOARD, PRODUCTS).recommend([1, 2], k=4)
    floats = make().fit(BOARD.astype({"customer_id": float, "product_id": float}), PRODUCTS)
    assert floats.recommend([1.0, 2.0], k=4)["product_id"].tolist() == ours["product_id"].tolist()
    categories = make().fit(BOARD.astype({"customer_id": "category"}), PRODUCTS)
    assert categories.recommend([1, 2], k=4)["product_id"].tolist() == ours["product_id"].tolist()


@EVERY
def test_disliked_products_teach_nothing_and_are_not_shown_again(make):
    rated = BOARD.assign(rating=5)
    bad = DataFrame({"customer_id": [1], "product_id": [2], "rating": [1],
                     "ordered_at": pd.Timestamp("2024-02-01")})  # fmt: skip
    model = make().fit(pd.concat([rated, bad]), PRODUCTS)
    lists = model.recommend([1], k=12)
    assert 2 not in set(lists["product_id"])
    without = make().fit(rated, PRODUCTS).recommend([1], k=12)
    others = without.loc[without["product_id"] != 2, "product_id"].tolist()
    assert lists["product_id"].tolist() == others


@EVERY
@pytest.mark.parametrize(
    ("sold", "products", "said"),
    [
        (BOARD.drop(columns="product_id"), PRODUCTS, "interactions lacks the column.s. product_id"),
        (BOARD.head(0), PRODUCTS, "interactions has 0 row"),
        (BOARD.assign(product_id=99), PRODUCTS, "None of the .* interactions is with a listed product"),
        (BOARD.assign(rating=2), PRODUCTS, "None of the .* interactions"),
        (BOARD.assign(rating=[9, *[4] * (len(BOARD) - 1)]), PRODUCTS, "rating of 1 row.* not from 1 to 5, .* 9 .row 1"),
        (BOARD.assign(rating=None), PRODUCTS, "rating of .* row.* not from 1 to 5"),
        (BOARD.astype({"product_id": str}), PRODUCTS, "product_id holds texts in interactions and numbers in products"),
        (BOARD.assign(customer_id=["1", *[1] * (len(BOARD) - 1)]), PRODUCTS, "customer_id holds numbers and texts in interactions"),
        (BOARD.assign(ordered_at="2024-01-01"), PRODUCTS, "ordered_at of interactions holds moments; got '2024-01-01'"),
        (BOARD.assign(ordered_at=pd.NaT), PRODUCTS, "interactions has .* without ordered_at"),
        (BOARD.assign(product_id=None), PRODUCTS, "interactions has .* without product_id"),
        (BOARD, pd.concat([PRODUCTS, PRODUCTS.head(1)]), "products repeats 1 product_id"),
        (BOARD, PRODUCTS.assign(product_id=[None, *range(2, 13)]), "products has 1 row.* without product_id"),
        (BOARD, PRODUCTS.assign(launched_on="soon"), "launched_on of products holds moments; got 'soon'"),
    ],
)  # fmt: skip
def test_what_cannot_be_learnt_from_is_told(make, sold, products, said):
    with pytest.raises(ValueError, match=said):
        make().fit(sold, products)


@EVERY
@pytest.mark.parametrize(
    ("customers", "k", "on", "said"),
    [
        ([1], 13, None, "1 to the 12 products; got 13"),
        ([1], 0, None, "1 to the 12 products; got 0"),
        ([1], 2.0, None, "1 to the 12 products; got 2.0"),
        (["1"], 2, None, "customer_id holds texts in customer_ids and numbers in the interactions"),
        ([1], 2, "soon", "A day such as .* got 'soon'"),
        ([1], 2, "2025-01-01T00:00Z", "in a time zone"),
    ],
)
def test_what_cannot_be_asked_is_told(make, customers, k, on, said):
    model = make().fit(BOARD, PRODUCTS)
    with pytest.raises(ValueError, match=said):
        model.recommend(customers, k, on)


@EVERY
def test_moments_in_a_time_zone_meet_days_without_one(make):
    zoned = BOARD.assign(ordered_at=BOARD["ordered_at"].dt.tz_localize("Europe/Berlin"))
    dated = PRODUCTS.assign(launched_on=pd.Timestamp("2024-01-01"))
    ours = make().fit(BOARD, dated).recommend([1], k=4, on="2024-06-01")
    for products in (dated, dated.assign(launched_on=pd.Timestamp("2024-01-01", tz="UTC"))):
        model = make().fit(zoned, products)
        for on in ("2024-06-01", pd.Timestamp("2024-06-01", tz="UTC")):
            pd.testing.assert_frame_equal(model.recommend([1], k=4, on=on), ours)


@EVERY
def test_nobody_asked_for_gets_an_empty_table(make):
    lists = make().fit(BOARD, PRODUCTS).recommend([], k=2)
    assert len(lists) == 0
    assert list(lists.columns) == ["customer_id", "product_id", "rank", "score"]


def test_a_model_that_has_learnt_nothing_says_so():
    with pytest.raises(ValueError, match="ItemNeighbours has learnt nothing yet"):
        ItemNeighbours().recommend([1], k=1)


def test_options_out_of_range_are_refused():
    for make in (
        lambda: MostPopular(window_days=0),
        lambda: ItemNeighbours(decay=2),
        lambda: ItemNeighbours(shrink=-1),
        lambda: Transitions(back=2),
        lambda: EASE(penalty=0),
    ):
        with pytest.raises(ValueError, match="got"):
            make()
    with pytest.raises(ValueError, match="no column ordered_at"):
        MostPopular(window_days=3).fit(BOARD.drop(columns="ordered_at"))


def test_content_needs_a_table_that_describes():
    with pytest.raises(ValueError, match="Hand over such a table"):
        ContentBased().fit(BOARD)
    with pytest.raises(ValueError, match="no column of text"):
        ContentBased().fit(BOARD, PRODUCTS[["product_id"]])
    with pytest.raises(ValueError, match="lacks the column.s. brand"):
        ContentBased(["brand"]).fit(BOARD, PRODUCTS.drop(columns="brand"))


@pytest.mark.parametrize("kind", [object, "str", "category"])
def test_a_missing_brand_is_no_word(kind):
    named = ContentBased().fit(BOARD, PRODUCTS.fillna({"brand": ""})).recommend([1, 2], k=5)
    holes = ContentBased().fit(BOARD, PRODUCTS.astype({"brand": kind})).recommend([1, 2], k=5)
    pd.testing.assert_frame_equal(holes, named)


def test_most_popular_is_the_count_done_by_hand():
    rng = np.random.default_rng(7)
    sold = DataFrame(
        {"customer_id": rng.integers(0, 40, 300), "product_id": rng.integers(0, 25, 300)}
    )
    lists = MostPopular().fit(sold).recommend([999], k=25)
    count = sold["product_id"].value_counts()
    assert lists["score"].tolist() == count[lists["product_id"]].tolist()
    assert lists["product_id"].tolist() == sorted(count.index, key=lambda one: (-count[one], one))


@pytest.mark.parametrize(
    "name", ["most popular", "popular in the brand", "neighbours", "transitions", "sparse hybrid"]
)
def test_no_table_of_all_customers_and_all_products_is_made(name):
    rng = np.random.default_rng(7)
    sold = DataFrame(
        {
            "customer_id": rng.integers(0, 40_000, 150_000),
            "product_id": (rng.random(150_000) ** 2 * 15_000).astype(int),
            "ordered_at": pd.Timestamp("2024-01-01"),
        }
    )
    products = DataFrame({"product_id": range(15_000)})
    products["brand"] = "brand " + (products["product_id"] % 900).astype(str)
    asked = sold["customer_id"].unique()[:3_000]
    tracemalloc.start()
    lists = MODELS[name]().fit(sold, products).recommend(asked, k=10)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(lists) == 30_000
    assert most < 300e6, (
        "a table of floats for these customers alone takes 180 MB, for all 2,400 MB"
    )


def test_where_nothing_tells_products_apart_the_bestsellers_are_shown():
    orders = DataFrame({"customer_id": [1, 2, 2], "product_id": ["balm", "balm", "soap"]})
    products = DataFrame({"product_id": ["balm", "soap"], "name": None})
    nobody = orders.assign(customer_id=np.nan)
    one = orders[:2]
    for model, sold in [
        (SVD(8), nobody),
        (SVD(8), one),
        (Hybrid([(ItemNeighbours(), 1.0)]), one),
        (ContentBased(["name"]), orders),
    ]:
        lists = model.fit(sold, products).recommend([99], k=2)
        assert lists["product_id"].tolist() == ["balm", "soap"]
    assert Hybrid([(ItemNeighbours(), 1.0)]).fit(one).recommend([1, 99], k=1)["product_id"].tolist() == ["balm"]  # fmt: skip


def test_an_id_alone_is_no_list_and_a_model_not_fitted_says_so():
    orders = DataFrame({"customer_id": [1, 2], "product_id": [1, 2], "ordered_at": pd.Timestamp("2024-01-05")})  # fmt: skip
    products = DataFrame({"product_id": [1, 2], "category": "mask", "brand": "A", "green": [1, 2]})
    for model in (
        MostPopular(),
        PersonalBestsellers(),
        MultiObjective(MostPopular(), "green", 0.5),
    ):
        with pytest.raises(ValueError, match="has learnt nothing yet"):
            model.recommend([1], 1)
        with pytest.raises(ValueError, match="customer_ids is a list of ids; got 1"):
            model.fit(orders, products).recommend(1, 1)
