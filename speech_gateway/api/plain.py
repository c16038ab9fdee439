"""What answers: speech at the two endpoints, and the pages beside them."""


from aiohttp import web

from ..config.settings import SETTINGS
from ..endpoints import ENDPOINTS, READ_METHODS
from ..exchange import EXCHANGE, REQUEST_ID
from ..health import READINESS
from ..metrics import METRICS
from ..middlewares import Handler
from ..relay import Shape, Speech, Transcripts, relay
from ..server.request_body import ClientBody, leave_expectation
from ..upstream.call import Call
from ..upstream.client import SKIT
from ..upstream.transcripts import Unwrapper

SPEECH = Shape(Speech)
TRANSCRIPTS = Shape(lambda call: Transcripts(call, Unwrapper()))


async def speech(request: web.Request) -> web.StreamResponse:
    """Call the backend with the client's body, and stream its answer back meanwhile."""
    exchange = request[EXCHANGE]
    answer = _answer_text if exchange.endpoint.holds_text else _answer_upload
    async with request.app[SKIT].call(exchange, request[REQUEST_ID]) as call:
        return await answer(request, call)


async def _answer_text(request: web.Request, call: Call) -> web.StreamResponse:
    await call.send_whole(request[EXCHANGE].text)
    return await relay(request, call, SPEECH)


async def _answer_upload(request: web.Request, call: Call) -> web.StreamResponse:
    settings = request.app[SETTINGS]
    body = ClientBody(request, limit=settings.max_body_bytes, timeout=settings.client_timeout)
    async with call.sending(body.read):
        return await relay(request, call, TRANSCRIPTS)


async def metrics_page(request: web.Request) -> web.Response:
    """Answer a scrape."""
    return request.app[METRICS].page(",".join(request.headers.getall("Accept", [])))


async def alive(_request: web.Request) -> web.Response:
    """Answer 200 while the process serves."""
    return web.Response(text="ok\n")


async def ready(request: web.Request) -> web.Response:
    """Answer 200 when a speech request would be served, else 503 with the reason."""
    reason = await request.app[READINESS].ailment()
    if reason is not None:
        return web.Response(status=503, text=f"not ready: {reason}\n")
    return web.Response(text="ready\n")


def add_page(app: web.Application, path: str, page: Handler) -> None:
    """Serve page at path, to GET and to HEAD."""
    for method in READ_METHODS:
        app.router.add_route(method, path, page, expect_handler=leave_expectation)
    app.router.add_route("*", path, wrong_method, expect_handler=leave_expectation)


async def wrong_method(request: web.Request) -> web.Response:
    """Refuse any other method on a page."""
    raise web.HTTPMethodNotAllowed(
        request.method, READ_METHODS, text=f"{request.path} takes GET or HEAD\n"
    )


async def nowhere(_request: web.Request) -> web.Response:
    """Refuse a path that leads nowhere."""
    paths = ", ".join(f"{endpoint.noun} to {endpoint.path}" for endpoint in ENDPOINTS.values())
    raise web.HTTPNotFound(text=f"there is nothing at this path; send {paths}\n")
