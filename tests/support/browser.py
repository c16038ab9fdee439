"""Chromium, as a person's browser: a tab on the console, and what goes wrong in it."""

import re
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tests.support.gateway import Served

with suppress(ImportError):  # as MISSING tells
    from playwright.async_api import ConsoleMessage, Page, Request, async_playwright, expect

CHROMIUM = "/usr/bin/chromium"


def _missing() -> Iterator[str]:
    if not shutil.which(CHROMIUM):
        yield "chromium"
    if not find_spec("playwright"):
        yield "playwright"


MISSING = " and ".join(_missing())
"""What a browser test lacks here; empty where it can be run."""
REASON = f"needs {MISSING}"
STATUS_LINE = re.compile(r"Failed to load resource: the server responded with a status of \d+")
"""What Chromium itself writes of every refusal, whatever the page makes of it."""

LISTEN_IN = """
document.addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI }) =>
  console.error(`the policy was violated: ${violatedDirective} ${blockedURI}`));
window.tapped = { starts: [], samples: [], loudest: 0 };
const make = BaseAudioContext.prototype.createBufferSource;
BaseAudioContext.prototype.createBufferSource = function () {
  const source = make.call(this), context = this, start = source.start;
  source.start = (when) => {
    const data = source.buffer.getChannelData(0);
    window.tapped.starts.push({ when, length: data.length, rate: context.sampleRate });
    window.tapped.samples.push(...Array.from(data, (sample) => Math.round(sample * 32768)));
    const analyser = context.createAnalyser();
    source.connect(analyser);
    const heard = new Float32Array(analyser.fftSize);
    const look = setInterval(() => {
      analyser.getFloatTimeDomainData(heard);
      for (const sample of heard) {
        window.tapped.loudest = Math.max(window.tapped.loudest, Math.abs(sample));
      }
    }, 10);
    source.addEventListener("ended", () => clearInterval(look));
    start.call(source, when);
  };
  return source;
};
"""
"""Notes what is played, and how loud it sounds, between the page and the loudspeaker; and tells of
what the page may not do."""


@dataclass
class Tab:
    """A tab on the console, whose faults are kept."""

    page: "Page"
    gateway: Served
    faults: list[str] = field(default_factory=list)

    async def open(self) -> None:
        await self.page.goto(f"{self.gateway.url}/")
        await self.page.locator("#ready[data-state]").wait_for()

    async def text(self, selector: str) -> str:
        return (await self.page.locator(selector).text_content()) or ""

    async def says(self, selector: str, text: str | re.Pattern[str], seconds: float = 20) -> None:
        """Wait until an element says so; other text is told of."""
        await expect(self.page.locator(selector)).to_have_text(text, timeout=seconds * 1000)

    async def tapped(self) -> dict[str, Any]:
        """Return what was played up to now."""
        found: dict[str, Any] = await self.page.evaluate("() => window.tapped")
        return found

    def watch(self) -> None:
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self.faults.append(f"uncaught: {error}"))
        self.page.on("request", self._on_request)

    def _on_console(self, message: "ConsoleMessage") -> None:
        if message.type in ("error", "warning") and not STATUS_LINE.match(message.text):
            self.faults.append(f"{message.type}: {message.text}")

    def _on_request(self, request: "Request") -> None:
        if not request.url.startswith((f"{self.gateway.url}/", "blob:", "data:")):
            self.faults.append(f"asked elsewhere: {request.url}")


@asynccontextmanager
async def browsing(
    gateway: Served, *, microphone: Path | None = None, script: str = "", **context: Any
) -> AsyncIterator[Tab]:
    """Open the console in a browser of its own, whose microphone plays a WAV file once.

    The script runs in the tab before the page's own.
    """
    sound = [f"--use-file-for-fake-audio-capture={microphone}%noloop"] if microphone else []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=[
                "--no-sandbox",
                "--use-fake-ui-for-media-stream",
                "--use-fake-device-for-media-stream",
                *sound,
            ],
        )
        try:
            page = await (await browser.new_context(**context)).new_page()
            await page.add_init_script(LISTEN_IN + script)
            tab = Tab(page, gateway)
            tab.watch()
            await tab.open()
            yield tab
            assert tab.faults == [], tab.faults
        finally:
            await browser.close()
