"""What an observer is told of one exchange, and of its calls to the backend."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from .trace_context import TraceContext

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CallAttempt:
    """A call to the backend; one that is sent again is another attempt."""

    host: str
    """The backend's; the path of its socket where it listens on one."""
    port: int | None
    url: str
    resends: int
    """How often it was sent before."""


class ObservedCall:
    """A call to the backend, as an observer sees it; the methods do nothing until overridden."""

    trace: TraceContext | None = None
    """What the backend is to be told of its place in a trace, if anything else than it would be."""

    def answered(self, status: int) -> None:
        """Be told that the head of the answer has come."""

    def end(self, error: BaseException | None, seconds_ago: float) -> None:
        """Be told how it ended: with the end of the answer, some time ago, or with error."""


class Observation:
    """An exchange, as an observer sees it; the methods do nothing until overridden."""

    def call(self, attempt: CallAttempt) -> ObservedCall | None:  # noqa: ARG002 - see above
        """Be told that the backend is called, and return what observes that, if anything does."""
        return None

    def end(self) -> None:
        """Be told that the exchange has ended: all of it is known, and nothing of it is counted."""


@contextmanager
def guarded() -> Iterator[None]:
    """Keep what an observer raises from the request that it observes."""
    try:
        yield
    except Exception:
        log.exception("an observer of requests failed")
