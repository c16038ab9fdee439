"""Checks what an MP4 counts before libav reads it.

libav allocates 24 bytes or more for each sample of a track, and what counts samples is small: a
table of equal samples has only a count, a chunk may hold any number of samples, and an edit plays
all of them again. Files of 4 to 110 KB took 1 to 2 GB.
"""

import mmap
import re
import struct
from collections import Counter
from collections.abc import Iterator
from typing import BinaryIO

from .mp4_texts import texts

MAX_SAMPLES = 2_000_000
"""Samples of all tracks, each edit of a track counted: the AAC of six hours at 96 kHz."""
MAX_CHUNK_SAMPLES = 1 << 33
"""Raw samples in all chunks, which libav counts by the thousand; four hours at 192 kHz are 2^31."""
MAX_BOXES = 100_000
"""Boxes at the top level; a film in pieces of a second has two for each."""
MAX_FRAME_SAMPLES = 65_536
"""Samples in a frame of ALAC, for which libav makes room at once; encoders write 4,096."""
SLICE = 1024 * 1024
NAME_BYTES = 4

_BOX = struct.Struct(">I4s")
_LARGE_SIZE = struct.Struct(">Q")
_COUNT = struct.Struct(">I")
_TABLE = re.compile(rb"stsz|stz2|stco|stsc|trun|cmov|co64|elst|alac")
_COUNT_AT = {b"stsz": 12, b"stz2": 12}
_USUALLY_AT = 8
_SAMPLE_TABLES = (b"stsz", b"stz2", b"trun")
_STSC_ENTRIES_AT = 12
_STSC_ENTRY = struct.Struct(">III")


def plausible(file: BinaryIO) -> bool:
    """Return whether file can hold the samples that it counts.

    Tables are searched everywhere but in the media and in the texts of the metadata, whatever box
    they are in, as libav finds them anywhere. A compressed one (``cmov``) counts as implausible.
    """
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        counts: Counter[bytes] = Counter()
        chunk_samples = edits = 0
        inside_text = _Inside(texts(data))
        for begin, end in _slices(_outside_media(data)):
            for found in _TABLE.finditer(data, begin, end):
                if inside_text(found.start()):
                    continue
                kind, count = found[0], _count(data, found)
                if kind == b"alac":
                    if _is_box(data, found) and count > MAX_FRAME_SAMPLES:
                        return False
                elif kind == b"elst":
                    edits = max(edits, count)
                elif kind == b"stsc":
                    chunk_samples += _samples_of_a_chunk(data, found)
                else:
                    counts[kind] += count
            if not _may_be(counts, edits, chunk_samples, len(data)):
                return False
    return True


def _may_be(counts: Counter[bytes], edits: int, chunk_samples: int, size: int) -> bool:
    """Return whether what was counted may be true; edits are the most that a track has."""
    samples = sum(counts[kind] for kind in _SAMPLE_TABLES)
    chunks = counts[b"stco"] + counts[b"co64"]
    return (
        not counts[b"cmov"]
        and samples <= size
        and samples * max(edits, 1) <= MAX_SAMPLES
        and chunk_samples * chunks <= MAX_CHUNK_SAMPLES
    )


def _outside_media(data: mmap.mmap) -> Iterator[tuple[int, int]]:
    """Yield where the boxes at the top level begin and end, but those of the media itself.

    What follows too many of them is yielded as one: it is searched, but not box by box.
    """
    at = 0
    for _ in range(MAX_BOXES):
        if at + _BOX.size > len(data):
            return
        size, kind = _BOX.unpack_from(data, at)
        if size == 1 and at + 16 <= len(data):
            (size,) = _LARGE_SIZE.unpack_from(data, at + _BOX.size)
        end = at + size if size >= _BOX.size else len(data)
        if kind != b"mdat" or size < _BOX.size:
            yield at, min(end, len(data))
        at = end
    yield at, len(data)


class _Inside:
    """Tells of places, in ascending order, whether they are inside of one of some spans."""

    def __init__(self, spans: Iterator[tuple[int, int]]) -> None:
        self._spans = spans
        self._begin, self._end = 0, 0

    def __call__(self, at: int) -> bool:
        while self._end <= at:
            span = next(self._spans, None)
            if span is None:
                return False
            self._begin, self._end = span
        return self._begin <= at


def _slices(spans: Iterator[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield spans in slices, between which other threads get their turn.

    A slice ends with what may be the rest of a name that begins in it.
    """
    for begin, end in spans:
        for at in range(begin, end, SLICE):
            yield at, min(at + SLICE + NAME_BYTES - 1, end)


def _is_box(data: mmap.mmap, name: "re.Match[bytes]") -> bool:
    """Return whether a name has the size of a box in front; "alac" is in texts, too."""
    return data[max(name.start() - 4, 0)] == 0


def _count(data: mmap.mmap, table: "re.Match[bytes]") -> int:
    """Return how many entries a table says it has; a compressed one counts as one."""
    if (kind := table[0]) == b"cmov":
        return 1
    at = table.start() + _COUNT_AT.get(kind, _USUALLY_AT)
    if at + _COUNT.size > len(data):
        return 0
    (count,) = _COUNT.unpack_from(data, at)
    return int(count)


def _samples_of_a_chunk(data: mmap.mmap, table: "re.Match[bytes]") -> int:
    """Return the most samples that a table (``stsc``) says are in a chunk."""
    at = table.start() + _STSC_ENTRIES_AT
    entries = min(_count(data, table), (len(data) - at) // _STSC_ENTRY.size)
    found = data[at : at + max(entries, 0) * _STSC_ENTRY.size]
    return max((samples for _, samples, _ in _STSC_ENTRY.iter_unpack(found)), default=0)
