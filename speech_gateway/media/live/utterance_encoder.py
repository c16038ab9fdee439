"""Encodes an utterance for the backend, while it is spoken."""

from time import perf_counter

from av.audio.frame import AudioFrame

from ..libav import SAMPLE_BYTES, SPEECH_RATE, Encoder

BIT_RATE = 64_000
"""Constant, for speech of 16 kHz: StreamKit drops packets that silence has made tiny."""
CODEC_OPTIONS = {"vbr": "off", "frame_duration": "20", "compression_level": "5"}
CONTAINER_OPTIONS = {"page_duration": "20000"}


class UtteranceEncoder:
    """Encodes an utterance while it comes."""

    def __init__(self) -> None:
        self.speech_heard_at = perf_counter()
        """When the last of its speech came."""
        self._encoder = Encoder(
            *("ogg", "libopus"),
            rate=SPEECH_RATE,
            bit_rate=BIT_RATE,
            codec_options=CODEC_OPTIONS,
            container_options=CONTAINER_OPTIONS,
        )

    @property
    def seconds(self) -> float:
        """Seconds of audio so far."""
        return self._encoder.seconds

    def add(self, samples: bytes) -> bytes:
        """Return the Ogg/Opus that is ready with samples."""
        if not samples:
            return b""
        frame = AudioFrame("s16", "mono", len(samples) // SAMPLE_BYTES)
        frame.sample_rate = SPEECH_RATE
        frame.planes[0].update(samples)
        return self._encoder.encode(frame)

    def finish(self) -> bytes:
        """Return the last of it."""
        return self._encoder.finish()
