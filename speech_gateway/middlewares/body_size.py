"""Checks a body's declared size before any of it is read."""

from collections.abc import Mapping

from aiohttp import web

from ..endpoints import READ_METHODS
from ..exchange import EXCHANGE
from ..server.request_body import no_body, too_large
from . import Handler, Step


class CheckBodySize(Step):
    """Refuse a declared length over limit (bytes) with 413, and a request without a body with 400.

    Own has other limits, by path, or by path and media type.
    """

    def __init__(self, limit: int, own: Mapping[str | tuple[str, str], int] | None = None) -> None:
        self._own = own or {}
        if min(limit, *self._own.values(), limit) < 1:
            raise ValueError("the body limit must be at least one byte")
        self._limit = limit

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        exchange = request.get(EXCHANGE)
        if exchange is not None and request.method not in READ_METHODS:
            length = request.content_length
            if not request.body_exists or length == 0:
                raise no_body(exchange.endpoint)
            limit = self._own_limit(exchange.endpoint.path, request.content_type)
            if length is not None and length > limit:
                raise too_large(limit)
        return await handler(request)

    def _own_limit(self, path: str, media_type: str) -> int:
        return self._own.get((path, media_type)) or self._own.get(path, self._limit)
