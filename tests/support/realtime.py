"""A client of the realtime API, on aiohttp's websocket."""

import asyncio
import base64
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Protocol

import aiohttp

from .polling import WAIT_TIMEOUT
from .speech import FOX, samples_of, spoken

PATH = "/v1/realtime"
TRANSCRIBING = f"{PATH}?intent=transcription"
RATE = 24_000
PIECE_SECONDS = 0.05
TRANSCRIPTION = "conversation.item.input_audio_transcription"
DELTA, COMPLETED, FAILED = (f"{TRANSCRIPTION}.{what}" for what in ("delta", "completed", "failed"))
STARTED, STOPPED, COMMITTED = (
    f"input_audio_buffer.{what}" for what in ("speech_started", "speech_stopped", "committed")
)
SERVER_VAD = {"type": "server_vad"}
NO_TURNS = None

Event = dict[str, Any]


def silence(seconds: float) -> bytes:
    return bytes(int(seconds * RATE) * 2)


@cache
def speech(text: str = FOX, rate: int = RATE) -> bytes:
    """Return text as it is spoken, in 16-bit samples."""
    return samples_of(spoken(text), rate)


@dataclass
class RealtimeClient:
    """One socket, and the events that have come on it."""

    ws: aiohttp.ClientWebSocketResponse
    events: list[Event] = field(default_factory=list)

    async def send(self, kind: str, **fields: object) -> None:
        await self.ws.send_json({"type": kind, **fields})

    async def update(self, **of_input: object) -> None:
        """Update a session for transcription: what is told of its input."""
        session = {"type": "transcription", "audio": {"input": of_input}}
        await self.send("session.update", session=session)

    async def append(self, samples: bytes, *, paced: bool = False) -> None:
        """Send samples in pieces, at the pace of speech or as fast as they are taken."""
        size = int(PIECE_SECONDS * RATE) * 2
        began = time.perf_counter()
        for number, at in enumerate(range(0, len(samples), size), 1):
            audio = base64.b64encode(samples[at : at + size]).decode()
            await self.send("input_audio_buffer.append", audio=audio)
            if paced:
                due = began + number * PIECE_SECONDS
                await asyncio.sleep(max(0.0, due - time.perf_counter()))

    async def commit(self, **fields: object) -> None:
        await self.send("input_audio_buffer.commit", **fields)

    async def event(self, *kinds: str, timeout: float = WAIT_TIMEOUT) -> Event:
        """Return the next event of these kinds, or the next one at all; all are kept."""
        async with asyncio.timeout(timeout):
            while True:
                event: Event = await self.ws.receive_json()
                self.events.append(event)
                assert event["event_id"]
                if not kinds or event["type"] in kinds:
                    return event

    async def closed(self, timeout: float = WAIT_TIMEOUT) -> int | None:
        """Read up to the close; return its code."""
        async with asyncio.timeout(timeout):
            async for message in self.ws:
                self.events.append(message.json())
        return self.ws.close_code

    def kinds(self) -> list[str]:
        """Return the kinds of all events that came, in order."""
        return [event["type"] for event in self.events]

    def vanish(self) -> None:
        """Go without a word."""
        transport = self.ws._writer.transport
        assert transport is not None
        transport.abort()


class Listens(Protocol):
    """Who can be connected to."""

    @property
    def port(self) -> int: ...


@asynccontextmanager
async def realtime(
    at: Listens, path: str = TRANSCRIBING, **options: Any
) -> AsyncIterator[RealtimeClient]:
    """Connect, and wait for the session."""
    async with aiohttp.ClientSession() as session:
        async with session.ws_connect(f"http://127.0.0.1:{at.port}{path}", **options) as ws:
            client = RealtimeClient(ws)
            await client.event("session.created", "transcription_session.created")
            yield client
