"""Slots, and those who wait for one."""

import asyncio
from collections import Counter


class Slots:
    """A number of slots, of which one client may hold at most so many.

    First come, first served; who waits behind a client at its limit is served before it.
    """

    def __init__(self, total: int, max_each: int) -> None:
        self._free = total
        self._max_each = max_each
        self._held: Counter[str] = Counter()
        self._waiters: dict[asyncio.Future[None], str] = {}
        """By who waits, in order of their coming: the client."""

    def take(self, client: str) -> bool:
        """Take a slot if there is one for client right now."""
        # Who waits while a slot is free is at the limit, so that nobody is passed by.
        if not self._free or self._held[client] >= self._max_each:
            return False
        self._free -= 1
        self._held[client] += 1
        return True

    async def wait(self, client: str) -> None:
        """Wait for a slot, and take it."""
        granted = asyncio.get_running_loop().create_future()
        self._waiters[granted] = client
        try:
            await granted
        except asyncio.CancelledError:
            if not granted.cancelled():  # it was granted at the very moment
                self.give_back(client)
            raise
        finally:
            self._waiters.pop(granted, None)

    def give_back(self, client: str) -> None:
        """Give a slot back: the first who may have one gets it."""
        self._free += 1
        self._held[client] -= 1
        if not self._held[client]:
            del self._held[client]
        for waiter, waiting in self._waiters.items():
            if not waiter.done() and self.take(waiting):
                waiter.set_result(None)
                return
