"""A place where a stranger's code can run: bubblewrap around it, resource limits inside.

Inside there is the system and this Python environment (read-only), the package `helpers`, the
files of one exercise, and an empty home. There is no network, no process of the machine, and no
file of the person who grades.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import helpers

HOME = "/home/student"
EXERCISE = "/exercise"
FONTS = "/home/fonts"
BY_THE_CLOCK = 5  # a busy machine must not cost marks, so time is counted on the processor
_SYSTEM = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64"]
_SETTINGS = ["/etc/ld.so.cache", "/etc/alternatives", "/etc/localtime"]


@dataclass(frozen=True)
class Limits:
    """What one submission may use.

    Attributes
    ----------
    memory_mb : of each process, and of all together; also of each folder held in memory.
    processes : at once, threads included.
    file_mb : largest file.
    cell_seconds : of the processor, for a cell; by the clock, five times as much.
    check_seconds : the same for one question of a check.
    total_seconds : by the clock, for everything.
    grace_seconds : from a polite interrupt to the end.
    output_chars : kept of what a cell prints.
    """

    memory_mb: int = 2048
    processes: int = 64
    file_mb: int = 64
    cell_seconds: float = 60.0
    check_seconds: float = 20.0
    total_seconds: float = 600.0
    grace_seconds: float = 3.0
    output_chars: int = 20_000


@functools.cache
def why_not() -> str:
    """Return why no sandbox can be made here, as one sentence; empty when it can.

    Examples
    --------
    >>> isinstance(why_not(), str)
    True
    """
    if not sys.platform.startswith("linux"):
        return "A sandbox was expected, but it needs Linux with bubblewrap."
    missing = [tool for tool in ("bwrap", "prlimit", "setpriv") if not shutil.which(tool)]
    if missing:
        packages = "bubblewrap" if missing == ["bwrap"] else "bubblewrap and util-linux"
        return f"A sandbox was expected, but {missing[0]} is not installed: install {packages}."
    try:
        # -S: what is tried is the sandbox, not the libraries.
        tried = command(Limits(), None, ["-S", "-c", "pass"])
        done = subprocess.run(tried, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"A sandbox was expected, but bubblewrap does not work here: {error}."
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["it says nothing"])[-1]
        return f"A sandbox was expected, but bubblewrap cannot make one here: {said}."
    return ""


def command(limits: Limits, exercise: Path | None, words: list[str]) -> list[str]:
    """Return the command that runs Python with `words` in a sandbox.

    Parameters
    ----------
    limits : what it may use.
    exercise : folder whose files are laid at `/exercise`; None for none.
    words : what follows `python`.
    """
    size = str(limits.memory_mb * 1_000_000 // 8)
    return [
        "bwrap", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts",
        "--unshare-cgroup-try", "--die-with-parent", "--new-session", "--cap-drop", "ALL",
        *_identity()[0],
        *_system(),
        "--proc", "/proc", "--dev", "/dev", *_memory_folder("/dev/shm", size),
        *_memory_folder("/tmp", size), *_memory_folder("/home", size),
        *_environment(),
        *(["--ro-bind", str(exercise), EXERCISE] if exercise else []),
        "--remount-ro", "/dev", "--remount-ro", "/",
        "--chdir", "/home", "--hostname", "sandbox", "--clearenv", *_variables(),
        "--", *_identity()[1], *_limited(limits), *python(words),
    ]  # fmt: skip


def python(words: list[str]) -> list[str]:
    """Return the command that runs this Python with `words`, sandbox or not."""
    return [sys.executable, *words]


def open_environment(home: Path) -> dict[str, str]:
    """Return the environment variables of an answer that runs without a sandbox."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    return {**kept, **_settings(str(home))}


def _identity():
    """Return how to become nobody in particular: words for bubblewrap, and words inside.

    A limit on processes does not hold for root, so root hands over to a number of its own.
    """
    if os.geteuid() != 0:
        return ["--unshare-user"], []
    number = str(20_000 + os.getpid() % 40_000)
    grants = [word for name in ("SETUID", "SETGID") for word in ("--cap-add", f"CAP_{name}")]
    hand_over = ["setpriv", f"--reuid={number}", f"--regid={number}", "--clear-groups"]
    return grants, [*hand_over, "--no-new-privs", "--inh-caps=-all"]


def _system():
    """Return the words that show the system, read-only."""
    words = []
    for path in _SYSTEM:
        if os.path.islink(path):
            words += ["--symlink", os.readlink(path), path]
        elif os.path.isdir(path):
            words += ["--ro-bind", path, path]
    words += ["--perms", "0755", "--dir", "/etc"]
    for path in _SETTINGS:
        words += ["--ro-bind-try", path, path]
    return words


def _memory_folder(path, size):
    """Return the words for an empty, bounded folder in memory that anybody may write."""
    return [*(["--size", size] if _knows_size() else []), "--perms", "1777", "--tmpfs", path]


@functools.cache
def _knows_size():
    """Return whether this bubblewrap can bound a folder in memory."""
    said = subprocess.run(["bwrap", "--help"], capture_output=True, text=True, check=False)
    return "--size" in said.stdout


def shown_by(path: Path) -> str:
    """Return the folder through which a submission could read `path`; "" when it cannot.

    Examples
    --------
    >>> shown_by(Path("/usr/share")), shown_by(Path("/home/ana/submissions"))
    ('/usr', '')
    """
    path = path.resolve()
    places = [Path(place) for place in (*_SYSTEM, *_places())]
    return next((str(one) for one in places if one == path or one in path.parents), "")


def _places():
    """Return the folders of this Python and of the package `helpers`."""
    interpreter = str(Path(sys.executable).resolve().parents[1])
    return sorted({sys.prefix, sys.base_prefix, interpreter, str(_package())})


def _environment():
    """Return the words that show this Python and the package `helpers`, read-only."""
    words = []
    for place in _places():
        if not place.startswith("/usr/") and place != "/usr":
            words += [*_open_way(place), "--ro-bind", place, place]
    words += ["--perms", "0755", "--dir", FONTS]
    for path in sorted((Path.home() / ".cache" / "matplotlib").glob("fontlist-*.json")):
        words += ["--ro-bind", str(path), f"{FONTS}/{path.name}"]
    return words


def _open_way(place):
    """Return the words that make the folders above `place`, empty but for it, open to all."""
    above = [str(path) for path in reversed(Path(place).parents) if len(path.parts) > 1]
    held = ("/tmp", "/home", *_SYSTEM)
    return [w for path in above if path not in held for w in ("--perms", "0755", "--dir", path)]


def _package():
    """Return the folder of `helpers`."""
    return Path(helpers.__file__).resolve().parent


def _variables():
    """Return the words that set the variables inside."""
    values = {"PATH": "/usr/bin:/bin", "TMPDIR": "/tmp", **_settings(HOME)}
    return [word for name, value in values.items() for word in ("--setenv", name, value)]


def _settings(home):
    """Return variables that make a run the same everywhere."""
    return {
        "HOME": home, "USER": "student", "LOGNAME": "student", "LANG": "C.UTF-8",
        "PYTHONPATH": str(_package().parent), "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0", "PYTHONUTF8": "1", "MPLBACKEND": "agg", "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1", "JOBLIB_MULTIPROCESSING": "0", "DO_NOT_TRACK": "1",
    }  # fmt: skip


def _limited(limits):
    """Return the words that bound what a process may use."""
    # Memory is what a process may address; libraries reserve some that they never touch.
    return [
        "prlimit", f"--as={limits.memory_mb * 1_000_000}", f"--nproc={limits.processes}",
        f"--cpu={int(limits.total_seconds) + 1}", f"--fsize={limits.file_mb * 1_000_000}",
        "--core=0", "--nofile=256", "--memlock=0", "--",
    ]  # fmt: skip
