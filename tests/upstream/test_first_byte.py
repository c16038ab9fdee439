"""Speech has to begin in time; what goes on, or is no speech, has all the time it needs."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from speech_gateway.upstream import call as call_module
from tests.support.audio import opus_speech
from tests.support.backend import (
    LAST_CHUNK,
    OK_CHUNKED,
    BackendCall,
    Script,
    ScriptedBackend,
    answer,
    chunk,
    hears,
    says,
)
from tests.support.gateway import Served, serving
from tests.support.openai_api import JSON, ORDER, SPEECH_PATH
from tests.support.paths import CASES
from tests.support.realtime import PATH, realtime
from tests.support.wyoming import wyoming

LIMIT = 1.0
FLAGS = (f"--first-byte-timeout={LIMIT}", "--openai", "--wyoming-listen=127.0.0.1:0")
NO_SOUND = (CASES / "streamkit-no-sound.ogg").read_bytes()
LATE = 2 * LIMIT
PATIENT_LIMIT = 2.0
"""For what has to come within the limit: a busy machine takes its time."""
LATER = 1.5 * PATIENT_LIMIT


@pytest.fixture
async def gateway(backend: ScriptedBackend) -> AsyncIterator[Served]:
    async with serving(backend.url, *FLAGS) as served:
        yield served


@pytest.fixture
async def patient(backend: ScriptedBackend) -> AsyncIterator[Served]:
    async with serving(backend.url, f"--first-byte-timeout={PATIENT_LIMIT}") as served:
        yield served


async def blank_for_ever(call: BackendCall) -> None:
    """Send what is no sound, again and again."""
    await call.whole_media()
    await call.write(OK_CHUNKED)
    while True:
        await call.write(chunk(b" "))
        await asyncio.sleep(LIMIT / 10)


LATE_SPEECH = {
    "nothing": says(then="is silent"),
    "half a head": says(b"HTTP/1.1 200 OK\r\n", then="is silent"),
    "a head": says(OK_CHUNKED, then="is silent"),
    "headers of Ogg": says(OK_CHUNKED, chunk(NO_SOUND), then="is silent"),
    "a byte now and then that is no sound": blank_for_ever,
}


@pytest.mark.parametrize("script", LATE_SPEECH.values(), ids=LATE_SPEECH)
async def test_it_is_504_when_in_time_came(
    gateway: Served, backend: ScriptedBackend, script: Script
) -> None:
    backend.script = script

    response = await gateway.speak()

    assert response.status == 504
    assert int(response.headers["retry-after"]) >= 1
    await gateway.settled()
    assert gateway.count("tts", 504) == 1
    assert gateway.sample("gateway_rejected_total", endpoint="tts", reason="upstream_error") == 1


async def test_the_call_is_given_up(gateway: Served, backend: ScriptedBackend) -> None:
    backend.script = says(then="is silent")

    assert (await gateway.speak()).status == 504

    await (await backend.calls.get()).closed.wait()


@pytest.mark.parametrize("audio_format", ["mp3", "opus"])
async def test_speech_of_openais_clients_has_to_begin_in_time(
    gateway: Served, backend: ScriptedBackend, audio_format: str
) -> None:
    backend.script = says(then="is silent")
    order = json.dumps(ORDER | {"response_format": audio_format}).encode()

    response = await gateway.ask("POST", SPEECH_PATH, JSON, order)

    assert response.status == 504
    assert "retry-after" in response.headers
    assert "too long" in json.loads(response.body)["error"]["message"]


async def test_a_response_on_a_realtime_socket_has_to_begin_in_time(
    gateway: Served, backend: ScriptedBackend
) -> None:
    backend.script = says(OK_CHUNKED, then="is silent")
    text = [{"type": "input_text", "text": "Hello."}]
    message = {"type": "message", "role": "user", "content": text}
    async with realtime(gateway, PATH) as client:
        await client.send("response.create", response={"input": [message]})

        assert (await client.event("response.done"))["response"]["status"] == "failed"
    assert gateway.count("tts", 504, "GET") == 1


async def test_a_text_of_wyomings_has_to_be_spoken_in_time(
    gateway: Served, backend: ScriptedBackend
) -> None:
    backend.script = says(OK_CHUNKED, then="is silent")
    async with wyoming(gateway) as client:
        await client.send("synthesize", text="Hello.")

        assert (await client.error())[0] == "504"


async def test_speech_that_has_begun_may_go_on(patient: Served, backend: ScriptedBackend) -> None:
    async def speaks_slowly(call: BackendCall) -> None:
        await call.whole_media()
        await call.write(OK_CHUNKED + chunk(b"sound"))
        await asyncio.sleep(LATER)
        await call.write(chunk(b"more") + LAST_CHUNK)

    backend.script = speaks_slowly

    response = await patient.speak()

    assert (response.status, response.body, response.whole) == (200, b"soundmore", True)


async def test_transcripts_may_be_later(gateway: Served, backend: ScriptedBackend) -> None:
    async def hears_late(call: BackendCall) -> None:
        await call.whole_media()
        await asyncio.sleep(LATE)
        await hears("hello")(call)

    backend.script = hears_late

    assert (await gateway.ask("POST", "/stt", {}, opus_speech(0.1))).status == 200


async def test_a_client_that_leaves_before_is_no_fault_of_the_backends(
    patient: Served, backend: ScriptedBackend
) -> None:
    backend.script = says(then="is silent")
    async with await patient.connect() as client:
        client.request("POST", "/tts", body=b"Hello.")
        await backend.calls.get()
        client.leave()

    await patient.settled()
    assert (patient.count("tts", 499), patient.count("tts", 504)) == (1, 0)


async def test_a_refusal_has_its_own_time(
    patient: Served, backend: ScriptedBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(call_module, "ERROR_BODY_TIMEOUT", 10 * LATER)

    async def refuses_slowly(call: BackendCall) -> None:
        await call.whole_media()
        await call.write(b"HTTP/1.1 500 Oh\r\nContent-Length: 2\r\n\r\n")
        await asyncio.sleep(LATER)
        await call.write(b"no")

    backend.script = refuses_slowly

    response = await patient.speak()

    assert (response.status, response.body) == (500, b"no")


@pytest.mark.parametrize("status", ["502 Bad Gateway", "504 Gateway Timeout"])
async def test_the_backends_own_status_says_nothing_of_when_to_come_back(
    gateway: Served, backend: ScriptedBackend, status: str
) -> None:
    backend.script = says(answer(b"no", status, "text/plain"))

    assert "retry-after" not in (await gateway.speak()).headers
