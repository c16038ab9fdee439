"""Utterances as bytes, from the worker that finds them to the engine."""

import struct
from collections.abc import Iterator

from ...media.framing import Frames
from ...media.utterances import Utterance

_HEAD = struct.Struct(">BQI")
"""What it is, the first sample's place in the stream, and the bytes of samples that follow."""
_SOUND, _PAUSED, _ENDED = range(3)

SOUND = _HEAD.pack(_SOUND, 0, 0)
"""Tells, before any utterance, that the audio decodes."""


def packed(utterance: Utterance) -> bytes:
    """Return an utterance as bytes."""
    what = _ENDED if utterance.ended else _PAUSED
    return _HEAD.pack(what, utterance.start, len(utterance.samples)) + utterance.samples


class UtteranceReader:
    """Reads the bytes as they come."""

    def __init__(self) -> None:
        self._frames = Frames(_HEAD)

    def feed(self, data: bytes) -> Iterator[Utterance | None]:
        """Yield the utterances that are complete; None tells that the audio decodes."""
        for what, start, samples in self._frames.feed(data):
            yield None if what == _SOUND else Utterance(start, samples, what == _ENDED)
