"""Speech in every format, of everything that a backend may answer: whole, or told as a failure."""

from collections.abc import Callable

import pytest

from tests.support.audio import Kind, heard, opus_speech, recorded
from tests.support.backend import LAST_CHUNK, OK_CHUNKED, ScriptedBackend, answer, chunk, says
from tests.support.gateway import Served
from tests.support.ogg import cut_at_pages
from tests.support.ogg import seconds_of as ogg_seconds
from tests.support.openai_api import error_of, order
from tests.support.streamkit import recorded_speech, streamkit_speech, without_sound

FORMATS = ["mp3", "opus", "aac", "flac", "wav", "pcm"]
SECONDS = 0.6
ANSWERS = {
    "a StreamKit server's Ogg": lambda: streamkit_speech(SECONDS),
    "the bundled engine's Ogg": lambda: opus_speech(SECONDS),
    "WebM": lambda: recorded(Kind("webm", "libopus", rate=48_000), SECONDS),
    "WAV": lambda: recorded(Kind("wav", "pcm_s16le", rate=24_000), SECONDS),
    "FLAC": lambda: recorded(Kind("flac", "flac", rate=24_000), SECONDS),
}


def seconds_of(audio: bytes, response_format: str) -> float:
    if response_format == "pcm":
        return len(audio) / 2 / 24_000
    if response_format == "opus":
        return ogg_seconds(audio)
    samples, rate = heard(audio)
    return len(samples) / rate


@pytest.mark.parametrize("response_format", FORMATS)
@pytest.mark.parametrize("answered", ANSWERS.values(), ids=ANSWERS)
@pytest.mark.parametrize("size", [700, 1 << 20])
async def test_speech_is_whole_in_every_format(
    openai: Served,
    backend: ScriptedBackend,
    answered: Callable[[], bytes],
    response_format: str,
    size: int,
) -> None:
    audio = answered()
    pieces = [audio[at : at + size] for at in range(0, len(audio), size)]
    backend.script = says(OK_CHUNKED, *map(chunk, pieces), LAST_CHUNK)

    spoken = await order(openai, response_format=response_format)

    assert (spoken.status, spoken.whole) == (200, True)
    assert abs(seconds_of(spoken.body, response_format) - SECONDS) < 0.1
    if response_format == "opus":
        assert spoken.body.startswith(b"OggS")
        assert spoken.headers["content-type"] == "audio/ogg"
    await openai.settled()
    assert openai.count("tts", 200) == 1


async def test_ogg_opus_passes_byte_for_byte(openai: Served, backend: ScriptedBackend) -> None:
    backend.script = says(OK_CHUNKED, *map(chunk, cut_at_pages(recorded_speech())), LAST_CHUNK)

    assert (await order(openai, response_format="opus")).body == recorded_speech()


async def test_a_recorded_answer_becomes_all_its_samples(
    openai: Served, backend: ScriptedBackend
) -> None:
    backend.script = says(answer(recorded_speech()))

    spoken = await order(openai, response_format="pcm")

    assert (spoken.whole, len(spoken.body) // 2) == (True, 230_400 // 2)


@pytest.mark.parametrize("stream_format", ["audio", "sse"])
@pytest.mark.parametrize("response_format", FORMATS)
@pytest.mark.parametrize(
    "silent",
    [b"", without_sound(), b"<html>It works!</html> as audio", b'{"error": "no such voice"}'],
    ids=["nothing", "headers alone", "a page", "an object"],
)
async def test_what_holds_no_sound_is_a_failure(
    openai: Served,
    backend: ScriptedBackend,
    silent: bytes,
    response_format: str,
    stream_format: str,
) -> None:
    backend.script = says(answer(silent))

    failed = await order(openai, response_format=response_format, stream_format=stream_format)

    assert (failed.status, error_of(failed)["type"]) == (502, "server_error")
    await openai.settled()
    assert openai.count("tts", 502) == 1
