"""`helpers.etl.load` on a real PostgreSQL server: the same loads as in SQLite."""

import pandas as pd
import pytest
from conftest import stored_in
from test_sources_postgres import database, server  # noqa: F401 (fixtures)

from helpers.etl.load import load_database

SALES = pd.DataFrame({"line_id": [1, 2, 3], "price_eur": [5.0, 6.0, 7.0]})


def test_postgresql_takes_the_same_loads_once_and_whole(database):  # noqa: F811
    for _ in range(2):
        assert load_database(SALES, database, "sales", "line_id") == 3
    later = pd.DataFrame({"line_id": [3, 4], "price_eur": [8.0, 9.0]})
    assert load_database(later, database, "sales", "line_id") == 4
    with pytest.raises(ValueError, match="holds the columns"):
        load_database(later.rename(columns={"price_eur": "cents"}), database, "sales", "line_id")
    with pytest.raises(
        ValueError, match=r"sales could not be stored: .*What was there is unchanged"
    ):
        # A whole number beyond the 64 bits with a sign that the column has.
        load_database(later.head(1).assign(line_id=pd.array([2**63], dtype="uint64")), database, "sales", "line_id")  # fmt: skip
    with pytest.raises(ValueError, match="price_eur of sales holds numbers, the table has texts"):
        load_database(later.assign(price_eur="much"), database, "sales", "line_id")
    with pytest.raises(ValueError, match="line_id of sales holds whole numbers, the table has dec"):
        load_database(later.assign(line_id=[5.0, 5.5]), database, "sales", "line_id")
    stored = stored_in(database, "sales").sort_values("line_id")
    assert stored["price_eur"].tolist() == [5.0, 6.0, 8.0, 9.0]
