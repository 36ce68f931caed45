"""Stage 5: what a service answers with: scores from a model, lists from a table, checked and lean."""

from __future__ import annotations

import json
import math
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from operator import getitem
from typing import Annotated, Any

import msgspec
import numpy as np
import pandas as pd
from msgspec import Meta
from msgspec.structs import astuple
from pandas.api.types import is_numeric_dtype, is_object_dtype
from sklearn.pipeline import Pipeline

from helpers.checks import require_columns, require_rows, require_share
from helpers.deployment.package import chance_to_leave, columns_read, place_of_leaving

# "$" alone would let a line break through at the end; [0-9] is not \d, which means all of Unicode.
_END = r"$(?!\n)"
ID = rf"^[A-Za-z0-9][A-Za-z0-9._-]*{_END}"  # no address of e-mail
TRACE = rf"^[0-9._-]*[A-Za-z][A-Za-z0-9._-]*{_END}"  # is logged: no bare phone number either
MOMENT = rf"^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}T[0-9]{{2}}:[0-9]{{2}}:[0-9]{{2}}([.][0-9]{{1,9}})?(Z|[+-][0-9]{{2}}:[0-9]{{2}})?{_END}"  # fmt: skip
Id = Annotated[str, Meta(pattern=ID, max_length=100, examples=["visit-17"])]
Version = Annotated[str, Meta(pattern=ID, max_length=64, examples=["2"])]
Moment = Annotated[str, Meta(pattern=MOMENT, examples=["2024-10-01T09:30:00"])]
Named = Annotated[str, Meta(pattern=rf"^[A-Za-z0-9][A-Za-z0-9._:@-]*{_END}", max_length=100)]
Customer = Annotated[int, Meta(ge=0, le=2**53, examples=[42])] | Named  # is never logged
Number = Annotated[float, Meta(ge=-1e15, le=1e15)]
Word = Annotated[str, Meta(max_length=200)]
_NUMBER = re.compile(r"-?[0-9]{1,15}(?:[.][0-9]{1,15})?").fullmatch
VARIANT = "champion"  # of all answers: who shares requests out, names the others
MOST_WORDS = 200  # of a column whose words are told apart
_PARITY, _FEW, _CHECKED_ROWS = 1e-9, 12, 200


class Refused(Exception):
    """A request that is not answered: the status of HTTP, a word for programs, a sentence for people."""

    def __init__(self, status: int, error: str, message: str, headers: tuple = ()):
        super().__init__(message)
        self.status, self.error, self.message, self.headers = status, error, message, headers


class ListRequest(msgspec.Struct, gc=False):
    """A visit that asks for `k` products."""

    request_id: Id
    customer_id: Customer
    k: Annotated[int, Meta(ge=1, le=100)] = 10
    at: Moment | None = None


class Item(msgspec.Struct):
    product_id: int
    rank: int
    score: float | None


class ListAnswer(msgspec.Struct):
    """The products to show; `fallback` where they are the popular ones, not the customer's own."""

    request_id: str
    model_version: str
    variant: str
    fallback: bool
    items: list[Item]


class ScoreAnswer(msgspec.Struct, omit_defaults=True):
    """The probability to leave and whether to call; `fallback` where the model before answered.

    `unknown` names the fields whose word, or a number so small or large, training had not; it is left
    out where there is none.
    """

    request_id: str
    model_version: str
    variant: str
    fallback: bool
    probability: float
    decision: bool
    unknown: list[str] = []


class Prediction(msgspec.Struct, omit_defaults=True):
    probability: float
    decision: bool
    unknown: list[str] = []


class Predictions(msgspec.Struct):
    """A prediction for each instance, in their order."""

    predictions: list[Prediction]
    model_version: str


def read_json(
    decode: Callable[[bytes], Any], body: bytes, least: Callable[[Any], int] = lambda made: -1
) -> Any:
    """Decode a body and check it; refuse what is no JSON or says a key twice (400) or breaks the form (422).

    Parameters
    ----------
    decode : of an msgspec decoder.
    body : as it came.
    least : tells from what was decoded how many quotation marks it takes at least; a body with just so
        many and no backslash has no room for a second key, which spares reading it again.
    """
    try:
        made = decode(body)
        if not body.isascii():
            body.decode()  # what is passed over is text, too
        if body.count(b'"') != least(made) or b"\\" in body:
            _READ_AGAIN(body.decode())
    except msgspec.ValidationError as error:
        raise Refused(422, "wrong form", f"{error}. See /docs for the form.") from None
    except (ValueError, RecursionError) as error:
        why = "nested too deep" if isinstance(error, RecursionError) else str(error)
        raise Refused(
            400, "no JSON", f"The body is no JSON: {why}. Send one JSON object."
        ) from None
    return made


def _once(pairs):
    if len({name for name, _ in pairs}) < len(pairs):
        raise Refused(400, "key twice", "The body says a key twice, so which value is meant is unknown. Say it once.")  # fmt: skip


_READ_AGAIN = json.JSONDecoder(object_pairs_hook=_once, parse_int=str, parse_float=str).decode
Schema = Mapping[str, Sequence]  # column -> the kind of its values, and whether it holds gaps


def kind_of(values: pd.Series) -> str:
    """Return in a word what the values of a column are, without its gaps.

    Examples
    --------
    >>> kind_of(pd.Series([True, None])), kind_of(pd.Series([1, None])), kind_of(pd.Series(["a"]))
    ('flags', 'numbers', 'texts')
    """
    values = values.dropna().infer_objects()
    if pd.api.types.is_bool_dtype(values):
        return "flags"
    if is_numeric_dtype(values):
        return "numbers"
    return "moments" if pd.api.types.is_datetime64_any_dtype(values) else "texts"


def schema_of(table: pd.DataFrame) -> dict[str, list]:
    """Return for each column of a table the kind of its values and whether it holds gaps.

    Examples
    --------
    >>> schema_of(pd.DataFrame({"tenure": [1, 2], "Contract": ["One year", None]}))
    {'tenure': ['numbers', False], 'Contract': ['texts', True]}
    """
    return {name: [kind_of(table[name]), bool(table[name].isna().any())] for name in table}


def types_of(known: pd.DataFrame) -> dict[str, tuple]:
    """Return for each column of known rows its type, whole numbers as floats, and what a gap is in it."""
    types = {}
    for name, column in known.items():
        gaps = column[column.isna()]
        kind = np.dtype(float) if column.dtype.kind in "iu" else column.dtype
        types[name] = (kind, gaps.iloc[0] if is_object_dtype(kind) and len(gaps) else None)
    return types


def as_trained(rows: pd.DataFrame, types: Mapping[str, tuple]) -> pd.DataFrame:
    """Return raw rows with the types and gaps of training: to a model None and NaN are two words.

    Examples
    --------
    >>> known = pd.DataFrame({"Contract": pd.Series(["One year", float("nan")], dtype=object)})
    >>> as_trained(pd.DataFrame({"Contract": [None]}), types_of(known))["Contract"].tolist()
    [nan]
    """
    rows = rows.copy(deep=False)
    for name, (kind, gap) in types.items():
        if rows[name].dtype != kind:
            rows[name] = rows[name].astype(kind)
        if gap is not None:
            rows[name] = rows[name].where(rows[name].notna(), gap)
    return rows


class Scoring:
    """A classifier ready to answer one request at a time, without a table for each.

    A model whose logit is a sum over the raw columns (a logistic regression with its preparation) is
    measured once, column by column, and answers from those weights in microseconds; it is used only if
    it agrees with the model on the known rows to 1e-9. Any other model, and any value that training did
    not show, goes the careful way: a table of one row.

    Parameters
    ----------
    model : a fitted classifier that takes the raw table.
    known : raw rows as in training: of which type a column is, and which values it holds.
    threshold : the decision is True from this probability on.
    version : what the answers say of their origin.
    schema : as `schema_of` gives it, of the whole table where `known` is a part of it.

    Attributes
    ----------
    columns : that a request has to hold; others are passed over.
    lean : whether the weights are used.

    Raises
    ------
    ValueError
        If the model cannot score the known rows, or does not tell who leaves.

    Examples
    --------
    >>> from helpers.training.churn import logistic
    >>> known = pd.DataFrame({"tenure": [1, 2, 60, 70]})
    >>> model = logistic(amounts=["tenure"], levels=[]).fit(known, [1, 1, 0, 0])
    >>> scoring = Scoring(model, known, threshold=0.5, version="1")
    >>> right = model.predict_proba(pd.DataFrame({"tenure": [3]}))[0, 1]
    >>> scoring.lean, round(scoring.score((3.0,)), 9) == round(float(right), 9)
    (True, True)
    """

    kind = "score"

    def __init__(
        self,
        model: Pipeline,
        known: pd.DataFrame,
        threshold: float,
        version: str,
        schema: Schema | None = None,
    ):
        require_share(threshold, "threshold")
        require_rows(known, "known")
        msgspec.convert(version, Version)
        self.model, self.threshold, self.version = model, threshold, version
        checked = known.iloc[np.linspace(0, len(known) - 1, min(len(known), _CHECKED_ROWS)).astype(int)]  # fmt: skip
        truth = chance_to_leave(model, checked)
        schema = schema_of(known[columns_read(model, checked)]) if schema is None else schema
        self.columns = list(schema)
        self._types = types_of(known[self.columns])
        self._knows = {name: _knows(known[name], kind) for name, (kind, _) in schema.items()}
        self._weights = self._measure(known[self.columns])
        self.form, self.many = _forms(known, {name: schema[name] for name in self.columns})
        self._decode = msgspec.json.Decoder(self.form).decode
        self._quotes = 6 + 2 * len(self.columns)  # of the keys and the id
        gaps = [gaps for kind, gaps in schema.values() if kind in ("texts", "moments")]
        self._texts = 0 if any(gaps) else len(gaps)  # 0: counted each time
        self.lean = self._weights is not None and self._agrees(checked, truth)

    def read(self, body: bytes) -> Any:
        """Return the request in a body: `request_id`, `at` and `fields`; else raise `Refused`."""
        return read_json(self._decode, body, self._least)

    def read_many(self, body: bytes) -> Any:
        """Return the `instances` in a body, each as `fields` of a single request; else raise `Refused`."""
        return read_json(msgspec.json.Decoder(self.many).decode, body)

    def _least(self, request):
        texts = self._texts or [type(value) for value in astuple(request.fields)].count(str)
        return self._quotes + 2 * texts + 4 * (request.at is not None)

    def score(self, values: tuple) -> float | None:
        """Return the probability for the values of `columns` in order, None if it takes care."""
        if not self.lean:
            return None
        levels, slopes, written = self._weights
        total = self._start
        try:
            total += sum(map(getitem, levels, values))
            for value, (slope, low, high) in zip(values[len(levels) :], slopes, strict=False):
                if not low <= value <= high:
                    return None
                total += slope * value
            if written:
                for value, (slope, blanks) in zip(values[-len(written) :], written, strict=True):
                    plain = value.isascii() and value.replace(".", "", 1).isdigit()
                    total += slope * float(value) if plain else blanks[value]
        except (KeyError, TypeError, AttributeError):  # a word that is new, or a gap
            return None
        return 1 / (1 + math.exp(-total)) if total > -700 else 0.0

    def score_carefully(self, values: tuple) -> float:
        """Return the probability from the model itself, asked with a table of one row."""
        row = pd.DataFrame([values], columns=self.columns, dtype=object)
        found = float(chance_to_leave(self.model, as_trained(row, self._types))[0])
        if not math.isfinite(found):
            raise ArithmeticError("the model gave no number")
        return found

    def unknown(self, values: tuple) -> list[str]:
        """Return the columns whose word, or a number so small or large, training did not show."""
        return [
            name
            for name, value in zip(self.columns, values, strict=True)
            if value is not None and not self._knows[name](value)
        ]

    def answer(self, request_id: str, probability: float, fallback: bool = False, unknown: Sequence[str] = ()) -> bytes:  # fmt: skip
        """Return the answer as it is sent."""
        said = (request_id, self.version, VARIANT, fallback, probability)
        return msgspec.json.encode(ScoreAnswer(*said, probability >= self.threshold, list(unknown)))

    def _measure(self, known):
        """Return what each column adds to the logit, None if that is not all: levels, slopes, written numbers.

        The columns are brought into this order.
        """
        whole = {name: float for name in known if known[name].dtype.kind in "iu"}
        first = known.dropna().head(1).astype(whole)
        if first.empty or not hasattr(self.model, "decision_function"):
            return None
        tried, values = [first], {}
        written = [name for name in known if _is_written_number(known[name])]
        for name in known:
            values[name] = known[name].dropna().unique().tolist()[: MOST_WORDS + 1]
            if known[name].dtype.kind in "iuf":  # beyond what is known, too: is it a line?
                values[name] = [
                    0.0,
                    1.0,
                    float(known[name].max()) + 1.37,
                    *map(float, values[name]),
                ]
            elif name in written:
                blanks = [one for one in values[name] if not _NUMBER(one)]
                values[name] = ["0", "1", "123456.5", *filter(_NUMBER, values[name]), *blanks]
            for value in values[name]:
                column = pd.Series([value], index=first.index, dtype=first[name].dtype)
                tried.append(first.assign(**{name: column}))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                logits = self.model.decision_function(pd.concat(tried, ignore_index=True))
            except ValueError:
                return None
        logits = np.asarray(logits, dtype=float) * (1 if place_of_leaving(self.model) else -1)
        self._start, place = float(logits[0]), 1
        parts: tuple[dict, dict, dict] = ({}, {}, {})
        for name, tries in values.items():
            found = logits[place : place + len(tries)] - logits[0]
            place += len(tries)
            if known[name].dtype.kind in "iuf" or name in written:
                read = [one for one in tries if isinstance(one, float) or _NUMBER(one)]
                slope, line = float(found[1] - found[0]), found[: len(read)]
                if np.allclose(
                    found[0] + slope * np.array(read, dtype=float), line, rtol=0, atol=1e-8
                ):
                    self._start += float(found[0])
                    rest = (found[len(read) :] - found[0]).tolist()
                    if name in written:
                        parts[2][name] = (slope, dict(zip(tries[len(read) :], rest, strict=True)))
                    else:  # plain floats: NumPy's take four times as long to compare
                        parts[1][name] = (slope, float(known[name].min()), float(known[name].max()))
                    continue
                tries, found = tries[3:], found[3:]
            if len(tries) > MOST_WORDS:
                return None
            parts[0][name] = dict(zip(tries, found.tolist(), strict=True))
            if known[name].dtype.kind in "iuf" and len(tries) <= _FEW:  # numbers that are words
                self._knows[name] = parts[0][name].__contains__
        self.columns = [name for part in parts for name in part]
        return tuple(list(part.values()) for part in parts)

    def _agrees(self, checked, truth):
        self.lean = True
        rows = checked[self.columns].astype(object).where(checked[self.columns].notna(), None)
        ours = [self.score(tuple(row)) for row in rows.itertuples(index=False)]
        return all(
            one is None or abs(one - right) <= _PARITY
            for one, right in zip(ours, truth, strict=True)
        )


def _is_written_number(column):
    """Return whether a column of text holds numbers, too many to be levels; blanks are gaps."""
    text = column.dtype.kind not in "iufbmM"
    there = (
        column.dropna().astype(str).loc[lambda one: one.str.strip() != ""] if text else column[:0]
    )
    return there.nunique() > _FEW and there.map(_NUMBER).notna().all()


def _knows(column, kind):
    """Return what tells whether training showed such a value: a word of a few, a number within the range."""
    words = set(column.dropna())
    if kind == "numbers" and words:
        low, high = min(words), max(words)
        return lambda value: low <= value <= high
    if kind == "texts" and _is_written_number(column):
        return lambda value: value in words or _NUMBER(value) is not None
    few = kind == "texts" and len(words) <= MOST_WORDS
    return words.__contains__ if few else lambda value: True


def _forms(known, schema):
    """Return the forms of requests that score, one row or many: a field for each column of the schema."""
    fields = []
    for place, (name, (kind, gaps)) in enumerate(schema.items()):
        column = known[name].dropna()
        usual = float(column.median()) if kind == "numbers" else column.mode().iloc[0]
        example = {"flags": bool, "numbers": float}.get(kind, str)(usual)
        takes: Any = {"flags": bool, "numbers": Number}.get(kind, Word)
        form = Annotated[takes, Meta(examples=[example])]
        fields.append((f"f{place}", form | None if gaps else form))
    names = {f"f{place}": str(name) for place, name in enumerate(schema)}
    inner = msgspec.defstruct("Fields", fields, rename=names, gc=False)
    outer = [("request_id", Id), ("fields", inner), ("at", Moment | None, None)]
    many = [("instances", Annotated[list[inner], Meta(min_length=1, max_length=100)])]
    return msgspec.defstruct("ScoreRequest", outer, gc=False), msgspec.defstruct("Instances", many)


class Lists:
    """Lists of products ready to be answered, one a customer, and the popular ones for all others.

    Parameters
    ----------
    lists : one row a product shown: `customer_id`, `product_id`, `rank` from 1, `score`; as a
        recommender returns them.
    popular : the same without `customer_id`: what a customer without a list is shown.
    version : what the answers say of their origin.

    Examples
    --------
    >>> popular = pd.DataFrame({"product_id": [7], "rank": [1], "score": [0.5]})
    >>> lists = Lists(popular.assign(customer_id=1, product_id=9), popular, version="1")
    >>> lists.answer("a", 1, 10)[0]
    b'{"request_id":"a","model_version":"1","variant":"champion","fallback":false,"items":[{"product_id":9,"rank":1,"score":0.5}]}'
    >>> lists.answer("b", 2, 10)[1]
    True
    """

    kind = "lists"

    def __init__(self, lists: pd.DataFrame, popular: pd.DataFrame, version: str):
        require_columns(lists, "lists", ["customer_id", "product_id", "rank", "score"])
        require_columns(popular, "popular", ["product_id", "rank", "score"])
        require_rows(popular, "popular")
        msgspec.convert(version, Version)
        self.version = version
        self._popular = _written(popular)
        by_customer = lists.sort_values(["customer_id", "rank"]).groupby("customer_id", sort=False)
        self._lists = {customer: _written(rows) for customer, rows in by_customer}

    def answer(self, request_id: str, customer_id: int | str, k: int) -> tuple[bytes, bool]:
        """Return the answer as it is sent, and whether it is the popular list instead of the customer's."""
        own = self._lists.get(customer_id)
        items = b"[%b]" % b",".join((own or self._popular)[:k])
        said = ListAnswer(request_id, self.version, VARIANT, own is None, msgspec.Raw(items))
        return msgspec.json.encode(said), own is None


def _written(rows):
    """Return the products of a list as JSON, by rank."""
    rows = rows.sort_values("rank")
    columns = [rows[name].tolist() for name in ("product_id", "rank", "score")]
    return [
        msgspec.json.encode(Item(int(product), int(rank), None if pd.isna(score) else float(score)))
        for product, rank, score in zip(*columns, strict=True)
    ]
