"""A lingering close: a refused client that still sends gets to read why (RFC 9112, section 9.6).

A connection that is closed with bytes unread is reset by the kernel, and the client loses what it
had not looked at.
"""

import asyncio
from collections.abc import Callable

from aiohttp import StreamReader

SILENCE = 2.0
"""Seconds without a byte after which a refused client is taken to send no more."""
MAX_SECONDS = 60.0
"""Seconds in which a refused client may go on sending before it looks at the refusal."""
MAX_BYTES = 64 * 1024 * 1024
"""What it may send meanwhile."""


class LingeringClose:
    """Closes a connection once its client sends nothing for a while, unless all of body has come.

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
