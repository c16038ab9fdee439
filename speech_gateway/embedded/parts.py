"""The two parts of a call, pushed through python-multipart as they come."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Protocol

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

CONFIG_LIMIT = 256 * 1024


class CallError(Exception):
    """The call is not as the protocol wants it; the message says what is wrong."""


class ByteSource(Protocol):
    """Where a body comes from; ``readany`` returns nothing at its end."""

    async def readany(self) -> bytes: ...


@dataclass(slots=True)
class _Part:
    headers: dict[str, str] = field(default_factory=dict)
    data: bytearray = field(default_factory=bytearray)
    ended: bool = False

    @property
    def name(self) -> str:
        _, options = parse_options_header(self.headers.get("content-disposition", ""))
        return options.get(b"name", b"").decode("utf-8", "replace")


class CallReader:
    """Reads ``config``, then ``media`` piece by piece: at most a boundary's length is held back."""

    def __init__(self, content_type: str, source: ByteSource) -> None:
        media_type, options = parse_options_header(content_type)
        boundary = options.get(b"boundary")
        if media_type != b"multipart/form-data" or not boundary:
            raise CallError("the call must be multipart/form-data with a boundary")
        self._source = source
        self._parts: list[_Part] = []
        self._header = (bytearray(), bytearray())
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._on_part_begin,
                "on_header_field": self._on_header_field,
                "on_header_value": self._on_header_value,
                "on_header_end": self._on_header_end,
                "on_headers_finished": self._on_headers_finished,
                "on_part_data": self._on_part_data,
                "on_part_end": self._on_part_end,
            },
        )
        self._open_parts = 0

    async def config(self) -> str:
        """Return the first part, which must be ``config``; raises CallError."""
        while not self._parts or not self._parts[0].ended:
            await self._advance("the call ended before its config did")
            if self._open_parts and self._parts[0].name != "config":
                raise CallError("the first part must be 'config'")
            if self._parts and len(self._parts[0].data) > CONFIG_LIMIT:
                raise CallError(f"the config is over {CONFIG_LIMIT} bytes")
        try:
            return self._parts[0].data.decode()
        except UnicodeDecodeError:
            raise CallError("the config is not UTF-8") from None

    async def media_begins(self) -> None:
        """Wait until the header of ``media`` has come; raises CallError."""
        while self._open_parts < 2:
            await self._advance("the call has no media")
        if self._parts[1].name != "media":
            raise CallError("the second part must be 'media'")

    async def media(self) -> AsyncIterator[bytes]:
        """Yield the media as it comes; raises CallError when the call ends before it does."""
        part = self._parts[1]
        while True:
            if part.data:
                piece = bytes(part.data)
                part.data.clear()
                yield piece
            if part.ended:
                return
            await self._advance("the call ended before its media did")

    async def _advance(self, at_end: str) -> None:
        piece = await self._source.readany()
        if not piece:
            raise CallError(at_end)
        try:
            self._parser.write(piece)
        except FormParserError:
            raise CallError("the call is malformed multipart/form-data") from None
        if len(self._parts) > 2:
            raise CallError("the call must have exactly two parts, 'config' and 'media'")

    def _on_part_begin(self) -> None:
        self._parts.append(_Part())

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header[0].extend(data[start:end])

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header[1].extend(data[start:end])

    def _on_header_end(self) -> None:
        name, value = (half.decode("latin-1") for half in self._header)
        self._parts[-1].headers[name.lower()] = value
        for half in self._header:
            half.clear()

    def _on_headers_finished(self) -> None:
        self._open_parts += 1

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        self._parts[-1].data += data[start:end]

    def _on_part_end(self) -> None:
        self._parts[-1].ended = True
