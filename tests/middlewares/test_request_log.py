"""The log: a line for each request that tells all of it, and nothing that is a client's own."""

import asyncio
import json
import logging
import sys
from typing import Any

import pytest

from speech_gateway import __version__, logs
from tests.support.backend import OK_CHUNKED, ScriptedBackend, answer, chunk, hold, says
from tests.support.client import connect
from tests.support.metrics_page import sum_of
from tests.support.polling import until
from tests.support.process import nobody
from tests.support.program import Program, serving_program

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


async def line_of(run: Program) -> dict[str, Any]:
    """Return the next request's line of a log in JSON."""
    await run.line("ended with")
    line: dict[str, Any] = json.loads(run.log[-1])
    return line


async def test_a_request_has_one_line_that_tells_all_of_it(backend: ScriptedBackend) -> None:
    async with serving_program("--skit-url", backend.url, "--log-format", "json") as run:
        async with await connect(run.port) as client:
            await client.speak(X_Request_ID="seven", traceparent=TRACE)
            line = await line_of(run)

    times = [line.pop(name) for name in ("seconds", "waited", "backend", "first_byte")]
    assert times[0] >= times[3] >= times[2] > times[1] == 0
    assert {key: line[key] for key in list(line)[4:]} == {
        "endpoint": "tts",
        "api": "plain",
        "path": "/tts",
        "method": "POST",
        "code": 200,
        "bytes_in": 6,
        "bytes_out": 11,
        "client": "127.0.0.1",
        "request_id": "seven",
        "traceparent": TRACE,
        "trace_id": TRACE[3:35],
        "version": __version__,
    }
    assert (line["level"], line["message"]) == ("info", "POST /tts ended with 200")


async def test_the_wait_at_the_gate_is_told(backend: ScriptedBackend) -> None:
    release = hold(backend)
    flags = ("--log-format", "json", "--max-concurrency", "1")
    async with serving_program("--skit-url", backend.url, *flags) as run:
        async with await connect(run.port) as first, await connect(run.port) as second:
            waits = [asyncio.create_task(first.speak())]
            await until(lambda: backend.seen, equals=1)
            waits.append(asyncio.create_task(second.speak()))
            await until(lambda: waiting(run), equals=1)
            release.set()
            await asyncio.gather(*waits)
            lines = [await line_of(run) for _ in waits]

    assert sorted(line["waited"] > 0 for line in lines) == [False, True]


async def waiting(run: Program) -> float:
    async with await connect(run.port) as client:
        page = (await client.ask("GET", "/metrics")).text
        return sum_of(page, "gateway_waiting_requests", endpoint="tts")


FAULTS = {
    "a refusal": (answer(b"no", "400 Bad Request", "text/plain"), "info", "the backend refused"),
    "nonsense": (b"SPEECH\r\n\r\n", "warning", "the backend failed: "),
    "a cut answer": (OK_CHUNKED + chunk(b"sound"), "warning", "the backend broke off: "),
}


@pytest.mark.parametrize(("said", "level", "why"), FAULTS.values(), ids=FAULTS)
async def test_a_failing_backend_is_told_in_the_requests_own_line(
    backend: ScriptedBackend, said: bytes, level: str, why: str
) -> None:
    backend.script = says(said)
    async with serving_program("--skit-url", backend.url, "--log-format", "json") as run:
        for _ in range(5):
            async with await connect(run.port) as client:
                await client.speak()
        run.signal()
        await run.ended()

    told = [json.loads(line) for line in "".join(run.log).splitlines()]
    lines = [line for line in told if line["level"] != "info" or "code" in line]
    assert len(lines) == 5
    assert {line["level"] for line in lines} == {level}
    assert all(line["why"].startswith(why) for line in lines)


async def test_a_backend_that_is_not_there() -> None:
    with nobody() as url:
        async with serving_program("--skit-url", url, "--log-format", "json") as run:
            async with await connect(run.port) as client:
                await client.speak()
                line = await line_of(run)

    assert (line["code"], "backend" in line) == (502, True)
    assert line["why"].startswith("the backend was not reached: no connection")


@pytest.mark.parametrize(
    ("headers", "body", "why"),
    [
        ({"Content-Type": "video/mp4"}, b"Hello.", "/tts takes Content-Type: text/plain"),
        ({}, b"a" * 1001, "the text is too long; at most 1000 characters are spoken"),
        ({}, b" ", "there is no text; send text as the body of the request"),
    ],
    ids=["content type", "length", "emptiness"],
)
async def test_a_refused_client_is_told_in_the_log_what_it_was_told(
    backend: ScriptedBackend, headers: dict[str, str], body: bytes, why: str
) -> None:
    async with serving_program("--skit-url", backend.url, "--log-format", "json") as run:
        async with await connect(run.port) as client:
            await client.ask("POST", "/tts", headers, body)
            assert (await line_of(run))["why"] == why


async def test_a_client_that_left(backend: ScriptedBackend) -> None:
    backend.script = says(then="is silent")
    async with serving_program("--skit-url", backend.url) as run:
        async with await connect(run.port) as client:
            client.request("POST", "/tts", body=b"Hello.")
            await until(lambda: backend.seen, equals=1)
        await run.line('ended with 499 .* why="the client left"')


async def test_nothing_of_a_clients_own_is_logged(backend: ScriptedBackend) -> None:
    flags = ("--token", "tokenword", "--log-level", "debug")
    async with serving_program("--skit-url", backend.url, *flags) as run:
        async with await connect(run.port) as client:
            await client.speak(b"textword", Authorization="keyword", Cookie="cookieword")
            await client.ask("POST", "/stt?queryword", body=b"audioword")
            client.write("garbageword\r\n\r\n")
            await client.response()
        run.signal()
        await run.ended()

    log = "".join(run.log)
    assert log.count("ended with 200") == 2
    assert "sent what is no request" in log
    assert "word" not in log


@pytest.mark.parametrize(
    "trace",
    [
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
        "\xff",
    ],
)
async def test_a_trace_is_passed_on_only_when_it_is_one(
    backend: ScriptedBackend, gateway: Any, trace: str
) -> None:
    async with await gateway.connect() as client:
        await client.speak(traceparent=trace)
        await client.speak(traceparent=TRACE)

    first, second = (backend.calls.get_nowait() for _ in range(2))
    assert "traceparent" not in first.headers
    assert second.headers["traceparent"] == TRACE


@pytest.mark.parametrize(
    ("states", "passed"),
    [
        (["vendor=1"], "vendor=1"),
        (["vendor=1", "other=2"], "vendor=1,other=2"),
        (["v=" + "1" * 510], "v=" + "1" * 510),
        (["v=" + "1" * 511], None),
        (["v=\xff"], None),
        ([""], None),
    ],
    ids=["one", "two lines", "512 characters", "513", "no ASCII", "empty"],
)
async def test_what_tracing_systems_tell_each_other_is_passed_on_within_bounds(
    backend: ScriptedBackend, gateway: Any, states: list[str], passed: str | None
) -> None:
    lines = "".join(f"tracestate: {state}\r\n" for state in states)
    async with await gateway.connect() as client:
        client.write(f"POST /tts HTTP/1.1\r\nHost: g\r\ntraceparent: {TRACE}\r\n{lines}")
        client.write("Content-Length: 6\r\n\r\nHello.")
        await client.response()

    headers = backend.calls.get_nowait().headers
    assert headers["traceparent"] == TRACE
    assert headers.get("tracestate") == passed


def record(message: str, **fields: object) -> logging.LogRecord:
    made = logging.LogRecord("name", logging.WARNING, "", 0, message, (), None)
    made.fields = fields
    return made


def test_control_characters_are_escaped() -> None:
    forged = record("one\nERROR two", name="\x1b[31mred\x9b\u2028")

    text = logs.TextFormatter(stamped=False).format(forged)
    parsed = logs.JsonFormatter().format(forged)

    assert text == r"name: one\nERROR two name=\x1b[31mred\x9b\u2028"
    assert parsed.isprintable()
    assert json.loads(parsed)["name"] == "\x1b[31mred\x9b\u2028"


def test_each_line_of_the_journal_has_its_priority() -> None:
    failed = record("it failed")
    try:
        raise ValueError("why")
    except ValueError:
        failed.exc_info = sys.exc_info()

    lines = logs.JournalFormatter(logs.TextFormatter(stamped=False)).format(failed).splitlines()

    assert lines[0] == "<4>name: it failed"
    assert lines[-1] == "<4>ValueError: why"
    assert all(line.startswith("<4>") for line in lines)
