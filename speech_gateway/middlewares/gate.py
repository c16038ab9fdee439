"""The gate: how many requests may talk to the backend, and how the rest wait."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

from aiohttp import web

from ..exchange import EXCHANGE, Exchange
from ..metrics import Metrics
from . import Handler, Step

RETRY_AFTER = {"Retry-After": "5"}
"""Seconds; about what a short utterance takes."""


class Gate(Step):
    """Hold one of the slots for each request, from before the backend is called to the end.

    First come, first served; at most max_queue requests wait, each at most queue_timeout seconds.
    Past either the answer is 503.
    """

    def __init__(
        self, metrics: Metrics, *, slots: int, max_queue: int, queue_timeout: float
    ) -> None:
        if slots < 1 or max_queue < 0 or queue_timeout <= 0:
            raise ValueError("a gate wants a slot, a queue of 0 or more and a positive timeout")
        self._metrics = metrics
        self._slots = asyncio.Semaphore(slots)
        self._max_queue = max_queue
        self._queue_timeout = queue_timeout
        self._waiting = 0

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        exchange = request.get(EXCHANGE)
        if exchange is None:
            return await handler(request)
        if self._slots.locked():
            await self._wait_for_slot(exchange)
        else:
            await self._slots.acquire()
        try:
            return await handler(request)
        finally:
            self._slots.release()

    async def _wait_for_slot(self, exchange: Exchange) -> None:
        if self._waiting >= self._max_queue:
            raise _busy("the queue is full")
        with self._counted(exchange):
            try:
                async with asyncio.timeout(self._queue_timeout):
                    await self._slots.acquire()
            except TimeoutError:
                raise _busy(f"no slot came free within {self._queue_timeout:g} s") from None

    @contextmanager
    def _counted(self, exchange: Exchange) -> Iterator[None]:
        gauge = self._metrics.waiting(exchange.endpoint.name)
        since = perf_counter()
        self._waiting += 1
        gauge.inc()
        try:
            yield
        finally:
            exchange.waited = perf_counter() - since
            self._waiting -= 1
            gauge.dec()


def _busy(why: str) -> web.HTTPException:
    return web.HTTPServiceUnavailable(
        text=f"the gateway is busy: {why}; try again in a moment\n", headers=RETRY_AFTER
    )
