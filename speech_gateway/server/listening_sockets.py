"""Sockets to listen on: opened, with the options that accepted connections inherit."""

import socket
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass

from ..config.addresses import ListenAddress
from ..startup_error import StartupError
from .unix_socket import UnixSocket

BACKLOG = 1024
"""With the default of 128, bursts of 200 connections lost some SYNs, which cost a second each."""
SEND_BUFFER = 64 * 1024
"""Bytes in the kernel for each client; the default may grow to 4 MB for a slow one."""
PROBES = 2


@dataclass(frozen=True, slots=True)
class OpenSocket:
    """A socket on an address, which is to be listened on."""

    socket: socket.socket
    address: ListenAddress
    unix: UnixSocket | None = None

    def publish(self) -> None:
        """Let a unix socket be found, once it is listened on; raises StartupError."""
        if self.unix is not None:
            with listening_on(self.address):
                self.unix.publish()


def open_socket(address: ListenAddress, stack: AsyncExitStack) -> OpenSocket:
    """Open a socket on address; a unix socket's file is removed when stack unwinds.

    Raises:
        StartupError: the address cannot be listened on.
    """
    with listening_on(address):
        if address.unix_path is None:
            return OpenSocket(_bind_port(address.host, address.port), address)
        unix = UnixSocket(address.unix_path)
        stack.callback(unix.remove)
        return OpenSocket(unix.socket, address, unix)


@contextmanager
def listening_on(address: ListenAddress) -> Iterator[None]:
    """Raise StartupError for what keeps address from being listened on."""
    try:
        yield
    except (OSError, UnicodeError) as error:  # UnicodeError: no name that DNS could know
        where = address.unix_path or f"{address.host}:{address.port}"
        reason = getattr(error, "strerror", None) or error
        raise StartupError(f"cannot listen on {where}: {reason}") from error


def set_options(sock: socket.socket, idle_timeout: float) -> None:
    """Set the socket options that accepted connections inherit."""
    if sock.family != socket.AF_UNIX:
        enable_keepalive(sock, idle_timeout)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)


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
