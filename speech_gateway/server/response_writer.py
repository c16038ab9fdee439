"""Writes an answer to the client, bounds how long that may take, and breaks it off.

A piece goes from the backend's socket to the client's within one callback of the event loop: no
task is woken for it, unless the client is slow.
"""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from aiohttp import hdrs, web

from ..exchange import CLIENT_LEFT, EXCHANGE
from ..timeouts import TimeoutChecker


def break_off(request: web.Request, status: int) -> None:
    """Break the client's connection, so that what it has cannot pass for a whole answer.

    Status is the reason's, for the metrics. A client of HTTP/1.0 takes a plain close for the end of
    the body (RFC 9112, section 6.3), so the connection is reset under it.
    """
    exchange = request.get(EXCHANGE)
    if exchange is not None and exchange.cut is None and exchange.code == CLIENT_LEFT:
        exchange.cut = status  # unless all of it was sent, and only the connection is to go
    if (transport := request.transport) is None:
        return
    if request.version < (1, 1) and (sock := transport.get_extra_info("socket")) is not None:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a client may take nothing of its answer, and who looks at that for all of them."""

    seconds: float
    checker: TimeoutChecker

    @classmethod
    def of(cls, seconds: float) -> "Patience":
        return cls(seconds, TimeoutChecker(seconds))

    async def end(self, _app: web.Application) -> None:
        """Look no more."""
        self.checker.stop()


PATIENCE = web.AppKey("patience", Patience)


class Transform(Protocol):
    """Changes an answer as it passes."""

    def feed(self, piece: bytes) -> bytes:
        """Return what can be passed on now that piece has come."""

    def flush(self) -> bytes:
        """Return what is left at the answer's end."""


class ClientSide:
    """Writes to the client, and breaks off when it has taken no byte for timeout seconds."""

    def __init__(
        self,
        request: web.Request,
        response: web.StreamResponse,
        patience: Patience,
        transform: Transform | None,
    ) -> None:
        self._request = request
        self._response = response
        self._transport = request.transport
        self._exchange = request[EXCHANGE]
        self._transform = transform
        self._chunked = False
        self._patience = patience
        self._loop = asyncio.get_running_loop()
        self._writing = False
        self._unsent = 0
        self._taken_at = self._loop.time()
        patience.checker.add(self._look)

    async def begin(self) -> None:
        """Make the head of the answer."""
        await self._response.prepare(self._request)
        self._chunked = hdrs.TRANSFER_ENCODING in self._response.headers
        if self._transport is not None:
            # What the kernel does not take at once is known at once.
            self._transport.set_write_buffer_limits(high=0)

    def send_head(self) -> None:
        """Send the head by itself: the body is still to come."""
        self._request.writer.send_headers()

    async def start(self, opening: bytes) -> None:
        """Send the head, and the body's beginning in the same segment."""
        if self._transform is not None:
            opening = self._transform.feed(opening)
        if not opening:
            self.send_head()
            return
        self._count(opening)
        await self._response.write(opening)
        await self.catch_up()

    def take(self, piece: bytes) -> bool:
        """Send a piece on; return whether the client's kernel has all of it."""
        if self._transform is not None and not (piece := self._transform.feed(piece)):
            return True
        transport = self._transport
        if transport is None or transport.is_closing():
            return False  # the client is gone, and who waits for it is about to hear of it
        self._count(piece)
        transport.write(b"%x\r\n%s\r\n" % (len(piece), piece) if self._chunked else piece)
        return not transport.get_write_buffer_size()

    async def catch_up(self) -> None:
        """Wait until the client's kernel has all that was sent.

        Raises:
            ConnectionError: the connection is gone; who waited for that would wait for ever.
        """
        if self._transport is None or self._transport.is_closing():
            raise ConnectionResetError("the client's connection is gone")
        self._writing = True
        await self._request.writer.drain()
        self._writing = False
        self._exchange.moved = self._loop.time()

    async def end(self, rest: bytes, *, transformed: bool = False) -> None:
        """Send the rest, end the answer, and see the last byte off to the client's kernel."""
        if self._transform is not None and not transformed:
            rest = self._transform.feed(rest) + self._transform.flush()
        if rest:
            self._count(rest)
        self._writing = True
        await self._response.write_eof(rest)
        await self._request.writer.drain()
        # From here on the client may go: it has been sent everything.
        self._exchange.code = self._response.status

    def say(self, words: Callable[[str], bytes] | None, fault: web.HTTPException) -> None:
        """Send the last words of an answer that is about to be broken off, where it has any."""
        if words is not None and self._transport is not None and not self._transport.is_closing():
            said = words((fault.text or fault.reason).strip())
            self._transport.write(b"%x\r\n%s\r\n" % (len(said), said) if self._chunked else said)

    def _count(self, piece: bytes) -> None:
        exchange = self._exchange
        if exchange.first_byte_after is None:
            exchange.first_byte_after = exchange.seconds()
        exchange.bytes_out += len(piece)
        exchange.moved = self._loop.time()

    def stop(self) -> None:
        """Stop watching."""
        self._patience.checker.remove(self._look)

    def _look(self, now: float) -> None:
        transport = self._request.transport
        unsent = transport.get_write_buffer_size() if transport is not None else 0
        if not self._writing or unsent != self._unsent:
            self._taken_at = now
        self._unsent = unsent
        if now - max(self._taken_at, self._exchange.moved) >= self._patience.seconds:
            self._exchange.explain(f"the client took nothing for {self._patience.seconds:g} s")
            break_off(self._request, CLIENT_LEFT)
