"""Limits what a client sends beside the bodies of its requests."""

from aiohttp import StreamReader

HEAD_LIMIT = 2 * 1024 * 1024
"""Bytes of a head; more than the parser's own limits add up to."""
FRAMING_LIMIT = 64 * 1024
FRAMING_FACTOR = 8
"""Bytes of framing for each byte of a body; chunks of one byte need six."""


class FramingBound:
    """Counts the bytes of framing on one connection.

    The parser accepts chunk extensions, blank lines and the like without a limit.
    """

    def __init__(self) -> None:
        self.received = 0
        """Bytes since the last request began or ended."""
        self._body: StreamReader | None = None
        """The body that is being received, whether or not its request is still handled."""

    def holds(self, size: int, begun: StreamReader | None) -> bool:
        """Count size bytes that were parsed; return whether the limit holds.

        Begun is the body of a request whose head was among them, if there was one.
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
