"""Text to Ogg/Opus: sentence after sentence, in pages of 20 ms."""

import re
from collections.abc import Iterator
from typing import Protocol

from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler

from ..media.libav import Encoder
from .pipeline_params import SpeakPlan

OPUS_RATE = 48_000
PAGE_MICROSECONDS = 20_000
BLOCK_SECONDS = 0.1
BIT_RATE = 32_000
PAUSE_SECONDS = 0.5
"""Between sentences."""

_SENTENCE_END = re.compile(r"(?<=[.!?…;:])\s+|\n+|(?<=[。！？])")  # noqa: RUF001 - as they are written


def sentences(text: str, least: int) -> Iterator[str]:
    """Yield text's sentences; those under least characters are joined with what follows."""
    held = ""
    for sentence in _SENTENCE_END.split(text):
        if not sentence.strip():
            continue
        held = f"{held} {sentence.strip()}" if held else sentence.strip()
        if len(held) >= least:
            yield held
            held = ""
    if held:
        yield held


class Voice(Protocol):
    """What turns a sentence into samples."""

    sample_rate: int

    def speak(self, text: str, *, speed: float, speaker_id: int) -> bytes:
        """Return text as native-endian 16-bit mono samples."""


def speak(voice: Voice, text: str, plan: SpeakPlan) -> Iterator[tuple[bytes, float]]:
    """Yield Ogg pages, about 0.1 s at a time, and the seconds of speech so far.

    Nothing is spoken before it is needed.
    """
    encoder = OpusEncoder(voice.sample_rate)
    pause = b""
    for sentence in sentences(text, plan.min_chunk):
        yield from encoder.encode(pause)
        samples = voice.speak(sentence, speed=plan.speed, speaker_id=plan.speaker_id)
        yield from encoder.encode(samples)
        pause = bytes(2 * int(PAUSE_SECONDS * voice.sample_rate))
    yield encoder.finish(), encoder.seconds


class OpusEncoder:
    """Encodes 16-bit mono samples of any rate."""

    def __init__(self, sample_rate: int) -> None:
        self._rate = sample_rate
        self._resampler = AudioResampler("s16", "mono", OPUS_RATE, frame_size=OPUS_RATE // 50)
        self._encoder = Encoder(
            *("ogg", "libopus"),
            rate=OPUS_RATE,
            bit_rate=BIT_RATE,
            codec_options={},
            container_options={"page_duration": str(PAGE_MICROSECONDS)},
        )

    @property
    def seconds(self) -> float:
        """Seconds of audio encoded so far."""
        return self._encoder.seconds

    def encode(self, samples: bytes) -> Iterator[tuple[bytes, float]]:
        """Yield the pages that samples fill, and the seconds so far."""
        block = int(self._rate * BLOCK_SECONDS) * 2
        for start in range(0, len(samples), block):
            if pages := self._encode(self._frame(samples[start : start + block])):
                yield pages, self.seconds

    def finish(self) -> bytes:
        """Return the last pages."""
        return self._encode(None) + self._encoder.finish()

    def _frame(self, samples: bytes) -> AudioFrame:
        frame = AudioFrame("s16", "mono", len(samples) // 2)
        frame.sample_rate = self._rate
        frame.planes[0].update(samples)
        return frame

    def _encode(self, frame: AudioFrame | None) -> bytes:
        """Return the pages that frame fills or, for none, what was left to fill one."""
        resampled = self._resampler.resample(frame)
        return b"".join(self._encoder.encode(ready) for ready in resampled)
