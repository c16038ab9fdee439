"""Spans of requests and calls: names, attributes, and how each of them ended."""

import asyncio

import pytest

from tests.support.backend import (
    OK_CHUNKED,
    BackendCall,
    ScriptedBackend,
    answer,
    chunk,
    hold_after,
    says,
)
from tests.support.collector import SERVER, Collector, tracing
from tests.support.gateway import Served
from tests.support.polling import until

TRACE_ID, SPAN_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACE = f"00-{TRACE_ID}-{SPAN_ID}-01"
LONG_STATE = ",".join(f"vendor{number}=1" for number in range(60))
NOT_SAMPLED = f"00-{TRACE_ID}-{SPAN_ID}-00"


async def told(backend: ScriptedBackend) -> dict[str, str]:
    """Return the headers of the next call to the backend."""
    return (await backend.calls.get()).headers


async def test_one_trace_goes_from_the_client_through_the_gateway_to_the_backend(
    gateway: Served, backend: ScriptedBackend, collector: Collector
) -> None:
    await gateway.speak(traceparent=TRACE, tracestate="vendor=1,other=2")

    server, client = await collector.two()
    headers = await told(backend)
    assert {server.trace_id, client.trace_id} == {TRACE_ID}
    assert (server.parent_id, client.parent_id) == (SPAN_ID, server.span_id)
    assert headers["traceparent"] == f"00-{TRACE_ID}-{client.span_id}-01"
    assert headers["tracestate"] == "vendor=1,other=2"


async def test_a_request_without_a_trace_begins_one(
    gateway: Served, backend: ScriptedBackend, collector: Collector
) -> None:
    await gateway.speak()
    await gateway.speak()

    spans = await collector.some(4)
    assert len({span.trace_id for span in spans}) == 2
    headers = await told(backend)
    assert headers["traceparent"].split("-")[1] == spans[0].trace_id
    assert "tracestate" not in headers


async def test_the_span_of_a_request_tells_what_it_was(
    gateway: Served, collector: Collector
) -> None:
    headers = {"X-Request-ID": "seven", "User-Agent": "curl/8", "Host": "speech.example:8080"}

    await gateway.ask("POST", "/tts", headers, b"Hello.")

    server, _ = await collector.two()
    attributes = server.attributes
    assert (server.name, server.failed) == ("POST /tts", False)
    assert 0 < attributes.pop("speech_gateway.first_byte") <= server.seconds
    assert attributes == {
        "http.request.method": "POST",
        "http.route": "/tts",
        "http.response.status_code": 200,
        "http.request.body.size": 6,
        "http.response.body.size": 11,
        "url.path": "/tts",
        "url.scheme": "http",
        "network.protocol.version": "1.1",
        "network.peer.address": "127.0.0.1",
        "server.address": "speech.example",
        "server.port": 8080,
        "client.address": "127.0.0.1",
        "user_agent.original": "curl/8",
        "speech_gateway.endpoint": "tts",
        "speech_gateway.api": "plain",
        "speech_gateway.request_id": "seven",
        "speech_gateway.waited": 0.0,
    }


async def test_the_span_of_a_call_tells_where_it_went(
    gateway: Served, backend: ScriptedBackend, collector: Collector
) -> None:
    await gateway.speak()

    _, client = await collector.two()
    assert (client.name, client.failed) == ("POST", False)
    assert client.attributes == {
        "http.request.method": "POST",
        "http.response.status_code": 200,
        "url.full": f"{backend.url}/api/v1/process",
        "server.address": "127.0.0.1",
        "server.port": int(backend.url.rpartition(":")[2]),
        "network.protocol.version": "1.1",
    }


async def test_both_last_to_the_end_of_the_stream(
    gateway: Served, backend: ScriptedBackend, collector: Collector
) -> None:
    release = hold_after(backend, b"first", b"rest")
    async with await gateway.connect() as one:
        one.request("POST", "/tts", body=b"Hello.")
        await one.head()
        assert await one.piece() == b"first"
        began = asyncio.get_running_loop().time()
        await until(lambda: asyncio.get_running_loop().time() - began > 0.05)
        assert not collector.spans
        release.set()
        await one.piece()
        server, client = await collector.two()

    assert min(server.seconds, client.seconds) >= 0.05


async def test_a_cut_stream_has_failed_though_200_was_sent(
    gateway: Served, backend: ScriptedBackend, collector: Collector
) -> None:
    backend.script = says(OK_CHUNKED + chunk(b"sound"))

    response = await gateway.speak()

    server, client = await collector.two()
    assert (response.status, response.whole) == (200, False)
    assert server.attributes["http.response.status_code"] == 502
    assert server.attributes["error.type"] == "502"
    assert (server.failed, client.failed) == (True, True)
    assert server.why.startswith("the backend broke off: ")
    assert client.attributes["http.response.status_code"] == 200
    assert client.attributes["error.type"] == "UpstreamError"


async def test_a_client_that_left_is_told_and_no_failure(
    gateway: Served, backend: ScriptedBackend, collector: Collector
) -> None:
    backend.script = says(then="is silent")
    async with await gateway.connect() as client:
        client.request("POST", "/tts", body=b"Hello.")
        await until(lambda: backend.seen, equals=1)

    server, call = await collector.two()
    assert server.attributes["http.response.status_code"] == 499
    assert server.attributes["speech_gateway.why"] == "the client left"
    assert not server.failed
    assert call.attributes["error.type"] == "CancelledError"


async def test_a_backend_that_is_not_reached_has_a_span_all_the_same(collector: Collector) -> None:
    async with tracing("http://127.0.0.1:1", collector) as gateway:
        assert (await gateway.speak()).status == 502
        server, client = await collector.two()

    assert (server.attributes["http.response.status_code"], server.failed) == (502, True)
    assert client.attributes["error.type"] == "UnreachableError"
    assert "no connection" in client.why


async def test_a_refusal_of_the_backends_is_the_calls_failure_alone(
    gateway: Served, backend: ScriptedBackend, collector: Collector
) -> None:
    backend.script = says(answer(b"no", "400 Bad Request", "text/plain"))

    await gateway.speak()

    server, client = await collector.two()
    assert server.attributes["http.response.status_code"] == 400
    assert (server.failed, client.failed) == (False, True)
    assert client.attributes["error.type"] == "400"


async def test_a_call_that_is_sent_again_is_a_span_of_its_own(
    gateway: Served, backend: ScriptedBackend, collector: Collector
) -> None:
    async def answer_one_and_break_at_the_next(call: BackendCall) -> None:
        await call.whole_media()
        await call.write(answer(b"whole"))
        await BackendCall(call.reader, call.writer).begin()

    backend.script = answer_one_and_break_at_the_next
    await gateway.speak()
    await gateway.speak()

    spans = await collector.some(5)
    server = spans[-1]
    first, second = (s for s in spans if s.parent_id == server.span_id)
    assert (first.attributes["error.type"], first.failed) == ("UpstreamError", True)
    assert "http.response.status_code" not in first.attributes
    assert second.attributes["http.request.resend_count"] == 1
    assert not second.failed
    await told(backend)
    assert (await told(backend))["traceparent"].split("-")[2] == second.span_id


async def test_what_is_refused_has_a_span_and_a_page_has_none(
    gateway: Served, collector: Collector
) -> None:
    for path in ("/healthz", "/metrics", "/nowhere"):
        await gateway.ask("GET", path)
    await gateway.ask("PROPFIND", "/tts", {"Content-Type": "image/png"}, b"x")

    (server,) = await collector.some(1)
    assert (server.kind, server.name) == (SERVER, "HTTP /tts")
    assert server.attributes["http.request.method"] == "_OTHER"
    assert server.attributes["http.response.status_code"] == 405
    assert "error.type" not in server.attributes


async def test_a_parent_that_is_not_sampled_has_nothing_sampled(
    gateway: Served, backend: ScriptedBackend, collector: Collector
) -> None:
    await gateway.speak(traceparent=NOT_SAMPLED)
    await gateway.speak(traceparent=TRACE)

    await collector.two()  # of the second alone
    traceparent = (await told(backend))["traceparent"]
    assert traceparent.startswith(f"00-{TRACE_ID}-")
    assert traceparent.endswith("-00")


@pytest.mark.parametrize(
    "headers",
    [
        {"traceparent": "nonsense"},
        {"traceparent": f"00-{'0' * 32}-{SPAN_ID}-01"},
        {"traceparent": TRACE, "Traceparent": TRACE},
    ],
    ids=["nonsense", "zeros", "two of them"],
)
async def test_a_trace_that_is_none_is_not_gone_on_with(
    gateway: Served, backend: ScriptedBackend, collector: Collector, headers: dict[str, str]
) -> None:
    await gateway.ask("POST", "/tts", {**headers, "tracestate": "vendor=1"}, b"Hello.")

    server, _ = await collector.two()
    sent = await told(backend)
    assert server.parent_id == ""
    assert server.trace_id != TRACE_ID
    assert "tracestate" not in sent


@pytest.mark.parametrize("state", [LONG_STATE, "a=\xff", ""], ids=["long", "no ASCII", "empty"])
async def test_a_hostile_tracestate_goes_no_further(
    gateway: Served, backend: ScriptedBackend, collector: Collector, state: str
) -> None:
    await gateway.speak(traceparent=TRACE, tracestate=state)

    server, _ = await collector.two()
    assert server.parent_id == SPAN_ID
    assert "tracestate" not in await told(backend)


@pytest.mark.parametrize("host", ["-" * 300, "a:b:c", "[::1]:999999", "\xff"])
async def test_a_hostile_host_is_no_address(
    gateway: Served, collector: Collector, host: str
) -> None:
    await gateway.ask("POST", "/tts", {"Host": host, "User-Agent": "x" * 4000}, b"Hello.")

    server = (await collector.some(1))[-1]
    assert "server.address" not in server.attributes
    assert server.attributes["user_agent.original"] == "x" * 256
