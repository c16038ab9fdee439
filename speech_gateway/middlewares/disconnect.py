"""Detects clients that disconnect while nothing is read from them."""

import asyncio
import contextlib
import select

from aiohttp import web

from ..exchange import EXCHANGE
from . import Handler, Step


class WatchDisconnect(Step):
    """Break the connection of a client that has disconnected, which cancels its request.

    A server that has paused reading, as while an upload waits at the gate or behind many pipelined
    requests, does not see a client's FIN. The kernel reports it, apart from data, to an epoll
    object of our own (epoll_ctl(2), EPOLLRDHUP). On systems without epoll such a client is detected
    when reading goes on.
    """

    def __init__(self) -> None:
        self._epoll: select.epoll | None = None
        self._clients: dict[int, asyncio.Transport] = {}

    async def setup(self, app: web.Application) -> None:
        """Add the middleware, and watch connections while app runs."""
        await super().setup(app)
        if hasattr(select, "epoll"):
            app.on_startup.append(self._start)
            app.on_cleanup.append(self._stop)

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        transport = request.transport
        if self._epoll is None or transport is None or request.get(EXCHANGE) is None:
            return await handler(request)
        fd = transport.get_extra_info("socket").fileno()
        self._watch(fd, transport)
        try:
            return await handler(request)
        finally:
            self._forget(fd, transport)

    async def _start(self, _app: web.Application) -> None:
        self._epoll = select.epoll()
        asyncio.get_running_loop().add_reader(self._epoll.fileno(), self._disconnected)

    async def _stop(self, _app: web.Application) -> None:
        if self._epoll is not None:
            asyncio.get_running_loop().remove_reader(self._epoll.fileno())
            self._epoll.close()
            self._epoll = None

    def _watch(self, fd: int, transport: asyncio.Transport) -> None:
        if self._epoll is None or fd < 0:
            return
        self._clients[fd] = transport
        # A number that was used before is gone from the epoll object since its socket was closed.
        self._epoll.register(fd, select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR)

    def _forget(self, fd: int, transport: asyncio.Transport) -> None:
        if self._clients.get(fd) is not transport:
            return  # the number belongs to another client by now
        del self._clients[fd]
        if self._epoll is not None:
            with contextlib.suppress(OSError, ValueError):
                self._epoll.unregister(fd)

    def _disconnected(self) -> None:
        assert self._epoll is not None
        for fd, _ in self._epoll.poll(0):
            transport = self._clients.get(fd)
            if transport is not None:
                self._forget(fd, transport)
                transport.abort()
