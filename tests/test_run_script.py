"""`run.py` tried in small checkouts: a package with one command, two wheels made here, no network.

The one slow thing, a set-up from empty, is done once (`checkout`) and then damaged and repaired.
"""

import ast
import csv
import errno
import hashlib
import importlib.metadata
import importlib.util
import io
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
import tomllib
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from helpers.course.cli import app

ROOT = Path(__file__).resolve().parents[1]
RUN = ROOT / "run.py"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
WINDOWS = os.name == "nt"
TIME_LIMIT = 120

CLI = """\
import json, os, sys

def main():
    print(json.dumps({
        "words": sys.argv[1:], "prefix": sys.prefix,
        "path": os.environ["PATH"], "virtual_env": os.environ.get("VIRTUAL_ENV"),
    }))
    sys.exit(int(sys.argv[-1]) if sys.argv[-1].isdigit() else 0)
"""


def imported(path):
    """A run.py as a module; importing it must do nothing."""
    spec = importlib.util.spec_from_file_location("run_script", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def run():
    return imported(RUN)


# A checkout small enough to be set up in seconds


def write_wheel(folder, name, version, files, tag="py3-none-any"):
    """A wheel of `files`, pairs of archive name and either bytes or a path; return its pin."""
    info = f"{name}-{version}.dist-info"
    files = [
        *files,
        (f"{info}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n".encode()),
        (f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode()),
    ]
    record = io.StringIO()
    csv.writer(record).writerows([n, "", ""] for n, _ in [*files, (f"{info}/RECORD", b"")])
    path = folder / f"{name}-{version}-{tag}.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for archive_name, content in [*files, (f"{info}/RECORD", record.getvalue().encode())]:
            if isinstance(content, bytes):
                wheel.writestr(archive_name, content)
            else:
                wheel.write(content, archive_name)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return f"{name}=={version} \\\n    --hash=sha256:{digest}\n"


def write_uv_wheel(folder):
    """A wheel of the uv that is installed here: the index is not asked, so no network is needed."""
    try:
        uv = importlib.metadata.distribution("uv")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("uv is not installed beside pytest (run.py test does that), so no real set-up")
    files = []
    for file in uv.files:
        if file.parts[0] == "uv" and file.suffix != ".pyc":
            files.append((file.as_posix(), file.locate()))
        elif file.parts[0] == ".." and file.stem == "uv":
            files.append((f"uv-{uv.version}.data/scripts/{file.name}", file.locate()))
    tag = re.search(r"^Tag: (\S+)", uv.read_text("WHEEL"), re.M).group(1)
    return write_wheel(folder, "uv", uv.version, files, tag)


def write_checkout(folder, pins):
    """What run.py needs around it, with the real build system and the real names."""
    course = folder / "helpers" / "course"
    course.mkdir(parents=True)
    (folder / "helpers" / "__init__.py").touch()
    (course / "__init__.py").touch()
    (course / "cli.py").write_text(CLI, encoding="utf-8")
    (folder / "pyproject.toml").write_text(
        f"[build-system]\nrequires = {PROJECT['build-system']['requires']}\n"
        f'build-backend = "uv_build"\n[project]\nname = "{PROJECT["project"]["name"]}"\n'
        f'version = "1.0"\n[project.scripts]\nlifecycle = "helpers.course.cli:main"\n'
        f'[tool.uv.build-backend]\nmodule-name = "helpers"\nmodule-root = ""\n',
        encoding="utf-8",
    )
    (folder / "requirements.txt").write_text(pins["uv"] + pins["tiny"], encoding="utf-8")
    (folder / "requirements-authors.txt").write_text("".join(pins.values()), encoding="utf-8")
    shutil.copy(RUN, folder)


class Checkout:
    """A folder with run.py in it, and the environment in which it is called."""

    def __init__(self, folder, env):
        self.folder = folder
        self.env = env
        self.venv = folder / ".venv"
        self.stamp = self.venv / ".run-stamp.json"

    def start(self, *words, **env):
        """A run.py that is running, in a process group of its own."""
        return subprocess.Popen(
            [sys.executable, self.folder / "run.py", *words],
            env={**self.env, **env},
            cwd=self.folder.parent,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            start_new_session=not WINDOWS,
        )

    def run(self, *words, **env):
        """A run.py that has ended: `returncode`, `stdout` and `stderr`."""
        return ended(self.start(*words, **env))

    def site_packages(self):
        return next(self.venv.glob("[Ll]ib/**/site-packages"))

    def installed(self):
        return sorted(path.name for path in self.site_packages().glob("*.dist-info"))


def ended(child):
    try:
        out, err = child.communicate(timeout=TIME_LIMIT)
    finally:
        if child.poll() is None:
            kill_all_of(child)
    return SimpleNamespace(returncode=child.returncode, stdout=out, stderr=err)


def kill_all_of(child):
    """SIGKILL for a process that we started and for what it started, as when the power goes."""
    if WINDOWS:
        child.kill()
    else:
        os.killpg(child.pid, signal.SIGKILL)


def wait_for(condition, seconds=60):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    """A folder of wheels, and the pin of each."""
    folder = tmp_path_factory.mktemp("wheels")
    pins = {"uv": write_uv_wheel(folder)}
    for name in ("tiny", "authorly"):
        pins[name] = write_wheel(folder, name, "1.0", [(f"{name}.py", b"ANSWER = 42\n")])
    return folder, pins


@pytest.fixture(scope="module")
def foreign_settings(tmp_path_factory):
    """Every setting that could lead the packages, or the programs, astray."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "helpers.py").write_text("raise ImportError('not this one')", encoding="utf-8")
    diverted = [
        *("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_CONSTRAINT", "UV_PROJECT_ENVIRONMENT"),
        *("UV_TARGET", "UV_CONSTRAINT", "VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONUSERBASE"),
        *("PYTHONPATH", "PYTHONPYCACHEPREFIX"),
    ]
    return {name: str(elsewhere) for name in diverted} | {
        "PIP_USER": "1",
        "PIP_REQUIRE_VIRTUALENV": "1",
        "PIP_NO_COMPILE": "1",
        "UV_PYTHON": "2.7",
        "UV_SYSTEM_PYTHON": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


@pytest.fixture(scope="module")
def story(tmp_path_factory, wheels, foreign_settings):
    """A first set-up that is killed, then two at once; and the checkout that comes of it."""
    folder, pins = wheels
    home = tmp_path_factory.mktemp("home")
    env = {n: v for n, v in os.environ.items() if not re.match("(PIP|UV)_|PYTHON|VIRTUAL_ENV", n)}
    env |= foreign_settings | {
        "HOME": str(home),
        "UV_CACHE_DIR": str(home / "uv"),
        "PIP_CONFIG_FILE": os.devnull,
        **{f"{tool}_FIND_LINKS": folder.as_posix() for tool in ("PIP", "UV")},
        **{f"{tool}_NO_INDEX": "1" for tool in ("PIP", "UV")},
    }
    checkout = Checkout(tmp_path_factory.mktemp("a place") / "Übung eins", env)
    write_checkout(checkout.folder, pins)
    killed = checkout.start("setup")
    wait_for(lambda: (checkout.venv / "pyvenv.cfg").exists() or killed.poll() is not None)
    kill_all_of(killed)
    killed = ended(killed)
    stamp_after_kill = checkout.stamp.exists()
    both = [checkout.start("setup") for _ in range(2)]
    both = [ended(child) for child in both]
    return SimpleNamespace(
        checkout=checkout, killed=killed, stamp_after_kill=stamp_after_kill, both=both
    )


@pytest.fixture
def checkout(story):
    assert [child.returncode for child in story.both] == [0, 0], story.both
    return story.checkout


# Set-ups that are really made


@pytest.mark.slow
def test_a_killed_set_up_is_repaired_by_the_next_one(story, checkout):
    assert story.killed.returncode != 0
    assert not story.stamp_after_kill
    assert checkout.run("doctor").returncode == 0


@pytest.mark.slow
def test_the_second_of_two_set_ups_waits_and_finds_nothing_left_to_do(story, checkout):
    waited, worked = sorted((child.stderr for child in story.both), key=len)
    assert waited == "another set-up is running here; waiting\n"
    assert worked.count("another") == 0
    assert "[1/4] making .venv" in worked
    assert re.search(r"ready in \d+ s\n$", worked)


@pytest.mark.slow
def test_foreign_settings_do_not_lead_the_packages_astray(checkout, foreign_settings):
    names = [name.split("-")[0] for name in checkout.installed()]
    assert {"pip", "uv", "tiny", "ml_lifecycle_lab"} <= set(names)
    assert sorted(os.listdir(foreign_settings["PIP_TARGET"])) == ["helpers.py"]
    seen = json.loads(checkout.run("doctor").stdout)
    assert Path(seen["prefix"]) == Path(seen["virtual_env"]) == checkout.venv
    assert Path(seen["path"].split(os.pathsep)[0]).parent == checkout.venv


@pytest.mark.slow
def test_packages_are_compiled_although_the_shell_says_to_write_no_bytecode(checkout):
    assert checkout.env["PYTHONDONTWRITEBYTECODE"]
    assert list(checkout.site_packages().glob("__pycache__/tiny.*.pyc"))
    assert list(checkout.site_packages().glob("uv/__pycache__/__init__.*.pyc"))


@pytest.mark.slow
def test_a_second_set_up_changes_nothing_and_says_nothing(checkout):
    def state():
        return {path: path.stat().st_mtime_ns for path in checkout.venv.rglob("*")}

    before = state()
    again = checkout.run("setup")
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    assert state() == before


@pytest.mark.slow
@pytest.mark.parametrize(
    ("typed", "given"),
    [
        (["course", "--fast"], ["run", "--fast"]),
        (["lab", "two words", "ü*?"], ["lab", "two words", "ü*?"]),
        (["run", "04a_churn_baseline", "--help"], ["run", "04a_churn_baseline", "--help"]),
    ],
)
def test_words_reach_the_lifecycle_command_unchanged(checkout, typed, given):
    child = checkout.run(*typed)
    assert (child.returncode, child.stderr) == (0, "")
    assert json.loads(child.stdout)["words"] == given


@pytest.mark.slow
@pytest.mark.parametrize("code", [2, 5])
def test_the_exit_code_is_that_of_the_command(checkout, code):
    assert checkout.run("doctor", str(code)).returncode == code


@pytest.mark.slow
def test_the_authors_tools_stay_until_a_plain_setup_removes_them(checkout):
    for words, there in [(["setup", "--authors"], True), (["doctor"], True), (["setup"], False)]:
        child = checkout.run(*words)
        assert child.returncode == 0, child.stderr
        assert "making .venv" not in child.stderr
        assert ("authorly-1.0.dist-info" in checkout.installed()) is there


@pytest.mark.slow
def test_a_lost_package_is_told_of_without_network_and_repaired_with_it(checkout, tmp_path):
    shutil.rmtree(checkout.site_packages() / "tiny-1.0.dist-info")
    with socket.socket() as closed:  # bound, but nobody listens: every connection is refused
        closed.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{closed.getsockname()[1]}"
        proxies = {n: nowhere for name in ("http", "https", "all") for n in both_cases(name)}
        unserved = {f"{tool}_{n}": "" for tool in ("PIP", "UV") for n in ("FIND_LINKS", "NO_INDEX")}
        quick = {"UV_HTTP_RETRIES": "0", "UV_CACHE_DIR": str(tmp_path)}
        child = checkout.run("lab", **proxies, **unserved, **quick, NO_PROXY="", no_proxy="")
    assert (child.returncode, child.stdout) == (1, "")
    assert "Connect to the network" in child.stderr
    assert child.stderr.endswith(" run.py lab\n")
    assert "Traceback" not in child.stderr

    child = checkout.run("doctor")
    assert child.returncode == 0, child.stderr
    assert "tiny-1.0.dist-info" in checkout.installed()
    assert "making .venv" not in child.stderr  # what was sound has been kept


def both_cases(protocol):
    return f"{protocol}_proxy", f"{protocol.upper()}_PROXY"


@pytest.mark.slow
def test_a_moved_checkout_and_a_lost_python_are_noticed(checkout, tmp_path):
    here = imported(checkout.folder / "run.py")
    stamp = here.read_stamp()
    assert here.is_finished(stamp, None)

    moved = checkout.folder.rename(tmp_path / "moved")
    there = imported(moved / "run.py")
    assert there.read_stamp() == stamp
    assert not there.is_sound(stamp)
    moved.rename(checkout.folder)

    python = Path(here.PYTHON)
    away = python.rename(python.with_name("python-away"))
    assert not here.is_sound(stamp)
    away.rename(python)
    assert here.is_finished(stamp, None)


# Pythons that cannot be used


def old_pythons():
    """Executables of Pythons before 3.11 on this machine."""
    names = ["python2.7", *(f"python3.{minor}" for minor in range(6, 11))]
    found = [path for path in map(shutil.which, names) if path and "shims" not in path]
    found += Path(sys.base_prefix).parent.glob("*/bin/python")  # where pyenv keeps its Pythons
    old = {}
    for path in found:
        code = "import sys; print('%d.%d' % sys.version_info[:2])"
        child = subprocess.run([path, "-c", code], capture_output=True, text=True, timeout=20)
        version = child.stdout.strip()
        if child.returncode == 0 and tuple(map(int, version.split("."))) < (3, 11):
            old[version] = str(path)
    return old


def test_every_old_python_here_says_that_it_is_too_old(tmp_path):
    olds = old_pythons()
    if not olds:
        pytest.skip("no Python before 3.11 on this machine; the grammar is checked all the same")
    shutil.copy(RUN, tmp_path)
    for version, python in olds.items():
        child = subprocess.run(
            [python, tmp_path / "run.py", "test", "-k", "churn"],
            env={**os.environ, "PATH": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert child.returncode == 1, version
        assert f"needs Python 3.11 to 3.14; this is {version}." in child.stderr
        assert child.stderr.endswith("type: python3.12 run.py test -k churn\n")
        assert "Traceback" not in child.stderr
    assert os.listdir(tmp_path) == ["run.py"]


def test_the_grammar_is_one_that_old_pythons_read():
    source = RUN.read_text(encoding="ascii")  # without a coding line Python 2 takes no more
    newer = (ast.JoinedStr, ast.AnnAssign, ast.NamedExpr, ast.Nonlocal, ast.YieldFrom, ast.Await)
    for node in ast.walk(ast.parse(source, feature_version=(3, 4))):
        assert not isinstance(node, newer), f"line {node.lineno}"
        if isinstance(node, ast.Raise):
            assert node.cause is None, f"line {node.lineno}"
        if isinstance(node, ast.FunctionDef):
            hints = [argument.annotation for argument in node.args.args]
            assert not any([*hints, node.returns, *node.args.kwonlyargs]), node.name
        if isinstance(node, ast.Dict):
            assert None not in node.keys, f"line {node.lineno}"
        if isinstance(node, ast.List | ast.Tuple):
            assert not any(isinstance(part, ast.Starred) for part in node.elts)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id != "print", "in Python 2 it is a statement"


@pytest.mark.parametrize("version", [(2, 7, 18), (3, 10, 13), (3, 15, 0)])
@pytest.mark.parametrize(
    ("better", "typed"), [(None, "python3.12 run.py lab"), ("python3.13", "python3.13 run.py lab")]
)
def test_a_python_out_of_range_is_named_with_what_to_type(run, monkeypatch, version, better, typed):
    fake = SimpleNamespace(version_info=(*version, "final", 0), executable="/a/python")
    monkeypatch.setattr(run, "sys", SimpleNamespace(**vars(fake), argv=["run.py", "lab"]))
    monkeypatch.setattr(run, "suitable_python", lambda: better)
    with pytest.raises(run.Problem) as problem:
        run.check_python()
    assert "this is {}.{}.{} at /a/python".format(*version) in str(problem.value)
    assert f"type: {typed}\n" in str(problem.value)


def test_the_range_of_pythons_is_that_of_the_package(run):
    oldest, too_new = ("{}.{}".format(*v) for v in (run.OLDEST_PYTHON, run.TOO_NEW_PYTHON))
    assert PROJECT["project"]["requires-python"] == f">={oldest},<{too_new}"


def test_a_python_without_ensurepip_gives_the_line_to_type(tmp_path):
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['ensurepip'] = None\n")
    folder = tmp_path / "checkout"
    write_checkout(folder, {"uv": "uv==1.0\n", "tiny": ""})
    child = Checkout(folder, {**os.environ, "PYTHONPATH": str(tmp_path)}).run("setup")
    assert child.returncode == 1
    assert "venv or ensurepip module is missing" in child.stderr
    if shutil.which("apt"):
        assert "sudo apt install python{}.{}-venv\n".format(*sys.version_info) in child.stderr
    assert child.stderr.endswith(" run.py setup\n")
    assert "Traceback" not in child.stderr


# What else can be wrong


def test_a_disk_too_small_is_named_before_anything_is_made(run, monkeypatch):
    monkeypatch.setattr(run.shutil, "disk_usage", lambda _: SimpleNamespace(free=0.3e9))
    with pytest.raises(run.Problem, match=r"(?s)needs about 1.5 GB of disk; .*\.venv has 0.3 GB"):
        run.check_disk()


@pytest.mark.parametrize("needed_gb", ["1.5", "0"])
def test_a_disk_that_is_or_becomes_full_is_told_of(tmp_path, needed_gb):
    folder = tmp_path / "checkout"
    write_checkout(folder, {"uv": "uv==1.0\n", "tiny": ""})
    small_disk = folder / ".venv"
    small_disk.mkdir()
    mount = 'mount -t tmpfs -o size=1m,nr_inodes=4 small "$0" && exec "$@"'
    mounted = ["unshare", "-m", "sh", "-c", mount, small_disk]
    if not shutil.which("unshare") or subprocess.run([*mounted, "true"], check=False).returncode:
        pytest.skip("no small disk can be mounted here (that takes root and Linux)")
    text = RUN.read_text(encoding="utf-8")
    (folder / "run.py").write_text(text.replace("GB = 1.5", f"GB = {needed_gb}"), encoding="utf-8")
    child = subprocess.run(
        [*mounted, sys.executable, folder / "run.py", "setup"],
        capture_output=True,
        text=True,
        timeout=TIME_LIMIT,
        check=False,
    )
    assert child.returncode == 1
    told = "0.0 GB free" if needed_gb == "1.5" else "The disk became full: no space left"
    assert told in child.stderr
    assert str(small_disk) in child.stderr


@pytest.mark.parametrize(
    ("output", "free"),
    [
        ("ERROR: Could not install packages: [Errno 28] No space left on device", 5e9),
        ("error: There is not enough space on the disk. (os error 112)", 5e9),
        ("Error: Command '[...]' returned non-zero exit status 1.", 4096),
    ],
)
def test_a_disk_that_becomes_full_is_understood(run, monkeypatch, output, free):
    monkeypatch.setattr(run.shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    assert "The disk became full" in str(run.failure("uv", output))


@pytest.mark.parametrize(
    "output",
    [
        "NewConnectionError('...: Failed to establish a new connection: [Errno -3] Temporary "
        "failure in name resolution')\nERROR: No matching distribution found for uv==0.13.9",
        "ProxyError('Cannot connect to proxy.', NewConnectionError('[Errno 111] refused'))",
        "ReadTimeoutError(\"HTTPSConnectionPool(host='x', port=443): Read timed out.\")",
        "[Errno 11001] getaddrinfo failed",
        "[Errno 8] nodename nor servname provided, or not known",
        "error: Request failed after 3 retries in 4.8s\n  cause: client error (Connect)\n"
        "  cause: dns error\n  cause: failed to lookup address information",
        "  cause: tunnel error: failed to create underlying connection\n"
        "  cause: tcp connect error\n  cause: Connection refused (os error 111)",
        "  cause: operation timed out",
    ],
)
def test_what_pip_and_uv_say_without_network_is_understood(run, output):
    problem = run.failure("pip", output)
    assert isinstance(problem, run.NoNetwork)
    assert "afterwards everything works offline" in str(problem)


UNTRUSTED = [
    "error: Failed to fetch: X\n  cause: error sending request for url (X)\n"
    "  cause: client error (Connect)\n  cause: invalid peer certificate: UnknownIssuer\n\n"
    "hint: Consider enabling use of system TLS certificates with the `--system-certs` flag",
    "  cause: invalid peer certificate: certificate expired: verification time 1 (UNIX)",
    "Could not fetch URL X: There was a problem confirming the ssl certificate: HTTPSConnectionPool("
    "host='x', port=443): Max retries exceeded (Caused by SSLError(SSLCertVerificationError(1, "
    "'[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate in "
    "certificate chain (_ssl.c:992)'))) - skipping\nERROR: No matching distribution found for uv",
]


@pytest.mark.parametrize("cafile", [None, "/etc/all.pem"])
@pytest.mark.parametrize("output", UNTRUSTED)
def test_a_network_with_its_own_certificates_is_told_with_the_line_to_type(
    run, monkeypatch, output, cafile
):
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: SimpleNamespace(cafile=cafile))
    monkeypatch.setattr(run, "WINDOWS", False)
    monkeypatch.setattr(run.sys, "argv", ["run.py", "lab", "04a"])
    problem = run.failure("pip", output)
    assert isinstance(problem, run.NoNetwork), "a sound .venv is kept"
    assert "certificate" in str(problem)
    assert "Connect to the network" not in str(problem)
    line = f"{f'PIP_CERT={cafile} ' if cafile else ''}UV_SYSTEM_CERTS=1 python3 run.py lab 04a\n"
    assert str(problem).endswith(f"type: {line}")


@pytest.mark.parametrize(("output", "told"), [(UNTRUSTED[0], True), ("dns error", False)])
def test_why_uv_hands_over_to_pip_is_said_when_it_is_the_certificate(
    run, monkeypatch, capsys, output, told
):
    monkeypatch.setattr(run, "run", lambda command: (int(command[0] != run.PYTHON), output))
    run.install_packages(run.CORE_LOCK)
    shown = capsys.readouterr().err
    assert "pip tries" in shown
    assert ("UV_SYSTEM_CERTS=1" in shown) is told


def test_another_failure_shows_the_last_words_of_the_program(run):
    output = "\n".join(f"line {number}" for number in range(40))
    problem = run.failure("uv", output)
    assert type(problem) is run.Problem
    shown = re.findall(r"line (\d+)", str(problem))
    assert shown == [str(number) for number in range(25, 40)]


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (errno.EACCES, "cannot be written"),
        (errno.EROFS, "cannot be written"),
        (errno.ENOSPC, "The disk became full"),
        (errno.EIO, "The operating system refused"),
    ],
)
def test_what_the_system_refuses_is_told_in_words(run, monkeypatch, capsys, number, told):
    def refused(*_):
        raise OSError(number, os.strerror(number), run.VENV)

    monkeypatch.setattr(run, "obey", refused)
    assert run.main(["setup"]) == 1
    assert told in capsys.readouterr().err


def test_a_missing_requirement_file_is_named(tmp_path):
    shutil.copy(RUN, tmp_path)
    child = Checkout(tmp_path, dict(os.environ)).run("setup")
    assert child.returncode == 1
    assert f"{tmp_path / 'requirements.txt'} is missing" in child.stderr


def test_ctrl_c_ends_with_130(run, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "obey", interrupted)
    assert run.main(["setup"]) == 130


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"]])
def test_help_lists_the_commands(run, capsys, words):
    assert run.main(words) == 0
    shown = capsys.readouterr().out
    commands = ("course", "lab", "test", "setup", "lock")
    assert [command for command in commands if f"run.py {command}" not in shown] == []


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (["corse", "--fast"], "Did you mean course? Type: python3 run.py course --fast\n"),
        (["tests"], "Did you mean test? Type: python3 run.py test\n"),
        (["Lab", "04a"], "Did you mean lab? Type: python3 run.py lab 04a\n"),
        (["relase"], "Did you mean release? "),
        (["--versoin"], "Did you mean --version? "),
        (["04a"], ""),
    ],
)
def test_an_unknown_word_is_refused_before_any_set_up(tmp_path, typed, meant):
    shutil.copy(RUN, tmp_path)
    child = Checkout(tmp_path, dict(os.environ)).run(*typed)
    assert (child.returncode, child.stdout) == (2, "")
    assert f"no command {typed[0]};" in child.stderr
    assert ("Did you mean" in child.stderr) is bool(meant)
    assert meant in (child.stderr.replace(" py ", " python3 ") if WINDOWS else child.stderr)
    assert child.stderr.endswith(" run.py\n")
    assert os.listdir(tmp_path) == ["run.py"]


def test_the_words_that_run_py_knows_are_the_commands_of_lifecycle(run):
    options = [option for parameter in app.params for option in parameter.opts]
    assert sorted(run.LIFECYCLE) == sorted([*app.commands, *options])


# The small parts


def test_both_real_locks_pin_uv_with_hashes_and_alike(run):
    pins = [run.uv_pin(run.read(lock)) for lock in (run.CORE_LOCK, run.AUTHORS_LOCK)]
    assert pins[0] == pins[1]
    first, *hashes = pins[0].splitlines()
    wanted = PROJECT["project"]["optional-dependencies"]["setup"][0]
    assert first.split()[0] == wanted
    assert len(hashes) > 1
    assert all(re.match(r" +--hash=sha256:[0-9a-f]{64}( \\)?$", line) for line in hashes)


def test_requirements_without_uv_are_refused(run):
    with pytest.raises(run.Problem, match="pin no uv"):
        run.uv_pin("uvicorn==1.0 \\\n    --hash=sha256:00\n")


@pytest.mark.parametrize(("cores", "workers"), [(None, "1"), (1, "1"), (2, "2"), (64, "4")])
def test_tests_use_one_to_four_workers(run, monkeypatch, cores, workers):
    monkeypatch.setattr(run.os, "cpu_count", lambda: cores)
    command = run.command_for("test", ["-k", "x"])
    assert command == [run.PYTHON, "-m", "pytest", "-n", workers, "-k", "x"]


def test_tests_keep_their_bytecode_whatever_the_shell_says(run, monkeypatch):
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setattr(run, "set_up", lambda: None)
    monkeypatch.setattr(run, "hand_over_to", lambda command: run.environment())
    monkeypatch.chdir(ROOT)
    assert "PYTHONDONTWRITEBYTECODE" in run.obey("list", [])
    assert "PYTHONDONTWRITEBYTECODE" not in run.obey("test", [])


def test_settings_that_reach_a_mirror_stay_and_the_diverting_ones_go(run, monkeypatch):
    stay = ["PIP_INDEX_URL", "PIP_CERT", "PIP_TRUSTED_HOST", "PIP_CONFIG_FILE", "UV_DEFAULT_INDEX"]
    stay += ["UV_INDEX_MINE_PASSWORD", "UV_NATIVE_TLS", "UV_CACHE_DIR", "HTTPS_PROXY", "no_proxy"]
    stay += ["UV_SYSTEM_CERTS", "SSL_CERT_FILE"]
    go = ["PIP_TARGET", "PIP_REQUIRE_VIRTUALENV", "PIP_NO_BINARY", "UV_PROJECT_ENVIRONMENT"]
    go += ["UV_PYTHON", "UV_NO_CACHE", "PYTHONHOME", "PYTHONPATH", "PYTHONPYCACHEPREFIX"]
    for name in stay + go:
        monkeypatch.setenv(name, "kept")
    ours = run.environment()
    assert [name for name in stay if ours.get(name) != "kept"] == []
    assert [name for name in go if name in ours] == []
    assert (ours["PIP_USER"], ours["VIRTUAL_ENV"]) == ("0", run.VENV)


def test_a_damaged_stamp_counts_as_none(run, monkeypatch, tmp_path):
    monkeypatch.setattr(run, "STAMP", str(tmp_path / "stamp"))
    for text in ("", "{", "[1]", '"x"'):
        (tmp_path / "stamp").write_text(text, encoding="utf-8")
        assert run.read_stamp() == {}
    assert not run.is_sound({})


def test_a_word_that_setup_does_not_know_is_shown(run, capsys):
    assert run.main(["setup", "--author"]) == 1
    assert "found: --author" in capsys.readouterr().err


def test_no_host_of_a_package_index_is_named():
    assert not re.search(r"https?:|\w\.(org|com|io|net)\b", RUN.read_text(encoding="utf-8"))
