"""What a client may rely on, in front of a scripted backend and of the bundled engine alike."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from tests.support.backend import (
    LAST_CHUNK,
    OK_CHUNKED,
    BackendCall,
    answer,
    chunk,
    scripted_backend,
    transcript,
)
from tests.support.client import Response
from tests.support.engine import StandaloneEngine
from tests.support.gateway import Served, serving
from tests.support.speech import silence, spoken

SENTENCE = "The quick brown fox jumps over the lazy dog."
LINE = transcript("the quick brown fox", language="en")


async def like_streamkit(call: BackendCall) -> None:
    """Answer as StreamKit would, as far as this suite looks."""
    media = await call.whole_media()
    if call.headers["x-streamkit-service"] == "tts":
        await call.write(OK_CHUNKED + chunk(b"OggS-1") + chunk(b"OggS-2") + LAST_CHUNK)
    elif not media.startswith(b"OggS"):
        await call.write(answer(b"no!\n", "400 Bad Request", "text/plain"))
    else:
        head = OK_CHUNKED.replace(b"audio/ogg", b"application/json")
        line = LINE if len(media) > 5000 else b""
        await call.write(head + (chunk(line) if line else b"") + LAST_CHUNK)


@pytest.fixture(params=["scripted", "bundled"])
async def either(request: pytest.FixtureRequest, engine: StandaloneEngine) -> AsyncIterator[Served]:
    if request.param == "bundled":
        async with serving(engine.url) as served:
            yield served
    else:
        async with scripted_backend(like_streamkit) as backend, serving(backend.url) as served:
            yield served


async def send(
    gateway: Served, path: str, body: bytes, content_type: str = "", method: str = "POST"
) -> Response:
    response = await gateway.ask(method, path, {"Content-Type": content_type}, body)
    await gateway.settled()
    return response


async def test_text_becomes_ogg(either: Served) -> None:
    response = await send(either, "/tts", SENTENCE.encode())

    assert response.status == 200
    assert response.headers["content-type"] == "audio/ogg"
    assert response.headers["transfer-encoding"] == "chunked"
    assert response.body.startswith(b"OggS")
    assert either.count("tts", 200) == 1


async def test_ogg_becomes_a_line_of_json(either: Served) -> None:
    response = await send(either, "/stt", spoken(SENTENCE), "audio/ogg")

    assert response.status == 200
    assert response.headers["content-type"] == "application/json"
    (line,) = response.text.splitlines()
    assert "quick brown fox" in json.loads(line)["text"]
    assert json.loads(line)["language"] == "en"
    assert either.count("stt", 200) == 1


async def test_silence_is_no_error_and_no_text(either: Served) -> None:
    response = await send(either, "/stt", silence(2.0), "audio/ogg")

    assert (response.status, response.body, response.whole) == (200, b"", True)


async def test_audio_that_does_not_decode_is_refused(either: Served) -> None:
    response = await send(either, "/stt", b"this is no Ogg at all " * 50, "audio/ogg")

    assert response.status == 400
    assert response.text.strip()
    assert either.count("stt", 400) == 1


@pytest.mark.parametrize(
    ("method", "path", "content_type", "body", "status"),
    [
        ("POST", "/tts", "image/png", b"x", 415),
        ("POST", "/stt", "image/png", b"x", 415),
        ("POST", "/tts", "", b"x" * 1001, 413),
        ("POST", "/stt", "", b"x" * 1048577, 413),
        ("POST", "/tts", "", b"", 400),
        ("POST", "/stt", "", b"", 400),
        ("POST", "/tts", "", b"\xff", 400),
        ("DELETE", "/tts", "", b"x", 405),
    ],
)
async def test_what_is_wrong_is_refused(
    either: Served, method: str, path: str, content_type: str, body: bytes, status: int
) -> None:
    assert (await send(either, path, body, content_type, method)).status == status


async def test_it_is_ready(either: Served) -> None:
    assert (await either.ask("GET", "/readyz")).status == 200


async def test_many_at_once_are_all_served(either: Served) -> None:
    responses = await asyncio.gather(
        *(send(either, "/tts", f"Sentence number {n}.".encode()) for n in range(12))
    )

    assert {response.status for response in responses} == {200}
    assert all(response.whole for response in responses)
    assert either.count("tts", 200) == 12
