"""Conversions driven from a test, and pools that tell whether a thread was left behind."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

from speech_gateway.media.conversion_thread import Conversion, Convert, Source

SECONDS = 20.0


class Pieces(Source):
    """A source that holds all of its input, and counts what was read."""

    def __init__(self, data: bytes, most: int = 1 << 20) -> None:
        self._data = data
        self._most = most
        self.at = 0

    def read(self, size: int = -1) -> bytes:
        size = min(size if size >= 0 else self._most, self._most)
        taken = self._data[self.at : self.at + size]
        self.at += len(taken)
        return taken


@asynccontextmanager
async def threads(count: int = 1) -> AsyncIterator[ThreadPoolExecutor]:
    """Yield a pool; fail when its threads do not end by themselves afterwards."""
    pool = ThreadPoolExecutor(count)
    yield pool
    async with asyncio.timeout(SECONDS):
        await asyncio.get_running_loop().run_in_executor(None, pool.shutdown)


async def read_until(conversion: Conversion, enough: Callable[[bytes], bool]) -> bytes:
    """Return what comes until it is enough."""
    made = b""
    async with asyncio.timeout(SECONDS):
        while not enough(made):
            piece = await conversion.read()
            assert piece, f"it ended with {made!r}"
            made += piece
    return made


async def rest(conversion: Conversion) -> bytes:
    """Return all that is still to be read."""
    data = b""
    async with asyncio.timeout(SECONDS):
        while piece := await conversion.read():
            data += piece
    return data


async def converted(convert: Convert, pieces: Iterable[bytes]) -> bytes:
    """Return what pieces are converted to, fed and read at the same time."""
    async with threads() as pool:
        conversion = Conversion(convert, pool)
        try:
            reading = asyncio.create_task(rest(conversion))
            for piece in pieces:
                await conversion.feed(piece)
            conversion.end()
            return await reading
        finally:
            conversion.close()
