"""Listening sockets, and the limits of the connections through them."""

import socket
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass

from aiohttp import hdrs, web

from ..config.addresses import ListenAddress
from ..errors import StartupError
from . import lingering
from .aiohttp_internals import SERVER, Runner, read_bufsize
from .unix_socket import UnixSocket

BACKLOG = 1024
"""With the default of 128, bursts of 200 connections lost some SYNs, which cost a second each."""
SEND_BUFFER = 64 * 1024
"""Bytes in the kernel for each client; the default may grow to 4 MB for a slow one."""
MAX_READ_AHEAD = 1024 * 1024
MIN_READ_AHEAD = 64 * 1024
PROBES = 2
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


class Listener:
    """Serves an application on some sockets, which share their limits."""

    def __init__(self, app: web.Application, bounds: Bounds) -> None:
        self.urls: list[str] = []
        """Where it listens; ``unix:/path`` for a unix socket."""
        self._bounds = bounds
        app.on_response_prepare.append(_set_server_header)
        self._runner = Runner(
            app,
            max_connections=bounds.connections,
            access_log=None,
            auto_decompress=False,
            handle_signals=False,
            handler_cancellation=True,
            keepalive_timeout=bounds.idle_timeout,
            read_bufsize=read_bufsize(bounds.read_ahead),
            lingering_time=lingering.MAX_SECONDS,
            tcp_keepalive=False,  # connections inherit it from the listener
            shutdown_timeout=HANDLER_END,
        )

    async def start(self, sockets: Sequence[socket.socket]) -> None:
        """Serve whoever connects to one of sockets; when that fails, close them."""
        try:
            await self._runner.setup()
            for sock in sockets:
                _bound(sock, self._bounds)
                await web.SockSite(self._runner, sock, backlog=BACKLOG).start()
                self.urls.append(_url(sock))
        except BaseException:
            for sock in sockets:
                sock.close()
            raise

    async def stop_accepting(self) -> None:
        """Close the sockets, but not the connections accepted through them."""
        for site in list(self._runner.sites):
            await site.stop()

    async def stop(self) -> None:
        """Close everything."""
        await self._runner.cleanup()


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
    unix: UnixSocket | None = None
    with _listening_on(address):
        if inherited:
            sockets = inherited
        elif address.unix_path is None:
            sockets = [_bind_port(address.host, address.port)]
        else:
            unix = UnixSocket(address.unix_path)
            stack.callback(unix.remove)
            sockets = [unix.socket]
    await listener.start(sockets)
    if unix is not None:
        with _listening_on(address):
            unix.publish()
        listener.urls = [f"unix:{unix.path}"]  # the kernel knows the name it was bound under
    return listener


@contextmanager
def _listening_on(address: ListenAddress) -> Iterator[None]:
    try:
        yield
    except (OSError, UnicodeError) as error:  # UnicodeError: no name that DNS could know
        where = address.unix_path or f"{address.host}:{address.port}"
        reason = getattr(error, "strerror", None) or error
        raise StartupError(f"cannot listen on {where}: {reason}") from error


async def _set_server_header(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers[hdrs.SERVER] = SERVER  # not the versions of what is inside


def _bound(sock: socket.socket, bounds: Bounds) -> None:
    """Set the socket options that accepted connections inherit."""
    if sock.family != socket.AF_UNIX:
        enable_keepalive(sock, bounds.idle_timeout)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)


def _url(sock: socket.socket) -> str:
    if sock.family == socket.AF_UNIX:
        return f"unix:{sock.getsockname()}"
    host, port = sock.getsockname()[:2]
    if host in ("::", "0.0.0.0"):  # noqa: S104 - compared, not bound
        host = "localhost"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def enable_keepalive(sock: socket.socket, timeout: float) -> None:
    """Have the kernel detect within timeout seconds that a client's machine is gone.

    Where nothing is expected of a client, only a keepalive probe tells (tcp(7)). Accepted
    connections inherit the options.
    """
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_KEEPIDLE"):
        share = max(int(timeout / (PROBES + 1)), 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, share)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, share)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, PROBES)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(timeout * 1000))


def _bind_port(host: str, port: int) -> socket.socket:
    if not host and socket.has_dualstack_ipv6():
        return socket.create_server(
            ("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=BACKLOG
        )
    infos = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, _, _, _, sockaddr = infos[0]
    return socket.create_server(sockaddr[:2], family=family, backlog=BACKLOG)
