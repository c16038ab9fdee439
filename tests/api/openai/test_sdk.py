"""OpenAI's own Python package against the gateway and its bundled engine."""

import asyncio
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import av
import openai
import pytest

from tests.support.backend import (
    LAST_CHUNK,
    OK_CHUNKED,
    BackendCall,
    ScriptedBackend,
    answer,
    chunk,
    says,
    transcript,
)
from tests.support.engine import StandaloneEngine
from tests.support.gateway import serving
from tests.support.ogg import seconds_of
from tests.support.speech import spoken

TEXT = "The quick brown fox jumps over the lazy dog."
FORMATS = {
    "mp3": ("audio/mpeg", "mp3"),
    "opus": ("audio/ogg", "ogg"),
    "aac": ("audio/aac", "aac"),
    "flac": ("audio/flac", "flac"),
    "wav": ("audio/wav", "wav"),
    "pcm": ("audio/pcm", ""),
}
KEY = "0123456789abcdef"


@pytest.fixture
async def client(engine: StandaloneEngine) -> AsyncIterator[openai.AsyncOpenAI]:
    async with serving(engine.url, "--openai") as gateway, sdk(gateway.url) as made:
        yield made


def sdk(url: str, key: str = KEY) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0)


def seconds(audio: bytes, container: str) -> float:
    """Return how long audio lasts once it is decoded."""
    if not container:
        return len(audio) / 2 / 24_000
    total = 0.0
    with av.open(io.BytesIO(audio), "r", format=container) as opened:
        for frame in opened.decode(audio=0):
            total += frame.samples / frame.sample_rate
    return total


async def speak(client: openai.AsyncOpenAI, response_format: Any, text: str = TEXT) -> bytes:
    made = await client.audio.speech.create(
        model="tts-1", voice="alloy", input=text, response_format=response_format
    )
    content_type = made.response.headers["content-type"]
    assert content_type == FORMATS[response_format][0]
    return made.content


# speech


@pytest.mark.parametrize("response_format", FORMATS)
async def test_every_format_lasts_as_long_as_the_speech(
    client: openai.AsyncOpenAI, response_format: str
) -> None:
    audio = await speak(client, response_format)

    # The engine's own speech differs by a few ms from call to call.
    assert abs(seconds(audio, FORMATS[response_format][1]) - seconds_of(spoken(TEXT))) < 0.1


async def test_speech_is_streamed_to_a_file(client: openai.AsyncOpenAI, tmp_path: Path) -> None:
    async with client.audio.speech.with_streaming_response.create(
        model="tts-1", voice="nova", input=TEXT
    ) as response:
        await response.stream_to_file(tmp_path / "fox.mp3")

    assert 2 < seconds((tmp_path / "fox.mp3").read_bytes(), "mp3") < 3


@pytest.mark.parametrize("response_format", FORMATS)
@pytest.mark.parametrize("stream_format", ["audio", "sse"])
async def test_the_first_audio_comes_before_the_second_sentence_is_made(
    backend: ScriptedBackend, response_format: Any, stream_format: Any
) -> None:
    speech, first_heard = spoken(TEXT), asyncio.Event()

    async def script(call: BackendCall) -> None:
        await call.whole_media()
        await call.write(OK_CHUNKED + chunk(speech[: len(speech) // 3]))
        await first_heard.wait()
        await call.write(chunk(speech[len(speech) // 3 :]) + LAST_CHUNK)

    backend.script = script
    audio = b""
    async with serving(backend.url, "--openai") as gateway, sdk(gateway.url) as client:
        async with client.audio.speech.with_streaming_response.create(
            model="tts-1",
            voice="alloy",
            input=TEXT,
            response_format=response_format,
            stream_format=stream_format,
        ) as response:
            async for piece in response.iter_bytes():
                audio += piece
                first_heard.set()

    if stream_format == "audio":
        lasted = seconds(audio, FORMATS[response_format][1])
        assert abs(lasted - seconds_of(speech)) < 0.05
    else:
        assert audio.count(b"speech.audio.delta") > 1
        assert audio.count(b"speech.audio.done") == 1


async def all_of(pieces: AsyncIterator[bytes]) -> bytes:
    return b"".join([piece async for piece in pieces])


async def test_a_broken_stream_is_no_whole_file(backend: ScriptedBackend) -> None:
    async def script(call: BackendCall) -> None:
        await call.whole_media()
        await call.write(OK_CHUNKED + chunk(speech[: len(speech) // 2]))
        await begun.wait()

    speech, begun = spoken(TEXT), asyncio.Event()
    backend.script = script
    async with serving(backend.url, "--openai") as gateway, sdk(gateway.url) as client:
        speaking = client.audio.speech.with_streaming_response
        async with speaking.create(model="tts-1", voice="alloy", input=TEXT) as response:
            audio = response.iter_bytes()
            await anext(audio)
            begun.set()
            with pytest.raises(Exception, match=r"incomplete|peer closed|Connection"):
                await all_of(audio)
        await gateway.settled()
        assert gateway.count("tts", 502) == 1


async def test_audio_that_is_none_is_the_backends_fault(backend: ScriptedBackend) -> None:
    backend.script = says(answer(b"This is no Ogg at all, though it says so." * 10))
    async with serving(backend.url, "--openai") as gateway, sdk(gateway.url) as client:
        with pytest.raises(openai.InternalServerError) as failed:
            await client.audio.speech.create(model="tts-1", voice="alloy", input=TEXT)
        await gateway.settled()

    assert failed.value.status_code == 502
    assert gateway.count("tts", 502) == 1


def test_the_synchronous_client_is_served_too(engine: StandaloneEngine) -> None:
    async def serve_one() -> bytes:
        async with serving(engine.url, "--openai") as gateway:
            return await asyncio.to_thread(_speak_synchronously, gateway.url)

    assert 2 < seconds(asyncio.run(serve_one()), "mp3") < 3


def _speak_synchronously(url: str) -> bytes:
    with openai.OpenAI(base_url=f"{url}/v1", api_key=KEY) as client:
        return client.audio.speech.create(model="tts-1", voice="alloy", input=TEXT).content


# transcriptions


def upload(kind: str = "fox.ogg") -> tuple[str, bytes]:
    return kind, spoken(TEXT)


async def test_speech_is_transcribed(client: openai.AsyncOpenAI) -> None:
    heard = await client.audio.transcriptions.create(model="whisper-1", file=upload())

    assert "quick brown fox" in heard.text


@pytest.mark.parametrize("response_format", ["mp3", "aac", "flac", "wav", "opus"])
async def test_what_the_gateway_says_it_also_hears(
    client: openai.AsyncOpenAI, response_format: str
) -> None:
    audio = await speak(client, response_format)
    heard = await client.audio.transcriptions.create(model="whisper-1", file=("fox", audio))

    assert "fox" in heard.text


@pytest.mark.parametrize("response_format", ["text", "srt", "vtt"])
async def test_plain_formats(client: openai.AsyncOpenAI, response_format: Any) -> None:
    raw = await client.audio.transcriptions.with_raw_response.create(
        model="whisper-1", file=upload(), response_format=response_format
    )

    assert raw.headers["content-type"].startswith("text/plain")
    assert "quick brown fox" in raw.text
    marks = {"srt": "1\n00:00:00,000 --> ", "vtt": "WEBVTT\n\n00:00:00.000 --> ", "text": "The"}
    assert raw.text.startswith(marks[response_format])


async def test_the_verbose_format_tells_times(client: openai.AsyncOpenAI) -> None:
    heard = await client.audio.transcriptions.create(
        model="whisper-1",
        file=upload(),
        response_format="verbose_json",
        timestamp_granularities=["segment"],
    )

    assert heard.language == "english"
    assert abs(heard.duration - seconds_of(spoken(TEXT))) < 0.05
    assert heard.segments is not None
    assert heard.segments[0].text == heard.text
    assert 2 < heard.segments[0].end < 3


async def test_transcripts_come_as_events(client: openai.AsyncOpenAI) -> None:
    stream = await client.audio.transcriptions.create(
        model="whisper-1", file=upload(), stream=True, language="en"
    )
    events = [event async for event in stream]

    assert [event.type for event in events[:-1]] == ["transcript.text.delta"] * (len(events) - 1)
    assert events[-1].type == "transcript.text.done"
    assert "".join(event.delta for event in events[:-1]) == events[-1].text  # type: ignore[union-attr]
    assert "quick brown fox" in events[-1].text


# errors


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ("400 Bad Request", openai.BadRequestError),
        ("429 Too Many Requests", openai.RateLimitError),
        ("500 Internal Server Error", openai.InternalServerError),
    ],
)
async def test_the_backends_errors_are_the_clients_exceptions(
    backend: ScriptedBackend, said: str, error: type[openai.APIStatusError]
) -> None:
    backend.script = says(answer(b"the backend's own words", said, "text/plain"))
    async with serving(backend.url, "--openai") as gateway, sdk(gateway.url) as client:
        with pytest.raises(error, match="the backend's own words"):
            await client.audio.speech.create(model="tts-1", voice="alloy", input=TEXT)
        with pytest.raises(error, match="the backend's own words"):
            await client.audio.transcriptions.create(model="whisper-1", file=upload())


async def test_a_wrong_key_and_a_wrong_path(backend: ScriptedBackend, tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(f"radio {KEY}\n")
    flags = ("--openai", f"--client-keys={tmp_path / 'keys'}")
    async with serving(backend.url, *flags) as gateway:
        async with sdk(gateway.url, "another") as stranger, sdk(gateway.url) as client:
            with pytest.raises(openai.AuthenticationError):
                await stranger.audio.speech.create(model="tts-1", voice="alloy", input=TEXT)
            with pytest.raises(openai.NotFoundError):
                await client.models.retrieve("nobody")


async def test_a_file_that_is_no_audio(client: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        await client.audio.transcriptions.create(
            model="whisper-1", file=("a.mp3", b"no audio" * 99)
        )

    assert refused.value.param == "file"


async def test_a_file_over_the_limit(backend: ScriptedBackend) -> None:
    flags = ("--openai", "--max-upload-bytes=10000")
    async with serving(backend.url, *flags) as gateway, sdk(gateway.url) as client:
        with pytest.raises(openai.APIStatusError) as refused:
            await client.audio.transcriptions.create(
                model="whisper-1", file=("a.wav", b"RIFF" + bytes(200_000))
            )

    assert refused.value.status_code == 413


async def test_a_language_that_the_engine_does_not_know(client: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="that the backend's model knows: auto, en"):
        await client.audio.transcriptions.create(model="whisper-1", file=upload(), language="de")


async def test_an_error_in_a_stream_of_transcripts_is_raised(backend: ScriptedBackend) -> None:
    backend.script = says(OK_CHUNKED, chunk(transcript("so far")), then="closes")
    async with serving(backend.url, "--openai") as gateway, sdk(gateway.url) as client:
        stream = await client.audio.transcriptions.create(
            model="whisper-1", file=upload(), stream=True, language="en"
        )
        events = aiter(stream)
        assert (await anext(events)).type == "transcript.text.delta"
        with pytest.raises(openai.APIError, match="speech backend failed"):
            await anext(events)
        await gateway.settled()
        assert gateway.count("stt", 502) == 1


# leaving


async def test_a_listener_that_leaves_frees_the_slot_and_the_thread(
    backend: ScriptedBackend,
) -> None:
    speech = spoken(TEXT)

    async def script(call: BackendCall) -> None:
        await call.whole_media()
        await call.write(OK_CHUNKED + chunk(speech[: len(speech) // 2]))
        await call.until_closed()

    backend.script = script
    flags = ("--openai", "--max-concurrency=1")
    async with serving(backend.url, *flags) as gateway, sdk(gateway.url) as client:
        async with client.audio.speech.with_streaming_response.create(
            model="tts-1", voice="alloy", input=TEXT
        ) as response:
            await anext(response.iter_bytes())
        await gateway.settled()
        assert gateway.count("tts", 499) == 1

        backend.script = says(answer(speech))
        assert await speak(client, "mp3")
