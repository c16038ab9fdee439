"""The running gateway: its listeners, its start and its end."""

import asyncio
import logging
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace

from aiohttp import web
from aiohttp.http_parser import HttpRequestParser, HttpRequestParserPy

from .app import create_app, create_metrics_app
from .connector import UpstreamAddress
from .engine import Engine
from .listeners import Bounds, listen
from .middlewares.drain import DRAIN
from .open_files import connections_with_files
from .settings import Settings

SCRAPERS = 32
"""Connections to a listener that has nothing but the metrics."""

log = logging.getLogger(__name__)


class ServiceError(Exception):
    """The gateway cannot serve; the message is for people."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """A gateway that serves."""

    app: web.Application
    url: str
    """Where it listens; ``unix:/path`` for a unix socket."""
    metrics_url: str

    async def drain(self, timeout: float, hurry: asyncio.Event) -> None:
        """Refuse new requests; give those under way timeout seconds, or until hurry is set."""
        drain = self.app[DRAIN]
        drain.begin()
        waits = {asyncio.create_task(drain.finished()), asyncio.create_task(hurry.wait())}
        _, pending = await asyncio.wait(waits, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        await drain.break_all()


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Gateway]:
    """Serve as settings say, until the block ends.

    Raises:
        ServiceError: the parser is not safe.
        TooFewFilesError: the process may open too few files.
        ListenError: an address cannot be listened on.
        EngineError: the bundled engine does not start.
    """
    if HttpRequestParser is HttpRequestParserPy:
        raise ServiceError(
            "aiohttp runs without its C parser, and the one in Python is too lax for an open "
            "network; unset AIOHTTP_NO_EXTENSIONS, or install aiohttp from a wheel"
        )
    async with AsyncExitStack() as stack:
        app = await create_app(settings, await _backend(settings, stack))
        bounds = Bounds(
            connections=connections_with_files(settings.max_connections, settings.max_concurrency),
            idle_timeout=settings.client_timeout,
            body=settings.max_body_bytes,
        )
        metrics_url = url = await listen(app, settings.listen, bounds, stack)
        if settings.metrics_listen is not None:
            page = create_metrics_app(app)
            few = replace(bounds, connections=SCRAPERS)
            metrics_url = await listen(page, settings.metrics_listen, few, stack)
        log.info("listening on %s", url)
        if metrics_url != url:
            log.info("metrics on %s/metrics", metrics_url)
        yield Gateway(app, url, metrics_url)


async def serve(settings: Settings, *, greet: bool = False) -> None:
    """Serve until SIGTERM or SIGINT, then drain; a second signal ends the drain."""
    stop, hurry = asyncio.Event(), asyncio.Event()

    def on_signal() -> None:
        (hurry if stop.is_set() else stop).set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    async with running(settings) as gateway:
        if greet:
            print(_greeting(gateway.url), flush=True)  # noqa: T201 - for a person at a terminal
        await stop.wait()
        log.info("stopping: what is under way gets %g s", settings.drain_timeout)
        await gateway.drain(settings.drain_timeout, hurry)
    log.info("stopped")


async def _backend(settings: Settings, stack: AsyncExitStack) -> UpstreamAddress:
    if settings.skit_url is not None:
        return settings.skit_url
    engine = Engine()
    stack.push_async_callback(engine.stop)
    await engine.start()
    return engine.address


def _greeting(url: str) -> str:
    return f"""
  speech-gateway serves on {url}. In a second terminal:

    curl -s -d 'The quick brown fox jumps over the lazy dog.' {url}/tts -o fox.ogg
    curl -s -H 'Content-Type: audio/ogg' --data-binary @fox.ogg {url}/stt
    curl -s {url}/metrics

  Ctrl-C stops it.
"""
