"""Finds the first sound in an answer, before a 200 is sent for it.

When its voice fails at once, StreamKit answers 200 and ends cleanly: with Ogg headers and no sound,
or with nothing. Formats: RFC 3533 (Ogg), RFC 7845 (Opus in Ogg), RFC 5334 (other codecs in Ogg).
"""

import re

from ..errors import UpstreamError

MAX_HELD_BYTES = 64 * 1024
"""Bytes at the beginning of an answer; after longer headers, sound is assumed."""
MIN_TEXT = 16
"""Bytes that look like text, and cannot be raw samples by chance."""
TEXT_SHOWN = 256
MAX_BLANK_BYTES = 4096
"""Bytes of leading white space, after which the rest is not examined."""
_UNDECIDED = re.compile(rb"(\xef(\xbb(\xbf)?)?)?\s*")
_TEXT_TYPE = re.compile(r"text/|application/([\w.-]+\+)?(json|xml)\b", re.IGNORECASE)
_TEXT_BEGINS = re.compile(rb"(\xef\xbb\xbf)?\s*[<{\[]")


class FirstSound:
    """Holds the beginning of an answer until there is sound in it.

    Ogg is parsed; in other audio the first byte counts as sound.

    Raises:
        UpstreamError: its type says that it is text.
    """

    def __init__(self, content_type: str | None) -> None:
        if content_type is not None and _TEXT_TYPE.match(content_type):
            raise UpstreamError(f"it answered {content_type}, where audio belongs")
        self.held = bytearray()
        self._ogg = _OggSound()

    def feed(self, piece: bytes) -> bool:
        """Hold piece; return whether sound has come.

        Raises:
            UpstreamError: it is text, whatever its type says.
        """
        self.held += piece
        if not piece:
            return False
        if _UNDECIDED.fullmatch(self.held) and len(self.held) < MAX_BLANK_BYTES:
            return False
        if not _TEXT_BEGINS.match(self.held):
            return self._ogg.found(self.held) or len(self.held) > MAX_HELD_BYTES
        if len(self.held) < MIN_TEXT:
            return False
        self._refuse_text()
        return True

    def end(self) -> None:
        """Refuse an answer that ended without sound; raises UpstreamError."""
        if _TEXT_BEGINS.match(self.held):
            self._refuse_text()
        raise UpstreamError("its answer holds no sound")

    def _refuse_text(self) -> None:
        text = self.held[:TEXT_SHOWN].decode("utf-8-sig", "ignore")
        if all(character.isprintable() or character.isspace() for character in text):
            raise UpstreamError(f"it answered text, where audio belongs: {text[:80]!r}")


class _OggSound:
    """Finds the first packet after a codec's headers that is not empty."""

    MAGIC = b"OggS\0"
    TABLE_LENGTH_AT, TABLE_AT = 26, 27

    def __init__(self) -> None:
        self._page_at = 0
        self._header_packets: int | None = None
        self._packets = 0
        """Packets that are complete."""
        self._size = 0
        """Bytes of the packet that is not complete."""

    def found(self, data: bytearray) -> bool:
        """Return whether there is sound in data, the stream from its beginning.

        What is not Ogg, or not any more, counts as sound.
        """
        while True:
            magic = data[self._page_at : self._page_at + len(self.MAGIC)]
            if not self.MAGIC.startswith(magic):
                return True
            table_at = self._page_at + self.TABLE_AT
            if len(data) <= table_at:
                return False
            body_at = table_at + data[self._page_at + self.TABLE_LENGTH_AT]
            table = data[table_at:body_at]
            if len(data) < body_at or len(data) < body_at + sum(table):
                return False  # nobody can play a page before all of it has come
            if self._header_packets is None:
                self._header_packets = _header_packets(bytes(data[body_at : body_at + 9]))
            if self._has_sound(table, self._header_packets):
                return True
            self._page_at = body_at + sum(table)

    def _has_sound(self, table: bytearray, header_packets: int) -> bool:
        for segment in table:
            self._size += segment
            if self._size and self._packets >= header_packets:
                return True
            if segment < 255:  # the packet's last one
                self._packets += 1
                self._size = 0
        return False


def _header_packets(first: bytes) -> int:
    """Return the number of header packets, by the beginning of the first one."""
    if first.startswith((b"OpusHead", b"Speex   ")):
        return 2
    if first.startswith(b"\x01vorbis"):
        return 3
    if first.startswith(b"\x7fFLAC") and len(first) == 9:
        return 1 + max(int.from_bytes(first[7:9], "big"), 1)
    return 0
