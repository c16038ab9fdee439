"""The time that a backend has to begin its speech, from the whole text sent on."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from ..errors import UpstreamTimeoutError

T = TypeVar("T")


class FirstByteTimeout:
    """Ends the wait for the answer's head and for its first sound; nothing ends before it began."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._due: float | None = None

    def begin(self) -> None:
        """Count from now on."""
        self._due = asyncio.get_running_loop().time() + self._seconds

    async def ends(self, coming: Awaitable[T]) -> T:
        """Return what is coming.

        Raises:
            UpstreamTimeoutError: it did not come in time.
        """
        try:
            async with asyncio.timeout_at(self._due):
                return await coming
        except TimeoutError:
            raise UpstreamTimeoutError(f"no sound within {self._seconds:g} s") from None
