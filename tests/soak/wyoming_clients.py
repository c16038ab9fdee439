"""The soak's clients of Wyoming: they speak and listen, leave in the middle, or send junk."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from wyoming.event import Event
from wyoming.tts import Synthesize, SynthesizeChunk, SynthesizeStart, SynthesizeStop

from tests.soak.books import Books
from tests.support.client import connect
from tests.support.realtime import speech
from tests.support.wyoming import AUDIO, WyomingClient

TIMEOUT = 60.0
"""Seconds for an answer: it may wait for a slot behind many others."""
HEARD = "0 0 0"
"""What the backend hears of those who give no ids."""


async def wyoming_speaker(books: Books, number: int) -> None:
    """Say something, and look whether it is heard."""
    async with _connected(books) as client:
        books.sent += 1
        await client.say(speech())
        await client.send("audio-stop")
        told = await client.event("transcript", "error", timeout=TIMEOUT)
    if _is_served(books, told) and told.data["text"] != HEARD:
        books.wrong.append(f"Wyoming {number}: {told.data}")


async def wyoming_writer(books: Books, number: int) -> None:
    """Have a text in parts spoken, and look whether all of it comes."""
    async with _connected(books) as client:
        books.sent += 1
        await client.send(SynthesizeStart())
        await client.send(SynthesizeChunk(text="Good"))
        await client.send(SynthesizeChunk(text=" morning."))
        await client.send(Synthesize(text="Good morning."))
        await client.send(SynthesizeStop())
        told = await client.event("synthesize-stopped", "error", timeout=TIMEOUT)
    if _is_served(books, told) and not client.samples():
        books.wrong.append(f"Wyoming {number}: no sound")


async def wyoming_leaver(books: Books, number: int) -> None:
    """Vanish in the middle of a sentence."""
    async with _connected(books) as client:
        await client.send("audio-chunk", speech()[:20_000], **AUDIO)
        await client.send("ping", text=str(number))
        await client.event("pong", "error", timeout=TIMEOUT)
        books.sent += 1  # it was taken before the ping


async def wyoming_junk(books: Books, number: int) -> None:
    """Send what is no message."""
    async with _connected(books) as client:
        client.raw.write(b"GET /%d HTTP/1.1\r\n\r\n" % number)
        books.uncounted += 1
        code, _ = await client.error(timeout=TIMEOUT)
    if code not in ("400", "503"):
        books.wrong.append(f"Wyoming {number}: {code} for junk")


def _is_served(books: Books, told: Event) -> bool:
    """Note what was told; return whether it is an answer, and not a busy gate's."""
    code = int(told.data["code"]) if told.type == "error" else 200
    books.codes[code] = books.codes.get(code, 0) + 1
    if code not in (200, 503):
        books.wrong.append(f"Wyoming: {told.data}")
    return code == 200


@asynccontextmanager
async def _connected(books: Books) -> AsyncIterator[WyomingClient]:
    try:
        async with await connect(books.wyoming_port) as raw:
            yield WyomingClient(raw)
    except AssertionError as error:  # closed, where an answer belongs
        raise ConnectionError(str(error)) from error
