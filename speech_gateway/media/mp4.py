"""Checks the sample counts of an MP4 before libav reads it.

libav allocates 24 bytes or more for each sample that a table counts, and a table of equal samples
has only a count: with 30,000,000 in it, a file of 50 KB took 1.1 GB.
"""

import mmap
import re
import struct
from collections.abc import Iterator
from typing import BinaryIO

MAX_SAMPLES = 2_000_000
"""Samples of all tracks: the AAC of six hours at 96 kHz."""

_BOX = struct.Struct(">I4s")
_LARGE_SIZE = struct.Struct(">Q")
_COUNT = struct.Struct(">I")
_TABLE = re.compile(rb"stsz|stz2|trun|cmov")
_COUNT_AT = {b"stsz": 12, b"stz2": 12, b"trun": 8}


def plausible(file: BinaryIO) -> bool:
    """Return whether file can hold the samples that it counts.

    Tables are searched everywhere but in the media, whatever box they are in, as libav finds them
    anywhere. A compressed one (``cmov``) counts as implausible.
    """
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        left = min(len(data), MAX_SAMPLES)
        for begin, end in _outside_media(data):
            for found in _TABLE.finditer(data, begin, end):
                left -= _samples(data, found)
                if left < 0:
                    return False
    return True


def _outside_media(data: mmap.mmap) -> Iterator[tuple[int, int]]:
    at = 0
    while at + _BOX.size <= len(data):
        size, kind = _BOX.unpack_from(data, at)
        if size == 1 and at + 16 <= len(data):
            (size,) = _LARGE_SIZE.unpack_from(data, at + _BOX.size)
        end = at + size if size >= _BOX.size else len(data)
        if kind != b"mdat" or size < _BOX.size:
            yield at, min(end, len(data))
        at = end


def _samples(data: mmap.mmap, table: "re.Match[bytes]") -> int:
    if (kind := table[0]) == b"cmov":
        return MAX_SAMPLES + 1
    at = table.start() + _COUNT_AT[kind]
    if at + _COUNT.size > len(data):
        return 0
    (count,) = _COUNT.unpack_from(data, at)
    return int(count)
