"""Messages over a socket, each of a bounded size and awaited for a bounded time."""

from __future__ import annotations

import json
import socket
import struct
import time
from typing import Any

_LENGTH = struct.Struct(">Q")


class WireBroken(Exception):
    """The other side is gone, too slow, or says what nobody asked for."""


class TooSlow(WireBroken):
    """No answer came in time."""


class Wire:
    """One end of a connection.

    Parameters
    ----------
    end : a connected socket.
    max_bytes : the largest message accepted.

    Examples
    --------
    >>> here, there = (Wire(end) for end in socket.socketpair())
    >>> here.send({"sum": 3})
    >>> there.receive(seconds=1)
    {'sum': 3}
    >>> here.close(), there.close()
    (None, None)
    """

    def __init__(self, end: socket.socket, max_bytes: int = 64_000_000):
        self._end, self._max_bytes = end, max_bytes

    def send(self, message: Any, seconds: float | None = None) -> None:
        """Send `message`, anything that JSON can hold."""
        data = json.dumps(message).encode("ascii")
        try:
            self._end.settimeout(seconds)
            self._end.sendall(_LENGTH.pack(len(data)) + data)
        except TimeoutError as error:
            raise TooSlow("nobody took the message in time") from error
        except OSError as error:
            raise WireBroken("the other side is gone") from error

    def receive(self, seconds: float | None = None) -> Any:
        """Return the next message.

        Raises
        ------
        TooSlow
            If it is not complete after `seconds`.
        WireBroken
            If the other side is gone, or the message is too large or no JSON.
        """
        until = None if seconds is None else time.monotonic() + seconds
        (length,) = _LENGTH.unpack(self._exactly(_LENGTH.size, until))
        if length > self._max_bytes:
            raise WireBroken(
                f"a message of {length / 1e6:,.0f} MB; {self._max_bytes / 1e6:,.0f} MB are allowed"
            )
        try:
            return json.loads(self._exactly(length, until))
        except (ValueError, RecursionError) as error:
            raise WireBroken("a message that is no JSON") from error

    def _exactly(self, count, until):
        """Return the next `count` bytes."""
        parts = bytearray()
        while len(parts) < count:
            try:
                left = None if until is None else until - time.monotonic()
                if left is not None and left <= 0:
                    raise TimeoutError
                self._end.settimeout(left)
                part = self._end.recv(min(count - len(parts), 1 << 20))
            except TimeoutError as error:
                raise TooSlow("no answer in time") from error
            except OSError as error:
                raise WireBroken("the other side is gone") from error
            if not part:
                raise WireBroken("the other side is gone")
            parts += part
        return bytes(parts)

    def close(self) -> None:
        """Hang up."""
        self._end.close()
