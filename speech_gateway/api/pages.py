"""The pages for operators: metrics and health checks."""

from aiohttp import web

from ..endpoints import READ_METHODS
from ..health import HEALTH
from ..middlewares import Handler
from ..server.request_body import defer_continue


async def alive(_request: web.Request) -> web.Response:
    """Answer 200 while the process serves."""
    return web.Response(text="ok\n")


async def ready(request: web.Request) -> web.Response:
    """Answer 200 when a speech request would be served, else 503 with the reason."""
    reason = await request.app[HEALTH].problem()
    if reason is not None:
        return web.Response(status=503, text=f"not ready: {reason}\n")
    return web.Response(text="ready\n")


def add_page(app: web.Application, path: str, page: Handler) -> None:
    """Serve page at path, to GET and to HEAD."""
    for method in READ_METHODS:
        app.router.add_route(method, path, page, expect_handler=defer_continue)
    app.router.add_route("*", path, wrong_method, expect_handler=defer_continue)


async def wrong_method(request: web.Request) -> web.Response:
    """Refuse any other method on a page with 405."""
    raise web.HTTPMethodNotAllowed(
        request.method, READ_METHODS, text=f"{request.path} takes GET or HEAD\n"
    )
