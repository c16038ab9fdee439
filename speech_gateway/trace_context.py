"""W3C Trace Context: the place of a request in a distributed trace."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

MAX_STATE = 512
"""Characters of a ``tracestate`` that every participant has to pass on (section 3.3.1.5)."""
_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
)
"""Section 3.2."""
_STATE = re.compile(rf"[\t\x20-\x7e]{{1,{MAX_STATE}}}")
_SAMPLED = 1


class _Headers(Protocol):
    def __contains__(self, name: object, /) -> bool: ...

    def getall(self, name: str, default: Sequence[str], /) -> Sequence[str]: ...


@dataclass(frozen=True, slots=True)
class TraceContext:
    """A place in a trace."""

    traceparent: str
    """As it is sent: ``00-`` the trace's id ``-`` the span's id ``-`` flags."""
    tracestate: str = ""
    """What tracing systems tell each other, unread."""

    @classmethod
    def of(cls, trace_id: int, span_id: int, flags: int, tracestate: str = "") -> "TraceContext":
        """Return the place of a span."""
        return cls(f"00-{trace_id:032x}-{span_id:016x}-{flags:02x}", tracestate)

    @property
    def trace_id(self) -> str:
        """The trace's id: 32 hexadecimal digits."""
        return self.traceparent[3:35]

    @property
    def span_id(self) -> str:
        """The span's id: 16 hexadecimal digits."""
        return self.traceparent[36:52]

    @property
    def flags(self) -> int:
        """The trace's flags."""
        return int(self.traceparent[53:55], 16)

    @property
    def sampled(self) -> bool:
        """Whether the trace is recorded, as far as is known."""
        return self.flags & _SAMPLED != 0


def read_trace_context(headers: _Headers) -> TraceContext | None:
    """Return the place that a request's headers tell; None when they tell none, or nonsense.

    A ``tracestate`` that is too long or holds control characters is left out, and the rest stands.
    """
    if "traceparent" not in headers:
        return None
    parents = headers.getall("traceparent", ())
    if len(parents) != 1 or not _TRACEPARENT.fullmatch(parents[0]):
        return None
    state = ",".join(headers.getall("tracestate", ()))
    return TraceContext(parents[0], state if _STATE.fullmatch(state) else "")


def header_lines(trace: TraceContext | None) -> str:
    """Return the header lines that pass trace on; nothing for None."""
    if trace is None:
        return ""
    state = f"tracestate: {trace.tracestate}\r\n" if trace.tracestate else ""
    return f"traceparent: {trace.traceparent}\r\n{state}"
