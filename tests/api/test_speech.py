"""Real speech, through both endpoints."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from tests.support.client import Response
from tests.support.engine import StandaloneEngine
from tests.support.gateway import Served, serving
from tests.support.ogg import seconds_of
from tests.support.speech import FOX, SENTENCES, reshaped, spoken
from tests.support.word_errors import word_errors


@pytest.fixture
async def gateway(engine: StandaloneEngine) -> AsyncIterator[Served]:
    async with serving(engine.url) as served:
        yield served


def heard(response: Response) -> list[str]:
    assert (response.status, response.whole) == (200, True)
    return [json.loads(line)["text"] for line in response.text.splitlines()]


async def test_what_tts_says_stt_understands_without_a_wrong_word(gateway: Served) -> None:
    errors = [
        word_errors(sentence, " ".join(heard(await gateway.ask("POST", "/stt", body=speech))))
        for sentence in SENTENCES
        for speech in [(await gateway.speak(sentence.encode())).body]
    ]

    assert errors == [0] * len(SENTENCES)


async def test_the_fox_lasts_as_long_as_a_person_takes(gateway: Served) -> None:
    speech = (await gateway.speak(FOX.encode())).body

    assert 2.0 < seconds_of(speech) < 3.0


@pytest.mark.parametrize(
    ("layout", "frame_ms"), [("mono", 60), ("stereo", 20), ("stereo", 10), ("5.1", 20), ("mono", 5)]
)
async def test_any_channel_count_and_frame_size_is_understood(
    gateway: Served, layout: str, frame_ms: int
) -> None:
    (text,) = heard(await gateway.ask("POST", "/stt", body=reshaped(spoken(FOX), layout, frame_ms)))

    assert "quick brown fox" in text


async def test_a_transcript_comes_in_the_promised_form(gateway: Served) -> None:
    (line,) = (await gateway.ask("POST", "/stt", body=spoken(FOX))).text.splitlines()

    inner = json.loads(line)
    assert sorted(inner) == ["language", "metadata", "segments", "text"]
    (segment,) = inner["segments"]
    assert sorted(segment) == ["confidence", "end_time_ms", "start_time_ms", "text"]
    assert 0 <= segment["start_time_ms"] < segment["end_time_ms"] <= 3000


async def test_a_sentence_is_understood_while_the_next_is_still_to_be_sent(
    gateway: Served,
) -> None:
    speech = spoken("\n".join(SENTENCES))
    async with await gateway.connect() as client:
        client.begin_upload()
        half = len(speech) // 2
        for start in range(0, half, 400):
            client.chunk(speech[start : min(start + 400, half)])
        async with asyncio.timeout(30):
            await client.head()
            first = await client.piece()
        client.chunk(speech[half:])
        client.end_upload()
        rest = b""
        while piece := await client.piece():
            rest += piece

    assert first is not None
    assert "quick brown fox" in json.loads(first)["text"]
    assert b"weather" in rest
