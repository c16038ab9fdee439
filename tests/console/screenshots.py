"""Pictures of the console: ``python -m tests.console.screenshots``, or ``make screenshots``."""

import argparse
import asyncio
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.support import browser
from tests.support.browser import browsing
from tests.support.gateway import Served, serving
from tests.support.paths import DOCS
from tests.support.polling import until
from tests.support.speech import SENTENCES, recording

TEXT = (
    "Good morning. This text becomes speech, and you hear its beginning while the end is still "
    "being worked out. Write something of your own, choose a voice, and listen."
)
HEARD = 4.0
"""Seconds of the text that have been heard when the picture is taken, at least."""
LOUD = 50
"""How loud the microphone is then, of 100."""
SECONDS = """() => Number(document.getElementById("wave").ariaValueNow)"""
LEVEL = """() => Number(document.getElementById("level").ariaValueNow)"""


@dataclass(frozen=True)
class Picture:
    """A picture to take."""

    name: str
    scheme: str
    width: int
    height: int


README = Picture("console", "light", 1280, 900)
PICTURES = (README, Picture("dark", "dark", 1280, 900), Picture("phone", "light", 390, 844))


async def take(gateway: Served, picture: Picture, sounds: Path, path: Path) -> None:
    """Use all of the page at once, and take its picture in the middle."""
    size = {"width": picture.width, "height": picture.height}
    async with browsing(
        gateway, microphone=sounds / "live.wav", color_scheme=picture.scheme, viewport=size
    ) as tab:
        page = tab.page
        await page.set_input_files("#file", sounds / "interview.wav")
        await page.locator("#segments button").first.wait_for()
        await page.click("#live")
        await page.locator("#words li:not(.coming)").nth(1).wait_for(timeout=60_000)
        await page.fill("#text", TEXT)
        await page.click("#say")
        await page.mouse.move(0, 0)
        await page.evaluate("() => document.activeElement.blur()")
        await until(lambda: page.evaluate(SECONDS), 30, holds=lambda heard: heard > HEARD)
        await until(lambda: page.evaluate(LEVEL), 10, holds=lambda level: level > LOUD, every=0.02)
        await page.screenshot(path=path, full_page=True)
        await page.click("#live")
        await tab.says("#live-told", "Heard to the end.", 60)


async def main(folder: Path, listen: str) -> None:
    """Take all pictures; the README's goes to the documents, the others to folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        sounds = Path(name)
        (sounds / "live.wav").write_bytes(recording(*SENTENCES, *SENTENCES, pause=0.9))
        (sounds / "interview.wav").write_bytes(recording(*SENTENCES[1:]))
        async with serving("embedded", "--openai", "--console", "--listen", listen) as gateway:
            for picture in PICTURES:
                path = (DOCS if picture is README else folder) / f"{picture.name}.png"
                await take(gateway, picture, sounds, path)
                sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    if browser.MISSING:
        sys.exit(f"The pictures are taken with a browser: this {browser.REASON}.")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("build/screenshots"))
    parser.add_argument("--listen", default="127.0.0.1:8080", help="the address in the pictures")
    arguments = parser.parse_args()
    asyncio.run(main(arguments.folder, arguments.listen))
