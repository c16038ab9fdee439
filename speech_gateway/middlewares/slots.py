"""The slots of the gate, and the requests that wait for one."""

import asyncio
from collections import Counter


class Slots:
    """A number of slots; one client may hold at most a part of them.

    First come, first served; a request behind those of a client that is at its limit passes them.
    """

    def __init__(self, total: int, max_each: int) -> None:
        self._free = total
        self._max_each = max_each
        self._held: Counter[str] = Counter()
        self._waiters: dict[asyncio.Future[None], str] = {}
        """The client of each waiter, in order of arrival."""

    def take(self, client: str) -> bool:
        """Take a slot for client if one is free for it; return whether it was."""
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
        """Release a slot to the first waiter that may have it."""
        self._free += 1
        self._held[client] -= 1
        if not self._held[client]:
            del self._held[client]
        for waiter, waiting in self._waiters.items():
            if not waiter.done() and self.take(waiting):
                waiter.set_result(None)
                return
