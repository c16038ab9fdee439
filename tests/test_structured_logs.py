"""The log in the names of those who collect logs."""

import json
import logging
import sys
from typing import Any

import pytest

from speech_gateway import __version__
from speech_gateway.structured_logs import EcsFormatter, OtelFormatter
from tests.support.backend import ScriptedBackend
from tests.support.client import connect
from tests.support.program import serving_program

TRACE_ID, SPAN_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACE = f"00-{TRACE_ID}-{SPAN_ID}-01"


async def line_of(backend: ScriptedBackend, log_format: str) -> dict[str, Any]:
    """Return the line of a request that was made with a trace."""
    flags = ("--skit-url", backend.url, "--log-format", log_format)
    async with serving_program(*flags) as run, await connect(run.port) as client:
        await client.speak(X_Request_ID="seven", traceparent=TRACE)
        await run.line("ended with")
        line: dict[str, Any] = json.loads(run.log[-1])
        return line


async def test_opentelemetrys_names(backend: ScriptedBackend) -> None:
    line = await line_of(backend, "otel")

    assert line.pop("Timestamp").isdecimal()
    attributes = line.pop("Attributes")
    for name in ("seconds", "waited", "backend", "first_byte"):
        assert attributes.pop(f"speech_gateway.{name}") < 60
    assert attributes == {
        "url.path": "/tts",
        "http.request.method": "POST",
        "http.response.status_code": 200,
        "http.request.body.size": 6,
        "http.response.body.size": 11,
        "client.address": "127.0.0.1",
        "speech_gateway.endpoint": "tts",
        "speech_gateway.api": "plain",
        "speech_gateway.request_id": "seven",
        "speech_gateway.traceparent": TRACE,
    }
    assert line == {
        "SeverityText": "INFO",
        "SeverityNumber": 9,
        "Body": "POST /tts ended with 200",
        "TraceId": TRACE_ID,
        "SpanId": SPAN_ID,
        "TraceFlags": "01",
        "InstrumentationScope": {"Name": "speech_gateway.middlewares.request_log"},
        "Resource": {"service.name": "speech-gateway", "service.version": __version__},
    }


async def test_elastics_names(backend: ScriptedBackend) -> None:
    line = await line_of(backend, "ecs")

    assert line.pop("@timestamp").endswith("Z")
    assert 0 < line.pop("event.duration") < 60e9
    for name in ("waited", "backend", "first_byte"):
        assert line.pop(f"speech_gateway.{name}") < 60
    assert line == {
        "log.level": "info",
        "message": "POST /tts ended with 200",
        "ecs.version": "8.11.0",
        "log.logger": "speech_gateway.middlewares.request_log",
        "service.name": "speech-gateway",
        "service.version": __version__,
        "trace.id": TRACE_ID,
        "span.id": SPAN_ID,
        "url.path": "/tts",
        "http.request.method": "POST",
        "http.response.status_code": 200,
        "http.request.body.bytes": 6,
        "http.response.body.bytes": 11,
        "http.request.id": "seven",
        "client.address": "127.0.0.1",
        "speech_gateway.endpoint": "tts",
        "speech_gateway.api": "plain",
        "speech_gateway.traceparent": TRACE,
    }


def failure() -> logging.LogRecord:
    """Return the record of something that was raised."""
    try:
        raise ValueError("why")
    except ValueError:
        return logging.LogRecord("name", logging.ERROR, "", 0, "it failed", (), sys.exc_info())


@pytest.mark.parametrize(
    ("formatter", "path", "prefix", "stack"),
    [
        (OtelFormatter(), "Attributes", "exception", "stacktrace"),
        (EcsFormatter(), "", "error", "stack_trace"),
    ],
)
def test_what_was_raised_has_fields_of_its_own(
    formatter: logging.Formatter, path: str, prefix: str, stack: str
) -> None:
    line = json.loads(formatter.format(failure()))

    fields = line[path] if path else line
    assert fields[f"{prefix}.type"] == "ValueError"
    assert fields[f"{prefix}.message"] == "why"
    assert fields[f"{prefix}.{stack}"].startswith("Traceback")


def test_what_is_not_known_is_left_out() -> None:
    record = logging.LogRecord("name", logging.INFO, "", 0, "said", (), None)
    record.fields = {"backend": None}

    assert json.loads(OtelFormatter().format(record))["Attributes"] == {}
    assert "speech_gateway.backend" not in json.loads(EcsFormatter().format(record))
