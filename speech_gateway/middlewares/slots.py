"""The slots of the gate, and the requests that wait for one."""

import asyncio
from collections import Counter
from dataclasses import dataclass


class Slots:
    """A number of slots; one client may hold at most a part of them.

    First come, first served; a request behind those of a client that is at its limit passes them.
    """

    def __init__(self) -> None:
        self._total = 0
        self._free = 0
        """Less than none, while more are held than there are since they became fewer."""
        self._max_each = 0
        self._held: Counter[str] = Counter()
        self._waiters: dict[asyncio.Future[bool], _Waiter] = {}
        """In order of arrival."""

    def resize(self, total: int, max_each: int) -> None:
        """Have this many slots; the new ones go to those who wait."""
        self._free += total - self._total
        self._total, self._max_each = total, max_each
        self._grant()

    def take(self, client: str) -> bool:
        """Take a slot for client if one is free for it; return whether it was."""
        # Who waits while a slot is free is at the limit, so that nobody is passed by.
        if self._free < 1 or self._held[client] >= self._max_each:
            return False
        self._free -= 1
        self._held[client] += 1
        return True

    async def wait(self, client: str, gate: object = None) -> bool:
        """Wait for a slot, and take it; return False if its gate's were told to go instead."""
        granted: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiters[granted] = _Waiter(client, gate)
        try:
            return await granted
        except asyncio.CancelledError:
            if not granted.cancelled() and granted.result():  # it was granted at the very moment
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
        self._grant()

    def _grant(self) -> None:
        """Give what is free to those who may have it, in order of arrival."""
        for granted, waiter in self._waiters.items():
            if self._free < 1:
                return
            if not granted.done() and self.take(waiter.client):
                granted.set_result(True)

    def turn_away(self, gate: object = None) -> None:
        """Have those who wait at a gate wait no more."""
        for granted, waiter in self._waiters.items():
            if waiter.gate is gate and not granted.done():
                granted.set_result(False)


@dataclass(frozen=True, slots=True)
class _Waiter:
    """Whose request waits, and at which of the gates that share the slots."""

    client: str
    gate: object
