"""Exemplars: from a bucket of a histogram to a trace that fell into it."""

import re
from pathlib import Path

import pytest
import yaml

from speech_gateway.endpoints import TTS
from speech_gateway.exchange import Exchange
from speech_gateway.metrics import Metrics, page_format
from speech_gateway.trace_context import TraceContext
from tests.support.backend import ScriptedBackend
from tests.support.gateway import Served
from tests.support.prometheus import MISSING, running_prometheus, until

GOLDEN = Path(__file__).with_name("golden_exemplars.txt")
OPENMETRICS = "application/openmetrics-text; version=1.0.0"
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
SAMPLED, NOT_SAMPLED = (f"00-{TRACE_ID}-00f067aa0ba902b7-{flags}" for flags in ("01", "00"))


async def page(gateway: Served, accept: str = OPENMETRICS) -> str:
    return (await gateway.ask("GET", "/metrics", {"Accept": accept})).text


def test_each_histogram_tells_of_a_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    metrics = Metrics(process=False)
    exchange = Exchange(TTS, lambda: 0.0, trace=TraceContext(SAMPLED))
    exchange.timings.backend, exchange.timings.first_byte = 0.01, 0.015
    monkeypatch.setattr("speech_gateway.exchange.perf_counter", lambda: 1.5)
    exchange.timings.started = 1.0
    exchange.end(200)

    metrics.received(exchange)
    metrics.finished(exchange, "POST")
    metrics.transcribed(exchange, 0.2)

    encode, _ = page_format(OPENMETRICS)
    told = [line for line in metrics.page(encode).decode().splitlines() if " # " in line]
    assert [re.sub(r" [0-9.]+$", " TIME", line) for line in told] == GOLDEN.read_text().splitlines()


async def test_a_clients_own_trace_is_told(gateway: Served) -> None:
    await gateway.speak(traceparent=SAMPLED)
    await gateway.settled()

    assert f'# {{trace_id="{TRACE_ID}"}}' in await page(gateway)


@pytest.mark.parametrize("trace", [NOT_SAMPLED, "nonsense"])
async def test_a_trace_that_nobody_records_is_not_told(gateway: Served, trace: str) -> None:
    await gateway.speak(traceparent=trace)
    await gateway.settled()

    assert "trace_id" not in await page(gateway)


async def test_the_plain_page_has_no_exemplars(gateway: Served) -> None:
    await gateway.speak(traceparent=SAMPLED)
    await gateway.settled()

    assert "trace_id" not in await page(gateway, "text/plain")


@pytest.mark.skipif(bool(MISSING), reason=MISSING)
async def test_prometheus_keeps_them(
    gateway: Served, backend: ScriptedBackend, tmp_path: Path
) -> None:
    assert backend.url
    config = tmp_path / "prometheus.yml"
    scrape = {
        "job_name": "speech-gateway",
        "scrape_interval": "250ms",
        "scrape_timeout": "250ms",
        "static_configs": [{"targets": [f"127.0.0.1:{gateway.port}"]}],
    }
    config.write_text(yaml.safe_dump({"scrape_configs": [scrape]}))
    flag = "--enable-feature=exemplar-storage"
    async with running_prometheus(config, tmp_path, flag) as prometheus:
        await gateway.speak(traceparent=SAMPLED)

        told = await until(
            lambda: prometheus.get(
                "/api/v1/query_exemplars",
                query='gateway_first_byte_seconds_bucket{endpoint="tts"}',
                start="0",
                end="9999999999",
            ),
            20,
        )

    assert told[0]["exemplars"][0]["labels"] == {"trace_id": TRACE_ID}
