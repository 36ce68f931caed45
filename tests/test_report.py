"""`helpers.monitoring.report`: one page that says what rang, with nothing fetched from elsewhere."""

import io
import re

import pandas as pd
import pytest
from bs4 import BeautifulSoup
from matplotlib.figure import Figure

from helpers.monitoring.data_quality import finding, signals
from helpers.monitoring.report import page


def png():
    stored = io.BytesIO()
    figure = Figure()
    figure.subplots().plot([1, 2])
    figure.savefig(stored, format="png")
    return stored.getvalue()


ALERTS = signals([finding("range", "invoices", 0.31, 0, "sent in <cents> & late")])


def test_the_page_tells_alarms_pictures_and_tables_and_fetches_nothing():
    tables = {
        "Rows & days": pd.DataFrame({"table": ["<b>"], "rows": [3.0]}),
        "None": pd.DataFrame({"a": []}),
    }
    text = page({"Accuracy by month": (png(), "A line that falls in May.")}, tables, ALERTS, "May")
    soup = BeautifulSoup(text, "html.parser")
    assert soup.title.text == soup.h1.text == "May"
    assert soup.select_one(".alarm strong").text == "sent in <cents> & late"
    assert "value: 0.31" in soup.select_one(".alarm").text
    assert soup.img["alt"] == "A line that falls in May."
    assert soup.figcaption.text == "Accuracy by month"
    assert [one.text for one in soup.find_all("h2")] == ["Rows & days", "None"]
    assert soup.td.text == "<b>"
    assert "Nothing found." in text
    assert not re.search(r"(src|href)=.(?!data:)|url\(|@import|<script", text)
    assert len(text) < 1_000_000


def test_a_quiet_month_says_so():
    assert "Nothing rang." in page({}, {}, signals([]))


@pytest.mark.parametrize(
    ("pictures", "alerts", "said"),
    [
        ({"a": (b"<svg>", "What is seen.")}, ALERTS, "should be the bytes of a PNG"),
        ({"a": (b"\x89PNG", " ")}, ALERTS, "with a sentence"),
        ({}, pd.DataFrame({"what": ["x"]}), "alerts need a column because"),
    ],
)
def test_what_cannot_be_shown_is_refused(pictures, alerts, said):
    with pytest.raises(ValueError, match=said):
        page(pictures, {}, alerts)
