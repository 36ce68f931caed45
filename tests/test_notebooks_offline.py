"""Quick runs of notebooks, with the network cut off beside a sink for host names.

Where IBM's customers are here, the one lesson that is always run reads them, too.
"""

import subprocess
import sys

import pytest
from conftest import ROOT, told_figures
from offline import cannot_cut_off, run_cut_off

from helpers.course.runner.shelf import all_notebooks

COURSE = [path.stem for path in all_notebooks(ROOT / "notebooks")]
ONE = ["02a_databases_and_services"]  # it starts services on loopback


@pytest.fixture(
    scope="module",
    params=[ONE, pytest.param(COURSE, marks=pytest.mark.slow)],
    ids=["a lesson", "the course"],
)
def fast_run(request, tmp_path_factory):
    """Lessons on small tables, cut off where this machine allows it."""
    stems, output = request.param, tmp_path_factory.mktemp("fast")
    words = ["run", "--fast", "--output", str(output)]
    if stems == ONE:
        words += ONE
    limit = 600 + 60 * len(stems)  # seconds: it stops a run that hangs
    command = [sys.executable, "-m", "helpers.course.cli", *words]
    if cannot_cut_off():
        done, asked = subprocess.run(command, cwd=output, check=False, timeout=limit), None
    else:
        done, asked = run_cut_off(command, cwd=output, timeout=limit)
    assert done.returncode == 0, done
    return stems, output, asked


def test_fast_runs_need_no_network_and_ask_for_no_host_name(fast_run):
    """With the network cut off beside a sink for host names, where this machine allows it."""
    stems, output, asked = fast_run
    told = told_figures(output, stems)["02a_databases_and_services"]
    assert (told["ratings"] > 100, told["lost"], told["twice"]) == (True, 0, 0)
    if reason := cannot_cut_off():
        pytest.skip(f"ran, but not cut off from the network: {reason}")
    assert asked == []


def test_papermill_runs_the_lessons_to_one_index(fast_run):
    stems, output, _ = fast_run
    assert set(told_figures(output, stems)) == set(stems)
    index = (output / "index.html").read_text(encoding="utf-8")
    assert f"{len(stems)} of {len(stems)} notebooks ran to their end" in index
    assert index.count("<img alt=") == len(stems)


def test_the_sink_notices_a_program_that_asks_for_a_name():
    reason = cannot_cut_off()
    if reason:
        pytest.skip(reason)
    asks = "import socket\ntry: socket.getaddrinfo('telemetry.example', 443)\nexcept OSError: pass"
    done, asked = run_cut_off([sys.executable, "-c", asks], timeout=60)
    assert done.returncode == 0, done
    assert "telemetry.example" in asked
