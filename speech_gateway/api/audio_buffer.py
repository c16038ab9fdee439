"""What one connection has said and the backend has not taken yet, within a bound."""

import asyncio
from collections import deque


class Allowance:
    """Counts the bytes that a connection's utterances hold together.

    Args:
        max_bytes: that there is room for; more is read more slowly.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._held = 0
        self._changed = asyncio.Event()

    async def take(self, size: int) -> None:
        """Wait until there is room for size bytes; one piece may be larger than the bound."""
        while self._held and self._held + size > self._max_bytes:
            self._changed.clear()
            await self._changed.wait()
        self._held += size

    def give_back(self, size: int) -> None:
        """Note that size bytes are held no more."""
        self._held -= size
        self._changed.set()


class AudioBuffer:
    """The audio of one utterance, on its way to the backend."""

    def __init__(self, allowance: Allowance) -> None:
        self._allowance = allowance
        self._pieces: deque[bytes] = deque()
        self._changed = asyncio.Event()
        self._ended = self._discarded = False

    async def put(self, piece: bytes) -> None:
        """Add a piece as soon as there is room for it."""
        if self._discarded:
            return
        await self._allowance.take(len(piece))
        self._pieces.append(piece)
        self._changed.set()
        self._drop_if_discarded()

    def end(self) -> None:
        """Say that no more will come."""
        self._ended = True
        self._changed.set()

    def discard(self) -> None:
        """Hold nothing, now and later: nobody will read it."""
        self._discarded = True
        self._drop_if_discarded()

    async def read(self) -> bytes:
        """Return what has come since the last read; nothing at the end."""
        while not self._pieces and not self._ended:
            self._changed.clear()
            await self._changed.wait()
        pieces = b"".join(self._pieces)
        self._pieces.clear()
        self._allowance.give_back(len(pieces))
        return pieces

    def _drop_if_discarded(self) -> None:
        if self._discarded:
            self._allowance.give_back(sum(map(len, self._pieces)))
            self._pieces.clear()
