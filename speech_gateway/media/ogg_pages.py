"""Follows the pages of an Ogg stream (RFC 3533), to tell whether it is complete.

libav does not tell: it ends where its input ends, and skips damaged pages silently.
"""

import struct

from .peekable import ByteReader

OPUS_HEADERS = 2
IS_OGG_OPUS_BYTES = 36
_PAGE = struct.Struct("<4sBBqIIIB")
_FIRST_PAGE, _LAST_PAGE = 0x02, 0x04
_WHOLE_SEGMENT = 255


def is_ogg_opus(first_bytes: bytes) -> bool:
    """Return whether a stream that begins so is Ogg/Opus; IS_OGG_OPUS_BYTES are enough."""
    return first_bytes[:4] == b"OggS" and first_bytes[28:IS_OGG_OPUS_BYTES] == b"OpusHead"


class OggPages:
    """Passes Ogg through, and counts its pages."""

    def __init__(self, source: ByteReader) -> None:
        self.streams = 0
        """Streams that began; more than one when they are chained or multiplexed."""
        self.packets = 0
        """Packets that are not empty, headers included."""
        self.granule = 0
        """What the last page so far says of its time: for Opus, samples at 48 kHz."""
        self.ended = False
        """Whether the last page so far is the last of a stream, and complete."""
        self._source = source
        self._head = b""
        self._body_left = 0
        self._last = False
        self._packet_begun = False
        self._followed = True

    def read(self, size: int, /) -> bytes:
        """Return some bytes, at most size; nothing at the end."""
        data = self._source.read(size)
        rest = data
        while rest and self._followed:
            rest = self._after_body(rest) if self._body_left else self._after_head(rest)
        return data

    def _after_body(self, data: bytes) -> bytes:
        taken = min(self._body_left, len(data))
        self._body_left -= taken
        self.ended = self._last and not self._body_left
        return data[taken:]

    def _after_head(self, data: bytes) -> bytes:
        """Parse a page's header once it is complete; return what follows it."""
        head = self._head + data
        if len(head) < _PAGE.size or len(head) < (size := _PAGE.size + head[_PAGE.size - 1]):
            self._head, self.ended = head, False
            return b""
        mark, _, flags, granule, *_ = _PAGE.unpack_from(head)
        if mark != b"OggS":
            self._followed = self.ended = False
            return b""
        self._head = b""
        self.granule = granule
        self._take_page(flags, head[_PAGE.size : size])
        return head[size:]

    def _take_page(self, flags: int, segments: bytes) -> None:
        self.streams += bool(flags & _FIRST_PAGE)
        for segment in segments:
            holds = self._packet_begun or segment > 0
            whole = segment < _WHOLE_SEGMENT
            self.packets += holds and whole
            self._packet_begun = holds and not whole
        self._last = bool(flags & _LAST_PAGE)
        self._body_left = sum(segments)
        self.ended = self._last and not self._body_left
