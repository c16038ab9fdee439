"""Counts every request to an endpoint, whatever becomes of it."""

from aiohttp import web

from ..exchange import EXCHANGE, Exchange, endpoint_of
from ..metrics import Metrics
from . import Handler, Step


class CountRequests(Step):
    """Open the exchange at the request's head and count it out when it has ended."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        endpoint = endpoint_of(request)
        if endpoint is None:
            return await handler(request)
        exchange = request[EXCHANGE] = Exchange(endpoint)
        self._metrics.received(exchange)
        try:
            return await handler(request)
        finally:
            self._metrics.finished(exchange, request.method)
