"""What is being done for a client: one thing after another, each in a task of its own."""

import asyncio
from typing import Protocol

from aiohttp import web

from ...exchange import Exchange
from .event_reader import EventReader

STOPPING = "the gateway is shutting down; try again in a moment\n"


class Work(Protocol):
    """Something that a client asks for."""

    is_counted: bool
    """Whether it is a request now, and is counted however it ends."""

    async def serve(self, connection: Exchange) -> None:
        """Do it.

        Raises:
            web.HTTPException: it cannot be done.
            ConnectionError: the client is gone.
        """


class CurrentWork:
    """Does one thing at a time; a failure is raised in who reads from the client.

    Args:
        connection: the connection's exchange.
    """

    def __init__(self, reader: EventReader, connection: Exchange) -> None:
        self._reader = reader
        self._connection = connection
        self._task: asyncio.Task[None] | None = None
        self.last: Work | None = None
        """What was begun last."""
        self.ended_at = connection.clock()
        """When it ended."""
        self.is_over = False
        """Whether nothing else is to be begun: the gateway stops."""

    @property
    def is_busy(self) -> bool:
        """Whether something is being done."""
        return self._task is not None and not self._task.done()

    def has_failed_with(self, failure: web.HTTPException) -> bool:
        """Whether that is why something before has failed."""
        return failure is self._reader.failure

    @property
    def is_counted(self) -> bool:
        """Whether something is being done that is a request, and is counted however it ends."""
        return self.is_busy and self.last is not None and self.last.is_counted

    async def wait(self) -> None:
        """Wait until nothing is being done."""
        if self._task is not None:
            await asyncio.wait({self._task})

    async def begin(self, work: Work) -> None:
        """Do work, meanwhile.

        Raises:
            web.HTTPException: nothing else is to be begun.
            ConnectionError: the client is gone.
        """
        if self._reader.gone.is_set():
            raise ConnectionResetError("the client is gone")
        if self._reader.failure is not None:  # of what was done before
            raise self._reader.failure
        if self.is_over:
            raise web.HTTPServiceUnavailable(text=STOPPING)
        self.last = work
        self._task = asyncio.create_task(self._do(work))
        await asyncio.sleep(0)  # it is counted from here on, however soon it is given up

    def cancel(self, why: str = "") -> None:
        """Give up what is being done; for a reason, unless the client has left."""
        if self._task is not None:
            self._task.cancel(*([why] if why else []))

    async def _do(self, work: Work) -> None:
        try:
            await work.serve(self._connection)
        except web.HTTPException as failure:
            self._reader.stop(failure)
        except ConnectionError:
            pass  # the client is gone
        finally:
            self.ended_at = self._connection.clock()
        if self.is_over and self._reader.waits:
            self._reader.stop()
