"""Health checks: whether the gateway would serve a speech request now."""

import asyncio
import logging

from aiohttp import web

from .middlewares.drain import Drain
from .upstream.health_check import HealthCheck

CACHE_SECONDS = 1.0
"""Seconds for which the backend's answer is reused: frequent checks must not load it."""

log = logging.getLogger(__name__)


class Health:
    """Checks the backend's health, once for all requests that ask at the same time."""

    def __init__(self, health_check: HealthCheck, drain: Drain) -> None:
        self._health_check = health_check
        self._drain = drain
        self._asked_at = 0.0
        self._check: asyncio.Task[str | None] | None = None
        self._last_problem: str | None = None

    async def problem(self) -> str | None:
        """Return why the gateway is not ready, for people; None when it is."""
        if self._drain.draining:
            return "the gateway is shutting down"
        now = asyncio.get_running_loop().time()
        check = self._check
        if check is None or (check.done() and now - self._asked_at >= CACHE_SECONDS):
            self._asked_at = now
            check = self._check = asyncio.create_task(self._ask())
        return await asyncio.shield(check)

    async def _ask(self) -> str | None:
        """Ask the backend; log the answer when it is another than before."""
        problem = await self._health_check.problem()
        if problem != self._last_problem:
            log.log(logging.WARNING if problem else logging.INFO, "%s", problem or "ready again")
            self._last_problem = problem
        return problem


HEALTH = web.AppKey("health", Health)
