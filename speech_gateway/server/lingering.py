"""Lingering close: lets a refused client that is still sending read why (RFC 9112, section 9.6).

When a connection is closed with unread bytes, the kernel resets it, and the client loses what it
has not read yet.
"""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable

from aiohttp import StreamReader

SILENCE = 2.0
"""Seconds of silence after which a refused client is considered done."""
MAX_SECONDS = 60.0
"""Seconds that a refused client may go on sending."""
MAX_TURNED_AWAY = 64
"""Connections over the limit that may linger; others are closed at once, read or not."""
MAX_BYTES = 64 * 1024 * 1024
"""Bytes that it may send meanwhile."""


def reset(transport: asyncio.WriteTransport) -> None:
    """Break a connection so that its client sees it: over TCP, where an end may pass for a whole.

    With no time to linger a close is a reset (socket(7), SO_LINGER).
    """
    if (sock := transport.get_extra_info("socket")) is not None:
        with contextlib.suppress(OSError):  # it is gone, or no TCP
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


class LingeringClose:
    """Closes a connection when its client falls silent, unless all of body has come.

    It closes as well when the client has sent too much, or for too long.
    """

    def __init__(self, body: StreamReader | None, close: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._body = body
        self._close = close
        self._ends_at = self._loop.time() + MAX_SECONDS
        self._bytes_left = MAX_BYTES
        self._heard = False
        self._timer = self._loop.call_later(SILENCE, self._check)

    def received(self, size: int) -> None:
        """Count bytes that have come."""
        self._heard = True
        self._bytes_left -= size
        if self._bytes_left < 0:
            self._close()

    def cancel(self) -> None:
        """Leave the connection as it is."""
        self._timer.cancel()

    def _check(self) -> None:
        if self._body is not None and self._body.is_eof():
            return
        if not self._heard or self._loop.time() >= self._ends_at:
            self._close()
            return
        self._heard = False
        self._timer = self._loop.call_later(SILENCE, self._check)
