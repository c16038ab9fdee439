"""A transcription asked for in JSON, its audio in base64."""

import base64
import json
from collections.abc import AsyncIterator

import pytest

from tests.support.backend import (
    LAST_CHUNK,
    OK_CHUNKED,
    BackendCall,
    ScriptedBackend,
    chunk,
    transcript,
)
from tests.support.client import Response
from tests.support.gateway import Served, serving
from tests.support.openai_api import JSON, TRANSCRIPTIONS_PATH, error_of
from tests.support.polling import until
from tests.support.speech import silence

AUDIO = silence(1.0)


@pytest.fixture
async def openai(backend: ScriptedBackend) -> AsyncIterator[Served]:
    async def hear(call: BackendCall) -> None:
        assert (await call.whole_media()).startswith(b"OggS")
        line = transcript("heard", language="de")
        await call.write(OK_CHUNKED + chunk(line) + LAST_CHUNK)

    backend.script = hear
    async with serving(backend.url, "--openai", "--max-upload-bytes=100000") as served:
        yield served


def encoded(audio: bytes) -> dict[str, str]:
    return {"data": base64.b64encode(audio).decode(), "format": "ogg"}


async def send(gateway: Served, body: object) -> Response:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await gateway.ask("POST", TRANSCRIPTIONS_PATH, JSON, raw)


async def test_audio_in_json_is_transcribed(openai: Served, backend: ScriptedBackend) -> None:
    asked = {"model": "w", "input_audio": encoded(AUDIO), "language": "de", "temperature": 0}

    heard = await send(openai, asked)

    assert heard.status == 200
    assert json.loads(heard.body)["text"] == "heard"
    assert b"language: de" in backend.calls.get_nowait().config
    assert openai.count("stt", 200) == 1


@pytest.mark.parametrize("stream", [True, "true"])
async def test_it_may_be_told_as_events(openai: Served, stream: object) -> None:
    heard = await send(openai, {"input_audio": encoded(AUDIO), "stream": stream})

    assert heard.headers["content-type"].startswith("text/event-stream")
    assert '"delta": "heard"' in heard.text


@pytest.mark.parametrize("wrap", ["data:audio/ogg;base64,{}", "{}\n"])
async def test_base64_may_come_as_a_url_or_in_lines(openai: Served, wrap: str) -> None:
    data = wrap.format(base64.encodebytes(AUDIO).decode())

    assert (await send(openai, {"input_audio": {"data": data}})).status == 200


@pytest.mark.parametrize(
    ("body", "param", "told"),
    [
        (b"[]", None, "JSON object"),
        (b"{", None, "JSON object"),
        (b"\xff", None, "JSON object"),
        (b"[" * 5_000, None, "JSON object"),
        (b'{"x": [' + b"[]," * 50_000, None, "too many values"),
        ({}, "input_audio", "must be"),
        ({"input_audio": "data"}, "input_audio", "must be"),
        ({"input_audio": {"data": "no base64!"}}, "input_audio", "base64"),
        ({"input_audio": {"data": "é"}}, "input_audio", "base64"),
        ({"input_audio": {"data": ""}}, "input_audio", "audio to transcribe"),
        ({"input_audio": encoded(b"no audio at all")}, "file", "known kind"),
        ({"input_audio": encoded(AUDIO), "language": {"a": 1}}, "language", "must be"),
        ({"input_audio": encoded(AUDIO), "response_format": "yaml"}, "response_format", "json"),
    ],
)
async def test_what_is_wrong_is_named(
    openai: Served, body: object, param: str | None, told: str
) -> None:
    refused = await send(openai, body)

    error = error_of(refused)
    assert (refused.status, error["param"]) == (400, param)
    assert told in error["message"]


async def test_the_audio_has_the_limit_of_a_file(openai: Served) -> None:
    at_the_limit = AUDIO + bytes(100_000 - len(AUDIO))

    assert (await send(openai, {"input_audio": encoded(at_the_limit)})).status == 200
    assert (await send(openai, {"input_audio": encoded(at_the_limit + b"x")})).status == 413


async def test_json_that_waits_for_a_slot_is_not_asked_for(
    openai: Served, backend: ScriptedBackend
) -> None:
    body = json.dumps({"input_audio": encoded(AUDIO)}).encode()
    flags = "--openai", "--max-concurrency=1", "--max-queue=0"
    async with serving(backend.url, *flags) as gateway, await gateway.connect() as first:
        first.begin_upload()
        await until(lambda: gateway.inflight("stt"), equals=1)
        async with await gateway.connect() as second:
            length = {"Content-Length": str(len(body)), "Expect": "100-continue"}
            second.request("POST", TRANSCRIPTIONS_PATH, JSON | length)

            status, _ = await second.head()

    assert status == 503


@pytest.mark.parametrize("slots", [1, 3])
async def test_as_many_uploads_in_json_as_there_are_slots_are_all_transcribed(
    openai: Served, backend: ScriptedBackend, slots: int
) -> None:
    body = json.dumps({"input_audio": encoded(AUDIO)}).encode()
    async with serving(backend.url, "--openai", f"--max-concurrency={slots}") as gateway:
        clients = [await gateway.connect() for _ in range(slots)]
        for client in clients:
            length = {"Content-Length": str(len(body))}
            client.request("POST", TRANSCRIPTIONS_PATH, JSON | length)
            client.write(body[:500])
        await until(lambda: gateway.inflight("stt"), equals=slots)

        for client in clients:
            client.write(body[500:])

        assert [(await client.response()).status for client in clients] == [200] * slots
        for client in clients:
            client.leave()
