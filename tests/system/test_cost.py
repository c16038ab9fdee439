"""What a request and a piece may cost, in steps of Python's interpreter: a count, not a time.

A bound is half as much again as was counted when it was written. Who makes the path longer on
purpose writes down the new count, and why it is worth it.
"""

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import aiohttp
import opentelemetry.sdk
import opentelemetry.trace
import pytest

import speech_gateway
from tests.support.backend import (
    LAST_CHUNK,
    OK_CHUNKED,
    BackendCall,
    ScriptedBackend,
    answer,
    chunk,
)
from tests.support.client import RawClient
from tests.support.collector import tracing
from tests.support.gateway import Served

COUNTED = tuple(
    str(Path(package.__file__ or "").parent)
    for package in (aiohttp, speech_gateway, opentelemetry.sdk, opentelemetry.trace)
)
STEPS_A_REQUEST = 4637 * 1.5
STEPS_A_TRACED_REQUEST = 6905 * 1.5
"""With two spans, but without their sending, which is another thread's."""
STEPS_A_PIECE = {"/tts": 161 * 1.5, "/stt": 332 * 1.5}
REQUESTS = PIECES = 50


@dataclass
class Steps:
    """Byte codes run in the gateway's code, in aiohttp's and in OpenTelemetry's."""

    count: int = 0

    def trace(self, frame: FrameType, _event: str, _arg: Any) -> Callable[..., Any] | None:
        if not frame.f_code.co_filename.startswith(COUNTED):
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return self._step

    def _step(self, _frame: FrameType, event: str, _arg: Any) -> Callable[..., Any]:
        self.count += event == "opcode"
        return self._step


@contextmanager
def counted_steps() -> Iterator[Steps]:
    steps, before = Steps(), sys.gettrace()
    # Python 3.12 counts byte codes only where that was wanted before the tracing began.
    sys._getframe().f_trace_opcodes = True
    sys.settrace(steps.trace)
    try:
        yield steps
    finally:
        sys.settrace(before)


@pytest.fixture
async def kept(backend: ScriptedBackend) -> ScriptedBackend:
    """A backend that answers one text after another on a connection."""

    async def script(call: BackendCall) -> None:
        while True:
            await call.whole_media()
            await call.write(answer(b"OggS" * 1000))
            call = BackendCall(call.reader, call.writer)
            await call.begin()

    backend.script = script
    return backend


async def speak(client: RawClient) -> None:
    assert (await client.speak(b"The quick brown fox jumps over the lazy dog.")).status == 200


async def steps_a_request(gateway: Served) -> float:
    async with await gateway.connect() as client:
        for _ in range(3):
            await speak(client)

        with counted_steps() as steps:
            for _ in range(REQUESTS):
                await speak(client)
    return steps.count / REQUESTS


async def test_a_request(gateway: Served, kept: ScriptedBackend) -> None:
    assert kept.url
    assert 0 < await steps_a_request(gateway) <= STEPS_A_REQUEST


async def test_a_request_with_tracing(
    kept: ScriptedBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("speech_gateway.tracing.span_export.CLOSE_TIMEOUT", 0.0)
    async with tracing(kept.url, "http://127.0.0.1:1") as gateway:
        steps = await steps_a_request(gateway)

    assert 0 < steps <= STEPS_A_TRACED_REQUEST


@pytest.mark.parametrize("path", ["/tts", "/stt"])
async def test_a_piece(gateway: Served, backend: ScriptedBackend, path: str) -> None:
    wanted = asyncio.Semaphore(0)
    transcript = b'{"Transcription":{"text":"the quick brown fox"}}\n'
    piece = chunk(transcript if path == "/stt" else b"OggS" * 12)

    async def script(call: BackendCall) -> None:
        await call.whole_media()
        await call.write(OK_CHUNKED)
        for _ in range(PIECES + 1):
            await wanted.acquire()
            await call.write(piece)
        await call.write(LAST_CHUNK)

    backend.script = script
    async with await gateway.connect() as client:
        client.request("POST", path, body=b"Hello.")
        wanted.release()
        await client.head()
        await client.piece()

        with counted_steps() as steps:
            for _ in range(PIECES):
                wanted.release()
                await client.piece()

    assert 0 < steps.count / PIECES <= STEPS_A_PIECE[path]
