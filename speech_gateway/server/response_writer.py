"""Writes an answer to the client, with a write timeout, and breaks the connection.

A piece goes from the backend's socket to the client's within one callback of the event loop: no
task is woken for it, unless the client is slow.
"""

import asyncio
import logging
from dataclasses import dataclass
from typing import Protocol

from aiohttp import hdrs, web

from ..exchange import CLIENT_LEFT, EXCHANGE, REQUEST_ID
from ..timeout_checker import TimeoutChecker
from .lingering import reset

log = logging.getLogger(__name__)


def break_off(request: web.Request, status: int, why: str = "") -> None:
    """Break the client's connection, so that what it has cannot pass for a whole answer.

    Status and why are the reason's, for the metrics and the log. An HTTP/1.0 client takes a plain
    close for the end of the body (RFC 9112, section 6.3), so its connection is reset.
    """
    exchange = request.get(EXCHANGE)
    if exchange is not None:
        exchange.cut_off(status, why)
    if (transport := request.transport) is None:
        return
    if request.version < (1, 1):
        reset(transport)
    else:
        transport.abort()


@dataclass(frozen=True, slots=True)
class WriteTimeout:
    """How long a client may take no byte of its answer, and the checker of all writers."""

    seconds: float
    checker: TimeoutChecker

    @classmethod
    def of(cls, seconds: float) -> "WriteTimeout":
        return cls(seconds, TimeoutChecker(seconds))

    async def stop(self, _app: web.Application) -> None:
        """Stop the checker."""
        self.checker.stop()


WRITE_TIMEOUT = web.AppKey("write_timeout", WriteTimeout)


class Transform(Protocol):
    """Changes the body of an answer as it passes."""

    def feed(self, piece: bytes) -> bytes:
        """Return the bytes to send once piece has come."""

    def flush(self) -> bytes:
        """Return the last bytes to send, at the answer's end."""


class ResponseWriter:
    """Writes an answer to the client, and breaks it off when no byte is taken for too long."""

    def __init__(
        self,
        request: web.Request,
        response: web.StreamResponse,
        timeout: WriteTimeout,
        transform: Transform | None,
    ) -> None:
        self._request = request
        self._response = response
        self._transport = request.transport
        self._exchange = request[EXCHANGE]
        self._transform = transform
        self._chunked = False
        self._timeout = timeout
        self._waiting = False
        """Whether some of what was sent is not taken yet."""
        self._unsent = 0
        self._taken_at = self._exchange.clock()
        timeout.checker.add(self._check)

    async def prepare(self) -> None:
        """Prepare the head of the answer."""
        await self._response.prepare(self._request)
        self._chunked = hdrs.TRANSFER_ENCODING in self._response.headers
        if self._transport is not None:
            # What the kernel does not take at once is known at once.
            self._transport.set_write_buffer_limits(high=0)

    def send_head(self) -> None:
        """Send the head at once, without any of the body."""
        self._request.writer.send_headers()

    async def start(self, opening: bytes) -> None:
        """Send the head and the beginning of the body in one segment."""
        if self._transform is not None:
            opening = self._transform.feed(opening)
        if not opening:
            self.send_head()
            return
        self._exchange.sent(len(opening))
        await self._response.write(opening)
        await self.drain()

    def write(self, piece: bytes) -> bool:
        """Send a piece; return whether the client's kernel has taken all of it."""
        if self._transform is not None and not (piece := self._transform.feed(piece)):
            return True
        transport = self._transport
        if transport is None or transport.is_closing():
            return False  # the client is gone, and who waits for it is about to hear of it
        size = len(piece)
        self._exchange.sent(size)
        transport.write(b"%x\r\n%s\r\n" % (size, piece) if self._chunked else piece)
        return not transport.get_write_buffer_size()

    async def drain(self) -> None:
        """Wait until the client's kernel has taken all that was sent.

        Raises:
            ConnectionError: the connection is gone, so that it never would.
        """
        if self._transport is None or self._transport.is_closing():
            raise ConnectionResetError("the client's connection is gone")
        self._waiting = True
        await self._request.writer.drain()
        self._waiting = False
        self._exchange.touch()

    async def end(self, rest: bytes, *, transformed: bool = False) -> None:
        """Send rest, end the answer, and wait until the client's kernel has taken it."""
        if self._transform is not None and not transformed:
            rest = self._transform.feed(rest) + self._transform.flush()
        if rest:
            self._exchange.sent(len(rest))
        self._waiting = True
        await self._response.write_eof(rest)
        await self._request.writer.drain()
        self._exchange.end(self._response.status)

    def write_error(self, event: bytes) -> None:
        """Send the event that tells a client, within the answer, that it failed."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"%x\r\n%s\r\n" % (len(event), event) if self._chunked else event)

    async def cut_off(self, status: int, why: str, *, timeout: float) -> None:
        """Break off after the client had timeout seconds to take what was sent before."""
        self._exchange.cut_off(status, why)
        try:
            async with asyncio.timeout(timeout):
                await self._request.writer.drain()
        except (TimeoutError, ConnectionError):
            log.debug("%s did not take what was sent before the break", self._request[REQUEST_ID])
        finally:
            break_off(self._request, status)

    def close(self) -> None:
        """Stop checking the timeout."""
        self._timeout.checker.remove(self._check)

    def _check(self, now: float) -> None:
        transport = self._request.transport
        unsent = transport.get_write_buffer_size() if transport is not None else 0
        if not self._waiting or unsent != self._unsent:
            self._taken_at = now
        self._unsent = unsent
        seconds = self._timeout.seconds
        if now - max(self._taken_at, self._exchange.moved) >= seconds:
            break_off(self._request, CLIENT_LEFT, f"the client took nothing for {seconds:g} s")
