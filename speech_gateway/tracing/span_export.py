"""Sends spans to a collector, from a thread of its own: OTLP over HTTP."""

import asyncio
import logging
import os
import threading
import time
from collections.abc import Sequence
from uuid import uuid4

from aiohttp import web
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Tracer

from .. import __version__

SERVICE = "speech-gateway"
CLOSE_TIMEOUT = 3.0
"""Seconds in which what is left has to be sent when the gateway stops."""
REPEAT_INTERVAL = 60.0
"""Seconds in which the same is not told again."""
PROTOCOL = "http/protobuf"
_ONLY = {
    "OTEL_TRACES_EXPORTER": ("otlp", "none"),
    "OTEL_EXPORTER_OTLP_PROTOCOL": (PROTOCOL,),
    "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": (PROTOCOL,),
}
"""Variables that the SDK does not read itself, and what there is of them here."""

log = logging.getLogger(__name__)


def check_environment() -> None:
    """Raise ValueError for a variable that asks for what there is not."""
    for name, possible in _ONLY.items():
        value = os.environ.get(name)
        if value and value not in possible:
            raise ValueError(f"{name} is '{value}'; it may be {' or '.join(possible)}")


def is_switched_off() -> bool:
    """Return whether the environment switches tracing off."""
    disabled = os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    return disabled or os.environ.get("OTEL_TRACES_EXPORTER") == "none"


class SpanExport:
    """Makes spans and sends them; nothing of it is global.

    Args:
        endpoint: the collector's URL; None for what the environment says.
    """

    def __init__(self, endpoint: str | None) -> None:
        _quieten_sdk()
        url = None if endpoint is None else f"{endpoint.rstrip('/')}/v1/traces"
        exporter = CountingExporter(OTLPSpanExporter(url))
        self._provider = provider = TracerProvider(resource=_resource(), shutdown_on_exit=False)
        provider.add_span_processor(BatchSpanProcessor(exporter))
        self.tracer: Tracer = provider.get_tracer(SERVICE, __version__)

    async def close(self, _app: web.Application) -> None:
        """Send what is left, for as long as that may take.

        The thread is a daemon: a collector that hangs keeps no process from ending.
        """
        loop, closed = asyncio.get_running_loop(), asyncio.Event()
        provider = self._provider

        def shut_down() -> None:
            provider.shutdown()
            if not loop.is_closed():
                loop.call_soon_threadsafe(closed.set)

        threading.Thread(target=shut_down, name="close-tracing", daemon=True).start()
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT):
                await closed.wait()
        except TimeoutError:
            log.warning("the last spans were not taken within %g s, and are lost", CLOSE_TIMEOUT)


class CountingExporter(SpanExporter):
    """Tells in the log when spans begin to be lost, and how many were when that is over."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._lost = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send spans; this waits, in the exporting thread."""
        result = self._exporter.export(spans)
        if result is not SpanExportResult.SUCCESS:
            if not self._lost:
                log.warning("spans are lost: the collector does not take them")
            self._lost += len(spans)
        elif self._lost:
            log.info("the collector takes spans again; %d were lost", self._lost)
            self._lost = 0
        return result

    def shutdown(self) -> None:
        """End it, and tell what was lost."""
        self._exporter.shutdown()
        if self._lost:
            log.warning("%d spans were lost: the collector did not take them", self._lost)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Do as the exporter does."""
        return self._exporter.force_flush(timeout_millis)


class _Relay(logging.Handler):
    """Passes on what the SDK logs, but the same only once in a while."""

    def __init__(self) -> None:
        super().__init__()
        self._told: dict[tuple[str, object], float] = {}

    def emit(self, record: logging.LogRecord) -> None:
        key, now = (record.name, record.msg), time.monotonic()
        if now - self._told.get(key, -REPEAT_INTERVAL) >= REPEAT_INTERVAL:
            self._told[key] = now
            log.log(min(record.levelno, logging.WARNING), "%s", record.getMessage())


def _quieten_sdk() -> None:
    """Have the SDK's log go through ours: it tells every batch that fails, with a traceback."""
    sdk = logging.getLogger("opentelemetry")
    if sdk.propagate:
        sdk.propagate = False
        sdk.addHandler(_Relay())


def _resource() -> Resource:
    """Return what the spans are of; what the environment says of it stands."""
    own = {
        "service.name": SERVICE,
        "service.version": __version__,
        "service.instance.id": str(uuid4()),
    }
    return Resource.create().merge(Resource(own)).merge(OTELResourceDetector().detect())
