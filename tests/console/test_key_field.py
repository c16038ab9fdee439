"""The console's key: asked for when it is needed, and kept in the tab alone."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support import browser
from tests.support.backend import scripted_backend
from tests.support.browser import Tab, browsing
from tests.support.gateway import Served, serving
from tests.support.speaking_backends import speak_at_once

pytestmark = [
    pytest.mark.skipif(bool(browser.MISSING), reason=browser.REASON),
    pytest.mark.timeout(120),
]
KEY = "k-4711-0815-abcdef"
STORES = "() => [{...localStorage}, {...sessionStorage}, document.cookie, location.href]"


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Served]:
    """Serve who shows the key."""
    (tmp_path / "keys").write_text(f"radio {KEY}\n")
    flags = ("--openai", "--console", "--client-keys", str(tmp_path / "keys"))
    async with scripted_backend(speak_at_once) as backend, serving(backend.url, *flags) as served:
        yield served


async def use(tab: Tab, key: str) -> None:
    await tab.page.fill("#key", key)
    await tab.page.press("#key", "Enter")


async def test_the_field_appears_when_a_key_is_wanted(gateway: Served) -> None:
    async with browsing(gateway) as tab:
        assert not await tab.page.locator("#key").is_visible()

        await tab.page.click("#say")
        await tab.says("#key-reason", "this gateway wants a key; send Authorization: Bearer KEY")
        assert await tab.page.locator("#key").evaluate("field => field === document.activeElement")

        await use(tab, "k-another-0815-abcdef")
        await tab.page.click("#say")
        await tab.says("#speak-told", "this key is not known here")

        await use(tab, KEY)
        assert await tab.page.locator("#say").evaluate(
            "button => button === document.activeElement"
        )
        await tab.page.keyboard.press("Enter")
        await tab.says("#speak-told", "Spoken to the end.")


async def test_the_key_stays_in_the_tab(gateway: Served) -> None:
    async with browsing(gateway) as tab:
        await tab.page.click("#key-button")
        await use(tab, KEY)
        local, session, cookie, address = await tab.page.evaluate(STORES)
        written = await tab.page.content()
        command = await tab.text("#curl")

        assert (local, cookie, address) == ({}, "", f"{gateway.url}/")
        assert list(session.values()) == [KEY]
        assert KEY not in written
        assert "-H 'Authorization: Bearer YOUR_KEY'" in command


async def test_the_key_outlives_the_page_and_may_be_forgotten(gateway: Served) -> None:
    async with browsing(gateway) as tab:
        await tab.page.click("#key-button")
        await use(tab, KEY)
        await tab.open()
        await tab.says("#key-button", "Key in use")
        await tab.page.click("#say")
        await tab.says("#speak-told", "Spoken to the end.")

        await tab.page.click("#key-button")
        await tab.page.click("#key-forget")
        _, session, _, _ = await tab.page.evaluate(STORES)
        assert session == {}
        assert "Authorization" not in await tab.text("#curl")


async def test_a_key_that_cannot_be_sent_is_not_taken(gateway: Served) -> None:
    async with browsing(gateway) as tab:
        await tab.page.click("#key-button")
        await use(tab, "clé secrète")
        await tab.says("#key-reason", "A key is letters, digits and signs, without spaces.")
        _, session, _, _ = await tab.page.evaluate(STORES)

        assert session == {}
