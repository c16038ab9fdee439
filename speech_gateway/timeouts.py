"""One timer for everybody who looks at the time now and then, instead of a timer each."""

import asyncio
from collections.abc import Callable

LOOKS_PER_TIMEOUT = 4

Look = Callable[[float], None]
"""Is given the loop's time."""


class Lookout:
    """Calls everybody who asked for it, a few times in timeout seconds while there is anybody."""

    def __init__(self, timeout: float) -> None:
        self._interval = timeout / LOOKS_PER_TIMEOUT
        self._looks: dict[Look, None] = {}
        self._timer: asyncio.TimerHandle | None = None

    def add(self, look: Look) -> None:
        """Have look called from now on; the first time within the interval."""
        self._looks[look] = None
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._interval, self._tick)

    def remove(self, look: Look) -> None:
        """Have look called no more; harmless when it is not."""
        self._looks.pop(look, None)

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._timer = loop.call_later(self._interval, self._tick) if self._looks else None
        for look in list(self._looks):
            look(now)

    def stop(self) -> None:
        """Call nobody any more."""
        self._looks.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
