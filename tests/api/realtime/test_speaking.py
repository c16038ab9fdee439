"""Texts that are spoken over the socket, and what only a language model could do."""

import base64
from typing import Any

import pytest

from tests.support.audio import opus_speech
from tests.support.backend import ScriptedBackend, answer, hold, kept_media, says
from tests.support.gateway import Served, serving
from tests.support.polling import until
from tests.support.realtime import PATH, RealtimeClient, realtime

DELTA, DONE = "response.output_audio.delta", "response.done"
SPEECH = opus_speech(1.0)


def asks_for(text: str, **more: object) -> dict[str, Any]:
    """Return a response that speaks text, as wyoming-openai asks for it."""
    content = [{"type": "input_text", "text": text}]
    message = {"type": "message", "role": "user", "content": content}
    return {"conversation": "none", "output_modalities": ["audio"], "input": [message], **more}


async def audio_of(client: RealtimeClient) -> bytes:
    """Read up to the end of the response; return its audio."""
    await client.event(DONE)
    deltas = [event["delta"] for event in client.events if event["type"] == DELTA]
    return b"".join(map(base64.b64decode, deltas))


async def error_of(client: RealtimeClient) -> dict[str, Any]:
    error: dict[str, Any] = (await client.event("error", DONE))["error"]
    return error


async def test_a_text_is_spoken_word_for_word(gateway: Served, backend: ScriptedBackend) -> None:
    texts = kept_media(backend, answer(SPEECH))
    async with realtime(gateway, f"{PATH}?model=tts-1") as client:
        await client.send("response.create", response=asks_for("Hello there."))
        audio = await audio_of(client)

    kinds = client.kinds()
    assert texts == [b"Hello there."]
    assert len(audio) == pytest.approx(48_000, rel=0.05)
    assert kinds[1:4] == [
        "response.created",
        "response.output_item.added",
        "response.content_part.added",
    ]
    assert kinds[-6:] == [
        "response.output_audio_transcript.delta",
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.content_part.done",
        "response.output_item.done",
        DONE,
    ]
    response = client.events[-1]["response"]
    assert response["status"] == "completed"
    assert response["output"][0]["content"][0]["transcript"] == "Hello there."
    assert (
        gateway.sample("gateway_api_requests_total", api="realtime", endpoint="tts", code="200")
        == 1
    )


@pytest.mark.parametrize("law", ["audio/pcmu", "audio/pcma"])
async def test_telephony_is_spoken_to_in_its_own_format(
    gateway: Served, backend: ScriptedBackend, law: str
) -> None:
    backend.script = says(answer(SPEECH))
    async with realtime(gateway, PATH) as client:
        output = {"format": {"type": law}}
        await client.send(
            "session.update", session={"type": "realtime", "audio": {"output": output}}
        )
        told = await client.event("session.updated")
        await client.send("response.create", response=asks_for("Hello there."))
        audio = await audio_of(client)

    assert told["session"]["audio"]["output"]["format"] == {"type": law}
    assert len(audio) == pytest.approx(8_000, rel=0.05)


async def test_the_voice_and_the_speed_are_those_of_the_session(
    gateway: Served, backend: ScriptedBackend
) -> None:
    backend.script = says(answer(SPEECH))
    async with realtime(gateway, PATH) as client:
        session = {"type": "realtime", "audio": {"output": {"voice": "alloy", "speed": 1.5}}}
        await client.send("session.update", session=session)
        await client.send("response.create", response=asks_for("Hello there."))
        await audio_of(client)

    assert b"speed: 1.5" in (await backend.calls.get()).config


async def test_a_message_of_the_conversation_is_spoken_when_a_response_is_asked_for(
    gateway: Served, backend: ScriptedBackend
) -> None:
    texts = kept_media(backend, answer(SPEECH))
    async with realtime(gateway, PATH) as client:
        await client.send("conversation.item.create", item=asks_for("Hello there.")["input"][0])
        added = await client.event("conversation.item.added")
        await client.send("response.create")
        await audio_of(client)

    assert added["item"]["content"] == [{"type": "input_text", "text": "Hello there."}]
    assert texts == [b"Hello there."]


@pytest.mark.parametrize(
    "response",
    [
        {},
        {"instructions": "Say hello."},
        {"input": []},
        {"input": [{"type": "message", "role": "system", "content": []}]},
        asks_for("Hello.", output_modalities=["text"]),
    ],
)
async def test_what_needs_a_language_model_is_refused_and_says_so(
    gateway: Served, response: dict[str, Any]
) -> None:
    async with realtime(gateway, PATH) as client:
        await client.send("response.create", response=response, event_id="mine")
        error = await error_of(client)

    assert "no language model" in error["message"]
    assert error["event_id"] == "mine"


async def test_a_session_for_transcription_speaks_nothing(client: RealtimeClient) -> None:
    await client.send("response.create", response=asks_for("Hello."))

    assert "transcribes" in (await error_of(client))["message"]


@pytest.mark.parametrize(
    ("text", "why"), [("x" * 101, "at most 100 characters"), (" ", "a text to speak")]
)
async def test_a_text_that_cannot_be_spoken_is_an_error(
    backend: ScriptedBackend, text: str, why: str
) -> None:
    async with (
        serving(backend.url, "--openai", "--max-speech-input=100") as gateway,
        realtime(gateway, PATH) as client,
    ):
        await client.send("response.create", response=asks_for(text))

        assert why in (await error_of(client))["message"]


async def test_one_text_is_spoken_at_a_time(gateway: Served, backend: ScriptedBackend) -> None:
    release = hold(backend, answer(SPEECH))
    async with realtime(gateway, PATH) as client:
        await client.send("response.create", response=asks_for("First."))
        await client.send("response.create", response=asks_for("Second."))
        error = await error_of(client)
        release.set()
        await audio_of(client)

    assert "must wait" in error["message"]
    assert backend.seen == 1


async def test_a_response_that_is_cancelled_frees_its_slot(
    gateway: Served, backend: ScriptedBackend
) -> None:
    backend.script = says(then="is silent")
    async with realtime(gateway, PATH) as client:
        await client.send("response.create", response=asks_for("Hello."))
        call = await backend.calls.get()
        await client.send("response.cancel")
        done = await client.event(DONE)
        await call.closed.wait()
        await client.send("response.cancel", event_id="mine")
        error = await error_of(client)

    assert done["response"]["status"] == "cancelled"
    assert (error["code"], error["event_id"]) == ("response_cancel_not_active", "mine")
    assert gateway.count("tts", 499, "GET") == 1


async def test_a_response_that_is_cancelled_at_once_was_begun(
    gateway: Served, backend: ScriptedBackend
) -> None:
    backend.script = says(then="is silent")
    async with realtime(gateway, PATH) as client:
        await client.send("response.create", response=asks_for("Hello."))
        await client.send("response.cancel")
        done = await client.event(DONE)

    created = next(event for event in client.events if event["type"] == "response.created")
    assert created["response"]["id"] == done["response"]["id"]


async def test_a_failure_of_the_backends_is_told_as_a_failed_response(
    gateway: Served, backend: ScriptedBackend
) -> None:
    backend.script = says(answer(b""))
    async with realtime(gateway, PATH) as client:
        await client.send("response.create", response=asks_for("Hello."))
        done = await client.event(DONE)

    assert done["response"]["status"] == "failed"
    assert "backend" in done["response"]["status_details"]["error"]["message"]
    assert gateway.count("tts", 502, "GET") == 1


async def test_the_client_may_leave_while_it_is_spoken_to(
    gateway: Served, backend: ScriptedBackend
) -> None:
    backend.script = says(then="is silent")
    async with realtime(gateway, PATH) as client:
        await client.send("response.create", response=asks_for("Hello."))
        call = await backend.calls.get()
        client.vanish()
        await call.closed.wait()
        await until(lambda: gateway.count("tts", 499, "GET"), equals=1)
