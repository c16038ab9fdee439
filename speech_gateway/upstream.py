"""One HTTP/1.1 exchange with an upstream server.

llhttp's callbacks collect what one segment brought. It goes on to a sink at once, from inside the
event loop's own callback: hundreds of tiny pieces a second wake no task.
"""

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

import httptools

HIGH_WATER = 64 * 1024
"""Bytes received and not yet taken at which reading from the upstream pauses."""
HEAD_LIMIT = 64 * 1024
RECEIVE_BUFFER = 64 * 1024
SWITCHING_PROTOCOLS = 101

Sink = Callable[[bytes], bool]
"""Takes a piece; returns whether it can take more right now."""


class UpstreamError(Exception):
    """The upstream refused, broke off or spoke nonsense; the message is for the log alone."""


class UpstreamSilentError(UpstreamError):
    """The upstream took too long: to accept, to answer, to go on, or to take what was sent."""


@dataclass(slots=True)
class Head:
    """An answer's status and header fields, names in lower case."""

    status: int = 0
    fields: dict[str, str] = field(default_factory=dict)

    @property
    def framed(self) -> bool:
        """Whether the end of the body can be told from a broken connection."""
        coding = self.fields.get("transfer-encoding", "").lower()
        return "content-length" in self.fields or coding.endswith("chunked") or self.status == 204


class Upstream(asyncio.Protocol):
    """One request to an upstream and its answer; timeout is seconds without a byte from it."""

    def __init__(self, timeout: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._timeout = timeout
        self._transport: asyncio.Transport | None = None
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)
        self._head = Head()
        self._head_bytes = 0
        self._has_head = False
        self._pieces: list[bytes] = []
        self._held = 0
        self.complete = False
        """Whether the whole answer has come."""
        self._error: Exception | None = None
        self._persistent = False
        """Whether the upstream keeps the connection behind the answer."""
        self._sink: Sink | None = None
        self._reader: asyncio.Future[None] | None = None
        self._writer: asyncio.Future[None] | None = None
        self._reading_paused = False
        self._writing_paused = False
        self._request_sent = False
        self._waiting_since = 0.0
        self._unsent = 0
        self._watch: asyncio.TimerHandle | None = None

    # what the task in charge calls

    def send(self, data: bytes) -> None:
        """Send a part of the request."""
        if self._error is None and self._transport is not None:
            self._transport.write(data)

    async def drain(self) -> None:
        """Wait until the upstream has taken most of what was sent, or given up."""
        if self._writing_paused and self._error is None:
            self._writer = self._loop.create_future()
            self._waiting_since = self._loop.time()
            try:
                await self._writer
            finally:
                self._writer = None

    def request_sent(self) -> None:
        """Say that the request is whole: from here on the upstream may not be silent."""
        self._request_sent = True
        self._waiting_since = self._loop.time()

    async def head(self) -> Head:
        """Return the head of the answer, or raise what came instead."""
        while not self._has_head:
            await self._wait()
        return self._head

    async def read(self) -> bytes:
        """Return what has come of the body, nothing at its end, or raise what came instead."""
        while not self._pieces:
            if self.complete:
                return b""
            await self._wait()
        return self._take()

    async def pour(self, sink: Sink) -> bool:
        """Hand each piece to sink as it arrives, all but the last; that one is left to ``read``.

        Return False as soon as the sink is full, True at the end; raise what came instead of it.
        """
        while not self.complete:
            if self._pieces and not sink(self._take()):
                return False
            self._sink = sink
            try:
                await self._wait()
            finally:
                full, self._sink = self._sink is None, None
            if full:
                return False
        return True

    @property
    def broke_untouched(self) -> bool:
        """Whether the connection broke before a byte of an answer had come."""
        return self._transport is None and not self._head_bytes

    @property
    def reusable(self) -> bool:
        """Whether the connection is good for another exchange."""
        return self._persistent and self._request_sent and self._transport is not None

    def release(self) -> asyncio.Transport:
        """Return the connection of an exchange that is over, to be used for another."""
        assert self._transport is not None
        transport, self._transport, self._parser = self._transport, None, None
        self.close()
        return transport

    def fail(self, error: Exception) -> None:
        """End the exchange with error: whoever reads, now or later, gets it raised."""
        if self._error is None and not self.complete:
            self._error = error
            self._wake()
            self.close()

    def close(self) -> None:
        """Break the connection; harmless when it is gone."""
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        if self._transport is not None:
            self._transport.abort()

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
        self._watch = self._loop.call_later(self._timeout, self._check_silence)

    def data_received(self, data: bytes) -> None:
        self._waiting_since = self._loop.time()
        if self._parser is None:
            return
        if self.complete:
            self._persistent = False  # whatever that is, nobody asked for it
            return
        if not self._has_head:
            self._head_bytes += len(data)
        self._parse(self._parser, data)
        if self._sink is not None and self._error is None and not self.complete:
            self._feed_sink(self._sink)
            return
        if self._held > HIGH_WATER and not self._reading_paused and self._transport is not None:
            self._reading_paused = True
            self._transport.pause_reading()
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._parser = None  # it holds our methods: without this, a cycle for the collector
        if exc is None and self._has_head and not self._head.framed:
            self.complete = True
        self.fail(
            UpstreamError("the upstream broke the connection off" + (f": {exc}" if exc else ""))
        )
        self.close()
        self._wake()

    def pause_writing(self) -> None:
        self._writing_paused = True

    def resume_writing(self) -> None:
        self._writing_paused = False
        if self._writer is not None and not self._writer.done():
            self._writer.set_result(None)

    # what the parser calls

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._has_head:
            self._head.fields[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        assert self._parser is not None
        if self.complete:
            return
        status = self._parser.get_status_code()
        if status < 200 and status != SWITCHING_PROTOCOLS:
            self._head.fields.clear()
            return
        self._head.status = status
        self._has_head = True

    def on_body(self, body: bytes) -> None:
        if not self.complete:
            self._pieces.append(body)
            self._held += len(body)

    def on_message_begin(self) -> None:
        self._persistent = False

    def on_message_complete(self) -> None:
        assert self._parser is not None
        # An interim answer (1xx) is a message of its own; what follows the real one is not ours.
        if self._has_head and not self.complete:
            self.complete = True
            self._persistent = self._parser.should_keep_alive()

    # inside

    def _parse(self, parser: httptools.HttpResponseParser, data: bytes) -> None:
        try:
            parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.fail(UpstreamError("the upstream wants to switch protocols"))
        except httptools.HttpParserError as error:
            self._persistent = False
            self.fail(UpstreamError(f"the upstream sent malformed HTTP: {error}"))
        if not self._has_head and self._head_bytes > HEAD_LIMIT:
            self.fail(UpstreamError(f"the upstream's head is over {HEAD_LIMIT} bytes"))

    def _take(self) -> bytes:
        """Return what has come of the body, and have more of it sent."""
        data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        self._held = 0
        if self._reading_paused:
            self._reading_paused = False
            if self._transport is not None and not self._transport.is_closing():
                self._transport.resume_reading()
        return data

    def _feed_sink(self, sink: Sink) -> None:
        if self._pieces and not sink(self._take()):
            self._sink = None
            self._wake()

    async def _wait(self) -> None:
        if self._error is not None:
            raise self._error
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

    def _check_silence(self) -> None:
        """Look, once a timeout or so, whether somebody has waited too long."""
        now = self._loop.time()
        unsent = self._transport.get_write_buffer_size() if self._transport is not None else 0
        if unsent < self._unsent:
            self._waiting_since = now  # what it takes is a sign of life too
        self._unsent = unsent
        # While the request still goes out, an upstream that listens may be silent.
        waits = self._writer is not None or (self._reader is not None and self._request_sent)
        if waits and now - self._waiting_since >= self._timeout:
            self.fail(UpstreamSilentError(f"the upstream was silent for {self._timeout:g} s"))
            return
        due = self._waiting_since + self._timeout
        self._watch = self._loop.call_at(
            due if due > now else now + self._timeout, self._check_silence
        )
