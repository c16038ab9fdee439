"""Converts the backend's audio to the formats that clients may ask for, while it comes.

When audio is missing or was lost, the conversion fails after all that there was.

MP3 and AAC keep Opus's 48 kHz: nothing is resampled, and a frame, which is a count of samples, is
shorter. The other formats have 24 kHz, as OpenAI's do; voices have nothing above 12 kHz, and each
sample costs bytes.
"""

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from .backend_audio import BackendAudio, opened
from .libav import Encoder, resampled, samples_of
from .peekable import ByteReader, PeekableReader
from .workers.work import Write

OPUS_RATE = 48_000
PCM_RATE = 24_000
STREAM_SIZE = 0xFFFFFFFF


Convert = Callable[[ByteReader, Write], None]
"""Reads audio, and writes it in another format; raises BadAudioError."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """A conversion with an encoder and a muxer."""

    container: str
    codec: str
    sample_format: str
    rate: int
    bit_rate: int | None = None
    codec_options: Mapping[str, str] = field(default_factory=dict)
    container_options: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, source: ByteReader, write: Write) -> None:
        encoder = self.encoder()
        with opened(PeekableReader(source)) as audio:
            self.encode(audio, encoder, write)

    def encoder(self) -> Encoder:
        """Return an encoder that waits for audio."""
        return Encoder(
            self.container,
            self.codec,
            rate=self.rate,
            bit_rate=self.bit_rate,
            codec_options=self.codec_options,
            container_options=self.container_options,
        )

    def encode(self, audio: BackendAudio, encoder: Encoder, write: Write) -> None:
        """Encode all audio; raises BadAudioError, before any write when there is no sound."""
        for frame in resampled(audio.decoding.frames(), self.sample_format, self.rate):
            if ready := encoder.encode(frame):
                write(ready, encoder.seconds)
        audio.require_sound()
        write(encoder.finish(), encoder.seconds)
        audio.require_all()


@dataclass(frozen=True, slots=True)
class _Samples:
    """A conversion to raw samples, after a header."""

    header: bytes = b""

    def __call__(self, source: ByteReader, write: Write) -> None:
        header, samples = self.header, 0
        with opened(PeekableReader(source)) as audio:
            for frame in resampled(audio.decoding.frames(), "s16", PCM_RATE):
                samples += frame.samples
                write(header + samples_of(frame), samples / PCM_RATE)
                header = b""
            audio.require_sound()
            audio.require_all()


def wav_header() -> bytes:
    """Return the header of a WAV of unknown length."""
    channels, sample_bytes = 1, 2
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        *(b"RIFF", STREAM_SIZE, b"WAVE"),
        *(b"fmt ", 16, 1, channels, PCM_RATE),
        *(PCM_RATE * channels * sample_bytes, channels * sample_bytes, sample_bytes * 8),
        *(b"data", STREAM_SIZE),
    )


# Each frame stands for itself, and nothing at the front speaks of a length.
_MP3 = Encoded(
    *("mp3", "libmp3lame", "fltp", OPUS_RATE, 96_000),
    codec_options={"reservoir": "0", "compression_level": "7"},
    container_options={"write_xing": "0", "id3v2_version": "0"},
)
# A third of the processor time of the default search, for speech that sounds the same.
_AAC = Encoded(
    *("adts", "aac", "fltp", OPUS_RATE, 64_000),
    codec_options={"aac_coder": "fast"},
)
# Frames of 20 ms, as Opus's; by itself the encoder takes 96 ms, and writes 8 KiB of padding first.
_FLAC = Encoded(
    *("flac", "flac", "s16", PCM_RATE),
    codec_options={"frame_size": str(PCM_RATE // 50)},
    container_options={"metadata_header_padding": "0"},
)

# Telephony (ITU-T G.711), for live connections.
_TELEPHONE_RATE = 8_000
_PCMU = Encoded("mulaw", "pcm_mulaw", "s16", _TELEPHONE_RATE)
_PCMA = Encoded("alaw", "pcm_alaw", "s16", _TELEPHONE_RATE)

CONVERSIONS: Mapping[str, Convert] = {
    "mp3": _MP3,
    "aac": _AAC,
    "flac": _FLAC,
    "wav": _Samples(wav_header()),
    "pcm": _Samples(),
    "pcmu": _PCMU,
    "pcma": _PCMA,
}
"""By the name of the format."""
