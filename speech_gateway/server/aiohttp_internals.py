"""Everything that the gateway uses of aiohttp's private parts.

aiohttp limits an open network less than the gateway needs, and has no public way to change that: so
client connections are bounded here, by a RequestHandler of our own. ``check`` tells at the start
whether aiohttp is as this module expects it. The version is pinned below the next minor one, and
the tests of this module run on the newest version too.
"""

import inspect
import logging
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import aiohttp
from aiohttp import StreamReader, web

from ..exchange import EXCHANGE
from ..startup_error import WRONG_SETTINGS, StartupError
from .framing_bound import FramingBound
from .lingering import MAX_TURNED_AWAY, LingeringClose


def _wrong_version(why: str) -> StartupError:
    return StartupError(
        f"aiohttp {aiohttp.__version__} is not one that the gateway can run on ({why}); "
        "install the version that it asks for",
        exit_status=WRONG_SETTINGS,
    )


try:
    from aiohttp.base_protocol import BaseProtocol
    from aiohttp.http_parser import HttpRequestParser, HttpRequestParserPy
    from aiohttp.http_writer import StreamWriter
    from aiohttp.web_protocol import RequestHandler, RequestPayloadError, _ErrInfo
    from aiohttp.web_server import Server
except ImportError as missing:
    raise _wrong_version(str(missing)) from missing

SERVER = "speech-gateway"
TOO_MANY = (
    b"HTTP/1.1 503 Service Unavailable\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\n"
    b"Content-Length: 54\r\n"
    b"Retry-After: 5\r\n"
    b"Connection: close\r\n\r\n"
    b"the gateway has too many connections; try again later\n"
)

Handle = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
"""Answers a request."""

log = logging.getLogger(__name__)


class Connection(RequestHandler):
    """A client's connection."""

    __slots__ = ("_framing", "_lingering", "_turned_away_by")

    def __init__(self, manager: "BoundedServer", **kwargs: Any) -> None:
        super().__init__(manager, **kwargs)
        self._framing = FramingBound()
        self._lingering: LingeringClose | None = None
        self._turned_away_by: BoundedServer | None = None

    def connection_made(self, transport: Any) -> None:
        """Accept the connection, or refuse it when there are too many."""
        server = self._manager
        assert isinstance(server, BoundedServer)
        if server.full():
            self._turn_away(server, transport)
            return
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Clean up."""
        if self._lingering is not None:
            self._lingering.cancel()
        if self._turned_away_by is not None:
            self._turned_away_by.turned_away.discard(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse data; raise an error in who reads a body when the rest of it is malformed.

        aiohttp's parser would leave that reader waiting for ever.
        """
        if self._lingering is not None:
            self._lingering.received(len(data))
        if self._turned_away_by is not None:
            return
        messages = self._messages
        queued = len(messages)
        super().data_received(data)
        if self._payload_parser is None:  # a websocket has bounds of its own
            begun = messages[-1][1] if len(messages) > queued else None
            if not self._framing.holds(len(data), begun):
                self._break_off()
        request = self._current_request
        if request is None or not messages or request.content.is_eof():
            return
        if isinstance(messages[-1][0], _ErrInfo):
            messages.clear()
            self._close = True
            request.content.set_exception(RequestPayloadError())
            request.content.feed_eof()  # nothing more is to be waited for

    async def _handle_request(
        self, request: web.BaseRequest, start_time: float | None, request_handler: Any
    ) -> tuple[web.StreamResponse, bool]:
        """Handle a request; when its body is still coming, let the client read the answer.

        aiohttp reads on for its lingering_time; here that ends as soon as the client is silent.
        """
        if self._lingering is not None:
            self._lingering.cancel()
            self._lingering = None
        try:
            return await super()._handle_request(request, start_time, request_handler)
        finally:
            if not request.content.is_eof():
                self._lingering = LingeringClose(request.content, self.force_close)

    def _break_off(self) -> None:
        """Break the connection of a client that sends far more framing than body."""
        if self.transport is None:
            return
        why = f"the client sent {self._framing.received} bytes of framing"
        request = self._current_request
        if request is not None and (exchange := request.get(EXCHANGE)) is not None:
            exchange.explain(why)
        else:
            log.info("a connection is broken off: %s", why)
        self.transport.abort()

    def _turn_away(self, server: "BoundedServer", transport: Any) -> None:
        self._manager = None  # whatever comes of it is not ours
        self._force_close = True
        transport.write(TOO_MANY)
        if len(server.turned_away) >= MAX_TURNED_AWAY:
            transport.close()
            return
        self.transport = transport
        self._turned_away_by = server
        server.turned_away.add(self)
        transport.write_eof()
        self._lingering = LingeringClose(None, self.force_close)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - may quote what the client sent
    ) -> web.StreamResponse:
        """Answer a malformed request in one line that tells nothing of the inside."""
        log.debug("%s sent what is no request (%s)", request.remote, type(exc).__name__)
        if answer_has_begun(request):
            raise ConnectionError("an answer has begun, and cannot be another now")
        response = web.Response(
            status=status,
            text="this is no well-formed HTTP request; see RFC 9112\n",
            headers={"Server": SERVER, "Connection": "close"},
        )
        response.force_close()
        return response


class BoundedServer(Server):
    """Creates a Connection for each client, and refuses those over ``max_connections``.

    Every request goes to handle.
    """

    def __init__(self, handle: Handle, max_connections: int, **kwargs: Any) -> None:
        super().__init__(handle, **kwargs)
        self.turned_away: set[Connection] = set()
        """Connections over the limit that have not been seen to read the refusal."""
        self._max_connections = max_connections

    def set_bounds(self, max_connections: int, **kwargs: Any) -> None:
        """Have further connections bounded in another way; arguments are as at the creation."""
        self._max_connections = max_connections
        self._kwargs.update(kwargs)

    def full(self) -> bool:
        """Return whether there are as many connections as there may be."""
        return len(self._connections) >= self._max_connections

    def __call__(self) -> RequestHandler:
        return Connection(self, loop=self._loop, **self._kwargs)

    def _make_request(
        self, message: Any, payload: Any, protocol: Any, writer: Any, task: Any
    ) -> web.Request:
        return web.Request(message, payload, protocol, writer, task, self._loop)


def request_handler(runner: web.AppRunner) -> Handle:
    """Return what answers the requests to an application that was set up."""
    assert runner.server is not None
    return runner.server.request_handler


class RelayedResponse(web.StreamResponse):
    """An answer whose head waits for the first bytes of the body, to leave in one segment."""

    # As aiohttp's own Response has it; without this, the head leaves by itself.
    _send_headers_immediately = False


def answer_has_begun(request: web.BaseRequest) -> bool:
    """Return whether any byte of an answer to request was written."""
    return request.writer.output_size > 0


def read_bufsize(read_ahead: int) -> int:
    """Return the setting of aiohttp's with which it holds read_ahead unread bytes of a body."""
    return read_ahead // 2  # it pauses reading at twice as much


def check() -> None:
    """Check that aiohttp is as this module expects it.

    Raises:
        StartupError: it is not, or its parser is not safe.
    """
    if HttpRequestParser is HttpRequestParserPy:
        raise StartupError(
            "aiohttp runs without its C parser, and the one in Python is too lax for an open "
            "network; unset AIOHTTP_NO_EXTENSIONS, or install aiohttp from a wheel",
            exit_status=WRONG_SETTINGS,
        )
    if unexpected := list(_unexpected()):
        raise _wrong_version(", ".join(unexpected))


def _unexpected() -> Iterator[str]:
    """Yield the names that are missing, or are something else."""
    for name in (
        *("_close", "_current_request", "_force_close", "_manager", "_messages"),
        *("_payload_parser", "force_close"),
    ):
        if not hasattr(RequestHandler, name):
            yield f"RequestHandler.{name}"
    for method, parameters in (
        (RequestHandler._handle_request, ["self", "request", "start_time", "request_handler"]),
        (RequestHandler.handle_error, ["self", "request", "status", "exc", "message"]),
        (RequestHandler.data_received, ["self", "data"]),
        (Server._make_request, ["self", "message", "payload", "protocol", "writer", "task"]),
    ):
        if list(inspect.signature(method).parameters) != parameters:
            yield method.__qualname__
    if web.StreamResponse._send_headers_immediately is not True:
        yield "StreamResponse._send_headers_immediately"
    if web.Response._send_headers_immediately is not False:
        yield "Response._send_headers_immediately"
    if not isinstance(getattr(StreamWriter, "output_size", None), int):
        yield "StreamWriter.output_size"
    yield from _unexpected_instances()


def _unexpected_instances() -> Iterator[str]:
    """Yield what only instances show; needs a running event loop."""

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        raise NotImplementedError(request)

    server = Server(handler)
    for name in ("_connections", "_kwargs", "_loop", "request_handler", "request_factory"):
        if not hasattr(server, name):
            yield f"Server.{name}"
    reader = StreamReader(BaseProtocol(server._loop, None), 1)
    if getattr(reader, "_high_water", None) != 2:
        yield "StreamReader._high_water"
    if not hasattr(reader, "total_bytes"):
        yield "StreamReader.total_bytes"
