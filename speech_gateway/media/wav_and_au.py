"""WAV, its relatives (RF64, BW64, Sony's Wave64), and AU.

Each is presented to libav as a plain WAV or AU of unknown length, without other chunks. Where the
header tells the length, the input ends there.
"""

import struct

from .peekable import PeekableReader

MAX_FORMAT_BYTES = 1024
MAX_CHANNELS = 8
"""Surround sound has no more; what claims more is no recording of speech."""
SIZE_UNKNOWN = (0, 0xFFFFFFFF)
_SIZE_IN_DS64 = 0xFFFFFFFF
_RIFF_HEAD_BYTES = 12
_CHUNK = struct.Struct("<4sI")
_FORMAT = struct.Struct("<HH")
_DS64 = struct.Struct("<QQ")
_WAVE64_HEAD_BYTES = 40
_WAVE64_CHUNK = struct.Struct("<4s12sQ")
_AU = struct.Struct(">4s5I")


def show_wave(reader: PeekableReader) -> None:
    """Reduce a WAV, RF64 or BW64 to its format and its samples."""
    reader.skip(_RIFF_HEAD_BYTES)
    written, large_size = b"", 0
    while len(head := reader.exactly(_CHUNK.size)) == _CHUNK.size:
        kind, size = _CHUNK.unpack(head)
        if kind == b"data":
            _show(reader, written, large_size if size == _SIZE_IN_DS64 else size)
            return
        padded = size + size % 2
        if kind == b"fmt " and size <= MAX_FORMAT_BYTES:
            written = head + reader.exactly(padded)
        elif kind == b"ds64" and size >= _DS64.size:
            body = reader.exactly(_DS64.size)
            large_size = _DS64.unpack(body)[1] if len(body) == _DS64.size else 0
            reader.skip(padded - _DS64.size)
        else:
            reader.skip(padded)


def show_wave64(reader: PeekableReader) -> None:
    """Reduce a Wave64 to its format and its samples; its sizes include the chunk headers."""
    reader.skip(_WAVE64_HEAD_BYTES)
    written = b""
    while len(head := reader.exactly(_WAVE64_CHUNK.size)) == _WAVE64_CHUNK.size:
        kind, _, whole = _WAVE64_CHUNK.unpack(head)
        size = max(whole - _WAVE64_CHUNK.size, 0)
        if kind == b"data":
            _show(reader, written, size)
            return
        padding = -size % 8
        if kind == b"fmt " and size <= MAX_FORMAT_BYTES:
            body = reader.exactly(size)
            written = _CHUNK.pack(kind, size) + body + bytes(size % 2)
            reader.skip(padding)
        else:
            reader.skip(size + padding)


def show_au(reader: PeekableReader) -> None:
    """Remove an AU's annotation; make an AU with an implausible channel count empty."""
    head = reader.exactly(_AU.size)
    if len(head) < _AU.size:
        return
    mark, begin, size, *written = _AU.unpack(head)
    reader.skip(max(begin - _AU.size, 0))
    if not 1 <= written[-1] <= MAX_CHANNELS:
        reader.end_after(0)
        return
    reader.put_back(_AU.pack(mark, _AU.size, 0xFFFFFFFF, *written))
    if size not in SIZE_UNKNOWN:
        reader.end_after(_AU.size + size)


def _show(reader: PeekableReader, written: bytes, size: int) -> None:
    _, channels = _FORMAT.unpack_from(written.ljust(_CHUNK.size + _FORMAT.size, b"\0"), _CHUNK.size)
    if not 1 <= channels <= MAX_CHANNELS:
        reader.end_after(0)
        return
    riff = struct.pack("<4sI4s", b"RIFF", 0xFFFFFFFF, b"WAVE")
    shown = riff + written + _CHUNK.pack(b"data", 0xFFFFFFFF)
    reader.put_back(shown)
    if size not in SIZE_UNKNOWN:
        reader.end_after(len(shown) + size)
