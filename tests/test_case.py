"""A case to diagnose: what is drawn, what is right, and what an act is worth."""

import pandas as pd
import pytest

from helpers.lifecycle import Stage
from helpers.worlds.case import WHERE, Case, case
from helpers.worlds.play import CannotPlay

# What a team that knows the truth does.
BEST = {
    "renamed_column": "repair customers",
    "dead_feed": "repair usage",
    "training_serving_skew": "repair given",
    "bad_release": "redeploy",
    "competitor": "retrain",
    "holiday": "nothing",
}
STAGES = {
    "renamed_column": Stage.DATA_PREPARATION,
    "dead_feed": Stage.DATA_COLLECTION,
    "training_serving_skew": Stage.MODEL_DEPLOYMENT,
    "bad_release": Stage.MODEL_DEPLOYMENT,
    "competitor": Stage.MODEL_DEVELOPMENT,
    "holiday": None,
}


def told(one):
    """Return what happens in a case, read off its right answers."""
    found = {}
    for name, values in {"what": WHERE, "since": range(1, 6), "where": [*sum(WHERE.values(), ())], "reopen": [None, *Stage]}.items():  # fmt: skip
        asked = dict.fromkeys(["what", "since", "where", "reopen"])
        found[name] = [value for value in values if one.right({**asked, name: value})[name]]
    return found


@pytest.mark.slow
@pytest.mark.parametrize("block", [0, 1, 50])
def test_in_six_seeds_each_thing_happens_once_and_the_right_act_wins(block):
    cases = [case(6 * block + place, 600) for place in range(6)]
    found = [told(one) for one in cases]
    assert sorted(one["what"][0] for one in found) == sorted(WHERE)
    for one, truth in zip(cases, found, strict=True):
        (what,), (since,) = truth["what"], truth["since"]
        assert since in (2, 3)
        assert truth["where"] == list(WHERE[what])
        assert truth["reopen"] == [STAGES[what]]
        assert one.share(BEST[what]) >= 0.95, what
        wrong = {"redeploy", "retrain", "repair invoices"} - {BEST[what]}
        assert all(one.share(act) < 0.95 for act in wrong), what
        if what not in ("dead_feed", "holiday"):  # these cost no customer
            assert one.share("nothing") < 0.6


def test_what_an_act_is_worth_is_counted_beside_nothing_and_the_best():
    one = case(5, 600)
    assert told(one)["what"] == ["bad_release"]
    eur = one.beside("retrain")
    assert eur["best possible"] > eur["yours"] > eur["doing nothing"]
    assert eur["best possible"] == pytest.approx(one.eur("redeploy"), abs=0.01)
    least = one.eur("repair invoices")
    share = (eur["yours"] - least) / (eur["best possible"] - least)
    assert one.share("retrain") == pytest.approx(share, abs=1e-4)


def test_a_wrong_repair_costs_the_way_there_and_what_is_seen_stays():
    one = case(1, 600)
    assert one.eur("nothing") - one.eur("repair invoices") == pytest.approx(400)
    before = one.seen
    before[5]["customers"].loc[0, "tenure"] = "999"
    pd.testing.assert_frame_equal(one.seen[5]["customers"], case(1, 600).seen[5]["customers"])
    assert one.seen[5]["customers"].loc[0, "tenure"] != "999"
    again = Case(1, 600)
    pd.testing.assert_frame_equal(again.seen[5]["requests"], one.seen[5]["requests"])
    assert again.eur("redeploy") == one.eur("redeploy")


def test_what_is_no_answer_is_refused():
    one = case(1, 600)
    with pytest.raises(CannotPlay, match="an act is one of nothing, redeploy"):
        one.eur("pray")
    with pytest.raises(CannotPlay, match="where is missing"):
        one.right({"what": "holiday", "since": 2, "reopen": None})
    with pytest.raises(CannotPlay, match="seed is a whole number"):
        Case(-1)
