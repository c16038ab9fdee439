"""Checks whether the backend can take calls: is it up, would it run them, is the token accepted?"""

import asyncio
import contextlib
import logging

from aiohttp import web

from ..errors import UpstreamError, UpstreamTimeoutError
from .bearer_token import BearerToken, authorization
from .call import TOKEN_REFUSED
from .pipeline_check import Abilities, PipelineCheck
from .questions import Questions

HEALTH_TIMEOUT = 5.0
HEALTH_PATH = "/healthz"
CALL_OUTWEIGHS_QUESTION = 5.0
"""Seconds for which a refused call counts more than a health check that is accepted.

A role may be allowed the one and not the other, and readiness must not change every second.
"""
CALL_OUTWEIGHS_SILENCE = 30.0
"""Seconds after which the next call has to tell, when a health check does not.

A load balancer sends no calls to a gateway that is not ready, which would then never become ready.
"""

log = logging.getLogger(__name__)


class HealthCheck:
    """Asks the backend."""

    def __init__(self, questions: Questions, pipelines: PipelineCheck, token: BearerToken) -> None:
        self._questions = questions
        self._pipelines = pipelines
        self._token = token
        self._asking: asyncio.Task[int] | None = None

    async def problem(self) -> str | None:
        """Return why the backend can take no calls, for people; None when it can."""
        problem = await self._trouble()
        if problem is not None:
            self._pipelines.forget()
            return problem
        return self._pipelines.problem

    async def abilities(self) -> Abilities:
        """Return what the backend can do, as asked a minute ago at most; raises UpstreamError."""
        if self._pipelines.is_due and (status := await self._ask_for_nodes()) >= 500:
            raise UpstreamError(f"it answered {status} to the question what it can do")
        return self._pipelines.abilities

    async def _nodes_status(self) -> int | None:
        """Return the status of the answer to the question for nodes; None if there is none yet."""
        with contextlib.suppress(UpstreamError):  # its health is asked for next
            return await self._ask_for_nodes()
        return None

    async def _ask_for_nodes(self) -> int:
        """Have the backend asked for its nodes, once for all who want to know; return the status.

        It is a cheap request that needs the token, so its answer tells whether that is valid too.
        """
        if self._asking is None or self._asking.done():
            asked = self._pipelines.ask(authorization(self._token.value))
            self._asking = asyncio.create_task(asked)
            self._asking.add_done_callback(_retrieve)
        return await asyncio.shield(self._asking)

    async def _trouble(self) -> str | None:
        """Return what is wrong with the backend, the pipelines aside."""
        try:
            async with asyncio.timeout(HEALTH_TIMEOUT):
                if await self._refuses_token():
                    return "the backend refuses the gateway's token"
                status = (await self._questions.get(HEALTH_PATH)).status
        except (TimeoutError, UpstreamTimeoutError):
            return "the speech backend does not answer in time"
        except UpstreamError as error:
            log.debug("not ready: %s", error)
            return "the speech backend cannot be reached"
        if status != web.HTTPOk.status_code:
            return f"the speech backend answers {status} to a question for its health"
        return None

    async def _refuses_token(self) -> bool:
        """Return whether the token would be refused, as far as is known."""
        token = self._token
        if token.accepted:  # by a call, which counts more than a question
            if self._pipelines.is_due:
                await self._nodes_status()
            return False
        if token.refused and token.refused_for < CALL_OUTWEIGHS_QUESTION:
            return True
        shown = token.value
        status = await self._nodes_status()
        if status is None:
            return token.refused
        if status < 300:
            token.accept(shown)
        elif status == web.HTTPUnauthorized.status_code and not token.refused:
            token.refuse(shown)
        elif status not in TOKEN_REFUSED and token.refused_for >= CALL_OUTWEIGHS_SILENCE:
            token.forget()
        # A first 403 tells nothing of calls: a role may be allowed those, and not to ask.
        return token.refused


def _retrieve(asked: "asyncio.Task[int]") -> None:
    """Take the exception of a question that nobody waits for any more."""
    if not asked.cancelled():
        asked.exception()
