"""How utterances wait for their turn, and what a pause is used for."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_gateway.embedded.hearing import transcription
from speech_gateway.embedded.hearing.transcriber import HearingError, Transcriber
from speech_gateway.embedded.hearing.transcription import Transcription
from speech_gateway.embedded.hearing.utterance_frames import SOUND, UtteranceReader, packed
from speech_gateway.embedded.hearing.whisper_model import Heard, Word
from speech_gateway.embedded.pipeline_params import TranscribePlan
from speech_gateway.media.utterances import Utterance
from tests.support.polling import until

PLAN = TranscribePlan()


@dataclass
class HeldModel:
    """Hears the samples as a text, when it is allowed to."""

    go_on: threading.Event = field(default_factory=threading.Event)
    heard: list[bytes] = field(default_factory=list)

    def transcribe(self, samples: bytes, _plan: TranscribePlan) -> Heard | None:
        self.heard.append(samples)
        assert self.go_on.wait(10)
        if samples == b"fails!":
            raise RuntimeError("out of memory")
        words = [Word("a", 0.0, 0.1, 0.5), Word("b", 0.1, 9.9, 0.5)]
        return Heard(samples.decode(), "en", 0.5, words) if samples else None


class AskedTranscriber(Transcriber):
    """Tells whether it was asked for a turn that nobody needs."""

    asked = False

    @property
    def has_spare(self) -> bool:
        self.asked = True
        return super().has_spare


@pytest.fixture
def model() -> Iterator[HeldModel]:
    held = HeldModel()
    yield held
    held.go_on.set()


async def test_no_more_are_transcribed_at_once_than_there_are_threads(model: HeldModel) -> None:
    transcriber = Transcriber(model, 2)
    waiting = [
        asyncio.create_task(transcriber.transcribe(b"%d" % number, PLAN)) for number in range(5)
    ]
    await until(lambda: len(model.heard), equals=2)
    assert not transcriber.has_spare

    model.go_on.set()

    assert [heard.text for heard in await asyncio.gather(*waiting) if heard] == list("01234")
    assert model.heard[2:] == [b"2", b"3", b"4"], "first come, first served"
    assert transcriber.has_spare


async def test_a_short_utterance_passes_a_long_one_that_came_a_little_earlier(
    model: HeldModel,
) -> None:
    transcriber = Transcriber(model, 1)
    first = asyncio.create_task(transcriber.transcribe(b"first", PLAN))
    await until(lambda: len(model.heard), equals=1)
    long, short = b"l" * 20 * 32_000, b"s" * 32_000
    waiting = [asyncio.create_task(transcriber.transcribe(one, PLAN)) for one in (long, short)]
    await asyncio.sleep(0)

    model.go_on.set()

    await asyncio.gather(first, *waiting)
    assert model.heard == [b"first", short, long]


async def test_who_leaves_just_when_its_turn_comes_passes_it_on(model: HeldModel) -> None:
    model.go_on.set()
    transcriber = Transcriber(model, 1)
    first = asyncio.create_task(transcriber.transcribe(b"first", PLAN))
    leaves = asyncio.create_task(transcriber.transcribe(b"leaves", PLAN))
    last = asyncio.create_task(transcriber.transcribe(b"last", PLAN))
    first.add_done_callback(lambda _: leaves.cancel())

    await asyncio.gather(first, last)

    assert transcriber.has_spare or not leaves.done()
    await until(lambda: transcriber.has_spare, equals=True)


async def test_who_leaves_gives_the_turn_back_when_the_thread_is_done(model: HeldModel) -> None:
    transcriber = Transcriber(model, 1)
    leaves = asyncio.create_task(transcriber.transcribe(b"gone", PLAN))
    await until(lambda: len(model.heard), equals=1)

    leaves.cancel()
    await asyncio.gather(leaves, return_exceptions=True)
    assert not transcriber.has_spare, "the thread goes on"
    model.go_on.set()

    await until(lambda: transcriber.has_spare, equals=True)


async def test_who_leaves_before_its_turn_takes_none(model: HeldModel) -> None:
    transcriber = Transcriber(model, 1)
    first = asyncio.create_task(transcriber.transcribe(b"first", PLAN))
    await until(lambda: len(model.heard), equals=1)
    leaves = asyncio.create_task(transcriber.transcribe(b"leaves", PLAN))
    last = asyncio.create_task(transcriber.transcribe(b"last", PLAN))
    await asyncio.sleep(0)

    leaves.cancel()
    model.go_on.set()

    await asyncio.gather(first, last)
    assert model.heard == [b"first", b"last"]


async def test_a_failure_gives_the_turn_back(model: HeldModel) -> None:
    transcriber = Transcriber(model, 1)
    model.go_on.set()

    with pytest.raises(HearingError, match="RuntimeError: out of memory"):
        await transcriber.transcribe(b"fails!", PLAN)

    assert transcriber.has_spare


def pause(text: bytes) -> Utterance:
    return Utterance(0, text, ended=False)


def end(text: bytes) -> Utterance:
    return Utterance(0, text, ended=True)


async def lines_of(
    model: HeldModel, utterances: AsyncIterator[Utterance | None], plan: TranscribePlan = PLAN
) -> list[str]:
    lines = Transcription(Transcriber(model, 1), plan).lines(utterances)
    return [json.loads(line)["Transcription"]["text"] async for line in lines if line]


async def test_a_live_pause_is_transcribed_before_it_is_known_to_be_the_end(
    model: HeldModel,
) -> None:
    async def live() -> AsyncIterator[Utterance | None]:
        yield pause(b"hello!")
        await until(lambda: model.heard, equals=[b"hello!"])
        model.go_on.set()
        yield end(b"hello!")

    assert await lines_of(model, live()) == ["hello!"]
    assert model.heard == [b"hello!"], "once"


async def test_a_pause_in_a_file_is_not_transcribed_by_itself(model: HeldModel) -> None:
    async def file() -> AsyncIterator[Utterance | None]:
        yield pause(b"hello ")
        yield pause(b"hello there ")
        yield end(b"hello there you")

    model.go_on.set()

    assert await lines_of(model, file()) == ["hello there you"]
    assert model.heard == [b"hello there you"]


async def test_a_speaker_who_goes_on_is_heard_whole(model: HeldModel) -> None:
    async def goes_on() -> AsyncIterator[Utterance | None]:
        yield pause(b"hello ")
        await until(lambda: model.heard, equals=[b"hello "])
        model.go_on.set()
        yield end(b"hello there")

    assert await lines_of(model, goes_on()) == ["hello there"]
    assert model.heard == [b"hello ", b"hello there"]


async def test_nobody_waits_for_a_pause_of_another(
    model: HeldModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transcription, "LIVE", 0.0)
    transcriber = AskedTranscriber(model, 2)
    busy = asyncio.create_task(transcriber.transcribe(b"busy", PLAN))
    await until(lambda: model.heard, equals=[b"busy"])

    async def live() -> AsyncIterator[Utterance | None]:
        yield pause(b"hello!")
        await until(lambda: transcriber.asked)
        yield None

    async for _ in Transcription(transcriber, PLAN).lines(live()):
        another = asyncio.create_task(transcriber.transcribe(b"another", PLAN))
        await until(lambda: len(model.heard), equals=2)
        assert model.heard == [b"busy", b"another"]
    model.go_on.set()
    await asyncio.gather(busy, another)


async def test_words_stay_within_their_utterance(model: HeldModel) -> None:
    async def file() -> AsyncIterator[Utterance | None]:
        yield Utterance(16_000, b"x" * 32_000, ended=True)

    model.go_on.set()
    plan = TranscribePlan(word_timestamps=True)
    lines = Transcription(Transcriber(model, 1), plan).lines(file())

    (line,) = [json.loads(line)["Transcription"] async for line in lines]

    (segment,) = line["segments"]
    assert (segment["start_time_ms"], segment["end_time_ms"]) == (1000, 2000)
    times = [(word["start_time_ms"], word["end_time_ms"]) for word in segment["words"]]
    assert times == [(1000, 1100), (1100, 2000)]


@given(
    st.lists(
        st.none()
        | st.builds(Utterance, st.integers(0, 2**60), st.binary(max_size=50), st.booleans()),
        max_size=5,
    ),
    st.integers(1, 40),
)
def test_utterances_are_read_as_they_were_packed(sent: list[Utterance | None], step: int) -> None:
    data = b"".join(SOUND if one is None else packed(one) for one in sent)
    reader = UtteranceReader()

    read = [one for at in range(0, len(data), step) for one in reader.feed(data[at : at + step])]

    assert read == sent
