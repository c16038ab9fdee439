"""The session: what it is told to do, what it tells of itself, and what it refuses."""

from typing import Any

import aiohttp
import pytest

from tests.support.backend import ScriptedBackend
from tests.support.gateway import Served, serving
from tests.support.realtime import (
    COMPLETED,
    PATH,
    SERVER_VAD,
    STARTED,
    TRANSCRIBING,
    RealtimeClient,
    realtime,
    silence,
    speech,
)
from tests.upstream.test_pipeline_check import NODES

HANDSHAKE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
}
VAD = {
    "type": "server_vad",
    "threshold": 0.5,
    "prefix_padding_ms": 300,
    "silence_duration_ms": 500,
}


async def updated(client: RealtimeClient, **of_input: object) -> dict[str, Any]:
    """Update the session; return what it is told of its input then."""
    await client.update(**of_input)
    session = (await client.event("session.updated", "error"))["session"]
    told: dict[str, Any] = session["audio"]["input"]
    return told


async def test_the_session_is_told_at_once(client: RealtimeClient) -> None:
    session = client.events[0]["session"]

    assert client.kinds() == ["session.created"]
    assert session["type"] == "transcription"
    assert session["audio"]["input"]["format"] == {"type": "audio/pcm", "rate": 24_000}
    assert session["audio"]["input"]["turn_detection"] == VAD


async def test_its_id_is_the_one_of_the_request(gateway: Served) -> None:
    async with realtime(gateway, headers={"X-Request-ID": "mine"}) as client:
        assert client.events[0]["session"]["id"] == "mine"


async def test_a_client_of_the_beta_version_is_told_in_its_form(gateway: Served) -> None:
    async with realtime(gateway, headers={"OpenAI-Beta": "realtime=v1"}) as client:
        created = client.events[0]
        await client.send(
            "transcription_session.update",
            session={
                "input_audio_format": "g711_ulaw",
                "input_audio_transcription": {"model": "whisper-1", "language": "en"},
                "turn_detection": None,
                "input_audio_noise_reduction": {"type": "near_field"},
            },
        )
        told = await client.event("transcription_session.updated", "error")

    assert created["type"] == "transcription_session.created"
    assert created["session"]["input_audio_format"] == "pcm16"
    assert told["session"] == {
        "id": created["session"]["id"],
        "input_audio_format": "g711_ulaw",
        "input_audio_transcription": {"model": "whisper-1", "language": "en", "prompt": ""},
        "turn_detection": None,
        "input_audio_noise_reduction": {"type": "near_field"},
    }


async def test_without_an_intent_the_session_is_one_that_speaks_too(gateway: Served) -> None:
    async with realtime(gateway, f"{PATH}?model=tts-1") as client:
        session = client.events[0]["session"]

    assert session["type"] == "realtime"
    assert session["model"] == "tts-1"
    assert session["audio"]["output"]["format"] == {"type": "audio/pcm", "rate": 24_000}


async def test_what_an_update_leaves_out_keeps_its_value(client: RealtimeClient) -> None:
    await updated(client, turn_detection={"type": "server_vad", "silence_duration_ms": 900})

    told = await updated(client, transcription={"model": "whisper-1", "language": "en"})

    assert told["turn_detection"] == VAD | {"silence_duration_ms": 900}
    assert told["transcription"] == {"model": "whisper-1", "language": "en", "prompt": ""}


async def test_null_switches_turn_detection_off_and_a_model_does_not_switch_it_on(
    client: RealtimeClient,
) -> None:
    await updated(client, turn_detection=None)

    told = await updated(client, transcription={"model": "whisper-1"})

    assert told["turn_detection"] is None


@pytest.mark.parametrize("model", ["gpt-realtime-whisper", "gpt-live-transcribe"])
async def test_clients_of_models_that_commit_by_themselves_are_left_to_it(
    gateway: Served, model: str
) -> None:
    async with realtime(gateway, f"{TRANSCRIBING}&model={model}") as client:
        by_query = client.events[0]["session"]["audio"]["input"]["turn_detection"]
        asked = (await updated(client, turn_detection=SERVER_VAD))["turn_detection"]
    async with realtime(gateway) as client:
        told = await updated(client, transcription={"model": model})

    assert by_query is None
    assert told["turn_detection"] is None
    assert asked["type"] == "server_vad"


async def test_semantic_turn_detection_is_served_by_silence(client: RealtimeClient) -> None:
    told = await updated(client, turn_detection={"type": "semantic_vad", "eagerness": "high"})
    await client.append(silence(0.3) + speech() + silence(1.0))

    await client.event(STARTED)
    await client.event(COMPLETED)
    assert told["turn_detection"]["type"] == "semantic_vad"


@pytest.mark.parametrize(
    ("of_input", "param", "right"),
    [
        ({"format": {"type": "audio/pcm", "rate": 44_100}}, "format", "24000, 16000 or 8000"),
        ({"format": {"type": "audio/opus"}}, "format", "audio/pcmu or audio/pcma"),
        ({"format": "pcm16"}, "format", "a JSON object"),
        ({"turn_detection": {"type": "guess"}}, "turn_detection.type", "server_vad"),
        ({"turn_detection": "server_vad"}, "turn_detection", "a JSON object"),
        ({"turn_detection": {"threshold": 2}}, "turn_detection.threshold", "from 0 to 1"),
        (
            {"turn_detection": {"silence_duration_ms": "long"}},
            "turn_detection.silence_duration_ms",
            "from 0 to 10000",
        ),
        ({"transcription": {"language": 7}}, "transcription.language", "ISO 639"),
        ({"transcription": {"languages": "en"}}, "transcription.languages", "a list"),
        ({"transcription": {"model": []}}, "transcription.model", "a string"),
        ({"transcription": [1]}, "transcription", "a JSON object"),
        ({"transcription": {"prompt": "x" * 40_000}}, "transcription.prompt", "32768 characters"),
        ({"transcription": {"languages": ["en"] * 101}}, "transcription.languages", "at most 100"),
    ],
)
async def test_a_wrong_value_is_an_error_that_says_what_would_be_right(
    client: RealtimeClient, of_input: dict[str, object], param: str, right: str
) -> None:
    await client.update(**of_input)

    error = (await client.event("error"))["error"]
    assert error["param"] == f"session.audio.input.{param}"
    assert right in error["message"]
    assert error["type"] == "invalid_request_error"


async def test_a_wrong_update_changes_nothing(client: RealtimeClient) -> None:
    await client.update(
        turn_detection=None, transcription={"model": "whisper-1", "language": "no language"}
    )
    await client.event("error")

    assert (await updated(client))["turn_detection"] == VAD


@pytest.mark.usefixtures("unwatched")
async def test_a_language_that_the_backend_does_not_know_is_an_error(
    client: RealtimeClient, backend: ScriptedBackend
) -> None:
    backend.bodies[NODES] = [
        {
            "kind": "plugin::native::whisper",
            "param_schema": {"properties": {"language": {"enum": ["en"]}}},
        }
    ]
    await client.update(transcription={"language": "de"})

    error = (await client.event("session.updated", "error"))["error"]
    assert "language" in error["message"]
    assert "en" in error["message"]


async def test_of_several_languages_the_pipelines_own_is_left_to_it(
    client: RealtimeClient, backend: ScriptedBackend
) -> None:
    told = await updated(client, transcription={"model": "gpt-transcribe", "languages": ["en"]})
    await client.append(silence(0.3) + speech() + silence(1.0))
    await client.event(COMPLETED)

    assert told["transcription"]["languages"] == ["en"]
    assert b"language: en" in (await backend.calls.get()).config


@pytest.mark.parametrize(
    "event",
    [
        {"type": "conversation.item.delete", "item_id": "item_1"},
        {"type": "no.such.event"},
    ],
)
async def test_an_unknown_event_is_an_error_and_the_session_goes_on(
    client: RealtimeClient, event: dict[str, str]
) -> None:
    await client.ws.send_json({**event, "event_id": "mine"})

    error = (await client.event("error"))["error"]
    assert error["event_id"] == "mine"
    assert "input_audio_buffer.append" in error["message"]
    assert await updated(client)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no JSON",
        "[1]",
        '{"no": "type"}',
        '{"type": 7}',
        "[" * 9_000,
        "{}" * 9,
        '{"type": "x", "n": NaN}',
    ],
)
async def test_garbage_is_an_error_and_the_session_goes_on(
    client: RealtimeClient, text: str
) -> None:
    await client.ws.send_str(text)

    error = (await client.event("error"))["error"]
    assert "JSON object with a type" in error["message"]
    assert await updated(client)


async def test_so_is_an_event_of_very_many_values(client: RealtimeClient) -> None:
    await client.ws.send_str('{"type": "session.update", "x": [' + "1," * 20_000 + "1]}")

    assert "values" in (await client.event("error"))["error"]["message"]
    assert await updated(client)


@pytest.mark.parametrize("event_id", [7, ["nested"], "x" * 513])
async def test_so_is_an_id_that_is_no_short_string(
    client: RealtimeClient, event_id: object
) -> None:
    await client.commit(event_id=event_id)

    error = (await client.event("error"))["error"]
    assert "512 characters" in error["message"]
    assert error["event_id"] is None


async def test_every_commit_of_many_is_answered(client: RealtimeClient) -> None:
    await client.append(silence(0.01))
    for number in range(100):
        await client.commit(event_id=str(number))

    told = [(await client.event("error"))["error"]["event_id"] for _ in range(100)]
    assert told == [str(number) for number in range(100)]


async def test_a_binary_frame_is_told_where_audio_belongs(client: RealtimeClient) -> None:
    await client.ws.send_bytes(silence(0.1))

    assert "input_audio_buffer.append" in (await client.event("error"))["error"]["message"]


@pytest.mark.parametrize("audio", [None, 7, "no base64!", "AAA"])
async def test_audio_that_is_no_base64_is_an_error(client: RealtimeClient, audio: object) -> None:
    await client.send("input_audio_buffer.append", audio=audio, event_id="mine")

    error = (await client.event("error"))["error"]
    assert (error["param"], error["event_id"]) == ("audio", "mine")


@pytest.mark.parametrize("rate", [16_000, 8_000])
async def test_other_rates_are_heard_when_they_are_told(client: RealtimeClient, rate: int) -> None:
    wanted = {"type": "audio/pcm", "rate": rate}
    told = await updated(client, format=wanted)
    second = bytes(2 * rate)
    await client.append(second + speech(rate=rate) + second)

    completed = await client.event(COMPLETED)
    assert told["format"] == wanted
    assert completed["usage"]["seconds"] == pytest.approx(len(speech()) / 48_000 + 0.5, abs=0.6)


async def test_a_ping_is_answered(gateway: Served) -> None:
    async with realtime(gateway, autoping=False) as client:
        await client.ws.ping(b"there?")
        message = await client.ws.receive(timeout=5)

    assert (message.type, message.data) == (aiohttp.WSMsgType.PONG, b"there?")


async def test_keys_are_taken_from_the_header_or_from_the_subprotocols(
    backend: ScriptedBackend, tmp_path: Any
) -> None:
    keys = tmp_path / "keys"
    keys.write_text("browser secret-of-the-browser\n")
    async with serving(backend.url, "--openai", "--client-keys", str(keys)) as gateway:
        async with realtime(
            gateway, protocols=("realtime", "openai-insecure-api-key.secret-of-the-browser")
        ) as client:
            protocol = client.ws.protocol
        async with realtime(
            gateway, headers={"Authorization": "Bearer secret-of-the-browser"}
        ) as client:
            assert client.ws.protocol is None
        with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
            async with realtime(gateway, protocols=("realtime", "openai-insecure-api-key.wrong")):
                pass

    assert protocol == "realtime"
    assert refusal.value.status == 401


@pytest.mark.parametrize(
    ("http", "more"),
    [("1.0", {}), ("1.1", {"Content-Length": "3"}), ("1.1", {"Transfer-Encoding": "chunked"})],
)
async def test_a_handshake_of_an_old_version_or_with_a_body_is_refused(
    gateway: Served, http: str, more: dict[str, str]
) -> None:
    response = await gateway.ask("GET", PATH, HANDSHAKE | more, http=http)

    assert response.status == 400
    assert "without a body" in response.text


async def test_a_page_of_another_origin_is_refused_unless_it_is_allowed(
    backend: ScriptedBackend,
) -> None:
    page = {"Origin": "https://app.example"}
    async with serving(backend.url, "--openai") as gateway:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
            async with realtime(gateway, headers=page):
                pass
        async with realtime(gateway, headers={"Origin": gateway.url}):
            pass
    async with (
        serving(backend.url, "--openai", "--allow-origin", "https://app.example") as gateway,
        realtime(gateway, headers=page),
    ):
        pass

    assert refusal.value.status == 403


async def test_the_path_without_a_websocket_says_what_it_is(gateway: Served) -> None:
    response = await gateway.ask("GET", PATH)

    assert response.status == 426
    assert response.headers["upgrade"] == "websocket"
    assert "ws://" in response.text
    assert gateway.count("stt", 426, "GET") == 1


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-WebSocket-Version": "12"},
        {"Sec-WebSocket-Key": "short"},
        {"Sec-WebSocket-Protocol": "graphql-ws"},
    ],
)
async def test_a_wrong_handshake_is_refused_in_a_sentence(
    gateway: Served, headers: dict[str, str]
) -> None:
    response = await gateway.ask("GET", PATH, HANDSHAKE | headers)

    assert response.status == 400
    assert "short" not in response.text
    assert '"message"' in response.text
