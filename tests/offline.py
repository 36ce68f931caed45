"""Run a command with the network cut off, and write down every host name it asks for.

Linux only: a network namespace of its own, in which only loopback is up and the name server is a
sink on loopback that answers "no such name" and keeps a list. It sees names, not literal addresses;
those find no way out of the namespace.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

SINK = """
import socket, sys
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 53))
print("listening", flush=True)
with open(sys.argv[1], "a") as names:
    while True:
        query, asker = server.recvfrom(4096)
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1 : at + 1 + query[at]].decode("ascii", "replace"))
            at += 1 + query[at]
        names.write(".".join(labels) + "\\n")
        names.flush()
        server.sendto(query[:2] + b"\\x81\\x83" + query[4:6] + b"\\0\\0" * 3 + query[12:], asker)
"""
SCRIPT = """
set -e
ip link set lo up
mount --bind "$1" /etc/resolv.conf
"$2" -c "$3" "$4" > "$5" & sink=$!
trap 'kill $sink' EXIT
for _ in $(seq 100); do grep -q listening "$5" && break; sleep 0.05; done
shift 5
"$@"
"""


# Who is not root becomes root of the namespace only, where the system allows that.
UNSHARE = ["unshare", "--net", "--mount"]
if hasattr(os, "geteuid") and os.geteuid() != 0:
    UNSHARE.append("--map-root-user")


def cannot_cut_off() -> str:
    """Return why the network cannot be cut off here, or an empty text."""
    for tool in ("unshare", "ip", "mount", "bash"):
        if shutil.which(tool) is None:
            return f"the program {tool} is missing"
    tried = subprocess.run(
        [*UNSHARE, "true"], capture_output=True, text=True, check=False, timeout=30
    )
    return f"unshare: {tried.stderr.strip()}" if tried.returncode else ""


def run_cut_off(command: list[str], **options) -> tuple[subprocess.CompletedProcess, list[str]]:
    """Run `command` without a network; return what it did and the host names it asked for.

    Names that mean this machine are left out.
    """
    with tempfile.TemporaryDirectory() as folder:
        names, resolver, ready = (Path(folder) / name for name in ("names", "resolv.conf", "ready"))
        names.touch()
        ready.touch()
        resolver.write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
        sandbox = [*UNSHARE, "bash", "-c", SCRIPT, "cut-off", str(resolver)]
        sandbox += [sys.executable, SINK, str(names), str(ready)]
        done = subprocess.run(
            [*sandbox, *command], capture_output=True, text=True, check=False, **options
        )
        own = {"localhost", socket.gethostname()}
        return done, [name for name in names.read_text().split() if name not in own]
