"""Checks whether the backend can take calls: is it up, would it run them, is the token accepted?"""

import asyncio
import logging

from aiohttp import web

from ..errors import UpstreamError, UpstreamTimeoutError
from .bearer_token import BearerToken, authorization
from .call import TOKEN_REFUSED
from .pipeline_check import NODES_PATH, Abilities, PipelineCheck
from .questions import Questions, Reply

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
        self._learning = asyncio.Lock()

    async def problem(self) -> str | None:
        """Return why the backend can take no calls, for people; None when it can."""
        problem = await self._trouble()
        if problem is not None:
            self._pipelines.forget()
            return problem
        return self._pipelines.problem

    async def abilities(self) -> Abilities:
        """Return what the backend can do, as asked a minute ago at most; raises UpstreamError."""
        async with self._learning:
            if self._pipelines.is_due:
                try:
                    async with asyncio.timeout(HEALTH_TIMEOUT):
                        await self._list_nodes()
                except TimeoutError:
                    raise UpstreamTimeoutError("it did not tell what it can do") from None
        return self._pipelines.abilities

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
                await self._list_nodes()
            return False
        if token.refused and token.refused_for < CALL_OUTWEIGHS_QUESTION:
            return True
        shown = token.value
        status = (await self._list_nodes()).status
        if status < 300:
            token.accept(shown)
        elif status == web.HTTPUnauthorized.status_code and not token.refused:
            token.refuse(shown)
        elif status not in TOKEN_REFUSED and token.refused_for >= CALL_OUTWEIGHS_SILENCE:
            token.forget()
        # A first 403 tells nothing of calls: a role may be allowed those, and not to ask.
        return token.refused

    async def _list_nodes(self) -> Reply:
        """Ask which nodes there are, and learn from it.

        It is a cheap request that needs the token, so its answer tells whether that is valid too.
        """
        header = authorization(self._token.value)
        listed = await self._questions.get(NODES_PATH, header)
        await self._pipelines.learn(listed, header)
        return listed
