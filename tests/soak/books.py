"""The soak's books: what was sent, and what came of it."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field

from tests.support.client import Response


@dataclass
class Books:
    """What was sent, and what came of it."""

    port: int
    wyoming_port: int = 0
    seen: dict[int, asyncio.Event] = field(default_factory=dict)
    """For who waits for it, by request: set when the backend has its call."""
    gone: dict[int, asyncio.Event] = field(default_factory=dict)
    """For who waits for it, by request: set when its call's connection is gone."""
    sent: int = 0
    """Requests that the gateway must have counted."""
    uncounted: int = 0
    """What was sent that is no request to an endpoint."""
    wrong: list[str] = field(default_factory=list)
    """Answers that should have been others."""
    failed: list[str] = field(default_factory=list)
    """Connections that ended in the middle of nothing: wrong while the gateway is to serve."""
    numbers: Iterator[int] = field(default_factory=itertools.count)
    """A fresh one for each request."""
    codes: dict[int, int] = field(default_factory=dict)

    def check(self, kind: str, response: Response, *expected: int) -> bool:
        """Note a response; return whether it is the one there for, and not a busy gate's."""
        self.codes[response.status] = self.codes.get(response.status, 0) + 1
        if response.status == 503:
            return False
        if response.status not in expected:
            self.wrong.append(f"{kind}: {response.status} {response.body[:80]!r}")
        return True


Client = Callable[[Books, int], Awaitable[None]]
