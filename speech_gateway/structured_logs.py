"""Lines of the log as JSON, in the names of those who collect logs."""

import json
import logging
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from . import __version__
from .trace_context import TraceContext

SERVICE = "speech-gateway"
OWN = "speech_gateway."
"""Begins the names of what nobody else has a name for."""
ECS_VERSION = "8.11.0"
_SEVERITIES = {
    logging.DEBUG: 5,
    logging.INFO: 9,
    logging.WARNING: 13,
    logging.ERROR: 17,
    logging.CRITICAL: 21,
}
"""OpenTelemetry's numbers of levels."""
_OTEL_NAMES = {
    "path": "url.path",
    "method": "http.request.method",
    "code": "http.response.status_code",
    "bytes_in": "http.request.body.size",
    "bytes_out": "http.response.body.size",
    "client": "client.address",
}
_ECS_NAMES = {
    "path": "url.path",
    "method": "http.request.method",
    "code": "http.response.status_code",
    "bytes_in": "http.request.body.bytes",
    "bytes_out": "http.response.body.bytes",
    "client": "client.address",
    "request_id": "http.request.id",
    "why": "event.reason",
}
_TOLD_ELSEWHERE = frozenset({"trace_id", "version"})


class OtelFormatter(logging.Formatter):
    """One JSON object a line, by OpenTelemetry's logs data model and semantic conventions."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "Timestamp": str(int(record.created * 1e9)),
            "SeverityText": record.levelname,
            "SeverityNumber": _SEVERITIES.get(record.levelno, 0),
            "Body": record.getMessage(),
        }
        if (trace := _trace_of(record)) is not None:
            line["TraceId"] = trace.trace_id
            line["SpanId"] = trace.span_id
            line["TraceFlags"] = f"{trace.flags:02x}"
        line["Attributes"] = attributes = dict(_fields_of(record, _OTEL_NAMES))
        for what, value in _exception_of(self, record):
            attributes[f"exception.{what.replace('stack_trace', 'stacktrace')}"] = value
        line["InstrumentationScope"] = {"Name": record.name}
        line["Resource"] = {"service.name": SERVICE, "service.version": __version__}
        return json.dumps(line)


class EcsFormatter(logging.Formatter):
    """One JSON object a line, by the Elastic Common Schema."""

    def format(self, record: logging.LogRecord) -> str:
        created = datetime.fromtimestamp(record.created, UTC)
        line: dict[str, object] = {
            "@timestamp": created.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "log.level": record.levelname.lower(),
            "message": record.getMessage(),
            "ecs.version": ECS_VERSION,
            "log.logger": record.name,
            "service.name": SERVICE,
            "service.version": __version__,
        }
        if (trace := _trace_of(record)) is not None:
            line["trace.id"] = trace.trace_id
            line["span.id"] = trace.span_id
        line.update(_fields_of(record, _ECS_NAMES))
        seconds = line.pop(f"{OWN}seconds", None)
        if isinstance(seconds, float):
            line["event.duration"] = round(seconds * 1e9)
        for what, value in _exception_of(self, record):
            line[f"error.{what}"] = value
        return json.dumps(line)


def _trace_of(record: logging.LogRecord) -> TraceContext | None:
    return getattr(record, "trace", None)


def _fields_of(record: logging.LogRecord, names: Mapping[str, str]) -> Iterator[tuple[str, object]]:
    fields: dict[str, object] = getattr(record, "fields", {})
    for name, value in fields.items():
        if value is not None and name not in _TOLD_ELSEWHERE:
            yield names.get(name) or OWN + name, value


def _exception_of(
    formatter: logging.Formatter, record: logging.LogRecord
) -> Iterator[tuple[str, str]]:
    if record.exc_info and record.exc_info[1] is not None:
        error = record.exc_info[1]
        yield "type", type(error).__name__
        yield "message", str(error)
        yield "stack_trace", formatter.formatException(record.exc_info)
