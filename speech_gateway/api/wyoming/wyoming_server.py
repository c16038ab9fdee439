"""Serves Wyoming on a socket of its own, within bounds, until the gateway stops."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from contextlib import AsyncExitStack
from ipaddress import ip_address
from secrets import token_hex

from aiohttp import web
from wyoming.error import Error

from ...config.addresses import bracketed, parse_address
from ...exchange import Client, Exchange
from ...middlewares.drain import CLEANUP_TIMEOUT
from ...middlewares.request_log import ID_BYTES
from ...server import lingering
from ...server.disconnect_watch import LAST_WORDS_TIMEOUT, DisconnectWatch
from ...server.listening_sockets import BACKLOG, open_socket, set_options
from ...tasks import cancel_and_wait
from .current_work import STOPPING
from .event_reader import MAX_PAYLOAD, EventReader
from .event_writer import EventWriter
from .wyoming_connection import WyomingConnection
from .wyoming_endpoints import HEARD
from .wyoming_services import WyomingServices

TOO_MANY = "there are too many connections; try again in a moment"

log = logging.getLogger(__name__)


class WyomingServer:
    """Accepts clients, and serves each over a connection of its own.

    Args:
        max_connections: clients at once; more are told so, and left.
    """

    def __init__(self, app: web.Application, max_connections: int) -> None:
        self.place = ""
        """Where it listens: host:port, or unix:/path."""
        self._max_connections = max_connections
        self._services = WyomingServices.of(app)
        self._watch = DisconnectWatch()
        self._server: asyncio.Server | None = None
        self._announcing: asyncio.Task[None] | None = None
        self._serving: dict[asyncio.Task[None], WyomingConnection] = {}
        self._turned_away: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self._stopping = False

    def use(self, app: web.Application, max_connections: int) -> None:
        """Have further clients served with another application's settings and parts."""
        self._max_connections = max_connections
        self._services = WyomingServices.of(app)

    async def start(self, stack: AsyncExitStack) -> None:
        """Serve until stack unwinds.

        Raises:
            StartupError: the address cannot be listened on.
        """
        address = self._services.settings.wyoming_listen
        assert address is not None
        opened = open_socket(address, stack)
        set_options(opened.socket, self._services.settings.client_timeout)
        self._watch.start()
        stack.push_async_callback(self._stop)
        loop = asyncio.get_running_loop()
        listen = loop.create_unix_server if opened.unix is not None else loop.create_server
        self._server = await listen(self._protocol, sock=opened.socket, backlog=BACKLOG)
        opened.publish()
        if opened.unix is not None:
            self.place = f"unix:{opened.unix.path}"
        else:
            host, port = opened.socket.getsockname()[:2]
            self.place = f"{bracketed(host)}:{port}"
            self._warn(host)
            if self._services.settings.wyoming_announce:
                self._announce(host, port)
        log.info("Wyoming on %s", self.place)

    def _warn(self, host: str) -> None:
        if self._services.settings.client_keys is not None and not ip_address(host).is_loopback:
            log.warning("whoever reaches %s needs no key there: Wyoming has none", self.place)

    def _announce(self, host: str, port: int) -> None:
        from .announcement import announce  # noqa: PLC0415 - may not be installed

        self._announcing = asyncio.create_task(announce(host, port))

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return len(self._serving)

    @property
    def in_progress(self) -> int:
        """How many clients something is done for."""
        return sum(connection.is_busy for connection in self._serving.values())

    def begin_shutdown(self) -> None:
        """Accept no more clients, and leave each when what it has asked for is done."""
        self._stopping = True
        if self._server is not None:
            self._server.close()
        if self._announcing is not None:
            self._announcing.cancel()
        for connection in self._serving.values():
            connection.finish()

    async def finished(self) -> None:
        """Wait until no client is connected but those that were refused, and may read why."""
        await self._until(lambda: all(one.is_refused for one in self._serving.values()))

    async def break_all(self) -> None:
        """Give up what is in progress, tell the clients, and wait until all is cleaned up."""
        for connection in self._serving.values():
            connection.fail(web.HTTPServiceUnavailable(text=STOPPING))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLEANUP_TIMEOUT):
                await self._until(lambda: not self._serving)

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._changed.clear()
            await self._changed.wait()

    async def _stop(self) -> None:
        self.begin_shutdown()
        for connection in self._serving.values():
            connection.abort()
        announcing = [self._announcing] if self._announcing is not None else []
        await cancel_and_wait(*self._serving, *self._turned_away, *announcing)
        self._services.checker.stop()
        self._watch.stop()

    def _protocol(self) -> asyncio.StreamReaderProtocol:
        return asyncio.StreamReaderProtocol(
            EventReader(min(self._services.settings.max_body_bytes, MAX_PAYLOAD)), self._accept
        )

    def _accept(self, reader: asyncio.StreamReader, stream: asyncio.StreamWriter) -> None:
        """Serve a client, or turn it away."""
        assert isinstance(reader, EventReader)
        writer = EventWriter(stream, self._services.settings.client_timeout)
        if self.connections >= self._max_connections:
            self._turn_away(reader, writer)
            return
        exchange = Exchange(HEARD, asyncio.get_running_loop().time, client=_client(stream))
        connection = WyomingConnection(
            self._services, reader, writer, exchange, token_hex(ID_BYTES)
        )
        task = asyncio.create_task(self._serve(connection, writer.transport))
        users = self._services.users
        users.enter()
        task.add_done_callback(lambda _: users.leave())
        self._serving[task] = connection
        connection.on_refused = self._changed.set
        task.add_done_callback(self._served)
        if self._stopping:  # it was accepted at the very moment
            connection.finish()

    async def _serve(self, connection: WyomingConnection, transport: asyncio.Transport) -> None:
        fd = self._watch.watch(transport, LAST_WORDS_TIMEOUT)
        try:
            await connection.run()
        except Exception:
            log.exception("a Wyoming connection failed in the gateway")
        finally:
            self._watch.forget(fd, transport)

    def _served(self, task: asyncio.Task[None]) -> None:
        del self._serving[task]
        self._changed.set()

    def _turn_away(self, reader: EventReader, writer: EventWriter) -> None:
        """Say that there are too many clients; of very many at once, some are not told."""
        if len(self._turned_away) >= lingering.MAX_TURNED_AWAY:
            writer.abort()
            return
        task = asyncio.create_task(_refuse(reader, writer))
        self._turned_away.add(task)
        task.add_done_callback(self._turned_away.discard)
        task.add_done_callback(lambda _: writer.abort())  # it may be cancelled before it begins


async def _refuse(reader: EventReader, writer: EventWriter) -> None:
    with contextlib.suppress(ConnectionError):  # the client is gone
        status = web.HTTPServiceUnavailable.status_code
        await writer.send(Error(text=TOO_MANY, code=str(status)).event())
        await writer.close_softly(reader)
    await writer.close()


def _client(stream: asyncio.StreamWriter) -> Client:
    """Return who has connected; a unix socket's clients have no address."""
    peer = stream.get_extra_info("peername")
    return Client(str(parse_address(peer[0])) if isinstance(peer, tuple) else "")
