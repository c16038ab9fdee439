"""Gives every request an id, and logs each request to an endpoint when it has ended."""

import logging
import re
from secrets import token_hex

from aiohttp import web

from .. import __version__
from ..config.addresses import parse_address
from ..exchange import CLIENT_LEFT, EXCHANGE, REQUEST_ID, Exchange
from ..metrics import method_label
from ..observers import OBSERVERS, Observers, end
from ..trace_context import read_trace_context
from . import Handler, Step

REQUEST_ID_HEADER = "X-Request-ID"
ID_BYTES = 16
_SANE_ID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")

log = logging.getLogger(__name__)


class LogRequests(Step):
    """Use a client's valid ``X-Request-ID`` or create one, send it back, and log the outcome.

    Observers are told of the request as soon as its id and its place in a trace are known.
    """

    _observers: Observers

    async def setup(self, app: web.Application) -> None:
        """Add the middleware, and the headers that every response has."""
        self._observers = app[OBSERVERS]
        await super().setup(app)
        app.on_response_prepare.append(_mark)

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        given = request.headers.get(REQUEST_ID_HEADER, "")
        request_id = given if _SANE_ID.fullmatch(given) else token_hex(ID_BYTES)
        request[REQUEST_ID] = request_id
        exchange = request.get(EXCHANGE)
        if exchange is None:
            return await handler(request)
        exchange.client.address = str(parse_address(request.remote)) if request.remote else ""
        exchange.request_id = request_id
        if (trace := read_trace_context(request.headers)) is not None:
            exchange.trace, exchange.client.traceparent = trace, trace.traceparent
        self._observers.begin(exchange, request)
        try:
            return await handler(request)
        finally:
            tell_outcome(exchange, request.method)


def tell_outcome(exchange: Exchange, method: str) -> None:
    """Tell the observers and the log of an exchange that has ended."""
    if exchange.status == CLIENT_LEFT:
        exchange.explain("the client left")
    end(exchange)
    level = logging.INFO if exchange.status < 500 else logging.WARNING
    if log.isEnabledFor(level):
        _write_line(exchange, method, level)


def _write_line(exchange: Exchange, method: str, level: int) -> None:
    client, timings = exchange.client, exchange.timings
    fields = {
        "endpoint": exchange.endpoint.label,
        "api": exchange.endpoint.api,
        "path": exchange.endpoint.path,
        "method": method_label(method),
        "code": exchange.status,
        "seconds": round(timings.so_far(), 4),
        "waited": round(timings.waited, 4),
        "backend": _rounded(timings.backend),
        "first_byte": _rounded(timings.first_byte),
        "bytes_in": exchange.bytes_in,
        "bytes_out": exchange.bytes_out,
        "client": client.address,
        "request_id": exchange.request_id,
    }
    if client.key:
        fields["key"] = client.key
    if client.traceparent:
        fields["traceparent"] = client.traceparent
    if exchange.trace is not None:
        fields["trace_id"] = exchange.trace.trace_id
    fields["version"] = __version__
    if exchange.why:
        fields["why"] = exchange.why
    log.log(
        level,
        "%(method)s %(path)s ended with %(code)s",
        fields,
        extra={"fields": fields, "trace": exchange.trace},
    )


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 4)


async def _mark(request: web.Request, response: web.StreamResponse) -> None:
    # What aiohttp answers by itself has met no middleware.
    response.headers[REQUEST_ID_HEADER] = request.get(REQUEST_ID) or token_hex(ID_BYTES)
    # nginx holds a proxied answer back in its buffers without this
    response.headers["X-Accel-Buffering"] = "no"
