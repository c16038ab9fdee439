"""The application: the path of a request, in order."""

from collections.abc import Iterator, Sequence

from aiohttp import web

from .api import pages, plain
from .api.base import Api, add_route
from .api.metrics_page import METRICS_PAGE, MetricsPage, metrics_page
from .api.plain import PlainApi
from .config.addresses import UpstreamAddress
from .config.settings import SETTINGS, Settings
from .health import HEALTH, Health
from .metrics import METRICS, Metrics
from .middlewares import Plugin
from .middlewares.body_size import CheckBodySize
from .middlewares.client_key import CheckKey
from .middlewares.concurrency_gate import Gate
from .middlewares.content_type import CheckContentType
from .middlewares.disconnect import WatchDisconnect
from .middlewares.drain import DRAIN, Drain
from .middlewares.forwarded import Forwarded
from .middlewares.method import CheckMethod
from .middlewares.outcome import DecideOutcome
from .middlewares.read_text import ReadText
from .middlewares.request_count import CountRequests
from .middlewares.request_head import CheckHead
from .middlewares.request_log import LogRequests
from .server.response_writer import WRITE_TIMEOUT, WriteTimeout
from .upstream.bearer_token import BearerToken
from .upstream.client import UPSTREAM_CLIENT, UpstreamClient


async def create_app(settings: Settings, backend: UpstreamAddress) -> web.Application:
    """Return the gateway's application, standing in front of backend."""
    apis = _apis(settings)
    drain = Drain()
    metrics = Metrics(
        slots=settings.max_concurrency,
        refusals=_refusals(settings),
        apis=dict.fromkeys(endpoint.api for api in apis for endpoint in api.endpoints),
    )
    app = web.Application()
    for step in _middlewares(settings, apis, metrics, drain):
        await step.setup(app)
    app[SETTINGS] = settings
    app[METRICS] = metrics
    app[METRICS_PAGE] = MetricsPage(metrics)
    app[DRAIN] = drain
    app[WRITE_TIMEOUT] = write_timeout = WriteTimeout.of(settings.client_timeout)
    app.on_cleanup.append(write_timeout.stop)
    app[UPSTREAM_CLIENT] = client = _client(app, settings, backend)
    app[HEALTH] = Health(client.health_check, drain)
    _add_routes(app, apis)
    return app


def _middlewares(
    settings: Settings, apis: Sequence[Api], metrics: Metrics, drain: Drain
) -> Iterator[Plugin]:
    """Yield the middlewares that a request passes before its handler, in order."""
    yield CountRequests(metrics, [e for api in apis for e in api.endpoints])  # outermost: all count
    yield LogRequests()  # gives the id that all further in may write of; its line tells the outcome
    yield DecideOutcome(  # every answer leaves here: whole or broken
        settings.client_timeout, {api.prefix: api.format_error for api in apis if api.prefix}
    )
    yield CheckHead()  # what follows a dubious head cannot be trusted, whatever it asks for
    yield WatchDisconnect()  # from here on a client may leave while it waits
    yield drain  # before anything is begun for a request that cannot be finished
    yield from _admission(settings, apis)  # who is it? before anything is done for who may not
    yield from settings.plugins  # an operator's: may refuse or rewrite, and is counted and logged
    yield CheckMethod()  # by the head alone,
    yield CheckContentType()  # cheapest first,
    yield CheckBodySize(  # before a byte is asked for
        settings.max_body_bytes, {key: n for api in apis for key, n in api.body_limits.items()}
    )
    yield ReadText(  # before the gate, so that a slow sender of text holds no slot
        max_characters=settings.max_tts_text_size,
        max_bytes=settings.max_body_bytes,
        timeout=settings.client_timeout,
    )
    for api in apis:
        yield from api.steps  # what else is read before the gate
    yield Gate(  # last: who holds a slot has nothing left to be refused for
        metrics,
        slots=settings.max_concurrency,
        max_queue=settings.max_queue,
        queue_timeout=settings.queue_timeout,
        share=settings.client_share,
    )


def _apis(settings: Settings) -> list[Api]:
    """Return the APIs that are switched on."""
    apis: list[Api] = [PlainApi()]
    if settings.openai:
        from .api.openai.api import OpenAIApi  # noqa: PLC0415 - its parts may not be installed

        apis.append(OpenAIApi(settings))
    return apis


def _admission(settings: Settings, apis: Sequence[Api]) -> Iterator[Plugin]:
    """Yield what finds out who a client is, as far as the operator wants to know."""
    if settings.trusted_hops is not None:
        yield Forwarded(settings.trusted_hops)
    if settings.client_keys is not None:
        yield CheckKey(settings.client_keys, [path for api in apis for path in api.free_paths])


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
        max_idle=settings.max_concurrency,
    )
    app.on_cleanup.append(client.close)
    return client


def _add_routes(app: web.Application, apis: Sequence[Api]) -> None:
    for api in apis:
        api.add_routes(app)
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
