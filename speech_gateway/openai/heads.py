"""What an upload is, by its first bytes; and what of them libav is not shown.

libav makes room for a tag as large as it says it is, and unpacks a packed one: a WAV of 60 bytes
took a gigabyte. Nothing in tags is needed here.
"""

import struct
from typing import Protocol

HEAD_BYTES = 12
MOST_FORMAT_BYTES = 1024
SIZE_UNKNOWN = (0, 0xFFFFFFFF)
_CHUNK = struct.Struct("<4sI")


class Readable(Protocol):
    """Where an upload comes from; nothing is its end."""

    def read(self, size: int, /) -> bytes: ...


class Reader:
    """A source whose next bytes can be looked at, and which can be made to end early."""

    def __init__(self, source: Readable) -> None:
        self._source = source
        self._held = b""
        self._left: int | None = None

    def read(self, size: int) -> bytes:
        """Return some bytes, at most size; nothing at the end."""
        if self._left is not None:
            size = min(size, self._left)
        if size == 0:
            return b""
        if self._held:
            taken, self._held = self._held[:size], self._held[size:]
        else:
            taken = self._source.read(size)
        if self._left is not None:
            self._left -= len(taken)
        return taken

    def exactly(self, size: int) -> bytes:
        """Return size bytes, fewer only at the end."""
        data = b""
        while len(data) < size and (piece := self.read(size - len(data))):
            data += piece
        return data

    def peek(self, size: int) -> bytes:
        """Return the next size bytes, fewer only at the end, and leave them there."""
        data = self.exactly(size)
        self.put_back(data)
        return data

    def skip(self, size: int) -> None:
        """Leave size bytes out."""
        while size and (piece := self.read(min(size, 65536))):
            size -= len(piece)

    def put_back(self, data: bytes) -> None:
        """Have data read before all else."""
        self._held = data + self._held

    def end_after(self, size: int) -> None:
        """End after size more bytes."""
        self._left = size


def container_of(reader: Reader) -> str | None:
    """Return libav's name for what reader holds, and have that begin where libav is to begin.

    Only these are ever opened: libav also knows playlists, which name other files.
    """
    head = reader.peek(HEAD_BYTES)
    tagged = head.startswith(b"ID3")
    while head.startswith(b"ID3"):
        _skip_id3(reader)
        head = reader.peek(HEAD_BYTES)
    match head[:4], head[4:8], head[8:12]:
        case b"RIFF", _, b"WAVE":
            _show_samples_only(reader)
            return "wav"
        case _, b"ftyp", _:
            return "mov"
        case b"\x1a\x45\xdf\xa3", _, _:
            return "matroska"
        case b"OggS", _, _:
            return "ogg"
        case b"fLaC", _, _:
            return "flac"
    return "mp3" if tagged or _begins_mpeg_audio(head) else None


def _skip_id3(reader: Reader) -> None:
    """Leave an ID3v2 tag out; its size has seven bits a byte."""
    head = reader.exactly(10)
    size = 0
    for seven_bits in head[6:]:
        size = size << 7 | seven_bits & 0x7F
    has_footer = len(head) == 10 and head[5] & 0x10
    reader.skip(size + (10 if has_footer else 0))


def _show_samples_only(reader: Reader) -> None:
    """Leave all of a WAV out but how its samples are written, and the samples."""
    reader.skip(HEAD_BYTES)
    written = b""
    while len(head := reader.exactly(_CHUNK.size)) == _CHUNK.size:
        kind, size = _CHUNK.unpack(head)
        padded = size + size % 2
        if kind == b"data":
            break
        if kind == b"fmt " and size <= MOST_FORMAT_BYTES:
            written = head + reader.exactly(padded)
        else:
            reader.skip(padded)
    else:
        return
    riff = struct.pack("<4sI4s", b"RIFF", 0xFFFFFFFF, b"WAVE")
    shown = riff + written + _CHUNK.pack(b"data", 0xFFFFFFFF)
    reader.put_back(shown)
    if size not in SIZE_UNKNOWN:
        reader.end_after(len(shown) + size)


def _begins_mpeg_audio(head: bytes) -> bool:
    """Return whether head is an MPEG audio frame's; AAC's differs in the layer, which is 0."""
    return len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0 and head[1] & 0x06 != 0
