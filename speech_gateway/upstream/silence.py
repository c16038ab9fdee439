"""How long an upstream has been silent, checked now and then instead of at each piece."""


class Silence:
    """How long an upstream has given no sign of life."""

    def __init__(self) -> None:
        self.since = 0.0
        """The event loop's time, in seconds."""
        self.heard = False
        """Whether it has sent anything since the last check."""
        self._unsent = 0

    def lasts(self, now: float, unsent: int) -> float:
        """Return the seconds; what it takes of the unsent bytes is a sign of life too."""
        if self.heard or unsent < self._unsent:
            self.since = now
        self.heard, self._unsent = False, unsent
        return now - self.since
