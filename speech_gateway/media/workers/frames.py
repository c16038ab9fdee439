"""What a worker answers: frames of output, and a last one that tells how the job ended.

A frame has its kind (1 byte), the seconds of audio written by now (a double), the length of what
follows (4 bytes, big-endian), and that many bytes: output, or a text.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum

MAX_PAYLOAD = 64 * 1024
_HEAD = struct.Struct(">BdI")


class Kind(IntEnum):
    """The kinds of frames; all but DATA are a worker's last."""

    DATA = 0
    DONE = 1
    BAD_AUDIO = 2
    """The text tells the client what is wrong."""
    TOO_COSTLY = 3
    FAILED = 4
    """The text is for the log."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame."""

    kind: Kind
    seconds: float
    payload: bytes

    def text(self) -> str:
        """Return the payload as one line of text, whatever it is."""
        return " ".join(self.payload.decode(errors="replace").split())


class FrameError(Exception):
    """What came is no frame: the worker is out of its mind."""


def pack(kind: Kind, payload: bytes, seconds: float) -> bytes:
    """Return a frame; payload has at most MAX_PAYLOAD bytes."""
    return _HEAD.pack(kind, seconds, len(payload)) + payload


class FrameReader:
    """Takes frames out of a stream."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, data: bytes) -> None:
        """Take some of the stream."""
        self._held += data

    def next(self) -> Frame | None:
        """Return the next frame that is complete; raises FrameError."""
        if len(self._held) < _HEAD.size:
            return None
        number, seconds, size = _HEAD.unpack_from(self._held)
        if number > max(Kind) or size > MAX_PAYLOAD or (number == Kind.DATA and not size):
            raise FrameError(f"a frame of kind {number} and {size} bytes")
        end = _HEAD.size + size
        if len(self._held) < end:
            return None
        payload = bytes(self._held[_HEAD.size : end])
        del self._held[:end]
        return Frame(Kind(number), seconds, payload)
