"""Checks whether the backend can take calls: whether it is up, and accepts the gateway's token."""

import asyncio
import logging

from aiohttp import web

from ..config.addresses import UpstreamAddress
from ..errors import UpstreamError, UpstreamTimeoutError
from .bearer_token import BearerToken, authorization
from .call import TOKEN_REFUSED
from .connector import Connector

HEALTH_TIMEOUT = 5.0
HEALTH_PATH = "/healthz"
NODES_PATH = "/api/v1/schema/nodes"
"""A cheap request that needs the token, so that its answer tells whether the token is valid."""
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
    """Asks the backend, on connections of their own."""

    def __init__(self, connector: Connector, address: UpstreamAddress, token: BearerToken) -> None:
        self._connector = connector
        self._address = address
        self._token = token

    async def problem(self) -> str | None:
        """Return why the backend can take no calls, for people; None when it can."""
        try:
            async with asyncio.timeout(HEALTH_TIMEOUT):
                if await self._refuses_token():
                    return "the backend refuses the gateway's token"
                status = await self._ask(HEALTH_PATH)
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
        if token.accepted:
            return False
        if token.refused and token.refused_for < CALL_OUTWEIGHS_QUESTION:
            return True
        shown = token.value
        status = await self._ask(NODES_PATH, authorization(shown))
        if status < 300:
            token.accept(shown)
        elif status == web.HTTPUnauthorized.status_code and not token.refused:
            token.refuse(shown)
        elif status not in TOKEN_REFUSED and token.refused_for >= CALL_OUTWEIGHS_SILENCE:
            token.forget()
        # A first 403 tells nothing of calls: a role may be allowed those, and not to ask.
        return token.refused

    async def _ask(self, path: str, authorization: str = "") -> int:
        """Return the status of the backend's answer to GET path, on a connection of its own."""
        request = (
            f"GET {self._address.base_path}{path} HTTP/1.1\r\n"
            f"Host: {self._address.host_header}\r\n{authorization}Connection: close\r\n\r\n"
        )
        upstream = await self._connector.connect()
        try:
            upstream.send(request.encode("latin-1"))
            upstream.request_sent()
            return (await upstream.head()).status
        finally:
            upstream.close()
