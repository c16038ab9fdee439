"""Reads a client's messages, within bounds.

A message is a line of JSON, then as many bytes of JSON and of audio as the line says. The wyoming
package reads lengths of any size, and takes what is no JSON for the end of the connection.
"""

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, SupportsIndex

from wyoming.event import Event

MAX_HEADER = 64 * 1024
"""Bytes of the line, which has all of the JSON where clients are old."""
MAX_DATA = 256 * 1024
"""Bytes of the JSON behind the line: hours of speech, or the names of a large house."""
MAX_PAYLOAD = 256 * 1024
"""Bytes of audio; Home Assistant sends 64 KiB at most, others a second."""
NO_MESSAGE = (
    f"a message begins with a line of at most {MAX_HEADER} bytes, which is a JSON object with a "
    "type, and data_length and payload_length where data or audio follow"
)


class BadMessageError(Exception):
    """What came is no message; the text is for people."""


class TooLargeMessageError(BadMessageError):
    """A message is over a bound."""


class EventReader(asyncio.StreamReader):
    """What has come from a client and was not read yet.

    Args:
        max_payload: bytes of audio in a message.
    """

    def __init__(self, max_payload: int) -> None:
        super().__init__(limit=MAX_HEADER)
        self._max_payload = max_payload
        self._now = asyncio.get_running_loop().time
        self._stopped = False
        """Whether nothing more is to be read, whatever comes."""
        self.failure: Exception | None = None
        """What reading was stopped for."""
        self.thrown_away = 0
        """Bytes that came since then."""
        self.heard = self._now()
        """When something came last."""
        self.waits = False
        """Whether something is to come from the client before anything else happens."""
        self.begun: float | None = None
        """When the message began that is being read."""
        self.gone = asyncio.Event()
        """Set when the client sends no more: it has left."""
        self.on_gone: Callable[[], None] | None = None
        """Called then."""

    async def read_event(self) -> Event | None:
        """Return the next message that is whole; None at the end.

        Raises:
            BadMessageError: what came is none.
            Exception: reading was stopped for it.
        """
        self.waits = True
        try:
            await asyncio.sleep(0)  # others have their turn, however many messages have come
            event = None if self._stopped else await self._next_event()
        finally:
            self.waits, self.begun = False, None
        if self.failure is not None:
            raise self.failure
        return None if self._stopped else event

    def stop(self, failure: Exception | None = None) -> None:
        """Read no more: raise failure in who reads, or end; throw away what still comes.

        The StreamReader's own exception would be raised in who writes as well.
        """
        if not self._stopped:
            self._stopped, self.failure = True, failure
            super().feed_eof()

    async def _next_event(self) -> Event | None:
        try:
            if not (first := await self.read(1)):
                return None
            self.begun = self._now()
            return await self._rest(first)
        except asyncio.LimitOverrunError:
            raise BadMessageError(NO_MESSAGE) from None
        except asyncio.IncompleteReadError:
            return None  # the client has left

    async def _rest(self, first: bytes) -> Event:
        rest = b"" if first == b"\n" else await self.readuntil(b"\n")
        header = _object(first + rest)
        kind, inline = header.get("type"), header.get("data")
        if not isinstance(kind, str) or not isinstance(inline, dict | None):
            raise BadMessageError(NO_MESSAGE)
        data = inline or {}
        if size := _length(header, "data_length", MAX_DATA):
            data |= _object(await self.readexactly(size))
        size = _length(header, "payload_length", self._max_payload)
        return Event(kind, data, await self.readexactly(size) if size else None)

    def feed_data(self, data: Iterable[SupportsIndex]) -> None:
        """Take what has come."""
        self.heard = self._now()
        if self._stopped:
            self.thrown_away += len(bytes(data))
        else:
            super().feed_data(data)

    def feed_eof(self) -> None:
        """Note the end."""
        super().feed_eof()
        self._note_gone()

    def set_exception(self, exc: Exception) -> None:
        """Note that the connection has broken, however it has: the client is gone."""
        super().set_exception(ConnectionResetError(str(exc)))
        self._note_gone()

    def _note_gone(self) -> None:
        if not self.gone.is_set():
            self.gone.set()
            if self.on_gone is not None:
                self.on_gone()


def _object(text: bytes) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise BadMessageError(NO_MESSAGE)
    return value


def _length(header: Mapping[str, Any], name: str, most: int) -> int:
    """Return how much follows; some clients write null for nothing."""
    size = header.get(name)
    if size is None:
        return 0
    if type(size) is not int or size < 0:
        raise BadMessageError(NO_MESSAGE)
    if size > most:
        raise TooLargeMessageError(f"{name} may be at most {most} bytes")
    return size
