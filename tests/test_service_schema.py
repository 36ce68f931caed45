"""Ten thousand requests that schemathesis makes of the documentation, and of what it forbids."""

import json
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import requests
from test_service import POPULAR, scoring

from helpers.deployment.answers import Lists
from helpers.deployment.service import SCOPES, Service, new_key, running

CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
]


@pytest.mark.slow
def test_ten_thousand_requests_of_schemathesis_meet_no_5xx_and_no_undocumented_status(tmp_path):
    program = shutil.which("schemathesis", path=str(Path(sys.executable).parent))
    if not program:
        pytest.skip("schemathesis, an authors' tool, is not here: python3 run.py setup --authors")

    def load(kind, version):
        if kind == "score" and version in "12":
            return scoring(version)
        raise LookupError(f"There is no version {version!r} of {kind}.")

    key = new_key(tmp_path, "all", list(SCOPES), 1e9)
    service = Service(tmp_path, scoring(), Lists(POPULAR.assign(customer_id=7), POPULAR, "1"), load)
    with running(service) as address:
        command = [program, "run", f"{address}/openapi.json", "-H", f"Authorization: Bearer {key}"]
        command += ["--checks", ",".join(CHECKS), "--phases", "examples,coverage,fuzzing"]
        command += ["-n", "900", "--generation-deterministic"]
        command += ["--suppress-health-check", "all", "--warnings", "off", "--no-color"]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
        assert requests.get(f"{address}/health", timeout=20).ok
    assert done.returncode == 0, done.stdout[-4_000:] + done.stderr[-2_000:]
    log = [json.loads(line) for line in (tmp_path / "requests.jsonl").read_text().splitlines()]
    told = Counter(line["status"] for line in log)
    print(f"{len(log):,} requests, by status: {dict(sorted(told.items()))}")
    assert len(log) >= 10_000
    assert max(told) < 500
    assert told[200] > 1_000
    assert min(told[400], told[422]) > 300  # an id or a body of another form
