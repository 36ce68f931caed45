"""`helpers.prose` and `helpers.plots`: what a cell shows, and what each picture draws."""

import base64
import html
import json
import re

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

mpl.use("Agg")

import matplotlib.pyplot as plt
from conftest import first_always
from IPython.utils.capture import capture_output
from matplotlib.colors import to_hex
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from helpers import prose
from helpers.lifecycle import Stage
from helpers.plots import (
    BLUE,
    ORANGE,
    plot_dots,
    plot_hundred,
    plot_loop,
    plot_months,
    plot_profit,
    plot_shares,
    show,
    use_style,
)
from helpers.prose import say

SHARES = pd.Series({"Month-to-month": 0.427, "One year": 0.113, "Two year": 0.028})
CURVE = pd.DataFrame({"threshold": [0.0, 0.2, 0.5], "profit_eur": [19_805.0, 25_282.0, 17_381.0]})
STEPS = pd.DataFrame(
    {"before": [0.85, 0.74], "after": [0.71, 0.73]}, index=["logistic", "majority"]
)
HUNDRED = pd.Series({"hit": 0.148, "miss": 0.117, "wasted call": 0.075, "left in peace": 0.66})
ALT = "Three bars: monthly contracts leave most often."


@pytest.fixture(autouse=True)
def no_figure_left_open():
    """Start and end without figures, in the course's look, and give the old look back."""
    with mpl.rc_context():
        plt.close("all")
        use_style()
        yield
        plt.close("all")


@pytest.fixture
def shown(monkeypatch):
    """Collect what is displayed as (MIME type -> content, metadata)."""
    outputs = []
    monkeypatch.setattr(prose, "display", lambda output: outputs.append(output._repr_mimebundle_()))
    return outputs


def texts_of(ax):
    return [text.get_text().strip() for text in ax.texts]


# say


def test_say_fills_the_figures_into_the_sentence_and_into_the_metadata(shown):
    say("AUC **{auc:.3f}** on {rows:,} rows of {source}.", auc=0.84521, rows=7043, source="IBM")
    ((data, metadata),) = shown
    sentence = "AUC **0.845** on 7,043 rows of IBM."
    assert data == {"text/plain": sentence, "text/markdown": sentence}
    assert metadata == {"figures": {"auc": 0.84521, "rows": 7043, "source": "IBM"}}


def test_say_stores_numpy_figures_as_json_with_six_digits(shown):
    say(
        "{share} {count} {seen}",
        share=np.float64(2 / 3),
        count=np.int64(123_456_789),
        seen=np.bool_(True),
    )
    ((_, metadata),) = shown
    assert json.loads(json.dumps(metadata)) == {
        "figures": {"share": 0.666667, "count": 123_456_789, "seen": True}
    }


def test_say_reaches_ipython_as_a_rich_output():
    with capture_output() as captured:
        say("{rows} rows", rows=3)
    # Without a notebook IPython prints the plain text.
    assert captured.stdout == "3 rows\n" or captured.outputs[0].data["text/markdown"] == "3 rows"


def test_say_without_a_figure_for_a_field_names_the_field(shown):
    with pytest.raises(KeyError, match="auc"):
        say("AUC {auc:.3f}", rows=7043)
    assert shown == []


# show


def test_show_carries_alt_and_caption_escaped_and_the_picture_as_png(shown):
    alt, caption = "Bars <\"a\" & 'b'> side by side", "5 < 6 & <b>so</b>"
    show(plot_shares(SHARES, "share"), alt=alt, caption=caption)
    ((data, _),) = shown
    assert data["text/plain"] == alt
    page = data["text/html"]
    shape = r'<figure><img alt="([^"<>]*)" src="data:image/png;base64,([^"]*)"><figcaption>([^<>]*)</figcaption></figure>'
    found_alt, encoded, found_caption = re.fullmatch(shape, page).groups()
    assert html.unescape(found_alt) == alt
    assert html.unescape(found_caption) == caption
    assert base64.b64decode(encoded, validate=True).startswith(b"\x89PNG\r\n\x1a\n")


def test_show_without_a_caption_has_no_empty_one(shown):
    show(plot_shares(SHARES, "share"), alt=ALT)
    assert "figcaption" not in shown[0][0]["text/html"]


@pytest.mark.parametrize("take", [lambda ax: ax, lambda ax: ax.figure], ids=["axes", "figure"])
def test_show_takes_axes_or_a_figure_and_closes_that_figure_only(shown, take):
    other = plt.figure()
    show(take(plot_shares(SHARES, "share")), alt=ALT)
    assert plt.get_fignums() == [other.number]
    assert len(shown) == 1


@pytest.mark.parametrize("alt", ["", "A plot.", "nineteen characters", " " * 40 + "short"])
def test_an_alt_that_says_too_little_is_refused_with_what_to_write(shown, alt):
    with pytest.raises(ValueError, match=r"at least 20 characters; got .*Write what a reader"):
        show(plot_shares(SHARES, "share"), alt=alt)
    assert shown == []


def test_an_alt_of_twenty_characters_is_enough(shown):
    show(plot_shares(SHARES, "share"), alt="x" * 20)
    assert len(shown) == 1


@pytest.mark.parametrize(
    "draw",
    first_always(
        [
            lambda: plot_dots(STEPS, "Accuracy", floor=0.8),
            lambda: plot_loop(Stage.DATA_PREPARATION),
            lambda: plot_shares(SHARES, "share", reference=0.265, reference_label="all"),
            lambda: plot_profit(CURVE, {"break-even": 0.133}, {"call everybody": 19_805.0}),
        ]
    ),
    ids=["before and after", "loop", "shares", "profit"],
)
def test_the_same_picture_twice_gives_the_same_bytes(shown, draw):
    show(draw(), alt=ALT)
    show(draw(), alt=ALT)
    assert shown[0] == shown[1]


# the style


def test_the_style_tells_lines_apart_by_colour_and_by_marker():
    cycle = mpl.rcParams["axes.prop_cycle"].by_key()
    assert len(set(cycle["color"])) == len(set(cycle["marker"])) == len(cycle["color"]) == 7
    assert mpl.rcParams["image.cmap"] == "cividis"
    assert not mpl.rcParams["axes.spines.top"]


def test_using_the_style_twice_changes_nothing_more():
    first = dict(mpl.rcParams)
    use_style()
    assert dict(mpl.rcParams) == first


# the pictures


def test_the_loop_shows_the_five_stages_and_fills_the_present_one_only():
    ax = plot_loop(Stage.DATA_PREPARATION)
    boxes = [patch for patch in ax.patches if isinstance(patch, FancyBboxPatch)]
    filled = [to_hex(box.get_facecolor()) == BLUE.lower() for box in boxes]
    # Five stages in their order, then production.
    assert filled == [False, False, True, False, False, False]
    written = [" ".join(text.split()) for text in texts_of(ax)]
    assert written[:5] == [f"{stage.value} {stage.title}" for stage in Stage]
    assert written[5] == "Production and monitoring"
    # 4 from stage to stage, 1 to production, 5 back to each stage.
    arrows = [patch for patch in ax.patches if isinstance(patch, FancyArrowPatch)]
    assert len(arrows) == 10
    assert sum(arrow.get_linestyle() in {"--", "dashed"} for arrow in arrows) == 5


def test_the_loop_without_a_present_stage_fills_none():
    boxes = [patch for patch in plot_loop().patches if isinstance(patch, FancyBboxPatch)]
    assert {to_hex(box.get_facecolor()) for box in boxes} == {"#ffffff"}


def test_shares_are_bars_as_wide_as_the_table_says_from_top_to_bottom():
    ax = plot_shares(SHARES, "share of customers who left")
    assert [bar.get_width() for bar in ax.patches] == SHARES.tolist()
    assert [label.get_text() for label in ax.get_yticklabels()] == SHARES.index.tolist()
    assert texts_of(ax) == ["42.7%", "11.3%", "2.8%"]
    assert ax.yaxis_inverted()
    assert ax.get_xlabel() == "share of customers who left"
    assert ax.get_xlim()[1] > 0.427


def test_a_reference_is_a_dashed_line_with_its_name_and_value():
    ax = plot_shares(SHARES, "share", reference=0.265, reference_label="all customers")
    (line,) = ax.lines
    assert list(line.get_xdata()) == [0.265, 0.265]
    assert line.get_linestyle() == "--"
    assert "all customers 26.5%" in texts_of(ax)
    assert ax.get_xlim()[1] > 0.427


def test_a_reference_beyond_the_bars_is_inside_the_picture():
    assert plot_shares(SHARES, "share", reference=0.8).get_xlim()[1] > 0.8


def test_shares_of_nothing_are_drawn_without_a_warning(recwarn):
    ax = plot_shares(pd.Series({"nobody": 0.0}), "share")
    assert ax.get_xlim() == (0.0, 1.0)
    assert not recwarn.list


def test_the_profit_curve_runs_through_the_table_and_marks_thresholds_and_rules():
    ax = plot_profit(CURVE, {"break-even": 0.133, "one half": 0.5}, {"call everybody": 19_805.0})
    curve, rule, *thresholds = ax.lines
    assert list(curve.get_xdata()) == [0.0, 0.2, 0.5]
    assert list(curve.get_ydata()) == [19_805.0, 25_282.0, 17_381.0]
    assert list(rule.get_ydata()) == [19_805.0, 19_805.0]
    assert [line.get_xdata()[0] for line in thresholds] == [0.133, 0.5]
    assert {to_hex(line.get_color()) for line in thresholds} == {ORANGE.lower()}
    assert texts_of(ax) == ["call everybody", "break-even (0.133)", "one half (0.5)"]
    assert "EUR" in ax.get_ylabel()
    assert "probability" in ax.get_xlabel()


@pytest.mark.parametrize("column", ["threshold", "profit_eur"])
def test_a_profit_curve_without_its_columns_is_refused(column):
    with pytest.raises(ValueError, match=rf"curve lacks the column\(s\) {column};"):
        plot_profit(CURVE.drop(columns=column), {}, {})


def test_the_hundred_are_a_hundred_and_their_kinds_are_written_beside_them():
    ax = plot_hundred(HUNDRED)
    assert texts_of(ax) == ["15 hit", "11 miss", "8 wasted call", "66 left in peace"]
    drawn = [len(dots.get_offsets()) for dots in ax.collections]
    assert drawn == [15, 15, 11, 8, 8, 66], "who is called has a ring around the dot"
    pale = [dots.get_alpha() < 1 for dots in plot_hundred(HUNDRED, ["miss"]).collections]
    assert pale == [True, True, False, True, True, True]


def test_nobody_of_a_kind_is_drawn_and_named_nowhere():
    ax = plot_hundred(pd.Series({"miss": 0.25, "left in peace": 0.75}))
    assert texts_of(ax) == ["25 miss", "75 left in peace"]


@pytest.mark.parametrize(
    ("shares", "looks_at", "expected"),
    [
        (HUNDRED.rename({"hit": "hits"}), ["miss"], "got 'hits'"),
        (HUNDRED, ["calls"], "got 'calls'"),
        (100 * HUNDRED, ["miss"], "adds up to 1 .* got 100"),
    ],
)
def test_kinds_that_nobody_knows_and_counts_instead_of_shares_are_refused(
    shares, looks_at, expected
):
    with pytest.raises(ValueError, match=expected):
        plot_hundred(shares, looks_at)


def test_dots_are_one_kind_per_column_at_the_values_of_the_table():
    ax = plot_dots(STEPS, "Accuracy")
    assert [list(line.get_xdata()) for line in ax.lines] == [[0.85, 0.74], [0.71, 0.73]]
    assert [list(line.get_ydata()) for line in ax.lines] == [[0, 1], [0, 1]]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["logistic", "majority"]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["before", "after"]
    assert len({line.get_color() for line in ax.lines}) == 2
    assert len({line.get_marker() for line in ax.lines}) == 2
    assert ax.get_ylim()[0] > ax.get_ylim()[1], "the first row is on top"


def test_the_agreed_floor_is_drawn_when_there_is_one():
    ax = plot_dots(STEPS, "Accuracy", floor=0.8)
    assert list(ax.lines[-1].get_xdata()) == [0.8, 0.8]
    assert ax.get_legend().get_texts()[-1].get_text() == "floor 0.80"
    assert len(ax.lines) == 3


DRAW = {
    "loop": (lambda _, ax: plot_loop(ax=ax), STEPS),
    "shares": (lambda table, ax: plot_shares(table, "share", ax=ax), SHARES),
    "profit": (lambda table, ax: plot_profit(table, {}, {}, ax=ax), CURVE),
    "hundred": (lambda table, ax: plot_hundred(table, ax=ax), HUNDRED),
    "dots": (lambda table, ax: plot_dots(table, "share", ax=ax), STEPS),
}


@pytest.mark.parametrize("name", DRAW)
def test_each_plot_draws_on_the_axes_given_returns_them_and_leaves_its_table_alone(name):
    draw, table = DRAW[name]
    before = table.copy()
    figure, ax = plt.subplots()
    assert draw(table, ax) is ax
    assert plt.get_fignums() == [figure.number]
    assert ax.has_data() or ax.patches
    (pd.testing.assert_series_equal if table.ndim == 1 else pd.testing.assert_frame_equal)(
        table, before
    )


@pytest.mark.parametrize("name", DRAW)
def test_each_plot_makes_a_figure_of_its_own_when_given_none(name):
    draw, table = DRAW[name]
    other = plt.figure()
    ax = draw(table, None)
    assert ax.figure is not other
    assert len(plt.get_fignums()) == 2


def test_months_are_drawn_one_line_a_column_with_labels_kept_apart_and_events_named():
    year = pd.DataFrame(
        {"frozen": [0.8, 0.7], "tended": [0.8, 0.85], "twin": [0.8, 0.851]}, index=[1, 2]
    )
    ax = plot_months(year, ylabel="Visits", events={2: "launches"})
    assert [line.get_ydata().tolist() for line in ax.lines[:3]] == year.T.to_numpy().tolist()
    heights = {text.get_text().strip(): text.xy[1] for text in ax.texts}
    assert heights["frozen"] == 0.7
    assert heights["twin"] - heights["tended"] > 0.005, "the two would cover each other"
    assert "launches" in heights
    assert ax.get_ylabel() == "Visits"


def test_a_line_that_ends_early_is_named_at_its_last_month():
    ax = plot_months(pd.DataFrame({"late labels": [0.8, 0.7, None]}, index=[1, 2, 3]), ylabel="x")
    assert ax.texts[0].xy[1] == pytest.approx(0.7)
