"""Runs in Evidently's own environment: judge each case by the default preset, say what drifts.

Not imported by anything of ours; called with the files of the cases and of the signals to write.
"""

import sys
import time
import warnings

import pandas as pd
from evidently import Report
from evidently.presets import DataDriftPreset

warnings.filterwarnings("ignore")
_KEYS = ["session_id", "customerID"]


def drifted(reference, current, part):
    """Return what the preset says of two tables; it tells p-values and distances, each beside its limit."""
    found, told = [], Report([DataDriftPreset()], include_tests=True).run(current, reference).dict()  # fmt: skip
    for test in told["tests"]:
        if "FAIL" in str(test["status"]):
            name = test["metric_config"]["params"].get("column")
            found.append(f"{part}.{name}" if name else f"{part} drifts")
    return found


def main(asked, told):
    """Judge each case; a crash is a signal."""
    cases, rows = pd.read_csv(asked, keep_default_na=False), []
    for case in cases.to_dict("records"):
        found, took = ["crash"] if case["broken"] else [], 0.0
        for part in ("wide", "outcomes") if not case["broken"] else ():
            reference, current = (
                pd.read_parquet(f"{case[one]}.{part}.parquet").drop(columns=_KEYS, errors="ignore")
                for one in ("reference", "current")
            )
            began = time.process_time()
            try:
                found += drifted(reference, current, part)
            except Exception:  # the tool's own, whatever it is
                found.append("crash")
            took += time.process_time() - began
        rows += [(case["case"], signal, 0.0) for signal in found] + [(case["case"], "", took)]
    pd.DataFrame(rows, columns=["case", "signal", "seconds"]).to_csv(told, index=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
