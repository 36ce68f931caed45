"""The open lines to a service, watched so that a call whose time is up can be cut off."""

from __future__ import annotations

import contextlib
import threading
import weakref

import urllib3
from requests.adapters import HTTPAdapter


class Sockets:
    """The open sockets of a caller, to be cut off together; one that opens too late is cut as well."""

    def __init__(self):
        self._open: weakref.WeakSet = weakref.WeakSet()
        self._lock = threading.Lock()
        self._call: threading.Event | None = None

    def called(self) -> threading.Event:
        """Begin a call; return the event that tells when its time was up."""
        with self._lock:
            self._call = threading.Event()
            return self._call

    def ended(self) -> None:
        """End the call: an alarm that rings now comes too late to cut the next one."""
        with self._lock:
            self._call = None

    def add(self, opened) -> None:
        """Watch a socket, and cut it at once if the time of its call was up before it opened."""
        with self._lock:
            self._open.add(opened)
            if self._call is not None and self._call.is_set():
                _shut(opened)

    def cut(self, call: threading.Event) -> None:
        """End a call: what is being waited for comes back empty."""
        with self._lock:
            if call is self._call:
                call.set()
                for one in list(self._open):
                    _shut(one)


def _shut(opened):
    with contextlib.suppress(OSError):
        opened.shutdown(2)


class Watched(HTTPAdapter):
    """An adapter that knows its open sockets, so that a call can be cut off."""

    def __init__(self, sockets):
        self._sockets = sockets
        super().__init__(max_retries=0, pool_connections=2, pool_maxsize=2)

    def init_poolmanager(self, *args, **options):
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = {
            "http": _pool(urllib3.HTTPConnectionPool, self._sockets),
            "https": _pool(urllib3.HTTPSConnectionPool, self._sockets),
        }


def _pool(kind, sockets):
    """Return a kind of pool whose connections leave their sockets in `sockets`."""

    class Line(kind.ConnectionCls):
        def connect(self):
            super().connect()
            sockets.add(self.sock)

    class Pool(kind):
        ConnectionCls = Line

    return Pool
