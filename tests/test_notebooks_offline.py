"""The quick runs of every notebook, with the network cut off beside a sink for host names."""

import subprocess
import sys

import pytest
from conftest import told_figures
from offline import cannot_cut_off, run_cut_off


def test_fast_runs_need_no_network_and_ask_for_no_host_name(tmp_path):
    """With the network cut off beside a sink for host names, where this machine allows it."""
    command = [sys.executable, "-m", "helpers.course.cli", "run", "--fast", "--output", tmp_path]
    reason = cannot_cut_off()
    if reason:
        done, asked = subprocess.run(command, cwd=tmp_path, check=False, timeout=600), None
    else:
        done, asked = run_cut_off([*map(str, command)], cwd=tmp_path, timeout=600)
    assert done.returncode == 0, done
    told = told_figures(tmp_path)
    assert told["02a_collect_records"]["rows"] == 1_000
    if reason:
        pytest.skip(f"ran, but not cut off from the network: {reason}")
    assert asked == []


def test_the_sink_notices_a_program_that_asks_for_a_name():
    reason = cannot_cut_off()
    if reason:
        pytest.skip(reason)
    asks = "import socket\ntry: socket.getaddrinfo('telemetry.example', 443)\nexcept OSError: pass"
    done, asked = run_cut_off([sys.executable, "-c", asks], timeout=60)
    assert done.returncode == 0, done
    assert "telemetry.example" in asked
