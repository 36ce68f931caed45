"""`helpers.worlds.days` and `service`: a month in days, exchanged, refused, repaired; requests served."""

import copy

import numpy as np
import pandas as pd
import pytest
from conftest import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas import DataFrame

from helpers.worlds.days import World
from helpers.worlds.incidents import Incident
from helpers.worlds.incidents.kinds import Schedule
from helpers.worlds.play import CannotPlay, luck
from helpers.worlds.service import OWN, UNNAMED, Service, told

FIRST_DAY = pd.Timestamp("2025-01-01")


class Record:
    """What a kiosk keeps to itself: what was sold in the months over, and what was repaired."""

    def __init__(self, played=(), repaired=()):
        self.played, self.asked = played, repaired

    def repaired(self, what, moment):
        if what == "nothing known":
            raise CannotPlay("there is nothing of that name.")
        return Record(self.played, (*self.asked, (what, moment))), what == "till"


class Plan:
    """A month of three days in which two customers come."""

    days = 3

    def __init__(self, month, record):
        self.month, self.record, self.sold = month, record, {}

    def date(self, day):
        return FIRST_DAY + pd.DateOffset(months=self.month - 1) + pd.Timedelta(days=day - 1)

    def given(self, day):
        days = range(1, self.days + 1) if day is None else [day]
        return DataFrame({"day": np.repeat(list(days), 2)})

    def take(self, day, answer):
        if not isinstance(answer, DataFrame):
            raise CannotPlay("a table was expected.")
        days = range(1, self.days + 1) if day is None else [day]
        self.sold |= {one: answer[answer["day"] == one] for one in days}

    def evening(self, day):
        return {"sales": self.sold[day]}

    def close(self):
        tables = {"sales": pd.concat(self.sold.values(), ignore_index=True)}
        return Record((*self.record.played, self.month), self.record.asked), tables


class Kiosk(World):
    def __init__(self):
        super().__init__(Record(), lambda month: FIRST_DAY + pd.DateOffset(months=month - 1))

    @property
    def hidden(self):
        return self._record

    def play(self, month, decide):
        return self._play(month, decide, "sell")

    def _plan(self, month):
        return Plan(month, self._record)


def sell(requests):
    return requests.assign(price=1.0)


def sell_dearer(requests):
    return requests.assign(price=2.0)


def test_a_month_in_days_is_the_month_at_once():
    at_once, in_days = Kiosk(), Kiosk()
    month = in_days.days(1)
    evenings = [day.play(sell)["sales"] for day in month]
    assert month.tables["sales"].equals(at_once.play(1, sell)["sales"])
    assert pd.concat(evenings, ignore_index=True).equals(month.tables["sales"])
    assert at_once.next_month == in_days.next_month == 2
    assert next(iter(in_days.days(2))).date == pd.Timestamp("2025-02-01")


def test_between_two_days_another_decide_is_deployed():
    month = Kiosk().days(1)
    for day in month:
        day.play(sell if day.number < 2 else sell_dearer)
    assert month.tables["sales"]["price"].tolist() == [1, 1, 2, 2, 2, 2]


def test_a_loop_that_was_left_goes_on_where_it_was():
    kiosk = Kiosk()
    for day in kiosk.days(1):
        if day.number == 2:
            break
        day.play(sell)
    assert kiosk.days(1).days_played == 1
    assert [(day.number, len(day.play(sell)["sales"])) for day in kiosk.days(1)] == [(2, 2), (3, 2)]
    assert kiosk.next_month == 2


def test_two_loops_share_the_days_of_a_month():
    month = Kiosk().days(1)
    played = []
    for day in month:
        day.play(sell)
        played.append(day.number)
        for other in month:
            other.play(sell)
            played.append(other.number)
            break
    assert played == [1, 2, 3]
    month = Kiosk().days(1)
    first = iter(month)
    next(first).play(sell)
    for day in month:
        day.play(sell)
    assert list(first) == []


def test_days_are_played_once_each_and_in_order():
    kiosk = Kiosk()
    month = kiosk.days(1)
    first = next(iter(month))
    first.play(sell)
    with pytest.raises(CannotPlay, match="got day 1 of month 1, and day 2 is next"):
        first.play(sell)
    with pytest.raises(CannotPlay, match="day 2 is next"):
        month.play_day(3, sell)
    with pytest.raises(CannotPlay, match="day 2 of month 1 was not: call day.play"):
        list(month)
    for day in month:
        day.play(sell)
    with pytest.raises(CannotPlay, match="all are over"):
        day.play(sell)
    assert list(month) == []


def test_the_tables_of_a_month_wait_for_its_last_day():
    month = Kiosk().days(1)
    next(iter(month)).play(sell)
    with pytest.raises(CannotPlay, match="when its 3 days are over; 1 have been played"):
        _ = month.tables


def test_a_month_begun_in_days_is_not_played_at_once_nor_another_one():
    kiosk = Kiosk()
    next(iter(kiosk.days(1))).play(sell)
    with pytest.raises(CannotPlay, match="is being played in days, 1 of them are over"):
        kiosk.play(1, sell)
    for number in (2, 0, True, "1", pd.NA, np.array([1, 2])):
        with pytest.raises(CannotPlay, match="month 1 was expected"):
            kiosk.days(number)
        with pytest.raises(CannotPlay, match="month 1 was expected"):
            kiosk.play(number, sell)


@pytest.mark.parametrize("decide", [lambda requests: None, lambda requests: 1 / 0, "sell"])
def test_a_refused_day_can_be_played_again(decide):
    kiosk = Kiosk()
    day = next(iter(kiosk.days(1)))
    with pytest.raises(CannotPlay):
        day.play(decide)
    assert kiosk.days(1).days_played == 0
    assert len(day.play(sell)["sales"]) == 2


def test_a_day_is_not_played_within_another():
    kiosk = Kiosk()
    day = next(iter(kiosk.days(1)))
    with pytest.raises(CannotPlay, match="take that call"):
        day.play(lambda requests: day.play(sell))
    assert len(day.play(sell)["sales"]) == 2


def test_a_repair_works_from_the_next_day_on_and_stays_in_the_record():
    kiosk = Kiosk()
    assert kiosk.repair("till")
    for day in kiosk.days(1):
        day.play(sell)
        if day.number == 2:
            assert not kiosk.repair("roof")
    assert kiosk.repair("till")
    moments = [str(moment)[:10] for _, moment in kiosk.hidden.asked]
    assert moments == ["2025-01-01", "2025-01-03", "2025-02-01"]
    with pytest.raises(CannotPlay):
        kiosk.repair("nothing known")
    assert len(kiosk.hidden.asked) == 3


def test_nothing_is_repaired_while_a_decide_answers_nor_in_a_month_that_is_over():
    kiosk = Kiosk()

    def repairing(requests):
        kiosk.repair("till")
        return sell(requests)

    with pytest.raises(CannotPlay, match="take that call out of decide"):
        kiosk.play(1, repairing)
    month = kiosk.days(1)
    with pytest.raises(CannotPlay, match="take that call out of decide"):
        next(iter(month)).play(repairing)
    assert kiosk.hidden.asked == ()
    for day in month:
        day.play(sell)
    with pytest.raises(CannotPlay, match="month 1 is over: call repair of the world"):
        month.repair("till")
    assert kiosk.repair("till")


def test_nothing_is_repaired_when_the_year_is_over():
    kiosk = Kiosk()
    for month in range(1, 13):
        kiosk.play(month, sell)
    with pytest.raises(CannotPlay, match="the year is over"):
        kiosk.repair("till")
    with pytest.raises(CannotPlay, match="the year ends after month 12"):
        kiosk.days(13)


def test_a_copy_of_a_world_goes_its_own_way_in_the_middle_of_a_month():
    kiosk = Kiosk()
    next(iter(kiosk.days(1))).play(sell)
    twin = copy.deepcopy(kiosk)
    for day in twin.days(1):
        day.play(sell_dearer)
    assert (twin.next_month, kiosk.next_month, kiosk.days(1).days_played) == (2, 1, 1)
    for day in kiosk.days(1):
        day.play(sell)
    assert kiosk.next_month == 2


def serve(incidents=(), version="1", day=None, hits=None, count=4_000, month=3, **said):
    words = {"variant": "", "model_version": version, "reason": ""}
    answer = {
        name: np.full(count, said.get(name, word), dtype=object) for name, word in words.items()
    }
    answer["latency_ms"] = np.full(count, said.get("latency_ms", np.nan))
    answer["status"] = np.full(count, said.get("status", 200))
    answer["fallback"] = np.full(count, said.get("fallback", False))
    broken = np.full(count, said.get("broken", ""), dtype=object)
    service = Service(7, Schedule(incidents, "shop"), usual_ms=38, spread=0.45)
    day = np.zeros(count, dtype=int) if day is None else day
    return service.serve(answer, broken, (np.arange(count),), month, day, hits or {})


def test_a_usual_service_answers_nearly_everybody_at_its_usual_speed():
    served, random, hits = serve()
    assert np.median(served.latency_ms) == pytest.approx(38, rel=0.05)
    assert np.median(served.network_ms) == pytest.approx(25, rel=0.05)
    assert 0 < served.fallback.mean() < 0.005
    assert set(served.reason) == {"", "refused"}
    assert not random.any()
    assert hits == {}


def test_a_measured_latency_stands_in_the_telemetry_and_a_late_answer_fails():
    served, _, _ = serve(latency_ms=2.5)
    assert set(served.latency_ms) == {2.5}
    late, _, _ = serve(latency_ms=1_200.0)
    assert (late.status[late.reason == "timeout"] == 504).all()
    assert late.fallback.all()
    table = DataFrame(late.telemetry())
    assert table["fallback"].all()
    assert table["model_version"].eq("1").all()


def test_an_answer_that_is_a_fallback_itself_is_served_and_stands_in_the_telemetry():
    served, _, _ = serve(fallback=True)
    assert served.fallback.mean() < 0.005
    table = DataFrame(served.telemetry())
    assert table["fallback"].all()
    assert (table["reason"] == OWN).mean() > 0.99


@pytest.mark.parametrize(
    ("said", "reason"),
    [({"broken": "no answer"}, "no answer"), ({"status": 500}, "error"), ({"reason": "broken JSON"}, "broken JSON")],
)  # fmt: skip
def test_what_fails_stands_in_the_telemetry_with_its_reason(said, reason):
    served, _, _ = serve(**said)
    assert served.fallback.all()
    assert (served.reason == reason).mean() > 0.99


@pytest.mark.parametrize(
    ("name", "size"), [("slow_model", 100.0), ("error_rate", 0.5), ("bad_release", 0.5)]
)
def test_an_incident_of_the_service_hits_the_version_that_serves_and_no_other(name, size):
    incidents = [Incident(name, 3, size)]
    hurt, random, hits = serve(incidents, version="1")
    assert hits[name] == "1"
    harmed = random if name == "bad_release" else hurt.fallback
    assert harmed.mean() > 0.4
    usual, fair, same = serve(incidents, version="2", hits=hits)
    assert same == hits
    assert usual.fallback.mean() < 0.005
    assert not fair.any()
    back, _, _ = serve(incidents, version="1", hits=hits)
    assert back.reason.tolist() == hurt.reason.tolist()
    calm, _, before = serve(incidents, version="1", month=2)
    assert before == {}
    assert calm.fallback.mean() < 0.005


def test_the_version_that_is_hit_served_most_requests_of_the_first_day():
    day = np.repeat([1, 2], 2_000)
    version = np.where(np.arange(4_000) % 3 == 0, "9", "10").astype(object)
    version[day == 2] = "9"
    _, _, hits = serve([Incident("slow_model", 3)], version=version, day=day)
    assert hits == {"slow_model": "10"}


@given(st.integers(0, 2**70), st.lists(st.integers(0, 10**6), min_size=1, max_size=30))
@settings(max_examples=examples(40))
def test_luck_belongs_to_its_keys_alone(seed, keys):
    together = luck(seed, 3, "clicks", keys)
    assert together.tolist() == [float(luck(seed, 3, "clicks", key)) for key in keys]
    assert ((together >= 0) & (together < 1)).all()


def test_a_month_that_is_a_numpy_number_is_that_month():
    assert luck(2**80, np.int64(3), "clicks", 5) == luck(2**80, 3, "clicks", 5)


def test_luck_is_even_and_independent_from_purpose_to_purpose():
    keys = np.arange(100_000)
    one, other = luck(7, 1, "clicks", keys), luck(7, 1, "looks", keys)
    pair = luck(7, 1, "clicks", keys[:, None] % 300, keys[None, :300])[:300]
    for some in (one, other, pair.ravel(), luck(7, 2, "clicks", keys), luck(8, 1, "clicks", keys)):
        counts = np.bincount((10 * some).astype(int), minlength=10)
        assert abs(counts / len(some) - 0.1).max() < 0.005
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.015
    assert abs(np.corrcoef(one[:-1], one[1:])[0, 1]) < 0.015


def test_an_answer_tells_its_version_and_a_plain_one_tells_nothing():
    place = np.array([0, 0, 2, -1])
    answer = DataFrame({"variant": ["a", "a", "b", "c"], "latency_ms": [1.0, 1.0, np.nan, 3.0], "status": [200, 200, None, 200], "fallback": [True, True, None, True]})  # fmt: skip
    found = told(answer, place, 3)
    assert found["variant"].tolist() == ["a", "", "b"]
    assert found["model_version"].tolist() == [UNNAMED] * 3
    assert found["latency_ms"][0] == 1.0
    assert np.isnan(found["latency_ms"][1:]).all()
    assert found["status"].tolist() == [200, 200, 200]
    assert found["fallback"].tolist() == [True, False, False]
