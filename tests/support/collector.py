"""A collector of traces: OTLP over HTTP, as a gateway's spans come in."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span as ProtoSpan
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from .gateway import Served, serving
from .polling import until

PLUGIN = "speech_gateway.tracing:Tracing"
SOON = {"OTEL_BSP_SCHEDULE_DELAY": "20"}
"""Has spans sent at once, and not every five seconds."""
SERVER, CLIENT = ProtoSpan.SPAN_KIND_SERVER, ProtoSpan.SPAN_KIND_CLIENT


@dataclass(frozen=True)
class Span:
    """A span that came."""

    name: str
    kind: int
    trace_id: str
    span_id: str
    parent_id: str
    seconds: float
    failed: bool
    why: str
    attributes: dict[str, Any]


@dataclass
class Collector:
    """A running one, and what it was sent."""

    url: str = ""
    spans: list[Span] = field(default_factory=list)
    resource: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    status: int = 200
    taking: asyncio.Event = field(default_factory=asyncio.Event)
    """Unset, it hangs."""
    asked: int = 0
    """How often something was sent to it."""

    async def take(self, request: web.Request) -> web.Response:
        """Take what a gateway sends."""
        self.asked += 1
        body = await request.read()
        await self.taking.wait()
        if self.status == 200:
            self.headers = {name.lower(): value for name, value in request.headers.items()}
            self._read(ExportTraceServiceRequest.FromString(body))
        answer = ExportTraceServiceResponse().SerializeToString()
        return web.Response(status=self.status, body=answer, content_type="application/x-protobuf")

    def _read(self, sent: ExportTraceServiceRequest) -> None:
        for group in sent.resource_spans:
            self.resource = _plain(group.resource.attributes)
            self.spans += [_span(span) for scope in group.scope_spans for span in scope.spans]

    async def some(self, number: int) -> list[Span]:
        """Wait for so many spans, and return them in the order in which they ended."""
        await until(lambda: self.spans, holds=lambda spans: len(spans) >= number)
        return self.spans

    async def two(self) -> tuple[Span, Span]:
        """Return the spans of one request: its own, and that of the call to the backend."""
        spans = await self.some(2)
        assert len(spans) == 2, spans
        (client,), (server,) = (
            [span for span in spans if span.kind == kind] for kind in (CLIENT, SERVER)
        )
        return server, client


def _span(span: ProtoSpan) -> Span:
    return Span(
        span.name,
        span.kind,
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        (span.end_time_unix_nano - span.start_time_unix_nano) / 1e9,
        span.status.code == Status.STATUS_CODE_ERROR,
        span.status.message,
        _plain(span.attributes),
    )


def _plain(attributes: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in attributes}


@asynccontextmanager
async def collecting() -> AsyncIterator[Collector]:
    """Collect on a free port of loopback."""
    collector = Collector()
    collector.taking.set()
    app = web.Application()
    app.router.add_post("/v1/traces", collector.take)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    collector.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield collector
    finally:
        collector.taking.set()
        await runner.cleanup()


@asynccontextmanager
async def tracing(skit_url: str, collector: Collector | str, *flags: str) -> AsyncIterator[Served]:
    """Serve with spans sent to collector."""
    url = collector if isinstance(collector, str) else collector.url
    plugin = f'{PLUGIN} {{"endpoint": "{url}"}}'
    async with serving(skit_url, "--plugin", plugin, *flags) as gateway:
        yield gateway
