"""The client of the backend."""

from collections.abc import Mapping

from aiohttp import web

from ..config.addresses import UpstreamAddress
from ..endpoints import SERVICES
from ..exchange import Exchange
from ..pipelines import Pipeline
from .backend_monitor import BackendMonitor
from .backend_state import BackendState
from .bearer_token import BearerToken
from .call import Call
from .connector import Connector
from .first_byte import FirstByteTimeout
from .health_check import HealthCheck
from .pipeline_check import PipelineCheck
from .questions import Questions
from .request_format import CallTemplate

OPEN_TIMEOUT = 5.0


class UpstreamClient:
    """The client of the backend.

    A call fails when the backend is silent for timeout seconds, or when the first sound of a text
    takes more than first_byte_timeout. At most max_idle connections are kept for later calls.
    """

    def __init__(
        self,
        address: UpstreamAddress,
        pipelines: Mapping[str, Pipeline],
        *,
        token: BearerToken,
        timeout: float,
        first_byte_timeout: float,
        max_idle: int,
    ) -> None:
        self.state = BackendState()
        self._connector = Connector(
            address,
            self.state.signs,
            timeout=timeout,
            open_timeout=OPEN_TIMEOUT,
            max_idle=max_idle,
        )
        self._first_byte_timeout = first_byte_timeout
        self._address, self._token = address, token
        questions = Questions(self._connector, address)
        self.health_check = HealthCheck(questions, PipelineCheck(questions, pipelines), token)
        self.monitor = BackendMonitor(self.health_check, self.state)
        self._templates = {name: self.template(name, pipelines[name]) for name in SERVICES}

    def template(self, name: str, pipeline: Pipeline) -> CallTemplate:
        """Return the template of calls to a pipeline of the service of that name."""
        return CallTemplate(SERVICES[name], pipeline, self._address)

    def call(
        self, exchange: Exchange, request_id: str, template: CallTemplate | None = None
    ) -> Call:
        """Return a call, not yet made, to the service's own pipeline or with another template."""
        template = template or self._templates[exchange.endpoint.service.name]
        return Call(
            self._connector,
            template,
            exchange,
            request_id,
            token=self._token,
            state=self.state,
            first_byte=FirstByteTimeout(self._first_byte_timeout),
        )

    async def close(self, _app: web.Application) -> None:
        """Close the idle connections."""
        self._connector.close()


UPSTREAM_CLIENT = web.AppKey("upstream_client", UpstreamClient)
