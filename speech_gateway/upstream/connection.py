"""One HTTP/1.1 exchange with an upstream server.

What one segment of the network brought goes on to a sink at once, from inside the event loop's own
callback: hundreds of tiny pieces a second wake no task.
"""

import asyncio
import socket
from collections.abc import Callable
from typing import cast

from ..errors import UpstreamError, UpstreamTimeoutError
from ..timeouts import Lookout
from .response_parser import AnswerParser, Head
from .tcp_segments import unsent

HIGH_WATER = 64 * 1024
"""Bytes received and not yet taken at which reading from the upstream pauses."""
RECEIVE_BUFFER = 64 * 1024

UNSENT_INTERVAL = 0.001
"""Seconds between two looks at whether the kernel has sent what it was given."""
LOOKS_FOR_UNSENT = 250

Sink = Callable[[bytes], bool]
"""Takes a piece; returns whether it can take more now, or raises UpstreamError for the piece."""


class Upstream(asyncio.Protocol):
    """One request to an upstream and its answer.

    Timeout is seconds without a byte from it, looked at as often as lookout does.
    """

    def __init__(self, timeout: float, lookout: Lookout) -> None:
        self._loop = asyncio.get_running_loop()
        self._timeout = timeout
        self._lookout = lookout
        self._transport: asyncio.Transport | None = None
        self._parser = AnswerParser()
        self._held = 0
        self._error: Exception | None = None
        self._sink: Sink | None = None
        self._reader: asyncio.Future[None] | None = None
        self._writer: asyncio.Future[None] | None = None
        self._reading_paused = False
        self._writing_paused = False
        self._request_sent = False
        self.cut_short = False
        """Whether the answer ended while the request was still being sent."""
        self._heard = False
        """Whether it has sent anything since the last look."""
        self._unsent = 0
        self._waiting_since = 0.0

    # what the task in charge calls

    def send(self, data: bytes) -> None:
        """Send a part of the request."""
        if self._error is None and self._transport is not None:
            self._transport.write(data)

    async def send_apart(self, data: bytes) -> None:
        """Send a small part of the request in a segment of its own, unless the network is stuck."""
        looks = LOOKS_FOR_UNSENT
        while looks and self._error is None and self._transport and unsent(self._transport):
            await asyncio.sleep(UNSENT_INTERVAL)  # only asking tells
            looks -= 1
        self.send(data)

    async def drain(self) -> None:
        """Wait until the upstream has taken most of what was sent; raise why it takes no more."""
        if self._writing_paused and self._error is None:
            self._writer = self._loop.create_future()
            self._waiting_since = self._loop.time()
            try:
                await self._writer
            finally:
                self._writer = None
        if self._error is not None:
            raise self._error

    def request_sent(self) -> None:
        """Say that the request is whole: from here on the upstream may not be silent."""
        self._request_sent = True
        self._waiting_since = self._loop.time()

    async def head(self) -> Head:
        """Return the head of the answer, or raise what came instead."""
        while not self._parser.has_head:
            await self._wait()
        return self._parser.head

    async def read(self) -> bytes:
        """Return what has come of the body, nothing at its end, or raise what came instead."""
        while not self._parser.pieces:
            if self._parser.complete:
                return b""
            await self._wait()
        return self._take()

    async def pour(self, sink: Sink) -> bool:
        """Hand each piece to sink as it arrives, all but the last; that one is left to ``read``.

        Return False as soon as the sink is full, True at the end; raise what came instead of it.
        """
        while not self._parser.complete:
            if self._parser.pieces and not sink(self._take()):
                return False
            self._sink = sink
            try:
                await self._wait()
            finally:
                full, self._sink = self._sink is None, None
            if full:
                return False
        return True

    def fail(self, error: Exception) -> None:
        """End the exchange with error: whoever reads, now or later, gets it raised."""
        if self._error is None and not self._parser.complete:
            self._error = error
            self._wake()
            self.close()

    def close(self) -> None:
        """Break the connection; harmless when it is gone."""
        self._end()
        if self._transport is not None:
            self._transport.abort()

    def release(self) -> asyncio.Transport:
        """Return the connection of an exchange that is over, to be used for another."""
        assert self._transport is not None
        transport, self._transport = self._transport, None
        self._end()
        return transport

    @property
    def complete(self) -> bool:
        """Whether the whole answer has come."""
        return self._parser.complete

    @property
    def broke_untouched(self) -> bool:
        """Whether the connection broke before a byte of an answer had come."""
        return self._transport is None and not self._parser.head_bytes

    @property
    def reusable(self) -> bool:
        """Whether the connection is good for another exchange."""
        idle = self._transport is not None and not self._reading_paused
        return idle and self._parser.persistent and self._request_sent

    # what the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if (sock := transport.get_extra_info("socket")) is not None:
            # What one read brings is copied on its way; without this, 256 KiB at a time.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        self.begin(cast(asyncio.Transport, transport))

    def begin(self, transport: asyncio.Transport) -> None:
        """Have the exchange on transport, which may have carried others before."""
        self._transport = transport
        self._waiting_since = self._loop.time()
        self._lookout.add(self._look)

    def data_received(self, data: bytes) -> None:
        self._heard = True
        parser = self._parser
        try:
            parser.feed(data)
            if self._sink is None or parser.complete:
                self.cut_short |= parser.complete and not self._request_sent
                self._hold(len(data))
            elif parser.pieces and not self._sink(parser.take()):
                self._sink = None
                self._wake()
        except UpstreamError as error:  # what was sent, or what the sink made of it
            self.fail(error)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if exc is None and self._parser.has_head and not self._parser.head.framed:
            self._parser.complete = True
        self.fail(
            UpstreamError("the upstream broke the connection off" + (f": {exc}" if exc else ""))
        )
        self._end()
        self._wake()

    def pause_writing(self) -> None:
        self._writing_paused = True

    def resume_writing(self) -> None:
        self._writing_paused = False
        if self._writer is not None and not self._writer.done():
            self._writer.set_result(None)

    # inside

    def _end(self) -> None:
        self._parser.close()
        self._lookout.remove(self._look)

    def _take(self) -> bytes:
        """Return what has come of the body, and have more of it sent."""
        self._read_on()
        return self._parser.take()

    def _read_on(self) -> None:
        self._held = 0
        if self._reading_paused:
            self._reading_paused = False
            if self._transport is not None and not self._transport.is_closing():
                self._transport.resume_reading()

    def _hold(self, size: int) -> None:
        """Keep what has come for who reads it, but not without a bound."""
        self._held += size
        if self._held > HIGH_WATER and not self._reading_paused and self._transport is not None:
            self._reading_paused = True
            self._transport.pause_reading()
        self._wake()

    async def _wait(self) -> None:
        if self._error is not None:
            raise self._error
        self._read_on()  # what came may have been no body at all
        self._reader = self._loop.create_future()
        self._waiting_since = self._loop.time()
        try:
            await self._reader
        finally:
            self._reader = None

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)
        if self._error is not None and self._writer is not None and not self._writer.done():
            self._writer.set_result(None)

    def _look(self, now: float) -> None:
        """Look whether somebody has waited too long; a few times a timeout, not once a piece."""
        unsent = self._transport.get_write_buffer_size() if self._transport is not None else 0
        if self._heard or unsent < self._unsent:  # what it takes is a sign of life too
            self._waiting_since = now
        self._heard, self._unsent = False, unsent
        # While the request still goes out, an upstream that listens may be silent.
        waits = self._writer is not None or (self._reader is not None and self._request_sent)
        if waits and now - self._waiting_since >= self._timeout:
            self.fail(UpstreamTimeoutError(f"the upstream was silent for {self._timeout:g} s"))
