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
    GREY,
    ORANGE,
    plot_boards,
    plot_calibration,
    plot_dots,
    plot_draws,
    plot_errors,
    plot_fit,
    plot_folds,
    plot_groups,
    plot_hundred,
    plot_hundreds,
    plot_intervals,
    plot_loop,
    plot_lowest,
    plot_months,
    plot_panels,
    plot_profit,
    plot_ranks,
    plot_roc,
    plot_rungs,
    plot_shares,
    plot_steps,
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
ROC = pd.DataFrame(
    {
        "threshold": [np.inf, 0.9, 0.4, 0.1],
        "stayers_called": [0.0, 0.0, 0.5, 1.0],
        "leavers_called": [0.0, 0.6, 0.8, 1.0],
    }
)
LOSSES = pd.DataFrame({"squared": [3.0, 2.0, 1.0], "absolute": [4.0, 2.0, 6.0]}, [10, 20, 30])
BOARDS = pd.DataFrame({"popular": ["cream", "soap"], "hybrid": ["gel", ""]})
JUDGED = pd.DataFrame(
    {"offline": [0.9, 0.8, 0.7], "in play": [0.5, 0.7, 0.6]}, ["svd", "trend", "content"]
)
RANGES = pd.DataFrame(
    {"recall": [0.2, 0.7], "low": [0.1, 0.6], "high": [0.4, 0.8], "taken": [False, True]},
    index=["Two year", "One year"],
)
PROMISED = pd.DataFrame({"predicted": [0.1, 0.6], "happened": [0.2, 0.5]})
RUNGS = pd.Series({"contract only": 0.74, "logistic": 0.84, "boosting": 0.86})
NUMBERS = pd.Series({"boosting": 819, "logistic": 42, "contract only": 3})
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


def test_a_line_at_zero_is_drawn_when_asked_for():
    assert len(plot_dots(STEPS, "difference").lines) == 2
    assert list(plot_dots(STEPS, "difference", zero=True).lines[-1].get_xdata()) == [0, 0]


def test_each_threshold_stands_on_the_roc_curve_where_that_many_are_called():
    ax = plot_roc(ROC, {"break-even": 0.2, "one half": 0.5})
    curve, coin, *dots = ax.lines
    assert list(curve.get_xdata()) == ROC["stayers_called"].tolist()
    assert list(curve.get_ydata()) == ROC["leavers_called"].tolist()
    assert list(coin.get_ydata()) == [0, 1]
    # At 0.2 everybody from 0.4 on is called, at 0.5 everybody from 0.9 on.
    assert [(dot.get_xdata()[0], dot.get_ydata()[0]) for dot in dots] == [(0.5, 0.8), (0.0, 0.6)]
    assert texts_of(ax) == ["break-even", "one half"]


def test_hundreds_are_panels_with_titles_and_each_looks_at_its_own_kinds():
    figure = plot_hundreds(
        {"accuracy": HUNDRED, "recall": HUNDRED}, [["miss"], list(HUNDRED.index)]
    )
    assert [ax.get_title(loc="left") for ax in figure.axes[:2]] == ["accuracy", "recall"]
    pale = [[dots.get_alpha() < 1 for dots in ax.collections] for ax in figure.axes[:2]]
    assert pale == [[True, True, False, True, True, True], [False] * 6]
    assert not figure.axes[2].axison, "a third panel that has nobody is not drawn"


def test_hundreds_look_at_all_kinds_unless_told():
    (ax,) = plot_hundreds({"all": HUNDRED}, columns=1).axes
    assert all(dots.get_alpha() == 1 for dots in ax.collections)


def test_the_line_of_a_fit_is_the_nearest_one():
    dots, line = plot_fit(pd.Series([0, 1, 2]), pd.Series([1, 3, 5])).lines
    assert list(dots.get_ydata()) == [1, 3, 5]
    assert line.get_xdata() == pytest.approx([0, 2])
    assert line.get_ydata() == pytest.approx([1, 5])


def test_folds_are_lines_from_before_to_after_and_dots_of_their_difference():
    lines, dots = plot_folds(STEPS, "ROC-AUC").axes
    drawn = [line.get_ydata().tolist() for line in lines.lines]
    assert drawn == STEPS.to_numpy().tolist()
    assert [label.get_text() for label in lines.get_xticklabels()] == ["before", "after"]
    zero, differences = dots.lines
    assert list(zero.get_xdata()) == [0, 0]
    assert differences.get_xdata() == pytest.approx([0.71 - 0.85, 0.73 - 0.74])
    assert dots.get_xlabel() == "difference of ROC-AUC"


def test_steps_are_rows_with_dots_bar_and_what_became_of_them():
    folds = {"One year": np.array([0.6, 0.8]), "Two year": np.array([0.1, 0.3])}
    rows = plot_steps(folds, RANGES, "difference").axes
    assert [ax.get_title(loc="left") for ax in rows] == ["One year: taken", "Two year: not taken"]
    drawn = [[list(line.get_xdata()) for line in ax.lines] for ax in rows]
    assert drawn == [[[0.6, 0.8], [0.6, 0.8], [0, 0]], [[0.1, 0.3], [0.1, 0.4], [0, 0]]]
    assert [ax.get_xlabel() for ax in rows] == ["", "difference"]


def test_rungs_carry_their_figure_and_size_and_the_chosen_one_is_large():
    ax = plot_rungs(RUNGS, NUMBERS, "logistic", "ROC-AUC")
    all_of_them, chosen = ax.lines
    assert list(all_of_them.get_xdata()) == RUNGS.tolist()
    rungs = [label.get_text() for label in ax.get_yticklabels()]
    assert rungs == ["contract only (3)", "logistic (42)", "boosting (819)"]
    assert (list(chosen.get_xdata()), list(chosen.get_ydata())) == ([0.84], [1])
    assert chosen.get_markersize() > all_of_them.get_markersize()
    assert texts_of(ax) == ["0.740", "0.840", "0.860"]


def test_draws_are_counted_in_bars_and_the_floor_is_named():
    ax = plot_draws([1.0, 2.0, 2.0, 5.0], 3.0, "gain, EUR")
    assert sum(bar.get_height() for bar in ax.patches) == 4
    assert list(ax.lines[0].get_xdata()) == [3.0, 3.0]
    assert texts_of(ax) == ["the floor"]
    assert ax.get_xlabel() == "gain, EUR"


def test_intervals_are_bars_with_a_dot_from_top_to_bottom_and_a_reference():
    ax = plot_intervals(RANGES, "recall", "share found", reference=0.9)
    (bars,) = ax.collections
    assert [part[:, 0].tolist() for part in bars.get_segments()] == [[0.1, 0.4], [0.6, 0.8]]
    dots, reference = ax.lines
    assert list(dots.get_xdata()) == [0.2, 0.7]
    assert list(reference.get_xdata()) == [0.9, 0.9]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["Two year", "One year"]
    assert ax.yaxis_inverted()


@pytest.mark.parametrize(
    ("draw", "lacking"),
    [
        (lambda: plot_intervals(RANGES, "precision", "share", 0.9), "precision"),
        (lambda: plot_roc(CURVE, {}), "stayers_called"),
        (lambda: plot_calibration(CURVE, CURVE["threshold"], CURVE["threshold"] > 0), "predicted"),
        (lambda: plot_steps({}, SHARES.to_frame(), "difference"), "low"),
    ],
)
def test_a_picture_without_its_columns_is_refused_by_their_names(draw, lacking):
    with pytest.raises(ValueError, match=rf"lacks the column\(s\) .*{lacking}"):
        draw()


def test_calibration_shows_promised_against_happened_and_a_tick_for_each_customer():
    chance, left = pd.Series([0.1, 0.4, 0.7]), pd.Series([False, True, True])
    kept, curve, above, below = plot_calibration(PROMISED, chance, left).lines
    assert kept.get_linestyle() == "--"
    assert list(curve.get_xdata()) == [0.1, 0.6]
    assert list(curve.get_ydata()) == [0.2, 0.5]
    assert (list(above.get_xdata()), set(above.get_ydata())) == ([0.4, 0.7], {1.05})
    assert (list(below.get_xdata()), set(below.get_ydata())) == ([0.1], {-0.05})


def colours_of(dots):
    """The colour of each point of a scatter."""
    return [to_hex(one).upper() for one in dots.get_facecolors()]


def test_errors_lie_over_their_guess_and_the_marked_are_orange():
    ax = plot_errors([10, 20], [-1, 2], pd.Series([True, False]), "guessed, EUR", "error, EUR")
    (dots,) = ax.collections
    assert dots.get_offsets().tolist() == [[10, -1], [20, 2]]
    assert colours_of(dots) == [ORANGE, BLUE]
    assert list(ax.lines[0].get_ydata()) == [0, 0]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("guessed, EUR", "error, EUR")


def test_each_loss_has_a_dot_at_its_lowest_point_and_its_name_below():
    ax = plot_lowest(LOSSES, "amount, EUR", "EUR")
    assert texts_of(ax) == ["absolute: 20 EUR", "squared: 30 EUR"]
    first, dot, second, other = ax.lines
    assert list(first.get_ydata()) == [2, 1, 3]
    assert list(second.get_ydata()) == [3, 2, 1]
    assert [(one.get_xdata()[0], one.get_ydata()[0]) for one in (dot, other)] == [(20, 1), (30, 1)]


def test_groups_show_the_same_points_in_other_colours():
    figure = plot_groups(LOSSES, {"as it is": [0, 0, 1], "scaled": [0, 1, 1]})
    left, right = figure.axes
    assert [ax.get_title("left") for ax in figure.axes] == ["as it is", "scaled"]
    (one,), (other,) = left.collections, right.collections
    assert one.get_offsets().tolist() == other.get_offsets().tolist() == LOSSES.to_numpy().tolist()
    assert one.get_array().tolist() == [0, 0, 1]
    assert (left.get_xlabel(), left.get_ylabel()) == ("squared", "absolute")


def test_panels_share_one_scale_and_say_the_sign_by_color():
    figure = plot_panels(pd.DataFrame({"new": [0.5, -1], "old": [1, 2]}, ["use", "age"]), "{:.1f}")
    new, old = figure.axes
    assert [bar.get_width() for bar in new.patches] == [0.5, -1]
    assert [to_hex(bar.get_facecolor()).upper() for bar in new.patches] == [BLUE, ORANGE]
    assert texts_of(old) == ["1.0", "2.0"]
    assert new.get_xlim() == old.get_xlim()
    assert new.yaxis_inverted()
    assert [label.get_text() for label in new.get_yticklabels()] == ["use", "age"]


def test_boards_tick_what_was_bought():
    ax = plot_boards(BOARDS, BOARDS.eq("cream"))
    assert texts_of(ax) == ["popular", "✓ cream", "soap", "hybrid", "gel", ""]
    colours = [text.get_color() for text in ax.texts if text.get_weight() != "bold"]
    assert colours == [BLUE, GREY, GREY, GREY]


def test_ranks_stand_by_the_figures_and_the_title_says_who_moves_most():
    ax = plot_ranks(JUDGED, {"svd": ORANGE})
    assert [list(line.get_ydata()) for line in ax.lines] == [[1, 3], [2, 1], [3, 2]]
    assert ax.lines[0].get_color() == ORANGE
    assert texts_of(ax)[:2] == ["svd", "svd, 50%"]
    assert ax.get_title("left") == "svd: place 1 (offline), 3 (in play)"
    assert ax.yaxis_inverted()


LEFT = pd.Series([True, False])
DRAW = {
    "loop": (lambda _, ax: plot_loop(ax=ax), STEPS),
    "shares": (lambda table, ax: plot_shares(table, "share", ax=ax), SHARES),
    "profit": (lambda table, ax: plot_profit(table, {}, {}, ax=ax), CURVE),
    "hundred": (lambda table, ax: plot_hundred(table, ax=ax), HUNDRED),
    "dots": (lambda table, ax: plot_dots(table, "share", ax=ax), STEPS),
    "roc": (lambda table, ax: plot_roc(table, {"one half": 0.5}, ax=ax), ROC),
    "fit": (lambda table, ax: plot_fit(table["before"], table["after"], ax=ax), STEPS),
    "rungs": (lambda table, ax: plot_rungs(table, NUMBERS, "logistic", "AUC", ax=ax), RUNGS),
    "draws": (lambda table, ax: plot_draws(table, 0.5, "gain", ax=ax), SHARES),
    "errors": (
        lambda table, ax: plot_errors(
            table["before"], table["after"], LEFT, "guess", "error", ax=ax
        ),
        STEPS,
    ),
    "lowest": (lambda table, ax: plot_lowest(table, "amount", "EUR", ax=ax), LOSSES),
    "ranks": (lambda table, ax: plot_ranks(table, {}, ax=ax), JUDGED),
    "intervals": (lambda table, ax: plot_intervals(table, "recall", "share", 0.5, ax=ax), RANGES),
    "calibration": (
        lambda table, ax: plot_calibration(table, table["predicted"], LEFT, ax=ax),
        PROMISED,
    ),
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
