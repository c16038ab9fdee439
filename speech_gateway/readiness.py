"""Whether the gateway would serve a speech request now."""

import asyncio

from aiohttp import web

from .middlewares.drain import Drain
from .skit import Skit

FRESH = 1.0
"""Seconds for which an answer of the backend's counts: whoever asks often must not load it."""


class Readiness:
    """Asks the backend for its health, once for all who want to know at the same time."""

    def __init__(self, skit: Skit, drain: Drain) -> None:
        self._skit = skit
        self._drain = drain
        self._asked_at = 0.0
        self._question: asyncio.Task[str | None] | None = None

    async def ailment(self) -> str | None:
        """Return why the gateway is not ready, for people; None when it is."""
        if self._drain.draining:
            return "the gateway is shutting down"
        now = asyncio.get_running_loop().time()
        question = self._question
        if question is None or (question.done() and now - self._asked_at >= FRESH):
            self._asked_at = now
            question = self._question = asyncio.create_task(self._skit.ailment())
        return await asyncio.shield(question)


READINESS = web.AppKey("readiness", Readiness)
