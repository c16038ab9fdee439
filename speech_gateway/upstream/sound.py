"""Whether there is sound in the beginning of an answer, before a 200 says that there is.

StreamKit answers 200 and ends cleanly when its voice fails at once: with Ogg headers and no sound,
or with nothing. Formats: RFC 3533 (Ogg), RFC 7845 (Opus in it), RFC 5334 (other codecs in it).
"""

import re

from ..errors import UpstreamError

MAX_HELD_BYTES = 64 * 1024
"""Bytes of an answer's beginning; behind longer headers, sound is taken for granted."""
MIN_TEXT = 16
"""Bytes of what looks like text that are no bare samples by chance."""
TEXT_SHOWN = 256
MAX_BLANK_BYTES = 4096
"""Bytes of white space in front of what tells whether it is text."""
_UNDECIDED = re.compile(rb"(\xef(\xbb(\xbf)?)?)?\s*")
_TEXT_TYPE = re.compile(r"text/|application/([\w.-]+\+)?(json|xml)\b", re.IGNORECASE)
_TEXT_BEGINS = re.compile(rb"(\xef\xbb\xbf)?\s*[<{\[]")


class FirstSound:
    """Holds an answer's beginning until there is sound in it.

    What is Ogg is looked into; of other audio the first byte counts as sound.

    Raises:
        UpstreamError: its type says that it is text.
    """

    def __init__(self, content_type: str | None) -> None:
        if content_type is not None and _TEXT_TYPE.match(content_type):
            raise UpstreamError(f"it answered {content_type}, where audio belongs")
        self.held = bytearray()
        self._ogg = _OggSound()

    def feed(self, piece: bytes) -> bool:
        """Hold piece; return whether sound has come by now.

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
        """Say that no more comes, and no sound came; raises UpstreamError."""
        if _TEXT_BEGINS.match(self.held):
            self._refuse_text()
        raise UpstreamError("its answer holds no sound")

    def _refuse_text(self) -> None:
        text = self.held[:TEXT_SHOWN].decode("utf-8-sig", "ignore")
        if all(character.isprintable() or character.isspace() for character in text):
            raise UpstreamError(f"it answered text, where audio belongs: {text[:80]!r}")


class _OggSound:
    """Looks for the first packet behind a codec's headers that has something in it."""

    MAGIC = b"OggS\0"
    TABLE_LENGTH_AT, TABLE_AT = 26, 27

    def __init__(self) -> None:
        self._page_at = 0
        self._header_packets: int | None = None
        self._packets = 0
        """Those that have ended."""
        self._size = 0
        """Bytes of the one that has not."""

    def found(self, data: bytearray) -> bool:
        """Return whether sound has come in data, the stream from its beginning so far.

        What is no Ogg, or none any more, counts as sound: it is not for this to judge.
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
    """Return how many packets are in front of the first sound, by how the first one begins."""
    if first.startswith((b"OpusHead", b"Speex   ")):
        return 2
    if first.startswith(b"\x01vorbis"):
        return 3
    if first.startswith(b"\x7fFLAC") and len(first) == 9:
        return 1 + max(int.from_bytes(first[7:9], "big"), 1)
    return 0
