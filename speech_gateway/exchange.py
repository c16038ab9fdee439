"""One request to an endpoint and its answer: the state that middlewares and handlers share."""

from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter

from aiohttp import web

from .endpoints import Endpoint
from .observation import Observation
from .trace_context import TraceContext

CLIENT_LEFT = 499
"""Counted, never sent: the client left before the last byte."""


@dataclass(slots=True)
class Client:
    """Who asks."""

    address: str = ""
    """Empty on a unix socket."""
    key: str = ""
    """The name of the client's key, where keys are asked for."""
    traceparent: str = ""
    """Its place in a distributed trace (W3C Trace Context), where the client told."""


@dataclass(slots=True)
class Timings:
    """When things happened, in seconds."""

    started: float = field(default_factory=perf_counter)
    """At the request's head, by perf_counter; the others are durations."""
    waited: float = 0.0
    """At the gate."""
    backend: float | None = None
    """From calling the backend to the head of its answer; None when that did not come."""
    first_byte: float | None = None
    """From the request's head to the first byte of the answer's body."""

    def so_far(self) -> float:
        """Return the seconds since the request's head."""
        return perf_counter() - self.started


@dataclass(slots=True)
class Exchange:
    """One request to an endpoint and its answer, until the last byte or the break."""

    endpoint: Endpoint
    clock: Callable[[], float]
    """The event loop's clock."""
    request_id: str = ""
    client: Client = field(default_factory=Client)
    timings: Timings = field(default_factory=Timings)
    trace: TraceContext | None = None
    """Its place in a distributed trace: the client's, or that of a span that an observer makes."""
    observations: tuple[Observation, ...] = ()
    """Those of the observers who are told of it."""
    text: bytes = b""
    """The text of a /tts request, read and judged, as UTF-8."""
    upgraded: bool = False
    """Whether it has become a live connection, which is counted by what is said on it."""
    closes: bool = False
    """Whether the connection is to be closed after this exchange."""
    bytes_in: int = 0
    """Bytes of the request's body that were read."""
    bytes_out: int = 0
    """Bytes of the answer's body that were sent."""
    moved: float = 0.0
    """The event loop's time at which a byte last moved to or from the client."""
    refused_by_backend: bool = False
    """Whether the status is one that the backend chose, and no refusal of the gateway's own."""
    outcome: int | None = None
    """The status that it ended with, or the reason's when the answer was cut; None until then."""
    why: str = ""
    """Why it failed, for the log; the first reason stands."""

    @property
    def status(self) -> int:
        """The status that it ended with; 499 when it has not ended, as its client left."""
        return CLIENT_LEFT if self.outcome is None else self.outcome

    @property
    def exemplar(self) -> dict[str, str] | None:
        """What leads from a metric to its trace, if that is recorded."""
        trace = self.trace
        return {"trace_id": trace.trace_id} if trace is not None and trace.sampled else None

    def end(self, status: int) -> None:
        """Note that all of the answer was sent, unless it has ended before; the client may go."""
        if self.outcome is None:
            self.outcome = status

    def cut_off(self, status: int, why: str = "") -> None:
        """Note that the answer is broken off, unless it has ended; status is the reason's."""
        self.explain(why)
        self.end(status)

    def explain(self, why: str) -> None:
        """Note why it fails, unless a reason is known already."""
        self.why = self.why or why.strip()

    def touch(self) -> None:
        """Note that a byte moved to or from the client."""
        self.moved = self.clock()

    def sent(self, size: int) -> None:
        """Count size bytes of the answer's body."""
        if self.timings.first_byte is None:
            self.timings.first_byte = self.timings.so_far()
        self.bytes_out += size
        self.moved = self.clock()


EXCHANGE = web.RequestKey("exchange", Exchange)
REQUEST_ID = web.RequestKey("request_id", str)
