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

A plugin that wants to know of requests and of what becomes of them, and changes nothing, is an
``Observer``; its ``setup`` calls ``observe(app, self)``. It is told of what is said on live
connections, too, which no middleware sees.

What this module exports is stable: it changes in a way that may break a plugin only with a new
minor version before 1.0, with a new major version after it, and CHANGES says so.
"""

from typing import Protocol

from aiohttp import web

from .exchange import EXCHANGE, REQUEST_ID
from .middlewares import Handler, Plugin, Step
from .observation import CallAttempt, Observation, ObservedCall
from .observers import OBSERVERS
from .trace_context import TraceContext

__all__ = [
    "REQUEST_ID",
    "CallAttempt",
    "Handler",
    "Observation",
    "ObservedCall",
    "Observer",
    "Plugin",
    "PublicClient",
    "PublicEndpoint",
    "PublicExchange",
    "PublicTimings",
    "Step",
    "TraceContext",
    "exchange_of",
    "observe",
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
        """The metrics' ``api``: ``plain``, ``openai``, ``realtime`` or ``wyoming``."""


class PublicClient(Protocol):
    """Who asks."""

    address: str
    """Behind trusted proxies the client's own; empty on a unix socket."""
    key: str
    """The client's name, where keys are asked for. A plugin that knows better may set it.

    The name stands in the log, and ``--client-share`` counts by it.
    """


class PublicTimings(Protocol):
    """How long things took, in seconds."""

    @property
    def waited(self) -> float:
        """At the gate."""

    @property
    def backend(self) -> float | None:
        """From calling the backend to the head of its answer; None when that did not come."""

    @property
    def first_byte(self) -> float | None:
        """From the request's head to the first byte of the answer's body."""

    def so_far(self) -> float:
        """Return the seconds since the request's head."""


class PublicExchange(Protocol):
    """One request to an endpoint and its answer, or something said on a live connection."""

    trace: TraceContext | None
    """Its place in a distributed trace; None when its client told none.

    An observer that makes a span of the exchange sets it: the log and the metrics' exemplars tell
    it, and the backend gets it.
    """

    @property
    def request_id(self) -> str:
        """Its id, as the log and the backend have it."""

    @property
    def endpoint(self) -> PublicEndpoint:
        """What the request goes to."""

    @property
    def client(self) -> PublicClient:
        """Who asks."""

    @property
    def timings(self) -> PublicTimings:
        """How long things took."""

    @property
    def status(self) -> int:
        """The status that it has ended with; the reason's when it was cut; 499: the client left."""

    @property
    def why(self) -> str:
        """Why it failed, if it did."""

    @property
    def bytes_in(self) -> int:
        """Bytes of the request's body that were read."""

    @property
    def bytes_out(self) -> int:
        """Bytes of the answer's body that were sent."""

    def explain(self, why: str) -> None:
        """Have the log tell why the request fails; the first reason stands."""


def exchange_of(request: web.Request) -> PublicExchange | None:
    """Return the exchange that request belongs to; None for pages, such as ``/metrics``.

    ``request[REQUEST_ID]`` is the request's id, for pages too.
    """
    return request.get(EXCHANGE)


class Observer(Protocol):
    """Is told of every exchange.

    What it raises is logged, and fails no request. It runs in the event loop, and must not wait.
    """

    def begin(self, exchange: PublicExchange, request: web.Request | None, /) -> Observation | None:
        """Return what observes an exchange that begins; None for one that is of no interest.

        Its id and its place in a trace are known. There is no request for something that is said on
        a live connection. On ``/v1/realtime`` the exchange of the connection itself, whose status
        is 101, lasts until that is closed.
        """


def observe(app: web.Application, observer: Observer) -> None:
    """Have observer told of every exchange of app; for the ``setup`` of plugins."""
    app[OBSERVERS].add(observer)
