"""Where speech is found in live audio, and what an utterance is made of."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from functools import cache
from typing import Any

import pytest

from speech_gateway.media.live.live_messages import (
    By,
    Heard,
    Listening,
    MessageReader,
    Told,
    TurnDetection,
)
from speech_gateway.media.live.live_stream import LiveStream
from speech_gateway.media.live.voice import VoiceModel
from tests.support.audio import heard
from tests.support.realtime import silence, speech

PIECE = 960
"""Bytes of 20 ms."""
SPOKEN = len(speech()) / 48_000
Message = tuple[Heard, bytes]


@cache
def model() -> VoiceModel:
    return VoiceModel()


def told(stream: LiveStream, kind: Told, payload: bytes = b"") -> list[Message]:
    """Tell a stream something; return what it answers."""
    reader = MessageReader()
    return [
        (Heard(kind), payload)
        for message in stream.take(kind, payload)
        for kind, payload in reader.feed(message)
    ]


def listening(
    turns: TurnDetection | None = None, codec: str = "pcm_s16le", rate: int = 24_000
) -> LiveStream:
    stream = LiveStream(model())
    told(stream, Told.CONFIGURE, json.dumps(asdict(Listening(codec, rate, turns))).encode())
    return stream


def fed(stream: LiveStream, samples: bytes, size: int = PIECE) -> list[Message]:
    pieces = [samples[at : at + size] for at in range(0, len(samples), size)]
    return [message for piece in pieces for message in told(stream, Told.AUDIO, piece)]


def kinds(messages: list[Message]) -> list[Heard]:
    return [kind for kind, _ in messages if kind is not Heard.OGG]


def values(messages: list[Message], wanted: Heard) -> Iterator[dict[str, Any]]:
    return (json.loads(payload) for kind, payload in messages if kind is wanted)


def ogg(messages: list[Message]) -> bytes:
    return b"".join(payload for kind, payload in messages if kind is Heard.OGG)


def seconds_of(messages: list[Message]) -> float:
    samples, rate = heard(ogg(messages))
    return len(samples) / rate


def test_an_utterance_is_found_with_what_stands_before_it() -> None:
    found = fed(listening(TurnDetection()), silence(2.0) + speech() + silence(1.0))

    assert kinds(found) == [Heard.BEGIN, Heard.END]
    assert next(values(found, Heard.BEGIN))["at_ms"] == pytest.approx(1700, abs=150)
    assert seconds_of(found) == pytest.approx(0.3 + SPOKEN + 0.5, abs=0.3)


def test_it_begins_while_one_speaks_and_its_audio_follows_at_once() -> None:
    stream = listening(TurnDetection())
    found = fed(stream, silence(0.5) + speech()[:48_000])

    assert kinds(found) == [Heard.BEGIN]
    assert len(ogg(found)) > 4_000


@pytest.mark.parametrize("size", [2, 3, 960, 2_400, 65_536])
def test_however_the_audio_is_cut_the_same_is_found(size: int) -> None:
    samples = silence(0.5) + speech() + silence(1.0)

    found = fed(listening(TurnDetection()), samples, size)

    assert [*values(found, Heard.BEGIN)] == [
        *values(fed(listening(TurnDetection()), samples), Heard.BEGIN)
    ]
    assert next(values(found, Heard.END))["seconds"] == pytest.approx(SPOKEN + 0.6, abs=0.4)


def test_the_silence_that_ends_it_is_the_one_that_was_asked_for() -> None:
    samples = silence(0.5) + speech() + silence(3.0)

    short = fed(listening(TurnDetection(silence_ms=200)), samples)
    long = fed(listening(TurnDetection(silence_ms=2000)), samples)

    ends = [list(values(found, Heard.END))[-1]["at_ms"] for found in (short, long)]
    assert ends[1] - ends[0] == pytest.approx(1800, abs=100)


def test_so_is_what_stands_before_it() -> None:
    samples = silence(2.0) + speech() + silence(1.0)

    short = fed(listening(TurnDetection(prefix_ms=0)), samples)
    long = fed(listening(TurnDetection(prefix_ms=1000)), samples)

    begins = [next(values(found, Heard.BEGIN))["at_ms"] for found in (short, long)]
    assert begins[0] - begins[1] == pytest.approx(1000, abs=40)


def test_a_click_is_no_utterance() -> None:
    click = b"\xff\x7f" * 240 + b"\x01\x80" * 240

    assert kinds(fed(listening(TurnDetection()), silence(1.0) + click + silence(1.0))) == []


def test_without_turns_nothing_ends_but_by_a_commit() -> None:
    stream = listening()
    found = fed(stream, silence(0.5) + speech() + silence(3.0) + speech() + silence(3.0))

    assert kinds(found) == [Heard.BEGIN]
    ended = told(stream, Told.COMMIT)
    assert kinds(ended) == [Heard.END]
    assert seconds_of(found + ended) == pytest.approx(6.5 + 2 * SPOKEN, abs=0.1)


def test_without_turns_what_was_before_the_speech_belongs_to_it() -> None:
    stream = listening()

    found = fed(stream, silence(3.0) + speech()) + told(stream, Told.COMMIT)

    assert next(values(found, Heard.BEGIN))["at_ms"] == 0
    assert seconds_of(found) == pytest.approx(3.0 + SPOKEN, abs=0.1)


def test_of_a_long_silence_before_it_the_last_seconds_do() -> None:
    stream = listening()

    found = fed(stream, silence(60.0) + speech()) + told(stream, Told.COMMIT)

    assert seconds_of(found) == pytest.approx(10 + SPOKEN, abs=0.3)


def test_noise_that_is_committed_is_left_to_the_backend() -> None:
    stream = listening()
    half = speech()[: len(speech()) // 8]
    found = fed(stream, half) + told(stream, Told.COMMIT)

    assert kinds(found) == [Heard.BEGIN, Heard.END]


def test_a_second_utterance_has_nothing_of_the_first() -> None:
    stream = listening(TurnDetection())
    samples = silence(1.0) + speech() + silence(1.0)
    fed(stream, samples)

    second = fed(stream, samples)

    assert kinds(second) == [Heard.BEGIN, Heard.END]
    assert seconds_of(second) == pytest.approx(0.3 + SPOKEN + 0.5, abs=0.3)


def test_when_the_last_speech_came_is_told() -> None:
    stream = listening(TurnDetection())
    found = fed(stream, silence(0.5) + speech() + silence(1.0))
    ended = next(values(found, Heard.END))

    assert ended["by"] == By.SILENCE
    assert ended["speech_heard_at"] > 0


@pytest.mark.parametrize(
    ("codec", "rate", "size"),
    [
        ("pcm_s16le", 8_000, 2),
        ("pcm_s16le", 16_000, 2),
        ("pcm_mulaw", 8_000, 1),
        ("pcm_alaw", 8_000, 1),
    ],
)
def test_other_formats_last_as_long_as_they_do(codec: str, rate: int, size: int) -> None:
    stream = listening(None, codec, rate)
    quiet = {"pcm_mulaw": b"\xff", "pcm_alaw": b"\xd5"}.get(codec, b"\0")

    fed(stream, quiet * rate * size * 2)

    ended = next(values(told(stream, Told.COMMIT), Heard.END))
    assert ended["seconds"] == pytest.approx(2.0, abs=0.01)


def test_the_format_may_change_in_the_middle() -> None:
    stream = listening(TurnDetection())
    first = fed(stream, silence(0.5) + speech()[:48_000])
    other = Listening("pcm_s16le", 8_000, TurnDetection())
    told(stream, Told.CONFIGURE, json.dumps(asdict(other)).encode())
    rest = fed(stream, speech(rate=8_000)[16_000:] + bytes(16_000))

    assert kinds(first + rest) == [Heard.BEGIN, Heard.END]
    assert seconds_of(first + rest) == pytest.approx(0.3 + SPOKEN + 0.5, abs=0.4)


@pytest.mark.parametrize("turns", [TurnDetection(), None])
def test_speech_without_an_end_is_cut_so_that_another_utterance_begins(
    turns: TurnDetection | None,
) -> None:
    stream = listening(turns)
    endless = speech() * (int(130 / SPOKEN) + 1)

    found = fed(stream, endless, 48_000)

    assert kinds(found)[:3] == [Heard.BEGIN, Heard.END, Heard.BEGIN]
    ended = next(values(found, Heard.END))
    assert ended["by"] == By.LENGTH
    assert ended["seconds"] == pytest.approx(120, abs=0.1)
