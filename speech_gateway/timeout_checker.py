"""One timer that checks many connections for timeouts, instead of a timer each."""

import asyncio
from collections.abc import Callable

CHECKS_PER_TIMEOUT = 4

Check = Callable[[float], None]
"""Is given the event loop's time, in seconds."""


class TimeoutChecker:
    """Calls every check that was added, a few times in timeout seconds while there is any."""

    def __init__(self, timeout: float) -> None:
        self._interval = timeout / CHECKS_PER_TIMEOUT
        self._checks: dict[Check, None] = {}
        self._timer: asyncio.TimerHandle | None = None

    def add(self, check: Check) -> None:
        """Have check called from now on; the first time within the interval."""
        self._checks[check] = None
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._interval, self._tick)

    def remove(self, check: Check) -> None:
        """Have check called no more; harmless when it is not."""
        self._checks.pop(check, None)

    def stop(self) -> None:
        """Call no check any more."""
        self._checks.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._timer = loop.call_later(self._interval, self._tick) if self._checks else None
        for check in list(self._checks):
            check(now)
