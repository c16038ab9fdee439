"""Lets a gateway that is to stop finish what it has begun."""

import asyncio
import contextlib

from aiohttp import web

from ..exchange import EXCHANGE
from ..server.response_writer import break_off
from . import Handler, Step
from .gate import RETRY_AFTER

CLEANUP_TIMEOUT = 2.0
"""Seconds that a broken exchange gets to end; only a plugin could want more."""


class Drain(Step):
    """Know the exchanges under way; once draining, have them be the last of their connections.

    New ones are refused with 503, unless another gateway follows on the same sockets: then what
    comes on connections already taken is still served, as its client knows nothing of the change.
    """

    def __init__(self) -> None:
        self.draining = False
        self._refuses = False
        self._under_way: dict[int, web.Request] = {}  # by id: requests have no hash
        self._empty = asyncio.Event()

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        exchange = request.get(EXCHANGE)
        if exchange is None:
            return await handler(request)
        exchange.closes = self.draining
        if self._refuses:
            raise web.HTTPServiceUnavailable(
                text="the gateway is shutting down; try again in a moment\n", headers=RETRY_AFTER
            )
        self._under_way[id(request)] = request
        try:
            return await handler(request)
        finally:
            del self._under_way[id(request)]
            if not self._under_way:
                self._empty.set()

    @property
    def under_way(self) -> int:
        """Return the number of exchanges begun and not ended."""
        return len(self._under_way)

    def begin(self, *, refuse: bool) -> None:
        """From now on, want no more requests, and refuse them if so."""
        self.draining = True
        self._refuses = refuse
        for request in self._under_way.values():
            request[EXCHANGE].closes = True

    async def finished(self) -> None:
        """Wait until nothing is under way."""
        self._empty.clear()
        if self._under_way:
            await self._empty.wait()

    async def break_all(self) -> None:
        """Break off what is under way, and wait until it has cleaned up."""
        for request in list(self._under_way.values()):
            break_off(request, web.HTTPServiceUnavailable.status_code, "the gateway stopped")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLEANUP_TIMEOUT):
                await self.finished()


DRAIN = web.AppKey("drain", Drain)
