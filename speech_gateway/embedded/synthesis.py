"""Text to Ogg/Opus: sentence after sentence, in pages of 20 ms."""

import re
from collections.abc import Iterator
from fractions import Fraction
from typing import Protocol

import av
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream

from .plan import SpeakPlan

OPUS_RATE = 48_000
PAGE_MICROSECONDS = 20_000
BLOCK_SECONDS = 0.1
BIT_RATE = 32_000
PAUSE_SECONDS = 0.5
"""Between sentences, as a speaker makes it: whoever listens hears where one ends."""

_SENTENCE_END = re.compile(r"(?<=[.!?…;:])\s+|\n+|(?<=[。！？])")  # noqa: RUF001 - as they are written


def sentences(text: str, least: int) -> Iterator[str]:
    """Yield text's sentences; those under least characters go with what follows."""
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


def speak(voice: Voice, text: str, plan: SpeakPlan) -> Iterator[bytes]:
    """Yield Ogg pages, a tenth of a second or so at a time; nothing is spoken ahead of need."""
    encoder = _OpusEncoder(voice.sample_rate)
    pause = b""
    for sentence in sentences(text, plan.min_chunk):
        yield from encoder.encode(pause)
        samples = voice.speak(sentence, speed=plan.speed, speaker_id=plan.speaker_id)
        yield from encoder.encode(samples)
        pause = bytes(2 * int(PAUSE_SECONDS * voice.sample_rate))
    yield encoder.finish()


class _Pages:
    """The file that the muxer writes to."""

    def __init__(self) -> None:
        self._written = bytearray()

    def write(self, data: bytes) -> int:
        self._written += data
        return len(data)

    def take(self) -> bytes:
        taken = bytes(self._written)
        self._written.clear()
        return taken


class _OpusEncoder:
    """Encodes 16-bit mono samples of any rate."""

    def __init__(self, sample_rate: int) -> None:
        self._rate = sample_rate
        self._pages = _Pages()
        options = {"page_duration": str(PAGE_MICROSECONDS), "flush_packets": "1"}
        self._file = av.open(self._pages, "w", format="ogg", options=options)
        stream = self._file.add_stream("libopus", rate=OPUS_RATE, layout="mono")
        assert isinstance(stream, AudioStream)
        stream.bit_rate = BIT_RATE
        self._stream = stream
        self._resampler = AudioResampler("s16", "mono", OPUS_RATE, frame_size=OPUS_RATE // 50)
        self._position = 0

    def encode(self, samples: bytes) -> Iterator[bytes]:
        """Yield the pages that samples fill."""
        block = int(self._rate * BLOCK_SECONDS) * 2
        for start in range(0, len(samples), block):
            self._mux(self._frame(samples[start : start + block]))
            if pages := self._pages.take():
                yield pages

    def finish(self) -> bytes:
        """Return the last pages."""
        self._mux(None)
        for packet in self._stream.encode(None):
            self._file.mux(packet)
        self._file.close()
        return self._pages.take()

    def _frame(self, samples: bytes) -> AudioFrame:
        frame = AudioFrame("s16", "mono", len(samples) // 2)
        frame.sample_rate = self._rate
        frame.time_base = Fraction(1, self._rate)
        frame.pts = self._position
        self._position += frame.samples
        frame.planes[0].update(samples)
        return frame

    def _mux(self, frame: AudioFrame | None) -> None:
        for resampled in self._resampler.resample(frame):
            for packet in self._stream.encode(resampled):
                self._file.mux(packet)
