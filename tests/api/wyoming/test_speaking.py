"""Texts are spoken, whole or while they are written."""

import asyncio
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.tts import (
    Synthesize,
    SynthesizeChunk,
    SynthesizeStart,
    SynthesizeStop,
    SynthesizeVoice,
)

from speech_gateway.pipelines import Pipeline
from tests.support.backend import BackendCall, ScriptedBackend, answer, hold, says
from tests.support.client import Response
from tests.support.gateway import Served, serving
from tests.support.polling import until
from tests.support.realtime import RATE, speech
from tests.support.speaking_backends import HeldSpeech, speak_at_once
from tests.support.speech import FOX, spoken
from tests.support.wyoming import WyomingClient, message, wyoming

from .conftest import ON

BEGIN = message("synthesize-start") + message("synthesize-chunk", text="More.")
FORM = {"rate": RATE, "width": 2, "channels": 1}
VOICES = """
voices: {anna: {speaker_id: 3}, bob: {speaker_id: 4}, carla: {speaker_id: 5}}
about: {anna: {language: de}, carla: {language: fr}}
"""


class Spoken:
    """A backend's script that speaks at once, and keeps what it was asked to speak."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.pipelines: list[Pipeline] = []

    async def __call__(self, call: BackendCall) -> None:
        self.pipelines.append(Pipeline(call.config.decode()))
        self.texts.append((await call.whole_media()).decode())
        await call.write(answer(spoken(FOX)))

    @property
    def speaker(self) -> object:
        """The number of the speaker that was asked for last."""
        return self.pipelines[-1].param("speaker_id")


@pytest.fixture
def asked(gateway: Served, backend: ScriptedBackend) -> Spoken:
    """What the backend is asked to speak."""
    backend.script = spoken = Spoken()
    return spoken


async def stream(client: WyomingClient, *parts: str) -> None:
    """Send a text in parts, and wait for its end."""
    await client.send(SynthesizeStart())
    for part in parts:
        await client.send(SynthesizeChunk(text=part))
    await client.send(SynthesizeStop())
    await client.event("synthesize-stopped")


async def test_a_text_is_spoken_in_pieces_of_24_khz(client: WyomingClient) -> None:
    await client.send(Synthesize(text=FOX))
    await client.event("audio-stop")

    start, *chunks, stop = client.events
    assert AudioStart.from_event(start) == AudioStart(**FORM, timestamp=0)
    told = [AudioChunk.from_event(chunk) for chunk in chunks]
    assert len(told) > 1
    assert all((chunk.rate, chunk.width, chunk.channels) == (RATE, 2, 1) for chunk in told)
    for chunk, following in pairwise(told):
        assert chunk.timestamp is not None
        assert following.timestamp == pytest.approx(chunk.timestamp + chunk.milliseconds, abs=1)
    assert AudioStop.from_event(stop).timestamp == len(client.samples()) * 1000 // (2 * RATE)
    assert len(client.samples()) == pytest.approx(len(speech(FOX)), rel=0.1)


async def test_the_packages_own_client_hears_it(gateway: Served) -> None:
    samples = 0
    async with AsyncTcpClient("127.0.0.1", gateway.wyoming_port) as client:
        await client.write_event(Synthesize(text=FOX).event())
        while (event := await client.read_event()) is not None:
            if AudioStop.is_type(event.type):
                break
            if AudioChunk.is_type(event.type):
                samples += AudioChunk.from_event(event).samples

    assert samples == pytest.approx(len(speech(FOX)) / 2, rel=0.1)


async def test_the_first_half_is_heard_before_the_second_is_made(
    client: WyomingClient, backend: ScriptedBackend
) -> None:
    backend.script = held = HeldSpeech()
    await client.send(Synthesize(text=FOX))
    await client.event("audio-chunk")

    half = len(client.samples())
    held.go_on.set()
    await client.event("audio-stop")
    assert 0 < half < len(client.samples())


async def test_a_text_that_fits_is_sent_to_the_backend_as_it_is(
    client: WyomingClient, asked: Spoken
) -> None:
    await client.send(Synthesize(text="Ça va?\n*Yes*, thanks.  Fine."))
    await client.event("audio-stop")

    assert asked.texts == ["Ça va?\n*Yes*, thanks.  Fine."]


async def test_a_text_over_the_limit_is_split_at_sentences_and_spoken_whole(
    client: WyomingClient, asked: Spoken
) -> None:
    text = " ".join(f"This is the sentence of number {number}." for number in range(90))
    await client.send(Synthesize(text=text))
    await client.event("audio-stop")

    assert len(text) > 3000
    assert " ".join(asked.texts) == text
    assert all(len(piece) <= 1000 and piece.endswith(".") for piece in asked.texts)
    assert client.kinds().count("audio-start") == 1


@pytest.mark.parametrize(
    ("voice", "speaker"),
    [
        ({"name": "bob"}, 4),
        ({"name": "BOB"}, 4),
        ({"name": "anna", "speaker": "bob"}, 4),
        ({"speaker": "bob"}, 4),
        ({"language": "fr"}, 5),
        ({"language": "fr-CA"}, 5),
        ({"language": "en_US"}, 4),
        ("bob", 4),
        ({}, 3),
        (None, 3),
    ],
)
async def test_the_voice_is_the_one_that_is_asked_for(
    backend: ScriptedBackend, tmp_path: Path, voice: dict[str, str] | str | None, speaker: int
) -> None:
    own = tmp_path / "voices.yml"
    own.write_text(VOICES)
    backend.script = asked = Spoken()
    async with serving(backend.url, *ON, "--voices", str(own)) as gateway:
        async with wyoming(gateway) as client:
            await client.send("synthesize", text=FOX, **({} if voice is None else {"voice": voice}))
            await client.event("audio-stop")

    assert asked.speaker == speaker


async def test_the_voice_of_a_text_in_parts_is_told_before_them(
    client: WyomingClient, asked: Spoken
) -> None:
    await client.send(SynthesizeStart(voice=SynthesizeVoice(name="onyx")))
    await client.send(SynthesizeChunk(text=FOX))
    await client.send(SynthesizeStop())
    await client.event("synthesize-stopped")

    assert asked.speaker == 2


@pytest.mark.parametrize(
    ("voice", "lack"),
    [
        ({"name": "nobody"}, "no voice of that name"),
        ({"name": ["alloy"]}, "no voice of that name"),
        ({"name": "alloy", "speaker": "nobody"}, "no voice of that speaker"),
        ({"language": "xx"}, "no voice of that language"),
        ({"language": {}}, "no voice of that language"),
        (["alloy"], "no voice in such a form"),
    ],
)
@pytest.mark.parametrize("kind", ["synthesize", "synthesize-start"])
async def test_a_voice_that_is_not_there_is_refused_with_those_that_are(
    client: WyomingClient, kind: str, voice: object, lack: str
) -> None:
    await client.send(kind, text=FOX, voice=voice)

    code, text = await client.error()
    assert code == "400"
    assert text.startswith(f"there is {lack}; there are alloy, ash,")


@pytest.mark.parametrize("data", [{}, {"text": ""}, {"text": " \n"}, {"text": None}, {"text": 7}])
async def test_no_text_is_refused(client: WyomingClient, data: dict[str, object]) -> None:
    await client.send("synthesize", **data)

    code, text = await client.error()
    assert code == "400"
    assert "text" in text


@pytest.mark.parametrize("kind", ["synthesize", "synthesize-start"])
async def test_markup_is_refused_where_it_is_told_of(client: WyomingClient, kind: str) -> None:
    await client.send(kind, text="<speak>Hello.</speak>", text_format="ssml")

    assert await client.error() == ("400", "text_format is text, the only one that is spoken")


async def test_half_a_surrogate_pair_does_not_keep_the_rest_from_being_spoken(
    client: WyomingClient, asked: Spoken
) -> None:
    client.raw.write(b'{"type": "synthesize", "data": {"text": "Hello \\ud83d there."}}\n')
    await client.event("audio-stop")

    assert asked.texts == ["Hello ? there."]


async def test_a_sentence_is_heard_before_the_last_one_is_written(
    client: WyomingClient, asked: Spoken
) -> None:
    await client.send(SynthesizeStart())
    await client.send(SynthesizeChunk(text="Good morning. The "))
    await client.event("audio-chunk")
    assert asked.texts == ["Good morning."]

    await client.send(SynthesizeChunk(text="weather is fine."))
    await client.send(SynthesizeStop())
    await client.event("synthesize-stopped")
    assert asked.texts == ["Good morning.", "The weather is fine."]
    assert [kind for kind in client.kinds() if kind != "audio-chunk"] == [
        "audio-start",
        "audio-stop",
        "synthesize-stopped",
    ]
    assert len(client.samples()) == pytest.approx(2 * len(speech(FOX)), rel=0.1)


async def test_the_whole_text_behind_its_parts_is_for_older_servers(
    client: WyomingClient, asked: Spoken
) -> None:
    await client.send(SynthesizeStart())
    await client.send(SynthesizeChunk(text="Good morning."))
    await client.send(Synthesize(text="Good morning."))
    await client.send(SynthesizeStop())
    await client.event("synthesize-stopped")

    assert asked.texts == ["Good morning."]


@pytest.mark.parametrize("parts", [(), ("",), (" ", "\n"), ("😀 ... " * 300,)], ids=len)
async def test_a_text_in_parts_without_anything_to_say_is_no_speech_of_no_length(
    gateway: Served, client: WyomingClient, asked: Spoken, parts: tuple[str, ...]
) -> None:
    await client.send(SynthesizeStart())
    for part in parts:
        await client.send(SynthesizeChunk(text=part))
    await client.send(SynthesizeStop())

    assert await client.error() == ("400", "there is nothing in the text to be spoken")
    assert gateway.count("tts", 400, "other") == 1
    assert asked.texts == []


async def test_a_long_text_without_anything_to_say_is_refused(client: WyomingClient) -> None:
    await client.send(Synthesize(text="😀 ... " * 300))

    assert await client.error() == ("400", "there is nothing in the text to be spoken")


async def test_a_byte_order_mark_is_no_part_of_the_text(
    client: WyomingClient, asked: Spoken
) -> None:
    await client.send(Synthesize(text="\ufeffHello."))
    await client.event("audio-stop")

    assert asked.texts == ["Hello."]


async def test_texts_are_spoken_one_after_another_on_a_connection(
    client: WyomingClient, asked: Spoken
) -> None:
    for text in ("One.", "Two.", "Three."):
        await client.send(Synthesize(text=text))
    for _ in range(3):
        await client.event("audio-stop")

    assert asked.texts == ["One.", "Two.", "Three."]


async def test_no_slot_is_held_while_the_next_part_is_waited_for(
    backend: ScriptedBackend,
) -> None:
    backend.script = speak_at_once
    async with serving(backend.url, *ON, "--max-concurrency=1", "--max-queue=0") as gateway:
        async with wyoming(gateway) as client:
            await client.send(SynthesizeStart())
            await client.send(SynthesizeChunk(text="Good morning. The "))
            await until(lambda: gateway.count("tts", 200, "other"), equals=1)

            assert (await gateway.speak()).status == 200
            await client.send(SynthesizeStop())
            await client.event("synthesize-stopped")


async def test_pings_are_answered_while_a_text_is_spoken(
    client: WyomingClient, backend: ScriptedBackend
) -> None:
    release = hold(backend)
    await client.send(Synthesize(text=FOX))
    await until(lambda: backend.seen, equals=1)
    await client.send("ping", text="still there?")

    assert (await client.event()).type == "pong"
    release.set()
    await client.error()


async def test_each_piece_is_counted_and_logged_as_a_request(
    gateway: Served, client: WyomingClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    await stream(client, "The weather is fine. " * 100)
    await gateway.settled()

    labels = {"api": "wyoming", "endpoint": "tts", "code": "200"}
    counted = gateway.sample("gateway_api_requests_total", **labels)
    assert counted == gateway.count("tts", 200, "other") >= 2
    lines = [r.__dict__["fields"] for r in caplog.records if "synthesize ended" in r.getMessage()]
    assert len(lines) == counted
    assert {line["client"] for line in lines} == {"127.0.0.1"}
    assert sum(line["bytes_out"] for line in lines) == len(client.samples())
    assert len({line["request_id"] for line in lines}) == counted


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (says(b"HTTP/1.1 500 No\r\nContent-Length: 6\r\n\r\nBroken"), "500"),
        (says(b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n"), "502"),
        (says(then="resets"), "502"),
        (says(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nHTML"), "502"),
    ],
)
async def test_a_backend_that_fails_is_told_and_nothing_is_spoken(
    gateway: Served, client: WyomingClient, backend: ScriptedBackend, said: Any, code: str
) -> None:
    backend.script = said
    await client.send(Synthesize(text=FOX))

    assert (await client.error())[0] == code
    assert client.kinds() == ["error"]
    await until(lambda: gateway.count("tts", int(code), "other"), equals=1)


async def _read_slowly(client: WyomingClient) -> None:
    """Read up to an error, as one does who has other things to do."""
    while (await client.event()).type != "error":
        await asyncio.sleep(0.005)


@pytest.mark.parametrize("behind", [b"", message("synthesize", text=FOX), BEGIN])
async def test_speech_that_breaks_off_is_reset_whatever_was_asked_for_behind_it(
    gateway: Served, client: WyomingClient, backend: ScriptedBackend, behind: bytes
) -> None:
    backend.script = held = HeldSpeech(breaks_off=True)
    client.raw.write(message("synthesize", text=FOX) + behind)
    await client.event("audio-chunk")
    held.go_on.set()

    await _read_slowly(client)
    assert client.events[-1].data["code"] == "502"
    with pytest.raises(ConnectionResetError):
        await client.raw.reader.read()
    await gateway.settled()
    assert gateway.count("tts", 502, "other") == 1


async def test_a_client_that_ends_its_side_amid_speech_does_not_take_it_for_all(
    client: WyomingClient, backend: ScriptedBackend
) -> None:
    backend.script = HeldSpeech()
    await client.send(Synthesize(text=FOX))
    await client.event("audio-chunk")
    client.raw.writer.write_eof()

    with pytest.raises(ConnectionResetError):
        await client.raw.reader.read()


@pytest.mark.parametrize("streamed", [False, True])
async def test_speech_that_breaks_off_is_reset_and_not_ended_as_if_it_were_whole(
    client: WyomingClient, backend: ScriptedBackend, *, streamed: bool
) -> None:
    backend.script = held = HeldSpeech(breaks_off=True)
    if streamed:
        await client.send(SynthesizeStart())
        await client.send(SynthesizeChunk(text=f"{FOX} And"))
    else:
        await client.send(Synthesize(text=FOX))
    await client.event("audio-chunk")
    held.go_on.set()

    assert (await client.event("error")).data["code"] == "502"
    with pytest.raises(ConnectionResetError):
        await client.raw.reader.read()
    assert not {"audio-stop", "synthesize-stopped"} & set(client.kinds())


async def test_what_it_speaks_is_what_openais_clients_hear(backend: ScriptedBackend) -> None:
    backend.script = speak_at_once
    async with serving(backend.url, *ON, "--openai") as gateway, wyoming(gateway) as client:
        await client.send(Synthesize(text=FOX))
        await client.event("audio-stop")
        body = b'{"input": "a", "voice": "alloy", "response_format": "pcm"}'
        headers = {"Content-Type": "application/json"}
        ordered: Response = await gateway.ask("POST", "/v1/audio/speech", headers, body)

    assert client.samples() == ordered.body
