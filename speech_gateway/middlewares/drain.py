"""Graceful shutdown: requests in progress finish, new ones are refused."""

import asyncio
import contextlib

from aiohttp import web

from ..exchange import EXCHANGE
from ..server.response_writer import break_off
from . import Handler, Step
from .retry_after import A_MOMENT, retry_after

CLEANUP_TIMEOUT = 2.0
"""Seconds that a request gets to end after its connection was broken; only a plugin needs more."""


class Drain(Step):
    """Track the exchanges in progress; once draining, make each the last on its connection.

    New requests are refused with 503, unless another gateway takes over the same sockets: then
    requests on accepted connections are still served, as their clients cannot know of the change.
    """

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        """Set when the shutdown begins: live connections are to come to an end."""
        self._refuses = False
        self._in_progress: dict[int, web.Request] = {}  # by id: requests have no hash
        self._empty = asyncio.Event()

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        exchange = request.get(EXCHANGE)
        if exchange is None:
            return await handler(request)
        exchange.closes = self.draining
        if self._refuses:
            raise web.HTTPServiceUnavailable(
                text="the gateway is shutting down; try again in a moment\n",
                headers=retry_after(A_MOMENT),
            )
        self._in_progress[id(request)] = request
        try:
            return await handler(request)
        finally:
            del self._in_progress[id(request)]
            if not self._in_progress:
                self._empty.set()

    @property
    def draining(self) -> bool:
        """Whether the shutdown has begun."""
        return self.begun.is_set()

    @property
    def in_progress(self) -> int:
        """The number of exchanges in progress."""
        return len(self._in_progress)

    def begin(self, *, refuse: bool) -> None:
        """Begin to drain; refuse new requests if so."""
        self.begun.set()
        self._refuses = refuse
        for request in self._in_progress.values():
            request[EXCHANGE].closes = True

    async def finished(self) -> None:
        """Wait until no exchange is in progress."""
        self._empty.clear()
        if self._in_progress:
            await self._empty.wait()

    async def break_all(self) -> None:
        """Break off the exchanges in progress, and wait until they have cleaned up."""
        for request in list(self._in_progress.values()):
            break_off(request, web.HTTPServiceUnavailable.status_code, "the gateway stopped")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLEANUP_TIMEOUT):
                await self.finished()


DRAIN = web.AppKey("drain", Drain)
