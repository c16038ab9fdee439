"""A file that is read again when it changes."""

import asyncio
import hashlib
import logging
import stat
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from .bounded_files import read_bounded

if TYPE_CHECKING:
    from aiohttp import web

CHECK_INTERVAL = 1.0
"""Seconds between two checks of whether the file has changed."""
SETTLE_TIME = 0.5
"""Seconds for which a changed file must stay unchanged before it is read.

An editor that rewrites a file in place empties it first and writes it piece by piece.
"""

T = TypeVar("T")
_State = tuple[int, ...]
_NEVER_READ: _State = ()
_MISSING: _State = (-1,)
_IRREGULAR: _State = (0,)
"""Not a regular file, such as the pipe of a shell's ``<(...)``, which can be read only once."""

log = logging.getLogger(__name__)


class WatchedFile(Generic[T]):
    """The parsed content of a file, parsed again when the file has changed.

    When a changed file cannot be read or parsed, the value stays as it was, and the log says so
    once. Reading and parsing happen in a thread; the old value is valid meanwhile. Subject is how
    the log speaks of the value: "the client keys are".

    Raises:
        OSError: the file cannot be read, or is larger than max_bytes.
        ValueError: parse's own, which says what the file must be and shows nothing of it.
    """

    def __init__(
        self,
        path: Path,
        parse: Callable[[bytes], T],
        *,
        subject: str,
        max_bytes: int,
        on_change: Callable[[T], None],
    ) -> None:
        self._path = path
        self._parse = parse
        self._subject = subject
        self._max_bytes = max_bytes
        self._on_change = on_change
        data = read_bounded(path, max_bytes)
        self.value = parse(data)
        self._digest = hashlib.sha256(data).digest()
        # Not the state it has now: it may be written again in the same tick of the kernel's clock.
        self._seen = _IRREGULAR if self._state() == _IRREGULAR else _NEVER_READ
        self._complaint = ""
        self._look: asyncio.Task[None] | None = None

    async def watching(self, _app: "web.Application") -> AsyncIterator[None]:
        """Check the file regularly while the application runs (a cleanup_ctx of aiohttp's)."""
        watch = asyncio.create_task(self._watch())
        yield
        tasks = [task for task in (watch, self._look) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def refresh(self) -> None:
        """Check the file now; return when the value is up to date."""
        # Several may wait for the same look: one that leaves must not end it.
        if self._look is not None and not self._look.done():
            await asyncio.shield(self._look)  # which may have looked before the last change
        if self._look is None or self._look.done():
            self._look = asyncio.create_task(self._look_once())
        await asyncio.shield(self._look)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(CHECK_INTERVAL)
            await self.refresh()

    async def _look_once(self) -> None:
        in_thread = asyncio.to_thread  # a network's file system may take its time
        state = await in_thread(self._state)
        if state == self._seen:
            return
        while True:
            await asyncio.sleep(SETTLE_TIME)
            before, state = state, await in_thread(self._state)
            if state == before:
                break
        await in_thread(self._take, state)

    def _state(self) -> _State:
        """Return what differs after any change of the file.

        The time of change (ctime) differs even when size, inode and modification time do not.
        """
        try:
            found = self._path.stat()
        except OSError:
            return _MISSING
        if not stat.S_ISREG(found.st_mode):
            return _IRREGULAR
        return (found.st_ctime_ns, found.st_mtime_ns, found.st_size, found.st_ino)

    def _take(self, state: _State) -> None:
        if state == _IRREGULAR:  # opening a pipe would wait for somebody to write into it
            self._complain("is no regular file any more")
            return
        try:
            data = read_bounded(self._path, self._max_bytes)
            digest = hashlib.sha256(data).digest()
            value = self.value if digest == self._digest else self._parse(data)
        except OSError as error:
            # It may be readable next time without a change of its own.
            self._complain(f"cannot be read: {error.strerror}")
            return
        except ValueError as error:
            self._seen = state
            self._complain(str(error))
            return
        self._seen, self._complaint = state, ""
        if digest != self._digest:
            self.value, self._digest = value, digest
            self._on_change(value)

    def _complain(self, complaint: str) -> None:
        if complaint != self._complaint:
            self._complaint = complaint
            log.error("the changed %s not taken: the file %s", self._subject, complaint)
