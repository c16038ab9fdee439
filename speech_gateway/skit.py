"""The backend, as the handlers see it: calls to it, and its health."""

import asyncio
import logging
from collections.abc import Mapping

from aiohttp import web

from .answers import UpstreamError
from .call import Call
from .connector import Connector, UpstreamAddress
from .endpoints import ENDPOINTS
from .exchange import Exchange
from .oneshot import CallTemplate
from .pipelines import Pipeline
from .upstream import UpstreamSilentError

OPEN_TIMEOUT = 5.0
HEALTH_TIMEOUT = 5.0

log = logging.getLogger(__name__)


class Skit:
    """The backend, as the handlers see it.

    It is given up when silent for timeout seconds; at most most_idle connections are kept for later
    calls.
    """

    def __init__(
        self,
        address: UpstreamAddress,
        pipelines: Mapping[str, Pipeline],
        *,
        token: str | None,
        timeout: float,
        most_idle: int,
    ) -> None:
        self._connector = Connector(
            address, timeout=timeout, open_timeout=OPEN_TIMEOUT, most_idle=most_idle
        )
        self._health_request = (
            f"GET {address.base_path}/healthz HTTP/1.1\r\n"
            f"Host: {address.host_header}\r\nConnection: close\r\n\r\n"
        ).encode("latin-1")
        self._address, self._token = address, token
        self._templates = {name: self.template(name, pipelines[name]) for name in ENDPOINTS}

    def template(self, name: str, pipeline: Pipeline) -> CallTemplate:
        """Return what calls to a pipeline of that name (tts or stt) have in common."""
        return CallTemplate(ENDPOINTS[name], pipeline, self._address, self._token)

    def call(
        self, exchange: Exchange, request_id: str, template: CallTemplate | None = None
    ) -> Call:
        """Return a call that is still to be made, to the endpoint's own pipeline or another."""
        template = template or self._templates[exchange.endpoint.name]
        return Call(self._connector, template, exchange, request_id)

    async def close(self, _app: web.Application) -> None:
        """Close the connections that are kept for later calls."""
        self._connector.close()

    async def ailment(self) -> str | None:
        """Return why the backend can take no calls, for people; None when it can."""
        try:
            async with asyncio.timeout(HEALTH_TIMEOUT):
                upstream = await self._connector.connect()
                try:
                    upstream.send(self._health_request)
                    upstream.request_sent()
                    head = await upstream.head()
                finally:
                    upstream.close()
        except (TimeoutError, UpstreamSilentError):
            return "the speech backend does not answer in time"
        except UpstreamError as error:
            log.debug("not ready: %s", error)
            return "the speech backend cannot be reached"
        if head.status != web.HTTPOk.status_code:
            return f"the speech backend answers {head.status} to a question for its health"
        return None


SKIT = web.AppKey("skit", Skit)
