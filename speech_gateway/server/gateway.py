"""A gateway that serves: its listeners, its settings, and how it comes to an end."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from aiohttp import web

from ..app import create_app, create_metrics_app, gate_limits
from ..config.addresses import UpstreamAddress
from ..config.applicable import applicable
from ..config.settings import Settings
from ..embedded.launcher import Engine
from ..lasting import Lasting
from ..middlewares.drain import DRAIN
from ..tasks import cancel_and_wait
from ..upstream.client import UPSTREAM_CLIENT
from . import aiohttp_internals
from .listeners import Bounds, Listener, listen
from .open_files import connections_with_files

if TYPE_CHECKING:
    from ..api.wyoming.wyoming_server import WyomingServer

METRICS_CONNECTIONS = 32
"""Connections to the metrics' own listener."""
HANDOVER_SECONDS = 0.5
"""Seconds that accepted connections get to send a request, when another gateway takes over."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Gateway:
    """A gateway that serves."""

    settings: Settings
    lasting: Lasting
    listener: Listener
    metrics_page: Listener | None
    """The metrics' own listener, if they have one."""
    wyoming: "WyomingServer | None"
    metrics_url: str
    hands_over: bool
    """Whether the sockets outlive this gateway, and another one takes over."""
    engine_address: UpstreamAddress | None
    """Where the bundled engine is, if it is used."""
    notice: str = ""
    """What became of the last reload, for people; nothing when all is well."""

    @property
    def app(self) -> web.Application:
        """The application that answers requests as they come now."""
        return self.listener.app

    @property
    def url(self) -> str:
        """Where it listens; ``unix:/path`` for a unix socket."""
        return self.listener.urls[0]

    def status(self) -> str:
        """Return its state, in a line for people."""
        drain = self.app[DRAIN]
        doing = "stopping" if drain.draining else f"serving on {', '.join(self.listener.urls)}"
        in_progress = drain.in_progress + (self.wyoming.in_progress if self.wyoming else 0)
        notice = f"; {self.notice}" if self.notice else ""
        return f"{doing}; requests under way: {in_progress}{notice}"

    async def reload(self, wanted: Settings) -> list[str]:
        """Serve new requests with other settings; those under way keep what they began with.

        Return the settings that need a restart, and stay as they were.

        Raises:
            StartupError: the settings cannot be had; nothing has changed.
        """
        settings, waiting = applicable(self.settings, wanted)
        backend = _backend(settings, self.engine_address)
        connections = _connections(settings)
        app = await create_app(settings, backend, self.lasting)
        before, after = self.app[UPSTREAM_CLIENT].state, app[UPSTREAM_CLIENT].state
        if settings.skit_url == self.settings.skit_url:
            after.begin_as(before)
        bounds = _bounds(settings, connections)
        await self.listener.replace(app, bounds)
        if self.metrics_page is not None:
            self.metrics_page.bound(replace(bounds, connections=METRICS_CONNECTIONS))
        before.end_telling()  # the metrics and the queue are of the new one's backend
        after.begin_telling()
        self.lasting.limit(gate_limits(settings))
        if self.wyoming is not None:
            self.wyoming.use(app, connections)
        self.settings = settings
        return waiting

    async def begin_shutdown(self) -> None:
        """Refuse new requests, or leave them to the gateway that takes over.

        In that case new connections wait for it, and requests on accepted ones are still served.
        """
        self.app[DRAIN].begin(refuse=not self.hands_over)
        if self.wyoming is not None:
            self.wyoming.begin_shutdown()
        if self.hands_over:
            await self.listener.stop_accepting()

    async def drain(self, timeout: float, stop_now: asyncio.Event) -> None:
        """Give the requests in progress timeout seconds, or until stop_now is set."""
        waits = {asyncio.create_task(self._finished()), asyncio.create_task(stop_now.wait())}
        await asyncio.wait(waits, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        await cancel_and_wait(*waits)
        drains = [self.app[DRAIN].break_all()]
        if self.wyoming is not None:
            drains.append(self.wyoming.break_all())
        await asyncio.gather(*drains)

    async def _finished(self) -> None:
        if self.hands_over:
            await asyncio.sleep(HANDOVER_SECONDS)
        await self.app[DRAIN].finished()
        if self.wyoming is not None:
            await self.wyoming.finished()


@asynccontextmanager
async def running(
    settings: Settings, inherited: Sequence[socket.socket] = ()
) -> AsyncIterator[Gateway]:
    """Serve with settings until the block ends; on inherited sockets if there are any.

    Raises:
        StartupError: aiohttp is not safe or not the right one, the process may open too few files,
            an address cannot be listened on, or the bundled engine does not start.
    """
    aiohttp_internals.check()
    async with AsyncExitStack() as stack:
        engine_address = None if settings.skit_url else await _start_engine(settings, stack)
        backend = _backend(settings, engine_address)
        lasting = Lasting.begun(gate_limits(settings))
        app = await create_app(settings, backend, lasting)
        connections = _connections(settings)
        bounds = _bounds(settings, connections)
        page: Listener | None = None
        if settings.metrics_listen is not None:  # first: the main one serves from its start on
            few = replace(bounds, connections=METRICS_CONNECTIONS)
            page = await listen(create_metrics_app(app), settings.metrics_listen, few, stack)
        listener = await listen(app, settings.listen, bounds, stack, inherited)
        app[UPSTREAM_CLIENT].state.begin_telling()
        for url in listener.urls:
            log.info("listening on %s%s", url, ", as handed over" if inherited else "")
        metrics_url = (page or listener).urls[0]
        if page is not None:
            log.info("metrics on %s/metrics", metrics_url)
        wyoming = await _wyoming(app, settings, connections, stack)
        lasting.metrics.reloaded(successfully=True)
        yield Gateway(
            settings,
            lasting,
            listener,
            page,
            wyoming,
            metrics_url,
            hands_over=bool(inherited),
            engine_address=engine_address,
        )


def _backend(settings: Settings, engine: UpstreamAddress | None) -> UpstreamAddress:
    """Return the backend: the one that is set, or else the bundled engine."""
    backend = settings.skit_url or engine
    assert backend is not None
    return backend


def _connections(settings: Settings) -> int:
    """Return how many clients each listener may have, as far as files can be opened."""
    listeners = 1 if settings.wyoming_listen is None else 2
    return connections_with_files(settings.max_connections, settings.max_concurrency, listeners)


def _bounds(settings: Settings, connections: int) -> Bounds:
    return Bounds(
        connections=connections,
        idle_timeout=settings.client_timeout,
        body=settings.max_body_bytes,
    )


async def _wyoming(
    app: web.Application, settings: Settings, connections: int, stack: AsyncExitStack
) -> "WyomingServer | None":
    """Serve Wyoming until stack unwinds, if it is switched on."""
    if settings.wyoming_listen is None:
        return None
    from ..api.wyoming.wyoming_server import WyomingServer  # noqa: PLC0415 - may not be installed

    server = WyomingServer(app, connections)
    await server.start(stack)
    return server


async def _start_engine(settings: Settings, stack: AsyncExitStack) -> UpstreamAddress:
    engine = Engine(settings.engine_model)
    stack.push_async_callback(engine.stop)
    await engine.start()
    return engine.address
