"""Why audio is not converted: the client's audio is bad, or the gateway failed."""

BROKEN = "the gateway could not convert the audio; try again later"
DAMAGED = "the audio is damaged, or of a kind that is not understood"
TOO_COSTLY = "the audio takes too much memory or processor time to decode; send it as WAV"


class BadAudioError(Exception):
    """The audio is at fault and cannot be converted; the message is one line, for people."""


class ConversionFailedError(Exception):
    """The gateway failed to convert audio that may be right: its disk, its memory, a fault in it.

    The message is one line, for people, and tells nothing of the inside; the log has the reason.
    """
