"""One HTTP/1.1 exchange with an upstream server.

Theory of operation
-------------------

A connection carries one exchange at a time: a request goes out, and its answer comes back, which
may begin, and even end, while the request is still being sent. The state says how far it is::

    SENDING ----- request_sent() ----> AWAITING ----- the answer ends ----> COMPLETE
       |
       +-- the answer ends --> CUT_SHORT ----- request_sent() ----> OVERTAKEN

``fail()`` leads to FAILED, unless the answer has ended.

Two sides meet here. The task in charge calls ``send``, ``drain``, ``head``, ``read``, ``forward``;
the event loop calls ``data_received`` and the other callbacks of asyncio's protocols. What comes
goes through the parser. When a sink is there, each piece goes on to it from within the callback, so
that hundreds of tiny pieces a second wake no task. Otherwise it is held, bounded by
``FlowControl``, and the task that waits for it is woken.

A failure is kept: whoever reads or drains, now or later, gets it raised. Silence is one; it counts
while the task waits for the upstream, and is checked a few times in a timeout, not once a piece.
"""

import asyncio
import socket
from collections.abc import Callable
from enum import Enum, auto
from typing import cast

from ..errors import UpstreamError, UpstreamTimeoutError
from ..timeout_checker import TimeoutChecker
from .backend_state import SignsOfLife
from .flow_control import FlowControl
from .response_parser import ResponseHead, ResponseParser
from .silence import Silence
from .tcp_segments import unsent

RECEIVE_BUFFER = 64 * 1024
UNSENT_INTERVAL = 0.001
"""Seconds between two looks at whether the kernel has sent what it was given."""
MAX_UNSENT_CHECKS = 250

Sink = Callable[[bytes], bool]
"""Takes a piece; returns whether it can take more now, or raises UpstreamError for the piece."""


class State(Enum):
    """How far an exchange is."""

    SENDING = auto()
    AWAITING = auto()
    """The request is whole: from here on the upstream may not be silent."""
    COMPLETE = auto()
    CUT_SHORT = auto()
    """The answer ended while the request was still being sent."""
    OVERTAKEN = auto()
    """The answer ended so, and the rest of the request has gone out since."""
    FAILED = auto()


class UpstreamConnection(asyncio.Protocol):
    """One request to an upstream and its answer.

    Timeout is seconds without a byte from it, looked at as often as checker does. Whatever comes is
    a sign of life.
    """

    def __init__(self, timeout: float, checker: TimeoutChecker, signs: SignsOfLife) -> None:
        self._loop = asyncio.get_running_loop()
        self._timeout = timeout
        self._checker = checker
        self._signs = signs
        self._parser = ResponseParser()
        self._state = State.SENDING
        self.error: Exception | None = None
        """What the exchange failed with."""
        self._ended_at = 0.0
        self._flow = FlowControl()
        self._silence = Silence()
        self._sink: Sink | None = None
        self._reader: asyncio.Future[None] | None = None

    # what the task in charge calls

    def send(self, data: bytes) -> None:
        """Send a part of the request."""
        transport = self._flow.transport
        if self.error is None and transport is not None:
            transport.write(data)

    async def send_apart(self, data: bytes) -> None:
        """Send a small part of the request in a segment of its own, unless the network is stuck."""
        looks, flow = MAX_UNSENT_CHECKS, self._flow
        while looks and self.error is None and flow.transport and unsent(flow.transport):
            await asyncio.sleep(UNSENT_INTERVAL)  # only asking tells
            looks -= 1
        self.send(data)

    async def drain(self) -> None:
        """Wait until the upstream has taken most of what was sent; raise why it takes no more."""
        if self._flow.writing_paused and self.error is None:
            self._silence.since = self._loop.time()
            await self._flow.drained()
        if self.error is not None:
            raise self.error

    def request_sent(self) -> None:
        """Say that the request is whole."""
        if self._state is State.SENDING:
            self._state = State.AWAITING
        elif self._state is State.CUT_SHORT:
            self._state = State.OVERTAKEN
        self._silence.since = self._loop.time()

    async def head(self) -> ResponseHead:
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

    async def forward(self, sink: Sink) -> bool:
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
        if self.error is None and not self._parser.complete:
            self.error = error
            self._state = State.FAILED
            self._wake()
            self.close()

    def close(self) -> None:
        """Break the connection; harmless when it is gone."""
        self._end()
        if self._flow.transport is not None:
            self._flow.transport.abort()

    def release(self) -> asyncio.Transport:
        """Return the connection of an exchange that is over, to be used for another."""
        transport, self._flow.transport = self._flow.transport, None
        assert transport is not None
        self._end()
        return transport

    @property
    def complete(self) -> bool:
        """Whether the whole answer has come."""
        return self._parser.complete

    @property
    def seconds_since_end(self) -> float:
        """How long ago the whole answer had come."""
        return self._loop.time() - self._ended_at

    @property
    def cut_short(self) -> bool:
        """Whether the answer ended while the request was still being sent."""
        return self._state in (State.CUT_SHORT, State.OVERTAKEN)

    @property
    def broke_untouched(self) -> bool:
        """Whether the connection broke before a byte of an answer had come."""
        return self._flow.transport is None and not self._parser.head_bytes

    @property
    def reusable(self) -> bool:
        """Whether the connection is good for another exchange."""
        over = self._state in (State.COMPLETE, State.OVERTAKEN) and self._parser.persistent
        return over and self._flow.transport is not None and not self._flow.reading_paused

    # what the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if (sock := transport.get_extra_info("socket")) is not None:
            # What one read brings is copied on its way; without this, 256 KiB at a time.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        self.begin(cast(asyncio.Transport, transport))

    def begin(self, transport: asyncio.Transport) -> None:
        """Have the exchange on transport, which may have carried others before."""
        self._flow.transport = transport
        self._silence.since = self._loop.time()
        self._checker.add(self._check_silence)

    def data_received(self, data: bytes) -> None:
        self._silence.heard = self._signs.seen = True
        parser = self._parser
        try:
            parser.feed(data)
            if self._sink is None or parser.complete:
                if parser.complete:
                    self._answer_ended()
                self._flow.hold(len(data))
                self._wake()
            elif parser.pieces and not self._sink(parser.take()):
                self._sink = None
                self._wake()
        except UpstreamError as error:  # what was sent, or what the sink made of it
            self.fail(error)

    def connection_lost(self, exc: Exception | None) -> None:
        self._flow.transport = None
        if exc is None and self._parser.has_head and not self._parser.head.framed:
            self._parser.complete = True
            self._answer_ended()
        self.fail(
            UpstreamError("the upstream broke the connection off" + (f": {exc}" if exc else ""))
        )
        self._end()
        self._wake()

    def pause_writing(self) -> None:
        self._flow.pause_writing()

    def resume_writing(self) -> None:
        self._flow.resume_writing()

    # inside

    def _answer_ended(self) -> None:
        self._ended_at = self._loop.time()
        if self._state is State.AWAITING:
            self._state = State.COMPLETE
        elif self._state is State.SENDING:
            self._state = State.CUT_SHORT

    def _end(self) -> None:
        self._parser.close()
        self._checker.remove(self._check_silence)

    def _take(self) -> bytes:
        """Return what has come of the body, and have more of it sent."""
        self._flow.release()
        return self._parser.take()

    async def _wait(self) -> None:
        """Wait until something has come; raise what failed."""
        if self.error is not None:
            raise self.error
        self._flow.release()  # what came may have been no body at all
        self._reader = self._loop.create_future()
        self._silence.since = self._loop.time()
        try:
            await self._reader
        finally:
            self._reader = None

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)
        if self.error is not None:
            self._flow.wake_writer()

    def _check_silence(self, now: float) -> None:
        """Fail when somebody has waited too long."""
        transport = self._flow.transport
        silent = self._silence.lasts(now, transport.get_write_buffer_size() if transport else 0)
        # While the request still goes out, an upstream that listens may be silent.
        answer_due = self._reader is not None and self._state is not State.SENDING
        if (self._flow.writer_waits or answer_due) and silent >= self._timeout:
            self.fail(UpstreamTimeoutError(f"the upstream was silent for {self._timeout:g} s"))
