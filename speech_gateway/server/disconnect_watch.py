"""Detects clients that disconnect while nothing is read from them.

A server that has paused reading, as while an upload waits at the gate or behind many pipelined
requests, does not see a client's FIN. The kernel reports it, apart from data, to an epoll object of
our own (epoll_ctl(2), EPOLLRDHUP). On systems without epoll such a client is detected when reading
goes on.
"""

import asyncio
import contextlib
import select

LAST_WORDS_TIMEOUT = 1.0
"""Seconds in which is read what a client has sent on a live connection before it disconnected."""


class DisconnectWatch:
    """Breaks the connections of clients that have disconnected, between start and stop."""

    def __init__(self) -> None:
        self._epoll: select.epoll | None = None
        self._clients: dict[int, tuple[asyncio.Transport, float]] = {}
        """The connection of each, and the seconds until it is broken once its client is gone."""

    def start(self) -> None:
        """Begin to watch; needs a running event loop."""
        if hasattr(select, "epoll"):
            self._epoll = select.epoll()
            asyncio.get_running_loop().add_reader(self._epoll.fileno(), self._disconnected)

    def stop(self) -> None:
        """Watch no more."""
        if self._epoll is not None:
            asyncio.get_running_loop().remove_reader(self._epoll.fileno())
            self._epoll.close()
            self._epoll = None

    def watch(self, transport: asyncio.Transport, timeout: float = 0.0) -> int:
        """Break a connection timeout seconds after its client is gone; return what to forget."""
        fd: int = transport.get_extra_info("socket").fileno()
        if self._epoll is not None and fd >= 0:
            self._clients[fd] = transport, timeout
            # A number that was used before is gone from the epoll object since its socket was
            # closed.
            self._epoll.register(fd, select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR)
        return fd

    def forget(self, fd: int, transport: asyncio.Transport) -> None:
        """Leave a connection alone."""
        watched, _ = self._clients.get(fd, (None, 0.0))
        if watched is not transport:
            return  # the number belongs to another client by now
        del self._clients[fd]
        if self._epoll is not None:
            with contextlib.suppress(OSError, ValueError):
                self._epoll.unregister(fd)

    def _disconnected(self) -> None:
        assert self._epoll is not None
        for fd, _ in self._epoll.poll(0):
            if fd not in self._clients:
                continue
            transport, timeout = self._clients[fd]
            self.forget(fd, transport)
            if timeout:
                asyncio.get_running_loop().call_later(timeout, transport.abort)
            else:
                transport.abort()
