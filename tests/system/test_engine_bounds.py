"""What the bundled engine takes: a little more than was measured (docs/engine.rst, Figures)."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.bench.engine import TEN_SENTENCES, Family
from tests.support.client import connect
from tests.support.ogg import seconds_of
from tests.support.program import Program, serving_program

MOST_MEGABYTES = 600
SPEAKING, HEARING = 0.25, 0.4
"""Processor seconds for a second of audio; 0.11 and 0.18 were measured."""


@pytest.fixture
async def running() -> AsyncIterator[Program]:
    async with serving_program("--skit-url", "embedded", "--openai") as program:
        log = asyncio.create_task(program.pass_on_log("ERROR"))
        yield program
        log.cancel()


async def speak(program: Program, text: str) -> bytes:
    async with await connect(program.port) as client:
        return (await client.speak(text.encode())).body


async def hear(program: Program, speech: bytes) -> None:
    async with await connect(program.port) as client:
        assert (await client.ask("POST", "/stt", body=speech)).status == 200


@pytest.mark.timeout(120)
async def test_speaking_and_hearing_cost_no_more_than_was_measured(running: Program) -> None:
    family = Family(running)
    for text in TEN_SENTENCES:
        await speak(running, text)  # the first requests load what the others find
    before = family.processor_seconds()

    speeches = [await speak(running, text) for text in TEN_SENTENCES]
    spoken_at = family.processor_seconds()
    for speech in speeches:
        await hear(running, speech)
    heard_at = family.processor_seconds()

    seconds = sum(map(seconds_of, speeches))
    assert (spoken_at - before) / seconds < SPEAKING
    assert (heard_at - spoken_at) / seconds < HEARING
    assert family.megabytes() < MOST_MEGABYTES, "all processes, both models warm"
