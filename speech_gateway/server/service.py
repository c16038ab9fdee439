"""The running gateway: start, serving, graceful shutdown."""

import asyncio
import logging
import signal
import socket
import sys
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace

from aiohttp import web

from .. import standard_streams
from ..app import create_app, create_metrics_app
from ..config.addresses import UpstreamAddress
from ..config.settings import Settings
from ..embedded.launcher import Engine
from ..health import HEALTH
from ..middlewares.drain import DRAIN
from ..tasks import cancel_and_wait
from . import aiohttp_internals
from .listeners import Bounds, Listener, listen
from .open_files import connections_with_files
from .sd_notify import Supervisor

METRICS_CONNECTIONS = 32
"""Connections to the metrics' own listener."""
HANDOVER_SECONDS = 0.5
"""Seconds that accepted connections get to send a request, when another gateway takes over."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Gateway:
    """A gateway that serves."""

    app: web.Application
    listener: Listener
    metrics_url: str
    hands_over: bool
    """Whether the sockets outlive this gateway, and another one takes over."""

    @property
    def url(self) -> str:
        """Where it listens; ``unix:/path`` for a unix socket."""
        return self.listener.urls[0]

    def status(self) -> str:
        """Return its state, in a line for people."""
        drain = self.app[DRAIN]
        doing = "stopping" if drain.draining else f"serving on {', '.join(self.listener.urls)}"
        return f"{doing}; requests under way: {drain.in_progress}"

    async def begin_shutdown(self) -> None:
        """Refuse new requests, or leave them to the gateway that takes over.

        In that case new connections wait for it, and requests on accepted ones are still served.
        """
        self.app[DRAIN].begin(refuse=not self.hands_over)
        if self.hands_over:
            await self.listener.stop_accepting()

    async def drain(self, timeout: float, stop_now: asyncio.Event) -> None:
        """Give the requests in progress timeout seconds, or until stop_now is set."""
        waits = {asyncio.create_task(self._finished()), asyncio.create_task(stop_now.wait())}
        await asyncio.wait(waits, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        await cancel_and_wait(*waits)
        await self.app[DRAIN].break_all()

    async def _finished(self) -> None:
        if self.hands_over:
            await asyncio.sleep(HANDOVER_SECONDS)
        await self.app[DRAIN].finished()


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
        app = await create_app(settings, await _backend(settings, stack))
        bounds = Bounds(
            connections=connections_with_files(settings.max_connections, settings.max_concurrency),
            idle_timeout=settings.client_timeout,
            body=settings.max_body_bytes,
        )
        page: Listener | None = None
        if settings.metrics_listen is not None:  # first: the main one serves from its start on
            few = replace(bounds, connections=METRICS_CONNECTIONS)
            page = await listen(create_metrics_app(app), settings.metrics_listen, few, stack)
        listener = await listen(app, settings.listen, bounds, stack, inherited)
        for url in listener.urls:
            log.info("listening on %s%s", url, ", as handed over" if inherited else "")
        metrics_url = (page or listener).urls[0]
        if page is not None:
            log.info("metrics on %s/metrics", metrics_url)
        yield Gateway(app, listener, metrics_url, hands_over=bool(inherited))


async def serve(
    settings: Settings,
    supervisor: Supervisor,
    inherited: Sequence[socket.socket] = (),
    *,
    greet: bool = False,
) -> None:
    """Serve until SIGTERM or SIGINT, then drain; a second signal ends the drain.

    A signal during the start gives the start up.
    """
    stop, stop_now = asyncio.Event(), asyncio.Event()

    def on_signal() -> None:
        (stop_now if stop.is_set() else stop).set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    async with AsyncExitStack() as stack:
        gateway = await _start(stack.enter_async_context(running(settings, inherited)), stop)
        if gateway is not None:
            supervisor.ready(gateway.status)
            first_look = asyncio.create_task(gateway.app[HEALTH].problem())  # told in the log
            stack.push_async_callback(cancel_and_wait, first_look)
            if greet:
                standard_streams.say(sys.stdout, greeting(gateway.url))
            await stop.wait()
            log.info("stopping: what is under way gets %g s", settings.drain_timeout)
            await gateway.begin_shutdown()
            supervisor.stopping(gateway.status)
            await gateway.drain(settings.drain_timeout, stop_now)
    supervisor.end()
    log.info("stopped" if gateway is not None else "stopped before it served")


async def _start(
    starting: Coroutine[object, object, Gateway], stop: asyncio.Event
) -> Gateway | None:
    """Return the gateway when it serves; None when it was told to stop before."""
    start = asyncio.create_task(starting)
    stopped = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({start, stopped}, return_when=asyncio.FIRST_COMPLETED)
        return await start if start.done() else None
    finally:
        await cancel_and_wait(start, stopped)


async def _backend(settings: Settings, stack: AsyncExitStack) -> UpstreamAddress:
    if settings.skit_url is not None:
        return settings.skit_url
    engine = Engine(settings.engine_model)
    stack.push_async_callback(engine.stop)
    await engine.start()
    return engine.address


def greeting(url: str) -> str:
    """Return commands to try, for a person at a terminal."""
    where, curl = url, "curl -s"
    if url.startswith("unix:"):
        curl, url = f"curl -s --unix-socket {url.removeprefix('unix:')}", "http://localhost"
    return f"""
  speech-gateway serves on {where}. In a second terminal:

    {curl} -d 'The quick brown fox jumps over the lazy dog.' {url}/tts -o fox.ogg
    {curl} -H 'Content-Type: audio/ogg' --data-binary @fox.ogg {url}/stt
    {curl} {url}/metrics

  Ctrl-C stops it.
"""
