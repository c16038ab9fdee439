"""The console speaks: in a real browser, as it is heard."""

import array
import asyncio
import json
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import pytest

from speech_gateway.pipelines.voices import BUNDLED
from tests.support import browser
from tests.support.backend import BackendCall, ScriptedBackend, answer, scripted_backend
from tests.support.browser import Tab, browsing
from tests.support.client import Response
from tests.support.engine import StandaloneEngine
from tests.support.gateway import Served, serving
from tests.support.openai_api import JSON, SPEECH_PATH
from tests.support.polling import until
from tests.support.speaking_backends import HeldSpeech, speak_at_once
from tests.support.speech import FOX, spoken

pytestmark = [
    pytest.mark.skipif(bool(browser.MISSING), reason=browser.REASON),
    pytest.mark.timeout(120),
]
ON = ("--openai", "--console")
TO_THE_END = "Spoken to the end."
IN_ODD_PIECES = """
const read = ReadableStreamDefaultReader.prototype.read;
const left = new WeakMap();
ReadableStreamDefaultReader.prototype.read = async function () {
  if (!(left.get(this) || "").length) {
    const { done, value } = await read.call(this);
    if (done) return { done };
    left.set(this, value);
  }
  const value = left.get(this).subarray(0, 1001);
  left.set(this, left.get(this).subarray(1001));
  return { done: false, value };
};
"""
"""Cuts what is read in the middle of every other sample."""


@pytest.fixture
async def gateway() -> AsyncIterator[Served]:
    async with scripted_backend(speak_at_once) as backend, serving(backend.url, *ON) as served:
        yield served


async def order(gateway: Served, text: str, response_format: str) -> Response:
    fields = {"input": text, "voice": "alloy", "response_format": response_format}
    return await gateway.ask("POST", SPEECH_PATH, JSON, json.dumps(fields).encode())


async def speak(tab: Tab, text: str = FOX) -> None:
    await tab.page.fill("#text", text)
    await tab.page.click("#say")


async def test_a_text_is_heard_to_its_end(engine: StandaloneEngine) -> None:
    async with serving(engine.url, *ON) as gateway, browsing(gateway) as tab:
        await speak(tab)
        await tab.says("#speak-told", TO_THE_END)
        played = await tab.tapped()
        ordered = await order(gateway, FOX, "pcm")
        told = await tab.text("#heard")

    assert abs(len(played["samples"]) - len(ordered.body) / 2) < 24_000 * 0.1
    assert played["loudest"] > 0.05
    heard, received = told.removesuffix(" s received").split(" s heard of ")
    assert heard == received
    # Told to a tenth of a second: what lies between two of them may be told as either.
    assert float(received) == pytest.approx(len(played["samples"]) / 24_000, abs=0.0501)


async def test_the_first_half_sounds_before_the_second_is_made() -> None:
    held = HeldSpeech()
    async with scripted_backend(held) as backend, serving(backend.url, *ON) as gateway:
        async with browsing(gateway) as tab:
            await speak(tab)
            await until(tab.tapped, 20, holds=lambda played: played["loudest"] > 0.05)
            first_half = len((await tab.tapped())["samples"])
            told = await tab.text("#first")
            held.go_on.set()
            await tab.says("#speak-told", TO_THE_END)
            whole = len((await tab.tapped())["samples"])

    assert 0 < first_half < 0.7 * whole
    assert 0 < int(told.removeprefix("first sound after ").removesuffix(" ms")) < 20_000


async def test_pieces_follow_each_other_to_the_sample(gateway: Served) -> None:
    async with browsing(gateway, script=IN_ODD_PIECES) as tab:
        await speak(tab)
        await tab.says("#speak-told", TO_THE_END)
        played = await tab.tapped()
    pcm = array.array("h", (await order(gateway, FOX, "pcm")).body)

    assert played["samples"] == list(pcm)
    starts = played["starts"]
    assert len(starts) > 50
    for piece, following in pairwise(starts):
        frames = (following["when"] - piece["when"]) * piece["rate"]
        assert frames == pytest.approx(piece["length"], abs=1e-3)


async def test_stop_ends_the_sound_and_the_request() -> None:
    held = HeldSpeech()
    async with scripted_backend(held) as backend, serving(backend.url, *ON) as gateway:
        async with browsing(gateway) as tab:
            await speak(tab)
            await tab.says("#speak-told", "Speaking.")
            await tab.page.click("#stop")
            await tab.says("#speak-told", "Stopped.")
            await asyncio.wait_for(held.closed.wait(), 10)
            await until(lambda: gateway.count("tts", 499), equals=1)

            assert await tab.page.locator("#stop").is_disabled()
            assert "stopped" in await tab.text("#requests li")


async def test_an_answer_that_breaks_off_is_no_success() -> None:
    held = HeldSpeech(breaks_off=True)
    async with scripted_backend(held) as backend, serving(backend.url, *ON) as gateway:
        async with browsing(gateway) as tab:
            await speak(tab)
            await tab.says("#speak-told", "Speaking.")
            held.go_on.set()
            await tab.page.locator("#speak-told.bad", has_text="broke the answer off").wait_for()

            assert "broken off" in await tab.text("#requests li")
            assert all("ERR_INCOMPLETE_CHUNKED" in fault for fault in tab.faults)
            tab.faults.clear()


@pytest.mark.parametrize(
    ("response_format", "begins"),
    [("mp3", (b"ID3", b"\xff")), ("opus", (b"OggS",)), ("flac", (b"fLaC",)), ("wav", (b"RIFF",))],
)
async def test_speech_is_saved_in_the_chosen_format(
    gateway: Served, tmp_path: Path, response_format: str, begins: tuple[bytes, ...]
) -> None:
    async with browsing(gateway) as tab:
        await tab.page.select_option("#format", response_format)
        async with tab.page.expect_download() as downloading:
            await tab.page.click("#download")
        download = await downloading.value
        await download.save_as(tmp_path / "saved")
        await tab.says(
            "#speak-told",
            f"speech.{response_format} is saved: {(tmp_path / 'saved').stat().st_size:,} bytes.",
        )

    assert download.suggested_filename == f"speech.{response_format}"
    assert (tmp_path / "saved").read_bytes().startswith(begins)


async def test_the_copied_command_asks_for_the_same(tmp_path: Path) -> None:
    text = "It's \"5 o'clock\",\n$HOME is `here`: \\n, ä, {a,b} [c] !x"
    asked: asyncio.Queue[tuple[bytes, bytes]] = asyncio.Queue()

    async def note(call: BackendCall) -> None:
        await asked.put((await call.whole_media(), call.config))
        await call.write(answer(spoken(FOX)))

    async with scripted_backend(note) as backend, serving(backend.url, *ON) as gateway:
        allowed = ["clipboard-read", "clipboard-write"]
        async with browsing(gateway, permissions=allowed) as tab:
            await tab.page.fill("#speed", "1.5")
            await tab.page.select_option("#format", "flac")
            await speak(tab, text)
            await tab.says("#speak-told", TO_THE_END)
            await tab.page.click("#copy")
            await tab.says("#speak-told", "The command is copied.")
            command = await tab.page.evaluate("() => navigator.clipboard.readText()")
        shell = await asyncio.create_subprocess_exec("sh", "-c", command, cwd=tmp_path)
        assert await shell.wait() == 0

    by_page, by_command = asked.get_nowait(), asked.get_nowait()
    assert by_page == by_command
    assert by_page[0].decode() == text
    assert (tmp_path / "speech.flac").read_bytes().startswith(b"fLaC")


async def test_a_refusal_is_told_in_the_gateways_words(gateway: Served) -> None:
    async with browsing(gateway) as tab:
        await speak(tab, "")
        await tab.says("#speak-told", "input: must be the text to speak")

        request = await tab.text("#requests li")
    assert "400: input: must be the text to speak" in request


async def test_a_gateway_that_is_gone_is_told_of(gateway: Served) -> None:
    async with browsing(gateway) as tab:
        await tab.page.route("**/v1/audio/speech", lambda route: route.abort())
        await speak(tab)
        await tab.page.locator("#speak-told", has_text="The gateway cannot be reached").wait_for()

        assert all("ERR_FAILED" in fault for fault in tab.faults)
        tab.faults.clear()


async def test_the_voices_are_the_gateways_by_language(backend: ScriptedBackend) -> None:
    many = ("--voices", str(BUNDLED))
    async with serving(backend.url, *ON, *many) as gateway, browsing(gateway) as tab:
        voices = json.loads((await gateway.ask("GET", "/v1/audio/voices")).body)["voices"]
        await tab.page.locator("#voice optgroup").first.wait_for(state="attached")
        offered = await tab.page.eval_on_selector_all(
            "#voice option", "options => options.map((option) => option.value)"
        )
        german = await tab.page.eval_on_selector_all(
            "#voice optgroup[label=German] option", "options => options.map((o) => o.value)"
        )

    assert sorted(offered) == sorted(voice["id"] for voice in voices)
    assert german == ["espeak-de"]
