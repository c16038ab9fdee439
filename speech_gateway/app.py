"""The application: the path of a request, in order."""

from collections.abc import Iterator, Sequence

from aiohttp import web

from .api import pages, plain
from .api.base import Api, add_route
from .api.console.page import ConsoleApi
from .api.live_requests import LIVE_REQUESTS, LiveRequests
from .api.metrics_page import METRICS_PAGE, metrics_page
from .api.plain import PlainApi
from .api.resources import RESOURCES, add_resources, voices_of
from .config.addresses import UpstreamAddress
from .config.settings import SETTINGS, Settings
from .health import HEALTH, Health
from .lasting import Lasting
from .metrics import METRICS, Metrics
from .middlewares import Plugin
from .middlewares.body_size import CheckBodySize
from .middlewares.circuit import Circuit
from .middlewares.client_key import CheckKey
from .middlewares.concurrency_gate import Gate, GateLimits
from .middlewares.content_type import CheckContentType
from .middlewares.cross_origin import CrossOrigin
from .middlewares.disconnect import WatchDisconnect
from .middlewares.drain import DRAIN
from .middlewares.forwarded import Forwarded
from .middlewares.method import CheckMethod
from .middlewares.outcome import DecideOutcome
from .middlewares.read_text import ReadText
from .middlewares.request_count import CountRequests
from .middlewares.request_head import CheckHead
from .middlewares.request_log import LogRequests
from .observers import OBSERVERS, Observers
from .pipelines.voices import Voices
from .server.response_writer import WRITE_TIMEOUT, WriteTimeout
from .upstream.bearer_token import BearerToken
from .upstream.client import UPSTREAM_CLIENT, UpstreamClient


async def create_app(
    settings: Settings, backend: UpstreamAddress, lasting: Lasting
) -> web.Application:
    """Return the gateway's application, standing in front of backend.

    Other settings have an application of their own, which shares what is lasting.
    """
    voices = voices_of(settings) if settings.openai or settings.wyoming_listen else None
    apis = _apis(settings, voices, lasting)
    _expect(lasting.metrics, settings, apis)
    app = web.Application()
    app[OBSERVERS] = observers = Observers()  # plugins add theirs
    app[UPSTREAM_CLIENT] = client = _client(app, settings, backend)
    gate = Gate(lasting.metrics, Circuit(client.state), lasting.occupancy, gate_limits(settings))
    for step in _middlewares(settings, apis, lasting, gate):
        await step.setup(app)
    _watch_backend(app, lasting.metrics, gate)
    app[SETTINGS] = settings
    app[METRICS] = lasting.metrics
    app[METRICS_PAGE] = lasting.metrics_page
    app[DRAIN] = lasting.drain
    app[WRITE_TIMEOUT] = write_timeout = WriteTimeout.of(settings.client_timeout)
    app.on_cleanup.append(write_timeout.stop)
    app[HEALTH] = Health(client.monitor, lasting.drain)
    if voices is not None:
        add_resources(app, settings, voices)
        app[LIVE_REQUESTS] = LiveRequests(client, app[RESOURCES], gate, lasting.metrics, observers)
    _add_routes(app, apis)
    return app


def gate_limits(settings: Settings) -> GateLimits:
    """Return how many requests may talk to the backend, and how many may wait."""
    return GateLimits(
        slots=settings.max_concurrency,
        max_queue=settings.max_queue,
        queue_timeout=settings.queue_timeout,
        share=settings.client_share,
    )


def _expect(metrics: Metrics, settings: Settings, apis: Sequence[Api]) -> None:
    """Have the series exist that these settings can lead to."""
    endpoints = [endpoint for api in apis for endpoint in api.endpoints]
    metrics.expect(
        refusals=_refusals(settings),
        preflights=bool(settings.allow_origins),
        apis=dict.fromkeys(endpoint.api for endpoint in endpoints),
        methods=dict.fromkeys(method for endpoint in endpoints for method in endpoint.methods),
    )


def _middlewares(
    settings: Settings, apis: Sequence[Api], lasting: Lasting, gate: Gate
) -> Iterator[Plugin]:
    """Yield the middlewares that a request passes before its handler, in order."""
    yield CountRequests(  # outermost: all count
        lasting.metrics, [endpoint for api in apis for endpoint in api.endpoints]
    )
    yield LogRequests()  # gives the id that all further in may write of; its line tells the outcome
    yield DecideOutcome(  # every answer leaves here: whole or broken
        settings.client_timeout,
        {api.prefix: api.format_error for api in apis if api.prefix},
        gate.seconds_to_retry,
    )
    yield CheckHead()  # what follows a dubious head cannot be trusted, whatever it asks for
    yield CrossOrigin(  # preflights carry no key, and no page could read a drain's 503 without one
        settings.allow_origins
    )
    yield WatchDisconnect()  # from here on a client may leave while it waits
    yield lasting.drain  # before anything is begun for a request that cannot be finished
    yield from _admission(settings, apis)  # who is it? before anything is done for who may not
    yield from settings.plugins  # an operator's: may refuse or rewrite, and is counted and logged
    yield CheckMethod()  # by the head alone,
    yield CheckContentType()  # cheapest first,
    yield CheckBodySize(  # before a byte is asked for
        settings.max_body_bytes, {key: n for api in apis for key, n in api.body_limits.items()}
    )
    yield gate.circuit  # nor is one asked for that nobody could answer
    yield ReadText(  # before the gate, so that a slow sender of text holds no slot
        max_characters=settings.max_tts_text_size,
        max_bytes=settings.max_body_bytes,
        timeout=settings.client_timeout,
    )
    for api in apis:
        yield from api.steps  # what else is read before the gate
    yield gate  # last: who holds a slot has nothing left to be refused for


def _apis(settings: Settings, voices: Voices | None, lasting: Lasting) -> list[Api]:
    """Return the APIs that are switched on; voices are those that clients may name."""
    apis: list[Api] = [PlainApi()]
    if settings.openai and voices is not None:
        from .api.openai.api import OpenAIApi  # noqa: PLC0415 - its parts may not be installed
        from .api.realtime.realtime_api import RealtimeApi  # noqa: PLC0415

        apis += [
            OpenAIApi(settings, voices),
            RealtimeApi(settings, lasting.open_sockets),
        ]
    if settings.console:
        apis.append(ConsoleApi())
    if settings.wyoming_listen is not None:
        from .api.wyoming.wyoming_api import WyomingApi  # noqa: PLC0415

        apis.append(WyomingApi())
    return apis


def _admission(settings: Settings, apis: Sequence[Api]) -> Iterator[Plugin]:
    """Yield what finds out who a client is, as far as the operator wants to know."""
    if settings.trusted_hops is not None:
        yield Forwarded(settings.trusted_hops)
    if settings.client_keys is not None:
        yield CheckKey(
            settings.client_keys,
            free=[path for api in apis for path in api.free_paths],
            pages=[path for api in apis for path in api.free_pages],
        )


def _refusals(settings: Settings) -> Iterator[int]:
    """Yield the statuses that only some settings lead to."""
    if settings.client_keys is not None:
        yield web.HTTPUnauthorized.status_code
    if settings.client_share < 1:
        yield web.HTTPTooManyRequests.status_code


def _client(app: web.Application, settings: Settings, backend: UpstreamAddress) -> UpstreamClient:
    """Return the client of the backend, which ends with app."""
    token = settings.token or BearerToken()
    if token.file is not None:
        app.cleanup_ctx.append(token.file.watching)
    client = UpstreamClient(
        backend,
        settings.pipelines,
        token=token,
        timeout=settings.upstream_timeout,
        first_byte_timeout=settings.first_byte_timeout,
        max_idle=settings.max_concurrency,
    )
    app.on_cleanup.append(client.close)
    return client


def _watch_backend(app: web.Application, metrics: Metrics, gate: Gate) -> None:
    """Look at the backend while app runs; have known what is found."""
    client = app[UPSTREAM_CLIENT]

    def tell() -> None:
        metrics.backend(client.state)
        if client.state.gone:
            gate.turn_away()

    client.state.watchers.append(tell)
    app.cleanup_ctx.append(client.monitor.running)


def _add_routes(app: web.Application, apis: Sequence[Api]) -> None:
    for api in apis:
        api.add_routes(app)
    for api in apis:
        api.add_fallbacks(app)
    pages.add_page(app, "/healthz", pages.alive)
    pages.add_page(app, "/readyz", pages.ready)
    if app[SETTINGS].metrics_listen is None:
        pages.add_page(app, "/metrics", metrics_page)
    add_route(app, "/{path:.*}", plain.nowhere)  # aiohttp's own 404 would ask for the body first


def create_metrics_app(app: web.Application) -> web.Application:
    """Return the application of the metrics' own listener: app's page, and no other."""
    page = web.Application()
    page[METRICS_PAGE] = app[METRICS_PAGE]
    pages.add_page(page, "/metrics", metrics_page)
    return page
