"""Lesson 03a: what its sentences and tables tell, against the world's truth and counts done anew."""

import math
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT, stored_figures, stored_table, stored_text
from sklearn.metrics import roc_auc_score

from helpers.course.runner.parameters import read_parameters
from helpers.course.runner.shelf import read_notebook
from helpers.worlds import Shop
from helpers.worlds.operator.telco import telco_table
from helpers.worlds.shop import CATEGORIES, PARTNER
from helpers.worlds.shop.market import SPELLINGS
from helpers.worlds.sources import Sources, SourcesTruth

STEM = "03a_transform"
TOLD = stored_figures(STEM)
SET = {
    name: parameter.default
    for name, parameter in read_parameters(
        read_notebook(ROOT / "notebooks" / f"{STEM}.ipynb"), STEM
    ).items()
}
AS_OF = "2024-09-01"  # as the lesson says: September is what is to be foretold


@pytest.fixture(scope="module")
def truth(tmp_path_factory):
    """The truth behind the very sources of the lesson."""
    shop = Shop(customers=SET["SHOP_CUSTOMERS"], products=SET["PRODUCTS"], seed=SET["SEED"])
    rates = {"missing key": 0.1, "out of range": 0.02}
    sources = Sources(shop, tmp_path_factory.mktemp("03a"), months=1, rates=rates)
    sources.lay_down()
    truth = SourcesTruth(sources)
    truth.stated = shop.history()["customers"]
    return truth


@pytest.fixture(scope="module")
def lines(truth):
    """The true order lines with customer, day and category."""
    table = truth.clean("order_lines").merge(truth.clean("orders"), on="order_id")
    table = table.merge(truth.clean("products")[["product_id", "category"]], on="product_id")
    return table.assign(price_eur=table["price_eur"].astype(float))


def planted(truth, source, kind, column=None):
    """Return the blemishes of one kind."""
    table = truth.blemishes(source)
    table = table[table["kind"].eq(kind)]
    return table if column is None else table[table["column"].eq(column)]


# --- A. cleaning -------------------------------------------------------------------------------


def test_impossible_ages_are_those_that_the_world_planted(truth):
    wrong = planted(truth, "customers", "out of range", "age")
    assert TOLD["wrong_ages"] == len(wrong) > 0
    ages = truth.clean("customers")["age"].dropna().astype(float)
    as_written = ages.sum() - wrong["true"].astype(float).sum() + wrong["written"].astype(float).sum()  # fmt: skip
    assert TOLD["mean_with_errors"] == pytest.approx(as_written / len(ages), abs=0.01)
    sound = (ages.sum() - wrong["true"].astype(float).sum()) / (len(ages) - len(wrong))
    assert TOLD["mean_without"] == pytest.approx(sound, abs=0.01)


def test_amounts_in_cents_are_found_and_the_revenue_is_the_true_one(truth, lines):
    cents = planted(truth, "order_lines", "cents")
    assert TOLD["cents_lines"] == len(cents) > 0
    assert TOLD["true_sales"] == pytest.approx(lines["price_eur"].sum(), abs=1)
    false = lines["price_eur"].sum() + 99 * cents["true"].astype(float).sum()
    assert TOLD["false_sales"] == pytest.approx(false, rel=1e-5)


def test_twenty_spellings_become_four_and_none_is_unknown(truth):
    stated = truth.stated["skin_type"].dropna()
    assert TOLD["spellings"] == stated.nunique()
    assert TOLD["spellings_lowered"] == stated.str.lower().nunique()
    rows = {row[""]: row for row in stored_table(STEM, "spelling-right")}
    assert (rows["spellings"]["after"], rows["unknown words"]["after"]) == ("4", "0")
    unknown = {row["written"]: int(row["rows"]) for row in stored_table(STEM, "spelling-told")}
    told_by_people = stated[stated.str.casefold().str.strip(".").map(lambda w: w not in SPELLINGS)]
    expected = told_by_people[told_by_people.ne("norm.")].value_counts()
    assert unknown == expected.to_dict()


def test_customers_with_oily_skin_are_all_found_after_the_repair(truth):
    true = truth.clean("customers")["skin_type"].eq("oily").sum()
    assert TOLD["oily_after"] == true
    assert TOLD["oily_before"] == truth.stated["skin_type"].eq("oily").sum() < true / 2


def test_repeated_deliveries_are_those_planted_and_regulars_stay(truth):
    sent_again = len(planted(truth, "sales", "duplicate row"))
    assert TOLD["sent_again"] == sent_again > 0
    true = truth.clean("sales")
    regulars = true.duplicated(["customer_id", "product_id"]).sum()
    assert TOLD["lines_alike"] == regulars + sent_again
    assert TOLD["regulars"] == regulars
    shown = stored_text(STEM, "repeats-merged").split()
    assert [int(word) for word in shown if word.isdigit()][:3] == [len(true) + sent_again, sent_again, len(true)]  # fmt: skip


def test_of_edited_copies_the_newest_stays():
    assert [row["order_id"] for row in stored_table(STEM, "repeats-differ")] == ["8", "8"]
    kept = {row["order_id"]: row["price_eur"] for row in stored_table(STEM, "repeats-newest-kept")}
    assert kept == {"7": "24.0", "8": "28.0", "9": "12.0"}


def test_the_iqr_rule_finds_errors_and_honest_sales_alike(truth, lines):
    cents = planted(truth, "order_lines", "cents").set_index("row")["true"].astype(float)
    true = lines.set_index(lines["line_id"].astype(str))["price_eur"]
    written = true.copy()
    written[cents.index] = 100 * cents
    first, third = np.quantile(written, [0.25, 0.75])
    far = (written < first - 1.5 * (third - first)) | (written > third + 1.5 * (third - first))
    in_cents = written.index.isin(cents.index)
    assert (TOLD["iqr_found"], TOLD["iqr_errors"]) == (far.sum(), (far & in_cents).sum())
    assert TOLD["iqr_honest"] == (far & ~in_cents).sum() > TOLD["iqr_errors"]
    assert TOLD["iqr_revenue"] == pytest.approx(true[far & ~in_cents].sum() / true.sum(), rel=1e-4)


def test_flag_cap_and_remove_touch_what_they_say(lines):
    rows = {row[""]: row for row in stored_table(STEM, "outliers-three")}
    price = lines["price_eur"]
    first, third = np.quantile(price, [0.25, 0.75])
    top = third + 1.5 * (third - first)
    assert int(rows["flag"]["revenue_eur"]) == round(price.sum())
    assert int(rows["cap"]["revenue_eur"]) == round(price.clip(upper=top).sum())
    assert int(rows["remove"]["revenue_eur"]) == round(price[price <= top].sum())
    assert int(rows["remove"]["rows"]) == (price <= top).sum() < int(rows["cap"]["rows"])
    assert rows["cap"]["values changed"] == str((price > top).sum())


def incomplete(truth):
    """Return the customers who lack an age or a skin type after cleaning."""
    true = truth.clean("customers")
    wrong = planted(truth, "customers", "out of range", "age")["row"].astype(int)
    no_age = true["age"].isna() | true["customer_id"].isin(wrong)
    return true[no_age | truth.stated["skin_type"].isna().to_numpy()]


def test_removal_loses_those_who_lack_a_field_and_their_revenue(truth, lines):
    lost = incomplete(truth)
    everybody = len(truth.clean("customers"))
    theirs = lines["customer_id"].isin(lost["customer_id"])
    assert TOLD["lost_share"] == pytest.approx(len(lost) / everybody, rel=1e-4)
    spent = lines["price_eur"][theirs].sum()
    assert TOLD["lost_revenue"] == pytest.approx(spent / lines["price_eur"].sum(), rel=1e-4)
    assert TOLD["lost_eur"] == pytest.approx(spent / len(lost), rel=1e-4)
    rest = lines["price_eur"][~theirs].sum() / (everybody - len(lost))
    assert TOLD["kept_eur"] == pytest.approx(rest, rel=1e-4)


def test_imputation_makes_everybody_unknown_alike(truth):
    filled = stored_table(STEM, "imputation-fitted")
    assert len({row["age"] for row in filled}) == 1
    assert {row["age_missing"] for row in filled} == {"1"}
    # Gaps filled with the middle add nothing to the sum of squares, but count in its divisor.
    wrong = planted(truth, "customers", "out of range", "age")["row"].astype(int)
    true = truth.clean("customers")
    gaps = (true["age"].isna() | true["customer_id"].isin(wrong)).mean()
    assert TOLD["spread_after"] < TOLD["spread_before"]
    shrunk = TOLD["spread_before"] * math.sqrt(1 - gaps)
    assert TOLD["spread_after"] == pytest.approx(shrunk, rel=0.02)  # the part is a sample of all


def test_a_mean_over_all_rows_is_pulled_up_by_impossible_ages(truth):
    ages = truth.clean("customers")["age"].dropna().astype(float)
    assert TOLD["age_guess"] > ages.mean() + 0.5
    assert TOLD["age_older"] > 0.5


def test_every_description_and_nearly_every_size_comes_back(truth):
    lost = planted(truth, "catalogue", "missing key", "size_ml")
    true = truth.clean("catalogue")
    no_text = true["description"].isna().sum() + len(planted(truth, "catalogue", "missing key", "description"))  # fmt: skip
    missing = {row[""]: int(row["missing"]) for row in stored_table(STEM, "descriptions-missing")}
    assert missing == {"size_ml": len(lost), "description": no_text}
    assert (TOLD["texts_missing"], TOLD["rule_holds"]) == (0, 1.0)
    assert (TOLD["texts_rebuilt"], TOLD["sizes_missing"]) == (no_text, len(lost))
    described = true.set_index("product_id")["description"].notna()
    gone = planted(truth, "catalogue", "missing key", "description")["row"]
    told = [int(row) for row in lost["row"] if described[int(row)] and row not in set(gone)]
    assert len(told) <= TOLD["sizes_right"] <= len(lost)
    assert TOLD["sizes_right"] > TOLD["sizes_by_median"]


def test_rows_in_are_rows_loaded_quarantined_and_merged(truth):
    for row in stored_table(STEM, "clean-rest-done"):
        fates = [int(row[name]) for name in ("loaded", "quarantined", "merged")]
        assert int(row["in"]) == sum(fates), row
        assert int(row["loaded"]) == len(truth.clean(row["source"].removeprefix("shop.")))
    reasons = [row["reason"] for row in stored_table(STEM, "quarantine-shown")]
    assert ["price_eur" in reasons[0], "product_id" in reasons[1]] == [True, True]
    assert "do not add up" in stored_text(STEM, "books-refused")


def test_the_reveal_counts_every_blemish_and_prefers_mending_to_cutting(truth):
    rows = {row[""]: row for row in stored_table(STEM, "reveal-scored")}
    for name in ("customers", "products", "orders", "order_lines", "sales"):
        assert int(rows[name]["planted"]) == len(truth.blemishes(name)), name
        assert int(rows[name]["left"]) <= 0.01 * int(rows[name]["planted"]), name
    assert int(rows["order_lines"]["touched"]) == 0
    assert int(rows["order_lines, cut"]["touched"]) == TOLD["cut_touched"] > 50


# --- B. transforming ---------------------------------------------------------------------------


def test_features_as_of_the_day_are_those_of_the_lines_before(lines):
    known = lines[lines["ordered_at"] < AS_OF]
    for row in stored_table(STEM, "aggregate-helper-shown"):
        own = known[known["customer_id"] == int(row["customer_id"])]
        assert int(row["orders"]) == own["order_id"].nunique()
        assert float(row["spent_eur"]) == pytest.approx(own["price_eur"].sum(), abs=0.01)
        last = (pd.Timestamp(AS_OF) - own["ordered_at"].max()).days
        assert int(row["days_since_last"]) == last


def test_the_future_in_a_feature_makes_a_false_score(lines):
    september = set(lines.loc[lines["ordered_at"] >= AS_OF, "customer_id"])
    last = lines.groupby("customer_id")["ordered_at"].max()
    # Even without a model: who ordered last in September has bought in September.
    leaked = roc_auc_score(last.index.isin(september), last.astype("int64"))
    assert leaked == 1.0
    assert TOLD["auc_all_time"] > 0.98
    assert 0.55 < TOLD["auc_as_of"] < 0.8


def test_derived_features_are_what_their_names_say(lines):
    known = lines[lines["ordered_at"] < AS_OF]
    rows = stored_table(STEM, "derived-made")
    for row in rows:
        own = known[known["customer_id"] == int(row["customer_id"])]
        orders = own["order_id"].nunique()
        assert float(row["order_eur"]) == pytest.approx(own["price_eur"].sum() / orders, rel=1e-5)
        different = own["product_id"].nunique() / orders
        assert float(row["different_per_order"]) == pytest.approx(different, rel=1e-5)
    assert len(rows) == 3
    chord = 2 * math.sin(math.pi / 12)  # between neighbours on a circle of twelve
    assert TOLD["circle_november"] == pytest.approx(chord, rel=1e-4)
    assert TOLD["circle_january"] == pytest.approx(chord, rel=1e-4)
    assert (TOLD["number_november"], TOLD["number_january"]) == (1, 11)


def test_cleanser_goes_with_rich_cream_as_the_world_has_planted(lines):
    known = lines[lines["ordered_at"] < AS_OF]
    baskets = known.groupby("order_id")["category"].agg(set)
    both = sum({"cleanser", "rich cream"} <= basket for basket in baskets)
    one, two = (sum(name in basket for basket in baskets) for name in ("cleanser", "rich cream"))
    assert TOLD["cleanser_lift"] == pytest.approx(both * len(baskets) / (one * two), rel=1e-4)
    assert TOLD["cleanser_lift"] > TOLD["fluid_lift"] > 1
    assert CATEGORIES[PARTNER[CATEGORIES.index("cleanser")]] == "rich cream"
    assert TOLD["partners_right"] >= 9


def test_the_features_of_a_product_are_its_partners_in_orders_before_the_day(lines):
    known = lines[lines["ordered_at"] < AS_OF]
    baskets = known.groupby("order_id")["product_id"].agg(set).tolist()
    holds = {one: sum(one in basket for basket in baskets) for one in set(known["product_id"])}
    rows = stored_table(STEM, "together-features-made")
    for row in rows:
        one = int(row["product_id"])
        together = Counter(other for basket in baskets if one in basket for other in basket - {one})
        often = {other: count for other, count in together.items() if count >= 3}
        lifts = {other: n * len(baskets) / (holds[one] * holds[other]) for other, n in often.items()}  # fmt: skip
        assert int(row["partners"]) == len(often)
        assert float(row["best_lift"]) == pytest.approx(max(lifts.values(), default=0), abs=0.006)
        if lifts:
            assert lifts[int(float(row["best_partner"]))] == max(lifts.values())
    assert len(rows) == 4
    assert any(int(row["partners"]) for row in rows)


def test_both_scales_are_those_of_the_training_part_and_only_an_honest_one_leaves_it():
    for row in stored_table(STEM, "scale-both"):
        found = [float(row[name]) for name in row if name]
        assert found == [0.0, 1.0, 0.0, 1.0]
    assert TOLD["scale_outside"] > TOLD["scale_hidden"] == 0
    assert TOLD["euro_weight"] == pytest.approx(0.2, abs=0.01)  # five columns of variance 1
    assert TOLD["euro_before"] > 0.9


def test_one_hot_categories_know_the_seasons_and_numbers_by_the_alphabet_do_not(lines):
    encoded = [
        {name: value for name, value in row.items() if name}
        for row in stored_table(STEM, "one-hot-made")
    ]
    assert set(encoded[0]) == set(CATEGORIES)
    for row, category in zip(encoded, lines["category"].head(3), strict=True):
        assert [name for name, value in row.items() if value != "0"] == [category]
        assert row[category] == "1"
    warm = lines["ordered_at"].dt.month.between(3, 8)
    best = warm.groupby(lines["category"]).transform("mean")
    # No model that sees the category alone can order lines better than the true shares do.
    assert TOLD["auc_one_hot"] == pytest.approx(roc_auc_score(warm, best), abs=0.03)
    assert TOLD["auc_one_hot"] > TOLD["auc_numbered"] + 0.04


def test_numbered_skin_types_lie_on_a_line_and_one_hot_columns_on_the_truth(lines):
    rows = stored_table(STEM, "labels-skin")
    rows = {row[""]: row for row in rows if row.get("numbered says")}
    said = [float(rows[name]["numbered says"]) for name in sorted(rows)]
    steps = np.diff(said)
    assert steps == pytest.approx([steps.mean()] * len(steps), abs=0.2)
    for row in rows.values():
        assert row["one-hot says"] == row["true mean, EUR"]
    coded = stored_table(STEM, "labels-right-shown")
    assert {(row["Churn"], row["churn_code"]) for row in coded} == {("Yes", "1"), ("No", "0")}
    lengths = {row["Contract"]: row["contract_code"] for row in coded}
    assert lengths == {"Month-to-month": "0", "One year": "1", "Two year": "2"}


# --- C. the operator, and garbage --------------------------------------------------------------


def test_blank_totals_are_the_customers_in_month_zero():
    table = telco_table(SET["CUSTOMERS"], SET["SEED"])
    assert TOLD["explained"] == TOLD["blank"] == table["tenure"].astype(int).eq(0).sum() > 0
    assert TOLD["quarantined"] == 0
    assert TOLD["invented"] > 0


def test_resampling_before_the_split_flatters_and_inside_the_training_part_it_does_not():
    rows = {row[""] or row.get("resampled", ""): row for row in stored_table(STEM, "imbalance-leak")}  # fmt: skip
    auc = {name: float(row["roc_auc"]) for name, row in rows.items() if row["roc_auc"]}
    assert auc["before the split"] > 0.92
    assert abs(auc["inside the training folds"] - auc["not at all"]) < 0.03
    assert auc["inside the training folds"] < auc["before the split"] - 0.08
    assert TOLD["auc_before_split"] == pytest.approx(auc["before the split"], abs=0.001)
    assert TOLD["auc_inside"] == pytest.approx(auc["inside the training folds"], abs=0.001)


def test_the_leak_chooses_the_model_that_remembers_and_an_honest_exam_the_other():
    rows = {row[""]: row for row in stored_table(STEM, "imbalance-linear") if row["best"]}
    auc = {way: (float(row["forest"]), float(row["linear"])) for way, row in rows.items()}
    assert [row["best"] for row in rows.values()] == ["forest", "linear", "linear"]
    forest_leaks, linear_leaks = (
        before - inside
        for before, inside in zip(
            auc["before the split"], auc["inside the training folds"], strict=True
        )
    )
    assert linear_leaks < forest_leaks / 3  # a sum of weights hardly remembers one customer
    assert TOLD["auc_honest"] == pytest.approx(max(auc["inside the training folds"]), abs=0.001)
    assert TOLD["auc_honest"] > TOLD["auc_inside"]


def test_a_moved_threshold_finds_as_many_leavers_with_as_many_calls():
    churners = TOLD["churn"]
    assert TOLD["calls_even"] > 1.3 * TOLD["calls_plain"]
    assert TOLD["recall_moved"] == pytest.approx(TOLD["recall_even"], abs=0.05)
    assert abs(TOLD["threshold"] - churners) < 0.1  # half in an even table is the share in this one


def test_resampling_finds_more_leavers_and_makes_the_probabilities_untrue():
    assert TOLD["recall_even"] > TOLD["recall_plain"] + 0.1
    assert abs(TOLD["mean_plain"] - TOLD["churn"]) < 0.03
    assert TOLD["mean_even"] > TOLD["churn"] + 0.08


def test_garbage_in_is_garbage_out_and_cleaning_takes_it_back():
    rows = stored_table(STEM, "garbage-measured")
    rows = [row for row in rows if row["as written"]]
    written, cleaned, nothing = ([float(row[name]) for row in rows] for name in ("as written", "cleaned", "knowing nothing"))  # fmt: skip
    assert written[0] == cleaned[0]
    assert len(written) >= 4, "a curve, not two ends"
    assert written == sorted(written)
    assert written[-1] > 2 * nothing[-1] > 2 * cleaned[-1]
    assert min(written[1:]) > nothing[0]
    assert max(cleaned) < 1.05 * cleaned[0]
    assert (TOLD["everyday_written"], TOLD["everyday_cleaned"]) == pytest.approx((written[1], cleaned[1]), abs=0.06)  # fmt: skip
