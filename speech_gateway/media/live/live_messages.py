"""What the gateway and the live audio process say to each other about one connection.

A message has its kind (1 byte), the length of what follows (4 bytes, big-endian), and that many
bytes: audio, or a JSON object.
"""

import json
import struct
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import IntEnum, StrEnum
from typing import Any

from ..framing import Frames

HEAD = struct.Struct(">BI")
MAX_AUDIO = 64 * 1024
"""Bytes of audio in a message."""


SAMPLE_SIZES = {
    "pcm_u8": 1,
    "pcm_s16le": 2,
    "pcm_s24le": 3,
    "pcm_s32le": 4,
    "pcm_mulaw": 1,
    "pcm_alaw": 1,
}
"""Bytes of a sample, by what libav calls its kind."""
MAX_CHANNELS = 8


class Told(IntEnum):
    """What the gateway tells the process."""

    CONFIGURE = 0
    """The audio that follows has another format, or turns are found otherwise (Listening)."""
    AUDIO = 1
    COMMIT = 2
    """What has come since the last utterance is one."""
    CLEAR = 3
    """What has come since the last utterance is to be forgotten."""


class Heard(IntEnum):
    """What the process tells the gateway."""

    BEGIN = 0
    """An utterance begins (Begin)."""
    OGG = 1
    """Some of the utterance, as Ogg/Opus."""
    END = 2
    """The utterance ends (Ended); where none had begun, what was committed holds no speech."""
    TOO_SHORT = 3
    """Next to nothing was there to be committed."""
    CLEARED = 4
    """What had come was forgotten, an utterance that had begun included."""


@dataclass(frozen=True, slots=True)
class TurnDetection:
    """How the ends of what somebody says are found."""

    threshold: float = 0.5
    """The probability from which on 32 ms count as speech."""
    prefix_ms: int = 300
    """Audio kept before the first sound of speech."""
    silence_ms: int = 500
    """Silence that ends an utterance."""


@dataclass(frozen=True, slots=True)
class Listening:
    """What comes on a connection, and how it is listened to."""

    codec: str = "pcm_s16le"
    """libav's name of raw samples or of G.711, as SAMPLE_SIZES has them."""
    rate: int = 24_000
    """Samples a second."""
    turns: TurnDetection | None = None
    """None: utterances end when they are committed, and not by themselves."""
    channels: int = 1
    """Up to MAX_CHANNELS."""


@dataclass(frozen=True, slots=True)
class Begin:
    """Where an utterance begins."""

    at_ms: int
    """Milliseconds from the beginning of the connection's audio."""


class By(StrEnum):
    """What ends an utterance."""

    COMMIT = "commit"
    SILENCE = "silence"
    LENGTH = "length"
    """It has lasted as long as one may."""


@dataclass(frozen=True, slots=True)
class Ended:
    """Where an utterance ends."""

    at_ms: int
    seconds: float
    """How long it is."""
    by: By
    speech_heard_at: float
    """When its last speech came: time.perf_counter, which is one for all processes; 0: none did."""


def pack(kind: IntEnum, payload: bytes = b"") -> bytes:
    """Return a message."""
    return HEAD.pack(kind, len(payload)) + payload


def pack_object(kind: IntEnum, value: Listening | Begin | Ended) -> bytes:
    """Return a message with an object."""
    return pack(kind, json.dumps(asdict(value)).encode())


def unpack_listening(payload: bytes) -> Listening:
    """Return the object of a message CONFIGURE."""
    value: dict[str, Any] = json.loads(payload)
    turns = value.pop("turns")
    return Listening(**value, turns=TurnDetection(**turns) if turns else None)


def unpack_ended(payload: bytes) -> Ended:
    """Return the object of a message END."""
    value: dict[str, Any] = json.loads(payload)
    return Ended(**{**value, "by": By(value["by"])})


class MessageReader:
    """Takes messages out of a stream."""

    def __init__(self) -> None:
        self._frames = Frames(HEAD)

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield the kind and the payload of each message that is complete with data."""
        yield from self._frames.feed(data)
