"""AIFF and CAF files: checked, and presented to libav in one order of chunks.

Their chunks may stand in any order, so the file is on disk as a whole. Chunks that are not needed
to decode the audio are left out. A file that counts more than it can hold, or claims an absurd
size, is refused before libav allocates memory for it.
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from .mp4 import MAX_SAMPLES
from .peekable import ByteReader
from .wav_and_au import MAX_CHANNELS

MAX_CHUNKS = 1_000
MAX_FORMAT_BYTES = 4_096
MAX_PACKET_BYTES = MAX_PACKET_SAMPLES = 65_536
_FORM = struct.Struct(">4sI4s")
_AIFF_CHUNK = struct.Struct(">4sI")
_COMMON = struct.Struct(">HIH10s")
_SOUND = struct.Struct(">II")
_CAF_HEAD = b"caff\0\1\0\0"
_CAF_CHUNK = struct.Struct(">4sq")
_DESCRIPTION = struct.Struct(">d4s5I")
_PACKETS = struct.Struct(">qqii")
_EDITS_BYTES = 4
_WITHOUT_END = 0x7FFFFFF0


class Seekable(Protocol):
    """A file on disk."""

    def read(self, size: int, /) -> bytes: ...

    def seek(self, offset: int, whence: int) -> int: ...


@dataclass(frozen=True, slots=True)
class _Span:
    """A part of a file."""

    begin: int
    size: int

    def read(self, file: Seekable, most: int) -> bytes:
        file.seek(self.begin, 0)
        return file.read(min(self.size, most))


class _Parts:
    """Bytes and parts of a file, one after the other."""

    def __init__(self, file: Seekable, *parts: bytes | _Span) -> None:
        self._file = file
        self._parts = list(parts)

    def read(self, size: int, /) -> bytes:
        """Return some bytes, at most size; nothing at the end."""
        while self._parts:
            part = self._parts[0]
            if isinstance(part, bytes):
                taken, rest = part[:size], part[size:]
                self._parts[0] = rest
            else:
                taken = part.read(self._file, size)
                self._parts[0] = _Span(part.begin + len(taken), part.size - len(taken))
            if taken:
                return taken
            del self._parts[0]
        return b""


def aiff_in_order(file: Seekable) -> ByteReader | None:
    """Return an AIFF's or AIFC's format and samples; None where they are implausible."""
    form = _Span(0, _FORM.size).read(file, _FORM.size)
    chunks = _chunks(file, _AIFF_CHUNK, _FORM.size, even=True)
    common, sound = chunks.get(b"COMM"), chunks.get(b"SSND")
    if common is None or sound is None or sound.size < _SOUND.size:
        return None
    format_ = common.read(file, MAX_FORMAT_BYTES)
    if len(format_) < _COMMON.size or len(format_) < common.size:
        return None
    if not 1 <= _COMMON.unpack_from(format_)[0] <= MAX_CHANNELS:
        return None
    format_ = format_[:2] + bytes(4) + format_[6:]  # frames, which who streams does not know
    begin, _ = _SOUND.unpack(sound.read(file, _SOUND.size).ljust(_SOUND.size, b"\0"))
    before = _SOUND.size + begin
    shown = (
        _FORM.pack(b"FORM", _WITHOUT_END, form[8:])
        + _AIFF_CHUNK.pack(b"COMM", len(format_))
        + format_
        + bytes(len(format_) % 2)
        + _AIFF_CHUNK.pack(b"SSND", _WITHOUT_END)
        + _SOUND.pack(0, 0)
    )
    return _Parts(file, shown, _Span(sound.begin + before, max(sound.size - before, 0)))


def caf_in_order(file: Seekable) -> ByteReader | None:
    """Return a CAF's format, packet table and samples; None where they are implausible."""
    chunks = _chunks(file, _CAF_CHUNK, len(_CAF_HEAD), even=False)
    described, data = chunks.get(b"desc"), chunks.get(b"data")
    if described is None or data is None:
        return None
    format_ = described.read(file, _DESCRIPTION.size)
    if len(format_) < _DESCRIPTION.size:
        return None
    _, codec, _, packet_bytes, packet_samples, channels, _ = _DESCRIPTION.unpack(format_)
    if (
        not 1 <= channels <= MAX_CHANNELS
        or packet_bytes > MAX_PACKET_BYTES
        or packet_samples > MAX_PACKET_SAMPLES
    ):
        return None
    parts: list[bytes | _Span] = [_CAF_HEAD, _CAF_CHUNK.pack(b"desc", len(format_)), format_]
    if (cookie := chunks.get(b"kuki")) is not None:
        if not _plausible_cookie(codec, cookie, file):
            return None
        parts += [_CAF_CHUNK.pack(b"kuki", cookie.size), cookie]
    if not packet_bytes or not packet_samples:
        if (packets := chunks.get(b"pakt")) is None or not _plausible_packets(packets, file):
            return None
        parts += [_CAF_CHUNK.pack(b"pakt", packets.size), packets]
    return _Parts(file, *parts, _CAF_CHUNK.pack(b"data", data.size), data)


def _plausible_cookie(codec: bytes, cookie: _Span, file: Seekable) -> bool:
    """Return whether a codec's settings are plausible; ALAC allocates what they say."""
    if cookie.size > MAX_FORMAT_BYTES:
        return False
    if codec != b"alac":
        return True
    settings = cookie.read(file, MAX_FORMAT_BYTES)
    if settings[4:8] == b"frma":  # as QuickTime wraps it
        settings = settings[24:]
    return int.from_bytes(settings[:4]) <= MAX_PACKET_SAMPLES


def _plausible_packets(packets: _Span, file: Seekable) -> bool:
    """Return whether a packet table can hold the packets that it counts, of a byte each or more."""
    head = packets.read(file, _PACKETS.size)
    if len(head) < _PACKETS.size:
        return False
    count: int = _PACKETS.unpack(head)[0]
    return 0 <= count <= min(packets.size - _PACKETS.size, MAX_SAMPLES)


def _chunks(file: Seekable, head: struct.Struct, at: int, *, even: bool) -> Mapping[bytes, _Span]:
    """Return the first chunk of each kind."""
    return dict(reversed([*_each_chunk(file, head, at, even=even)]))


def _each_chunk(
    file: Seekable, head: struct.Struct, at: int, *, even: bool
) -> Iterator[tuple[bytes, _Span]]:
    end = file.seek(0, 2)
    for _ in range(MAX_CHUNKS):
        if at >= end:
            return
        data = _Span(at, head.size).read(file, head.size)
        if len(data) < head.size:
            return
        kind, size = head.unpack(data)
        at += head.size
        to_end = end - at
        unknown = size < 0 or (size == 0 and kind == b"SSND")
        yield kind, _Span(at, to_end if unknown else min(size, to_end))
        if unknown:
            return
        at += size + (size % 2 if even else 0)
