#!/usr/bin/env python3
"""Set up ML Lifecycle Lab and run it: `python3 run.py` lists what can be typed.

It needs a Python and nothing else, and works alike on Linux, macOS and Windows. Everything it makes
lies in `.venv`, which may be deleted at any time.

An old Python must be able to read this file, if only to say that it is too old. So the grammar
stays that of Python 2.7, and what an old library lacks is imported where it is used.
"""

import contextlib
import difflib
import errno
import hashlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

# What can be typed; another word is refused before anything is installed. A test holds the second
# tuple equal to the commands of `lifecycle`, which cannot be imported yet.
OURS = ("course", "test", "setup", "lock")
LIFECYCLE = (
    "bake", "bench", "check", "data", "doctor", "grade", "handout", "lab", "list", "play", "proof",
    "release", "run", "score", "serve", "--version",
)

HELP = """\
ML Lifecycle Lab: learn the lifecycle of a machine-learning model by running two businesses.

  python3 run.py lab               learn: open the lessons in JupyterLab
  python3 run.py course            run the whole course, lesson by lesson
  python3 run.py test              test all subjects; with --all also what takes long
  python3 run.py setup             only make or repair .venv; the others do that too, when needed
  python3 run.py WORD ...          any other command of the course's own program, `lifecycle`:
     {}

For authors:
  python3 run.py setup --authors   with the authors' tools as well (plain `setup` removes them)
  python3 run.py lock [--upgrade]  resolve both requirement files anew

The first set-up needs the network; after it everything works offline.
On Windows type `py` in place of `python3`.
"""

OLDEST_PYTHON, TOO_NEW_PYTHON = (3, 11), (3, 15)
DISK_NEEDED_GB = 1.5

ROOT = os.path.dirname(os.path.realpath(__file__))
VENV = os.path.join(ROOT, ".venv")
STAMP = os.path.join(VENV, ".run-stamp.json")  # written last: a .venv without it is half made
ONE_AT_A_TIME = os.path.join(VENV, ".run-lock")
WINDOWS = os.name == "nt"
PROGRAMS = os.path.join(VENV, "Scripts" if WINDOWS else "bin")
PYTHON = os.path.join(PROGRAMS, "python.exe" if WINDOWS else "python")
PIP = [PYTHON, "-I", "-m", "pip", "install", "--no-deps", "--require-hashes"]
CORE_LOCK, AUTHORS_LOCK = "requirements.txt", "requirements-authors.txt"

# Settings of the user's shell that would send the packages elsewhere ...
DIVERTING = re.compile(
    r"(PIP|UV)_|VIRTUAL_ENV|__PYVENV_LAUNCHER__"
    r"|PYTHON(HOME|PATH|USERBASE|PYCACHEPREFIX|OPTIMIZE|PLATLIBDIR|EXECUTABLE)$"
)
# ... but for those without which nothing may be reachable at all.
REACHING = re.compile(
    r"(PIP|UV)_(.*INDEX.*|FIND_LINKS|TRUSTED_HOST|INSECURE_HOST|.*CERTS?|NATIVE_TLS|PROXY"
    r"|CONFIG_FILE|CACHE_DIR|LINK_MODE|KEYRING_PROVIDER|.*TIMEOUT|.*RETRIES)$"
)
DISK_FULL = re.compile(r"no space left|not enough space on the disk|disk quota exceeded", re.I)
UNTRUSTED = re.compile(
    r"invalid peer certificate|certificate.verify.failed|confirming the ssl certificate", re.I
)
NO_NETWORK = re.compile(
    r"name resolution|name or service not known|getaddrinfo failed|nodename nor servname"
    r"|dns error|no such host|connection (was )?(refused|reset|aborted)|actively refused"
    r"|network is (unreachable|down)|no route to host|cannot connect to proxy|tunnel error"
    r"|NewConnectionError|ConnectTimeoutError|ReadTimeoutError|timed out"
    r"|error sending request|client error \(Connect\)",
    re.I,
)


class Problem(Exception):
    """Something the user can put right: what is wrong, what to do, and what to type then."""

    def __init__(self, text, python="py" if WINDOWS else "python3"):
        typed = " ".join([python, "run.py"] + sys.argv[1:])
        Exception.__init__(self, "\n{}\nTo go on, type: {}\n".format(text, typed))


class NoNetwork(Problem):
    """Nothing could be fetched, and so nothing was changed."""


# What to type


def main(words):
    """Do what `words` ask for; return the exit code."""
    if not words or words[0] in ("-h", "--help"):
        sys.stdout.write(HELP.format(", ".join(LIFECYCLE[:-1])))
        return 0
    if words[0] not in OURS + LIFECYCLE:
        return refuse(words[0], words[1:])
    try:
        return obey(words[0], words[1:])
    except Problem as problem:
        say(str(problem))
    except OSError as error:
        say(str(explain_os_error(error)))
    except KeyboardInterrupt:
        say("\n")
        return 130
    return 1


def refuse(word, rest):
    """Say that nobody knows `word`, and which one may have been meant; return the exit code."""
    python = "py" if WINDOWS else "python3"
    near = difflib.get_close_matches(word.lower(), OURS + LIFECYCLE, 1)
    say("There is no command {}; nothing was done.\n".format(word))
    if near:
        line = " ".join([python, "run.py"] + near + rest)
        say("Did you mean {}? Type: {}\n".format(near[0], line))
    say("To see all commands, type: {} run.py\n".format(python))
    return 2


def obey(word, rest):
    """Set up, then run the program that `word` names."""
    if word == "setup":
        if rest not in ([], ["--authors"]):
            say("setup takes nothing but --authors; found: {}\n".format(" ".join(rest)))
            return 1
        set_up(AUTHORS_LOCK if rest else CORE_LOCK)
        return 0
    set_up()
    if word == "lock":
        return resolve_locks(rest)
    if word == "test":
        os.chdir(ROOT)
        # Without bytecode each worker, kernel and child would compile the tests and helpers anew.
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    return hand_over_to(command_for(word, rest))


def command_for(word, rest):
    """The command line behind `word`, as a list."""
    if word == "test":
        workers = max(1, min(4, os.cpu_count() or 1))
        return [PYTHON, "-m", "pytest", "-n", str(workers)] + rest
    return [program("lifecycle"), "run" if word == "course" else word] + rest


def hand_over_to(command):
    """Run the command in our place: its exit code is ours, and Ctrl-C is its business."""
    if not WINDOWS:
        os.execve(command[0], command, environment())
    signal.signal(signal.SIGINT, lambda *_: None)
    return subprocess.call(command, env=environment())


def resolve_locks(options):
    """Write both requirement files anew; the authors' one agrees with the first."""
    compile_for = [program("uv"), "pip", "compile", "pyproject.toml", "--universal", "--no-header"]
    compile_for += ["--python-version", "{}.{}".format(*OLDEST_PYTHON), "--generate-hashes"]
    compile_for += ["--no-strip-extras"]  # pip before 23.1 takes name==1 for no pin of name[extra]
    compile_for += ["--no-annotate", "--quiet", "--extra", "setup", "--extra", "test"] + options
    core = ["-o", CORE_LOCK]
    authors = ["-o", AUTHORS_LOCK, "--extra", "authors", "--constraint", CORE_LOCK]
    code = subprocess.call(compile_for + core, cwd=ROOT, env=environment())
    return code or subprocess.call(compile_for + authors, cwd=ROOT, env=environment())


# Setting up


def set_up(lock=None):
    """Make `.venv` what `lock` says; silently do nothing when it is so already.

    Without `lock` the one chosen by the last `setup` stays.
    """
    check_python()
    if is_finished(read_stamp(), lock):
        return
    if os.path.isfile(VENV) or (os.path.islink(VENV) and not read_stamp()):
        os.remove(VENV)
    os.makedirs(VENV, exist_ok=True)
    with only_one_set_up():
        stamp = read_stamp()
        if not is_finished(stamp, lock):  # the set-up we waited for may have done our work
            make_or_repair(stamp, lock or stamp.get("lock", CORE_LOCK))


def make_or_repair(stamp, lock):
    """Take the steps that are missing, the stamp being the last."""
    begun = time.time()
    sound = is_sound(stamp)
    pin = uv_pin(read(lock))
    steps = [
        ("installing the packages in " + lock, lambda: install_packages(lock)),
        ("adding the course itself", install_course),
    ]
    if not sound or pin.split()[0].replace("==", "-") + ".dist-info" not in installed():
        steps.insert(0, ("fetching uv, which installs the rest", lambda: install_uv(pin)))
    if not sound:
        steps.insert(0, ("making .venv", make_venv))
    forget(STAMP)
    try:
        for number, (label, action) in enumerate(steps, 1):
            take_step("[{}/{}] {} ...".format(number, len(steps), label), action)
    except NoNetwork:
        if sound:  # keep a .venv that works with yesterday's lock
            write_stamp(dict(stamp, inputs=None))
        raise
    write_stamp({"lock": lock, "inputs": inputs(lock), "made": made(), "installed": installed()})
    say("ready in {:.0f} s\n".format(time.time() - begun))


def take_step(label, action):
    """Say what is being done and, after it, how long it took."""
    begun = time.time()
    say(label)
    try:
        action()
    except BaseException:
        say(" not done\n")
        raise
    say(" {:.1f} s\n".format(time.time() - begun))


def make_venv():
    """Make an empty `.venv` with pip in it, in place of whatever is there."""
    check_venv_can_be_made()
    for name in os.listdir(VENV):
        if name != os.path.basename(ONE_AT_A_TIME):
            forget(os.path.join(VENV, name))
    check_disk()
    # When a .venv's Python runs us, that .venv is not to be the base of the new one.
    base = getattr(sys, "_base_executable", None) or sys.executable
    install([base, "-I", "-m", "venv", VENV], "the venv module")


def install_uv(pin):
    """Install the pinned uv, its hash checked, with pip."""
    pin_file = os.path.join(VENV, "uv-pin.txt")
    with io.open(pin_file, "w", encoding="utf-8") as file:
        file.write(pin)
    install(PIP + ["-r", pin_file], "pip")


def install_packages(lock):
    """Make `.venv` hold what `lock` lists, nothing else, every hash checked, all compiled."""
    sync = [program("uv"), "pip", "sync", "--python", PYTHON]
    sync += ["--require-hashes", "--compile-bytecode", lock]
    for attempt in (sync + ["--offline"], sync):  # the first is quick, and may do without network
        code, output = run(attempt)
        if code == 0:
            return
    if DISK_FULL.search(output):
        raise failure("uv", output)
    # uv does not read pip's settings, so pip may know a mirror where uv knows no way out.
    why = ": it does not trust this network's certificates (set UV_SYSTEM_CERTS=1)"
    say(" uv could not{}; pip tries, which takes longer ...".format(
        why if UNTRUSTED.search(output) else ""))
    install(PIP + ["-r", lock], "pip")


def install_course():
    """Install this checkout in place; uv brings the build backend, so no network is needed."""
    add = [program("uv"), "pip", "install", "--python", PYTHON]
    install(add + ["--offline", "--no-deps", "-e", ROOT], "uv")
    install([PYTHON, "-I", "-c", "import helpers"], "the check of .venv")
    if not os.path.exists(program("lifecycle")):
        raise Problem("Set-up ended without the program {}.".format(program("lifecycle")))


# What is there already


def is_finished(stamp, lock):
    """Whether `.venv` holds all that the last set-up made, and that is still what is wanted."""
    lock = lock or stamp.get("lock", CORE_LOCK)
    # What somebody added by hand may stay; what is gone or changed has to be repaired.
    noted = set(stamp.get("installed", ["nothing"]))
    as_noted = stamp.get("inputs") == inputs(lock) and noted <= set(installed())
    return as_noted and os.path.exists(program("lifecycle")) and is_sound(stamp)


def is_sound(stamp):
    """Whether `.venv` was once finished, at this place, and its Python still runs."""
    if stamp.get("made") != made():
        return False
    same = "import sys; sys.exit(sys.implementation.cache_tag != {!r})".format(made()[0])
    return succeeds([PYTHON, "-I", "-S", "-c", same])


def made():
    """What binds a `.venv` to its maker: the kind of Python, and the place."""
    return [sys.implementation.cache_tag, VENV]


def inputs(lock):
    """One SHA-256 over all that decides what `.venv` should hold."""
    texts = [lock, read(lock), read("pyproject.toml")] + made()
    return hashlib.sha256("\0".join(texts).encode("utf-8", "surrogateescape")).hexdigest()


def installed():
    """The `*.dist-info` folders of `.venv`: each installed distribution and its version."""
    import sysconfig

    site = sysconfig.get_path("purelib", "venv", {"base": VENV, "platbase": VENV})
    names = os.listdir(site) if os.path.isdir(site) else []
    return sorted(name for name in names if name.endswith(".dist-info"))


def read_stamp():
    """What the last finished set-up noted; empty when there is no such note."""
    try:
        with io.open(STAMP, encoding="utf-8") as file:
            stamp = json.load(file)
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def write_stamp(stamp):
    """Write the stamp so that it is there whole or not at all."""
    with io.open(STAMP + ".new", "w", encoding="utf-8") as file:
        json.dump(stamp, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    os.replace(STAMP + ".new", STAMP)


def uv_pin(lock_text):
    """The lines of a lock that pin uv: its version and its hashes."""
    found = re.search(r"^uv==(.*\\\n)*.*", lock_text, re.M)
    if not found:
        raise Problem("The requirement files pin no uv (no line begins with uv==), which installs "
                      "the rest.\nBring them back (git checkout -- requirements*.txt).")
    return found.group() + "\n"


# What can be wrong


def check_python():
    """Refuse a Python for which the locked packages do not exist."""
    if OLDEST_PYTHON <= sys.version_info[:2] < TOO_NEW_PYTHON:
        return
    better = suitable_python()
    advice = "Install another" if not better else better + " is here too"
    text = "ML Lifecycle Lab needs Python 3.{} to 3.{}; this is {}.{}.{} at {}. {}."
    numbers = (OLDEST_PYTHON[1], TOO_NEW_PYTHON[1] - 1) + tuple(sys.version_info[:3])
    raise Problem(text.format(*(numbers + (sys.executable, advice))), better or "python3.12")


def suitable_python():
    """The name under which a suitable Python can be started here, or None."""
    for minor in range(TOO_NEW_PYTHON[1] - 1, OLDEST_PYTHON[1] - 1, -1):
        name = ("py -3.{}" if WINDOWS else "python3.{}").format(minor)
        wanted = "import sys; sys.exit(sys.version_info[:2] != (3, {}))".format(minor)
        if succeeds(name.split() + ["-c", wanted]):  # a name alone may be a shim to nowhere
            return name
    return None


def check_venv_can_be_made():
    """Refuse a Python without venv or ensurepip, as plain Debian and Ubuntu have it."""
    import importlib.util

    if importlib.util.find_spec("venv") and importlib.util.find_spec("ensurepip"):
        return
    advice = "Install your system's package for Python's venv and ensurepip"
    if shutil.which("apt"):
        advice = "Type: sudo apt install python{}.{}-venv".format(*sys.version_info[:2])
    raise Problem("{} cannot make a virtual environment: its venv or ensurepip module is missing.\n"
                  "{}".format(sys.executable, advice))


def check_disk():
    """Refuse to begin what the disk cannot hold."""
    free = shutil.disk_usage(VENV).free / 1e9
    if free < DISK_NEEDED_GB:
        raise Problem("Set-up needs about {} GB of disk; {} has {:.1f} GB free.\nFree some space "
                      "there, or move this folder to a larger disk."
                      .format(DISK_NEEDED_GB, VENV, free))


def failure(who, output):
    """The problem that the output of a failed program tells of."""
    # The venv module keeps to itself what went wrong, hence the second look.
    free = shutil.disk_usage(VENV if os.path.isdir(VENV) else ROOT).free
    if DISK_FULL.search(output) or free < 5e7:
        return Problem("The disk became full: no space left for {}.\nFree about {} GB there."
                       .format(VENV, DISK_NEEDED_GB))
    if UNTRUSTED.search(output):
        return untrusted()
    if NO_NETWORK.search(output):
        return NoNetwork("The packages could not be fetched: the package index cannot be reached.\n"
                         "Connect to the network (behind a proxy, set HTTPS_PROXY). It is needed "
                         "this once; afterwards everything works offline.")
    last = [line for line in output.splitlines() if line.strip()][-15:]
    return Problem("Set-up stopped, because {} failed. Its last words:\n\n  {}\n\nIf they do not "
                   "help, delete the folder {}.".format(who, "\n  ".join(last), VENV))


def untrusted():
    """The problem of a network that answers in the name of others, with its own certificates."""
    import ssl

    python = "py" if WINDOWS else "python3"
    settings = [("UV_SYSTEM_CERTS", "1"), ("PIP_CERT", ssl.get_default_verify_paths().cafile)]
    for name, value in settings:
        if value:
            python = ('$env:{}="{}"; {}' if WINDOWS else "{}={} {}").format(name, value, python)
    return NoNetwork(
        "The packages could not be fetched: a certificate on the way is not trusted.\n"
        "Many companies and schools look into what their network carries, and answer with a\n"
        "certificate of their own. Mostly your system knows it; the line below makes pip and uv\n"
        "ask the system. If that does not help, ask for the certificate file of your network, and set\n"
        "PIP_CERT and SSL_CERT_FILE to its path. Look at the clock of this computer, too: a wrong\n"
        "one makes certificates invalid.", python)


def explain_os_error(error):
    """The problem behind what the operating system refused."""
    place = error.filename or VENV
    if error.errno == errno.ENOSPC:
        return failure("set-up", "no space left")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return Problem("{} cannot be written.\nMake it writable, close programs that use it, or "
                       "copy the course to a folder of yours.".format(place))
    if error.errno == errno.ENOENT and os.path.dirname(place) == ROOT:
        return Problem("{} is missing; run.py works in a whole copy of the course.\nBring it back "
                       "(git checkout -- {}).".format(place, os.path.basename(place)))
    return Problem("The operating system refused: {}.".format(error))


# Tools


def program(name):
    """The full path of a program in `.venv`."""
    return os.path.join(PROGRAMS, name + (".exe" if WINDOWS else ""))


def environment():
    """The user's environment, minus what would divert the packages, with `.venv` active."""
    keep = [name for name in os.environ if REACHING.match(name) or not DIVERTING.match(name)]
    ours = {name: os.environ[name] for name in keep}
    ours.setdefault("PIP_DEFAULT_TIMEOUT", "15")
    ours.setdefault("PIP_RETRIES", "1")
    ours.update(
        PATH=PROGRAMS + os.pathsep + ours.get("PATH", os.defpath),
        VIRTUAL_ENV=VENV,
        PYTHONUTF8="1",  # notebooks and data are UTF-8, whatever the console is
        PIP_USER="0",  # a pip.conf may say otherwise
        PIP_NO_INPUT="1",
        PIP_DISABLE_PIP_VERSION_CHECK="1",
    )
    return ours


def install(command, who):
    """Run one installing command; raise what its output tells when it fails."""
    code, output = run(command)
    if code:
        raise failure(who, output)


def run(command):
    """Run a command, with a dot for each three seconds; return its exit code and output."""
    child = subprocess.Popen(
        command, cwd=ROOT, env=environment(),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        close_fds=False,  # so that it goes on holding the lock if we are killed
    )
    try:
        while True:
            try:
                output = child.communicate(timeout=3)[0]
                return child.returncode, output.decode("utf-8", "replace")
            except subprocess.TimeoutExpired:
                say(".")
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()


def succeeds(command):
    """Whether a command exists and ends with 0; its output goes nowhere."""
    with open(os.devnull, "r+") as nowhere:
        try:
            return subprocess.call(command, stdin=nowhere, stdout=nowhere, stderr=nowhere) == 0
        except OSError:
            return False


@contextlib.contextmanager
def only_one_set_up():
    """Wait until no other set-up runs in this checkout, then keep the others waiting."""
    with open(ONE_AT_A_TIME, "a") as file:
        os.set_inheritable(file.fileno(), True)
        if not try_to_lock(file):
            say("another set-up is running here; waiting\n")
            while not try_to_lock(file):
                time.sleep(0.2)
        yield


def try_to_lock(file):
    """Whether the lock is ours now; a file system that knows no locks always says yes."""
    try:
        if WINDOWS:
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in (errno.EAGAIN, errno.EACCES, errno.EDEADLK)
    return True


def forget(path):
    """Remove a file or a folder, if it is there."""
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.remove(path)


def read(name):
    """The text of a file of the checkout."""
    with io.open(os.path.join(ROOT, name), encoding="utf-8") as file:
        return file.read()


def say(text):
    """Show progress at once, on stderr: stdout belongs to the program that is run."""
    sys.stderr.write(text)
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
