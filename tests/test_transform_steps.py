"""Parsing, imputing, scaling, encoding, outliers, aggregation, balance: counted by hand and as laws."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest
from conftest import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from helpers.etl import parsing
from helpers.etl.books import Cleaning
from helpers.etl.businesses import telco_numbers, to_celsius
from helpers.etl.businesses.sensors import clean_cold_rooms, drift_onset, stuck, with_gaps
from helpers.etl.businesses.shared import read_page_prices
from helpers.etl.features import (
    bought_together,
    calendar_features,
    customer_features,
    together_features,
)
from helpers.etl.prepare import (
    Imputer,
    OutlierTreatment,
    Resampled,
    label_codes,
    leak_of_resampling,
    limits,
    one_hot,
    ordinal,
    remove_gaps,
    remove_outliers,
    resample,
    scaler,
)


def series(*values):
    return pd.Series(list(values))


# --- parsing ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("texts", "numbers"),
    [
        (["1.234,5", "0,5"], [1234.5, 0.5]),
        (["1,234.5", "12"], [1234.5, 12.0]),
        (["1,234", "1.5"], [1234.0, 1.5]),  # the dot of another row tells what the comma is
        (["1.234.567", "1.000"], [1234567.0, 1000.0]),
        (["12 345,6", "1'000,0"], [12345.6, 1000.0]),
        (["-5.25", "1e3"], [-5.25, 1000.0]),
        (["abc", "", "5 kg"], [np.nan] * 3),
        ([5, "6.5", None], [5.0, 6.5, np.nan]),
    ],
)
def test_numbers_are_read_in_the_style_of_their_column(texts, numbers):
    np.testing.assert_array_equal(parsing.parse_numbers(series(*texts)), numbers)


def test_two_styles_in_one_column_are_no_guess():
    with pytest.raises(ValueError, match=r"'1\.5' and '1,5' stand there|'1,5' and '1\.5' stand there"):  # fmt: skip
        parsing.parse_numbers(series("1,5", "1.5"))


@settings(max_examples=examples(25))
@given(st.lists(st.integers(0, 99_999_999), min_size=1, max_size=6), st.sampled_from([",.", ".,"]))
def test_any_amount_in_cents_survives_both_ways_of_writing(cents, signs):
    texts = [f"{c // 100:,}|{c % 100:02d}".replace(",", signs[0]).replace("|", signs[1]) for c in cents]  # fmt: skip
    read = parsing.parse_numbers(series(*texts))
    assert read.tolist() == [c / 100 for c in cents]


@settings(max_examples=examples(15))
@given(st.lists(st.datetimes(pd.Timestamp("1990-01-01"), pd.Timestamp("2040-01-01")), min_size=1, max_size=5))  # fmt: skip
def test_the_three_formats_of_a_moment_are_one(moments):
    moments = [one.replace(microsecond=0) for one in moments]
    for style in ["%Y-%m-%dT%H:%M:%S", "%d.%m.%Y %H:%M:%S", "%m/%d/%Y %I:%M:%S %p"]:
        read = parsing.parse_dates(series(*[one.strftime(style) for one in moments]))
        assert read.tolist() == moments


def test_days_that_no_calendar_has_are_gaps():
    texts = series("2024-02-30", "31.04.2024", "13/13/2024", "2024-1-1", "01.02.24", "soon", None)
    assert parsing.parse_dates(texts).isna().all()


WORDS = ["rich cream", "light fluid", "sun care", "mask", "make-up"]


@settings(max_examples=examples(40))
@given(st.sampled_from(WORDS), st.sampled_from([str.upper, str.title, str.lower,
       lambda w: w.replace(" ", "-"), lambda w: f"{w[:4].strip()}.", lambda w: f" {w}"]))  # fmt: skip
def test_every_spelling_comes_back_to_its_word(word, way):
    assert parsing.one_spelling(series(way(word)), WORDS).tolist() == [word]


def test_a_spelling_that_fits_none_or_several_is_a_gap_and_counted():
    written = series("soap", "care.", "ma", "ca.", None, "mask")
    read = parsing.one_spelling(written, ["care a", "care b", "mask"])
    assert read.isna().tolist() == [True, True, True, True, True, False]
    assert parsing.unknown_spellings(written, read)["rows"].sum() == 4


@pytest.mark.parametrize(("text", "age"), [("29", 29), ("29y", 29), ("age 29", 29), ("29.0", 29), ("x29", None), ("-29", None)])  # fmt: skip
def test_ages_in_words(text, age):
    found = parsing.parse_ages(series(text))[0]
    assert found == age if age is not None else pd.isna(found)


# --- laws of everything that is fitted -----------------------------------------------------------------

NUMBERS = st.one_of(st.floats(-1e6, 1e6), st.none())
TABLES = st.lists(st.tuples(NUMBERS, st.sampled_from(["mask", "cream", "serum"])), min_size=3, max_size=15)  # fmt: skip


def frame(rows, start=100):
    table = pd.DataFrame(rows, columns=["x", "word"]).astype({"x": "float64"})
    return table.set_axis([start - n for n in range(len(rows))])  # an index that is not 0, 1, 2


def fitted_steps():
    return [
        Imputer(["x"], indicator=True), Imputer(["x"], how="mean", by="word"),
        Imputer(["word"], how="most frequent"), Imputer(["x"], how="constant", value=0.0),
        scaler(["x"]), scaler(["x"], "normalize"), one_hot(["word"]), ordinal({"word": ["mask", "cream"]}),
        OutlierTreatment(["x"]), OutlierTreatment(["x"], action="cap"), OutlierTreatment(["x"], action="gap"),
    ]  # fmt: skip


@settings(max_examples=examples(4))
@given(TABLES, TABLES)
def test_what_is_fitted_keeps_rows_order_and_index_and_learns_from_training_alone(rows, later):
    train, new = frame([(1.0, "mask"), *rows]), frame(later, start=50)
    for step in fitted_steps():
        before = train.copy(), new.copy()
        step.fit(train)
        whole = step.transform(new)
        assert whole.index.equals(new.index)
        assert list(step.get_feature_names_out()) == whole.columns.tolist()
        # Row by row it is the same: no row of the new part has told another one anything.
        alone = pd.concat([step.transform(new.iloc[[n]]) for n in range(len(new))])
        pd.testing.assert_frame_equal(alone, whole, check_dtype=False)
        pd.testing.assert_frame_equal(train, before[0])
        pd.testing.assert_frame_equal(new, before[1])


def test_imputing_by_hand():
    train = frame([(1.0, "mask"), (3.0, "mask"), (10.0, "cream"), (None, "serum")])
    new = frame([(None, "mask"), (None, "cream"), (None, "serum"), (None, "soap"), (7.0, "mask")])
    by_group = Imputer(["x"], by="word").fit(train).transform(new)
    assert by_group["x"].tolist() == [2.0, 10.0, 3.0, 3.0, 7.0]  # the median of 1, 3, 10 is 3
    marked = Imputer(["x"], indicator=True).fit(train).transform(new)
    assert marked["x_missing"].tolist() == [1, 1, 1, 1, 0]
    assert Imputer(["word"], how="most frequent").fit(train).fill_ == {"word": "mask"}


@pytest.mark.parametrize("step", [Imputer(["x"], how="magic"), Imputer(["x"], how="constant"), Imputer(["y"])])  # fmt: skip
def test_an_imputer_that_cannot_learn_says_why(step):
    with pytest.raises(ValueError, match="how|column"):
        step.fit(frame([(1.0, "mask")]))


def test_a_column_of_gaps_teaches_nothing():
    with pytest.raises(ValueError, match="x holds nothing but gaps"):
        Imputer(["x"]).fit(frame([(None, "mask"), (None, "mask")]))


def test_removal_accounts_for_every_row():
    table = frame([(1.0, "mask"), (None, "cream")])
    kept, removed = remove_gaps(table, ["x"])
    assert (len(kept), removed["reason"].tolist()) == (1, ["no x"])


def test_standardize_and_normalize_by_hand():
    train, new = frame([(0.0, "a"), (10.0, "b")]), frame([(20.0, "a")])
    assert scaler(["x"]).fit(train).transform(new)["x"].tolist() == [3.0]  # (20 - 5) / 5
    assert scaler(["x"], "normalize").fit(train).transform(new)["x"].tolist() == [2.0]


def test_labels_and_levels_as_numbers():
    codes, classes = label_codes(series("No", "Yes", "No"))
    assert (codes.tolist(), classes) == ([0, 1, 0], ["No", "Yes"])
    with pytest.raises(ValueError, match=r"1 label\(s\) are missing"):
        label_codes(series("No", None))


def test_outliers_by_quartiles_and_by_the_robust_score_by_hand():
    values = series(1.0, 2.0, 3.0, 4.0, 100.0)
    assert limits(values) == (-1.0, 7.0)  # quartiles 2 and 4
    low, high = limits(values, "robust z")  # median 3, median distance 1
    assert (low, high) == pytest.approx((3 - 3.5 * 1.4826, 3 + 3.5 * 1.4826))
    table = pd.DataFrame({"x": values})
    assert OutlierTreatment(["x"]).fit(table).transform(table)["x_outlier"].tolist() == [0, 0, 0, 0, 1]  # fmt: skip
    assert OutlierTreatment(["x"], action="cap").fit(table).transform(table)["x"].max() == 7.0
    assert [len(part) for part in remove_outliers(table, "x")] == [4, 1]


def test_a_column_without_a_number_teaches_no_limits_and_an_infinite_value_is_an_outlier():
    gaps = pd.DataFrame({"x": [None, None]}, dtype="float64")
    for learn in (OutlierTreatment(["x"]).fit, lambda table: remove_outliers(table, "x")):
        with pytest.raises(ValueError, match="x holds no number, so no limits can be learned"):
            learn(gaps)
    table = pd.DataFrame({"x": [1.0, 2.0, 3.0, 4.0, np.inf]})
    assert limits(table["x"]) == limits(table["x"].head(4))
    assert OutlierTreatment(["x"]).fit_transform(table)["x_outlier"].tolist() == [0, 0, 0, 0, 1]


@pytest.mark.parametrize(("step", "name"), [(Imputer(["x"], indicator=True), "x_missing"), (OutlierTreatment(["x"]), "x_outlier")])  # fmt: skip
def test_a_mark_never_overwrites_a_column(step, name):
    with pytest.raises(ValueError, match=f"has a column {name} already"):
        step.fit(frame([(1.0, "mask")]).assign(**{name: 5}))


@pytest.mark.parametrize("values", [["a", None], [True, None], [pd.Timestamp("2024-09-01"), None]])
@pytest.mark.parametrize("how", ["median", "mean"])
def test_a_median_of_what_is_no_number_is_refused_with_what_to_take(how, values):
    with pytest.raises(ValueError, match=rf"how='{how}' needs numbers; x holds .*most frequent"):
        Imputer(["x"], how=how).fit(pd.DataFrame({"x": values}))


def test_a_category_takes_a_new_level_for_its_gaps():
    words = pd.DataFrame({"word": pd.Categorical(["mask", None])})
    for how, value in [("constant", "unknown"), ("most frequent", None)]:
        filled = Imputer(["word"], how=how, value=value).fit(words).transform(words)
        assert filled["word"].tolist() == ["mask", value or "mask"]
        assert isinstance(filled["word"].dtype, pd.CategoricalDtype)


def test_steps_are_scikit_learns_own_kind():
    """Cloned, asked for names before the fit, searched over in a pipeline."""
    X = frame([(float(n % 7) if n % 5 else None, "mask" if n % 2 else "cream") for n in range(60)])
    y = pd.Series(np.arange(60) % 3 == 0, index=X.index)
    for step in (Imputer(["x"], by="word"), OutlierTreatment(["x"], action="gap")):
        assert clone(step).get_params() == step.get_params()
        with pytest.raises(NotFittedError):
            clone(step).get_feature_names_out()
    pipe = make_pipeline(Imputer(["x"], indicator=True), OutlierTreatment(["x"], action="cap"), scaler(["x"]),
                         one_hot(["word"]), Resampled(LogisticRegression()))  # fmt: skip
    grid = {"imputer__how": ["mean", "median"], "outliertreatment__action": ["cap", "flag"], "resampled__model__C": [0.1, 1.0]}  # fmt: skip
    search = GridSearchCV(pipe, grid, cv=2, error_score="raise", scoring="roc_auc").fit(X, y)
    assert set(search.best_params_) == set(grid)
    best = search.best_estimator_
    assert best[:-1].get_feature_names_out().tolist() == best[:-1].transform(X).columns.tolist()
    assert best[-1].feature_names_in_.tolist() == best[:-1].get_feature_names_out().tolist()


# --- aggregation ---------------------------------------------------------------------------------------

LINES = st.lists(st.tuples(st.integers(1, 3), st.integers(1, 6), st.integers(1, 4), st.integers(0, 30)), max_size=20)  # fmt: skip


def order_lines(rows):
    table = pd.DataFrame(rows, columns=["customer_id", "order_id", "product_id", "day"])
    table["order_id"] = table["order_id"] * 10 + table["customer_id"]
    return table.assign(category="c" + table["product_id"].astype(str), price_eur=table["product_id"] * 2.0,
                        ordered_at=pd.Timestamp("2024-01-01") + pd.to_timedelta(table["day"], unit="D"))  # fmt: skip


@settings(max_examples=examples(8))
@given(LINES)
def test_customer_features_know_nothing_of_the_day_or_after(rows):
    lines, day = order_lines(rows), pd.Timestamp("2024-01-16")
    known = lines[lines["ordered_at"] < day]
    pd.testing.assert_frame_equal(customer_features(lines, day), customer_features(known, day))
    table = customer_features(lines, day)
    assert table["spent_eur"].sum() == pytest.approx(known["price_eur"].sum())
    assert table["customer_id"].tolist() == sorted(set(known["customer_id"]))
    assert table["days_since_last"].ge(0).all()


@settings(max_examples=examples(8))
@given(LINES)
def test_pairs_bought_together_are_those_that_a_loop_finds(rows):
    lines = order_lines(rows)
    counts = {}
    for _, basket in lines.groupby("order_id"):
        for a in set(basket["product_id"]):
            for b in set(basket["product_id"]) - {a}:
                counts[a, b] = counts.get((a, b), 0) + 1
    found = bought_together(lines, at_least=1)
    assert {(a, b): n for a, b, n in found[["product_id", "with_product_id", "orders"]].itertuples(index=False)} == counts  # fmt: skip
    assert found["share"].between(0, 1).all()


def test_december_is_beside_january():
    days = pd.DataFrame({"at": pd.to_datetime(["2024-12-15", "2024-01-15", "2024-06-15"])})
    on_circle = calendar_features(days, "at")[["month_sin", "month_cos"]].to_numpy()
    assert np.linalg.norm(on_circle[0] - on_circle[1]) < np.linalg.norm(on_circle[0] - on_circle[2]) / 3  # fmt: skip


def test_a_row_without_a_date_has_gaps_and_not_another_rows_season():
    days = pd.DataFrame({"at": pd.to_datetime(["2024-12-15", None, "2024-06-15"])})
    found = calendar_features(days, "at")
    assert found["season"].isna().tolist() == [False, True, False]
    assert found["season"].dropna().tolist() == ["winter", "summer"]


def test_lines_of_no_order_are_in_no_basket_and_ids_may_be_texts():
    lines = pd.DataFrame({"order_id": [None, None, "o", "o"], "product_id": ["a", "b", "a", "c"]})
    pairs = bought_together(lines, at_least=1)
    assert pairs[["product_id", "with_product_id"]].to_numpy().tolist() == [["a", "c"], ["c", "a"]]
    found = together_features(pairs, pd.DataFrame({"product_id": ["a", "b"]}))
    assert found["best_partner"].tolist()[0] == "c"
    assert found["best_partner"].isna().tolist() == [False, True]


# --- imbalance -----------------------------------------------------------------------------------------


@settings(max_examples=examples(30))
@given(st.integers(1, 30), st.integers(1, 30), st.integers(0, 9), st.sampled_from(["oversample", "undersample"]))  # fmt: skip
def test_resampling_evens_the_classes_and_invents_no_row(few, many, seed, method):
    X = pd.DataFrame({"x": range(few + many)})
    y = pd.Series([True] * few + [False] * many)
    drawn, labels = resample(X, y, seed, method)
    size = (max if method == "oversample" else min)(few, many)
    assert labels.value_counts().to_dict() == {True: size, False: size}
    assert (labels.to_numpy() == (drawn["x"] < few).to_numpy()).all()
    if method == "oversample":
        assert set(drawn["x"]) == set(X["x"])


def test_a_resampled_model_is_fitted_on_even_classes_and_judges_every_row():
    X, y = pd.DataFrame({"x": np.arange(40.0)}), pd.Series(np.arange(40) >= 36)
    model = make_pipeline(scaler(["x"]), Resampled(LogisticRegression(), seed=7)).fit(X, y)
    assert len(model.predict(X)) == 40
    assert model.predict_proba(X)[:, 1].mean() > 0.2  # 0.1 without resampling


def test_a_resampled_model_can_what_its_model_can_and_takes_what_a_pipeline_gives():
    X, y = pd.DataFrame({"x": np.arange(40.0)}), pd.Series(np.arange(40) >= 36)
    without = Resampled(LinearSVC())
    assert not hasattr(without, "predict_proba")
    assert hasattr(without, "decision_function")
    assert cross_val_score(without, X, y, cv=2, scoring="roc_auc", error_score="raise").min() > 0.9
    plain = make_pipeline(StandardScaler(), Resampled(LogisticRegression(), seed=7)).fit(X, y)
    named = make_pipeline(scaler(["x"]), Resampled(LogisticRegression(), seed=7)).fit(X, y)
    np.testing.assert_allclose(plain.predict_proba(X), named.predict_proba(X))
    with pytest.raises(NotFittedError):
        Resampled(LogisticRegression()).predict(X)


def test_rows_without_a_label_are_refused_before_they_are_drawn():
    with pytest.raises(ValueError, match=r"1 label\(s\) are missing"):
        resample(pd.DataFrame({"x": [1, 2, 3]}), series("Yes", "No", None), seed=7)


@pytest.mark.slow
def test_resampling_before_the_split_flatters_on_the_real_file(telco_csv):
    from sklearn.ensemble import RandomForestClassifier

    from helpers.etl.businesses import clean_telco

    raw = pd.read_csv(telco_csv, dtype=str, keep_default_na=False)
    X, y = telco_numbers(clean_telco(raw))
    model = RandomForestClassifier(40, random_state=7)
    auc = leak_of_resampling(X, y, seed=7, model=model)["roc_auc"]
    # Measured: 0.965 with 300 trees.
    assert 0.93 < auc["before the split"] < 0.98
    assert 0.80 < auc["inside the training folds"] < 0.85
    assert abs(auc["inside the training folds"] - auc["not at all"]) < 0.02


# --- sensors -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "shortest", "marked"),
    [
        ([1.0, 1.0, 2.0, 2.0, 2.0], 3, [0, 0, 1, 1, 1]),
        ([1.0, 1.0, 2.0, 2.0, 2.0], 4, [0, 0, 0, 0, 0]),
        ([1.0, 1.0, None, 1.0, 3.0], 4, [1, 1, 0, 1, 0]),  # three, and a gap between
        ([9.0, None, 1.0, 1.0, 1.0], 4, [0, 0, 1, 1, 1]),  # three, and a gap beside
        ([1.0, 1.0, None, None, 3.0], 4, [0, 0, 0, 0, 0]),  # two are chance
        ([1.2, 1.0, 1.0, 1.0, 3.0], 4, [0, 1, 1, 1, 0]),  # three, and a drifting neighbour
        ([None, None, None, None, None], 4, [0, 0, 0, 0, 0]),
    ],
)
def test_a_stuck_sensor_repeats_itself_and_a_gap_does_not_free_it(values, shortest, marked):
    assert stuck(pd.Series(values, dtype=float), shortest).tolist() == [bool(m) for m in marked]


@pytest.mark.parametrize("onset", [180, 300, 500])
def test_a_drift_is_found_within_a_few_readings(onset):
    rest = np.random.default_rng(onset).normal(0, 0.2, 720)
    assert drift_onset(rest, 0.2) is None
    rest[onset:] += np.minimum(3.0, 0.01 * np.arange(1, 721 - onset))
    assert abs(drift_onset(rest, 0.2) - onset) <= 8


def test_a_drift_is_sought_in_a_month_of_minutes_without_a_table_of_all_pairs():
    rest = np.random.default_rng(7).normal(0, 0.2, 4_000)
    rest[1_500:] += np.minimum(3.0, 0.01 * np.arange(1, 2_501))
    tracemalloc.start()
    onset = drift_onset(rest, 0.2)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert abs(onset - 1_500) <= 8
    assert peak < 5_000_000  # 4,000 x 4,000 numbers are 128 MB


def test_a_drift_from_the_first_reading_on_is_told_alike_on_every_machine():
    # Onsets at the first and the second reading fit alike, to the last digit; the first is taken.
    rest = 0.01 * np.arange(200) + np.random.default_rng(7).normal(0, 0.02, 200)
    assert drift_onset(rest, 0.02) == 2


def test_a_price_that_is_a_number_among_prices_as_pages_write_them_stays_it():
    cleaning = Cleaning("pages", pd.DataFrame({"price_eur": ["€ 1.012,50", "€ 45,00", 1.5, None]}, dtype=object))  # fmt: skip
    read_page_prices(cleaning)
    np.testing.assert_array_equal(cleaning["price_eur"], [1012.5, 45.0, 1.5, np.nan])


def test_fahrenheit_comes_back_and_a_spike_and_a_gap_do_not_pass():
    hours = pd.date_range("2024-07-01", periods=100, freq="h")
    rng = np.random.default_rng(7)
    raw = pd.DataFrame({"reading_id": [f"C0-{60 * n}" for n in range(100)], "sensor_id": "C0", "store": "Basel",
                        "read_at": hours, "temperature_c": np.round(5 + rng.normal(0, 0.2, 100), 1), "humidity_pct": 60.0})  # fmt: skip
    true = raw["temperature_c"].copy()
    raw.loc[60:79, "temperature_c"] = (raw.loc[60:79, "temperature_c"] * 9 / 5 + 32).round(1)
    raw.loc[10, "temperature_c"] += 25
    done = clean_cold_rooms(raw.drop(index=[30, 31]))
    table = done.table.set_index("reading_id")["temperature_c"]
    assert len(table) == 100
    assert table[table.isna()].index.tolist() == ["C0-600", "C0-1800", "C0-1860"]
    np.testing.assert_allclose(table.iloc[60:80], true[60:80], atol=1e-9)
    assert (done.books.rows_in, done.books.loaded) == (98, 98)


def hourly(n):
    return pd.DataFrame({"reading_id": [f"C0-{60 * i}" for i in range(n)], "sensor_id": "C0", "store": "Basel",
                         "read_at": pd.date_range("2024-07-01", periods=n, freq="h").strftime("%Y-%m-%dT%H:%M:%S"),
                         "temperature_c": 5.0 + np.arange(n) % 3 / 10, "humidity_pct": 60.0}, dtype=object)  # fmt: skip


@pytest.mark.parametrize("row", [0, 20, 39])
@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("read_at", "9999-12-31T00:00:00"),
        ("read_at", "0001-01-01T00:00:00"),
        ("read_at", "soon"),
        ("reading_id", "unnamed"),
        ("temperature_c", [5.0]),
        ("store", {"city": "Basel"}),
    ],
)
def test_one_wrong_cell_makes_no_rows_for_centuries_and_costs_no_other_reading(column, value, row):
    raw = hourly(40)
    cells = raw[column].tolist()
    cells[row] = value
    raw[column] = pd.Series(cells, dtype=object)
    done = clean_cold_rooms(raw)
    assert done.books.rows_in == 40
    assert len(done.table) <= 41  # one row is made for the reading that is missing now
    sound = done.table[done.table["temperature_c"].notna()]
    assert len(set(sound["reading_id"]) & set(raw["reading_id"])) >= 39 - (
        column == "temperature_c"
    )
    made = done.table[done.table["fault"].eq("gap") & ~done.table["reading_id"].isin(raw["reading_id"])]  # fmt: skip
    assert set(made["reading_id"]) <= {f"C0-{60 * row}"}


def test_readings_that_say_nothing_of_their_minute_are_refused_as_a_whole():
    with pytest.raises(ValueError, match="No reading_id ends in the minute of its read_at"):
        clean_cold_rooms(hourly(3).assign(reading_id=["a", "b", "c"]))


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.7, 0.95])
def test_a_sensor_that_sends_fahrenheit_most_of_the_time_is_turned_back(share):
    rng = np.random.default_rng(7)
    sensor = np.repeat(["a", "b", "c"], 400)
    hour = pd.Series(np.tile(np.arange(400) % 24, 3))
    true = np.round(4 + 0.5 * np.sin(hour) + rng.normal(0, 0.2, 1200), 1)
    fahrenheit = (sensor == "b") & (rng.random(1200) < share)
    sent = true.mask(fahrenheit, (true * 9 / 5 + 32).round(1))
    found = to_celsius(pd.DataFrame({"sensor_id": sensor, "t": sent}), "t", hour)
    assert (found - true).abs().max() < 0.11


def test_groups_of_another_kind_than_in_training_are_refused():
    train = pd.DataFrame({"category": ["1", "2"], "size_ml": [50.0, 70.0]})
    imputer = Imputer(["size_ml"], by="category").fit(train)
    with pytest.raises(
        ValueError, match="category holds numbers in the table and texts in training"
    ):
        imputer.transform(pd.DataFrame({"category": [1], "size_ml": [None]}))
    with pytest.raises(ValueError, match="numbers were expected"):
        limits(pd.Series(["cheap"], name="price_eur"))


def test_products_as_categories_and_of_another_kind():
    lines = pd.DataFrame({"order_id": [1, 1, 2, 2], "product_id": [10, 20, 10, 20]})
    pairs = bought_together(lines.astype({"product_id": "category"}))
    pd.testing.assert_frame_equal(pairs, bought_together(lines))
    products = pd.DataFrame({"product_id": pd.Categorical([10, 30])})
    assert together_features(pairs, products)["best_partner"].tolist() == [20, pd.NA]
    with pytest.raises(ValueError, match="texts in products and numbers in pairs"):
        together_features(pairs, products.astype("int64").astype("str"))


def test_features_say_which_column_cannot_be_counted():
    lines, day = order_lines([(1, 1, 1, 3), (2, 1, 2, 4)]), "2024-01-16"
    for column, values in [("ordered_at", "2024-08-30"), ("price_eur", "5")]:
        with pytest.raises(ValueError, match=f"{column} of lines holds texts"):
            customer_features(lines.assign(**{column: values}), day)
    zoned = lines.assign(ordered_at=lines["ordered_at"].dt.tz_localize("UTC"))
    assert len(customer_features(zoned, day)) == len(customer_features(lines, day))
    with pytest.raises(ValueError, match="at of the table holds texts"):
        calendar_features(pd.DataFrame({"at": ["2024-09-01"]}), "at")


def test_two_readings_at_one_time_are_no_step():
    at = list(pd.date_range("2024-09-01", periods=6, freq="D"))
    twice = pd.DataFrame({"reading_id": [f"r{n}" for n in range(11)], "sensor_id": "C0", "read_on": [*at, *at[1:]]})  # fmt: skip
    found = with_gaps(twice.drop(index=[3, 8]), "read_on", lambda sensor, on: f"{sensor}-{on:%d}")
    assert found["reading_id"].str.startswith("C0").sum() == 1


@pytest.mark.parametrize(("how", "value", "filled"), [("median", None, 1.5), ("mean", None, 1.5), ("constant", "none", "none")])  # fmt: skip
def test_a_gap_among_whole_numbers_is_filled_with_what_is_none(how, value, filled):
    ages = pd.DataFrame({"age": pd.Series([1, 2, None], dtype="Int64")})
    done = Imputer(["age"], how, value).fit(ages).transform(ages)
    assert done["age"].tolist() == [1, 2, filled]


def test_outliers_are_looked_for_among_numbers_only():
    treatment = OutlierTreatment(["x"]).fit(pd.DataFrame({"x": [1.0, 2.0, 3.0]}))
    with pytest.raises(ValueError, match="x holds str, such as 'a'; numbers were expected"):
        treatment.transform(pd.DataFrame({"x": ["a"]}))
