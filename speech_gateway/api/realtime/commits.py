"""Commits that are not answered yet."""

import asyncio
from collections import deque

MAX_COMMITS = 16
"""Of one connection."""
OURS = object()
"""Stands for the id of a commit that no client has sent."""


class Commits:
    """The ids of events that ask for a commit, which are answered in order."""

    def __init__(self) -> None:
        self._ids: deque[object] = deque()
        self._room = asyncio.Event()
        """Set when there is room for another one."""

    @property
    def has_ours(self) -> bool:
        """Whether one is among them that no client has sent."""
        return OURS in self._ids

    async def add(self, event_id: object) -> None:
        """Add one, as soon as there is room for it."""
        while len(self._ids) >= MAX_COMMITS:
            self._room.clear()
            await self._room.wait()
        self._ids.append(event_id)

    def answered(self) -> object:
        """Return the id of the oldest one, which is answered."""
        self._room.set()
        return self._ids.popleft()
