"""Stage 5: a model as a folder that can be read without trusting it: no pickle, a card, hashes."""

from __future__ import annotations

import io
import json
import platform
import re
import zipfile
from importlib.metadata import version
from pathlib import Path

from sklearn.pipeline import Pipeline

from helpers.files import sha256_of, write_whole

MODEL_FILE, CARD_FILE = "model.skops", "card.json"

# Parts of scikit-learn's trees: they hold arrays, and skops leaves the decision to the reader.
TRUSTED = [
    "sklearn.tree._tree.Tree",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
]


def save_package(model: Pipeline, folder: str | Path, name: str, about: dict) -> Path:
    """Store a fitted pipeline with its card; the folder's version is the model's fingerprint.

    Parameters
    ----------
    model : a fitted scikit-learn pipeline.
    folder : where packages are kept.
    name : what the model is called, such as "churn".
    about : what a reader of the card needs: training data, metrics, criterion; JSON values.

    Returns
    -------
    The package's folder, ``folder/name/version``. Storing the same model again changes nothing
    but the card.

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

    stored = _same_bytes(skops.io.dumps(model))
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
    card_text = json.dumps(card, indent=1, sort_keys=True) + "\n"
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
        unknown = skops.io.get_untrusted_types(data=stored)
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise ValueError(
            f"{MODEL_FILE} of {package.name} is no model stored by save_package, though its card "
            "fits it. Do not load it; package the model again."
        ) from error
    unknown = sorted(set(unknown) - set(TRUSTED))
    if unknown:
        raise ValueError(
            f"{package.name} holds the type(s) {', '.join(unknown)}, which may run foreign code "
            "when loaded. Package a model of plain scikit-learn parts."
        )
    return skops.io.loads(stored, trusted=TRUSTED)


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
