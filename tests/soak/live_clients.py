"""The soak's realtime clients: they speak, and wait for the transcript or not."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

from tests.soak.books import Books
from tests.support.realtime import (
    COMPLETED,
    FAILED,
    STARTED,
    RealtimeClient,
    realtime,
    silence,
    speech,
)

TIMEOUT = 60.0
"""Seconds for a transcript: it may wait for a slot behind many others."""


async def live_speaker(books: Books, number: int) -> None:
    """Say something, and look whether it is heard."""
    async with _connected(books, number) as client:
        await client.append(silence(0.5) + speech() + silence(1.0))
        await client.event(STARTED, timeout=TIMEOUT)
        books.sent += 1
        told = await client.event(COMPLETED, FAILED, timeout=TIMEOUT)
        await client.ws.close()
    busy = told["type"] == FAILED and "busy" in told["error"]["message"]
    code = 503 if busy else 200
    books.codes[code] = books.codes.get(code, 0) + 1
    if not busy and told.get("transcript") != " ".join([str(number)] * 3):
        books.wrong.append(f"live {number}: {told}")


async def live_leaver(books: Books, number: int) -> None:
    """Vanish in the middle of a sentence."""
    async with _connected(books, number) as client:
        await client.append(silence(0.5) + speech())
        await client.event(STARTED, timeout=TIMEOUT)
        books.sent += 1
        client.vanish()


@asynccontextmanager
async def _connected(books: Books, number: int) -> AsyncIterator[RealtimeClient]:
    try:
        async with realtime(books, headers={"X-Request-ID": f"hear-{number}"}) as client:
            yield client
    except (aiohttp.ClientError, aiohttp.WSMessageTypeError) as error:
        raise ConnectionError(repr(error)) from error
