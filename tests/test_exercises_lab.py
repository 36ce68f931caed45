"""What a learner sees in JupyterLab: one line a check, and no traceback. Needs a browser."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import ROOT

NOTEBOOK = "01b_what_a_decision_is_worth/01b_what_a_decision_is_worth.ipynb"
HEAD = "def break_even(worth_eur, success_share, cost_eur):\n    return "
CODE_CELLS = ".jp-Notebook .jp-CodeCell"
QUIET = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
QUIET += ["--disable-component-update", "--disable-sync", "--disable-quic"]
IDLE = ".jp-Notebook-ExecutionIndicator[data-status='idle']"
BUSY = IDLE.replace("idle", "busy")
PATIENCE_MS = 120_000
TRIES = 3
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def browser():
    """A page of a headless Chromium."""
    sync = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    names = ("chromium", "chromium-browser", "google-chrome")
    program = next(filter(None, map(shutil.which, names)), None)
    if program is None:
        pytest.skip("no Chromium is installed (Debian: sudo apt install chromium)")
    with sync.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, headless=True, args=QUIET)
        yield chromium.new_page(viewport={"width": 1300, "height": 1000})
        chromium.close()


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """The address of a JupyterLab over a copy of lessons and exercises."""
    folder = tmp_path_factory.mktemp("lab")
    for name in ("notebooks", "exercises"):
        shutil.copytree(ROOT / name, folder / name)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    own = {"JUPYTER_CONFIG_DIR": folder / "c", "JUPYTER_RUNTIME_DIR": folder / "r"}
    own |= {"JUPYTERLAB_SETTINGS_DIR": folder / "s", "JUPYTERLAB_WORKSPACES_DIR": folder / "w"}
    command = [sys.executable, "-m", "helpers.course.cli", "lab"]
    command += ["--notebooks", folder / "notebooks", "--no-browser", "--allow-root"]
    command += ["--ip=127.0.0.1", f"--port={port}", "--ServerApp.port_retries=0"]
    log = folder / "lab.log"
    with log.open("w") as output:
        server = subprocess.Popen(
            [*map(str, command), "--IdentityProvider.token="], cwd=folder,
            env={**os.environ, **{name: str(path) for name, path in own.items()}},
            stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        _wait_for(log, server)
        yield f"http://127.0.0.1:{port}/lab/tree"
    finally:
        server.terminate()
        server.wait(30)


def _wait_for(log: Path, server) -> None:
    """Wait until the server says that it is running."""
    for _ in range(300):
        if "is running at" in log.read_text(encoding="utf-8"):
            return
        assert server.poll() is None, log.read_text(encoding="utf-8")
        time.sleep(0.2)
    pytest.fail("JupyterLab did not start within a minute")


class Task:
    """The first task of the exercise, as a learner works on it."""

    def __init__(self, page):
        self.page = page
        self.answer = page.locator(CODE_CELLS).nth(0)
        self.check = page.locator(CODE_CELLS).nth(1)

    def write(self, body: str) -> None:
        """Replace the answer cell's text."""
        self.answer.locator(".cm-content").click()
        self.page.keyboard.press("Control+a")
        self.page.keyboard.insert_text(HEAD + body)

    def run(self) -> list[str]:
        """Press Shift+Enter twice, on the answer and on the check; return what the check shows."""
        before = self.number()
        for _ in range(TRIES):  # keys pressed while the page is still being built are lost
            self.answer.locator(".jp-InputPrompt").click()
            self.page.keyboard.press("Shift+Enter")
            self.page.keyboard.press("Shift+Enter")
            if self.done_after(before):
                break
        return [o.inner_text().strip() for o in self.check.locator(".jp-OutputArea-output").all()]

    def done_after(self, before: int) -> bool:
        """Wait until the answer has a later number and the kernel has been idle for half a second."""
        calm = 0
        for _ in range(PATIENCE_MS // TRIES // 100):
            self.page.wait_for_timeout(100)
            calm = calm + 1 if self.number() > before and self.is_idle() else 0
            if calm == 5:
                return True
        return False

    def number(self) -> int:
        """Return the number that the answer was run under, 0 before."""
        shown = re.search(r"\d+", self.answer.locator(".jp-InputPrompt").inner_text())
        return int(shown.group()) if shown else 0

    def is_idle(self) -> bool:
        """Whether the kernel has nothing to do."""
        return self.page.locator(BUSY).count() == 0

    def is_collapsed(self) -> bool:
        """Whether the check shows its one line and not its code."""
        return self.check.locator(".jp-Placeholder").count() == 1


def test_a_learner_sees_one_line_and_no_traceback(browser, lab):
    browser.goto(f"{lab}/exercises/{NOTEBOOK}?reset")
    browser.wait_for_selector(IDLE, timeout=PATIENCE_MS)
    browser.wait_for_selector(CODE_CELLS, timeout=PATIENCE_MS)
    task = Task(browser)
    assert "# Check task 1: run this cell" in task.check.inner_text()
    assert browser.locator("details summary").first.inner_text() == "Hint 1"

    assert task.run() == [
        "· Task 1: not attempted yet. Write your answer in the cell above and run it, then this one."
    ]
    task.write("cost_eur / worth_eur")
    assert task.run() == [
        "✗ Task 1: not every interested customer buys; the success share counts, too. Got: 0.05."
    ]
    task.write("cost_eur / nothing")
    (line,) = task.run()
    assert line.startswith("✗ Task 1: your code raised NameError: name 'nothing' is not defined")
    assert line.endswith("at: return cost_eur / nothing.")
    assert "\n" not in line
    task.write("cost_eur / (worth_eur * success_share)")
    assert task.run() == ["✓ Task 1: correct"]
    assert task.is_collapsed()
    assert "Traceback" not in browser.content()
