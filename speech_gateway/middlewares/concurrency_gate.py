"""The concurrency gate: how many requests call the backend at once, and how others wait."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_network
from time import perf_counter

from aiohttp import web

from ..config.addresses import parse_address
from ..exchange import EXCHANGE, Exchange
from ..metrics import Metrics
from . import Handler, Step
from .slots import Slots

RETRY_AFTER = {"Retry-After": "5"}
"""Seconds; about the time of a short utterance."""
ALL_CLIENTS = ""
IPV6_SUBNET = 64
"""Bits of an IPv6 address that belong to one client, which may choose the others (RFC 4291)."""


class Gate(Step):
    """Hold a slot for each request, from before the backend is called to the end.

    First come, first served; at most max_queue requests wait, each at most queue_timeout seconds.
    Past either limit the answer is 503. One client has at most a share of the slots and of the
    queue, and waits for its own slots; past its share of the queue the answer is 429.
    """

    def __init__(
        self,
        metrics: Metrics,
        *,
        slots: int,
        max_queue: int,
        queue_timeout: float,
        share: float = 1.0,
    ) -> None:
        if slots < 1 or max_queue < 0 or queue_timeout <= 0 or not 0 < share <= 1:
            raise ValueError(
                "a gate wants a slot, a queue of 0 or more, a positive timeout and a share up to 1"
            )
        self._metrics = metrics
        self._slots = Slots(slots, max(int(slots * share), 1))
        self._max_queue = max_queue
        self._queue_each = max(int(max_queue * share), 1)
        self._queue_timeout = queue_timeout
        self._shared = share < 1
        self._waiting: Counter[str] = Counter()

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        exchange = request.get(EXCHANGE)
        if exchange is None:
            return await handler(request)
        client = _client(exchange) if self._shared else ALL_CLIENTS
        if not self._slots.take(client):
            await self._wait_for_slot(exchange, client)
        try:
            return await handler(request)
        finally:
            self._slots.give_back(client)

    async def _wait_for_slot(self, exchange: Exchange, client: str) -> None:
        if self._waiting.total() >= self._max_queue:
            raise _busy("the queue is full")
        if self._shared and self._waiting[client] >= self._queue_each:
            raise web.HTTPTooManyRequests(
                text=f"{self._queue_each} of your requests wait already, which is your share of "
                "the queue; try again in a moment\n",
                headers=RETRY_AFTER,
            )
        with self._counted(exchange, client):
            try:
                async with asyncio.timeout(self._queue_timeout):
                    await self._slots.wait(client)
            except TimeoutError:
                raise _busy(f"no slot came free within {self._queue_timeout:g} s") from None

    @contextmanager
    def _counted(self, exchange: Exchange, client: str) -> Iterator[None]:
        gauge = self._metrics.waiting(exchange.endpoint.label)
        since = perf_counter()
        self._waiting[client] += 1
        gauge.inc()
        try:
            yield
        finally:
            exchange.timings.waited = perf_counter() - since
            self._waiting[client] -= 1
            if not self._waiting[client]:
                del self._waiting[client]
            gauge.dec()


def _client(exchange: Exchange) -> str:
    """Return the client that a request's share belongs to: a key's name, or an address."""
    client = exchange.client
    if client.key:
        return f"key {client.key}"
    try:
        address = parse_address(client.address)
    except ValueError:  # a unix socket's peers have none
        return client.address
    if address.version == 4:
        return str(address)
    return str(ip_network((address, IPV6_SUBNET), strict=False))


def _busy(why: str) -> web.HTTPException:
    return web.HTTPServiceUnavailable(
        text=f"the gateway is busy: {why}; try again in a moment\n", headers=RETRY_AFTER
    )
