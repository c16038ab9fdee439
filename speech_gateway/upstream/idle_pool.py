"""The pool of idle connections to the backend."""

import asyncio

IDLE_TIMEOUT = 4.0
"""Seconds; shorter than the usual keep-alive timeout of servers, so that few connections are closed
while they are being reused.
"""


class IdlePool:
    """At most ``max_idle`` idle connections; the last one used is reused first."""

    def __init__(self, max_idle: int) -> None:
        self._max_idle = max_idle
        self._idle: dict[asyncio.Transport, float] = {}
        """The event loop's time at which each became idle, oldest first."""
        self._purge: asyncio.TimerHandle | None = None

    def take(self) -> asyncio.Transport | None:
        """Return a connection; None when there is none."""
        return self._idle.popitem()[0] if self._idle else None

    def put(self, transport: asyncio.Transport) -> None:
        """Keep a connection for a while."""
        loop = asyncio.get_running_loop()
        if transport.is_closing() or len(self._idle) >= self._max_idle:
            transport.abort()
            return
        transport.set_protocol(_Idle(self, transport))
        self._idle[transport] = loop.time()
        if self._purge is None:
            self._purge = loop.call_later(IDLE_TIMEOUT, self._close_old)

    def drop(self, transport: asyncio.Transport) -> None:
        """Close an idle connection."""
        self._idle.pop(transport, None)
        transport.abort()

    def close(self) -> None:
        """Close all of them."""
        if self._purge is not None:
            self._purge.cancel()
            self._purge = None
        for transport in list(self._idle):
            self.drop(transport)

    def _close_old(self) -> None:
        loop = asyncio.get_running_loop()
        newest_old = loop.time() - IDLE_TIMEOUT
        for transport in [t for t, since in self._idle.items() if since <= newest_old]:
            self.drop(transport)
        self._purge = None
        if self._idle:
            oldest = next(iter(self._idle.values()))
            self._purge = loop.call_at(oldest + IDLE_TIMEOUT, self._close_old)


class _Idle(asyncio.Protocol):
    """Drops its connection when anything is received on it, or it is closed."""

    def __init__(self, connections: IdlePool, transport: asyncio.Transport) -> None:
        self._connections = connections
        self._transport = transport

    def data_received(self, data: bytes) -> None:  # noqa: ARG002 - nobody asked for it
        self._connections.drop(self._transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - gone is gone
        self._connections.drop(self._transport)
