"""What clients are told that ask what there is."""

import socket
from pathlib import Path

import pytest
from wyoming.asr import Transcribe
from wyoming.client import AsyncTcpClient
from wyoming.info import Describe, Info

from speech_gateway import __version__
from speech_gateway.api.languages import NAMES
from speech_gateway.pipelines import voices
from tests.support.backend import ScriptedBackend, hold
from tests.support.engine import StandaloneEngine
from tests.support.gateway import Served, serving
from tests.support.polling import until
from tests.support.realtime import speech
from tests.support.wyoming import WyomingClient, message, wyoming

from .conftest import ON


async def described(client: WyomingClient) -> Info:
    await client.send(Describe())
    return Info.from_event(await client.event())


async def languages(backend_url: str, *flags: str) -> list[str]:
    async with serving(backend_url, *ON, *flags) as gateway, wyoming(gateway) as client:
        (program,) = (await described(client)).asr
    return program.models[0].languages


async def test_the_packages_own_client_is_told_of_both_programs(gateway: Served) -> None:
    async with AsyncTcpClient("127.0.0.1", gateway.wyoming_port) as client:
        await client.write_event(Describe().event())
        event = await client.read_event()

    assert event is not None
    info = Info.from_event(event)
    for program in (*info.asr, *info.tts):
        assert (program.name, program.version) == ("speech-gateway", __version__)
    (asr,), (tts,) = info.asr, info.tts
    assert asr.supports_transcript_streaming
    assert tts.supports_synthesize_streaming
    for artifact in (asr, tts, *asr.models, *tts.voices):
        assert artifact.installed
        assert artifact.attribution.name
        assert artifact.attribution.url


async def test_all_voices_are_told_in_their_order(client: WyomingClient) -> None:
    (program,) = (await described(client)).tts

    assert [voice.name for voice in program.voices] == list(voices.load().params)


async def test_voices_of_the_operators_are_told_with_what_he_says_of_them(
    backend: ScriptedBackend, tmp_path: Path
) -> None:
    own = tmp_path / "voices.yml"
    own.write_text(
        "voices: {anna: {speaker_id: 3}, bob: {speaker_id: 4}}\n"
        "about: {anna: {language: de, description: a calm voice}}\n"
    )
    async with serving(backend.url, *ON, "--voices", str(own)) as gateway:
        async with wyoming(gateway) as client:
            anna, bob = (await described(client)).tts[0].voices

    assert (anna.languages, anna.description) == (["de"], "anna: a calm voice")
    assert (bob.languages, bob.description) == (["en"], "bob")


async def test_the_languages_are_those_that_the_backend_tells(engine: StandaloneEngine) -> None:
    assert await languages(engine.url) == ["en"]


async def test_a_backend_that_does_not_tell_is_expected_to_know_whispers_languages(
    backend: ScriptedBackend,
) -> None:
    told = await languages(backend.url)

    assert told[0] == "en"  # the pipeline's own
    assert sorted(told) == sorted(NAMES)


async def test_a_model_for_english_alone_is_known_by_its_name(backend: ScriptedBackend) -> None:
    assert await languages(backend.url, "--stt-model", "models/ggml-base.en-q5_1.bin") == ["en"]


async def test_the_model_is_named_as_its_file(backend: ScriptedBackend) -> None:
    async with serving(backend.url, *ON, "--stt-model", "models/ggml-base.bin") as gateway:
        async with wyoming(gateway) as client:
            assert (await described(client)).asr[0].models[0].name == "ggml-base"


async def test_clients_are_told_in_time_while_the_backend_is_silent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        async with serving(url, *ON) as gateway, wyoming(gateway) as client:
            await client.send(Describe())
            # Home Assistant waits for a second; a busy machine may take some time beside.
            assert (await client.event(timeout=2.0)).type == "info"


async def test_clients_are_told_while_all_slots_are_taken(backend: ScriptedBackend) -> None:
    hold(backend)
    async with serving(backend.url, *ON, "--max-concurrency=1", "--max-queue=0") as gateway:
        async with wyoming(gateway) as busy, wyoming(gateway) as client:
            await busy.send(Transcribe())
            await busy.say(speech())
            await until(lambda: backend.seen, equals=1)

            await described(client)


@pytest.mark.parametrize(("asked", "answer"), [("describe", b'"info"'), ("ping", b'"pong"')])
async def test_one_who_asks_again_and_again_keeps_nobody_waiting(
    gateway: Served, client: WyomingClient, asked: str, answer: bytes
) -> None:
    many = 1000
    async with wyoming(gateway) as other:
        await other.send("ping", text="x")
        await other.event("pong")
        client.raw.write(message(asked) * many)
        await other.send("ping", text="x")
        await other.event("pong")

        answered = client.raw.reader._buffer.count(answer)  # type: ignore[attr-defined]
    assert answered < many / 4


async def test_a_pings_text_is_one_that_utf_8_can_encode(client: WyomingClient) -> None:
    client.raw.write(b'{"type": "ping", "data": {"text": "\\ud800?"}}\n')

    assert (await client.event()).data == {"text": "??"}


@pytest.mark.parametrize("text", ["are you there?", None])
async def test_a_ping_is_answered_with_its_text(client: WyomingClient, text: str | None) -> None:
    await client.send("ping", text=text)

    pong = await client.event()
    assert (pong.type, pong.data) == ("pong", {"text": text})
