"""What is known of one request on its way: every middleware and the handler share it."""

from dataclasses import dataclass, field
from time import perf_counter

from aiohttp import web

from .endpoints import Endpoint

CLIENT_LEFT = 499
"""Counted, never sent: the client left before the last byte."""


@dataclass(slots=True)
class Exchange:
    """One request to an endpoint and its answer, until the last byte or the break."""

    endpoint: Endpoint
    started: float = field(default_factory=perf_counter)
    text: bytes = b""
    """The text of a /tts request, read and judged, as UTF-8."""
    moved: float = 0.0
    """Loop time at which a byte last moved to or from the client."""
    closes: bool = False
    """Whether the gateway wants no further request on this connection."""
    bytes_in: int = 0
    """Of the request's body, as far as it was read."""
    bytes_out: int = 0
    waited: float = 0.0
    """Seconds at the gate."""
    backend_after: float | None = None
    """Seconds from calling the backend to the head of its answer; None when that did not come."""
    first_byte_after: float | None = None
    """Seconds from the request's head to the first byte of the answer's body."""
    cut: int | None = None
    """Why the answer was broken off, as the status of the reason; None when it was not."""
    refused_by_backend: bool = False
    """Whether the code is one that the backend chose, and no refusal of the gateway's own."""
    code: int = CLIENT_LEFT
    """How the exchange really ended; until it has, the client may still leave."""
    why: str = ""
    """Why it failed, for the log; the first reason stands."""
    client: str = ""
    """The client's address; empty on a unix socket."""
    key: str = ""
    """The name of the client's key, where keys are asked for."""
    traceparent: str = ""
    """Its place in a distributed trace (W3C Trace Context), where the client told."""

    def explain(self, why: str) -> None:
        """Note why it fails, unless a reason is known already."""
        self.why = self.why or why.strip()

    def seconds(self) -> float:
        """Return the seconds since the request's head."""
        return perf_counter() - self.started


EXCHANGE = web.RequestKey("exchange", Exchange)
REQUEST_ID = web.RequestKey("request_id", str)
