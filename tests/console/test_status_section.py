"""The console tells the gateway's state, and what this tab asked for."""

import re
from collections.abc import Awaitable

import pytest

from tests.support import browser
from tests.support.backend import BackendCall, ScriptedBackend, answer, scripted_backend
from tests.support.browser import browsing
from tests.support.gateway import serving
from tests.support.polling import until
from tests.support.speech import FOX, spoken

pytestmark = [
    pytest.mark.skipif(bool(browser.MISSING), reason=browser.REASON),
    pytest.mark.timeout(120),
]
ON = ("--openai", "--console")
BY_HAND = """
const timers = [];
window.rings = [];
window.setTimeout = (run, delay) => {
  timers.push(run);
  window.rings.push(delay);
  return -timers.length;
};
window.clearTimeout = (id) => {
  if (id < 0) window.rings = [];
};
window.ring = () => {
  window.rings = [];
  timers.pop()();
};
"""
"""Has the page's timer ring when the test says so."""
HIDE = """(hidden) => {
  Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


async def test_a_ready_gateway_tells_its_slots_and_queue(backend: ScriptedBackend) -> None:
    slots = ("--max-concurrency", "3")
    async with serving(backend.url, *ON, *slots) as gateway, browsing(gateway) as tab:
        await tab.says("#ready", "Ready")
        await tab.says("#slots", "0 of 3")
        await tab.says("#waiting", "0")


async def test_a_request_under_way_is_seen_and_one_that_waits() -> None:
    async def wait(call: BackendCall) -> None:
        await call.whole_media()
        await call.until_closed()

    async with scripted_backend(wait) as backend:
        async with serving(backend.url, *ON, "--max-concurrency", "1") as gateway:
            async with await gateway.connect() as one, await gateway.connect() as two:
                for client in (one, two):
                    client.request("POST", "/tts", body=b"Hello.")
                await until(lambda: gateway.waiting("tts"), equals=1)
                async with browsing(gateway) as tab:
                    await tab.says("#slots", "1 of 1")
                    await tab.says("#waiting", "1")


async def test_why_a_gateway_is_not_ready_is_told(backend: ScriptedBackend) -> None:
    backend.healthy = False
    async with serving(backend.url, *ON) as gateway, browsing(gateway) as tab:
        await tab.says("#ready", "Not ready")
        told = await tab.text("#state")

    assert told.startswith("not ready: ")


async def test_metrics_on_another_listener_are_said_to_be_there(backend: ScriptedBackend) -> None:
    elsewhere = ("--metrics-listen", "127.0.0.1:0")
    async with serving(backend.url, *ON, *elsewhere) as gateway, browsing(gateway) as tab:
        await tab.page.locator("#figures-told", has_text="--metrics-listen").wait_for()
        await tab.says("#slots", "not told")


async def test_the_state_is_asked_for_every_five_seconds_while_it_is_seen(
    backend: ScriptedBackend,
) -> None:
    async with serving(backend.url, *ON) as gateway, browsing(gateway, script=BY_HAND) as tab:
        looks: list[str] = []
        tab.page.on("request", lambda request: looks.append(request.url))

        def asked(times: int) -> Awaitable[int]:
            return until(lambda: sum("/readyz" in url for url in looks), equals=times)

        def rings(*milliseconds: int) -> Awaitable[list[int]]:
            return until(lambda: tab.page.evaluate("() => rings"), equals=[*milliseconds])

        await rings(5000)
        await tab.page.evaluate("() => ring()")
        await asked(1)
        await rings(5000)
        await tab.page.evaluate(HIDE, True)
        await rings()
        await tab.page.evaluate(HIDE, False)
        await asked(2)


async def test_requests_are_listed_with_the_ids_that_the_gateway_gave() -> None:
    ids = []

    async def note(call: BackendCall) -> None:
        await call.whole_media()
        ids.append(call.headers["x-request-id"])
        await call.write(answer(spoken(FOX)))

    async with scripted_backend(note) as backend, serving(backend.url, *ON) as gateway:
        async with browsing(gateway) as tab:
            for _ in range(12):
                async with tab.page.expect_download():
                    await tab.page.click("#download")
                await tab.page.locator("#download:enabled").wait_for()
            rows = await tab.page.locator("#requests li").all_inner_texts()

    assert len(rows) == 10
    for row, request_id in zip(rows, reversed(ids), strict=False):
        assert re.search(r"\d\d:\d\d:\d\d\s+Download\s+complete\s+\d+\.\d\d s", row)
        assert request_id in row
