"""Spans of what is said on live connections."""

from wyoming.tts import Synthesize

from tests.api.realtime.test_speaking import asks_for, audio_of
from tests.api.wyoming.conftest import ON, speak_and_hear
from tests.support.audio import opus_speech
from tests.support.backend import ScriptedBackend, answer, kept_media
from tests.support.collector import SERVER, Collector, tracing
from tests.support.realtime import PATH, realtime, speech
from tests.support.wyoming import wyoming


async def test_what_is_asked_for_by_wyoming_has_a_span_and_one_of_its_call(
    backend: ScriptedBackend, collector: Collector
) -> None:
    backend.script, said = speak_and_hear, speech()
    async with tracing(backend.url, collector, *ON) as gateway, wyoming(gateway) as client:
        await client.send(Synthesize(text="Hello."))
        await client.event("audio-stop")
        server, call = await collector.two()

        assert (server.name, server.parent_id) == ("wyoming tts", "")
        assert call.parent_id == server.span_id
        assert server.attributes["speech_gateway.code"] == 200
        assert server.attributes["speech_gateway.request_id"].endswith(".1.1")
        assert "http.response.status_code" not in server.attributes

        await client.transcribe(said)
        heard = (await collector.some(4))[-1]
        assert (heard.name, heard.failed) == ("wyoming stt", False)


async def test_what_is_refused_by_wyoming_has_a_span_too(
    backend: ScriptedBackend, collector: Collector
) -> None:
    async with tracing(backend.url, collector, *ON) as gateway, wyoming(gateway) as client:
        await client.send(Synthesize(text=" "))
        await client.error()
        (server,) = await collector.some(1)

    assert server.attributes["speech_gateway.code"] == 400


async def test_what_is_said_on_a_realtime_connection_is_within_its_span(
    backend: ScriptedBackend, collector: Collector
) -> None:
    kept_media(backend, answer(opus_speech(1.0)))
    async with tracing(backend.url, collector, "--openai") as gateway:
        async with realtime(gateway, f"{PATH}?model=tts-1") as client:
            await client.send("response.create", response=asks_for("Hello there."))
            await audio_of(client)
            said, _ = await collector.two()
        connection = (await collector.some(3))[-1]

    assert (said.name, said.trace_id) == ("realtime tts", connection.trace_id)
    assert said.parent_id == connection.span_id
    assert (connection.kind, connection.name) == (SERVER, "GET /v1/realtime")
    assert connection.attributes["http.response.status_code"] == 101
    assert connection.seconds > said.seconds
