"""Whether the gateway would serve a speech request now."""

import asyncio
import logging

from aiohttp import web

from .middlewares.drain import Drain
from .upstream.client import Skit

FRESH = 1.0
"""Seconds for which an answer of the backend's counts: whoever asks often must not load it."""

log = logging.getLogger(__name__)


class Readiness:
    """Asks the backend for its health, once for all who want to know at the same time."""

    def __init__(self, skit: Skit, drain: Drain) -> None:
        self._skit = skit
        self._drain = drain
        self._asked_at = 0.0
        self._question: asyncio.Task[str | None] | None = None
        self._ails: str | None = None

    async def ailment(self) -> str | None:
        """Return why the gateway is not ready, for people; None when it is."""
        if self._drain.draining:
            return "the gateway is shutting down"
        now = asyncio.get_running_loop().time()
        question = self._question
        if question is None or (question.done() and now - self._asked_at >= FRESH):
            self._asked_at = now
            question = self._question = asyncio.create_task(self._ask())
        return await asyncio.shield(question)

    async def _ask(self) -> str | None:
        """Ask the backend; log the answer when it is another than before."""
        ailment = await self._skit.ailment()
        if ailment != self._ails:
            log.log(logging.WARNING if ailment else logging.INFO, "%s", ailment or "ready again")
            self._ails = ailment
        return ailment


READINESS = web.AppKey("readiness", Readiness)
