"""Scrapes: each page is as new as its scrape, and together they leave the event loop to others."""

import asyncio
from time import perf_counter

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest

from speech_gateway.api.metrics_page import MetricsPage
from speech_gateway.metrics import Encode, Metrics
from tests.support.gateway import Served


class CountingMetrics(Metrics):
    """Metrics that count how often they were rendered."""

    rendered = 0

    def page(self, encode: Encode) -> bytes:
        self.rendered += 1
        return b"%d %s" % (self.rendered, encode(CollectorRegistry()))


async def test_scrapers_that_wait_at_the_same_time_share_a_page() -> None:
    metrics = CountingMetrics(process=False)
    page = MetricsPage(metrics)

    answers = await asyncio.gather(*(page.answer("") for _ in range(100)))

    assert metrics.rendered == 1
    assert {answer.body for answer in answers} == {b"1 " + generate_latest(CollectorRegistry())}


async def test_each_format_is_a_page_of_its_own() -> None:
    page = MetricsPage(CountingMetrics(process=False))
    openmetrics = "application/openmetrics-text; version=1.0.0"

    text, other = await asyncio.gather(page.answer(""), page.answer(openmetrics))

    assert text.headers["Content-Type"].startswith("text/plain")
    assert other.headers["Content-Type"].startswith("application/openmetrics-text")
    assert isinstance(other.body, bytes)
    assert other.body.endswith(b"# EOF\n")


async def test_a_scrape_after_a_page_gets_a_new_one() -> None:
    page = MetricsPage(CountingMetrics(process=False))

    first = await page.answer("")
    second = await page.answer("")

    assert first.body != second.body


async def test_a_scraper_that_leaves_takes_nobodys_page_along() -> None:
    page = MetricsPage(CountingMetrics(process=False))
    leaving = asyncio.create_task(page.answer(""))
    staying = asyncio.create_task(page.answer(""))
    await asyncio.sleep(0)  # both wait

    leaving.cancel()

    assert (await staying).status == 200


async def test_rendering_takes_a_tenth_of_the_time_at_most(
    gateway: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    spent, render = 0.0, Metrics.page

    def timed(metrics: Metrics, encode: Encode) -> bytes:
        nonlocal spent
        began = perf_counter()
        try:
            return render(metrics, encode)
        finally:
            spent += perf_counter() - began

    async def scrape(times: int) -> None:
        async with await gateway.connect() as client:
            for _ in range(times):
                client.request("GET", "/metrics")
                assert (await client.response()).status == 200

    monkeypatch.setattr(Metrics, "page", timed)
    began = perf_counter()

    await asyncio.gather(*(scrape(10) for _ in range(20)))

    assert 0 < spent <= 0.15 * (perf_counter() - began)
