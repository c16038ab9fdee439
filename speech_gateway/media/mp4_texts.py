"""Finds the texts and pictures in an MP4's metadata, in which any bytes may stand."""

import mmap
import struct
from collections.abc import Iterator

MAX_DEPTH = 8
MAX_BOXES = 10_000
"""Boxes that are followed; what is behind them counts as anything but text."""

_BOX = struct.Struct(">I4s")
_CONTAINERS = (b"moov", b"trak", b"udta", b"ilst")
_META_FLAGS_BYTES = 4
_OF_TEXTS = (b"udta", b"ilst")
_TEXTS = (
    *(b"covr", b"desc", b"ldes", b"aART", b"cprt", b"catg", b"keyw", b"purl", b"egid", b"----"),
    *(b"sonm", b"soar", b"soal", b"soaa", b"soco", b"sosn", b"tvsh", b"tven", b"tvnn"),
)
_COPYRIGHT_SIGN = b"\xa9"
"""Begins the names of most texts."""


def texts(data: mmap.mmap) -> Iterator[tuple[int, int]]:
    """Yield where texts and pictures begin and end, in order.

    Only those count which are whole inside whole boxes, down from the top level: libav takes these
    for what they are, and looks for nothing in them.
    """
    boxes = iter(range(MAX_BOXES))
    yield from _texts_in(data, 0, len(data), (), boxes)


def _texts_in(
    data: mmap.mmap, at: int, end: int, path: tuple[bytes, ...], boxes: Iterator[int]
) -> Iterator[tuple[int, int]]:
    """Yield the texts among the boxes from at to end, which are in the containers of path."""
    if len(path) > MAX_DEPTH:
        return
    while at + _BOX.size <= end and next(boxes, None) is not None:
        size, kind = _BOX.unpack_from(data, at)
        if size < _BOX.size or at + size > end:
            return
        body = at + _BOX.size
        if kind == b"meta":
            # libav begins at the first "hdlr", wherever that is: it has to be where it belongs.
            body += _META_FLAGS_BYTES
            if data[body + 4 : body + 8] == b"hdlr":
                yield from _texts_in(data, body, at + size, (*path, kind), boxes)
        elif kind in _CONTAINERS:
            yield from _texts_in(data, body, at + size, (*path, kind), boxes)
        elif path and path[-1] in _OF_TEXTS and _holds_text(kind):
            yield body, at + size
        at += size


def _holds_text(kind: bytes) -> bool:
    return kind in _TEXTS or kind.startswith(_COPYRIGHT_SIGN)
