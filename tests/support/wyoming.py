"""Clients of Wyoming: the protocol's own package over a connection of which nothing is hidden."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from wyoming.event import Event, Eventable, async_read_event, async_write_event

from .client import RawClient, connect
from .gateway import Served
from .polling import WAIT_TIMEOUT
from .realtime import RATE

AUDIO = {"rate": RATE, "width": 2, "channels": 1}
PIECE = RATE // 50 * 2
"""Bytes of 20 ms."""


@dataclass
class WyomingClient:
    """One connection, and the messages that have come on it."""

    raw: RawClient
    events: list[Event] = field(default_factory=list)

    async def send(self, kind: str | Eventable, payload: bytes = b"", /, **data: object) -> None:
        """Send a message: one of the package's, or one of a kind with some data."""
        event = Event(kind, data, payload or None) if isinstance(kind, str) else kind.event()
        await async_write_event(event, self.raw.writer)

    async def say(self, samples: bytes, **form: int) -> None:
        """Send samples in pieces."""
        for at in range(0, len(samples), PIECE):
            await self.send("audio-chunk", samples[at : at + PIECE], **{**AUDIO, **form})

    async def transcribe(self, samples: bytes, **asked: object) -> str:
        """Have samples transcribed, and return the whole text."""
        await self.send("transcribe", **asked)
        await self.send("audio-start", **AUDIO)
        await self.say(samples)
        await self.send("audio-stop")
        text: str = (await self.event("transcript")).data["text"]
        return text

    async def event(self, *kinds: str, timeout: float = WAIT_TIMEOUT) -> Event:
        """Return the next message of these kinds, or the next one at all; all are kept."""
        async with asyncio.timeout(timeout):
            while (event := await async_read_event(self.raw.reader)) is not None:
                self.events.append(event)
                if not kinds or event.type in kinds:
                    return event
        raise AssertionError(f"closed after {self.kinds()}, where {kinds} belongs")

    async def error(self, timeout: float = WAIT_TIMEOUT) -> tuple[str, str]:
        """Return the code and the text of the error that comes; the connection ends behind it."""
        told = await self.event("error", timeout=timeout)
        async with asyncio.timeout(timeout):
            assert await self.raw.reader.read() == b""
        self.raw.writer.close()
        return told.data["code"], told.data["text"]

    async def closed(self, timeout: float = WAIT_TIMEOUT) -> list[str]:
        """Read up to the end of the connection; return the kinds of what came."""
        before = len(self.events)
        async with asyncio.timeout(timeout):
            try:
                while (event := await async_read_event(self.raw.reader)) is not None:
                    self.events.append(event)
            except (ConnectionError, asyncio.IncompleteReadError):
                pass
        return [event.type for event in self.events[before:]]

    def kinds(self) -> list[str]:
        """Return the kinds of all messages that came, in order."""
        return [event.type for event in self.events]

    def samples(self) -> bytes:
        """Return the audio that came."""
        return b"".join(event.payload or b"" for event in self.events)


def message(kind: str, payload: bytes = b"", /, **data: Any) -> bytes:
    """Return a message as bytes."""
    body = json.dumps(data).encode() if data else b""
    head: dict[str, object] = {"type": kind}
    if body:
        head["data_length"] = len(body)
    if payload:
        head["payload_length"] = len(payload)
    return json.dumps(head).encode() + b"\n" + body + payload


async def connect_wyoming(gateway: Served) -> WyomingClient:
    """Return a client that has connected."""
    return WyomingClient(await connect(gateway.wyoming_port))


@asynccontextmanager
async def wyoming(gateway: Served) -> AsyncIterator[WyomingClient]:
    """Connect, and leave at the end."""
    client = await connect_wyoming(gateway)
    async with client.raw:
        yield client
