"""Lets through the methods that the endpoints have."""

from aiohttp import web

from ..endpoints import METHODS
from ..exchange import EXCHANGE
from . import Handler, Step


class CheckMethod(Step):
    """Refuse any method but POST and PUT with 405."""

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        exchange = request.get(EXCHANGE)
        if exchange is not None and request.method not in METHODS:
            path, noun = exchange.endpoint.path, exchange.endpoint.noun
            raise web.HTTPMethodNotAllowed(
                request.method, METHODS, text=f"{path} takes POST or PUT, with {noun} as the body\n"
            )
        return await handler(request)
