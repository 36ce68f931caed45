"""Stage 5: a model as a folder that can be read without trusting it: no pickle, a card, hashes."""

from __future__ import annotations

import io
import json
import math
import platform
import re
import warnings
import zipfile
from importlib.metadata import version
from pathlib import Path

from sklearn.exceptions import NotFittedError
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from helpers.files import TRUSTED, sha256_of, write_whole

MODEL_FILE, CARD_FILE = "model.skops", "card.json"


def save_package(model: Pipeline, folder: str | Path, name: str, about: dict) -> Path:
    """Store a fitted pipeline with its card; the folder's version is the model's fingerprint.

    Parameters
    ----------
    model : a fitted scikit-learn pipeline.
    folder : where packages are kept.
    name : what the model is called, such as "churn".
    about : what a reader of the card needs: training data, metrics, criterion; texts, numbers (of
        NumPy, too), flags, None, and lists and dicts of those.

    Returns
    -------
    The package's folder, ``folder/name/version``. Storing the same model again changes nothing
    but the card.

    Raises
    ------
    ValueError
        If the model is not fitted or holds a part that `load_package` would refuse, `about` holds
        what JSON cannot, such as NaN, or `name` is no name of a folder. Nothing is stored then.

    Examples
    --------
    >>> import tempfile
    >>> from helpers.training.churn import majority
    >>> model = majority().fit([[0], [0]], [0, 1])
    >>> package = save_package(model, tempfile.mkdtemp(), "churn", about={"rows": 2})
    >>> sorted(file.name for file in package.iterdir())
    ['card.json', 'model.skops']
    """
    import skops.io

    if name in ("", "..") or Path(name).name != name:
        raise ValueError(
            f"name is one word for a folder, such as 'churn'; got {name!r}, which would store the model "
            "elsewhere. Write it without slashes and dots in front."
        )
    about = _json(about, "about")
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
    fingerprint = sha256_of(stored)
    package = Path(folder) / name / fingerprint[:12]
    card = {
        "name": name,
        "version": fingerprint[:12],
        "sha256": fingerprint,
        "about": about,
        "python": platform.python_version(),
        "libraries": {library: version(library) for library in ["scikit-learn", "skops", "numpy"]},
    }
    card_text = json.dumps(card, indent=1, sort_keys=True, allow_nan=False) + "\n"
    write_whole(package / MODEL_FILE, stored)
    # The card comes last: a package without one was not finished and is refused.
    write_whole(package / CARD_FILE, card_text)
    return package


def read_card(package: str | Path) -> dict:
    """Return the card of a package.

    Raises
    ------
    ValueError
        If the folder holds no finished package.

    Examples
    --------
    >>> read_card("nowhere")
    Traceback (most recent call last):
    ValueError: nowhere holds no finished package: card.json is missing or damaged. Package the \
model again with save_package.
    """
    try:
        card = json.loads((Path(package) / CARD_FILE).read_text(encoding="utf-8"))
        if not isinstance(card, dict):
            raise ValueError(f"a card is a JSON object, not {type(card).__name__}")
        return card
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{Path(package).name} holds no finished package: {CARD_FILE} is missing or damaged. "
            "Package the model again with save_package."
        ) from error


def load_package(package: str | Path) -> Pipeline:
    """Load a packaged model after checking its fingerprint and every type inside it.

    Parameters
    ----------
    package : the folder that `save_package` returned.

    Returns
    -------
    The fitted pipeline.

    Raises
    ------
    ValueError
        If the package is unfinished, its bytes differ from the card, or it holds a type that is
        not on the list of scikit-learn types that can be read without running foreign code.

    Warns
    -----
    UserWarning
        If it was packaged with another version of scikit-learn than the one here.

    Examples
    --------
    >>> import tempfile
    >>> from helpers.training.churn import majority
    >>> model = majority().fit([[0], [0]], [0, 1])
    >>> load_package(save_package(model, tempfile.mkdtemp(), "churn", {})).predict([[5]]).item()
    0
    """
    import skops.io

    package = Path(package)
    card = read_card(package)
    try:
        stored = (package / MODEL_FILE).read_bytes()
    except OSError as error:
        raise ValueError(
            f"{package.name} holds no {MODEL_FILE}. Package the model again with save_package."
        ) from error
    if sha256_of(stored) != card.get("sha256"):
        raise ValueError(
            f"{MODEL_FILE} of {package.name} has the fingerprint {sha256_of(stored)[:12]}, its card "
            f"says {str(card.get('sha256'))[:12]}: it was changed or damaged. Do not load it; "
            "package the model again."
        )
    try:
        unknown = _unknown_types(stored)
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise ValueError(
            f"{MODEL_FILE} of {package.name} has the card's fingerprint, but is no model stored by "
            "save_package. Do not load it; package the model again."
        ) from error
    if unknown:
        said = _refusal(unknown, "which may run foreign code when loaded")
        raise ValueError(f"{package.name} holds the type(s) {said}")
    libraries = card.get("libraries")
    theirs = libraries.get("scikit-learn") if isinstance(libraries, dict) else None
    ours = version("scikit-learn")
    if theirs != ours:
        warnings.warn(
            f"{package.name} was packaged with scikit-learn {theirs or '(its card does not say)'}, here is "
            f"{ours}: the model may answer differently. Compare some of its answers with those from "
            "before, or package it again.",
            stacklevel=2,
        )
    try:
        return skops.io.loads(stored, trusted=TRUSTED)
    except Exception as error:
        raise ValueError(
            f"{package.name} cannot be read ({_first_line(error)}). It was packaged with scikit-learn "
            f" {theirs}, here is {ours}. Package the model again."
        ) from error


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


def _json(value, where):
    """Return a value as JSON has it; `where` it stands is for the message."""
    value = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(value, dict):
        made = {str(key): _json(one, f"{where}[{key!r}]") for key, one in value.items()}
        if len(made) < len(value):
            raise ValueError(
                f"{where} has two keys that are one text in JSON, as 1 and '1'; one value would be lost. "
                "Rename one."
            )
        return made
    if isinstance(value, (list, tuple)):
        return [_json(one, f"{where}[{place}]") for place, one in enumerate(value)]
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(
            f"{where} is {value}, which JSON cannot hold. Write None, or leave it out of the card."
        )
    if value is None or isinstance(value, (str, int, float)):
        return value
    raise ValueError(
        f"{where} is a {type(value).__name__}, which JSON cannot hold. Write it as a text, a number, a "
        "flag, a list or a dict."
    )


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
