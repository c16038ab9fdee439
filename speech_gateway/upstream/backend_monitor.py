"""Looks at the backend by itself, with and without traffic, for as long as the gateway runs."""

import asyncio
import logging
from collections.abc import AsyncIterator
from random import uniform

from aiohttp import web

from ..tasks import cancel_and_wait, is_being_cancelled
from .backend_state import BackendState, Problem
from .health_check import HEALTH_TIMEOUT, HealthCheck

INTERVAL = 5.0
"""Seconds between two looks at a backend that was well."""
RETRY_INTERVAL = 1.0
"""Seconds after a look that found something wrong, and between looks that failing calls ask for."""
JITTER = 0.2
"""Part of the interval by which it varies: many gateways must not ask at the same moment."""
CACHE_SECONDS = 1.0
"""Seconds for which a look counts for others who ask: frequent checks must not load the backend."""

log = logging.getLogger(__name__)


class BackendMonitor:
    """Looks at the backend every few seconds, and at once when a call has failed."""

    def __init__(self, health_check: HealthCheck, state: BackendState) -> None:
        self._health_check = health_check
        self._state = state
        self._look: asyncio.Task[Problem | None] | None = None
        self._looked_at = self._ended_at = 0.0
        self._watching: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Look from now on."""
        self._watching = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """Look no more."""
        await cancel_and_wait(*filter(None, (self._watching, self._look)))
        self._watching = self._look = None

    async def running(self, _app: web.Application) -> AsyncIterator[None]:
        """Look for as long as an application runs."""
        self.start()
        yield
        await self.stop()

    async def problem(self) -> Problem | None:
        """Return what is wrong with the backend, as seen a second ago at most; None if nothing."""
        now = asyncio.get_running_loop().time()
        look = self._look
        if look is None or (look.done() and now - self._looked_at >= CACHE_SECONDS):
            self._looked_at = now
            look = self._look = asyncio.create_task(self._ask(now))
        try:
            return await asyncio.shield(look)
        except asyncio.CancelledError:
            if not look.cancelled() or is_being_cancelled():
                raise
            return self._state.problem  # the monitor was stopped meanwhile

    async def _watch(self) -> None:
        while True:
            self._state.suspected.clear()
            try:
                await self.problem()
            except Exception:  # whatever it is, the next look may not have it
                log.exception("a look at the backend failed in the gateway")
            await self._pause()

    async def _pause(self) -> None:
        """Wait until the next look is due: sooner when there is a reason for it."""
        loop, state = asyncio.get_running_loop(), self._state
        if state.problem is None:
            state.next_look_at = loop.time() + INTERVAL * _jittered(1 - JITTER)
            try:
                async with asyncio.timeout_at(state.next_look_at):
                    await state.suspected.wait()
            except TimeoutError:
                return
        soonest = self._ended_at + RETRY_INTERVAL * _jittered(1.0)
        state.next_look_at = max(loop.time(), soonest)
        await asyncio.sleep(state.seconds_to_next_look())

    async def _ask(self, now: float) -> Problem | None:
        """Ask the backend; log the answer when it is another than before."""
        state = self._state
        before, was_gone = state.problem, state.gone
        state.next_look_at = now + HEALTH_TIMEOUT
        state.look_begins(now)
        try:
            problem = await self._health_check.problem()
        finally:
            self._ended_at = asyncio.get_running_loop().time()
        state.look_ended(problem, began=now)
        if problem != before:
            _tell(problem)
        if state.gone and not was_gone:
            log.warning("the backend is gone: requests are refused until it answers")
        if problem is not None:
            state.suspected.set()  # whoever has looked, the next look is soon
        return problem


def _jittered(least: float) -> float:
    return uniform(least, 1 + JITTER)  # noqa: S311 - no secret


def _tell(problem: Problem | None) -> None:
    if problem is None:
        log.info("ready again")
    else:
        log.warning("%s", problem.text)
