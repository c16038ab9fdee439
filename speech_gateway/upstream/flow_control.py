"""Backpressure on a connection, both ways."""

import asyncio

HIGH_WATER = 64 * 1024
"""Bytes received and not yet taken at which reading pauses."""


class FlowControl:
    """Pauses reading while received bytes are not taken; lets a writer wait for a slow peer."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        """None before the connection is made, and after it is lost."""
        self.reading_paused = False
        self._held = 0
        self.writing_paused = False
        """Whether the transport's buffer is full."""
        self._writer: asyncio.Future[None] | None = None

    # reading

    def hold(self, size: int) -> None:
        """Count received bytes that were not taken; pause reading when they are too many."""
        self._held += size
        if self._held > HIGH_WATER and not self.reading_paused and self.transport is not None:
            self.reading_paused = True
            self.transport.pause_reading()

    def release(self) -> None:
        """Count all received bytes as taken, and resume reading."""
        self._held = 0
        if self.reading_paused:
            self.reading_paused = False
            if self.transport is not None and not self.transport.is_closing():
                self.transport.resume_reading()

    # writing

    @property
    def writer_waits(self) -> bool:
        """Whether a writer waits."""
        return self._writer is not None

    def pause_writing(self) -> None:
        """Let writers wait: the transport's buffer is full (asyncio.BaseProtocol)."""
        self.writing_paused = True

    def resume_writing(self) -> None:
        """Let writers go on."""
        self.writing_paused = False
        self.wake_writer()

    def wake_writer(self) -> None:
        """Wake a waiting writer, to go on or to find that the connection failed."""
        if self._writer is not None and not self._writer.done():
            self._writer.set_result(None)

    async def drained(self) -> None:
        """Wait until the writer is woken."""
        self._writer = asyncio.get_running_loop().create_future()
        try:
            await self._writer
        finally:
            self._writer = None
