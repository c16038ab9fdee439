"""The concurrency gate: how many requests call the backend at once, and how others wait."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_network
from time import perf_counter

from aiohttp import web
from prometheus_client import Gauge

from ..config.addresses import parse_address
from ..exchange import EXCHANGE, Exchange
from ..metrics import Metrics
from . import Handler, Step
from .circuit import Circuit
from .retry_after import Pace, retry_after
from .slots import Slots

ALL_CLIENTS = ""
IPV6_SUBNET = 64
"""Bits of an IPv6 address that belong to one client, which may choose the others (RFC 4291)."""


@dataclass(frozen=True, slots=True)
class GateLimits:
    """How many pass a gate at once, and how many wait."""

    slots: int
    max_queue: int
    queue_timeout: float
    """In seconds."""
    share: float = 1.0
    """Of the slots and of the queue, for one client."""

    def __post_init__(self) -> None:
        if self.slots < 1 or self.max_queue < 0 or self.queue_timeout <= 0 or not self._is_share():
            raise ValueError(
                "a gate wants a slot, a queue of 0 or more, a positive timeout and a share up to 1"
            )

    def _is_share(self) -> bool:
        return 0 < self.share <= 1

    @property
    def is_shared(self) -> bool:
        """Whether clients are told apart."""
        return self.share < 1

    @property
    def slots_each(self) -> int:
        """How many slots one client may have."""
        return share_of(self.slots, self.share)

    @property
    def queue_each(self) -> int:
        """How many of those who wait may be one client's."""
        return share_of(self.max_queue, self.share)


@dataclass(frozen=True, slots=True)
class Occupancy:
    """Who holds slots and who waits for one: the gates of a process share it."""

    slots: Slots = field(default_factory=Slots)
    waiting: Counter[str] = field(default_factory=Counter)
    """By client."""
    pace: Pace = field(default_factory=Pace)


class Gate(Step):
    """Hold a slot for each request, from before the backend is called to the end.

    First come, first served; at most max_queue requests wait, each at most queue_timeout seconds.
    Past either limit the answer is 503. One client has at most a share of the slots and of the
    queue, and waits for its own slots; past its share of the queue the answer is 429. While the
    circuit is open nobody waits.
    """

    def __init__(
        self, metrics: Metrics, circuit: Circuit, occupancy: Occupancy, limits: GateLimits
    ) -> None:
        self._metrics = metrics
        self.circuit = circuit
        self._slots, self._waiting, self._pace = occupancy.slots, occupancy.waiting, occupancy.pace
        self._limits = limits

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        exchange = request.get(EXCHANGE)
        if exchange is None or exchange.endpoint.is_live:
            return await handler(request)
        held = await self._take_slot(exchange)
        try:
            return await handler(request)
        finally:
            self._give_back(held)

    @asynccontextmanager
    async def slot(self, exchange: Exchange) -> AsyncIterator[None]:
        """Hold a slot for something said on a live connection, as for a request.

        Raises:
            web.HTTPException: none came free.
        """
        held = await self._take_slot(exchange)
        try:
            yield
        finally:
            self._give_back(held)

    def turn_away(self) -> None:
        """Refuse all who wait here: the circuit has opened.

        Those at a gate from before a reload may wait for another backend.
        """
        self._slots.turn_away(self)

    def seconds_to_slot(self) -> float:
        """Return the seconds until a slot comes free for one more, by the pace of late."""
        return self._pace.mean * self._waiting.total() / self._limits.slots

    def seconds_to_retry(self) -> float:
        """Return the seconds after which who had a slot in vain may try again."""
        return max(self.seconds_to_slot(), self.circuit.seconds_to_retry())

    async def _take_slot(self, exchange: Exchange) -> "_Held":
        """Wait for a slot, and take it."""
        self.circuit.check(exchange)  # it may have opened while the text was read
        client = client_of(exchange) if self._limits.is_shared else ALL_CLIENTS
        if not self._slots.take(client):
            await self._wait_for_slot(exchange, client)
        gauge = self._metrics.slots_held(exchange.endpoint.label)
        gauge.inc()
        return _Held(client, gauge)

    def _give_back(self, held: "_Held") -> None:
        held.gauge.dec()
        self._pace.note(perf_counter() - held.since)
        self._slots.give_back(held.client)

    async def _wait_for_slot(self, exchange: Exchange, client: str) -> None:
        limits = self._limits
        if self._waiting.total() >= limits.max_queue:
            raise self._busy("the queue is full")
        if limits.is_shared and self._waiting[client] >= limits.queue_each:
            raise web.HTTPTooManyRequests(
                text=f"{limits.queue_each} of your requests wait already, which is your share of "
                "the queue; try again in a moment\n",
                headers=retry_after(self._pace.mean * self._waiting[client] / limits.slots_each),
            )
        with self._counted(exchange, client):
            try:
                async with asyncio.timeout(limits.queue_timeout):
                    granted = await self._slots.wait(client, self)
            except TimeoutError:
                raise self._busy(f"no slot came free within {limits.queue_timeout:g} s") from None
        if not granted:
            raise self.circuit.refusal(exchange)

    def _busy(self, why: str) -> web.HTTPException:
        return web.HTTPServiceUnavailable(
            text=f"the gateway is busy: {why}; try again in a moment\n",
            headers=retry_after(self.seconds_to_slot()),
        )

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


@dataclass(slots=True)
class _Held:
    """A slot that is held."""

    client: str
    gauge: Gauge
    since: float = field(default_factory=perf_counter)


def share_of(total: int, share: float) -> int:
    """Return how much of a total one client may have: a part of it, and one at least."""
    return max(int(total * share), 1)


def client_of(exchange: Exchange) -> str:
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
