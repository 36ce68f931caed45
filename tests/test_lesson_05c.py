"""Lesson 05c: what it says of forms, keys, readiness and staging, on twenty seeds; what a cloud would ask."""

import pytest
import requests
from conftest import SEEDS

from helpers.deployment.service import Service, new_key, running

pytestmark = pytest.mark.slow

STEM = "05c_serve"
STRANGE = ["contract in small letters", "a tariff of tomorrow"]
WRONG = [*STRANGE, "a decimal comma", "a lost comma", "no contract"]


@pytest.mark.parametrize("seed", SEEDS)
def test_what_the_lesson_says_holds_on_every_seed(played, seed):
    figures, cells = played(seed)
    small, guessed, whole, ours = (cells[name] for name in ("small", "guessed", "whole", "ours"))
    assert [small[what][0] for what in WRONG] == [200, 200, 500, 200, 500]
    assert small["contract in small letters"][1] < small["as in the table"][1] - 0.05
    assert len({small[what][1] for what in STRANGE}) == 1  # the model knows neither word
    # A closed form refuses wrong words, and the tariff of tomorrow; an open one answers, and tells.
    assert [guessed[what][0] for what in WRONG] == [422, 422, 422, 200, 422]
    assert [whole[what][0] for what in WRONG] == [422, 422, 422, 200, 422]
    assert [ours[what][0] for what in WRONG] == [200, 200, 422, 200, 422]
    assert [ours[what][2:] for what in WRONG if ours[what][0] == 200] == [("Contract",)] * 2 + [("MonthlyCharges",)]  # fmt: skip
    assert abs(small["a lost comma"][1] - small["as in the table"][1]) > 0.005
    assert (figures["wrong"], figures["quiet"], figures["silent"]) == (5, 1, 0)
    assert small["as in the table"] == whole["as in the table"] == ours["as in the table"]
    form = cells["form_of"](cells["few"])
    for row in cells["few"].to_dict("records"):  # who stands in the few rows passes
        form(request_id="1", fields=row)
    assert 0.3 * figures["asked"] < figures["refused"] <= figures["asked"]
    assert figures["refused"] == cells["rehearsed"]["status"].eq(422).sum()
    assert (figures["wrongly"], figures["failed"]) == (0, 0)
    assert figures["verdict"] == "it may go live"
    none, center, website = [401] * 3, [200, 403, 403], [403, 200, 403]
    assert cells["opened"].to_numpy().tolist() == [none, none, center, website]
    assert cells["two"] == {"no model yet": [200, 503], "ours": [200, 200]}
    today = cells["today"]
    assert today["clicks kept"] == today["with a click"] > 0
    assert cells["evening"]["telemetry"]["status"].eq(200).mean() > 0.95  # the world loses a few
    assert cells["signed"] < ours["as in the table"][1] - 0.05  # two years bind
    before, now = cells["calls"]
    assert len(now) > 30
    assert (before != now).mean() < 0.1  # where nothing happens, a list decides the same


def test_what_was_refused_had_a_word_that_the_few_rows_had_not(played):
    _, cells = played(1)
    asked, few = cells["asked"], cells["few"]
    strange = sum(~asked[name].isin(few[name]) for name in cells["words"]).gt(0)
    assert (cells["rehearsed"]["status"].eq(422).to_numpy() == strange.to_numpy()).all()


def test_nobody_of_yesterday_is_known_from_yesterday(played):
    _, cells = played(1)
    days = cells["past"]["scored_on"]
    assert cells["rows"]["scored_on"].max() < days[cells["last_day"]].min() == days.max()


def test_with_more_rows_fewer_are_refused_as_your_turn_asks(played):
    few, more = played(2)[0], played(2, EXAMPLES=50)[0]
    assert more["refused"] < 0.3 * more["asked"] < few["refused"]
    assert more["failed"] == 0


def test_with_another_scope_one_cell_changes_as_your_turn_asks(played):
    edits = (('["recommend", "feedback"]', '["recommend", "feedback", "predict"]'),)
    opened = played(2, edits)[1]["opened"]
    assert opened.loc["website"].tolist() == [200, 200, 403]


def test_half_an_amount_is_noticed_by_none_of_the_four_as_your_turn_asks(played):
    figures, cells = played(2, (("100 * amount", "0.5 * amount"),))
    names = ("small", "guessed", "whole", "ours")
    assert {cells[name]["a lost comma"][:1] + cells[name]["a lost comma"][2:] for name in names} == {(200,)}  # fmt: skip
    assert (figures["silent"], figures["verdict"]) == (1, "it stays in staging")


def test_who_answers_a_strange_word_in_silence_stays_in_staging(played):
    figures, _ = played(2, ((', *answer.get("unknown", [])', ""),))
    assert (figures["silent"], figures["verdict"]) == (3, "it stays in staging")


def test_a_cloud_is_answered_where_and_how_it_asks(played, tmp_path):
    _, cells = played(1)
    scoring, fields = cells["scoring"], cells["fields"]
    key = {"Authorization": f"Bearer {new_key(tmp_path, 'cloud', ['predict'])}"}
    with running(Service(tmp_path, scoring)) as address:
        assert requests.get(f"{address}/ping", timeout=20).status_code == 200
        many = {"instances": [fields, fields]}
        told = requests.post(f"{address}/invocations", json=many, headers=key, timeout=20).json()
    assert [one["probability"] for one in told["predictions"]] == pytest.approx(
        [cells["ours"]["as in the table"][1]] * 2, abs=0.001
    )
