"""Reads the two parts of a call as they come."""

from collections.abc import AsyncIterator, Iterator
from typing import Protocol

from ..server.multipart import Event, MultipartError, MultipartReader, PartBegin, PartData

CONFIG_LIMIT = 32 * 1024
"""Bytes of a pipeline; the packaged ones have one thousand."""


class CallError(Exception):
    """The call does not follow the protocol; the message says what is wrong."""


class ByteSource(Protocol):
    """The source of a body; ``readany`` returns nothing at its end."""

    async def readany(self) -> bytes: ...


class CallReader:
    """Reads ``config``, then ``media`` piece by piece: at most a boundary's length is held back."""

    def __init__(self, content_type: str, source: ByteSource) -> None:
        try:
            self._multipart = MultipartReader(content_type)
        except MultipartError as error:
            raise CallError(str(error)) from None
        self._source = source
        self._events: Iterator[Event] = iter(())

    async def config(self) -> str:
        """Return the first part, which must be ``config``; raises CallError."""
        await self._begin("config", "the first part", "the call ended before its config did")
        config = bytearray()
        while isinstance(
            event := await self._event("the call ended before its config did"), PartData
        ):
            config += event.data
            if len(config) > CONFIG_LIMIT:
                raise CallError(f"the config is over {CONFIG_LIMIT} bytes")
        try:
            return config.decode()
        except UnicodeDecodeError:
            raise CallError("the config is not UTF-8") from None

    async def media_begins(self) -> None:
        """Wait until the header of ``media`` has come; raises CallError."""
        await self._begin("media", "the second part", "the call has no media")

    async def media(self) -> AsyncIterator[bytes]:
        """Yield the media as it comes; raises CallError when the call ends before it does."""
        while isinstance(
            event := await self._event("the call ended before its media did"), PartData
        ):
            yield event.data
        if not self._multipart.ended:
            raise CallError("the call must have exactly two parts, 'config' and 'media'")

    async def _begin(self, name: str, place: str, at_end: str) -> None:
        event = await self._event(at_end)
        if not isinstance(event, PartBegin) or event.name != name:
            raise CallError(f"{place} must be '{name}'")

    async def _event(self, at_end: str) -> Event:
        """Return the next event; raise CallError with at_end when there is none."""
        try:
            while (event := next(self._events, None)) is None:
                piece = await self._source.readany()
                if not piece:
                    raise CallError(at_end)
                self._events = self._multipart.feed(piece)
        except MultipartError as error:
            raise CallError(f"the call is malformed: {error}") from None
        return event
