"""`helpers.training.churn`: the classifiers, against hand-made tables and plain scikit-learn."""

import numpy as np
import pandas as pd
import pytest
from conftest import first_always
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from helpers.deployment.package import pack, unpack
from helpers.etl.businesses import clean_telco, read_telco
from helpers.etl.businesses.telco import TELCO_LEVELS
from helpers.training.churn import (
    AMOUNTS,
    LEVELS,
    ReadTable,
    candidates,
    column_kinds,
    is_positive,
    logistic,
)
from helpers.training.compare import fairness_gaps, paired_bootstrap, worst_slices
from helpers.training.recommend import MostPopular, PersonalBestsellers


def checkerboard():
    """Customers who leave exactly on the black squares: contract x payment, named as one level."""
    squares = [(contract, payment) for contract in "abcd" for payment in "wxyz"] * 10
    return pd.DataFrame(
        {
            "tenure": np.arange(len(squares)) % 7,
            "square": [contract + payment for contract, payment in squares],
            "left": [("abcd".index(c) + "wxyz".index(p)) % 2 == 1 for c, p in squares],
        }
    )


def test_the_logistic_solves_a_checkerboard_of_levels():
    board = checkerboard()
    model = logistic(amounts=["tenure"], levels=["square"]).fit(board, board["left"])
    assert (model.predict(board) == board["left"]).all()
    assert board["left"].mean() == 0.5


def test_a_level_unseen_in_training_counts_as_none_of_the_known_ones():
    known = pd.DataFrame({"tenure": [1, 2, 3, 4], "pay": ["card", "card", "check", "check"]})
    model = logistic(amounts=["tenure"], levels=["pay"]).fit(known, [0, 0, 1, 1])
    new = pd.DataFrame({"tenure": [2.5], "pay": ["cash"]})
    # 2.5 is the mean tenure, so it adds nothing; no level is on: only the intercept remains.
    intercept = model[-1].intercept_[0]
    assert model.predict_proba(new)[0, 1] == pytest.approx(1 / (1 + np.exp(-intercept)))
    assert model[0].transform(new)[0].tolist() == [0.0, 0.0, 0.0]


def test_columns_it_was_not_told_to_use_are_ignored():
    board = checkerboard()
    model = logistic(amounts=["tenure"], levels=["square"]).fit(board, board["left"])
    without = board[["square", "tenure"]]
    with_more = without.assign(customerID="x", when=pd.Timestamp("2026-01-01"))
    np.testing.assert_array_equal(model.predict_proba(without), model.predict_proba(board))
    np.testing.assert_array_equal(model.predict_proba(without), model.predict_proba(with_more))


def test_the_preparation_is_fitted_on_the_training_rows_only():
    train = pd.DataFrame({"tenure": [0.0, 10.0]})
    model = logistic(amounts=["tenure"], levels=[]).fit(train, [1, 0])
    model.predict(pd.DataFrame({"tenure": [1000.0]}))
    # Mean 5, deviation 5: 10 becomes +1, whatever was predicted for in between.
    assert model[0].transform(train).ravel().tolist() == [-1.0, 1.0]


def test_the_unit_of_an_amount_does_not_matter():
    board = checkerboard()
    in_days = board.assign(tenure=board["tenure"] * 30.4)
    in_months, days = (
        logistic(["tenure"], ["square"]).fit(table, table["left"]).predict_proba(table)
        for table in [board, in_days]
    )
    # Standardised amounts differ in the last bits; the solver stops at 1e-4.
    np.testing.assert_allclose(in_months, days, atol=1e-4)


def test_an_empty_list_means_no_column_of_that_kind():
    board = checkerboard()
    assert logistic(amounts=[], levels=["square"]).fit(board, board["left"]).n_features_in_ == 3
    width = logistic(amounts=[], levels=["square"]).fit(board, board["left"])[-1].coef_.shape[1]
    assert width == 16  # one per square, none for tenure


def test_the_default_columns_are_those_of_the_file_without_the_id_and_the_answer():
    assert not {"customerID", "Churn"} & {*AMOUNTS, *LEVELS}
    assert set(LEVELS) == set(TELCO_LEVELS) - {"Churn"}
    assert len(AMOUNTS) + len(LEVELS) == 19


def test_on_the_real_file_it_scores_as_published_and_as_plain_scikit_learn(telco_csv):
    customers = clean_telco(read_telco(telco_csv)[0])
    churned = customers["Churn"].eq("Yes")
    plain = pd.get_dummies(customers.drop(columns=["customerID", "Churn"]), dtype=float)
    ours, oracle = [], []
    for train, test in StratifiedKFold(5, shuffle=True, random_state=7).split(plain, churned):
        model = logistic().fit(customers.iloc[train], churned.iloc[train])
        seen = model.predict_proba(customers.iloc[test])[:, 1]
        ours.append(roc_auc_score(churned.iloc[test], seen))
        by_hand = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
        by_hand.fit(plain.iloc[train], churned.iloc[train])
        seen = by_hand.predict_proba(plain.iloc[test])[:, 1]
        oracle.append(roc_auc_score(churned.iloc[test], seen))
    # 0.845 is the published mean over 25 folds; 0.012 its spread from fold to fold.
    assert np.mean(ours) == pytest.approx(0.845, abs=0.012)
    # The oracle scales the dummies too, so the penalty weighs a little differently.
    assert np.mean(ours) == pytest.approx(np.mean(oracle), abs=0.003)


def operator_table(rows=300, seed=7):
    """An operator's raw table under names of its own: every kind of column, and a target in words."""
    rng = np.random.default_rng(seed)
    months = rng.integers(1, 72, rows)
    return pd.DataFrame(
        {
            "Account ID": [f"A{one:05d}" for one in range(rows)],
            "msisdn": 4_179_000_000 + rng.permutation(rows),
            "Months": months,
            "Total Paid": [" " if one % 40 == 0 else f"{one * 12.5:.2f}" for one in range(rows)],
            "Roaming": rng.integers(0, 2, rows),
            "Autopay": rng.choice(["Y", "N"], rows),
            "Plan Type": rng.choice(["basic", "plus", None], rows),
            "Joined": pd.Timestamp("2020-01-01") + pd.to_timedelta(months, "D"),
            "Last Call": "2024-05-01",
            "Country": "CH",
            "Notes": None,
            "Customer Status": np.where(rng.random(rows) < 0.2 + 0.5 * (months < 12), "Churned", "Stayed"),
        }
    )  # fmt: skip


RAW = operator_table()
KINDS = {
    "Account ID": "id", "msisdn": "id", "Months": "number", "Total Paid": "number", "Roaming": "flag",
    "Autopay": "flag", "Plan Type": "level", "Joined": "date", "Last Call": "constant",
    "Country": "constant", "Notes": "empty",
}  # fmt: skip


def test_the_kinds_of_columns_are_found_from_the_table():
    assert column_kinds(RAW.drop(columns="Customer Status")).to_dict() == KINDS


SEVERAL = {
    "list": ["a", "b"], "dict": {"a": 1}, "array": np.array([1, 2]), "tuple": (["a"], 2), "series": pd.Series([1]),
}  # fmt: skip


@pytest.mark.parametrize("value", SEVERAL.values(), ids=SEVERAL)
def test_several_values_in_one_row_are_told_by_whatever_groups_by_the_column(value):
    table = pd.DataFrame({"tenure": [1, 2, 60, 70] * 10, "tags": ["a", "b"] * 20})
    left = table["tenure"] < 10
    model = candidates(table.assign(Churn=left))["rule"].fit(table, left)
    several = table.assign(tags=["a", *[value] * 39], Churn=left)
    scored = several.assign(churned=left, churn_probability=0.3)
    orders = pd.DataFrame({"customer_id": several["tags"], "product_id": "balm"})
    shop = {"category": "mask", "brand": "B", "ordered_at": pd.Timestamp("2024-01-05")}
    said = "tags holds several values in 39 row.s., the first being .* .row 2."
    ids = said.replace("tags", "_id of .*")
    for told, use in [
        (said, lambda: column_kinds(several)),
        (said, lambda: candidates(several)),
        (said, lambda: model.predict(several)),
        (said, lambda: is_positive(several["tags"])),
        (said, lambda: worst_slices(scored, ["tags"], "accuracy", seed=7)),
        (said, lambda: fairness_gaps(scored, "tags", 0.5)),
        (said, lambda: paired_bootstrap(scored, len, seed=7, by="tags")),
        (ids, lambda: MostPopular().fit(orders)),
        (ids, lambda: MostPopular().fit(orders.iloc[:1], orders.drop(columns="customer_id").assign(product_id=several["tags"]))),
        (ids, lambda: MostPopular().fit(orders.iloc[:1]).recommend(several["tags"], k=1)),
        (ids, lambda: PersonalBestsellers().fit(orders.assign(**shop), orders.iloc[:1].assign(**shop))),
    ]:  # fmt: skip
        with pytest.raises(ValueError, match=told):
            use()


def test_an_id_that_comes_again_each_month_is_no_number():
    months = pd.concat([RAW.assign(customerID=range(len(RAW)), month=one) for one in range(1, 5)])
    assert column_kinds(months)[["customerID", "month"]].tolist() == ["id", "number"]


def some_candidates(*names):
    """Return some candidates for the raw table, fitted."""
    with pytest.warns(UserWarning, match="No customer has a value in Notes"):
        found = candidates(RAW, "Customer Status", "Churned")
    left = is_positive(RAW["Customer Status"], "Churned")
    return {name: found[name].fit(RAW, left) for name in names or found}


def test_every_candidate_takes_the_raw_table_of_any_operator(recwarn):
    left = is_positive(RAW["Customer Status"], "Churned")
    new = operator_table(seed=8).drop(columns="Customer Status")
    for name, model in some_candidates().items():
        probability = model.predict_proba(new)[:, list(model.classes_).index(True)]
        assert ((probability >= 0) & (probability <= 1)).all(), name
        assert model.predict_proba(RAW)[:, 1].mean() == pytest.approx(left.mean(), abs=0.05), name
        # What no model may see changes nothing.
        other = new.assign(**{"Account ID": "B", "msisdn": 0, "Country": "DE", "Joined": None})
        np.testing.assert_array_equal(model.predict_proba(other), model.predict_proba(new))


@pytest.mark.parametrize(
    ("answers", "positive", "found"),
    [
        ([1.0, 2.0], "2", [False, True]),
        (["1", "2"], 2.0, [False, True]),
        (["Yes", " no "], "Yes", [True, False]),
        ([1, 0], "Yes", [True, False]),
        ([1.0, 0.0], 1, [True, False]),
        ([True, False], "yes", [True, False]),
        (["Churned", "Stayed"], "churned", [True, False]),
        (["Stayed", "Churned"], "Stayed", [True, False]),
        (["No", "Yes"], "No", [True, False]),
        ([2, 1], 2, [True, False]),
    ],
)
def test_the_positive_answer_is_known_by_its_name(answers, positive, found):
    assert is_positive(pd.Series(answers), positive).tolist() == found


@pytest.mark.parametrize(
    ("answers", "positive", "told"),
    [
        (["Churned", "Stayed"], "Yes", "Churn is 'Yes' for no customer; it holds 'Churned', 'Stayed'"),
        (["Yes", "Yes"], "Yes", "for all 2 customers"),
        (["No", "No"], "Yes", "for no customer"),
        (["Yes", None, " "], "Yes", r"Churn of 2 of 3 customer\(s\) is missing"),
    ],
)  # fmt: skip
def test_a_target_that_does_not_tell_who_left_is_refused(answers, positive, told):
    table = pd.DataFrame({"tenure": range(len(answers)), "Churn": answers})
    with pytest.raises(ValueError, match=told):
        candidates(table, "Churn", positive)


def test_three_answers_are_told():
    with pytest.warns(UserWarning, match="holds 3 answers"):
        assert is_positive(pd.Series(["Churned", "Stayed", "Joined"]), "Churned").sum() == 1


def test_values_never_seen_are_told_with_how_many_and_the_first():
    model = some_candidates("logistic regression")["logistic regression"]
    new = RAW.assign(**{"Plan Type": ["gold", "gold", *RAW["Plan Type"][2:]]})
    with pytest.warns(UserWarning, match=r"Plan Type of 2 of 300 .* first being 'gold' \(row 1\)"):
        model.predict_proba(new)
    with pytest.raises(
        ValueError, match="Plan Type of 300 of 300 .* the model cannot use the column"
    ):
        model.predict_proba(RAW.assign(**{"Plan Type": "gold"}))
    with pytest.raises(
        ValueError, match=r"Months of 1 of 300 .* no number, the first being 'long'"
    ):
        model.predict_proba(RAW.assign(Months=["long", *RAW["Months"][1:]]))
    with pytest.warns(UserWarning, match=r"Months of 1 of 300 .* a gap .* its median is taken"):
        model.predict_proba(RAW.assign(Months=[None, *RAW["Months"][1:]]))
    with pytest.raises(ValueError, match=r"customers lacks the column\(s\) Months"):
        model.predict_proba(RAW.drop(columns="Months"))


@pytest.mark.parametrize(
    "changed",
    [
        {"Roaming": RAW["Roaming"].astype(str)}, {"Roaming": RAW["Roaming"].astype(bool)},
        {"Autopay": RAW["Autopay"].map({"Y": "yes", "N": "no"})}, {"Months": RAW["Months"].astype(str)},
        {"Plan Type": RAW["Plan Type"].astype("category")},
    ],
)  # fmt: skip
def test_the_same_values_of_another_type_meet(changed, recwarn):
    model = some_candidates("mean of two")["mean of two"]
    recwarn.clear()
    np.testing.assert_array_equal(
        model.predict_proba(RAW.assign(**changed)), model.predict_proba(RAW)
    )
    assert not recwarn.list


def test_one_outcome_copies_and_nothing_to_learn_from_are_told():
    model = some_candidates("rule")["rule"]
    with pytest.raises(ValueError, match=r"customers has 0 row\(s\)"):
        model.predict(RAW.head(0))
    with pytest.raises(ValueError, match="All 300 customers have the outcome"):
        model.fit(RAW, np.zeros(300))
    with pytest.warns(UserWarning, match=r"2 row\(s\) are copies of other rows"):
        candidates(
            pd.concat([RAW.drop(columns="Notes"), RAW.drop(columns="Notes").head(2)]),
            "Customer Status",
            "Churned",
        )
    with pytest.raises(ValueError, match=r"No column can be used: customerID \(id\)"):
        candidates(pd.DataFrame({"customerID": list("abcd"), "Churn": [1, 0, 1, 0]}))
    with pytest.raises(ValueError, match="two columns 'Months'"):
        column_kinds(pd.concat([RAW, RAW[["Months"]]], axis=1))


@pytest.mark.parametrize(
    "name", first_always(["mean of two", "random forest", "gradient boosting, default"])
)
def test_a_candidate_is_packaged_and_scores_as_before(name, recwarn):
    model = some_candidates(name)[name]
    recwarn.clear()
    again = unpack(pack(model))
    np.testing.assert_array_equal(again.predict_proba(RAW), model.predict_proba(RAW))
    assert not recwarn.list
    with pytest.raises(ValueError, match="Plan Type of 300 of 300"):
        again.predict_proba(RAW.assign(**{"Plan Type": "gold"}))


def separated(**columns):
    """Four hundred customers: those of small amounts leave."""
    amount = np.round(np.random.default_rng(7).normal(20, 5, 400), 2)
    amount[200:] += 70
    return pd.DataFrame({"amount": amount, **columns, "Churn": ["Yes"] * 200 + ["No"] * 200})


def test_a_number_in_another_style_than_that_of_training_is_none():
    table = separated()
    model = candidates(table)["logistic regression"].fit(table, is_positive(table["Churn"]))
    texts = table.assign(amount=table["amount"].astype(str))
    np.testing.assert_allclose(model.predict_proba(texts), model.predict_proba(table))
    for strange in ("29,85", "1,2,3", "01.09.2024"):
        with pytest.raises(ValueError, match=f"holds no number, the first being '{strange}'"):
            model.predict_proba(pd.DataFrame({"amount": [strange]}))


def test_the_style_of_numbers_is_that_of_the_whole_table_not_of_a_fold():
    table = separated(size=[f"1.{row:03}" for row in range(399)] + ["12,5"])
    read = candidates(table)["rule"][0].fit(table[:-1])
    assert read.transform(table[:2])["size"].tolist() == [1000, 1001]


@pytest.mark.parametrize("sign", [" ", "'", "\u202f"])
def test_thousands_of_other_countries_are_read_as_the_kinds_say(sign, recwarn):
    table = separated(size=[f"{row % 7 + 1}{sign}{row:03},5" for row in range(400)])
    assert column_kinds(table)["size"] == "number"
    assert candidates(table)["rule"][0].fit_transform(table)["size"].tolist()[:2] == [
        1000.5,
        2001.5,
    ]
    assert not recwarn.list


def test_a_word_among_amounts_is_told_and_not_the_end_of_the_column():
    table = separated()
    table["amount"] = table["amount"].astype(str)
    table.loc[7, "amount"] = "unknown"
    said = r"amount holds numbers and 1 word\(s\), the first being 'unknown' \(row 8\)"
    with pytest.raises(ValueError, match=said):
        candidates(table)
    groups = separated(lines=["0", "1", "2", "3+"] * 100)  # a level of a few
    assert column_kinds(groups)["lines"] == "level"
    euros = separated(price=[f"{row}.99 €" for row in range(400)])
    with pytest.warns(UserWarning, match="Taken for ids and left out.*: price"):
        candidates(euros)


@pytest.mark.parametrize("name", ["CLIENTNUM", "Unnamed: 0", "index", "customerid", "row"])
def test_what_only_counts_the_rows_is_an_id(name):
    rows = np.arange(400) + 7
    table = separated(**{name: rows if name != "CLIENTNUM" else 700_000_000 + 17 * rows})
    assert column_kinds(table)[name] == "id"
    again = table.assign(**{name: np.arange(400) // 2})  # tells no row apart
    assert column_kinds(again)[name] == "number"


def test_curves_of_many_columns_stay_few():
    rng = np.random.default_rng(7)
    for columns, most in [(3, 34), (5, 125), (15, 135), (30, 495)]:
        names = [f"c{one}" for one in range(columns)]
        table = separated().join(pd.DataFrame(rng.random((400, columns)), columns=names))
        reads, curved = candidates(table.drop(columns="amount"))["logistic regression, curved"]
        assert curved[0].fit_transform(reads.fit_transform(table)).shape == (400, most)


def test_a_level_that_is_called_other_is_one_of_the_others():
    rare = [f"level {row % 60}" for row in range(200)]
    table = separated(plan=["(other)"] * 200 + rare)
    model = candidates(table)["rule"]
    kept = model[0].fit_transform(table)["plan"]
    assert len(kept.cat.categories) == len(set(kept.cat.categories))
    assert kept.tolist()[0] == "(other)"


@pytest.mark.parametrize("names", [[0, "Churn"], [("a", 1), "Churn"]])
def test_a_name_that_is_no_text_is_told(names):
    table = separated()
    table.columns = pd.Index(names, tupleize_cols=False)
    with pytest.raises(ValueError, match="Names of columns are texts; got"):
        candidates(table)
    with pytest.raises(ValueError, match=r"lacks the column\(s\) 20"):
        candidates(separated(), target=20)


@pytest.mark.parametrize(
    "months",
    [
        ["2024-01", "2024-02", "2024-02"],
        [202401, 202402, 202402],
        [202401.0, np.nan, 202402.0],
        ["202401", " 202402", "202402"],
        pd.PeriodIndex(["2024-01", "2024-02", "2024-02"], freq="M"),
    ],
)
def test_a_month_however_written_is_a_date_that_no_model_learns(months):
    assert column_kinds(pd.DataFrame({"since": months}))["since"] == "date"


def test_whole_numbers_that_are_no_months_stay_numbers():
    table = pd.DataFrame({"meter": [202401, 202413, 202402], "income": [31_000, 202_401, 31_000]})
    assert column_kinds(table).to_list() == ["number", "number"]


def test_what_is_no_number_in_training_is_told_in_words_of_training():
    table = pd.DataFrame({"charges": [1.0, np.inf, 3.0, 4.0]})
    reader = ReadTable({"charges": (".", ",")}, [], [])
    with pytest.raises(
        ValueError, match=r"being inf \(row 2\); .* Make each a number or a gap"
    ) as told:
        reader.fit_transform(table)
    assert "words of training" not in str(told.value)
    reader.fit(table.replace(np.inf, 2.0))
    with pytest.raises(ValueError, match="Bring it to the type and the words of training"):
        reader.transform(table)
