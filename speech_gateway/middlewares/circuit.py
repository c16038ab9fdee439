"""The circuit breaker: requests are refused at once while the backend is known to be gone."""

from aiohttp import web

from ..exchange import EXCHANGE, Exchange
from ..upstream.backend_state import BackendState
from . import Handler, Step
from .retry_after import retry_after


class Circuit(Step):
    """Refuse requests with 503 while the backend is gone, until it answers again.

    Live connections may be opened meanwhile: what is said on them is refused.
    """

    def __init__(self, state: BackendState) -> None:
        self._state = state

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        exchange = request.get(EXCHANGE)
        if exchange is not None and not exchange.endpoint.is_live:
            self.check(exchange)
        return await handler(request)

    def check(self, exchange: Exchange) -> None:
        """Raise the refusal while the backend is gone."""
        if self._state.gone:
            raise self.refusal(exchange)

    def seconds_to_retry(self) -> float:
        """Return the seconds until more is known of a backend that is not well; 0 if it is."""
        return 0.0 if self._state.problem is None else self._state.seconds_to_next_look()

    def refusal(self, exchange: Exchange) -> web.HTTPException:
        """Return the refusal, and note why for the log."""
        if (problem := self._state.problem) is not None:
            exchange.explain(f"not tried: {problem.text}")
        return web.HTTPServiceUnavailable(
            text="the speech backend is down at the moment; try again in a few seconds\n",
            headers=retry_after(self._state.seconds_to_next_look()),
        )
