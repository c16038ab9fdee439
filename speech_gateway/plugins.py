"""The interface for authors of plugins.

A plugin takes a place between the metrics and the checks of a request: it may refuse a request, by
raising one of aiohttp's HTTP exceptions, or change it, and what it does is counted and logged. An
object with ``async def setup(app)`` is one; ``Step`` is the usual way to write it::

    from aiohttp import web
    from speech_gateway.plugins import Handler, Step, exchange_of

    class RequireKey(Step):
        def __init__(self, key: str) -> None:
            self._key = key

        @web.middleware
        async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
            exchange = exchange_of(request)
            if exchange is not None and request.headers.get("X-Key") != self._key:
                raise web.HTTPUnauthorized(text="send your key in X-Key\\n")
            return await handler(request)

What this module exports is stable: it changes in a way that may break a plugin only with a new
minor version before 1.0, with a new major version after it, and CHANGES says so.
"""

from typing import Protocol

from aiohttp import web

from .exchange import EXCHANGE, REQUEST_ID
from .middlewares import Handler, Plugin, Step

__all__ = [
    "REQUEST_ID",
    "Handler",
    "Plugin",
    "PublicClient",
    "PublicEndpoint",
    "PublicExchange",
    "Step",
    "exchange_of",
]


class PublicEndpoint(Protocol):
    """What a request goes to."""

    @property
    def path(self) -> str:
        """The path, such as ``/tts`` or ``/v1/audio/speech``."""

    @property
    def label(self) -> str:
        """The metrics' ``endpoint``: ``tts`` or ``stt``."""

    @property
    def api(self) -> str:
        """The metrics' ``api``: ``plain`` or ``openai``."""


class PublicClient(Protocol):
    """Who asks."""

    address: str
    """Behind trusted proxies the client's own; empty on a unix socket."""
    key: str
    """The client's name, where keys are asked for. A plugin that knows better may set it.

    The name stands in the log, and ``--client-share`` counts by it.
    """


class PublicExchange(Protocol):
    """One request to an endpoint and its answer."""

    @property
    def endpoint(self) -> PublicEndpoint:
        """What the request goes to."""

    @property
    def client(self) -> PublicClient:
        """Who asks."""

    def explain(self, why: str) -> None:
        """Have the log tell why the request fails; the first reason stands."""


def exchange_of(request: web.Request) -> PublicExchange | None:
    """Return the exchange that request belongs to; None for pages, such as ``/metrics``.

    ``request[REQUEST_ID]`` is the request's id, for pages too.
    """
    return request.get(EXCHANGE)
