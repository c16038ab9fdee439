"""Spans on their way to a collector: nobody waits for it, and what the environment says holds."""

import asyncio
import logging
import re
import signal
import sys
from collections.abc import Iterator

import pytest

from speech_gateway import __version__
from speech_gateway.config.plugin_loader import load
from speech_gateway.tracing import span_export
from tests.support.backend import ScriptedBackend
from tests.support.client import connect
from tests.support.collector import PLUGIN, Collector, tracing
from tests.support.gateway import Served, serving
from tests.support.polling import until
from tests.support.process import free_port
from tests.support.program import serving_program

LATE = "60000"
"""Milliseconds: longer than a test takes."""
HANGS = 30.0
"""Seconds for which a collector that hangs is waited for."""


@pytest.fixture(autouse=True)
def untold() -> Iterator[None]:
    """Have the SDK's log as it is before tracing begins."""
    sdk = logging.getLogger("opentelemetry")
    before, sdk.handlers[:], sdk.propagate = sdk.handlers[:], [], True
    yield
    sdk.handlers[:], sdk.propagate = before, not before


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what the gateway's log tells of tracing."""
    return [one.getMessage() for one in caplog.records if one.name.startswith("speech_gateway.tra")]


async def seconds_to_close(gateway: Served) -> float:
    """Return how long the gateway's application takes to end."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    await gateway.gateway.app.cleanup()
    return loop.time() - began


async def test_what_is_left_is_sent_when_the_gateway_stops(
    backend: ScriptedBackend, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", LATE)

    async with tracing(backend.url, collector) as gateway:
        await gateway.speak()
        assert not collector.spans

    assert len(collector.spans) == 2


async def test_two_gateways_in_a_process_have_nothing_in_common(
    backend: ScriptedBackend, collector: Collector
) -> None:
    """As when one takes over from another that reads its settings anew."""
    async with tracing(backend.url, collector) as new:
        async with tracing(backend.url, collector) as old:
            await old.speak()
            await collector.two()
        await new.speak()

        await collector.some(4)


async def test_a_collector_that_hangs_delays_no_answer_and_the_end_only_so_much(
    backend: ScriptedBackend, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(span_export, "CLOSE_TIMEOUT", 0.2)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", str(HANGS))
    collector.taking.clear()

    async with tracing(backend.url, collector) as gateway:
        await gateway.speak()
        await until(lambda: collector.asked, equals=1)
        async with asyncio.timeout(HANGS / 2):
            for _ in range(20):
                assert (await gateway.speak()).status == 200
        took = await seconds_to_close(gateway)
        collector.taking.set()
        await collector.some(2 * 20)  # else the exporter tries on after the test

    assert 0.2 <= took < HANGS / 2


async def test_a_collector_that_takes_nothing_is_told_once_and_what_was_lost_when_it_does(
    backend: ScriptedBackend, collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    collector.status = 400
    with caplog.at_level(logging.INFO, logger="speech_gateway.tracing"):
        async with tracing(backend.url, collector) as gateway:
            for asked in (1, 2, 3):  # it is asked when the one before has been answered
                await gateway.speak()
                await until(lambda asked=asked: collector.asked >= asked)  # type: ignore[misc]
            collector.status = 200
            await gateway.speak()
            await until(lambda: "again" in caplog.text)

    assert sum("spans are lost" in line for line in told(caplog)) == 1
    assert re.search(r"takes spans again; \d+ were lost", caplog.text)


async def test_what_the_sdk_says_again_and_again_is_told_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    span_export._quieten_sdk()
    for number in range(50):
        logging.getLogger("opentelemetry.some.part").error("it fails: %s", f"{number}")

    assert told(caplog) == ["it fails: 0"]


async def test_a_full_queue_drops_spans_and_no_request(
    backend: ScriptedBackend,
    collector: Collector,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "4")
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "2")
    monkeypatch.setattr(span_export, "CLOSE_TIMEOUT", 0.1)
    collector.taking.clear()

    async with tracing(backend.url, collector) as gateway:
        for _ in range(20):
            assert (await gateway.speak()).status == 200

    assert len([line for line in told(caplog) if "queue" in line.lower()]) == 1


@pytest.mark.parametrize("collects", [True, False], ids=["sent", "dead"])
async def test_the_program_stops_in_time(
    backend: ScriptedBackend, collector: Collector, collects: bool
) -> None:
    url = collector.url if collects else f"http://127.0.0.1:{free_port()}"
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_BSP_SCHEDULE_DELAY": LATE}
    flags = ("--skit-url", backend.url, "--plugin", PLUGIN)
    async with serving_program(*flags, **environ) as run:
        async with await connect(run.port) as client:
            await client.speak()
        run.signal()
        async with asyncio.timeout(span_export.CLOSE_TIMEOUT + 5):
            assert await run.ended() == 0

    assert len(collector.spans) == (2 if collects else 0)
    assert "Traceback" not in "".join(run.log)


async def test_settings_that_are_read_anew_leave_no_span_behind(
    backend: ScriptedBackend, collector: Collector
) -> None:
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": LATE}
    flags = ("--skit-url", backend.url, "--plugin", PLUGIN)
    async with serving_program(*flags, **environ) as run:
        async with await connect(run.port) as client:
            await client.speak()
            assert not collector.spans
        run.signal(signal.SIGHUP)

        await collector.two()


def test_that_opentelemetry_is_not_installed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("speech_gateway.tracing")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)

    with pytest.raises(ValueError, match=r"pip install 'speech-gateway\[otel\]' does it"):
        load(PLUGIN)


async def test_the_spans_are_the_gateways(gateway: Served, collector: Collector) -> None:
    await gateway.speak()

    await collector.two()
    assert collector.resource["service.name"] == "speech-gateway"
    assert collector.resource["service.version"] == __version__
    assert collector.resource["service.instance.id"]


async def test_opentelemetrys_own_variables_hold(
    backend: ScriptedBackend, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20sesame")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "speech")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")

    async with serving(backend.url, "--plugin", PLUGIN) as gateway:
        await gateway.speak()
        await collector.two()

    assert collector.headers["authorization"] == "Bearer sesame"
    assert collector.resource["service.name"] == "speech"
    assert collector.resource["deployment.environment.name"] == "test"


async def test_a_share_of_new_traces_is_sampled_where_that_is_asked_for(
    backend: ScriptedBackend, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0")
    trace = f"00-{'ab' * 16}-{'cd' * 8}-01"

    async with tracing(backend.url, collector) as gateway:
        await gateway.speak()
        await gateway.speak(traceparent=trace)
        server, _ = await collector.two()

    assert server.trace_id == "ab" * 16


@pytest.mark.parametrize(
    ("name", "value"), [("OTEL_SDK_DISABLED", "true"), ("OTEL_TRACES_EXPORTER", "none")]
)
async def test_tracing_that_is_switched_off_leaves_traces_as_they_come(
    backend: ScriptedBackend,
    collector: Collector,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    value: str,
) -> None:
    monkeypatch.setenv(name, value)
    trace = f"00-{'ab' * 16}-{'cd' * 8}-01"

    async with tracing(backend.url, collector) as gateway:
        await gateway.speak(traceparent=trace)

    assert (await backend.calls.get()).headers["traceparent"] == trace
    assert not collector.asked


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("OTEL_TRACES_EXPORTER", "zipkin", "it may be otlp or none"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "it may be http/protobuf"),
    ],
)
def test_what_there_is_not_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(ValueError, match=said):
        load(PLUGIN)


def test_an_endpoint_that_is_no_url_is_refused() -> None:
    with pytest.raises(ValueError, match="it may be a URL like http://localhost:4318"):
        load(PLUGIN, {"endpoint": "localhost:4318"})
