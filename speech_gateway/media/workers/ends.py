"""How conversions end."""

from enum import StrEnum


class End(StrEnum):
    """How a conversion ended."""

    DONE = "done"
    BAD_AUDIO = "bad_audio"
    TOO_COSTLY = "too_costly"
    """It took more memory or processor time than it may."""
    FAILED = "failed"
    """The gateway's own fault: its disk, a fault in its code, no worker to be had."""
    CRASHED = "crashed"
    STALLED = "stalled"
    GIVEN_UP = "given_up"
    """The request ended before it, mostly as the client left."""
