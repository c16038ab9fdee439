"""The application: the whole way of a request, in order."""

from collections.abc import Iterator

from aiohttp import web

from .api import plain
from .api.interface import Face
from .config.addresses import UpstreamAddress
from .config.settings import SETTINGS, Settings
from .endpoints import ENDPOINTS
from .health import READINESS, Readiness
from .metrics import METRICS, Metrics
from .middlewares import Plugin
from .middlewares.body_size import CheckBodySize
from .middlewares.client_key import CheckKey
from .middlewares.content_type import CheckContentType
from .middlewares.disconnect import WatchDeparture
from .middlewares.drain import DRAIN, Drain
from .middlewares.forwarded import Forwarded
from .middlewares.gate import Gate
from .middlewares.method import CheckMethod
from .middlewares.outcome import EndExchange
from .middlewares.request_count import CountRequests
from .middlewares.request_head import CheckHead
from .middlewares.request_log import LogRequests
from .middlewares.text import ReadText
from .server.request_body import leave_expectation
from .server.response_writer import PATIENCE, Patience
from .upstream.bearer_token import BearerToken
from .upstream.client import SKIT, Skit


async def create_app(settings: Settings, backend: UpstreamAddress) -> web.Application:
    """Return the gateway's application, standing in front of backend."""
    drain = Drain()
    openai = _openai(settings)
    endpoints = (*ENDPOINTS.values(), *openai.endpoints)
    metrics = Metrics(
        slots=settings.max_concurrency,
        refusals=_refusals(settings),
        apis=dict.fromkeys(endpoint.api for endpoint in endpoints),
    )
    way: list[Plugin] = [
        CountRequests(metrics, endpoints),  # outermost: no ending escapes it
        LogRequests(),  # gives the id that all further in may write of; its line tells the ending
        EndExchange(settings.client_timeout, openai),  # every answer leaves here: whole or broken
        CheckHead(),  # what follows a dubious head cannot be trusted, whatever it asks for
        WatchDeparture(),  # from here on a client may leave while it waits
        drain,  # before anything is begun for a request that cannot be finished
        *_admission(settings, openai),  # who is it? before anything is done for who may not
        *settings.plugins,  # an operator's: may refuse or rewrite, and is counted and logged
        CheckMethod(),  # by the head alone,
        CheckContentType(),  # cheapest first,
        CheckBodySize(settings.max_body_bytes, openai.body_limits),  # before a byte is asked for
        ReadText(  # before the gate, so that a slow sender of text holds no slot
            max_characters=settings.max_tts_text_size,
            max_bytes=settings.max_body_bytes,
            timeout=settings.client_timeout,
        ),
        *openai.steps,  # what else is read before the gate
        Gate(  # last: who holds a slot has nothing left to be refused for
            metrics,
            slots=settings.max_concurrency,
            max_queue=settings.max_queue,
            queue_timeout=settings.queue_timeout,
            share=settings.client_share,
        ),
    ]
    app = web.Application()
    for step in way:
        await step.setup(app)

    app[SETTINGS] = settings
    app[METRICS] = metrics
    app[DRAIN] = drain
    app[PATIENCE] = patience = Patience.of(settings.client_timeout)
    app.on_cleanup.append(patience.end)
    token = settings.token or BearerToken()
    if token.file is not None:
        app.cleanup_ctx.append(token.file.watching)
    app[SKIT] = skit = Skit(
        backend,
        settings.pipelines,
        token=token,
        timeout=settings.upstream_timeout,
        most_idle=settings.max_concurrency,
    )
    app.on_cleanup.append(skit.close)
    app[READINESS] = Readiness(skit, drain)
    openai.add_to(app, skit)
    _add_routes(app)
    return app


def _openai(settings: Settings) -> Face:
    """Return what OpenAI's clients are served by: nothing, unless that is switched on."""
    if not settings.openai:
        return Face()
    from .api.openai.api import OpenAIFace  # noqa: PLC0415 - its parts may not be installed

    return OpenAIFace(settings)


def _admission(settings: Settings, openai: Face) -> Iterator[Plugin]:
    """Yield what finds out who a client is, as far as the operator wants to know."""
    if settings.trusted_hops is not None:
        yield Forwarded(settings.trusted_hops)
    if settings.client_keys is not None:
        yield CheckKey(settings.client_keys, openai.free)


def _refusals(settings: Settings) -> Iterator[int]:
    """Yield the statuses that only some settings lead to."""
    if settings.client_keys is not None:
        yield web.HTTPUnauthorized.status_code
    if settings.client_share < 1:
        yield web.HTTPTooManyRequests.status_code


def create_metrics_app(app: web.Application) -> web.Application:
    """Return the application of the metrics' own listener: app's page, and no other."""
    page = web.Application()
    page[METRICS] = app[METRICS]
    plain.add_page(page, "/metrics", plain.metrics_page)
    return page


def _add_routes(app: web.Application) -> None:
    for endpoint in ENDPOINTS.values():
        # Any method, so that a wrong one is refused by CheckMethod and counted.
        app.router.add_route(
            "*",
            endpoint.path,
            plain.speech,
            name=endpoint.route,
            expect_handler=leave_expectation,
        )
    pages = {"/healthz": plain.alive, "/readyz": plain.ready}
    if app[SETTINGS].metrics_listen is None:
        pages["/metrics"] = plain.metrics_page
    for path, page in pages.items():
        plain.add_page(app, path, page)
    # aiohttp's own 404 would ask for the body first.
    app.router.add_route("*", "/{path:.*}", plain.nowhere, expect_handler=leave_expectation)
