"""Traces, as a plugin on the public interface: ``--plugin speech_gateway.tracing:Tracing``."""

try:
    import opentelemetry.exporter.otlp.proto.http
    import opentelemetry.sdk.trace  # noqa: F401 - both are looked for
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "OpenTelemetry is not installed; pip install 'speech-gateway[otel]' does it"
    ) from error

from .tracing_plugin import Tracing

__all__ = ["Tracing"]
