"""The plugin: spans of requests and of calls to the backend, sent to a collector."""

from collections.abc import AsyncIterator

from aiohttp import web
from opentelemetry.trace import Tracer

from ..plugins import Observation, PublicExchange, observe
from .span_export import SpanExport, check_environment, is_switched_off
from .spans import ConnectionSpan, RequestSpan


class Tracing:
    """Send a span of each exchange, and of each of its calls to the backend, to a collector.

    Args:
        endpoint: the collector's URL, as in ``OTEL_EXPORTER_OTLP_ENDPOINT``, which it goes before.
            All else is told by OpenTelemetry's own environment variables.

    Raises:
        ValueError: the endpoint or a variable is not what it may be.
    """

    def __init__(self, endpoint: str | None = None) -> None:
        if endpoint is not None and not endpoint.startswith(("http://", "https://")):
            raise ValueError(
                f"endpoint is '{endpoint}'; it may be a URL like http://localhost:4318"
            )
        check_environment()
        self._endpoint = endpoint
        self._tracer: Tracer

    async def setup(self, app: web.Application) -> None:
        """Observe the exchanges of app, and send what is left when it ends."""
        if is_switched_off():
            return
        observe(app, self)
        app.cleanup_ctx.append(self._exporting)

    async def _exporting(self, app: web.Application) -> AsyncIterator[None]:
        export = SpanExport(self._endpoint)
        self._tracer = export.tracer
        yield
        await export.close(app)

    def begin(self, exchange: PublicExchange, request: web.Request | None) -> Observation:
        """Begin the span of an exchange."""
        if request is None:
            return ConnectionSpan(self._tracer, exchange)
        return RequestSpan(self._tracer, exchange, request)
