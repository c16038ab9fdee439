"""A minimum rate of uploads: who sends next to nothing is not to hold a slot for ever."""

LEAST_PACE = 0.25
"""Of the pace of speech: who speaks live and sends more slowly is not to hold a slot."""
WINDOW = 60.0
"""Seconds of waiting for the client, over which the rate is averaged."""


class UploadRate:
    """Averages the rate of one upload, over the time that was spent waiting for it.

    While the backend is slow nothing is read from the client, so that time does not count.
    """

    def __init__(self, min_rate: float) -> None:
        self.min_rate = min_rate
        """Bytes a second."""
        self._waited = 0.0
        self._received = 0

    def is_enough(self, size: int, waited: float) -> bool:
        """Count size bytes that came after waited seconds; return whether that is fast enough."""
        self._waited += waited
        self._received += size
        if self._waited < WINDOW:
            return True
        enough = self._received >= self.min_rate * self._waited
        self._waited, self._received = 0.0, 0
        return enough
