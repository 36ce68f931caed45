"""Stage 5: a model on a customer's own device: ONNX with a parity gate, signed releases, a page.

A device has no Python and counts with 32 bits. `parity` tells whether the model is still the same there.
"""

from __future__ import annotations

import base64
import json
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pandas.api.types import is_numeric_dtype
from sklearn.pipeline import Pipeline

from helpers.checks import require_rows
from helpers.files import sha256_of, write_whole

SAME = 1e-5  # as far may a probability on the device lie from the model's own
# Of onnxruntime-web (npm): the library, and the engine that it starts.
WEB_FILES = ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm")
_OPSET = 17  # understood by every onnxruntime since 2022, in browsers too


class Parity(NamedTuple):
    """Whether a model answers alike on the device: the largest distance, and how many rows are too far."""

    passed: bool
    largest: float
    off: int
    said: str
    decided: int = 0  # rows of which another decision comes, where a line was given


def to_onnx(model: Pipeline, rows: pd.DataFrame) -> bytes:
    """Write a fitted pipeline of plain scikit-learn parts as ONNX.

    Parameters
    ----------
    model : a fitted classifier of True and False.
    rows : some rows with exactly the columns that the model reads. Numbers come in as float32, all
        else as texts.

    Returns
    -------
    The model as bytes: the same model gives the same bytes.

    Raises
    ------
    ValueError
        If a part of the model cannot be written as ONNX, or it tells other things apart.

    Source
    ------
    skl2onnx, the converter of the ONNX project.

    Examples
    --------
    >>> from helpers.training.churn import logistic
    >>> rows = pd.DataFrame({"tenure": [1, 2, 60, 70]})
    >>> model = logistic(["tenure"], []).fit(rows, [1, 1, 0, 0])
    >>> stored = to_onnx(model, rows)
    >>> on_device(stored, rows).round(2).tolist()
    [0.74, 0.73, 0.29, 0.23]
    >>> parity(model, stored, rows).said
    '0 of 4 rows off by more than 1e-05'
    """
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType

    require_rows(rows, "rows")
    if list(labels := getattr(model, "classes_", [])) != [0, 1]:
        raise ValueError(
            f"The model tells {list(labels)} apart; a device reads the probability of True. Fit it with True for who "
            "leaves and False for who stays."
        )
    kinds = [
        (name, (FloatTensorType if is_numeric_dtype(rows[name]) else StringTensorType)([None, 1]))
        for name in rows
    ]
    try:
        with warnings.catch_warnings():
            # of boosting: flags that protobuf 6 still takes for numbers
            warnings.filterwarnings("ignore", "Field onnx.AttributeProto.ints")
            made = convert_sklearn(
                model, "model", kinds, target_opset=_OPSET, options={"zipmap": False}
            )
    except Exception as error:
        raise ValueError(
            f"This {type(model).__name__} cannot be written as ONNX ({str(error).strip().partition(chr(10))[0]}). "
            "Take plain scikit-learn parts, and rows with just the columns that it reads."
        ) from error
    return made.SerializeToString()


def on_device(stored: bytes, rows: pd.DataFrame) -> np.ndarray:
    """Return the probability to leave for each row, as a device computes it, with onnxruntime.

    Parameters
    ----------
    stored : what `to_onnx` returned, or a smaller model made of it.
    rows : with the columns of `to_onnx`; others are passed over.

    Raises
    ------
    ValueError
        If a column is missing, or a column of texts has gaps.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(stored, options, providers=["CPUExecutionProvider"])
    asked = {one.name: one.type == "tensor(float)" for one in session.get_inputs()}
    if missing := [name for name in asked if name not in rows]:
        raise ValueError(f"rows lack {', '.join(missing)}, which the model on the device reads.")
    given = {}
    for name, number in asked.items():
        if not number and rows[name].isna().any():
            raise ValueError(
                f"{name} has gaps; a text in ONNX cannot be missing. Fill them first, as in training."
            )
        given[name] = rows[[name]].to_numpy(np.float32 if number else object)
    return session.run(["probabilities"], given)[0][:, 1].astype(float)


def parity(model: Pipeline, stored: bytes, rows: pd.DataFrame, line: float | None = None) -> Parity:
    """Hold a model on the device against the one it was made of, row by row.

    A figure such as the AUC only ranks: it stays the same while single customers get another answer.

    Parameters
    ----------
    model : the pipeline.
    stored : the same as ONNX.
    rows : as `on_device` takes them; take rows that the model was not fitted on, too.
    line : from this probability on something is done, such as an offer. Where a probability lies on it
        (15 of 50 trees and 0.3) the last digit decides, and the device has another one.

    Returns
    -------
    `passed`: no row is further off than 1e-5, and none is on another side of the line.
    """
    require_rows(rows, "rows")
    own, there = model.predict_proba(rows)[:, 1], on_device(stored, rows)
    gap = np.abs(own - there)
    off = int((~(gap <= SAME)).sum())
    said = f"{off:,} of {len(rows):,} rows off by more than {SAME:g}"
    decided = 0 if line is None else int(((own >= line) != (there >= line)).sum())
    if line is not None:
        said += f", {decided:,} decided otherwise at {line:g}"
    return Parity(off == decided == 0, float(gap.max()), off, said, decided)


class Release(NamedTuple):
    """What a device fetches: a note that says what it is, the signature of the note, the model."""

    note: bytes
    signature: bytes
    model: bytes


def release(model: bytes, number: int, key: Ed25519PrivateKey) -> Release:
    """Sign a model for devices.

    Parameters
    ----------
    model : the bytes that devices shall run.
    number : of the release, above all before it: devices never go back. To roll back, release the old
        bytes under a new number.
    key : private; it never leaves the firm. Devices carry `key.public_key()`, which signs nothing.

    Source
    ------
    Ed25519 (RFC 8032). The update framework TUF calls what `accept` refuses by number a rollback attack.

    Examples
    --------
    >>> key = Ed25519PrivateKey.generate()
    >>> accept(release(b"a model", 2, key), key.public_key(), installed=1)
    2
    >>> accept(release(b"a model", 1, key), key.public_key(), installed=1)
    Traceback (most recent call last):
    ValueError: Refused: release 1 is not newer than 1, which is installed. To go back, sign the old \
model under a new number.
    """
    told = {"number": number, "sha256": sha256_of(model), "bytes": len(model)}
    note = json.dumps(told, sort_keys=True).encode()
    return Release(note, key.sign(note), model)


def accept(fetched: Release, key: Ed25519PublicKey, installed: int) -> int:
    """Check a release on the device before it replaces anything; what is installed stays if it is refused.

    Parameters
    ----------
    fetched : as it came over the network.
    key : the public key that came with the app.
    installed : number of the release on the device, 0 for none.

    Returns
    -------
    The number that is installed now.

    Raises
    ------
    ValueError
        If the note is not signed by the firm, the model is not the one of the note, or not newer.
    """
    try:
        key.verify(fetched.signature, fetched.note)
    except InvalidSignature:
        raise ValueError(
            "Refused: the note is not signed with the firm's key. Fetch it again from the firm; if it stays so, somebody changed it."
        ) from None
    told = json.loads(fetched.note)
    if len(fetched.model) < told["bytes"]:
        raise ValueError(
            f"Refused: {len(fetched.model):,} of {told['bytes']:,} bytes came. Fetch the rest before it is installed."
        )
    if sha256_of(fetched.model) != told["sha256"]:
        raise ValueError(
            "Refused: the model is not the one of the signed note. Fetch it again; if it stays so, somebody changed it."
        )
    if told["number"] <= installed:
        raise ValueError(
            f"Refused: release {told['number']} is not newer than {installed}, which is installed. To go back, sign the "
            "old model under a new number."
        )
    return told["number"]


def write_page(path: str | Path, stored: bytes, rows: pd.DataFrame, web: str | Path) -> Path:
    """Write one HTML file that runs a model in the browser: no server, no network, no Python.

    The page scores the rows and shows how far it is from what onnxruntime answers here.

    Parameters
    ----------
    path : of the page, such as "runs/app.html".
    stored : the model as ONNX.
    rows : what it is tried on; as `on_device` takes them.
    web : the folder `dist` of the npm package onnxruntime-web, an extra of about 14 MB.

    Raises
    ------
    ValueError
        If onnxruntime-web is not there; the message says what to type.
    """
    try:
        library, engine = ((Path(web) / name).read_bytes() for name in WEB_FILES)
    except OSError as error:
        raise ValueError(
            f"{Path(error.filename).name} is not in {str(web)!r}. Fetch it once with: npm install --prefix runs "
            'onnxruntime-web, then give the folder "runs/node_modules/onnxruntime-web/dist".'
        ) from error
    given = {
        str(name): rows[name].astype(float if is_numeric_dtype(rows[name]) else str).tolist()
        for name in rows
    }
    parts = {
        "LIBRARY": library, "ENGINE": engine, "MODEL": stored, "GIVEN": json.dumps(given).encode(),
        "HERE": json.dumps(on_device(stored, rows).tolist()).encode(),
    }  # fmt: skip
    page = _PAGE
    for name, content in parts.items():
        page = page.replace(f"${name}$", base64.b64encode(content).decode())
    write_whole(path, page)
    return Path(path)


_PAGE = """<!doctype html>
<meta charset="utf-8"><title>A model in this browser</title>
<style>body{font:16px/1.5 system-ui;max-width:40rem;margin:2rem auto;padding:0 1rem}</style>
<h1>A model in this browser</h1>
<p id="said">Starting ...</p>
<script type="module">
const bytes = text => Uint8Array.from(atob(text), one => one.charCodeAt(0))
const told = text => JSON.parse(new TextDecoder().decode(bytes(text)))
const library = URL.createObjectURL(new Blob([bytes("$LIBRARY$")], {type: "text/javascript"}))
const ort = await import(library)
ort.env.wasm.numThreads = 1
ort.env.wasm.wasmBinary = bytes("$ENGINE$").buffer
const session = await ort.InferenceSession.create(bytes("$MODEL$"))
const given = told("$GIVEN$"), here = told("$HERE$"), inputs = {}
for (const name of session.inputNames) {
  const text = typeof given[name][0] === "string"
  const values = text ? given[name] : Float32Array.from(given[name])
  inputs[name] = new ort.Tensor(text ? "string" : "float32", values, [here.length, 1])
}
const begun = performance.now()
const found = (await session.run(inputs, ["probabilities"])).probabilities.data
const took = performance.now() - begun
const gaps = here.map((one, row) => Math.abs(one - found[2 * row + 1]))
window.result = {found: here.map((_, row) => found[2 * row + 1]), largest: Math.max(...gaps)}
document.getElementById("said").textContent =
  `${here.length} customers scored here in ${took.toFixed(1)} ms, without any network. ` +
  `Furthest from the answers of Python: ${window.result.largest.toExponential(1)}.`
</script>
"""
