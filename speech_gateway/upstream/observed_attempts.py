"""Tells those who observe an exchange of a call to the backend."""

import asyncio

from ..config.addresses import UpstreamAddress
from ..exchange import Exchange
from ..observation import CallAttempt, ObservedCall, guarded
from ..trace_context import TraceContext
from .connection import UpstreamConnection
from .request_format import PROCESS


class ObservedAttempts:
    """The attempts of one call; nothing is done for an exchange that nobody observes."""

    def __init__(self, exchange: Exchange, address: UpstreamAddress) -> None:
        self.trace: TraceContext | None = exchange.trace
        """What the backend is told of its place in a trace."""
        self._exchange = exchange
        self._address = address
        self._observed: list[ObservedCall] = []
        """Those of the attempt that is under way."""
        self._resends = -1

    def begin(self, error: BaseException | None = None) -> None:
        """Tell that the backend is called, once more if it was before and failed with error."""
        if not self._exchange.observations:
            return
        self.end(error)
        self._resends += 1
        attempt = _attempt(self._address, self._resends)
        for observation in self._exchange.observations:
            with guarded():
                observed = observation.call(attempt)
                if observed is not None:
                    self._observed.append(observed)
                    self.trace = observed.trace or self.trace

    def answered(self, status: int) -> None:
        """Tell that the head of an answer has come."""
        for observed in self._observed:
            with guarded():
                observed.answered(status)

    def end(self, error: BaseException | None, seconds_ago: float = 0.0) -> None:
        """Tell that the attempt has ended."""
        ended, self._observed = self._observed, []
        for observed in reversed(ended):
            with guarded():
                observed.end(error, seconds_ago)

    def end_with(self, upstream: UpstreamConnection | None, error: BaseException | None) -> None:
        """Tell that the call has ended, as its connection, if it had one, and error have it."""
        if not self._observed:
            return
        if upstream is not None and error is None and not upstream.complete:
            error = upstream.error or asyncio.CancelledError()
        since_end = 0.0 if upstream is None or error is not None else upstream.seconds_since_end
        self.end(error, since_end)


def _attempt(address: UpstreamAddress, resends: int) -> CallAttempt:
    scheme = "https" if address.tls else "http"
    url = f"{scheme}://{address.host_header}{address.base_path}{PROCESS}"
    if address.unix_path is not None:
        return CallAttempt(address.unix_path, None, url, resends)
    return CallAttempt(address.host, address.port, url, resends)
