"""Conversions driven from a test: in this process, or by media workers."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

from speech_gateway.media.workers.conversion import Conversion
from speech_gateway.media.workers.ends import End
from speech_gateway.media.workers.pool import WorkerPool

GATEWAY_JOBS = "speech_gateway.media.gateway_jobs"
MAX_FILE = 32 * 1024 * 1024
SECONDS = 20.0


class Pieces:
    """A source that holds all of its input, and counts what was read."""

    def __init__(self, data: bytes, most: int = 1 << 20) -> None:
        self._data = data
        self._most = most
        self.at = 0

    def read(self, size: int, /) -> bytes:
        size = min(size, self._most)
        taken = self._data[self.at : self.at + size]
        self.at += len(taken)
        return taken


class Written:
    """What a conversion has written."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.data = bytearray()

    def __call__(self, data: bytes, seconds: float, /) -> None:
        self.data += data
        self.seconds = seconds


@asynccontextmanager
async def workers(
    jobs: str = GATEWAY_JOBS,
    *,
    file_bytes: int = MAX_FILE,
    on_end: Callable[[End], None] = lambda _: None,
) -> AsyncIterator[WorkerPool]:
    """Yield a pool of media workers that do the jobs of a module."""
    pool = WorkerPool(jobs, file_bytes=file_bytes, on_end=on_end)
    try:
        await pool.start()
        yield pool
    finally:
        await pool.stop()


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


async def converted(pool: WorkerPool, job: str, pieces: Iterable[bytes]) -> bytes:
    """Return what pieces are converted to, fed and read at the same time."""
    async with Conversion(pool, job) as conversion:
        reading = asyncio.create_task(rest(conversion))
        for piece in pieces:
            await conversion.feed(piece)
        await conversion.end()
        return await reading
