"""Lets a gateway that is to stop finish what it has begun."""

import asyncio
import contextlib

from aiohttp import web

from ..exchange import EXCHANGE
from ..relay import break_off
from . import Handler, Step
from .gate import RETRY_AFTER

CLEANUP_TIMEOUT = 2.0
"""Seconds that a broken exchange gets to end; only a plugin could want more."""


class Drain(Step):
    """Know the exchanges under way; once draining, refuse new ones with 503."""

    def __init__(self) -> None:
        self.draining = False
        self._under_way: dict[int, web.Request] = {}  # by id: requests have no hash
        self._empty = asyncio.Event()

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.get(EXCHANGE) is None:
            return await handler(request)
        if self.draining:
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

    def begin(self) -> None:
        """From now on, refuse new requests."""
        self.draining = True

    async def finished(self) -> None:
        """Wait until nothing is under way."""
        self._empty.clear()
        if self._under_way:
            await self._empty.wait()

    async def break_all(self) -> None:
        """Break off what is under way, and wait until it has cleaned up."""
        for request in list(self._under_way.values()):
            break_off(request, web.HTTPServiceUnavailable.status_code)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLEANUP_TIMEOUT):
                await self.finished()


DRAIN = web.AppKey("drain", Drain)
