"""``Retry-After``: when it is worth to come back, and not for all at the same moment."""

from math import ceil
from random import uniform

from aiohttp import hdrs

SHORTEST, LONGEST = 1, 60
"""Seconds: whole ones, as the header has them; after a minute much may have changed."""
SPREAD = 3.0
"""Seconds over which clients are spread at least, who were all told the same."""
A_MOMENT = 2.0
"""Seconds, where nothing tells how long it will be."""
NOTED = 0.1
"""What the latest of the held slots counts in the mean: about the last twenty make it up."""


class Pace:
    """How long a slot is held: a running mean, in seconds."""

    def __init__(self) -> None:
        self.mean = 0.0

    def note(self, seconds: float) -> None:
        """Note how long a slot was held."""
        self.mean += NOTED * (seconds - self.mean) if self.mean else seconds


def retry_after(seconds: float) -> dict[str, str]:
    """Return the header for what is expected in seconds, with jitter."""
    least = min(seconds, LONGEST / 2)  # so that the longest are spread as well
    jittered = ceil(least + uniform(0, max(least, SPREAD)))  # noqa: S311 - no secret
    return {hdrs.RETRY_AFTER: str(min(max(jittered, SHORTEST), LONGEST))}
