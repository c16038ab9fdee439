"""Frames in a stream: a head that ends with the size of what follows, and that many bytes."""

import struct
from collections.abc import Iterator
from typing import Any


class Frames:
    """Takes frames out of a stream."""

    def __init__(self, head: struct.Struct) -> None:
        self._head = head
        self._held = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[Any, ...]]:
        """Yield the frames that are complete with data: the head's fields, but the payload for its
        size.
        """
        self._held += data
        while len(self._held) >= self._head.size:
            *fields, size = self._head.unpack_from(self._held)
            end = self._head.size + size
            if len(self._held) < end:
                return
            payload = bytes(self._held[self._head.size : end])
            del self._held[:end]
            yield (*fields, payload)
