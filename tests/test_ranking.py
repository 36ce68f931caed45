"""`helpers.training.ranking`: list metrics beside a known library, splits, sampled negatives."""

import numpy as np
import pandas as pd
import pytest
from pandas import DataFrame

from helpers.training.ranking import (
    coverage,
    customer_scores,
    leave_one_out,
    novelty,
    time_split,
    with_sampled_negatives,
)

LISTS = DataFrame(
    {"customer_id": [1] * 3 + [2] * 3, "product_id": [*"abc", *"bcd"], "rank": [1, 2, 3] * 2}
)
LATER = DataFrame({"customer_id": [1, 1, 2, 3], "product_id": ["a", "c", "x", "a"]})


def test_every_metric_is_the_one_counted_by_hand():
    # 1: hits at ranks 1 and 3 of 2 wanted; 2: none; 3 wanted something and has no list.
    found = customer_scores(LISTS, LATER, k=3)
    assert found.loc[1].round(4).to_dict() == {
        "precision": 0.6667, "recall": 1.0, "hit_rate": 1.0, "ndcg": 0.9197, "map": 0.8333,
    }  # fmt: skip
    assert (found.loc[[2, 3]] == 0).all(axis=None)
    assert found["hit_rate"].mean() == pytest.approx(1 / 3)


@pytest.mark.parametrize("seed", range(20))
def test_the_metrics_agree_with_trec_eval(seed):
    import pytrec_eval

    rng = np.random.default_rng(seed)
    k, products, people = int(rng.integers(1, 30)), 40, 30
    lists = [
        DataFrame({"customer_id": who, "product_id": rng.permutation(products)[:n], "rank": range(1, n + 1)})
        for who in range(people)
        if (n := int(rng.integers(0, products)))
    ]  # fmt: skip
    lists = pd.concat(lists)
    wanted = DataFrame(
        {
            "customer_id": rng.integers(0, people + 5, 200),
            "product_id": rng.integers(0, products, 200),
        }
    )
    run = {str(who): {} for who in wanted["customer_id"]}
    for row in lists.itertuples():
        run.setdefault(str(row.customer_id), {})[str(row.product_id)] = 1000.0 - row.rank
    truth = {}
    for row in wanted.itertuples():
        truth.setdefault(str(row.customer_id), {})[str(row.product_id)] = 1
    names = {"precision": "P", "recall": "recall", "hit_rate": "success", "ndcg": "ndcg_cut", "map": "map_cut"}  # fmt: skip
    judge = pytrec_eval.RelevanceEvaluator(truth, {f"{name}.{k}" for name in names.values()})
    theirs = DataFrame(judge.evaluate(run)).T
    theirs.index = theirs.index.astype(int)
    ours = customer_scores(lists, wanted, k)
    theirs = theirs.reindex(ours.index, fill_value=0.0)  # trec_eval passes over who has no list
    for name, of_trec in names.items():
        assert np.abs(ours[name] - theirs[f"{of_trec}_{k}"]).max() < 1e-9, name


def test_coverage_counts_products_and_novelty_bits():
    products = DataFrame({"product_id": [*"abcdefgh"]})
    assert coverage(LISTS, products) == 0.5
    sold = DataFrame({"customer_id": [1, 2, 3, 4, None], "product_id": ["a", "a", "b", "c", "a"]})
    assert novelty(DataFrame({"product_id": ["a", "b", "z"]}), sold) == pytest.approx(
        (1 + 2 + 2) / 3
    )


def test_leave_one_out_takes_the_last_row_of_who_has_two():
    sold = DataFrame(
        {
            "customer_id": [1, 2, 1, 3, 3],
            "product_id": [*"abcde"],
            "ordered_at": pd.to_datetime(["2024-03-01", "2024-01-01", "2024-02-01", "2024-01-05", "2024-01-05"]),
        }
    )  # fmt: skip
    past, last = leave_one_out(sold)
    assert sorted(last["product_id"]) == ["a", "e"]
    assert sorted([*past.index, *last.index]) == [0, 1, 2, 3, 4]
    assert sorted(leave_one_out(sold.drop(columns="ordered_at"))[1]["product_id"]) == ["c", "e"]


def test_a_split_by_time_keeps_every_row_once():
    sold = DataFrame(
        {
            "customer_id": range(9),
            "product_id": 1,
            "ordered_at": pd.date_range("2024-01-01", periods=9),
        }
    )
    past, future = time_split(sold, "2024-01-04")
    assert past["ordered_at"].max() < pd.Timestamp("2024-01-04") == future["ordered_at"].min()
    assert len(past) + len(future) == 9
    zoned = sold.assign(ordered_at=sold["ordered_at"].dt.tz_localize("Europe/Berlin"))
    assert len(time_split(zoned, "2024-01-04")[0]) == 3
    for on, said in [("2023-01-01", "interactions before 2023-01-01 has 0"), ("2025-01-01", "from 2025-01-01 on has 0")]:  # fmt: skip
        with pytest.raises(ValueError, match=said):
            time_split(sold, on)


@pytest.mark.parametrize(
    ("lists", "later", "k", "said"),
    [
        (LISTS, LATER, 0, "k counts the products of a list, so it is 1 or more; got 0"),
        (LISTS, LATER, 2.0, "got 2.0"),
        (LISTS, LATER.head(0), 2, "wanted has 0 row"),
        (LISTS.drop(columns="rank"), LATER, 2, "recommended lacks the column.s. rank"),
        (LISTS.assign(rank=0), LATER, 2, "rank of recommended counts from 1"),
        (LISTS.assign(rank=1), LATER, 2, "customer 1 has rank 1 twice"),
        (LISTS.assign(product_id="a"), LATER, 2, "customer 1 has product_id a twice"),
        (LISTS.astype({"customer_id": str}), LATER, 2, "customer_id holds texts in recommended"),
        (LISTS, LATER.assign(product_id=[1, 2, 3, 4]), 2, "product_id holds texts in recommended"),
    ],
)
def test_what_cannot_be_judged_is_told(lists, later, k, said):
    with pytest.raises(ValueError, match=said):
        customer_scores(lists, later, k)


def test_sampled_negatives_are_refused_with_the_reason_and_flatter_when_asked_for():
    rng = np.random.default_rng(7)
    lists = pd.concat(
        [
            DataFrame(
                {"customer_id": who, "product_id": rng.permutation(200), "rank": range(1, 201)}
            )
            for who in range(60)
        ]
    )
    later = DataFrame({"customer_id": range(60), "product_id": rng.integers(0, 200, 60)})
    with pytest.raises(ValueError, match="customers are shown the best of all products"):
        with_sampled_negatives(lists, later, 19, seed=7)
    sampled = with_sampled_negatives(lists, later, 19, seed=7, although_it_misleads=True)
    assert (sampled.groupby("customer_id").size() == 20).all()
    assert len(sampled.merge(later, on=["customer_id", "product_id"])) == 60
    drawn, every = (customer_scores(one, later, 10)["hit_rate"].mean() for one in (sampled, lists))
    assert drawn > every
    pd.testing.assert_frame_equal(
        sampled, with_sampled_negatives(lists, later, 19, seed=7, although_it_misleads=True)
    )
