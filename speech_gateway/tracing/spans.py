"""Spans, named by OpenTelemetry's semantic conventions for HTTP."""

import re
import time
from collections.abc import Mapping

from aiohttp import web
from opentelemetry.context import Context
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    Tracer,
    set_span_in_context,
)
from opentelemetry.trace.span import TraceState
from opentelemetry.util.types import AttributeValue

from ..plugins import CallAttempt, Observation, ObservedCall, PublicExchange, TraceContext

OWN = "speech_gateway."
"""Begins the names of what the conventions have no name for."""
CLIENT_LEFT = 499
MAX_USER_AGENT = 256
_METHODS = frozenset(
    ("CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE")
)
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,253})(?::([0-9]{1,5}))?")

Attributes = dict[str, AttributeValue]


class ExchangeSpan(Observation):
    """The span of an exchange, which ends with its last byte or the break."""

    def __init__(
        self, tracer: Tracer, exchange: PublicExchange, name: str, attributes: Attributes
    ) -> None:
        self._tracer, self._exchange = tracer, exchange
        attributes[f"{OWN}endpoint"] = exchange.endpoint.label
        attributes[f"{OWN}api"] = exchange.endpoint.api
        attributes[f"{OWN}request_id"] = exchange.request_id
        parent = _context_of(exchange.trace)
        head = time.time_ns() - int(exchange.timings.so_far() * 1e9)
        self._span = tracer.start_span(name, parent, SpanKind.SERVER, attributes, start_time=head)
        exchange.trace = _trace_of(self._span)

    def call(self, attempt: CallAttempt) -> ObservedCall:
        """Begin the span of a call to the backend, within this one."""
        return CallSpan(self._tracer, self._span, attempt)

    def end(self) -> None:
        """End the span, with the status that the exchange really ended with."""
        span, exchange = self._span, self._exchange
        if span.is_recording():
            _end(span, exchange.status, exchange.why, self._last_attributes(exchange))
        span.end()

    def _last_attributes(self, exchange: PublicExchange) -> Attributes:
        timings = exchange.timings
        attributes: Attributes = {
            "client.address": exchange.client.address,
            f"{OWN}key": exchange.client.key,
            f"{OWN}why": exchange.why,
        }
        attributes = {name: value for name, value in attributes.items() if value}
        attributes["http.request.body.size"] = exchange.bytes_in
        attributes["http.response.body.size"] = exchange.bytes_out
        attributes[f"{OWN}waited"] = timings.waited
        if timings.first_byte is not None:
            attributes[f"{OWN}first_byte"] = timings.first_byte
        return attributes


class RequestSpan(ExchangeSpan):
    """The span of an HTTP request."""

    def __init__(self, tracer: Tracer, exchange: PublicExchange, request: web.Request) -> None:
        path = exchange.endpoint.path
        known = request.method in _METHODS
        attributes: Attributes = {
            "http.request.method": request.method if known else "_OTHER",
            "http.route": path,
            "url.path": path,
            "url.scheme": request.scheme,
            "network.protocol.version": f"{request.version.major}.{request.version.minor}",
        }
        if host := _HOST.fullmatch(request.headers.get("Host", "")):
            attributes["server.address"] = host[1].strip("[]")
            if host[2]:
                attributes["server.port"] = int(host[2])
        if agent := request.headers.get("User-Agent"):
            attributes["user_agent.original"] = agent[:MAX_USER_AGENT]
        if exchange.client.address:
            attributes["network.peer.address"] = exchange.client.address
        super().__init__(
            tracer, exchange, f"{request.method if known else 'HTTP'} {path}", attributes
        )

    def _last_attributes(self, exchange: PublicExchange) -> Attributes:
        attributes = super()._last_attributes(exchange)
        attributes["http.response.status_code"] = exchange.status
        return attributes


class ConnectionSpan(ExchangeSpan):
    """The span of something that is said on a live connection."""

    def __init__(self, tracer: Tracer, exchange: PublicExchange) -> None:
        endpoint = exchange.endpoint
        super().__init__(tracer, exchange, f"{endpoint.api} {endpoint.label}", {})

    def _last_attributes(self, exchange: PublicExchange) -> Attributes:
        attributes = super()._last_attributes(exchange)
        attributes[f"{OWN}code"] = exchange.status
        return attributes


class CallSpan(ObservedCall):
    """The span of a call to the backend, from the call to the end of its answer."""

    def __init__(self, tracer: Tracer, parent: Span, attempt: CallAttempt) -> None:
        attributes: Attributes = {
            "http.request.method": "POST",
            "url.full": attempt.url,
            "server.address": attempt.host,
            "network.protocol.version": "1.1",
        }
        if attempt.port is not None:
            attributes["server.port"] = attempt.port
        if attempt.resends:
            attributes["http.request.resend_count"] = attempt.resends
        context = set_span_in_context(parent, Context())
        self._span = tracer.start_span("POST", context, SpanKind.CLIENT, attributes)
        self._status: int | None = None
        self.trace = _trace_of(self._span)

    def answered(self, status: int) -> None:
        """Note the status of the answer."""
        self._status = status
        self._span.set_attribute("http.response.status_code", status)

    def end(self, error: BaseException | None, seconds_ago: float) -> None:
        """End the span."""
        if error is not None:
            self._span.set_attribute("error.type", type(error).__name__)
            self._span.set_status(Status(StatusCode.ERROR, str(error)))
        elif self._status is not None and self._status >= 400:
            self._span.set_attribute("error.type", str(self._status))
            self._span.set_status(Status(StatusCode.ERROR))
        self._span.end(time.time_ns() - int(seconds_ago * 1e9))


def _end(span: Span, status: int, why: str, attributes: Mapping[str, AttributeValue]) -> None:
    span.set_attributes(attributes)
    if status >= 500 or status == CLIENT_LEFT:
        span.set_attribute("error.type", str(status))
    if status >= 500:  # what is the client's own doing is no error of the server's
        span.set_status(Status(StatusCode.ERROR, why))


def _trace_of(span: Span) -> TraceContext:
    place = span.get_span_context()
    return TraceContext.of(
        place.trace_id, place.span_id, place.trace_flags, place.trace_state.to_header()
    )


def _context_of(trace: TraceContext | None) -> Context:
    """Return the context of a client's span; an empty one where there is none."""
    if trace is None:
        return Context()
    place = SpanContext(
        trace_id=int(trace.trace_id, 16),
        span_id=int(trace.span_id, 16),
        is_remote=True,
        trace_flags=TraceFlags(trace.flags),
        trace_state=TraceState.from_header([trace.tracestate]) if trace.tracestate else None,
    )
    return set_span_in_context(NonRecordingSpan(place), Context())
