"""Nothing here phones home: every telemetry switch of the field's libraries, set in one place."""

from __future__ import annotations

import os

SWITCHES = {
    "DO_NOT_TRACK": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "ORT_DISABLE_TELEMETRY": "1",
    "WANDB_ERROR_REPORTING": "false",
    "WHYLOGS_NO_ANALYTICS": "True",
    "NML_DISABLE_USAGE_LOGGING": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "FEAST_USAGE": "False",
    "DAGSTER_DISABLE_TELEMETRY": "yes",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
}


def silence() -> None:
    """Set every switch for this process and the kernels it starts.

    Examples
    --------
    >>> silence()
    >>> os.environ["DO_NOT_TRACK"]
    '1'
    """
    os.environ.update(SWITCHES)
