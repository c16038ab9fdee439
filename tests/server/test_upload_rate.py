"""Uploads that are next to nothing: their slot is given to others, and no recording is one."""

import asyncio
import io

import av
import pytest
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream

from speech_gateway.config.settings import load
from speech_gateway.server import upload_rate
from speech_gateway.server.upload_rate import WINDOW, UploadRate
from tests.support.backend import ScriptedBackend
from tests.support.client import RawClient
from tests.support.gateway import serving
from tests.support.openai_api import BEFORE_FILE, FORM, TRANSCRIPTIONS_PATH, error_of, part

DEFAULT = load([], {})[0].min_upload_rate


def silence_at_opus_least(seconds: float) -> bytes:
    """Return silence in pages of a second, left out wherever Opus can."""
    out = io.BytesIO()
    with av.open(out, "w", format="ogg", container_options={"page_duration": "1000000"}) as file:
        options = {"b": "6000", "dtx": "1", "application": "voip"}
        stream = file.add_stream("libopus", rate=48_000, layout="mono", options=options)
        assert isinstance(stream, AudioStream)
        for _ in range(int(seconds * 50)):
            frame = AudioFrame("s16", "mono", 960)
            frame.sample_rate = 48_000
            frame.planes[0].update(bytes(1920))
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return out.getvalue()


def pieces(size: int, seconds_apart: float) -> list[bool]:
    """Return what is said of an upload's pieces, over ten windows."""
    rate = UploadRate(DEFAULT)
    return [rate.is_enough(size, seconds_apart) for _ in range(int(10 * WINDOW / seconds_apart))]


def test_a_byte_every_four_seconds_is_too_slow() -> None:
    assert pieces(1, 4.0).index(False) * 4.0 <= WINDOW


@pytest.mark.parametrize(("size", "seconds_apart"), [(60, 0.02), (20, 1.0), (600, 25.0)])
def test_speech_and_what_is_said_now_and_then_are_fast_enough(
    size: int, seconds_apart: float
) -> None:
    assert all(pieces(size, seconds_apart))


def test_time_in_which_nobody_waits_for_the_client_does_not_count() -> None:
    rate = UploadRate(DEFAULT)

    assert all(rate.is_enough(1, 0.0) for _ in range(1000))


def test_a_minute_of_silence_at_opus_least_is_fast_enough() -> None:
    silence = silence_at_opus_least(WINDOW)

    assert len(silence) / WINDOW >= 2 * DEFAULT


async def drip(client: RawClient, size: int) -> None:
    """Send pieces until the gateway ends the connection."""
    while not client.writer.is_closing():
        client.chunk(b"." * size)
        await asyncio.sleep(0.02)  # the client's pace


@pytest.mark.parametrize("path", ["/stt", TRANSCRIPTIONS_PATH])
async def test_an_upload_that_is_too_slow_frees_its_slot(
    backend: ScriptedBackend, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(upload_rate, "WINDOW", 0.3)
    flags = "--openai", "--max-concurrency=1", "--min-upload-rate=1000"
    async with serving(backend.url, *flags) as gateway, await gateway.connect() as client:
        client.begin_upload(path, **(FORM if path == TRANSCRIPTIONS_PATH else {}))
        if path == TRANSCRIPTIONS_PATH:
            client.chunk(part("language", b"en") + BEFORE_FILE)
        dripping = asyncio.create_task(drip(client, 1))

        response = await client.response()

        dripping.cancel()
        text = response.text if path == "/stt" else error_of(response)["message"]
        assert response.status == 408
        assert "more slowly than 1000 bytes a second" in text
        assert (await gateway.speak()).status == 200


async def test_no_rate_is_asked_for_where_it_is_0(
    backend: ScriptedBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload_rate, "WINDOW", 0.01)
    async with serving(backend.url, "--min-upload-rate=0") as gateway:
        async with await gateway.connect() as client:
            client.begin_upload()
            for _ in range(10):
                client.chunk(b".")
                await asyncio.sleep(0.02)  # the client's pace
            client.end_upload()
            assert (await client.response()).status == 200
