"""OpenAI's realtime API: what it adds to the application."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web

from ...config.settings import Settings
from ...exchange import EXCHANGE, Exchange
from ...media.live.live_audio import LiveAudio
from ...metrics import METRICS
from ...middlewares.concurrency_gate import client_of, share_of
from ...middlewares.drain import DRAIN
from ...middlewares.retry_after import A_MOMENT, retry_after
from ...timeout_checker import TimeoutChecker
from ..base import Api, add_route
from ..live_requests import LIVE_REQUESTS
from ..resources import RESOURCES
from .realtime_endpoints import REALTIME
from .services import SERVICES, Services
from .session import Session
from .socket import RealtimeSocket


class RealtimeApi(Api):
    """The websocket, and what its sessions share."""

    endpoints = (REALTIME,)

    def __init__(self, settings: Settings, open_sockets: Counter[str]) -> None:
        self._settings = settings
        self._open = open_sockets
        """By client."""

    def add_routes(self, app: web.Application) -> None:
        """Add the route, and what its sessions share."""
        live_audio = LiveAudio(self._settings.max_sockets)
        checker = TimeoutChecker(self._settings.client_timeout)
        app.cleanup_ctx.append(live_audio.running)

        async def stop_checking(_app: web.Application) -> None:
            checker.stop()

        app.on_cleanup.append(stop_checking)
        app[SERVICES] = Services(
            self._settings,
            app[RESOURCES],
            app[LIVE_REQUESTS],
            live_audio,
            app[METRICS],
            app[DRAIN],
            checker,
        )
        add_route(app, REALTIME.path + "{slash:/?}", self._serve, name=REALTIME.route)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        """Serve a session for as long as it lasts."""
        services, exchange = request.app[SERVICES], request[EXCHANGE]
        with self._place(exchange):
            socket = RealtimeSocket(request, self._settings.client_timeout, services.checker)
            await socket.open()
            with services.metrics.live(exchange):
                try:
                    await Session(services, request, socket).run()
                finally:
                    socket.stop_checking()
        return socket.response

    @contextmanager
    def _place(self, exchange: Exchange) -> Iterator[None]:
        """Hold one of the places for sockets; raises web.HTTPException when none is free."""
        most, client = self._settings.max_sockets, client_of(exchange)
        share = share_of(most, self._settings.client_share)
        if self._open.total() >= most:
            raise web.HTTPServiceUnavailable(
                text="there are too many realtime connections; try again in a moment\n",
                headers=retry_after(A_MOMENT),
            )
        if self._open[client] >= share:
            raise web.HTTPTooManyRequests(
                text=f"{share} of your realtime connections are open, which is your share; close "
                "one first\n",
                headers=retry_after(A_MOMENT),
            )
        self._open[client] += 1
        try:
            yield
        finally:
            self._open[client] -= 1
            if not self._open[client]:
                del self._open[client]
