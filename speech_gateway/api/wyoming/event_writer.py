"""Sends messages to a client, and ends its connection."""

import asyncio
from contextlib import suppress
from typing import cast

from wyoming.event import Event, async_write_event

from ...server import lingering
from .event_reader import EventReader

MAX_UNSENT = 64 * 1024
"""Bytes that wait for a slow client; more waits in the backend."""


class EventWriter:
    """A client's connection, as it is written to.

    Args:
        timeout: seconds in which a client has to take as much as waits for it.
    """

    def __init__(self, writer: asyncio.StreamWriter, timeout: float) -> None:
        self._writer = writer
        self._timeout = timeout
        self.transport = cast("asyncio.Transport", writer.transport)
        self.transport.set_write_buffer_limits(MAX_UNSENT)

    async def send(self, event: Event) -> None:
        """Send a message; a client that takes too little for too long is broken off.

        Raises:
            ConnectionError: the connection is gone.
        """
        if self._writer.is_closing():
            raise ConnectionResetError("the connection is closed")
        try:
            async with asyncio.timeout(self._timeout):
                await async_write_event(event, self._writer)
        except TimeoutError:
            self.transport.abort()
            raise ConnectionResetError(f"it took too little for {self._timeout:g} s") from None

    async def close(self) -> None:
        """Close the connection when all was sent, or break it when that takes too long."""
        self._writer.close()
        try:
            async with asyncio.timeout(self._timeout):
                await self._writer.wait_closed()
        except TimeoutError:
            self.transport.abort()
        except OSError:
            pass  # the client is gone

    async def close_softly(self, reader: EventReader) -> None:
        """Say that nothing more will be sent, and wait until the client has read all, or leaves.

        It may still be sending; a close with unread bytes resets the connection, and the client
        loses what it has not read.
        """
        with suppress(OSError, RuntimeError):  # it is closing
            self._writer.write_eof()
        await self._taken(reader)

    async def reset_softly(self, reader: EventReader) -> None:
        """Wait until the client has read all, or leaves; then reset the connection.

        A mere end would pass for a whole answer, and a reset at once takes away what was not read.
        """
        await self._taken(reader)
        self.reset()

    async def _taken(self, reader: EventReader) -> None:
        """Wait until the client has left, or has been silent for long enough to have read all."""
        reader.stop()
        with suppress(OSError, RuntimeError):  # it is closing
            self.transport.resume_reading()
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + lingering.MAX_SECONDS
        while loop.time() < ends_at and reader.thrown_away < lingering.MAX_BYTES:
            heard = reader.heard
            with suppress(TimeoutError):
                async with asyncio.timeout(lingering.SILENCE):
                    await reader.gone.wait()
            if reader.gone.is_set() or reader.heard == heard:
                break

    def reset(self) -> None:
        """Break the connection so that the client sees it."""
        lingering.reset(self.transport)

    def abort(self) -> None:
        """Break the connection."""
        self.transport.abort()
