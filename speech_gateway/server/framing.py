"""A bound on what a client sends around its requests' bodies."""

from aiohttp import StreamReader

HEAD_LIMIT = 2 * 1024 * 1024
"""Bytes; more than the parser's own limits on lines and fields add up to."""
FRAMING_LIMIT = 64 * 1024
FRAMING_FACTOR = 8
"""Bytes around each byte of a body: six is what chunks of one byte cost."""


class FramingBound:
    """Counts what one connection brings around the bodies on it.

    Chunk extensions, blank lines and the like are passed over by the parser without an end.
    """

    def __init__(self) -> None:
        self.received = 0
        """Bytes since a request, or the wait for one, last began."""
        self._body: StreamReader | None = None
        """What is being received, whether or not anybody still handles its request."""

    def holds(self, size: int, begun: StreamReader | None) -> bool:
        """Count size bytes that were parsed; return whether there are not too many of them.

        Begun is the body of the request whose head was among them, if there was one.
        """
        if begun is not None:
            self._body = begun
            self.received = 0
        elif self._body is not None and self._body.is_eof():
            self._body = None  # this brought its end, and what follows is the next head
            self.received = 0
        else:
            self.received += size
        body = self._body
        if body is None or body.is_eof():
            return self.received <= HEAD_LIMIT
        return self.received <= FRAMING_LIMIT + FRAMING_FACTOR * body.total_bytes
