"""Same seed, same bytes: on every supported Python, with any number of threads, on any processor."""

import hashlib
import os
import platform
import subprocess
import sys
from functools import cache

import pytest

from helpers.worlds import Operator, Shop
from helpers.worlds.shop import at_random

# SHA-256 over the tables of a small history and four months. A change to a world changes them:
# then print what `digests` gives and say in the changelog that the worlds are other ones now.
STORED = {
    "shop": "92ae687c7b7412fd0704955dde49aaa2f540e6f12265a1ce8062ea451bd22210",
    "operator": "10e18207aa500f3f55ba506a2a8cbdb26f9dafd83ca92203594fb99b78d0b19e",
}
OTHER_MACHINE = {
    "OMP_NUM_THREADS": "3",
    "OPENBLAS_NUM_THREADS": "3",
    "PYTHONHASHSEED": "7",
    "TZ": "Asia/Tokyo",
    "LC_ALL": "C",
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL",  # numpy warns where it has none of them
}


def call_nobody(customers):
    return customers[["customerID"]].assign(churn_probability=0.2, call=False)


def table_hashes(tables):
    """Return the SHA-256 of each table's CSV text under a line of its column types."""
    return {name: table_hash(table) for name, table in tables.items()}


def table_hash(table):
    types = ",".join(f"{column}:{kind}" for column, kind in table.dtypes.items())
    text = types + "\n" + table.to_csv(index=False, lineterminator="\n")
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@cache
def digests(seed=1):
    """Return one SHA-256 a world, over the hashes of its tables by name."""
    return {
        "shop": digest(Shop(150, 60, seed), at_random),
        "operator": digest(Operator(150, seed), call_nobody),
    }


def digest(world, decide):
    tables = world.history()
    for month in (1, 2, 3, 4):
        seen = world.play(month, decide)
        tables |= {f"{name} {month}": table for name, table in seen.items()}
    lines = [f"{name} {value}" for name, value in sorted(table_hashes(tables).items())]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


@pytest.mark.skipif(
    (sys.platform, platform.machine()) != ("linux", "x86_64"),
    reason="the digests were stored on Linux, x86-64: another system's logarithm may round otherwise",
)
def test_the_worlds_are_those_stored_byte_by_byte():
    assert digests() == STORED


def test_another_process_with_other_threads_hashes_clock_and_processor_makes_the_same_bytes():
    code = "import test_world_bytes; print(test_world_bytes.digests())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **OTHER_MACHINE, "PYTHONPATH": os.path.dirname(__file__)},
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    assert done.stdout == f"{digests()}\n"


def test_another_seed_makes_other_worlds():
    assert all(digests(2)[name] != digests(1)[name] for name in STORED)
