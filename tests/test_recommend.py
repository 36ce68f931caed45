"""`helpers.training.recommend`: bestsellers of the categories and brands that a customer buys."""

import numpy as np
import pandas as pd
import pytest
from conftest import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas import DataFrame

from helpers.training.recommend import PersonalBestsellers

ON = pd.Timestamp("2025-06-01")
PRODUCTS = DataFrame(
    {
        "product_id": [1, 2, 3, 4],
        "category": ["mask", "mask", "cleanser", "cleanser"],
        "brand": ["A", "B", "A", "B"],
        "sustainability": [0, 100, 50, 50],
    }
)


def orders(*rows):
    """Orders from (customer, product, days before ON)."""
    table = DataFrame(rows, columns=["customer_id", "product_id", "ago"])
    return table.assign(ordered_at=ON - pd.to_timedelta(table["ago"], unit="D"))


def first(model, customer, **options):
    return model.recommend([customer], k=1, **options)["product_id"].item()


def test_what_sold_most_lately_comes_first_for_a_customer_unknown():
    model = PersonalBestsellers().fit(orders((1, 1, 5), (2, 1, 5), (3, 2, 5)), PRODUCTS, on=ON)
    assert first(model, 99) == 1


def test_an_old_bestseller_is_worth_less_than_a_young_one():
    old = [(customer, 1, 55) for customer in range(3)]
    model = PersonalBestsellers().fit(orders(*old, (8, 2, 1), (9, 2, 1)), PRODUCTS, on=ON)
    assert first(model, 99) == 2, "3 x 0.5^(55/20) = 0.45 is less than 2 x 0.5^(1/20) = 1.93"


def test_a_customers_own_category_and_brand_lead():
    sold = orders(
        (1, 1, 9), (1, 1, 8), (2, 4, 9), (2, 4, 8), (3, 3, 9), (3, 3, 8), (4, 2, 9), (4, 2, 8)
    )
    model = PersonalBestsellers().fit(sold, PRODUCTS, on=ON)
    assert [first(model, customer) for customer in (1, 2, 3, 4)] == [1, 4, 3, 2]


def test_the_second_of_a_category_counts_half():
    sold = orders((1, 1, 1), (2, 2, 1), (3, 3, 1), (4, 4, 1))
    scores = PersonalBestsellers().fit(sold, PRODUCTS, on=ON).recommend([99], k=4)["score"]
    assert scores.to_numpy() == pytest.approx(scores.iloc[0] * np.array([1, 1, 0.5, 0.5]))


def test_seasons_bring_the_category_of_the_month_to_the_front():
    summer = [(customer, 1, 340) for customer in range(20)]  # June and July of last year
    winter = [(customer, 3, 170) for customer in range(20)]  # December
    now = [(50, 1, 10), (51, 3, 10)]
    model = PersonalBestsellers(seasons=True).fit(orders(*summer, *winter, *now), PRODUCTS, on=ON)
    assert first(model, 99, on="2025-06-20") == 1
    assert first(model, 99, on="2025-12-20") == 3


def test_the_weight_of_sustainability_moves_the_list():
    sold = orders((1, 1, 5), (2, 1, 5), (3, 2, 5))
    assert first(PersonalBestsellers(sustainability=1.0).fit(sold, PRODUCTS, on=ON), 99) == 2
    assert first(PersonalBestsellers(sustainability=0.1).fit(sold, PRODUCTS, on=ON), 99) == 1


def test_orders_after_the_day_of_training_change_nothing():
    known = orders((1, 1, 5), (2, 3, 9))
    later = orders((1, 2, -1), (1, 4, 0))
    ours = PersonalBestsellers().fit(known, PRODUCTS, on=ON).recommend([1, 2], k=4)
    with_future = PersonalBestsellers().fit(pd.concat([known, later]), PRODUCTS, on=ON)
    pd.testing.assert_frame_equal(with_future.recommend([1, 2], k=4), ours)


def test_products_no_longer_listed_are_passed_over():
    model = PersonalBestsellers().fit(orders((1, 77, 5), (1, 3, 5)), PRODUCTS, on=ON)
    assert set(model.recommend([1], k=4)["product_id"]) == {1, 2, 3, 4}


@settings(max_examples=examples(40))
@given(
    st.lists(st.tuples(st.integers(1, 6), st.integers(1, 4), st.integers(1, 400)), min_size=1),
    st.lists(st.integers(1, 9), min_size=1, max_size=9),
    st.integers(1, 4),
    st.booleans(),
)
def test_every_list_holds_k_different_products_ranked_from_one(rows, customers, k, seasons):
    model = PersonalBestsellers(seasons=seasons).fit(orders(*rows), PRODUCTS, on=ON)
    shown = model.recommend(customers, k)
    assert shown["customer_id"].tolist() == list(np.repeat(customers, k))
    assert shown["rank"].tolist() == list(range(1, k + 1)) * len(customers)
    lists = shown["product_id"].to_numpy().reshape(-1, k)
    assert all(len(set(one)) == k for one in lists.tolist())
    falls = np.diff(shown["score"].to_numpy().reshape(-1, k), axis=1)
    assert (falls <= 0).all()


def test_the_order_of_rows_changes_nothing():
    sold = orders((1, 1, 5), (2, 3, 9), (2, 4, 30), (3, 2, 2))
    ours = PersonalBestsellers().fit(sold, PRODUCTS, on=ON).recommend([1, 2, 3], k=3)
    shuffled = PersonalBestsellers().fit(sold.sample(frac=1, random_state=3), PRODUCTS, on=ON)
    pd.testing.assert_frame_equal(shuffled.recommend([1, 2, 3], k=3), ours)


def test_what_is_missing_is_named():
    sold = orders((1, 1, 5))
    with pytest.raises(ValueError, match="products lacks the column.s. brand"):
        PersonalBestsellers().fit(sold, PRODUCTS.drop(columns="brand"), on=ON)
    with pytest.raises(ValueError, match="sustainability"):
        PersonalBestsellers(sustainability=0.3).fit(sold, PRODUCTS.drop(columns="sustainability"))
    with pytest.raises(ValueError, match="share from 0.0 to 1.0; got 30"):
        PersonalBestsellers(sustainability=30)
    with pytest.raises(ValueError, match="before the day of training has 0 row"):
        PersonalBestsellers().fit(sold, PRODUCTS, on="2020-01-01")
    with pytest.raises(ValueError, match="1 to the 4 products; got 5"):
        PersonalBestsellers().fit(sold, PRODUCTS, on=ON).recommend([1], k=5)


def shown(sold, products=PRODUCTS, customers=(1, 2, 99), k=4):
    """Return the list of each customer, one after the other."""
    model = PersonalBestsellers().fit(sold, products, on=ON)
    return model.recommend(customers, k)["product_id"].tolist()


SOLD = orders((1, 1, 5), (2, 4, 9), (2, 4, 8), (3, 3, 30), (3, 2, 2))


@pytest.mark.parametrize("column", ["brand", "category"])
@pytest.mark.parametrize("gap", [[0], [3], [0, 3]])
def test_products_without_a_brand_or_category_have_one_of_their_own(column, gap):
    holes = PRODUCTS.astype({column: object})
    holes.loc[gap, column] = None
    named = holes.fillna({column: "(none)"})
    assert shown(SOLD, holes) == shown(SOLD, named)
    assert shown(SOLD, holes.astype({column: "category"})) == shown(SOLD, named)


@pytest.mark.parametrize("gap", [[0], [1, 2], [0, 4]])
def test_orders_without_a_customer_count_as_sold_to_one_more(gap):
    nobodys = SOLD.astype({"customer_id": float})
    nobodys.loc[gap, "customer_id"] = None
    assert shown(nobodys) == shown(nobodys.fillna({"customer_id": 77}))


@pytest.mark.parametrize(
    ("sold", "asked"),
    [
        (SOLD, [1.0, 2.0, 99.0]),
        (SOLD.astype({"customer_id": float, "product_id": float}), [1, 2, 99]),
        (SOLD.astype({"customer_id": "category", "product_id": "category"}), pd.Series([1, 2, 99])),
        (SOLD.astype({"customer_id": "Int64"}), pd.Categorical([1, 2, 99])),
    ],
    ids=["float ids asked", "float ids learnt", "categories learnt", "categories asked"],
)
def test_ids_of_another_type_that_are_equal_meet(sold, asked):
    assert shown(sold, customers=asked) == shown(SOLD)


@pytest.mark.parametrize(
    ("learnt", "asked"), [(int, ["1", "2"]), (str, [1, 2]), (int, [1, "2"]), ("category", ["1"])]
)
def test_customers_whose_ids_could_never_meet_are_refused(learnt, asked):
    with pytest.raises(
        ValueError, match=r"customer_id holds .* in customer_ids and .* in the interactions"
    ):
        shown(SOLD.astype({"customer_id": learnt}), customers=asked)


def test_products_whose_ids_could_never_meet_are_refused():
    with pytest.raises(
        ValueError, match="product_id holds texts in interactions and numbers in products"
    ):
        shown(SOLD.astype({"product_id": str}))


@pytest.mark.parametrize(
    ("sold", "products", "said"),
    [
        (SOLD, PRODUCTS.assign(product_id=[1, 2, 3, None]), "products has 1 row.* without product_id, .* row 4"),
        (SOLD.assign(ordered_at="2025-01-01"), PRODUCTS, "ordered_at of interactions holds moments; got '2025-01-01' first"),
        (SOLD.assign(ordered_at=[ON, None, ON, ON, ON]), PRODUCTS, "interactions has 1 row.* without ordered_at"),
    ],
)  # fmt: skip
def test_what_cannot_be_learnt_from_is_named(sold, products, said):
    with pytest.raises(ValueError, match=said):
        shown(sold, products)


@pytest.mark.parametrize("score", [None, 101, -1])
def test_a_product_without_a_score_of_sustainability_is_named_where_it_counts(score):
    products = PRODUCTS.assign(sustainability=[0, 100, score, 50])
    with pytest.raises(
        ValueError, match="sustainability of 1 product.* not from 0 to 100.* product_id 3"
    ):
        PersonalBestsellers(sustainability=0.3).fit(SOLD, products, on=ON)
    PersonalBestsellers().fit(SOLD, products, on=ON)


def test_orders_with_a_time_zone_and_a_day_without_one_meet():
    orders = DataFrame({"customer_id": [1], "product_id": [1], "ordered_at": pd.to_datetime(["2025-05-01T10:00Z"])})  # fmt: skip
    model = PersonalBestsellers().fit(orders, PRODUCTS, on="2025-06-01")
    assert model.recommend([1], 1)["product_id"].tolist() == [1]
    with pytest.raises(ValueError, match="in a time zone"):
        PersonalBestsellers().fit(orders.assign(ordered_at=ON - pd.Timedelta(days=9)), PRODUCTS, on="2025-06-01T00:00Z")  # fmt: skip
    with pytest.raises(ValueError, match="length of a list"):
        model.recommend([1], 1.5)


def test_a_score_of_sustainability_that_is_a_text_is_refused():
    orders = DataFrame({"customer_id": [1], "product_id": [1], "ordered_at": [ON]})
    with pytest.raises(ValueError, match="sustainability of 4 product.s. is not from 0 to 100"):
        PersonalBestsellers(sustainability=0.5).fit(
            orders, PRODUCTS.astype({"sustainability": "str"})
        )
