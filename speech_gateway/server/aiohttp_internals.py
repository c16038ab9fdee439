"""Client connections, where aiohttp's own leave an open network too much room.

``aiohttp.web_protocol`` is not made to be extended: what is relied on here is held by the tests,
and by the pin on aiohttp's version.
"""

import asyncio
import logging
from typing import Any

from aiohttp import StreamReader, web
from aiohttp.web_protocol import RequestHandler, RequestPayloadError, _ErrInfo
from aiohttp.web_server import Server

from ..exchange import EXCHANGE

SERVER = "speech-gateway"
TOO_MANY = (
    b"HTTP/1.1 503 Service Unavailable\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\n"
    b"Content-Length: 54\r\n"
    b"Retry-After: 5\r\n"
    b"Connection: close\r\n\r\n"
    b"the gateway has too many connections; try again later\n"
)

HEAD_LIMIT = 2 * 1024 * 1024
"""Bytes; more than the parser's own limits on lines and fields add up to."""
FRAMING_LIMIT = 64 * 1024
FRAMING_FACTOR = 8
"""Bytes around each byte of a body: six is what chunks of one byte cost."""
LINGER = 2.0
"""Seconds of silence after which a refused client is taken to send no more."""
LONGEST_LINGER = 60.0
"""Seconds in which a refused client may go on sending before it looks at the refusal."""
LINGER_BYTES = 64 * 1024 * 1024
"""What it may send meanwhile."""
MOST_TURNED_AWAY = 64
"""Connections over the cap that may linger; one more is closed, whether or not it read why."""

log = logging.getLogger(__name__)


class Connection(RequestHandler):
    """One connection of a client's."""

    __slots__ = (
        "_body",
        "_heard",
        "_linger_bytes",
        "_silence_timer",
        "_turned_away_by",
        "raw_bytes",
    )

    def __init__(self, manager: "BoundedServer", **kwargs: Any) -> None:
        super().__init__(manager, **kwargs)
        self.raw_bytes = 0
        """Received since a request, or the wait for one, last began."""
        self._body: StreamReader | None = None
        """What is being received, whether or not anybody still handles its request."""
        self._heard = False
        """Whether anything came since the timer last looked."""
        self._silence_timer: asyncio.TimerHandle | None = None
        self._linger_bytes: int | None = None
        """How much more a refused client may send; None while nothing is refused."""
        self._turned_away_by: BoundedServer | None = None

    def connection_made(self, transport: Any) -> None:
        """Take the connection, or turn it away at once when there are too many."""
        server = self._manager
        assert isinstance(server, BoundedServer)
        if server.full():
            self._turn_away(server, transport)
            return
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forget the client."""
        if self._silence_timer is not None:
            self._silence_timer.cancel()
        if self._turned_away_by is not None:
            self._turned_away_by.turned_away.discard(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse data; tell the one who reads a body when the rest of it is malformed.

        aiohttp's parser leaves that reader waiting for ever.
        """
        self._heard = True
        if self._linger_bytes is not None:
            self._linger_bytes -= len(data)
            if self._linger_bytes < 0:
                self.force_close()
        if self._turned_away_by is not None:
            return
        queued = len(self._messages)
        super().data_received(data)
        if self._payload_parser is None:  # a websocket has bounds of its own
            self._bound_framing(len(data), begun=len(self._messages) > queued)
        request = self._current_request
        if request is None or not self._messages or request.content.is_eof():
            return
        if isinstance(self._messages[-1][0], _ErrInfo):
            self._messages.clear()
            self._close = True
            request.content.set_exception(RequestPayloadError())
            request.content.feed_eof()  # nothing more is to be waited for

    def _bound_framing(self, size: int, *, begun: bool) -> None:
        """Give up a client that sends far more around a request than in it.

        Chunk extensions, blank lines and the like are passed over by the parser without an end.
        """
        if begun:
            self._body = self._messages[-1][1]
            self.raw_bytes = 0
        elif self._body is not None and self._body.is_eof():
            self._body = None  # this brought its end, and what follows is the next head
            self.raw_bytes = 0
        else:
            self.raw_bytes += size
        body = self._body
        if body is None or body.is_eof():
            allowed = HEAD_LIMIT
        else:
            allowed = FRAMING_LIMIT + FRAMING_FACTOR * body.total_bytes
        if self.raw_bytes > allowed and self.transport is not None:
            self._explain(f"the client sent {self.raw_bytes} bytes of framing")
            self.transport.abort()

    def _explain(self, why: str) -> None:
        request = self._current_request
        if request is not None and (exchange := request.get(EXCHANGE)) is not None:
            exchange.explain(why)
        else:
            log.info("a connection is broken off: %s", why)

    async def _handle_request(
        self, request: web.BaseRequest, start_time: float | None, request_handler: Any
    ) -> tuple[web.StreamResponse, bool]:
        """Handle a request; when its body is still coming, let the client see the answer.

        A connection that is closed with bytes unread is reset by the kernel, and the client loses
        what it had not looked at. aiohttp reads on for ``LONGEST_LINGER`` seconds; here that ends
        as soon as the client is silent.
        """
        self._linger_bytes = None
        try:
            return await super()._handle_request(request, start_time, request_handler)
        finally:
            if not request.content.is_eof():
                self._close_when_silent(request.content)

    def _turn_away(self, server: "BoundedServer", transport: Any) -> None:
        self._manager = None  # whatever comes of it is not ours
        self._force_close = True
        transport.write(TOO_MANY)
        if len(server.turned_away) >= MOST_TURNED_AWAY:
            transport.close()
            return
        self.transport = transport
        self._turned_away_by = server
        server.turned_away.add(self)
        transport.write_eof()
        self._close_when_silent(None)

    def _close_when_silent(self, body: StreamReader | None) -> None:
        """Close once the client sends nothing for a while, unless all of body has come."""
        end = self._loop.time() + LONGEST_LINGER
        self._linger_bytes = LINGER_BYTES

        def look() -> None:
            if self.transport is None or (body is not None and body.is_eof()):
                return
            if not self._heard or self._loop.time() >= end:
                self.force_close()
                return
            look_later()

        def look_later() -> None:
            self._heard = False
            self._silence_timer = self._loop.call_later(LINGER, look)

        look_later()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - may quote what the client sent
    ) -> web.StreamResponse:
        """Answer what is no request in a line, without a word on what is inside."""
        log.debug("%s sent what is no request (%s)", request.remote, type(exc).__name__)
        if request.writer.output_size > 0:
            raise ConnectionError("an answer has begun, and cannot be another now")
        response = web.Response(
            status=status,
            text="this is no well-formed HTTP request; see RFC 9112\n",
            headers={"Server": SERVER, "Connection": "close"},
        )
        response.force_close()
        return response


class BoundedServer(Server):
    """Makes a Connection for each client, and refuses those over ``most``."""

    def __init__(self, server: Server, most: int, **kwargs: Any) -> None:
        super().__init__(server.request_handler, request_factory=server.request_factory, **kwargs)
        self._most = most
        self.turned_away: set[Connection] = set()
        """Those over the cap that were not seen to have read why."""

    def full(self) -> bool:
        """Return whether there are as many connections as there may be."""
        return len(self._connections) >= self._most

    def __call__(self) -> RequestHandler:
        return Connection(self, loop=self._loop, **self._kwargs)


class Runner(web.AppRunner):
    """Runs an application on a BoundedServer."""

    def __init__(self, app: web.Application, *, most_connections: int, **kwargs: Any) -> None:
        super().__init__(app, **kwargs)
        self._most_connections = most_connections

    async def _make_server(self) -> Server:
        server = await super()._make_server()
        return BoundedServer(server, self._most_connections, **self._kwargs)
