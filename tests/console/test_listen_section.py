"""The console listens: to a microphone that plays a file, and to recordings."""

import base64
import re
from pathlib import Path

import pytest

from tests.support import browser
from tests.support.audio import wav
from tests.support.backend import BackendCall, ScriptedBackend, answer, scripted_backend
from tests.support.browser import Tab, browsing
from tests.support.engine import StandaloneEngine
from tests.support.gateway import Served, serving
from tests.support.polling import until
from tests.support.speech import FOX, SENTENCES, recording

pytestmark = [
    pytest.mark.skipif(bool(browser.MISSING), reason=browser.REASON),
    pytest.mark.timeout(120),
]
ON = ("--openai", "--console")
KEY = "k-4711-0815-abcdef"
LEVEL = """() => Number(document.getElementById("level").getAttribute("aria-valuenow"))"""
DROP = """([data, name]) => {
  const bytes = Uint8Array.from(atob(data), (sign) => sign.charCodeAt(0));
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([bytes], name));
  const dragged = { dataTransfer, bubbles: true, cancelable: true };
  document.body.dispatchEvent(new DragEvent("dragover", dragged));
  document.body.dispatchEvent(new DragEvent("drop", dragged));
}"""
TWO_PARTS = (
    b'{"text":"Salt & <pepper>.","segments":[{"text":"Salt & <pepper>.",'
    b'"start_time_ms":0,"end_time_ms":61001}],"language":"en"}\n'
    b'{"text":"The end.","segments":[{"text":"The end.",'
    b'"start_time_ms":3600000,"end_time_ms":3601500}],"language":"en"}\n'
)
SRT = """\
1
00:00:00,000 --> 00:01:01,001
Salt & <pepper>.

2
01:00:00,000 --> 01:00:01,500
The end.
"""
VTT = """\
WEBVTT

00:00:00.000 --> 00:01:01.001
Salt &amp; &lt;pepper&gt;.

01:00:00.000 --> 01:00:01.500
The end.
"""


async def two_parts(call: BackendCall) -> None:
    await call.whole_media()
    await call.write(answer(TWO_PARTS, content_type="application/json"))


async def nothing(call: BackendCall) -> None:
    await call.whole_media()
    await call.write(answer(b"", content_type="application/json"))


async def no_live_connection(gateway: Served) -> None:
    """Wait until the last one is closed, and all that belongs to it."""
    await until(lambda: gateway.sample("gateway_live_sockets", endpoint="stt"), equals=0)


async def choose(tab: Tab, data: bytes, name: str = "talk.wav") -> None:
    await tab.page.set_input_files("#file", {"name": name, "mimeType": "audio/wav", "buffer": data})


async def saved(tab: Tab, button: str) -> tuple[str, str]:
    """Return the name and the text of what a button saves."""
    async with tab.page.expect_download() as downloading:
        await tab.page.click(button)
    download = await downloading.value
    return download.suggested_filename, Path(await download.path()).read_text()


async def test_a_recording_is_read_and_played_part_by_part(engine: StandaloneEngine) -> None:
    async with serving(engine.url, *ON) as gateway, browsing(gateway) as tab:
        await choose(tab, recording(FOX, SENTENCES[2]))
        await tab.says("#file-told", re.compile(r"Heard in 2 parts, \d\.\d s of audio\."), 40)
        parts = tab.page.locator("#segments button")
        assert "quick brown fox" in (await parts.nth(0).text_content() or "")
        assert "weather" in (await parts.nth(1).text_content() or "")

        await parts.nth(1).click()
        await tab.page.locator("#segments [aria-current=true]", has_text="weather").wait_for()
        position = await tab.page.eval_on_selector("#recording", "audio => audio.currentTime")
        assert position > 3


async def test_a_recording_may_be_dropped_anywhere() -> None:
    async with scripted_backend(two_parts) as backend, serving(backend.url, *ON) as gateway:
        async with browsing(gateway) as tab:
            data = base64.b64encode(recording(FOX)).decode()
            await tab.page.evaluate(DROP, [data, "dropped.wav"])
            await tab.page.locator("#segments button", has_text="The end.").wait_for()

            assert (await saved(tab, "#save-srt"))[0] == "dropped.srt"


async def test_subtitles_are_saved_as_players_read_them() -> None:
    async with scripted_backend(two_parts) as backend, serving(backend.url, *ON) as gateway:
        async with browsing(gateway) as tab:
            await choose(tab, recording(FOX))
            await tab.page.locator("#segments button", has_text="The end.").wait_for()

            assert await saved(tab, "#save-srt") == ("talk.srt", SRT)
            assert await saved(tab, "#save-vtt") == ("talk.vtt", VTT)


async def test_a_recording_without_words_says_so() -> None:
    async with scripted_backend(nothing) as backend, serving(backend.url, *ON) as gateway:
        async with browsing(gateway) as tab:
            await choose(tab, recording(FOX))
            await tab.says("#file-told", "Nothing was heard in it.")

            assert not await tab.page.locator("#transcript").is_visible()


async def test_a_file_that_is_no_recording_is_refused_in_the_gateways_words() -> None:
    async with scripted_backend(two_parts) as backend, serving(backend.url, *ON) as gateway:
        async with browsing(gateway) as tab:
            await choose(tab, b"just a letter", "letter.wav")
            await tab.page.locator("#file-told.bad").wait_for()
            told = await tab.text("#file-told")

            assert told.startswith("file")
            assert f"400: {told}" in await tab.text("#requests li")


async def test_a_transcription_may_be_cancelled() -> None:
    async def wait(call: BackendCall) -> None:
        await call.whole_media()
        await call.until_closed()

    async with scripted_backend(wait) as backend, serving(backend.url, *ON) as gateway:
        async with browsing(gateway) as tab:
            await choose(tab, recording(FOX))
            await tab.page.click("#file-stop")
            await tab.says("#file-told", "Cancelled.")

            assert not await tab.page.locator("#file-stop").is_visible()


async def test_words_appear_while_somebody_speaks(engine: StandaloneEngine, tmp_path: Path) -> None:
    (tmp_path / "voice.wav").write_bytes(recording(FOX, SENTENCES[2]))
    async with serving(engine.url, *ON) as gateway:
        async with browsing(gateway, microphone=tmp_path / "voice.wav") as tab:
            await tab.page.click("#live")
            first = tab.page.locator("#words li:not(.coming)").first
            await first.filter(has_text="quick brown fox").wait_for(timeout=40_000)
            assert "weather" not in await tab.text("#words")
            assert await tab.text("#live") == "Stop listening"

            last = tab.page.locator("#words li:not(.coming)", has_text="weather")
            await last.wait_for(timeout=40_000)
            await tab.page.click("#live")
            await tab.says("#live-told", "Heard to the end.", 40)
            assert "weather" in await tab.text("#words-told")
            assert "complete" in await tab.text("#requests li")
            await no_live_connection(gateway)


async def test_the_last_words_are_waited_for(engine: StandaloneEngine, tmp_path: Path) -> None:
    (tmp_path / "voice.wav").write_bytes(recording(FOX))
    async with serving(engine.url, *ON) as gateway:
        async with browsing(gateway, microphone=tmp_path / "voice.wav") as tab:
            await tab.page.click("#live")
            await tab.page.locator("#words li.coming").wait_for(state="attached", timeout=40_000)
            await until(lambda: tab.page.evaluate(LEVEL), 20, holds=lambda level: level > 40)
            await tab.page.click("#live")
            await tab.says("#live-told", "Heard to the end.", 40)

            assert "quick" in (await tab.text("#words")).lower()
            assert await tab.page.evaluate(LEVEL) == 0
            await no_live_connection(gateway)


async def test_a_microphone_that_hears_nothing_ends_without_words(
    backend: ScriptedBackend, tmp_path: Path
) -> None:
    (tmp_path / "voice.wav").write_bytes(wav(bytes(48_000 * 2 * 30), 48_000))
    async with serving(backend.url, *ON) as gateway:
        async with browsing(gateway, microphone=tmp_path / "voice.wav") as tab:
            await tab.page.click("#live")
            await tab.says("#live-told", "Listening.")
            await tab.page.click("#live")
            await tab.says("#live-told", "Heard to the end.")

            assert await tab.text("#words") == ""
            await no_live_connection(gateway)


async def test_a_live_connection_shows_the_key(backend: ScriptedBackend, tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(f"radio {KEY}\n")
    keys = ("--client-keys", str(tmp_path / "keys"))
    async with serving(backend.url, *ON, *keys) as gateway, browsing(gateway) as tab:
        await tab.page.click("#live")
        await tab.says("#key-reason", "this gateway wants a key; send Authorization: Bearer KEY")
        await tab.says("#live", "Start listening")
        tab.faults.clear()  # a handshake that is refused is an error to Chromium

        await tab.page.fill("#key", KEY)
        await tab.page.press("#key", "Enter")
        await tab.page.click("#live")
        await tab.says("#live-told", "Listening.")
        await tab.page.click("#live")
        await tab.says("#live-told", "Heard to the end.")
        await no_live_connection(gateway)


async def test_a_live_connection_that_the_gateway_ends_is_told_of(
    backend: ScriptedBackend,
) -> None:
    async with serving(backend.url, *ON, "--max-session", "2s") as gateway:
        async with browsing(gateway) as tab:
            await tab.page.click("#live")
            await tab.page.locator("#live-told.bad", has_text="has lasted 2 s").wait_for()

            assert await tab.text("#live") == "Start listening"
            await no_live_connection(gateway)


async def test_a_microphone_that_is_not_allowed_is_told_of(backend: ScriptedBackend) -> None:
    refuse = """navigator.mediaDevices.getUserMedia = () =>
      Promise.reject(new DOMException("no", "NotAllowedError"));"""
    async with serving(backend.url, *ON) as gateway:
        async with browsing(gateway, script=refuse) as tab:
            await tab.page.click("#live")
            await tab.page.locator("#live-told", has_text="was not allowed").wait_for()

            assert await tab.text("#live") == "Start listening"
            await no_live_connection(gateway)
