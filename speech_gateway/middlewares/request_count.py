"""Counts every request to an endpoint, however it ends."""

import asyncio
from collections.abc import Iterable

from aiohttp import web

from ..endpoints import Endpoint
from ..exchange import EXCHANGE, Exchange
from ..metrics import Metrics
from . import Handler, Step


class CountRequests(Step):
    """Create the exchange of a request, and count it when it has ended.

    Requests for other paths have no exchange.
    """

    def __init__(self, metrics: Metrics, endpoints: Iterable[Endpoint]) -> None:
        self._metrics = metrics
        self._endpoints: dict[str | None, Endpoint] = {e.route: e for e in endpoints}
        self._clock = asyncio.get_running_loop().time

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        endpoint = self._endpoints.get(request.match_info.route.name)
        if endpoint is None:
            return await handler(request)
        exchange = request[EXCHANGE] = Exchange(endpoint, self._clock)
        self._metrics.received(exchange)
        try:
            return await handler(request)
        finally:
            if not exchange.upgraded:
                self._metrics.finished(exchange, request.method)
