"""Stage 5: a model as bytes that can be read without trusting them: no pickle, known types only."""

from __future__ import annotations

import io
import re
import warnings
import zipfile
from collections.abc import Mapping
from importlib.metadata import version

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from helpers.files import TRUSTED

LIBRARIES = ("scikit-learn", "skops", "numpy")
# The label of who stays -> the label of who leaves. Other pairs are refused, not guessed.
LEAVES = {"0": "1", "0.0": "1.0", "false": "true", "no": "yes", "stayed": "churned"}


def pack(model: Pipeline) -> bytes:
    """Return a fitted pipeline as bytes; the same model gives the same bytes.

    Parameters
    ----------
    model : a fitted scikit-learn pipeline.

    Raises
    ------
    ValueError
        If the model is not fitted or holds a part that `unpack` would refuse.

    Examples
    --------
    >>> from sklearn.dummy import DummyClassifier
    >>> model = DummyClassifier(strategy="prior").fit([[0], [0]], [0, 1])
    >>> unpack(pack(model)).predict([[5]]).item(), pack(model) == pack(model)
    (0, True)
    """
    import skops.io

    cannot = f"This {type(model).__name__} cannot be packaged"
    try:
        stored = _same_bytes(skops.io.dumps(model))
        unknown = _unknown_types(stored)
        if not unknown:
            skops.io.loads(stored, trusted=TRUSTED)  # what cannot be read again is told now
    except Exception as error:
        raise ValueError(
            f"{cannot}: skops cannot store it and read it again ({_first_line(error)}). Take another "
            "kind of model."
        ) from error
    if unknown:
        raise ValueError(
            f"{cannot}: it holds {_refusal(unknown, 'code that is not stored with it')}"
        )
    try:
        check_is_fitted(model)
    except (NotFittedError, TypeError) as error:
        raise ValueError(
            f"{cannot}: it is no fitted scikit-learn model. Call fit first."
        ) from error
    return stored


def unpack(
    stored: bytes, said: str = "The package", libraries: Mapping[str, str] | None = None
) -> Pipeline:
    """Read a model that `pack` stored, after looking at every type inside it.

    Parameters
    ----------
    stored : the bytes.
    said : what messages call it, such as "churn version 1".
    libraries : with which versions it was packed; none asks nothing.

    Raises
    ------
    ValueError
        If it is no model, or holds a type that is not on the list of scikit-learn types that can be
        read without running foreign code.

    Warns
    -----
    UserWarning
        If it was packed with another version of scikit-learn than the one here.
    """
    import skops.io

    try:
        unknown = _unknown_types(stored)
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise ValueError(
            f"{said} holds no model stored by this course. Do not load it; package the model again."
        ) from error
    if unknown:
        refused = _refusal(unknown, "which may run foreign code when loaded")
        raise ValueError(f"{said} holds the type(s) {refused}")
    ours = version("scikit-learn")
    theirs = ours if libraries is None else libraries.get("scikit-learn")
    if theirs != ours:
        warnings.warn(
            f"{said} was packaged with scikit-learn {theirs or '(its card does not say)'}, here is "
            f"{ours}: the model may answer differently. Compare some of its answers with those from "
            "before, or package it again.",
            stacklevel=3,
        )
    try:
        return skops.io.loads(stored, trusted=TRUSTED)
    except Exception as error:
        raise ValueError(
            f"{said} cannot be read ({_first_line(error)}). It was packaged with scikit-learn {theirs}, "
            f"here is {ours}. Package the model again."
        ) from error


def place_of_leaving(model: BaseEstimator) -> int:
    """Return the column of `predict_proba` that holds the probability to leave.

    Raises
    ------
    ValueError
        If the model gives no probabilities, or its labels do not tell who leaves.
    """
    labels = list(getattr(model, "classes_", []))
    if not labels or not hasattr(model, "predict_proba"):
        raise ValueError(
            f"the model is a fitted classifier that gives probabilities; got {type(model).__name__}. "
            "Call fit first, or take a classifier with predict_proba."
        )
    names = [str(label).strip().casefold() for label in labels]
    if len(names) == 2:
        for place, name in enumerate(names):
            if LEAVES.get(names[1 - place]) == name:
                return place
    shown = ", ".join(map(repr, getattr(model.classes_, "tolist", lambda: labels)()))
    wrong = "who leaves is not known" if len(labels) > 1 else "it has seen one outcome only"
    raise ValueError(
        f"the model was trained on the label(s) {shown}: {wrong}. Train it on customers of both kinds, "
        'with True for who leaves: customers["Churn"] == "Yes".'
    )


def chance_to_leave(model: BaseEstimator, rows: pd.DataFrame) -> np.ndarray:
    """Return the probability to leave for each raw row, 0.0 to 1.0; `place_of_leaving` says what is refused.

    Examples
    --------
    >>> from sklearn.dummy import DummyClassifier
    >>> rows = pd.DataFrame({"tenure": [1, 2, 3, 4]})
    >>> model = DummyClassifier(strategy="prior").fit(rows, ["No", "Yes", "No", "No"])
    >>> chance_to_leave(model, rows[:1]).tolist()
    [0.25]
    """
    place = place_of_leaving(model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a level that is new is told where the rows come in
        return np.asarray(model.predict_proba(rows), dtype=float)[:, place]


def columns_read(model: BaseEstimator, rows: pd.DataFrame) -> list[str]:
    """Return the columns of raw rows without which a model fails or answers otherwise.

    Examples
    --------
    >>> from helpers.training.churn import logistic
    >>> rows = pd.DataFrame({"customerID": ["a", "b"], "tenure": [1, 60]})
    >>> columns_read(logistic(["tenure"], []).fit(rows, [True, False]), rows)
    ['tenure']
    """
    answers = chance_to_leave(model, rows)

    def same_without(columns):
        try:
            left = chance_to_leave(model, rows.drop(columns=columns))
        except (ValueError, KeyError, TypeError, IndexError):
            return False
        return np.array_equal(left, answers)

    rest = [column for column in rows if same_without([column])]
    return [column for column in rows if column not in rest] if same_without(rest) else list(rows)


def _unknown_types(stored):
    """Return the types in a stored model that are not read, in order."""
    import skops.io

    return sorted(set(skops.io.get_untrusted_types(data=stored)) - set(TRUSTED))


def _refusal(unknown, foreign):
    """Return the types that are refused, why (`foreign`, if not all are a library's), what to do."""
    names = ", ".join(unknown)
    if not all(name.startswith(("sklearn.", "numpy.", "scipy.")) for name in unknown):
        return f"{names}, {foreign}. Package a model of plain scikit-learn parts."
    brute = ', or algorithm="brute"' if "neighbors" in names else ""
    return (
        f"{names}, parts of a library that are not on the list of what is safe to read. Take another "
        f"kind of model{brute}."
    )


def _first_line(error):
    """Return the kind of an error and the first line of its message."""
    return f"{type(error).__name__}: {error}".partition("\n")[0].rstrip(".")


def _same_bytes(archive: bytes) -> bytes:
    """Rewrite skops's ZIP archive so that the same model gives the same bytes.

    skops names parts by their address in memory, which differs from run to run; here they are
    numbered in the order in which the schema names them, and the dates are fixed.
    """
    with zipfile.ZipFile(io.BytesIO(archive)) as old:
        parts = {name: old.read(name) for name in old.namelist()}
    schema = parts.pop("schema.json").decode()
    numbers: dict[str, int] = {}

    def number(match: re.Match) -> str:
        return match[1] + str(numbers.setdefault(match[2], len(numbers))) + match[3]

    def rename(match: re.Match) -> str:
        # A user's own key may look like a part's name: "1.scale" is a step, not a file.
        return number(match) if match[0].strip('"') in parts else match[0]

    schema = re.sub(r'("__id__": )(\d+)()', number, schema)
    schema = re.sub(r'(")(\d+)(\.\w+")', rename, schema)
    renamed = {
        f"{numbers[stem]}{dot}{suffix}": content
        for name, content in parts.items()
        for stem, dot, suffix in [name.partition(".")]
    }
    stored = io.BytesIO()
    with zipfile.ZipFile(stored, "w") as new:
        for name, content in sorted({**renamed, "schema.json": schema.encode()}.items()):
            new.writestr(zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0)), content)
    return stored.getvalue()
