"""Listening sockets, and the limits of the connections through them."""

import socket
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from ..config.addresses import ListenAddress, bracketed
from . import lingering
from .aiohttp_internals import BoundedServer, read_bufsize
from .current_app import CurrentApp
from .listening_sockets import BACKLOG, open_socket, set_options

MAX_READ_AHEAD = 1024 * 1024
MIN_READ_AHEAD = 64 * 1024
HANDLER_END = 2.0


@dataclass(frozen=True, slots=True)
class Bounds:
    """The limits of a listener's clients."""

    connections: int = 1000
    idle_timeout: float = 30.0
    """Seconds for a request's head to come, and between requests."""
    body: int = MAX_READ_AHEAD
    """Bytes of the largest body."""

    @property
    def read_ahead(self) -> int:
        """Bytes of a body that are held while nobody reads it.

        A whole body where possible: while some of it is not received yet, a client's FIN is not
        seen.
        """
        return max(min(self.body, MAX_READ_AHEAD), MIN_READ_AHEAD)

    def of_connections(self) -> dict[str, Any]:
        """Return them as a server's arguments."""
        return {
            "max_connections": self.connections,
            "keepalive_timeout": self.idle_timeout,
            "read_bufsize": read_bufsize(self.read_ahead),
        }


class Listener:
    """Serves an application on some sockets, which share their limits."""

    def __init__(self, app: web.Application, bounds: Bounds) -> None:
        self.urls: list[str] = []
        """Where it listens; ``unix:/path`` for a unix socket."""
        self._bounds = bounds
        self._current = CurrentApp(app)
        self._server = BoundedServer(
            self._current.handle,
            access_log=None,
            auto_decompress=False,
            handler_cancellation=True,
            lingering_time=lingering.MAX_SECONDS,
            tcp_keepalive=False,  # connections inherit it from the listener
            **bounds.of_connections(),
        )
        self._runner = web.ServerRunner(self._server, shutdown_timeout=HANDLER_END)
        self._sockets: Sequence[socket.socket] = ()

    @property
    def app(self) -> web.Application:
        """The application that answers requests as they come now."""
        return self._current.app

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return len(self._server.connections)

    async def start(self, sockets: Sequence[socket.socket]) -> None:
        """Serve whoever connects to one of sockets; when that fails, close them."""
        self._sockets = sockets
        try:
            await self._current.start()
            await self._runner.setup()
            for sock in sockets:
                set_options(sock, self._bounds.idle_timeout)
                await web.SockSite(self._runner, sock, backlog=BACKLOG).start()
                self.urls.append(_url(sock))
        except BaseException:
            for sock in sockets:
                sock.close()
            raise

    async def replace(self, app: web.Application, bounds: Bounds) -> None:
        """Have app answer further requests, and bound further connections so.

        Raises:
            Exception: what app's start raises; then nothing has changed.
        """
        await self._current.replace(app)
        self.bound(bounds)

    def bound(self, bounds: Bounds) -> None:
        """Bound further connections so."""
        self._server.set_bounds(**bounds.of_connections())
        for sock in self._sockets:
            set_options(sock, bounds.idle_timeout)

    async def stop_accepting(self) -> None:
        """Close the sockets, but not the connections accepted through them."""
        for site in list(self._runner.sites):
            await site.stop()

    async def stop(self) -> None:
        """Close everything."""
        await self._runner.cleanup()
        await self._current.stop()


async def listen(
    app: web.Application,
    address: ListenAddress,
    bounds: Bounds,
    stack: AsyncExitStack,
    inherited: Sequence[socket.socket] = (),
) -> Listener:
    """Serve app until stack unwinds, on inherited sockets or else on address.

    Raises:
        StartupError: the address cannot be listened on.
    """
    listener = Listener(app, bounds)
    stack.push_async_callback(listener.stop)
    if inherited:
        await listener.start(inherited)
        return listener
    opened = open_socket(address, stack)
    await listener.start([opened.socket])
    opened.publish()
    if opened.unix is not None:  # the kernel knows the name it was bound under
        listener.urls = [f"unix:{opened.unix.path}"]
    return listener


def _url(sock: socket.socket) -> str:
    if sock.family == socket.AF_UNIX:
        return f"unix:{sock.getsockname()}"
    host, port = sock.getsockname()[:2]
    if host in ("::", "0.0.0.0"):  # noqa: S104 - compared, not bound
        host = "localhost"
    return f"http://{bracketed(host)}:{port}"
