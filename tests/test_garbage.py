"""`helpers.etl.businesses.garbage`: what is spoiled, what mending brings back, and the curve of both."""

import numpy as np
import pandas as pd
import pytest

from helpers.etl.businesses import garbage_curve
from helpers.etl.businesses.garbage import (
    EVERYDAY,
    mend_lines,
    read_as_written,
    spending_table,
    spoil_lines,
)
from helpers.plots import plot_curves

DAY = "2024-09-01"


def a_year_of_lines(customers, seed):
    """Order lines of customers who buy the more often the higher their number."""
    rng = np.random.default_rng(seed)
    who = rng.choice(customers, 1_500, p=np.array(customers) / sum(customers))
    product = rng.integers(1, 9, 1_500)
    days = rng.integers(0, 365, 1_500)
    return pd.DataFrame(
        {
            "line_id": np.arange(1_500), "order_id": np.arange(1_500), "customer_id": who,
            "product_id": product, "category": "mask", "price_eur": 10.0 * product,
            "ordered_at": pd.to_datetime("2023-10-01") + pd.to_timedelta(days, "D"),
        }
    )  # fmt: skip


LINES = a_year_of_lines(range(1, 61), seed=3)
LISTED = LINES.groupby("product_id")["price_eur"].median()


def test_without_garbage_the_lines_read_back_as_they_were():
    spoiled = spoil_lines(LINES, times=0, seed=7)
    for read in (read_as_written(spoiled), mend_lines(spoiled, LISTED)):
        assert read["price_eur"].tolist() == LINES["price_eur"].tolist()
        assert read["ordered_at"].tolist() == LINES["ordered_at"].tolist()


@pytest.mark.parametrize("times", [1, 5])
def test_each_kind_spoils_about_its_share_of_the_lines(times):
    spoiled = spoil_lines(LINES, times, seed=7)
    once = spoiled.drop_duplicates("line_id")
    found = {
        "cents": (once["price_eur"].to_numpy() > LINES["price_eur"].to_numpy()).mean(),
        "date format": once["ordered_at"].str.contains(".", regex=False).mean(),
        "sent twice": len(spoiled) / len(LINES) - 1,
    }
    for kind, share in EVERYDAY.items():
        expected = times * share
        # Four standard deviations of a share of 1,500 draws.
        assert abs(found[kind] - expected) < 4 * np.sqrt(expected / 1_500), kind


def test_what_is_spoiled_at_one_rate_is_spoiled_at_every_higher_one():
    little, much = (spoil_lines(LINES, times, seed=7) for times in (1, 3))
    for is_bad in (lambda t: t["price_eur"] > 100, lambda t: t["ordered_at"].str.contains(r"\.")):
        assert set(little.loc[is_bad(little), "line_id"]) < set(much.loc[is_bad(much), "line_id"])


def test_mending_brings_every_line_back():
    mended = mend_lines(spoil_lines(LINES, times=10, seed=7), LISTED)
    pd.testing.assert_frame_equal(
        mended.sort_values("line_id", ignore_index=True), LINES, check_dtype=False
    )


def test_a_negative_amount_of_garbage_is_refused():
    with pytest.raises(ValueError, match="at least 0; got -1"):
        spoil_lines(LINES, times=-1, seed=7)


def test_the_table_knows_nothing_of_the_day_and_pays_only_from_it_on():
    known, spent = spending_table(LINES, DAY, [1, 60, 999])
    before = LINES[(LINES["ordered_at"] < DAY) & (LINES["customer_id"] == 60)]
    later = LINES[(LINES["ordered_at"] >= DAY) & (LINES["customer_id"] == 60)]
    assert known.loc[60, "spent_eur"] == pytest.approx(before["price_eur"].sum())
    assert spent[60] == pytest.approx(later["price_eur"].sum())
    assert known.loc[999].tolist() == [0, 0, 0, 0, 999]
    assert spent[999] == 0


def test_written_and_cleaned_begin_at_one_point_and_only_one_of_them_climbs():
    half = LINES["customer_id"] % 2 == 0
    curve = garbage_curve(LINES[half], LINES[~half], DAY, [0, 5], seed=7)
    assert curve.loc[0, "as written"] == pytest.approx(curve.loc[0, "cleaned"])
    assert curve.loc[5, "cleaned"] == pytest.approx(curve.loc[0, "cleaned"])
    assert curve.loc[5, "as written"] > 1.5 * curve.loc[5, "cleaned"]
    # Who buys often goes on buying: the model has to beat the mean of all.
    assert curve.loc[0, "cleaned"] < curve.loc[0, "knowing nothing"]


def test_curves_are_drawn_where_they_lie_named_and_with_their_reference():
    table = pd.DataFrame({"as written": [5.0, 9.0], "cleaned": [5.0, 5.0]}, index=[0, 4])
    ax = plot_curves(table, xlabel="x", ylabel="y", reference=7.0, reference_label="nothing")
    assert ax.lines[0].get_ydata().tolist() == [5.0, 9.0]
    assert list(ax.lines[2].get_ydata()) == [7.0, 7.0]
    texts = [text.get_text().strip() for text in ax.texts]
    assert texts == ["as written", "cleaned", "nothing"]
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_ylim()[0]) == ("x", "y", 0.0)
