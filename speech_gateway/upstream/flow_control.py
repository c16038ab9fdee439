"""Backpressure on a connection, both ways."""

import asyncio

HIGH_WATER = 64 * 1024
"""Bytes received and not yet taken at which reading pauses."""


class FlowControl:
    """Pauses reading while what came is not taken, and has a writer wait while its peer is slow."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        """None before the connection is made, and once it is lost."""
        self.reading_paused = False
        self._held = 0
        self.writing_paused = False
        """Whether the peer is slow to take what was sent."""
        self._writer: asyncio.Future[None] | None = None

    # reading

    def hold(self, size: int) -> None:
        """Count size bytes that came and were not taken; pause reading when they are too many."""
        self._held += size
        if self._held > HIGH_WATER and not self.reading_paused and self.transport is not None:
            self.reading_paused = True
            self.transport.pause_reading()

    def release(self) -> None:
        """Count all that was held as taken, and read on."""
        self._held = 0
        if self.reading_paused:
            self.reading_paused = False
            if self.transport is not None and not self.transport.is_closing():
                self.transport.resume_reading()

    # writing

    @property
    def writer_waits(self) -> bool:
        """Whether somebody waits for the peer to take what was sent."""
        return self._writer is not None

    def pause_writing(self) -> None:
        """Have who writes wait: the transport's buffer is full (asyncio.BaseProtocol)."""
        self.writing_paused = True

    def resume_writing(self) -> None:
        """Have who writes go on."""
        self.writing_paused = False
        self.wake_writer()

    def wake_writer(self) -> None:
        """Wake who waits to write, to go on or to find that the connection failed."""
        if self._writer is not None and not self._writer.done():
            self._writer.set_result(None)

    async def drained(self) -> None:
        """Wait until the writer is woken."""
        self._writer = asyncio.get_running_loop().create_future()
        try:
            await self._writer
        finally:
            self._writer = None
