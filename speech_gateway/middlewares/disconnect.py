"""Ends the requests of clients that disconnect."""

from collections.abc import AsyncIterator

from aiohttp import web

from ..exchange import EXCHANGE
from ..server.disconnect_watch import LAST_WORDS_TIMEOUT, DisconnectWatch
from . import Handler, Step


class WatchDisconnect(Step):
    """Break the connection of a client that has disconnected, which cancels its request."""

    def __init__(self) -> None:
        self._watch = DisconnectWatch()

    async def setup(self, app: web.Application) -> None:
        """Add the middleware, and watch connections while app runs."""
        await super().setup(app)
        app.cleanup_ctx.append(self._watching)

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        transport = request.transport
        exchange = request.get(EXCHANGE)
        if transport is None or exchange is None:
            return await handler(request)
        # A websocket ends with a close frame, which is to be read first.
        timeout = LAST_WORDS_TIMEOUT if exchange.endpoint.is_live else 0.0
        fd = self._watch.watch(transport, timeout)
        try:
            return await handler(request)
        finally:
            self._watch.forget(fd, transport)

    async def _watching(self, _app: web.Application) -> AsyncIterator[None]:
        self._watch.start()
        yield
        self._watch.stop()
