"""The backend's speech, converted to another format while it comes."""

import asyncio
from collections.abc import AsyncIterator

from aiohttp import web

from ..errors import UpstreamError
from ..media.audio_errors import BadAudioError, ConversionFailedError
from ..media.workers.conversion import Conversion
from ..relay import first_sound
from ..server.response_writer import ResponseWriter, Transform
from ..tasks import cancel_and_wait
from ..upstream.answer_head import Answer
from ..upstream.call import Call


class Converted:
    """The backend's audio, converted as it comes; the head waits for the first converted bytes."""

    def __init__(self, call: Call, transform: Transform | None, conversion: Conversion) -> None:
        self.transform = transform
        self._call = call
        self._conversion = conversion
        self._feeding: asyncio.Task[None] | None = None
        self._opening = b""

    async def open(self, answer: Answer) -> None:
        """Wait for the first sound, and for the first converted bytes."""
        await self.begin(await first_sound(self._call, answer))

    async def begin(self, opening: bytes) -> None:
        """Convert opening and what follows it, wait for the first bytes; raises as open."""
        self._feeding = asyncio.create_task(self._conversion.feed_all(self._pieces(opening)))
        self._opening = await self._read()
        if not self._opening:
            await self._feeding
            raise UpstreamError("its audio holds no sound")

    async def relay(self, writer: ResponseWriter) -> None:
        """Pass converted bytes on, as they come."""
        await writer.start(self._opening)
        async for piece in self.rest():
            if not writer.write(piece):
                await writer.drain()
        await writer.end(b"")

    @property
    def opening(self) -> bytes:
        """The first converted bytes."""
        return self._opening

    async def rest(self) -> AsyncIterator[bytes]:
        """Yield the converted bytes after the opening, as they come; raises as open."""
        assert self._feeding is not None
        while piece := await self._read():
            yield piece
        await self._feeding

    async def close(self) -> None:
        """Feed the conversion no more."""
        if self._feeding is not None:
            await cancel_and_wait(self._feeding)

    async def _read(self) -> bytes:
        assert self._feeding is not None
        try:
            return await self._conversion.read()
        except BadAudioError as error:
            if self._feeding.done():
                await self._feeding  # the backend's own fault, if it has one, is the reason
            raise UpstreamError(f"its audio cannot be converted: {error}") from error
        except ConversionFailedError as error:
            raise web.HTTPInternalServerError(text=f"{error}\n") from error

    async def _pieces(self, opening: bytes) -> AsyncIterator[bytes]:
        """Yield the backend's audio, opening and what follows it."""
        yield opening
        while piece := await self._call.read():
            yield piece
        self._call.check_uncut()
