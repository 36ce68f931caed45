"""The incidents of the operator: what its systems then hold, and what a decide is given."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers.worlds.incidents import effects as records
from helpers.worlds.incidents.effects import GIVEN, MACHINE_SHARE, Systems
from helpers.worlds.incidents.kinds import Schedule
from helpers.worlds.operator import telco as telecom
from helpers.worlds.operator.people import FIRST_DAY, month_start, stream

KEYS = {
    "customers": ["customerID"],
    "calls": ["customerID"],
    "labels": ["customerID", "scored_on"],
    "joined": ["customerID"],
    "complaints": ["customerID"],
    "requests": ["request_id"],
    "usage": ["customerID", "used_on"],
    "invoices": ["customerID", "issued_on"],
    "payments": ["customerID", "issued_on"],
    "cancellations": ["customerID"],
    "sensors": ["tower_id", "read_on"],
}
_OTHER_NAMES = (("customers", "MonthlyCharges", "MonthlyFee"), ("usage", "megabytes", "data_mb"), ("payments", "method", "paid_by"))  # fmt: skip
_CONCERNED = {
    "competitor": "every customer's wish to leave; no table of the customers",
    "price_rise": "customers.MonthlyCharges and invoices.amount_eur of fibre customers",
    "price_in_cents": "invoices.amount_eur of the customers of the towers {some}",
    "remapped_code": "customers.PaymentMethod and customers.InternetService of {share} of the customers",
    "dead_feed": "sensors of the towers {some}, and usage of their customers",
    "double_delivery": "{share} of the rows of invoices and usage",
    "clock_skew": "requests.sent_at and payments.paid_on of {machine} of the rows",
    "training_serving_skew": "tenure, in years, of {share} of the customers given to decide",
    "label_delay": "labels.known_at",
    "slow_model": "the customers whose request takes more than a second: nobody calls them",
    "full_disk": "requests and usage of the last {share} of the month",
    "target_leak": "customers.FinalBillSent",
    "bot_traffic": "requests",
}  # fmt: skip


@dataclass(frozen=True)
class Month:
    """Where and when an incident happens: `people`, the first of them scored."""

    seed: int
    month: int
    towers: int
    people: dict
    left: np.ndarray | None = None  # of those scored, known when the month is over

    @property
    def start(self) -> pd.Timestamp:
        return FIRST_DAY + pd.Timedelta(days=month_start(self.month))

    @property
    def end(self) -> pd.Timestamp:
        return FIRST_DAY + pd.Timedelta(days=month_start(self.month + 1))

    def rng(self, name: str) -> np.random.Generator:
        return stream(self.seed, self.month, name)

    def lots(self, count: int, name: str) -> np.ndarray:
        """Return a number in [0, 1) for each of the first people, the same in every month."""
        rows = self.people["row"]
        return stream(self.seed, 0, name).random(rows.max(initial=0) + 1)[rows[:count]]

    def served_by(self, customers: pd.Series, towers: np.ndarray) -> np.ndarray:
        """Return whose tower is one of `towers`."""
        place = pd.Index(self.people["id"]).get_indexer(customers.astype(object))
        return np.isin(self.people["tower"], towers)[place] & (place >= 0)  # -1 is nobody's


def onsets(schedule: Schedule, seed: int) -> dict[str, pd.Timestamp]:
    """Return when each incident of the schedule begins to show."""
    return {one.name: SYSTEMS.onset(one, _first_month(one, seed, 0)) for one in schedule.incidents}


def affected(schedule: Schedule, seed: int, towers: int) -> dict[str, str]:
    """Return what each incident of the schedule concerns, in words."""
    words = {}
    for one in schedule.incidents:
        concerned = _towers(one, _first_month(one, seed, towers))
        words[one.name] = SYSTEMS.affected(one, [f"T{number:04d}" for number in concerned])
    return words


def _first_month(one, seed, towers):
    """Return the month in which an incident begins, whoever the people are then."""
    return Month(seed, one.month, towers, {})


def _towers(one, where):
    """Return the towers concerned."""
    return records.chosen_first(where.towers, one.size, stream(where.seed, 0, one.name))


def _price_in_cents(books, one, where):
    if "invoices" in books:
        invoices = books.tables["invoices"]
        rows = where.served_by(invoices["customerID"], _towers(one, where))
        books.change(one, "invoices", "amount_eur", rows, np.round(100 * invoices["amount_eur"], 2))


def _remapped_code(books, one, where):
    if "customers" in books:
        customers = books.tables["customers"]
        rows = where.lots(len(customers), one.name) < one.size
        coded = {"PaymentMethod": telecom.PAYMENTS, "InternetService": telecom.INTERNET}
        for column, codes in coded.items():
            following = dict(zip(codes, [*codes[1:], codes[0]], strict=True))
            books.change(one, "customers", column, rows, customers[column].map(following))


def _silent_from(one, where):
    """Return the moment of the first month at which the feed dies."""
    day = int(stream(where.seed, one.month, one.name).integers(1, 20))
    return FIRST_DAY + pd.Timedelta(days=month_start(one.month) + day)


def _dead_feed(books, one, where):
    towers, since = _towers(one, where), _silent_from(one, where)
    if "sensors" in books:
        sensors = books.tables["sensors"]
        silent = sensors["tower_id"].isin([f"T{number:04d}" for number in towers])
        books.remove(one, "sensors", (silent & (sensors["read_on"] >= since)).to_numpy())
    if "usage" in books:
        usage = books.tables["usage"]
        silent = where.served_by(usage["customerID"], towers)
        books.remove(one, "usage", silent & (usage["used_on"] >= since).to_numpy())


def _full_disk(books, one, where):
    since = records.full_from(one, where)
    for name, column in [("requests", "sent_at"), ("usage", "used_on")]:
        if name in books:
            books.remove(one, name, (books.tables[name][column] >= since).to_numpy())


def _clock_skew(books, one, where):
    for name, column in [("requests", "sent_at"), ("payments", "paid_on")]:
        if name in books:
            luck = where.rng(f"{one.name} {name}").random(len(books.tables[name]))
            records.clock_behind(books, one, name, column, luck < MACHINE_SHARE)


def _double_delivery(books, one, where):
    for name in ["invoices", "usage"]:
        records.double_delivery(books, one, name, where.rng(f"{one.name} {name}"))


def _bot_traffic(books, one, where):
    if "requests" not in books:
        return
    requests = books.tables["requests"]
    count = max(1, round(one.size * len(requests)))
    copies = requests.iloc[where.rng(one.name).integers(0, len(requests), count)]
    # Twenty a second, when the night's scoring is over.
    seconds = (3_600 + np.arange(count) // 20).astype("m8[s]")
    copies = copies.assign(
        request_id=requests["request_id"].iloc[-1] + 1 + np.arange(count),
        sent_at=where.start.to_datetime64().astype("M8[s]") + seconds,
    )
    books.add(one, "requests", copies)


def _target_leak(books, one, where):
    if "customers" in books and where.left is not None:
        luck = where.rng(one.name).random(len(where.left))
        words = np.where(where.left & (luck < one.size), "Yes", "No")
        books.add_column(one, "customers", "FinalBillSent", pd.array(words, dtype="str"))


def _leak_to_come(books, one, where):
    books.add_column(one, f"{GIVEN}customers", "FinalBillSent", "No")


def _training_serving_skew(books, one, where):
    """Give tenure in whole years: another program computes it."""
    name = f"{GIVEN}customers"
    customers = books.tables[name]
    rows = where.lots(len(customers), one.name) < one.size
    years = np.rint(customers["tenure"].astype(int) / 12).astype(int).astype("str")
    books.change(one, name, "tenure", rows, years)


SYSTEMS = Systems(
    keys=KEYS,
    late=("labels",),
    names=_OTHER_NAMES,
    concerned=_CONCERNED,
    # Rows are added and lost before they are changed.
    steps={
        "bot_traffic": _bot_traffic,
        "target_leak": _target_leak,
        "dead_feed": _dead_feed,
        "full_disk": _full_disk,
        "price_in_cents": _price_in_cents,
        "remapped_code": _remapped_code,
        "clock_skew": _clock_skew,
        "double_delivery": _double_delivery,
    },
    given_steps={"training_serving_skew": _training_serving_skew, "target_leak": _leak_to_come},
    since={"dead_feed": _silent_from, "full_disk": records.full_from},
)
