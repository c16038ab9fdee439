"""How long short conversions take, from a client's request to what it waits for."""

import asyncio
import json
import statistics
import time
from collections.abc import Awaitable, Callable

from tests.support.audio import tone, wav
from tests.support.backend import ScriptedBackend, answer, hears, says, scripted_backend
from tests.support.client import Headers, RawClient, connect
from tests.support.openai_api import JSON, ORDER, SPEECH_PATH, send_form
from tests.support.program import Program, serving_program
from tests.support.streamkit import streamkit_speech

TIMES = 50
MP3_ORDER = json.dumps(ORDER | {"response_format": "mp3"}).encode()
TWO_SECONDS = wav(tone(2.0, 16_000), 16_000)

Figures = dict[str, float]
Measure = Callable[[Program, ScriptedBackend], Awaitable[float]]
"""Makes one request; returns seconds."""


async def conversions() -> Figures:
    """Return medians in milliseconds, of requests one after another."""
    async with scripted_backend() as backend:
        async with serving_program("--skit-url", backend.url, "--openai") as gateway:
            log = asyncio.create_task(gateway.pass_on_log("ERROR"))
            figures = {
                "first_mp3_byte_ms": await _median(_first_mp3_byte, gateway, backend),
                "wav_of_2_s_to_text_ms": await _median(_wav_to_text, gateway, backend),
            }
            log.cancel()
    return figures


async def _median(measure: Measure, gateway: Program, backend: ScriptedBackend) -> float:
    await measure(gateway, backend)  # the first is slower
    return 1000 * statistics.median([await measure(gateway, backend) for _ in range(TIMES)])


async def _first_mp3_byte(gateway: Program, backend: ScriptedBackend) -> float:
    backend.script = says(answer(streamkit_speech(2.0)))
    async with await connect(gateway.port) as client:
        return await first_byte(client, SPEECH_PATH, JSON, MP3_ORDER)


async def first_byte(client: RawClient, path: str, headers: Headers, body: bytes) -> float:
    """Return how many seconds a response's first byte took; the rest is read, too."""
    since = time.perf_counter()
    client.request("POST", path, headers, body)
    await client.head()
    assert await client.piece()
    took = time.perf_counter() - since
    while await client.piece():
        pass
    return took


async def _wav_to_text(gateway: Program, backend: ScriptedBackend) -> float:
    backend.script = hears("two seconds")
    async with await connect(gateway.port) as client:
        since = time.perf_counter()
        assert (await send_form(client, [("file", TWO_SECONDS)])).status == 200
        return time.perf_counter() - since
