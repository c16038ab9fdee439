"""Checks the method of a request."""

from aiohttp import web

from ..exchange import EXCHANGE
from . import Handler, Step


class CheckMethod(Step):
    """Refuse other methods than the endpoint's with 405."""

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        exchange = request.get(EXCHANGE)
        if exchange is not None and request.method not in exchange.endpoint.methods:
            endpoint = exchange.endpoint
            methods = " or ".join(endpoint.methods)
            raise web.HTTPMethodNotAllowed(
                request.method,
                endpoint.methods,
                text=f"{endpoint.path} takes {methods}, with {endpoint.noun} as the body\n",
            )
        return await handler(request)
