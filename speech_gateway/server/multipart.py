"""Parses multipart/form-data (RFC 7578) as it comes.

python-multipart is not used, as it refuses a preamble, white space behind the first boundary and a
folded header, and misses a part without a body, all of which RFC 2046 allows; and its result for a
preamble depends on how the bytes are split.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from enum import Enum, auto

MEDIA_TYPE = "multipart/form-data"
MAX_BOUNDARY = 256
"""Characters. RFC 2046 allows 70; some clients know no limit."""
HEAD_LIMIT = 4096
"""Bytes of a part's header."""
PREAMBLE_LIMIT = 64 * 1024
"""Bytes before the first boundary; a body without one is not read to its end."""
NO_BOUNDARY = "the body has none of the boundaries that Content-Type announces"
PADDING_LIMIT = 256
"""Blanks behind a boundary; a limit, as these bytes have to be held back."""

_BOUNDARY = re.compile(rf"[!-~]|[!-~][ -~]{{0,{MAX_BOUNDARY - 2}}}[!-~]")
_FOLD = re.compile(rb"\r\n(?=[ \t])")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([^\0\r\n]*)")
_PADDING_BEGUN = re.compile(rb"-|[ \t]{0,%d}\r?" % PADDING_LIMIT)


class MultipartError(Exception):
    """The body is no multipart/form-data; the message is for people."""


@dataclass(frozen=True, slots=True)
class PartBegin:
    """A part's header has come."""

    name: str
    """What Content-Disposition says; empty when it says nothing."""
    size: int
    """Bytes of the header."""


@dataclass(frozen=True, slots=True)
class PartData:
    """Some of the part's body has come."""

    data: bytes


@dataclass(frozen=True, slots=True)
class PartEnd:
    """The part is whole; MultipartReader.ended tells whether it was the last."""


Event = PartBegin | PartData | PartEnd


class _Expects(Enum):
    PREAMBLE = auto()
    HEAD = auto()
    BODY = auto()
    EPILOGUE = auto()


class MultipartReader:
    """Parses the bytes of a body into events.

    The body of a part is returned as it comes; only what may be the beginning of a boundary is held
    back.
    """

    def __init__(self, content_type: str) -> None:
        """Prepare for a body of content_type.

        Raises:
            MultipartError: content_type is not multipart/form-data, or has no usable boundary.
        """
        self._dashes = b"\r\n--" + _boundary(content_type)
        self._delimiter = re.compile(
            re.escape(self._dashes) + rb"(?:(?P<last>--)|[ \t]{0,%d}(?=\r\n))" % PADDING_LIMIT
        )
        self._expects = _Expects.PREAMBLE
        self._buffer = bytearray(b"\r\n")  # the first boundary begins a line, too
        self._preamble = 0
        self._in_front = 0
        """Bytes of the buffer that are no part's: the blank line's, which a boundary may share."""

    @property
    def ended(self) -> bool:
        """Whether the last boundary has come."""
        return self._expects is _Expects.EPILOGUE

    def feed(self, piece: bytes) -> Iterator[Event]:
        """Parse the next bytes, and yield the events that they complete.

        Raises:
            MultipartError: a part's header is malformed or too large, or there is no part in sight.
        """
        self._buffer += piece
        while not self.ended:
            if self._expects is _Expects.HEAD:
                if (begin := self._take_head()) is None:
                    return
                yield begin
                continue
            delimiter = self._find_delimiter()
            if delimiter is None:
                yield from self._take_body(len(self._buffer) - self._undecided())
                return
            start, end, last = *delimiter.span(), delimiter["last"]  # the match reads the buffer
            yield from self._take_body(start)
            del self._buffer[: end - start]
            in_part = self._expects is _Expects.BODY
            self._expects = _Expects.EPILOGUE if last else _Expects.HEAD
            if in_part:
                yield PartEnd()
        self._buffer.clear()

    def finish(self) -> None:
        """Check that the body is complete at its end.

        Raises:
            MultipartError: it is not.
        """
        if self._expects is _Expects.PREAMBLE:
            raise MultipartError(NO_BOUNDARY)
        if not self.ended:
            raise MultipartError("the body ended before its last boundary")

    def _find_delimiter(self) -> re.Match[bytes] | None:
        if self._dashes not in self._buffer:  # mostly, and ten times as fast as the expression
            return None
        return self._delimiter.search(self._buffer)

    def _take_head(self) -> PartBegin | None:
        """Return what the header says, once all of it is there."""
        longest = 2 + HEAD_LIMIT + 4  # between the ends of two lines: the boundary's, a blank one
        end = self._buffer.find(b"\r\n\r\n", 0, longest)
        if end < 0:
            if len(self._buffer) >= longest:
                raise MultipartError(f"a part's header is over {HEAD_LIMIT} bytes")
            return None
        head = bytes(self._buffer[2:end])
        del self._buffer[: end + 2]
        self._in_front = 2
        self._expects = _Expects.BODY
        return PartBegin(_name(head), len(head))

    def _take_body(self, end: int) -> Iterator[PartData]:
        """Take the buffer's bytes up to end, which are no boundary."""
        data = bytes(self._buffer[self._in_front : end])
        if end:
            del self._buffer[:end]
            self._in_front = 0
        if self._expects is _Expects.PREAMBLE:
            self._preamble += end
            if self._preamble > PREAMBLE_LIMIT:
                raise MultipartError(NO_BOUNDARY)
        if data and self._expects is _Expects.BODY:
            yield PartData(data)

    def _undecided(self) -> int:
        """Return how many of the last bytes may be the beginning of a boundary's line."""
        longest = len(self._dashes) + PADDING_LIMIT + 1
        at = self._buffer.find(b"\r", -longest)
        while at >= 0:
            tail = bytes(self._buffer[at:])
            if self._dashes.startswith(tail) or (
                tail.startswith(self._dashes) and _PADDING_BEGUN.fullmatch(tail, len(self._dashes))
            ):
                return len(tail)
            at = self._buffer.find(b"\r", at + 1)
        return 0


def _boundary(content_type: str) -> bytes:
    header = Message()
    # What is no UTF-8 came as surrogates, which the email package takes for something else.
    header["Content-Type"] = content_type.encode("utf-8", "surrogateescape").decode("latin-1")
    if header.get_content_type() != MEDIA_TYPE:
        raise MultipartError(f"the body must be {MEDIA_TYPE}")
    boundary = header.get_param("boundary", "")
    if not isinstance(boundary, str) or not _BOUNDARY.fullmatch(boundary.rstrip()):
        raise MultipartError(
            "Content-Type must name the body's boundary, in at most "
            f"{MAX_BOUNDARY} printable ASCII characters"
        )
    return boundary.rstrip().encode("ascii")


def _name(head: bytes) -> str:
    """Return the part's name; curl and browsers send it in UTF-8 (RFC 7578, section 5.1)."""
    disposition = Message()
    disposition["Content-Disposition"] = _fields(head).get(b"content-disposition", "")
    name = disposition.get_param("name", "", "Content-Disposition")
    # The encoded form (name*=) is not to be used in forms: RFC 7578, section 4.2.
    return name.encode("latin-1").decode("utf-8", "replace") if isinstance(name, str) else ""


def _fields(head: bytes) -> dict[bytes, str]:
    """Return the header's fields by their names in lower case."""
    fields = {}
    for line in _FOLD.sub(b"", head).split(b"\r\n") if head else ():
        if not (field := _FIELD.fullmatch(line)):
            raise MultipartError("a part's header is malformed; its lines must be 'Name: value'")
        fields[field[1].lower()] = field[2].decode("latin-1").strip(" \t")
    return fields
