"""`helpers.etl.combine`: names find the one row they fit, and never a wrong one."""

import pandas as pd
import pytest
from conftest import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.etl.combine import match_by_name
from helpers.worlds import Shop
from helpers.worlds.incidents import Incident
from helpers.worlds.sources import Sources, SourcesTruth

NAMES = st.lists(st.sampled_from(["Dew", "dew", "D.e w", "Mist", None]), max_size=8)


def table(lines, **columns):
    return pd.DataFrame({"line": pd.array(lines, dtype="str"), **columns})


@settings(max_examples=examples(60))
@given(NAMES, NAMES)
def test_a_match_is_the_only_row_of_ours_and_of_theirs_with_that_name(theirs, ours):
    def bare(name):
        return None if name is None else name.replace(".", "").replace(" ", "").lower()

    found = match_by_name(table(theirs), table(ours, product_id=range(len(ours))), ["line"], "product_id")  # fmt: skip
    assert len(found) == len(theirs)
    for name, product, match in zip(theirs, found["product_id"], found["match"], strict=True):
        fits = [n for n, own in enumerate(ours) if own is not None and bare(own) == bare(name)]
        claims = sum(bare(other) == bare(name) for other in theirs)
        expected = "none" if not fits else "one" if len(fits) == 1 == claims else "several"
        assert match == expected
        assert product == fits[0] if match == "one" else pd.isna(product)


def test_numbers_are_compared_as_numbers_and_the_rows_keep_their_index():
    ours = table(["Balm", "Balm"], size_ml=[50, 75], product_id=["a", "b"])
    theirs = table(["BALM", "balm", "balm"], size_ml=[75.0, 50.0, None]).set_axis([9, 8, 7])
    found = match_by_name(theirs, ours, ["line", "size_ml"], "product_id")
    assert found["match"].to_dict() == {9: "one", 8: "one", 7: "none"}
    assert found.loc[[9, 8], "product_id"].tolist() == ["b", "a"]
    assert found.loc[7].isna()["product_id"]


def test_a_repeated_key_or_a_missing_column_is_refused():
    with pytest.raises(ValueError, match="repeats 1 product_id"):
        match_by_name(table(["a"]), table(["a", "b"], product_id=[1, 1]), ["line"], "product_id")
    with pytest.raises(ValueError, match="lacks the column"):
        match_by_name(table(["a"]), table(["a"], product_id=[1]), ["brand"], "product_id")


@pytest.mark.parametrize("seed", [1, 2])
def test_every_score_of_the_partner_that_finds_a_product_finds_the_true_one(seed, tmp_path):
    shop = Shop(customers=60, products=120, seed=seed, incidents=[Incident("new_goal", month=1)])
    sources = Sources(shop, tmp_path / "shop", months=1)
    sources.lay_down()
    true = SourcesTruth(sources).clean("sustainability")
    products = shop.history()["products"]
    lines = [name.removeprefix(brand) for name, brand in zip(products["name"], products["brand"], strict=True)]  # fmt: skip
    ours = products.assign(line=lines)
    theirs = true.assign(
        brand=true["maker"].str.removesuffix(" LTD"),
        line=true["title"].str.split(" / ").str[0],
        size_ml=true["title"].str.extract(r"(\d+)ML", expand=False).astype(float),
    ).rename(columns={"product_id": "truth"})
    found = match_by_name(theirs, ours, ["brand", "line", "size_ml"], "product_id")
    one = found["match"].eq("one")
    assert (found.loc[one, "product_id"] == found.loc[one, "truth"]).all()
    alike = products.duplicated(["name", "size_ml"], keep=False)
    assert one.sum() == (~alike).sum() > 90


def test_a_name_without_letters_matches_nothing():
    ours = pd.DataFrame({"product_id": [1, 2], "line": ["-", "Balm"]})
    theirs = pd.DataFrame({"line": [" ", "BALM", ""]})
    found = match_by_name(theirs, ours, ["line"], "product_id")
    assert found["match"].tolist() == ["none", "one", "none"]
