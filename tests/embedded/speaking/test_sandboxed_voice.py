"""The voice in its workers, whose memory and processor time are bounded."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import asdict
from pathlib import Path

import pytest

from speech_gateway.embedded.pipeline_params import SpeakPlan
from speech_gateway.embedded.routes import JOBS
from speech_gateway.media.workers.conversion import Conversion
from speech_gateway.media.workers.pool import WorkerPool
from tests.support.ogg import seconds_of

PROSE = (
    "It was the best of times, it was the worst of times, it was the age of wisdom, it was the age "
    "of foolishness, it was the epoch of belief, it was the epoch of incredulity, it was the "
    "season of Light, it was the season of Darkness, it was the spring of hope."
)


@pytest.fixture
async def workers() -> AsyncIterator[WorkerPool]:
    pool = WorkerPool(JOBS, file_bytes=0)
    await pool.start()
    yield pool
    await pool.stop()


async def speak(workers: WorkerPool, text: str, speed: float = 1.0) -> bytes:
    spoken = b""
    async with Conversion(workers, "speak", asdict(SpeakPlan(speed=speed))) as conversion:
        await conversion.feed(text.encode())
        await conversion.end()
        while piece := await conversion.read():
            spoken += piece
    return spoken


@pytest.mark.timeout(120)
async def test_the_longest_sentence_is_spoken_at_every_speed(workers: WorkerPool) -> None:
    for speed in (0.25, 0.5, 1.0, 2.0, 4.0):
        assert seconds_of(await speak(workers, PROSE, speed)) > 10 / speed, speed


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    "text",
    [character * 300 for character in "\U0001f9cf\U0001f1fa[\U0001d407\u0bf8"] + ["W " * 149],
    ids=["emoji", "flags", "brackets", "bold", "signs", "letters"],
)
async def test_what_is_said_longer_than_it_is_written_is_spoken(
    workers: WorkerPool, text: str
) -> None:
    assert seconds_of(await speak(workers, f"Hello. {text}")) > 1


@pytest.mark.timeout(120)
@pytest.mark.parametrize("text", ["a." * 1000 + " 1" + " p.m. 1" * 290, "a.a.a. 5 " * 455])
async def test_the_first_sound_of_a_long_text_does_not_wait_for_its_end(
    workers: WorkerPool, text: str
) -> None:
    async with Conversion(workers, "speak", asdict(SpeakPlan())) as conversion:
        await conversion.feed(text.encode())
        await conversion.end()

        assert (await conversion.read()).startswith(b"OggS")


@pytest.mark.timeout(120)
async def test_a_text_of_openai_s_limit_comes_faster_than_it_is_listened_to(
    workers: WorkerPool,
) -> None:
    text = f"{PROSE} " * 20
    begun = asyncio.get_running_loop().time()
    async with Conversion(workers, "speak", asdict(SpeakPlan())) as conversion:
        await conversion.feed(text[:4096].encode())
        await conversion.end()
        heard = 5.0  # seconds that a listener waits at first
        while await conversion.read():
            assert asyncio.get_running_loop().time() - begun < heard
            heard = 5.0 + conversion.seconds

    assert heard > 180


async def test_nothing_to_say_is_no_sound_and_no_failure(workers: WorkerPool) -> None:
    assert await speak(workers, "\u200b\u2066") == b""


def test_onnxruntime_tells_nobody_of_the_models(tmp_path: Path) -> None:
    code = f"import {JOBS} as jobs; jobs.load()"
    environ = {"TMPDIR": str(tmp_path), "PYTHONPATH": ":".join(sys.path)}

    subprocess.run([sys.executable, "-c", code], env=environ, check=True, timeout=50)

    assert list(tmp_path.iterdir()) == [], "its telemetry keeps a file there"
