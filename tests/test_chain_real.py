"""The chains of stages 2 and 3 on real files: IBM's Telco table and a retailer's reviews.

The files are read where `LIFECYCLE_DATA` points or in data/; without them the tests skip and say so.
Every figure is counted again with plain pandas, or is stated by those who published the data.
"""

import gzip

import pandas as pd
import pytest
from conftest import first_always, stored_in

from helpers.etl.books import Cleaning, quarantine
from helpers.etl.businesses import (
    beauty_orders,
    clean_reviews,
    clean_sephora,
    clean_telco,
    load_sephora,
    random_split,
    read_sephora,
    read_telco,
    sephora_orders,
    split_customers,
    telco_schema,
    twin_products,
    twins_across,
)
from helpers.etl.businesses.cosmetics import FILES, merge_twins, skin_types
from helpers.etl.chain import ledger
from helpers.etl.combine import join
from helpers.etl.extract import CannotExtract
from helpers.etl.lake import load_lake, read_lake
from helpers.etl.load import load_database, load_warehouse, read_warehouse
from helpers.etl.splits import split_by_time
from helpers.worlds import Shop
from helpers.worlds.shop import sephora_like
from helpers.worlds.shop.reviews import TWINS

WHEN = "2025-03-01T08:00:00"

# --- IBM's customers ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def telco(telco_csv):
    """The real customers, raw and clean, with what was quarantined."""
    raw, provenance = read_telco(telco_csv)
    accepted, refused = quarantine(raw, telco_schema())
    return raw, provenance, refused, clean_telco(accepted)


def test_of_ibms_7043_customers_none_is_quarantined_and_11_totals_are_explained(telco):
    raw, provenance, refused, clean = telco
    assert (provenance.rows, provenance.columns) == (7_043, 21)
    assert len(raw) == len(clean) + len(refused) == 7_043
    assert len(refused) == 0
    blank = raw["TotalCharges"].str.strip().eq("")
    assert blank.sum() == 11
    assert clean.loc[blank.to_numpy(), ["tenure", "TotalCharges"]].eq(0).all(axis=None)
    assert clean.loc[~blank.to_numpy(), "TotalCharges"].gt(0).all()


@pytest.mark.slow
def test_warehouse_lake_and_database_hold_the_same_real_customers_after_a_second_load(
    telco, tmp_path
):
    clean = telco[3]
    for _ in range(2):
        load_warehouse(clean, tmp_path / "operator.duckdb", "customers", key="customerID")
        load_lake(clean, tmp_path / "lake", "customers", by=["Contract"], key="customerID")
        load_database(clean, tmp_path / "operator.sqlite", "customers", key="customerID")
    stored = [
        read_warehouse(tmp_path / "operator.duckdb", "SELECT * FROM customers"),
        read_lake(tmp_path / "lake", "customers"),
        stored_in(tmp_path / "operator.sqlite", "customers"),
    ]
    for table in stored:
        table = table.set_index("customerID").loc[clean["customerID"]].reset_index()
        same = table[list(clean.columns)].astype(clean.dtypes)
        pd.testing.assert_frame_equal(same, clean)
    assert len(list((tmp_path / "lake" / "customers").glob("Contract=*"))) == 3


def test_the_real_customers_split_60_20_20_with_the_same_churn_in_each_part(telco):
    raw, _, _, clean = telco
    parts = split_customers(clean, seed=7)
    assert [len(part) for part in parts] == [4_225, 1_409, 1_409]
    assert sorted(pd.concat(parts)["customerID"]) == sorted(raw["customerID"])
    assert raw["Churn"].eq("Yes").sum() == 1_869  # as published: 26.54 %
    for part in parts:
        assert part["Churn"].eq("Yes").mean() == pytest.approx(1_869 / 7_043, abs=1 / len(part))


# --- the retailer's reviews ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sephora(sephora_folder):
    """What was read, what is clean, and the reviews before twins are merged."""
    extracts = read_sephora(sephora_folder, when=WHEN)
    return extracts, clean_sephora(extracts), clean_reviews(extracts["ratings"].table)


@pytest.fixture(scope="module")
def twins(sephora):
    """The products that share their reviews."""
    return twin_products(sephora[2].table)


@pytest.fixture(scope="module")
def as_pandas(sephora_folder):
    """The reviews as plain pandas reads them: the oracle."""
    return pd.read_csv(sephora_folder / FILES["ratings"], dtype={"user_id": str})


@pytest.mark.slow
def test_every_real_review_and_product_is_read_and_none_is_odd(sephora):
    extracts, cleaned, _ = sephora
    books = ledger(extracts, cleaned).set_index("source")
    assert books["rows_in"].to_dict() == {"ratings": 108_128, "products": 2_155}
    assert books["balanced"].all()
    assert books[["set_aside", "quarantined"]].sum().sum() == 0
    assert extracts["ratings"].provenance.sha256[:8] == "e936f1b2", "the published fingerprint"


@pytest.mark.slow
def test_clean_reviews_are_the_file_under_our_names(sephora, as_pandas):
    table = sephora[2].table
    assert table["customer_id"].nunique() == 50_322
    assert table["rating"].tolist() == as_pandas["rating"].tolist()
    assert round(table["rating"].mean(), 2) == 4.29
    assert table["rated_on"].equals(pd.to_datetime(as_pandas["date"]).astype(table["rated_on"].dtype))  # fmt: skip
    assert table["skin_type"].isna().sum() == as_pandas["skin_type"].isna().sum()
    assert set(table["skin_type"].dropna()) == {"combination", "dry", "normal", "oily"}
    assert not table["skin_tone"].eq("notsurest").any()


@pytest.mark.slow
def test_218_twins_in_101_groups_are_found_and_their_reviews_merged(sephora, twins):
    _, cleaned, reviews = sephora
    assert (len(twins), twins["twin_of"].nunique()) == (218, 101)
    products = cleaned["products"].table.set_index("product_id")
    brands = twins["product_id"].map(products["brand"])
    assert brands.groupby(twins["twin_of"]).nunique().max() == 1, "twins are of one brand"
    assert products["twin_of"].notna().sum() == 218
    # Counted again in another way: names of twins exchanged, then pandas' own duplicates.
    first = twins.set_index("product_id")["twin_of"]
    article = [first.get(one, one) for one in reviews.table["product_id"]]
    again = reviews.table.assign(product_id=article).duplicated(["customer_id", "product_id"]).sum()
    books = cleaned["ratings"].books
    assert (books.rows_in, books.merged) == (108_128, again)
    assert 0.11 < books.merged / books.rows_in < 0.125, "about 12 %, as the data's description says"
    assert len(twin_products(cleaned["ratings"].table)) < 20, "hardly any twin is left"


@pytest.mark.slow
def test_customers_who_contradict_themselves_are_counted_and_get_one_skin_type(sephora, as_pandas):
    people = skin_types(sephora[2].table)
    assert people["customer_id"].is_unique
    again = people[people["reviews"] > 1]
    assert round(again["different"].gt(1).mean(), 3) == 0.040  # as published: 4 %
    sometimes = again["stated"].gt(0) & again["stated"].lt(again["reviews"])
    assert round(sometimes.mean(), 2) == 0.11  # as published: 11 %
    # The rule, counted by hand for those who contradict themselves: the most frequent word wins.
    moody = again.loc[again["different"] > 1, "customer_id"].head(200)
    said = as_pandas[as_pandas["user_id"].isin(moody)]
    chosen = people.set_index("customer_id")["skin_type"]
    for name, own in said.groupby("user_id"):
        modes = own["skin_type"].mode().tolist()
        assert chosen[name] in modes
        if len(modes) > 1:
            latest = own[own["skin_type"].isin(modes)].groupby("skin_type")["date"].max()
            assert latest[chosen[name]] == latest.max()


@pytest.mark.slow
def test_every_real_rating_meets_its_product_once(sephora):
    _, cleaned, _ = sephora
    ratings, products = cleaned["ratings"].table, cleaned["products"].table
    both = join(ratings, products, "product_id", "many-to-one", unmatched="refuse")
    assert len(both) == len(ratings)
    merged_away = products["twin_of"].notna() & products["twin_of"].ne(products["product_id"])
    assert merged_away.sum() == 218 - 101
    assert not ratings["product_id"].isin(products.loc[merged_away, "product_id"]).any()


@pytest.mark.slow
def test_what_a_customer_says_later_is_not_known_earlier(sephora):
    table = sephora[2].table
    then = skin_types(table[table["rated_on"] < "2020-01-01"])
    assert then["reviews"].sum() == table["rated_on"].lt("2020-01-01").sum()
    assert len(then) < skin_types(table)["customer_id"].nunique()


@pytest.mark.slow
def test_prices_and_sizes_are_read_as_the_file_has_them(sephora):
    products = sephora[1]["products"].table
    assert products["price_usd"].median() == 44.0  # in dollars, as the file has it
    litres = products["size"].str.contains("ml", case=False, na=False)
    assert products.loc[~litres, "size_ml"].isna().all()
    assert products.loc[litres, "size_ml"].notna().mean() > 0.98


@pytest.mark.slow
def test_a_split_by_time_gives_away_what_a_random_one_hides(sephora, twins):
    reviews = sephora[2].table
    parts = split_by_time(reviews, "rated_on", "2022-07-01", "2022-10-01")
    drawn = random_split(reviews, parts, seed=7)
    assert [len(part) for part in drawn] == [len(part) for part in parts]
    assert sorted(pd.concat(drawn).index) == sorted(reviews.index)
    assert parts[0]["rated_on"].max() < parts[2]["rated_on"].min()
    assert (drawn[0]["rated_on"] > drawn[2]["rated_on"].min()).mean() > 0.99
    new, new_at_random = (
        1 - test["product_id"].isin(train["product_id"]).mean() for train, _, test in (parts, drawn)
    )
    assert new > 0.3 > 0.01 > new_at_random
    known, known_at_random = (
        test["customer_id"].isin(train["customer_id"]).mean() for train, _, test in (parts, drawn)
    )
    assert known_at_random > known + 0.15
    assert twins_across(drawn[0], drawn[2], twins) > 0.15
    assert twins_across(parts[0], parts[2], twins) < 0.002


@pytest.mark.slow
def test_the_figures_of_the_split_are_those_measured_elsewhere_on_the_same_files(sephora):
    liked = sephora[2].table.query("rating >= 4")
    train, test = liked[liked["rated_on"] < "2022-10-01"], liked[liked["rated_on"] >= "2022-10-01"]
    assert len(test) == 6_412
    assert (
        round(1 - test["customer_id"].isin(train["customer_id"]).mean(), 2) == 0.41
    )  # by customers never seen
    assert round(1 - test["product_id"].isin(train["product_id"]).mean(), 2) == 0.38


@pytest.mark.slow
def test_the_real_ratings_are_loaded_and_come_back(sephora, tmp_path):
    ratings = sephora[1]["ratings"].table
    loaded = load_sephora(sephora[1], tmp_path).set_index("table")
    assert loaded["rows"].to_dict() == {"ratings": len(ratings), "products": 2_155}
    query = "SELECT count(*) AS n, sum(rating) AS stars, count(skin_type) AS stated FROM ratings"
    found = read_warehouse(tmp_path / "sephora.duckdb", query).iloc[0]
    assert found.tolist() == [len(ratings), ratings["rating"].sum(), ratings["skin_type"].notna().sum()]  # fmt: skip
    march = read_lake(tmp_path / "lake", "ratings", "month = '2023-03'")
    assert len(march) == ratings["rated_on"].ge("2023-03-01").sum() > 100


# --- the same chain without the real files ----------------------------------------------------------------


@pytest.fixture(scope="module", params=first_always([1, 2]))
def stand_in(request, tmp_path_factory):
    shop = Shop(customers=300, products=100, seed=request.param)
    return sephora_like(shop, tmp_path_factory.mktemp("stand-in") / "files")


def test_the_stand_in_has_the_columns_and_the_traps_of_the_real_files(stand_in):
    extracts = read_sephora(stand_in, when=WHEN)
    reviews = clean_reviews(extracts["ratings"].table).table
    assert str(reviews["rated_on"].max())[:10] == "2023-03-21"
    twins = twin_products(reviews)
    reviewed = reviews.loc[~reviews["product_id"].str.startswith("P9"), "product_id"].nunique()
    pairs = round(TWINS * reviewed)
    assert (len(twins), twins["twin_of"].nunique()) == (2 * pairs, pairs)
    assert pairs >= 3
    minis = set(twins["product_id"]) - set(twins["twin_of"])
    names = extracts["products"].table.set_index("product_id")["product_name"]
    assert all(names[one].startswith("Mini ") for one in minis)
    people = skin_types(reviews)
    assert people["different"].max() == 2
    assert 0.05 < reviews["skin_type"].isna().mean() < 0.4


def test_the_chain_runs_on_the_stand_in_twice_with_the_same_tables(stand_in, tmp_path):
    for _ in range(2):
        extracts = read_sephora(stand_in, when=WHEN)
        cleaned = clean_sephora(extracts)
        loaded = load_sephora(cleaned, tmp_path).set_index("table")
        assert ledger(extracts, cleaned)["balanced"].all()
        rows = {name: len(one.table) for name, one in cleaned.items()}
        assert loaded["rows"].to_dict() == rows
        assert loaded.loc["ratings", "lake_rows"] == rows["ratings"]
    reviews = clean_reviews(extracts["ratings"].table).table
    twins = twin_products(reviews)
    parts = split_by_time(reviews, "rated_on", "2022-07-01", "2022-10-01")
    drawn = random_split(reviews, parts, seed=7)
    assert parts[0]["rated_on"].max() < parts[2]["rated_on"].min()
    assert drawn[0]["rated_on"].max() > drawn[2]["rated_on"].min()
    assert twins_across(parts[0], parts[2], twins) < twins_across(drawn[0], drawn[2], twins)


def test_the_stand_in_is_the_same_for_the_same_seed(tmp_path):
    written = [sephora_like(Shop(60, 40, seed=3), tmp_path / name) for name in "ab"]
    for file in FILES.values():
        assert (written[0] / file).read_bytes() == (written[1] / file).read_bytes()


def test_a_file_with_other_columns_is_refused(tmp_path):
    (tmp_path / FILES["ratings"]).write_bytes(b"user_id,stars\n1,5\n")
    with pytest.raises(CannotExtract, match="product_id"):
        read_sephora(tmp_path)


def test_bad_reviews_go_to_quarantine_and_later_ones_win_over_earlier():
    rows = [["a", "P2", "2023-01-05", "4", "1", "dry", ""], ["a", "P1", "2023-01-01", "5", "1", "dry", ""],
            ["b", "P1", "2023-01-01", "9", "1", "", ""], ["b", "P2", "yesterday", "4", "1", "", ""]]  # fmt: skip
    columns = ["user_id", "product_id", "date", "rating", "recommended", "skin_type", "skin_tone"]
    done = clean_reviews(pd.DataFrame(rows, columns=columns, dtype="str"))
    assert sorted(done.books.quarantined) == [
        "no date of the review",
        "rating is none of 1 to 5",
    ]
    twins = pd.DataFrame({"product_id": ["P1", "P2"], "twin_of": ["P1", "P1"], "reviews": [2, 1]})
    merged = merge_twins(done, twins)
    assert merged.table[["product_id", "rating"]].to_numpy().tolist() == [["P1", 4]]
    assert (merged.books.rows_in, merged.books.merged) == (4, 1)
    assert len(merged.quarantined) == 2


def test_two_cleanings_in_a_row_have_one_account_or_none():
    first = Cleaning("sales", pd.DataFrame({"line_id": [1, 1, 2]}))
    first.merge("line_id")
    strangers = Cleaning("sales", pd.DataFrame({"line_id": [7]})).done()
    with pytest.raises(ValueError, match="took 1 rows, but the first left 2"):
        first.done().followed_by(strangers)


def test_orders_without_dates_get_made_up_ones_that_keep_their_order(tmp_path):
    (tmp_path / "amazon_beauty_sequences.txt").write_text("1 10 20 30\n2 20\n", encoding="utf-8")
    (tmp_path / "amazon_beauty_items.csv.gz").write_bytes(
        gzip.compress(
            b"item_id,asin,title,category,attribute_codes\n10,B1,Balm,Makeup,1 2\n20,B2,Oil,Makeup,3\n"
        )
    )
    orders, products = beauty_orders(tmp_path)
    last = pd.Timestamp("2014-07-01")
    ago = [2, 1, 0, 0]
    assert orders["customer_id"].tolist() == [1, 1, 1, 2]
    assert orders["product_id"].tolist() == [10, 20, 30, 20]
    assert orders["ordered_at"].tolist() == [last - pd.Timedelta(days=366 * one) for one in ago]
    assert products["launched_on"].tolist() == [
        last - pd.Timedelta(days=366 * one) for one in (2, 1)
    ]
    with pytest.raises(CannotExtract, match="sephora_a_reviews.csv.gz was expected in the folder"):
        sephora_orders(tmp_path)


def test_a_liked_review_is_an_order_and_the_first_review_a_launch(stand_in):
    orders, products = sephora_orders(stand_in)
    reviews = pd.read_csv(stand_in / FILES["ratings"])
    assert len(orders) == (reviews["rating"] >= 4).sum()
    first = reviews.groupby("product_id")["date"].min()
    known = products.dropna(subset="launched_on").set_index("product_id")["launched_on"]
    assert (known == pd.to_datetime(first.reindex(known.index))).all()
