"""`lifecycle play`: a year as a game, kept as its line of acts."""

import re

import pytest

from helpers.course import BadInput
from helpers.course import year as game


@pytest.fixture(scope="module")
def begun():
    return game.Year(7, ["w", "d"])


def test_a_year_draws_one_thing_of_each_kind_in_another_month():
    for seed in range(60):
        happening = game.happening(seed)
        months = [one.month for one in happening]
        assert months == sorted(set(months))
        assert {1 + (month - 2) // 3 for month in months} == {1, 2, 3}
        names = {one.name for one in happening}
        assert [len(names & set(kinds)) for kinds in game._HAPPENS] == [1, 1, 1]
    assert game.happening(3) == game.happening(3)


def test_a_page_tells_what_the_business_knows_and_not_what_happens(begun):
    page = begun.page()
    assert "Month 3 of 12 · seed 7" in page
    assert "found, of those who said" in page
    assert "turnover, EUR" in page
    for one in begun.happening:
        assert one.name not in page
        assert f"month {one.month}," not in page


def test_a_game_is_its_line_and_is_resumed_from_it(begun, tmp_path):
    assert begun.line() == "shop 7: w d"
    game.save(begun, tmp_path)
    again = game.resume(7, tmp_path)
    assert (again.line(), again.eur, again.page()) == (begun.line(), begun.eur, begun.page())
    assert game.resume(8, tmp_path).acts == []


def test_money_is_the_margin_less_what_was_done(begun):
    spent = sum(one["orders"]["price_eur"].sum() for one in begun.months)
    assert begun.eur == pytest.approx(game.MARGIN * spent - game.ACTS["d"][1])


@pytest.mark.parametrize(
    "line", ["", "shop", "shop x: w", "operator 3: w", "shop 3: W", "shop 3; w"]
)
def test_what_is_no_line_is_refused(line):
    with pytest.raises(BadInput, match='like "shop 7'):
        game.read_line(line)


def test_an_unknown_act_and_a_thirteenth_month_are_refused(begun):
    with pytest.raises(BadInput, match="or a table to repair .*; got 'z'"):
        game.Year(7).act("z")
    over = game.Year(7, ["w"] * 11)
    assert over.over
    with pytest.raises(BadInput, match="all are over"):
        over.act("w")


def test_a_catalogue_that_lacks_a_column_trains_nothing_and_says_so():
    year = game.Year(7)
    products = year.shop.products
    year.shop.products = lambda month: products(month).rename(columns={"category": "kind"})
    year.act("t")
    assert year.notes[-1].startswith("not trained, the old model stays: ")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 13))
def test_a_year_can_be_lost_and_won(seed):
    nothing, best = game.bounds(seed)
    assert best > nothing + 5_000
    lost = game.Year(seed, ["customers"] * 11)  # each call-out costs
    won = game.Year(seed)
    while not won.over:
        won.act(game.cure(won))
    assert game.score(lost) < 0 < 40 < game.score(won) < 100.001
    assert game.score(game.Year(seed, ["w"] * 11)) == 0


def test_where_little_was_to_be_won_nobody_is_ranked_by_a_few_euro(begun, monkeypatch):
    monkeypatch.setattr(game, "bounds", lambda _: (begun.eur - 50, begun.eur - 50))
    assert game.score(begun) == pytest.approx(1)


@pytest.mark.slow
def test_a_class_is_ranked_by_playing_its_lines_again(lifecycle_here, tmp_path):
    lines = [
        "ann shop 7: " + "w " * 11,
        "ben shop 7: w d w w w w clicks w t w w",
        "eva shop 7: w w",
    ]
    (tmp_path / "class.txt").write_text("\n".join(lines) + "\n")
    said = lifecycle_here("play", "--rank", tmp_path / "class.txt", cwd=tmp_path)
    assert said.returncode == 0
    assert re.findall("ann|ben|eva", said.stdout)[-1] == "eva"  # not over: no score
    assert len(said.stdout.strip().splitlines()) == 4


@pytest.mark.slow
def test_it_is_played_from_the_command_line_and_goes_on(lifecycle_here, tmp_path):
    first = lifecycle_here("play", "7", "--do", "w t", cwd=tmp_path)
    assert "Month 3 of 12" in first.stdout
    assert "The same command goes on" in first.stdout
    assert (tmp_path / "runs" / "play" / "shop-7.txt").read_text() == "shop 7: w t\n"
    last = lifecycle_here("play", "7", "--do", "w w w w w w w w w", cwd=tmp_path)
    assert "Your score: " in last.stdout
    assert "To share: shop 7: w t w w w w w w w w w" in last.stdout
    refused = lifecycle_here("play", "7", "--again", "--do", "z", cwd=tmp_path)
    assert refused.returncode == 2
    assert "An act is one of" in refused.stderr + refused.stdout
