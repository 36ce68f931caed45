"""The incidents of the operator: what its systems then hold, and what a decide is given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from helpers.worlds.incidents import effects as records
from helpers.worlds.incidents.effects import COPY_STEP, GIVEN, MACHINE_SHARE, Systems
from helpers.worlds.incidents.kinds import Schedule
from helpers.worlds.operator import telco as telecom
from helpers.worlds.operator.people import FIRST_DAY, month_start, stream
from helpers.worlds.play import luck

KEYS = {
    "customers": ["customerID"],
    "calls": ["customerID"],
    "labels": ["customerID", "scored_on"],
    "joined": ["customerID"],
    "complaints": ["customerID"],
    "lookups": ["customerID", "looked_up_at"],
    "tickets": ["customerID", "opened_on"],
    "requests": ["request_id"],
    "given": ["customerID"],
    "shadow": ["customerID"],
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
    "training_serving_skew": "tenure, in years, and Contract, always the same, of {share} of the customers given to decide",
    "label_delay": "labels.known_at",
    "slow_model": "the customers whose request takes more than a second: nobody calls them",
    "error_rate": "{share} of the customers that the version scores: nobody calls them",
    "bad_release": "the scores of {share} of the customers that the version scores",
    "full_disk": "requests and usage of the last {share} of the month",
    "target_leak": "customers.FinalBillSent",
    "bot_traffic": "requests",
}  # fmt: skip
_REPAIRS = {
    "price_in_cents": ("invoices",),
    "renamed_column": ("customers", "usage", "payments"),
    "remapped_code": ("customers",),
    "dead_feed": ("sensors", "usage"),
    "double_delivery": ("invoices", "usage"),
    "clock_skew": ("requests", "payments"),
    "training_serving_skew": ("given",),
    "label_delay": ("labels",),
    "full_disk": ("requests", "usage"),
    "target_leak": ("customers",),
    "bot_traffic": ("requests",),
}
_WRITTEN = {
    "customers": "scored_at", "given": "scored_at", "calls": "called_on", "labels": "known_at",
    "joined": "started_at", "complaints": "written_on", "requests": "sent_at", "usage": "used_on",
    "lookups": "looked_up_at", "tickets": "opened_on", "invoices": "issued_on", "payments": "paid_on",
    "cancellations": "cancelled_on", "sensors": "read_on",
}  # fmt: skip


@dataclass(frozen=True)
class Month:
    """Where and when an incident happens.

    Attributes
    ----------
    people : of the month, with `id`, `row` and `tower`.
    left : who of them leaves in the window that begins this month, when it is known.
    last : the last moment that the tables are about; None for the month's.
    served, hits : the version that served last, and incident -> the version that it hits.
    """

    seed: int
    month: int
    towers: int
    people: dict
    left: np.ndarray | None = None
    last: pd.Timestamp | None = None
    served: str = ""
    hits: Mapping[str, str] = field(default_factory=dict)

    @property
    def now(self) -> pd.Timestamp:
        return self.last or self.end - pd.Timedelta(seconds=1)

    def moments(self, name: str, rows: pd.DataFrame) -> pd.Series:
        """Return when each row of a table was written."""
        column = _WRITTEN.get(name, "")
        return rows[column] if column in rows else pd.Series(self.now, index=rows.index)

    @property
    def start(self) -> pd.Timestamp:
        return FIRST_DAY + pd.Timedelta(days=month_start(self.month))

    @property
    def end(self) -> pd.Timestamp:
        return FIRST_DAY + pd.Timedelta(days=month_start(self.month + 1))

    def lots(self, customers: pd.Series, name: str) -> np.ndarray:
        """Return a number in [0, 1) that belongs to a customer and an incident, in every month."""
        return luck(self.seed, 0, name, self.people["row"][self.place(customers)])

    def served_by(self, customers: pd.Series, towers: np.ndarray) -> np.ndarray:
        """Return whose tower is one of `towers`."""
        place = self.place(customers)
        return np.isin(self.people["tower"], towers)[place] & (place >= 0)  # -1 is nobody's

    def leaves(self, customers: pd.Series) -> np.ndarray:
        """Return who leaves in the window that begins in this month."""
        return self.left[self.place(customers)]

    def place(self, customers: pd.Series) -> np.ndarray:
        """Return where in `people` each customer is, -1 for nobody there."""
        return pd.Index(self.people["id"]).get_indexer(customers.astype(object))


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
        rows = where.lots(customers["customerID"], one.name) < one.size
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
            lots = where.lots(books.tables[name]["customerID"], f"{one.name} {name}")
            records.clock_behind(books, one, name, column, lots < MACHINE_SHARE)


def _double_delivery(books, one, where):
    for name, column in [("invoices", "issued_on"), ("usage", "used_on")]:
        if name in books:
            table = books.tables[name]
            day = table[column].to_numpy().astype("M8[D]").astype(np.int64)
            row = where.people["row"][where.place(table["customerID"])]
            lots = luck(where.seed, where.month, f"{one.name} {name}", row, day)
            records.double_delivery(books, one, name, lots)


def _bot_traffic(books, one, where):
    """Ask again what was asked in the day, in the first minutes after two in the night."""
    if "requests" not in books:
        return
    requests = books.tables["requests"]
    count = records.copies(one.size, where.lots(requests["customerID"], one.name))
    place = np.repeat(np.arange(len(count)), count)
    number = np.arange(len(place)) - np.repeat(count.cumsum() - count, count) + 1
    asked = requests.iloc[place]
    ids = asked["request_id"].to_numpy()
    seconds = 7_200 + (300 * luck(where.seed, where.month, one.name, ids, number)).astype(int)
    night = asked["sent_at"].dt.floor("D") + pd.to_timedelta(seconds, unit="s").as_unit("s")
    books.add(one, "requests", asked.assign(request_id=ids + COPY_STEP * number, sent_at=night))


def _target_leak(books, one, where):
    if "customers" in books and where.left is not None:
        customers = books.tables["customers"]["customerID"]
        known = where.lots(customers, one.name) < one.size
        words = np.where(where.leaves(customers) & known, "Yes", "No")
        books.add_column(one, "customers", "FinalBillSent", pd.array(words, dtype="str"))


def _leak_to_come(books, one, where):
    books.add_column(one, f"{GIVEN}customers", "FinalBillSent", "No")


def _training_serving_skew(books, one, where):
    """Give tenure in whole years, and the first contract of the list: another program fills both."""
    name = f"{GIVEN}customers"
    customers = books.tables[name]
    rows = where.lots(customers["customerID"], one.name) < one.size
    years = np.rint(customers["tenure"].astype(int) / 12).astype(int).astype("str")
    books.change(one, name, "tenure", rows, years)
    books.change(one, name, "Contract", rows, telecom.CONTRACTS[0])


SYSTEMS = Systems(
    keys=KEYS,
    late=("labels",),
    names=_OTHER_NAMES,
    concerned=_CONCERNED,
    repairs=_REPAIRS,
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
