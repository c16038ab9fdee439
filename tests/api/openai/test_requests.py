"""OpenAI's audio API, what it refuses and how: every field, every status, in OpenAI's words."""

import asyncio
import base64
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.backend import (
    OK_CHUNKED,
    ScriptedBackend,
    answer,
    chunk,
    hold,
    kept_media,
    says,
)
from tests.support.gateway import Served, serving
from tests.support.openai_api import JSON, ORDER, SPEECH_PATH, error_of, events_of, order, send_form
from tests.support.process import nobody
from tests.support.streamkit import streamkit_speech

SPEECH = streamkit_speech(0.2)


@pytest.fixture
def backend(backend: ScriptedBackend) -> ScriptedBackend:
    backend.script = says(answer(SPEECH))
    return backend


async def test_without_the_switch_there_is_nothing(gateway: Served) -> None:
    refused = await order(gateway)

    assert refused.status == 404
    assert gateway.count("tts", 404) == 0


async def test_opus_passes_untouched(openai: Served, backend: ScriptedBackend) -> None:
    spoken = await order(openai)

    assert (spoken.status, spoken.body) == (200, SPEECH)
    assert spoken.headers["content-type"] == "audio/ogg"
    assert openai.count("tts", 200) == 1
    call = backend.calls.get_nowait()
    assert call.headers["x-streamkit-service"] == "tts"


async def test_the_voice_and_the_speed_go_to_the_pipeline(
    openai: Served, backend: ScriptedBackend
) -> None:
    await order(openai, voice={"id": "coral"}, speed=1.5, instructions="gently")

    config = backend.calls.get_nowait().config
    assert b"speaker_id: 1" in config
    assert b"speed: 1.5" in config


async def test_audio_may_come_as_events(openai: Served, backend: ScriptedBackend) -> None:
    backend.script = says(OK_CHUNKED, chunk(SPEECH), b"0\r\n\r\n")
    spoken = await order(openai, stream_format="sse")

    events = events_of(spoken)
    audio = base64.b64encode(SPEECH).decode()
    assert events[0] == {"type": "speech.audio.delta", "audio": audio}
    assert [event["type"] for event in events[1:]] == ["speech.audio.done"]


@pytest.mark.parametrize(
    ("fields", "param", "told"),
    [
        ({"input": None}, "input", "must be the text to speak"),
        ({"input": " "}, "input", "must be the text to speak"),
        ({"input": ["Hello."]}, "input", "must be the text to speak"),
        ({"input": "\ud800"}, "input", "surrogate"),
        ({"voice": "nobody"}, "voice", "alloy, ash"),
        ({"voice": {"id": 7}}, "voice", "alloy, ash"),
        ({"response_format": "ogg"}, "response_format", "opus"),
        ({"response_format": 7}, "response_format", "opus"),
        ({"speed": 0.1}, "speed", "from 0.25 to 4"),
        ({"speed": 5}, "speed", "from 0.25 to 4"),
        ({"speed": "fast"}, "speed", "from 0.25 to 4"),
        ({"speed": "9"}, "speed", "from 0.25 to 4"),
        ({"speed": True}, "speed", "from 0.25 to 4"),
        ({"speed": 10**400}, "speed", "from 0.25 to 4"),
        ({"speed": float("nan")}, "speed", "from 0.25 to 4"),
        ({"stream_format": "ws"}, "stream_format", "audio, sse"),
        ({"model": 7}, "model", "must be a string"),
        ({"instructions": {}}, "instructions", "must be a string"),
    ],
)
async def test_a_wrong_field_is_named(
    openai: Served, backend: ScriptedBackend, fields: dict[str, Any], param: str, told: str
) -> None:
    refused = await order(openai, **fields)

    error = error_of(refused)
    assert (refused.status, error["param"], error["type"]) == (400, param, "invalid_request_error")
    assert told in error["message"]
    assert backend.seen == 0


async def test_a_text_of_openai_s_own_limit_is_spoken(openai: Served) -> None:
    assert (await order(openai, input="a" * 4096)).status == 200


@pytest.mark.parametrize("character", ["a", "я", "🦊"])
async def test_a_text_over_the_limit(openai: Served, character: str) -> None:
    refused = await order(openai, input=character * 4097)

    assert (refused.status, error_of(refused)["param"]) == (400, "input")
    assert "4096 characters" in error_of(refused)["message"]


async def test_a_text_of_the_limit_is_spoken_however_it_is_escaped(openai: Served) -> None:
    assert (await order(openai, input="🦊" * 4096, instructions="я" * 4096)).status == 200


async def test_a_body_that_no_text_can_need_is_not_read(openai: Served) -> None:
    """A megabyte of JSON would be 24 in memory."""
    assert (await order(openai, x=[[]] * 100_000)).status == 413


@pytest.mark.parametrize("voice", [None, "", "ALLOY", " Alloy"])
async def test_a_voice_may_be_left_out_or_named_in_any_case(
    openai: Served, backend: ScriptedBackend, voice: str | None
) -> None:
    assert (await order(openai, voice=voice)).status == 200
    assert b"speaker_id: 0" in backend.calls.get_nowait().config


@pytest.mark.parametrize("speed", ["1.25", " 1.25 ", 1.25])
async def test_a_speed_may_be_a_number_in_a_text(
    openai: Served, backend: ScriptedBackend, speed: object
) -> None:
    assert (await order(openai, speed=speed)).status == 200
    assert b"speed: 1.25" in backend.calls.get_nowait().config


async def test_a_byte_order_mark_is_no_text(openai: Served, backend: ScriptedBackend) -> None:
    assert (await order(openai, input="\ufeff ")).status == 400
    told = kept_media(backend, answer(SPEECH))

    assert (await order(openai, input="\ufeffHello.")).status == 200
    assert told == [b"Hello."]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b"[" * 100_000])
async def test_a_body_that_is_no_object(openai: Served, body: bytes) -> None:
    refused = await openai.ask("POST", SPEECH_PATH, JSON, body)

    assert refused.status == 400
    assert error_of(refused)["param"] is None


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.dictionaries(
        st.sampled_from([*ORDER, "speed", "stream_format", "instructions"]),
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
            max_leaves=5,
        ),
    )
)
async def test_fuzzed_fields_are_served_or_named(openai: Served, fields: dict[str, Any]) -> None:
    body = json.dumps(ORDER | fields).encode()

    response = await openai.ask("POST", SPEECH_PATH, JSON, body)

    assert response.status in (200, 400, 413)
    if response.status != 200:
        assert error_of(response)["param"] in fields


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/v1/audio/speech", {}, 405),
        ("PUT", "/v1/audio/speech", {}, 405),
        ("POST", "/v1/audio/nothing", {}, 404),
        ("POST", "/v1/audio/speech", {"Content-Type": "audio/ogg"}, 415),
        ("POST", "/v1/audio/transcriptions", {"Content-Type": "audio/ogg"}, 415),
        ("POST", "/v1/audio/transcriptions", {"Content-Type": "multipart/form-data"}, 400),
    ],
)
async def test_other_refusals_are_worded_so_too(
    openai: Served, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    refused = await openai.ask(method, path, headers, b"{}")

    assert refused.status == status
    assert error_of(refused)["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    ("said", "status", "kind"),
    [
        (answer(b"no such model", "400 Bad Request", "text/plain"), 400, "invalid_request_error"),
        (answer(b"", "429 Too Many Requests", "text/plain"), 429, "rate_limit_error"),
        (answer(b"it broke", "500 Internal Server Error", "text/plain"), 500, "server_error"),
        (b"nonsense\r\n\r\n", 502, "server_error"),
    ],
)
async def test_the_backends_faults_are_worded_so_too(
    openai: Served, backend: ScriptedBackend, said: bytes, status: int, kind: str
) -> None:
    backend.script = says(said)
    failed = await order(openai)

    assert (failed.status, error_of(failed)["type"]) == (status, kind)
    assert openai.count("tts", status) == 1


async def test_an_error_that_is_not_registered_is_worded_as_its_class(
    openai: Served, backend: ScriptedBackend
) -> None:
    backend.script = says(answer(b"it broke", "599 Oh", "text/plain"))

    failed = await order(openai)

    assert (failed.status, error_of(failed)["type"]) == (599, "server_error")
    assert "it broke" in error_of(failed)["message"]


@pytest.mark.parametrize("endpoint", ["tts", "stt"])
async def test_a_backend_that_is_not_there_is_worded_so_too(endpoint: str) -> None:
    with nobody() as url:
        async with serving(url, "--openai") as gateway:
            if endpoint == "tts":
                failed = await order(gateway)
            else:
                failed = await send_form(gateway, [("file", SPEECH)])
            await gateway.settled()

            assert gateway.count(endpoint, 502) == 1
    assert (failed.status, error_of(failed)["type"]) == (502, "server_error")
    assert "127.0.0.1" not in failed.text


async def test_a_broken_stream_of_events_says_so(openai: Served, backend: ScriptedBackend) -> None:
    backend.script = says(OK_CHUNKED, chunk(SPEECH), then="closes")
    broken = await order(openai, stream_format="sse")

    assert not broken.whole
    last = broken.text.strip().split("\n\n")[-1]
    assert last.startswith("event: error\ndata: ")
    assert json.loads(last.partition("data: ")[2])["error"]["type"] == "server_error"
    assert openai.count("tts", 502) == 1


async def test_a_full_queue_tells_when_to_come_back(backend: ScriptedBackend) -> None:
    release = hold(backend, answer(SPEECH))
    flags = ("--openai", "--max-concurrency=1", "--max-queue=0")
    async with serving(backend.url, *flags) as gateway:
        first = asyncio.create_task(order(gateway))
        await backend.calls.get()
        refused = await order(gateway)
        release.set()
        await first

    assert (refused.status, error_of(refused)["type"]) == (503, "server_error")
    assert "retry-after" in refused.headers


async def test_the_key_is_the_gateways_own(
    backend: ScriptedBackend, tmp_path_factory: pytest.TempPathFactory
) -> None:
    keys = tmp_path_factory.mktemp("keys") / "keys"
    keys.write_text("radio 0123456789abcdef\n")
    async with serving(backend.url, "--openai", f"--client-keys={keys}") as gateway:
        async with await gateway.connect() as client:
            refused = await order(client)
            shown = JSON | {"Authorization": "Bearer 0123456789abcdef"}
            served = await client.ask("POST", SPEECH_PATH, shown, json.dumps(ORDER).encode())

    assert (refused.status, error_of(refused)["code"]) == (401, "invalid_api_key")
    assert "www-authenticate" in refused.headers
    assert served.status == 200
    assert "authorization" not in backend.calls.get_nowait().headers


async def test_models_and_voices_are_listed(openai: Served) -> None:
    pages = {}
    async with await openai.connect() as client:
        for path in ("/v1/models", "/v1/audio/models", "/v1/audio/voices"):
            pages[path] = json.loads((await client.ask("GET", path)).body)

    assert "tts-1" in [model["id"] for model in pages["/v1/models"]["data"]]
    assert {"id": "whisper-1"} in pages["/v1/audio/models"]["models"]
    assert {"id": "alloy", "name": "alloy"} in pages["/v1/audio/voices"]["voices"]
