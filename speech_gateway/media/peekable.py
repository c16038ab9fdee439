"""A reader whose next bytes can be peeked at and replaced before libav reads them."""

from collections.abc import Callable
from typing import Protocol


class ByteReader(Protocol):
    """A source of bytes; ``read`` returns nothing at the end."""

    def read(self, size: int, /) -> bytes: ...


class PeekableReader:
    """Reads a source; its next bytes can be peeked at, and it can be made to end early."""

    def __init__(self, source: ByteReader) -> None:
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
        """Skip size bytes."""
        while size and (piece := self.read(min(size, 65536))):
            size -= len(piece)

    def put_back(self, data: bytes) -> None:
        """Return data before all else."""
        self._held = data + self._held

    def read_through(self, make: "Callable[[PeekableReader], ByteReader]") -> None:
        """Read all that follows through what make returns."""
        came = PeekableReader(self._source)
        came.put_back(self._held)
        self._source, self._held = make(came), b""

    def end_after(self, size: int) -> None:
        """End after size more bytes."""
        self._left = size
