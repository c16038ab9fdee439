"""What is known of the backend: what is wrong with it, and whether it is gone.

It is gone when a look at it timed out, or when two looks could not reach it, and it gave no sign of
life meanwhile. A backend that refuses, or is slow to say how it is while it answers calls, is not.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

LOOKS_APART = 1.0
"""Seconds between the two looks: a restart may take that long, and requests are tried meanwhile."""


QUIET = 3.0
"""Seconds without a sign of life before a look that timed out, for a backend to be gone."""


class Reason(StrEnum):
    """Why the backend can take no calls, as the metrics tell it."""

    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    TOKEN_REFUSED = "token_refused"  # noqa: S105 - a reason
    UNHEALTHY = "unhealthy"
    WRONG_PIPELINE = "wrong_pipeline"


@dataclass(frozen=True, slots=True)
class Problem:
    """Why the backend can take no calls."""

    reason: Reason
    text: str
    """For people."""


class SignsOfLife:
    """Whether a byte has come from the backend since somebody last looked."""

    __slots__ = ("seen",)

    def __init__(self) -> None:
        self.seen = False


class BackendState:
    """What the last look at the backend found, and what its calls have told since."""

    def __init__(self) -> None:
        self.problem: Problem | None = None
        """What the last look found."""
        self.looked = False
        """Whether there was a look yet."""
        self.gone = False
        """Whether calls are to be refused, as they would fail."""
        self.next_look_at = 0.0
        """The event loop's time at which more is known."""
        self.suspected = asyncio.Event()
        """Set when a call has failed: somebody should look."""
        self.signs = SignsOfLife()
        self.watchers: list[Callable[[], None]] = []
        """Called when any of this has changed, while it is told."""
        self._tells = False
        self._unreachable_since: float | None = None
        self._alive_at = -QUIET
        """When a look began before which it had given a sign of life."""

    def begin_as(self, known: "BackendState") -> None:
        """Begin with what is known of the same backend already."""
        self.problem, self.looked, self.gone = known.problem, known.looked, known.gone
        self._unreachable_since = known._unreachable_since
        self._alive_at = known._alive_at

    def begin_telling(self) -> None:
        """Tell the watchers, now and from now on: calls are made to this backend."""
        self._tells = True
        self._tell()

    def end_telling(self) -> None:
        """Tell them nothing more."""
        self._tells = False

    def _tell(self) -> None:
        if self._tells:
            for watcher in self.watchers:
                watcher()

    @property
    def ready(self) -> bool:
        """Whether a look found that the backend can take calls."""
        return self.looked and self.problem is None

    def seconds_to_next_look(self) -> float:
        """Return the seconds until more is known."""
        return max(self.next_look_at - asyncio.get_running_loop().time(), 0.0)

    def look_begins(self, began: float) -> None:
        """Note that from now on signs of life count, by the event loop's time."""
        if self.signs.seen:
            self._alive_at = began
        self.signs.seen = False

    def look_ended(self, problem: Problem | None, began: float) -> None:
        """Note what a look has found that began at a time of the event loop's."""
        self._change(problem, gone=self._is_gone(problem, began), looked=True)

    def answered(self) -> None:
        """Note that the backend has answered a call: it is not gone, whatever looks find."""
        self._unreachable_since = None
        if self.gone:
            self._change(self.problem, gone=False, looked=self.looked)
            self.suspected.set()  # a look is to tell whether it is ready, too

    def suspect(self) -> None:
        """Note that the backend has failed on a call."""
        self.suspected.set()

    def _is_gone(self, problem: Problem | None, began: float) -> bool:
        if problem is not None and problem.reason is Reason.UNREACHABLE:
            if self._unreachable_since is None:
                self._unreachable_since = began
            return self.gone or began - self._unreachable_since >= LOOKS_APART
        self._unreachable_since = None
        if problem is None or problem.reason is not Reason.TIMEOUT or self.signs.seen:
            return False
        # A saturated backend answers calls now and then, and questions late.
        return began - self._alive_at >= QUIET or self.gone

    def _change(self, problem: Problem | None, *, gone: bool, looked: bool) -> None:
        before = (self.problem, self.gone, self.looked)
        self.problem, self.gone, self.looked = problem, gone, looked
        if before != (problem, gone, looked):
            self._tell()
