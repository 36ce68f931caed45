"""A model on a device: the same answers row by row, a signed release, a page in a real browser."""

import base64
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT, examples, first_always
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from helpers.deployment import edge

KEY = Ed25519PrivateKey.generate()
COLUMNS = ["tenure", "charges", "contract"]


def people(rows, seed=0):
    rng = np.random.default_rng(seed)
    table = pd.DataFrame({
        "tenure": rng.integers(0, 72, rows), "charges": rng.integers(400, 2400, rows) / 20,
        "contract": rng.choice(["month", "year", "two years"], rows),
    })  # fmt: skip
    table["left"] = rng.random(rows) < 1 / (1 + np.exp(table["tenure"] / 20 - table["charges"] / 80))  # fmt: skip
    return table


def fitted(model, numbers, table):
    words = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    prepared = make_column_transformer((numbers, COLUMNS[:2]), (words, COLUMNS[2:]))
    return make_pipeline(prepared, model).fit(table, table["left"])


@pytest.fixture(scope="module")
def halves():
    table = people(1200)
    return table[:600], table[600:]


KINDS = {
    "logistic": (LogisticRegression(), StandardScaler()),
    "forest": (RandomForestClassifier(20, random_state=0), "passthrough"),
    "boosted": (HistGradientBoostingClassifier(max_iter=20, random_state=0), "passthrough"),
}


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # what another test left open
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", KINDS)
def test_the_device_answers_as_scikit_learn_does_and_the_same_model_gives_the_same_bytes(halves, kind):  # fmt: skip
    train, test = halves
    model = fitted(*KINDS[kind], train)
    stored = edge.to_onnx(model, train[COLUMNS])
    assert stored == edge.to_onnx(model, test[COLUMNS])
    strange = test.assign(contract="a new one")
    for rows in (train, test, strange, test[:1]):
        right = model.predict_proba(rows)[:, 1]
        assert edge.on_device(stored, rows) == pytest.approx(right, abs=1e-6)
        assert edge.parity(model, stored, rows).passed


def test_a_scaler_before_trees_fails_the_gate_and_the_count_is_of_single_rows(halves):
    train, test = halves
    model = fitted(RandomForestClassifier(20, random_state=0), StandardScaler(), train)
    stored = edge.to_onnx(model, train[COLUMNS])
    found = edge.parity(model, stored, test)
    gap = np.abs(model.predict_proba(test)[:, 1] - edge.on_device(stored, test))
    assert not found.passed
    assert found.off == (gap > 1e-5).sum() > 5
    assert found.largest == gap.max() > 0.01
    assert found.said.startswith(f"{found.off} of 600 rows")


def test_a_decision_that_differs_fails_the_gate_though_no_probability_is_off(halves):
    train, test = halves
    model = fitted(RandomForestClassifier(50, random_state=0), "passthrough", train)
    stored = edge.to_onnx(model, train[COLUMNS])
    assert edge.parity(model, stored, test).passed
    own, there = model.predict_proba(test)[:, 1], edge.on_device(stored, test)
    lines = [votes / 50 for votes in range(1, 50)]  # each can be hit by 50 trees
    other = [int(((own >= line) != (there >= line)).sum()) for line in lines]
    assert max(other) > 0
    for line, count in zip(lines, other, strict=True):
        found = edge.parity(model, stored, test, line)
        assert (found.off, found.decided, found.passed) == (0, count, count == 0)
        assert found.said.endswith(f", {count:,} decided otherwise at {line:g}")
        assert edge.parity(model, stored, test, line - 0.01).passed  # between two votes


def test_a_probability_that_is_no_number_does_not_pass(halves, monkeypatch):
    train, test = halves
    model = fitted(*KINDS["logistic"], train)
    stored = edge.to_onnx(model, train[COLUMNS])
    monkeypatch.setattr(edge, "on_device", lambda stored, rows: np.full(len(rows), np.nan))
    assert edge.parity(model, stored, test)[:3:2] == (False, 600)


def test_what_cannot_go_to_a_device_is_said_with_what_to_do(halves):
    train, test = halves
    own = make_pipeline(FunctionTransformer(np.log1p), LogisticRegression())
    own.fit(train[["tenure"]], train["left"])
    with pytest.raises(ValueError, match=r"cannot be written as ONNX \(.*plain scikit-learn parts"):
        edge.to_onnx(own, train[["tenure"]])
    turned = fitted(*KINDS["logistic"], train.assign(left=np.where(train["left"], "Churned", "Stayed")))  # fmt: skip
    with pytest.raises(
        ValueError, match="Churned.*Stayed.* apart; a device reads the probability of True"
    ):
        edge.to_onnx(turned, train[COLUMNS])
    model = fitted(*KINDS["logistic"], train)
    stored = edge.to_onnx(model, train[COLUMNS])
    with pytest.raises(ValueError, match="rows lack charges, contract"):
        edge.on_device(stored, test[["tenure"]])
    with pytest.raises(ValueError, match="contract has gaps; a text in ONNX cannot be missing"):
        edge.on_device(stored, test.assign(contract=[None, *test["contract"][1:]]))


@settings(deadline=None, max_examples=examples(60))
@given(st.integers(0, 300), st.integers(0, 7), st.sampled_from(["note", "signature", "model"]))
def test_no_flipped_bit_is_ever_installed(place, bit, part):
    sent = edge.release(b"a model of some bytes", 2, KEY)
    content = bytearray(getattr(sent, part))
    content[place % len(content)] ^= 1 << bit
    with pytest.raises(ValueError, match="Refused"):
        edge.accept(sent._replace(**{part: bytes(content)}), KEY.public_key(), installed=1)


def test_a_release_is_installed_once_and_never_backwards():
    sent = edge.release(b"model", 5, KEY)
    assert edge.accept(sent, KEY.public_key(), installed=0) == 5
    for installed in (5, 6):
        with pytest.raises(ValueError, match=f"release 5 is not newer than {installed}"):
            edge.accept(sent, KEY.public_key(), installed)
    back = edge.release(b"model", 7, KEY)
    assert edge.accept(back, KEY.public_key(), installed=6) == 7


def test_a_genuine_note_does_not_cover_another_model_nor_another_key():
    sent, other = edge.release(b"model", 2, KEY), edge.release(b"MODEL", 3, KEY)
    with pytest.raises(ValueError, match="not the one of the signed note"):
        edge.accept(sent._replace(model=other.model), KEY.public_key(), installed=1)
    with pytest.raises(ValueError, match="3 of 5 bytes came"):
        edge.accept(sent._replace(model=b"mod"), KEY.public_key(), installed=1)
    with pytest.raises(ValueError, match="not signed with the firm's key"):
        edge.accept(sent._replace(note=other.note), KEY.public_key(), installed=1)
    with pytest.raises(ValueError, match="not signed with the firm's key"):
        edge.accept(sent, Ed25519PrivateKey.generate().public_key(), installed=1)


def test_without_the_extra_the_page_says_what_to_type(halves, tmp_path):
    train, _ = halves
    stored = edge.to_onnx(fitted(*KINDS["logistic"], train), train[COLUMNS])
    with pytest.raises(ValueError, match="npm install --prefix runs onnxruntime-web"):
        edge.write_page(tmp_path / "app.html", stored, train[COLUMNS], tmp_path / "nowhere")
    assert not list(tmp_path.iterdir())


def test_the_page_holds_everything_and_asks_for_nothing(halves, tmp_path):
    train, _ = halves
    stored = edge.to_onnx(fitted(*KINDS["logistic"], train), train[COLUMNS])
    for name in edge.WEB_FILES:
        (tmp_path / name).write_bytes(b"the extra")
    page = edge.write_page(tmp_path / "app.html", stored, train[COLUMNS][:3], tmp_path).read_text()
    assert base64.b64encode(stored).decode() in page
    assert "$" not in re.sub(r"\$\{[^}]*\}", "", page)
    assert not re.search(r"https?:|src=|href=|fetch\(", page)


def web_folder():
    """The folder `dist` of onnxruntime-web, where ONNXRUNTIME_WEB points or npm put it."""
    folder = Path(os.environ.get("ONNXRUNTIME_WEB", ROOT / "notebooks/runs/node_modules/onnxruntime-web/dist"))  # fmt: skip
    if not all((folder / name).is_file() for name in edge.WEB_FILES):
        pytest.skip("onnxruntime-web is not here: npm install --prefix notebooks/runs onnxruntime-web, or set ONNXRUNTIME_WEB to its dist")  # fmt: skip
    return folder


@pytest.mark.parametrize("kind", first_always(KINDS))
def test_a_browser_without_a_network_answers_as_scikit_learn_does(halves, tmp_path, kind):
    folder = web_folder()
    browsers = pytest.importorskip("playwright.sync_api", reason="authors' tools are not here")
    chromium = shutil.which("chromium") or pytest.skip("chromium is not here")
    train, test = halves
    model = fitted(*KINDS[kind], train)
    page = edge.write_page(tmp_path / "app.html", edge.to_onnx(model, train[COLUMNS]), test[COLUMNS], folder)  # fmt: skip
    asked, errors = [], []
    with browsers.sync_playwright() as tool:
        browser = tool.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        tab = browser.new_context(offline=True).new_page()
        tab.on("request", lambda request: asked.append(request.url.partition(":")[0]))
        tab.on("pageerror", lambda error: errors.append(str(error)))
        tab.goto(page.as_uri())
        tab.wait_for_function("window.result", timeout=60_000)
        result, said = tab.evaluate("window.result"), tab.inner_text("#said")
        browser.close()
    assert not errors
    assert set(asked) == {"file", "blob"}
    assert result["found"] == pytest.approx(model.predict_proba(test)[:, 1], abs=1e-6)
    assert result["largest"] < 1e-6
    assert said.startswith("600 customers scored here in ")
