"""What every kernel inherits: no telemetry, one core each, nobody's personal settings."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile

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
    """Set every telemetry switch for this process and the kernels it starts.

    Examples
    --------
    >>> silence()
    >>> os.environ["DO_NOT_TRACK"]
    '1'
    """
    os.environ.update(SWITCHES)


def steady() -> None:
    """Let kernels run side by side, one core each, and start quietly in a bare sandbox.

    Examples
    --------
    >>> steady()
    >>> "OMP_NUM_THREADS" in os.environ
    True
    """
    # Two kernels with two threads each would fight for two cores.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    # implicit loads tqdm, which otherwise asks in each lesson for a widget that no lesson shows.
    os.environ.setdefault("PYTHONWARNINGS", "ignore:IProgress not found")
    try:
        import multiprocessing.synchronize

        multiprocessing.synchronize.Lock(ctx=multiprocessing.get_context())
    except (ImportError, OSError):
        # No shared memory, as in a chroot: scikit-learn would warn at every import.
        os.environ.setdefault("JOBLIB_MULTIPROCESSING", "0")


def plain_kernels() -> None:
    """Let kernels start as on a fresh machine: with this Python, without personal settings.

    A start-up file or a kernel of the user's own would change what a lesson shows.

    Examples
    --------
    >>> plain_kernels()
    >>> os.listdir(os.environ["IPYTHONDIR"])
    []
    """
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"
    os.environ.pop("JUPYTER_PATH", None)
    folder = tempfile.mkdtemp(prefix="lifecycle-ipython-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ["IPYTHONDIR"] = folder
