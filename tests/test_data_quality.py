"""`helpers.monitoring.data_quality`: what is wrong with a table is told by name, and never as a trace."""

import numpy as np
import pandas as pd
import pytest
from conftest import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.monitoring.data_quality import check_given, check_table, kind, repeats, signals
from helpers.monitoring.drift import distances, drift, told_apart

ORDER = ["signal", "table", "column", "where", "since", "value", "expected", "effect", "p", "because"]  # fmt: skip
START = pd.Timestamp("2025-03-01")


def invoices(rows=3_000, seed=1, start=START, days=30):
    """A month of invoices as any business has them."""
    rng = np.random.default_rng([rows, seed])
    at = start + pd.to_timedelta(np.sort(rng.random(rows) * days), unit="D")
    return pd.DataFrame(
        {
            "invoice_id": np.arange(rows) + seed * 100_000,
            "customerID": [f"C{n:04d}" for n in rng.integers(0, 900, rows)],
            "issued_at": at.as_unit("s"),
            "paid_at": (at + pd.Timedelta(hours=30)).as_unit("s"),
            "amount_eur": rng.normal(60, 15, rows).round(2),
            "line": rng.choice(["DSL", "Fiber optic", "No"], rows, p=[0.35, 0.45, 0.2]),
            "senior": rng.integers(0, 2, rows),
            "tower": rng.choice([f"T{n}" for n in range(10)], rows),
            "note": rng.choice([None, "late"], rows, p=[0.9, 0.1]),
        }
    )


THEN = invoices(seed=1, start=pd.Timestamp("2025-02-01") - pd.Timedelta(days=2))


def check(now, then=THEN):
    """Check a month of invoices."""
    return check_table(then, now, "invoices")


def found(table):
    return sorted(set(zip(table["signal"], table["column"], strict=True)))


@pytest.mark.parametrize("seed", range(2, 12))
def test_an_ordinary_month_is_silent(seed):
    assert check(invoices(seed=seed)).empty


def touched(**changes):
    return invoices(seed=2).assign(**changes)


def half_of(column, value):
    now = invoices(seed=2)
    return now.assign(
        **{column: now[column].where(now["issued_at"] < START + pd.Timedelta(days=15), value)}
    )


def many(now, part=0.03):
    return pd.concat([now, now.head(int(len(now) * part))])


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (touched().rename(columns={"line": "product"}), [("schema", "line")]),
        (touched().drop(columns="note"), [("schema", "note")]),
        (touched(refund=0), [("schema", "refund")]),
        (touched(amount_eur=lambda t: t["amount_eur"].astype("str") + " EUR"), [("schema", "amount_eur")]),
        (touched(senior=lambda t: t["senior"].astype("str")), [("schema", "senior")]),
        (touched(issued_at=lambda t: t["issued_at"].dt.tz_localize("UTC")), [("schema", "issued_at")]),
        (touched(issued_at=lambda t: t["issued_at"].astype("str")), [("schema", "issued_at")]),
        (touched(line=[["DSL"]] * 3_000), [("schema", "line")]),
        (half_of("amount_eur", np.nan), [("missing", "amount_eur")]),
        (touched(amount_eur=np.nan), [("missing", "amount_eur")]),
        (touched(line=None), [("missing", "line")]),
        (many(invoices(seed=2)), [("twice", "")]),
    ],
)  # fmt: skip
def test_what_went_wrong_is_named_with_its_column_and_nothing_else(now, expected):
    assert found(check(now)) == expected


def test_a_finding_says_how_much_and_in_a_sentence():
    one = check(half_of("amount_eur", np.nan)).iloc[0]
    assert one["value"] == pytest.approx(0.5, abs=0.02)
    assert one["p"] < 1e-6
    assert "is empty in" in one["because"]
    renamed = check(touched().rename(columns={"line": "product"}))
    assert renamed["because"].item() == "invoices.line is called product now"


def test_mixed_time_zones_unhashable_keys_and_gaps_of_any_kind_are_borne():
    zoned = touched(issued_at=lambda t: t["issued_at"].dt.tz_localize("UTC"))
    then = invoices(seed=1).assign(
        issued_at=lambda t: t["issued_at"].dt.tz_localize("UTC").dt.tz_convert("Europe/Berlin")
    )
    for table, reference in [(zoned, THEN), (invoices(seed=2), then)]:
        assert found(check(table, reference)) == [("schema", "issued_at")]
    assert check(zoned, then).empty
    assert found(check(touched(invoice_id=[["x"]] * 3_000))) == [("schema", "invoice_id")]
    gaps = pd.DataFrame(
        {"id": ["a", "b"], "n": pd.array([1, None], dtype="Int64"), "w": [pd.NA, "x"]}
    )
    assert check_given(gaps, gaps, "id", "given").empty
    with pytest.raises(ValueError, match="several values"):
        check_given(gaps.assign(id=[["a"], ["b"]]), gaps, "id", "given")


def test_the_signals_have_one_form_empty_or_not():
    for table in (check(invoices(seed=2)), check(half_of("amount_eur", np.nan)), signals([])):
        assert table.columns.tolist() == ORDER
        assert table.dtypes.astype(str).tolist() == ["str"] * 4 + ["datetime64[us]"] + ["float64"] * 4 + ["str"]  # fmt: skip


@pytest.mark.parametrize(
    ("reference", "current", "said"),
    [
        (THEN.head(0), THEN, r"reference of invoices has 0 row\(s\)"),
        ([1], THEN, "reference of invoices should be a pandas DataFrame .* got list"),
        (THEN, None, "invoices should be a pandas DataFrame .* got NoneType"),
        (THEN, THEN.set_axis(pd.MultiIndex.from_product([["a"], THEN.columns]), axis=1), "several rows of them"),
    ],
)  # fmt: skip
def test_what_cannot_be_checked_is_refused_in_one_sentence(reference, current, said):
    with pytest.raises(ValueError, match=said):
        check(current, reference)


STRANGE = st.sampled_from([None, np.nan, np.inf, -np.inf, 0, 1, 1.5, True, "", " ", "a", "7", "1e5", "NaN", pd.Timestamp("2025-01-01"), pd.Timestamp("2025-01-01", tz="UTC"), pd.NaT, pd.Timedelta("1D"), ["a"], {"a": 1}, b"x", 10**30, 1j])  # fmt: skip
COLUMNS = st.lists(STRANGE, min_size=1, max_size=6).map(lambda values: pd.Series(values, dtype=object))  # fmt: skip


@settings(max_examples=examples(80), deadline=None)
@given(COLUMNS, COLUMNS, st.booleans())
def test_no_content_of_a_column_ends_in_a_trace(before, after, typed):
    if typed:
        before, after = before.infer_objects(), after.infer_objects()
    then, now = (pd.DataFrame({"a": one, "b": range(len(one))}) for one in (before, after))
    for table in (check_table(then, now, "rows"), check_table(then, now.head(0), "rows"), drift(then, now, "rows"), check_given(now, then, "b", "rows")):  # fmt: skip
        assert table.columns.tolist() == ORDER
    distances(then, now)
    kinds = {kind(before), kind(after)} - {"nothing"}
    assert (("schema", "a") in found(check_table(then, now, "rows"))) == (len(kinds) == 2)


@pytest.mark.parametrize(
    "column", [[5.0] * 60, [None] * 60, ["x"] * 60, [0.1] * 59 + [None], list(range(60)), [True, False] * 30]
)  # fmt: skip
def test_constant_and_empty_columns_and_single_rows_are_borne(column):
    table = pd.DataFrame({"a": column, "c": list("xyz") * 20})
    for now in (table, table.head(1)):
        assert check_table(table, now, "rows").empty
        assert drift(table, now, "rows")["p"].between(0, 1).all()
        distances(table, now)
        told_apart(table, now, "rows")


def test_what_the_model_was_given_is_compared_row_by_row():
    stored = pd.DataFrame({"id": ["a", "b", "c", "d"], "tenure": ["12", "30", "1", None], "fee": [1.0, 2, 3, 4]})  # fmt: skip
    given_ = stored.iloc[::-1].assign(tenure=[None, "1", "2", "12"])
    told = check_given(given_, stored.assign(tenure=["12.0", "30", "1", None]), "id", "given")
    assert told[["signal", "column", "value"]].to_numpy().tolist() == [["given", "tenure", 0.25]]
    strange = check_given(pd.concat([stored, stored.head(1), stored.head(1).assign(id="z")]), stored, "id", "given")  # fmt: skip
    assert strange["because"].tolist() == ["given has 1 of 5 rows whose id is not stored"]
    assert check_given(stored, stored, "id", "given").empty


@settings(max_examples=examples(60))
@given(st.lists(st.tuples(st.sampled_from([0.0, 1.0, 2.5, np.nan]), st.integers(0, 1), st.sampled_from("ab")), max_size=20))  # fmt: skip
def test_repeats_are_those_of_pandas(rows):
    table = pd.DataFrame(rows, columns=["a", "b", "c"]).astype({"a": float, "b": int})
    assert repeats(table).tolist() == table.duplicated().tolist()
