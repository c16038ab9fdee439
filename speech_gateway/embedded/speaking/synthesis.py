"""Text to Ogg/Opus: sentence after sentence, in pages of 20 ms."""

from collections.abc import Callable, Iterator

import numpy as np
from av.audio.resampler import AudioResampler

from ...media.libav import Encoder
from ..pipeline_params import SpeakPlan
from .samples import RATE, Samples, evened, frame_of
from .sentences import sentences

OPUS_RATE = 48_000
PAGE_MICROSECONDS = 20_000
BLOCK = RATE // 10
"""Samples that are encoded, and leave, together."""
BIT_RATE = 32_000
EFFORT = "5"
"""Of 10, for the encoder: it takes less than half of the time, and speech sounds the same."""

SpeakSentence = Callable[[str], Iterator[Samples]]
"""Speaks a sentence, in parts that follow each other without a pause."""


def speak(
    speak_sentence: SpeakSentence, text: str, plan: SpeakPlan
) -> Iterator[tuple[bytes, float]]:
    """Yield Ogg pages, about 0.1 s at a time, and the seconds of speech so far.

    Nothing is spoken before it is needed.
    """
    encoder = OpusEncoder()
    pause = 0.0
    for sentence in sentences(text, plan.min_chunk):
        for samples in map(evened, speak_sentence(sentence.text)):
            if not len(samples):
                continue
            yield from encoder.encode(np.zeros(int(pause * RATE), np.float32))
            yield from encoder.encode(samples)
            pause = 0.0
        pause = sentence.pause / plan.speed
    yield encoder.finish(), encoder.seconds


class OpusEncoder:
    """Encodes samples at RATE."""

    def __init__(self) -> None:
        self._resampler = AudioResampler("s16", "mono", OPUS_RATE, frame_size=OPUS_RATE // 50)
        self._encoder = Encoder(
            *("ogg", "libopus"),
            rate=OPUS_RATE,
            bit_rate=BIT_RATE,
            codec_options={"compression_level": EFFORT},
            container_options={"page_duration": str(PAGE_MICROSECONDS)},
        )

    @property
    def seconds(self) -> float:
        """Seconds of audio encoded so far."""
        return self._encoder.seconds

    def encode(self, samples: Samples) -> Iterator[tuple[bytes, float]]:
        """Yield the pages that samples fill, and the seconds so far."""
        for start in range(0, len(samples), BLOCK):
            if pages := self._encode(samples[start : start + BLOCK]):
                yield pages, self.seconds

    def finish(self) -> bytes:
        """Return the last pages."""
        return self._encode(None) + self._encoder.finish()

    def _encode(self, samples: Samples | None) -> bytes:
        """Return the pages that samples fill or, for none, what was left to fill one."""
        resampled = self._resampler.resample(None if samples is None else frame_of(samples))
        return b"".join(self._encoder.encode(ready) for ready in resampled)
