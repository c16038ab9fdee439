"""Client connections, where aiohttp's own leave an open network too much room.

``aiohttp.web_protocol`` is not made to be extended: what is relied on here is held by the tests,
and by the pin on aiohttp's version.
"""

import logging
from typing import Any

from aiohttp import web
from aiohttp.web_protocol import RequestHandler, RequestPayloadError, _ErrInfo
from aiohttp.web_server import Server

from .exchange import EXCHANGE

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

log = logging.getLogger(__name__)


class Connection(RequestHandler):
    """One connection of a client's."""

    __slots__ = ("raw_bytes",)

    def __init__(self, manager: "BoundedServer", **kwargs: Any) -> None:
        super().__init__(manager, **kwargs)
        self.raw_bytes = 0
        """Received since a request last began."""

    def connection_made(self, transport: Any) -> None:
        """Take the connection, or refuse it at once when there are too many."""
        server = self._manager
        assert isinstance(server, BoundedServer)
        if server.full():
            self._manager = None  # whatever comes of it is not ours
            self._force_close = True
            transport.write(TOO_MANY)
            transport.close()
            return
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Parse data; tell the one who reads a body when the rest of it is malformed.

        aiohttp's parser leaves that reader waiting for ever.
        """
        queued = len(self._messages)
        super().data_received(data)
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
        self.raw_bytes = 0 if begun else self.raw_bytes + size
        request = self._current_request
        if request is None or request.content.is_eof():
            allowed = HEAD_LIMIT
        else:
            allowed = FRAMING_LIMIT + FRAMING_FACTOR * request.content.total_bytes
        if self.raw_bytes > allowed and self.transport is not None:
            if request is not None and (exchange := request.get(EXCHANGE)) is not None:
                exchange.explain(f"the client sent {self.raw_bytes} bytes of framing")
            else:
                log.info("a client sent %d bytes that are no request", self.raw_bytes)
            self.transport.abort()

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
