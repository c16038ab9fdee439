"""Health checks: whether the gateway would serve a speech request now."""

from aiohttp import web

from .middlewares.drain import Drain
from .upstream.backend_monitor import BackendMonitor


class Health:
    """Tells whether the gateway is ready: by its own state, and by a look at the backend."""

    def __init__(self, monitor: BackendMonitor, drain: Drain) -> None:
        self._monitor = monitor
        self._drain = drain

    async def problem(self) -> str | None:
        """Return why the gateway is not ready, for people; None when it is."""
        if self._drain.draining:
            return "the gateway is shutting down"
        problem = await self._monitor.problem()
        return None if problem is None else problem.text


HEALTH = web.AppKey("health", Health)
