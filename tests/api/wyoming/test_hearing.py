"""Audio is transcribed while it comes."""

import asyncio
from itertools import pairwise
from typing import Any

import pytest
from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.tts import Synthesize

from speech_gateway.pipelines import Pipeline
from speech_gateway.server import upload_rate
from tests.support.audio import heard
from tests.support.backend import (
    BackendCall,
    ScriptedBackend,
    answer,
    hears_in_two,
    hold,
    says,
    transcript,
)
from tests.support.engine import StandaloneEngine
from tests.support.gateway import Served, serving
from tests.support.polling import until
from tests.support.realtime import RATE, speech
from tests.support.speech import FOX
from tests.support.wyoming import AUDIO, PIECE, WyomingClient, message, wyoming

from .conftest import HEARD, ON

STREAMED = ["transcript-start", "transcript-chunk", "transcript", "transcript-stop"]


class Heard:
    """A backend's script that keeps what it was given, and hears the same in everything."""

    def __init__(self) -> None:
        self.audio: list[bytes] = []
        self.pipelines: list[Pipeline] = []

    async def __call__(self, call: BackendCall) -> None:
        self.pipelines.append(Pipeline(call.config.decode()))
        self.audio.append(await call.whole_media())
        await call.write(answer(transcript(HEARD), content_type="application/json"))

    @property
    def seconds(self) -> float:
        """How long the audio is that came last."""
        samples, rate = heard(self.audio[-1])
        return len(samples) / rate


@pytest.fixture
def given(gateway: Served, backend: ScriptedBackend) -> Heard:
    """What the backend is given to hear."""
    backend.script = keeps = Heard()
    return keeps


async def test_audio_becomes_text(client: WyomingClient) -> None:
    assert await client.transcribe(speech()) == HEARD
    await client.event("transcript-stop")

    assert client.kinds() == STREAMED
    assert client.events[1].data == {"text": HEARD}


async def test_the_packages_own_client_reads_it(gateway: Served) -> None:
    async with AsyncTcpClient("127.0.0.1", gateway.wyoming_port) as client:
        await client.write_event(Transcribe(language="en").event())
        await client.write_event(AudioStart(**AUDIO).event())
        await client.write_event(AudioChunk(**AUDIO, audio=speech()).event())
        await client.write_event(AudioStop().event())
        while (event := await client.read_event()) is not None:
            if Transcript.is_type(event.type):
                break

    assert event is not None
    assert Transcript.from_event(event).text == HEARD


async def test_what_is_spoken_is_heard_again_with_the_same_words(engine: StandaloneEngine) -> None:
    async with serving(engine.url, *ON) as gateway, wyoming(gateway) as client:
        await client.send(Synthesize(text=FOX))
        await client.event("audio-stop", timeout=20)
        samples = client.samples()
        await client.send(Transcribe(language="en"))
        await client.say(samples)
        await client.send("audio-stop")
        told = await client.event("transcript", timeout=20)

    assert told.data == {"text": FOX, "language": "en"}


async def test_words_come_while_one_still_speaks(
    client: WyomingClient, backend: ScriptedBackend
) -> None:
    backend.script = hears_in_two("The quick", "brown fox.")
    await client.say(speech())
    first = await client.event("transcript-chunk")
    await client.send("audio-stop")
    second = await client.event("transcript-chunk")
    whole = await client.event("transcript")

    assert first.data["text"] == "The quick"
    assert first.data["text"] + second.data["text"] == whole.data["text"] == "The quick brown fox."


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("width", [1, 2, 3, 4])
@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 48_000])
async def test_samples_may_be_of_any_usual_kind(
    client: WyomingClient, given: Heard, rate: int, width: int, channels: int
) -> None:
    second = bytes(rate * width * channels)
    for piece in (second[: len(second) // 2], second[len(second) // 2 :]):
        await client.send("audio-chunk", piece, rate=rate, width=width, channels=channels)
    await client.send("audio-stop")
    await client.event("transcript")

    assert given.seconds == pytest.approx(1.0, abs=0.05)


async def test_the_kind_of_samples_may_be_told_before_them_alone(
    client: WyomingClient, given: Heard
) -> None:
    await client.send("audio-start", rate=16_000, width=2, channels=1)
    await client.send("audio-chunk", bytes(32_000))
    await client.send("audio-stop")
    await client.event("transcript")

    assert given.seconds == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("order", [("transcribe", "audio-start"), ("audio-start", "transcribe")])
async def test_the_request_may_come_before_or_behind_the_start_of_the_audio(
    client: WyomingClient, given: Heard, order: tuple[str, str]
) -> None:
    data: dict[str, Any] = {"transcribe": {"language": "de"}, "audio-start": AUDIO}
    for kind in order:
        await client.send(kind, **data[kind])
    await client.say(speech())
    await client.send("audio-stop")
    await client.event("transcript")

    assert given.pipelines[-1].param("language") == "de"


@pytest.mark.parametrize(
    ("told", "expected"),
    [("de", "de"), ("de-AT", "de"), ("en", "en"), ("en_US", "en"), ("", "en"), (None, "en")],
)
async def test_the_language_is_the_one_that_is_told(
    client: WyomingClient, given: Heard, told: str | None, expected: str
) -> None:
    await client.transcribe(speech(), language=told)

    assert given.pipelines[-1].param("language") == expected


async def test_a_language_counts_for_the_audio_behind_it_alone(
    client: WyomingClient, given: Heard
) -> None:
    await client.transcribe(speech(), language="de")
    await client.say(speech())
    await client.send("audio-stop")
    await client.event("transcript")

    assert [one.param("language") for one in given.pipelines] == ["de", "en"]


@pytest.mark.parametrize("language", ["no language", 7, ["en"]])
async def test_what_is_no_language_is_refused(client: WyomingClient, language: object) -> None:
    await client.send("transcribe", language=language)
    await client.say(speech())

    assert await client.error() == ("400", "a language is a code like en or en-US")


async def test_a_language_that_the_backend_does_not_know_is_refused(
    engine: StandaloneEngine,
) -> None:
    async with serving(engine.url, *ON) as gateway, wyoming(gateway) as client:
        await client.send("transcribe", language="fr")
        await client.say(speech())

        code, text = await client.error()
    assert code == "400"
    assert "en" in text


@pytest.mark.parametrize(
    "form",
    [
        {"rate": 0, "width": 2, "channels": 1},
        {"rate": 1e9, "width": 2, "channels": 1},
        {"rate": 10**9, "width": 2, "channels": 1},
        {"rate": -16_000, "width": 2, "channels": 1},
        {"rate": "16000", "width": 2, "channels": 1},
        {"rate": 16_000, "width": 0, "channels": 1},
        {"rate": 16_000, "width": 8, "channels": 1},
        {"rate": 16_000, "width": 2, "channels": 0},
        {"rate": 16_000, "width": 2, "channels": 9},
        {"rate": 16_000, "width": 2, "channels": True},
        {"rate": 16_000, "width": 2},
        {},
    ],
    ids=str,
)
async def test_samples_of_no_usual_kind_are_refused(
    gateway: Served, client: WyomingClient, form: dict[str, object]
) -> None:
    await client.send("audio-chunk", bytes(1000), **form)

    code, text = await client.error()
    assert (code, text.startswith("audio has a rate from ")) == ("400", True)
    await until(lambda: gateway.count("stt", 400, "other"), equals=1)


async def test_an_end_of_audio_counts_once(client: WyomingClient) -> None:
    await client.transcribe(speech())
    await client.event("transcript-stop")
    await client.send("audio-stop")

    assert (await client.error())[0] == "400"


async def test_what_kind_of_audio_comes_is_told_anew_for_each(client: WyomingClient) -> None:
    await client.transcribe(speech())
    await client.event("transcript-stop")
    await client.send("audio-chunk", b"samples!")

    assert (await client.error())[0] == "400"


@pytest.mark.parametrize("sent", [b"", message("transcribe")])
async def test_an_end_of_audio_that_was_not_begun_is_refused(
    client: WyomingClient, sent: bytes
) -> None:
    client.raw.write(sent + message("audio-stop"))

    code, text = await client.error()
    assert (code, text.startswith("there is no audio")) == ("400", True)


@pytest.mark.parametrize("kind", ["audio-start", "audio-chunk"])
async def test_nothing_is_heard_in_audio_without_samples(
    gateway: Served, client: WyomingClient, backend: ScriptedBackend, kind: str
) -> None:
    for _ in range(2):  # a satellite that is woken in silence, and again
        await client.send(kind, **AUDIO)
        await client.send("audio-stop")

        assert (await client.event("transcript")).data["text"] == ""
        await client.event("transcript-stop")
    assert backend.seen == 0
    assert gateway.inflight("stt") == 0


async def test_more_audio_than_is_allowed_is_refused(backend: ScriptedBackend) -> None:
    most = 100 * PIECE
    backend.script = Heard()
    async with serving(backend.url, *ON, f"--max-upload-bytes={most}") as gateway:
        async with wyoming(gateway) as client:
            assert await client.transcribe(bytes(most)) == HEARD
            await client.event("transcript-stop")
            await client.say(bytes(most) + b"\0\0")

            assert (await client.error())[0] == "413"
        await until(lambda: gateway.count("stt", 413, "other"), equals=1)
        await gateway.settled()


async def test_audio_that_comes_far_too_slowly_is_given_up(
    client: WyomingClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload_rate, "WINDOW", 0.2)
    second = speech()[: RATE * 2]
    await client.say(second[:PIECE])
    for at in range(0, len(second), 2):
        if client.raw.reader._buffer:  # type: ignore[attr-defined]
            break
        await client.send("audio-chunk", second[at : at + 2], **AUDIO)
        await asyncio.sleep(0.02)

    assert (await client.error())[0] == "408"


async def test_what_is_said_while_all_slots_are_taken_is_heard_when_one_is_free(
    backend: ScriptedBackend,
) -> None:
    async with serving(backend.url, *ON, "--max-concurrency=1") as gateway:
        release = hold(backend)
        speaking = asyncio.create_task(gateway.speak())
        await until(lambda: backend.seen, equals=1)
        async with wyoming(gateway) as client:
            await client.say(speech())
            await client.send("audio-stop")
            await until(lambda: gateway.waiting("stt"), equals=1)
            backend.script = Heard()
            release.set()

            assert (await client.event("transcript")).data["text"] == HEARD
        await speaking


async def test_more_than_is_kept_is_read_more_slowly(backend: ScriptedBackend) -> None:
    long = bytes(4 * 1024 * 1024)
    async with serving(backend.url, *ON, "--max-concurrency=1") as gateway:
        release = hold(backend)
        speaking = asyncio.create_task(gateway.speak())
        await until(lambda: backend.seen, equals=1)
        async with wyoming(gateway) as client:
            saying = asyncio.create_task(client.say(long))
            await until(lambda: gateway.waiting("stt"), equals=1)
            backend.script = given = Heard()
            assert not saying.done()
            release.set()
            await saying
            await client.send("audio-stop")
            await client.event("transcript", timeout=20)
        await speaking

    assert given.seconds == pytest.approx(len(long) / 2 / RATE, rel=0.01)


async def test_two_utterances_on_a_connection_are_two_requests(
    gateway: Served, client: WyomingClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    for _ in range(2):
        await client.transcribe(speech())
    await gateway.settled()

    labels = {"api": "wyoming", "endpoint": "stt", "code": "200"}
    assert gateway.sample("gateway_api_requests_total", **labels) == 2
    assert gateway.sample("gateway_live_transcript_seconds_count", endpoint="stt") == 2
    lines = [r.__dict__["fields"] for r in caplog.records if "transcribe ended" in r.getMessage()]
    assert [line["bytes_in"] for line in lines] == [len(speech())] * 2
    assert all(a["request_id"] != b["request_id"] for a, b in pairwise(lines))


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (says(then="resets"), "502"),
        (says(answer(b"<html>", content_type="text/html")), "502"),
        (says(answer(b"no transcript", content_type="application/json")), "502"),
        (says(answer(b"no such model", "404 Not Found", "text/plain")), "404"),
    ],
)
async def test_a_backend_that_fails_is_told_and_nothing_is_heard(
    gateway: Served, client: WyomingClient, backend: ScriptedBackend, said: Any, code: str
) -> None:
    backend.script = said
    await client.say(speech())
    await client.send("audio-stop")

    assert (await client.error())[0] == code
    assert "transcript" not in client.kinds()
    await until(lambda: gateway.count("stt", int(code), "other"), equals=1)


async def test_an_answer_that_ends_while_one_still_speaks_was_cut(
    client: WyomingClient, backend: ScriptedBackend
) -> None:
    async def ends_early(call: BackendCall) -> None:
        await call.media()
        await call.write(answer(transcript("The quick"), content_type="application/json"))

    backend.script = ends_early
    await client.say(speech())

    assert (await client.error())[0] == "502"
    assert "transcript" not in client.kinds()
