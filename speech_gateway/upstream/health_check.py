"""Checks whether the backend can take calls: is it up, would it run them, is the token accepted?"""

import asyncio
import contextlib
import logging

from aiohttp import web

from ..errors import UnreachableError, UpstreamError, UpstreamTimeoutError
from ..tasks import cancel_and_wait
from .backend_state import Problem, Reason
from .bearer_token import BearerToken, authorization
from .call import TOKEN_REFUSED
from .pipeline_check import Abilities, PipelineCheck
from .questions import Questions

HEALTH_TIMEOUT = 3.0
"""Seconds for the answer: a backend that hangs is to be told in seconds."""
TICKS = 10
"""Parts in which that time is counted."""
LOOK_TIMEOUT = 3.8
"""Seconds for all of a look: who asks /readyz gives up soon after."""
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
        self._asked_with: str | None = None
        """The token that the backend was last asked for its nodes with."""

    async def problem(self) -> Problem | None:
        """Return why the backend can take no calls; None when it can."""
        problem = await self._trouble(asyncio.get_running_loop().time() + LOOK_TIMEOUT)
        if problem is not None:
            self._pipelines.forget()
            return problem
        told = self._pipelines.problem
        return None if told is None else Problem(Reason.WRONG_PIPELINE, told)

    async def abilities(self) -> Abilities:
        """Return what the backend can do, as asked a minute ago at most; raises UpstreamError."""
        if self._pipelines.is_due and (status := await self._ask_for_nodes()) >= 500:
            raise UpstreamError(f"it answered {status} to the question what it can do")
        return self._pipelines.abilities

    @property
    def known_abilities(self) -> Abilities:
        """What the backend can do, as it told last; nothing, if it did not yet."""
        return self._pipelines.abilities

    async def _ask_for_nodes(self) -> int:
        """Have the backend asked for its nodes, once for all who want to know; return the status.

        It is a cheap request that needs the token, so its answer tells whether that is valid too.
        """
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._learn_nodes())
            self._asking.add_done_callback(_retrieve)
        return await asyncio.shield(self._asking)

    async def _learn_nodes(self) -> int:
        shown = self._token.value
        status = await self._pipelines.ask(authorization(shown))
        self._asked_with = shown
        self._learn_of_token(shown, status)
        return status

    async def _trouble(self, ends_at: float) -> Problem | None:
        """Return what is wrong with the backend, the pipelines aside; it takes no longer."""
        try:
            status = await self._health_status()
        except TimeoutError:
            return Problem(Reason.TIMEOUT, "the speech backend does not answer in time")
        except UnreachableError as error:
            log.debug("not ready: %s", error)
            return Problem(Reason.UNREACHABLE, "the speech backend cannot be reached")
        except UpstreamError as error:  # somebody is there, and may take calls all the same
            log.debug("not ready: %s", error)
            text = "the speech backend breaks off a question for its health"
            return Problem(Reason.UNHEALTHY, text)
        if status != web.HTTPOk.status_code:
            text = f"the speech backend answers {status} to a question for its health"
            return Problem(Reason.UNHEALTHY, text)
        if await self._refuses_token(ends_at):
            return Problem(Reason.TOKEN_REFUSED, "the backend refuses the gateway's token")
        return None

    async def _health_status(self) -> int:
        """Return the status of the answer to the question for health; raises TimeoutError.

        The time is counted in ticks, and one that comes late is one. When the gateway itself was
        held up, what the backend has answered meanwhile is read before its time is over; a timeout
        that struck at once then is no answer.
        """
        asking = asyncio.create_task(self._questions.get(HEALTH_PATH))
        try:
            for _ in range(TICKS):
                await asyncio.wait({asking}, timeout=HEALTH_TIMEOUT / TICKS)
                if asking.done():
                    if not isinstance(asking.exception(), UpstreamTimeoutError):
                        return asking.result().status
                    asking = asyncio.create_task(self._questions.get(HEALTH_PATH))
            raise TimeoutError
        finally:
            await cancel_and_wait(asking)

    async def _refuses_token(self, ends_at: float) -> bool:
        """Return whether the token would be refused, as far as is known."""
        token = self._token
        if token.refused and token.refused_for < CALL_OUTWEIGHS_QUESTION:
            return True
        # The list of nodes is long: it is asked for once a minute, and with each new token.
        is_new = not token.accepted and token.value != self._asked_with
        if token.refused or is_new or self._pipelines.is_due:
            # It is healthy: the calls will tell what this does not.
            with contextlib.suppress(UpstreamError, TimeoutError):
                async with asyncio.timeout_at(ends_at):
                    await self._ask_for_nodes()
        return token.refused

    def _learn_of_token(self, shown: str | None, status: int) -> None:
        """Note what the answer to the question for nodes tells of the token that it was asked with.

        A first 403 tells nothing of calls: a role may be allowed those, and not to ask.
        """
        token = self._token
        if token.accepted or (token.refused and token.refused_for < CALL_OUTWEIGHS_QUESTION):
            return  # by a call, which counts more than a question
        if status < 300:
            token.accept(shown)
        elif status == web.HTTPUnauthorized.status_code and not token.refused:
            token.refuse(shown)
        elif status not in TOKEN_REFUSED and token.refused_for >= CALL_OUTWEIGHS_SILENCE:
            token.forget()


def _retrieve(asked: "asyncio.Task[int]") -> None:
    """Take the exception of a question that nobody waits for any more."""
    if not asked.cancelled():
        asked.exception()
