"""Contract section 3: names, labels and buckets are frozen; a golden text holds them."""

import random
import re
from collections.abc import AsyncIterator
from pathlib import Path
from time import monotonic

import pytest

from speech_gateway import __version__
from speech_gateway.endpoints import TTS
from speech_gateway.exchange import Exchange
from speech_gateway.metrics import Metrics, code_label, method_label, page_format
from tests.support.backend import ScriptedBackend, scripted_backend
from tests.support.client import Response, connect
from tests.support.gateway import Served, serving
from tests.support.polling import until

GOLDEN = Path(__file__).with_name("golden_metrics.txt")


async def scrape(gateway: Served, accept: str = "") -> Response:
    return await gateway.ask("GET", "/metrics", {"Accept": accept} if accept else {})


def series(text: str) -> set[str]:
    return {line.rpartition(" ")[0] for line in text.splitlines() if line.startswith("gateway_")}


def test_a_fresh_gateway_shows_every_series_at_zero() -> None:
    encode, _ = page_format("")

    metrics = Metrics(process=False)
    metrics.expect()
    metrics.slots.set(10)

    page = metrics.page(encode)

    assert page.decode().replace(__version__, "VERSION") == GOLDEN.read_text()


async def test_the_page_is_the_golden_text_and_the_process(gateway: Served) -> None:
    await until(lambda: gateway.sample("gateway_backend_ready"))

    response = await scrape(gateway)

    assert response.status == 200
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    golden = GOLDEN.read_text().replace("VERSION", __version__)
    begun = re.sub(r"(\ngateway_config_last_reload_\w+) [\d.e+]+", r"\1 0.0", response.text)
    golden = golden.replace("backend_ready 0.0", "backend_ready 1.0")
    assert begun.startswith(golden)
    assert "process_open_fds" in response.text


async def test_openmetrics_is_there_for_who_asks(gateway: Served) -> None:
    response = await scrape(gateway, "application/openmetrics-text; version=1.0.0")

    assert response.headers["content-type"].startswith("application/openmetrics-text")
    assert response.text.endswith("# EOF\n")


@pytest.mark.parametrize("version", ["abc", "", "1..2", "99999999999999999999"])
async def test_an_odd_version_is_no_fault(gateway: Served, version: str) -> None:
    response = await scrape(gateway, f"application/openmetrics-text; version={version}")

    assert response.status == 200
    assert "gateway_requests" in response.text


async def test_ten_thousand_methods_and_paths_make_no_series(gateway: Served) -> None:
    before = series((await scrape(gateway)).text)
    chance = random.Random(7)
    methods = ["DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "MKCOL", "SEARCH", "HEAD"]
    for _ in range(20):
        async with await gateway.connect() as client:
            for _ in range(500):
                method = chance.choice(methods[:-1])
                path = chance.choice(["/tts", "/stt", f"/{chance.random()}"])
                await client.ask(method, path, body=b"")
    await gateway.settled()

    assert series((await scrape(gateway)).text) == before
    refused = gateway.count("tts", 405, "other") + gateway.count("stt", 405, "other")
    assert refused > 5000


@pytest.mark.parametrize(
    ("code", "label"),
    [
        (200, "200"),
        (404, "404"),
        (499, "499"),
        (599, "5xx"),
        (420, "4xx"),
        (226, "226"),
        (299, "2xx"),
    ],
)
def test_a_code_that_is_not_registered_folds_to_its_class(code: int, label: str) -> None:
    assert code_label(code) == label


@pytest.mark.parametrize(
    ("method", "label"),
    [
        ("GET", "GET"),
        ("HEAD", "HEAD"),
        ("POST", "POST"),
        ("PUT", "PUT"),
        ("BREW", "other"),
        ("get", "other"),
    ],
)
def test_a_method_is_one_of_five(method: str, label: str) -> None:
    assert method_label(method) == label


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (415, "bad_content_type"),
        (413, "too_large"),
        (502, "upstream_error"),
        (504, "upstream_error"),
        (400, None),
        (408, None),
        (499, None),
        (503, None),
        (500, None),
    ],
)
def test_the_reason_follows_from_the_code(code: int, reason: str | None) -> None:
    metrics = Metrics(process=False)
    metrics.expect()
    exchange = Exchange(TTS, monotonic)
    exchange.end(code)

    metrics.received(exchange)
    metrics.finished(exchange, "POST")

    rejected = {
        name: metrics.registry.get_sample_value(
            "gateway_rejected_total", {"endpoint": "tts", "reason": name}
        )
        for name in ("bad_content_type", "too_large", "upstream_error")
    }
    assert rejected == {name: float(name == reason) for name in rejected}


async def test_a_request_is_counted_in_all_its_series(
    gateway: Served, backend: ScriptedBackend
) -> None:
    await gateway.speak()
    await gateway.settled()

    assert gateway.count("tts", 200) == 1
    for name in (
        "gateway_request_duration_seconds_count",
        "gateway_upstream_duration_seconds_count",
        "gateway_first_byte_seconds_count",
    ):
        assert gateway.sample(name, endpoint="tts") == 1
    whole = gateway.sample("gateway_request_duration_seconds_sum", endpoint="tts")
    first_byte = gateway.sample("gateway_first_byte_seconds_sum", endpoint="tts")
    upstream = gateway.sample("gateway_upstream_duration_seconds_sum", endpoint="tts")
    assert whole >= first_byte >= upstream > 0
    assert gateway.sample("gateway_response_bytes_total", endpoint="tts") == len(b"OggS-speech")
    assert gateway.inflight("tts") == 0


@pytest.fixture
async def apart() -> AsyncIterator[Served]:
    async with (
        scripted_backend() as backend,
        serving(backend.url, "--metrics-listen", "127.0.0.1:0") as served,
    ):
        yield served


async def test_the_page_may_have_a_listener_of_its_own(apart: Served) -> None:
    assert (await apart.ask("GET", "/metrics")).status == 404

    port = re.search(r":(\d+)$", apart.gateway.metrics_url)
    assert port is not None
    async with await connect(int(port[1])) as client:
        assert "gateway_requests_total" in (await client.ask("GET", "/metrics")).text
        assert (await client.speak()).status == 404
