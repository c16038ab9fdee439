"""The backend's Ogg/Opus to the format that a client asked for, while it comes.

MP3 and AAC keep Opus's 48 kHz: nothing is resampled, and an encoder's frame, which is a count of
samples, is over sooner. The others are 24 kHz, as OpenAI's are; voices have nothing above 12 kHz,
and each sample is paid for in bytes.
"""

import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from av.audio.frame import AudioFrame

from .conversion import ConversionError, Convert, Source
from .libav import Encoder, open_input, resampled

OPUS_RATE = 48_000
PCM_RATE = 24_000
PROBE_BYTES = 32
"""The headers tell all there is to know; the first audio is not to wait for more."""
STREAM_SIZE = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """What a client may ask for; without convert, the backend's audio is passed through."""

    name: str
    content_type: str
    convert: Convert | None


@dataclass(frozen=True, slots=True)
class _Encoded:
    """A conversion with an encoder and a muxer."""

    container: str
    codec: str
    sample_format: str
    rate: int
    bit_rate: int | None = None
    codec_options: Mapping[str, str] = field(default_factory=dict)
    container_options: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, source: Source, write: Callable[[bytes], None]) -> None:
        encoder = Encoder(
            self.container,
            self.codec,
            rate=self.rate,
            bit_rate=self.bit_rate,
            codec_options=self.codec_options,
            container_options=self.container_options,
        )
        with _frames(source, self.sample_format, self.rate) as frames:
            for frame in frames:
                if ready := encoder.encode(frame):
                    write(ready)
        write(encoder.finish())


@dataclass(frozen=True, slots=True)
class _Samples:
    """A conversion to bare samples, after a header."""

    header: bytes = b""

    def __call__(self, source: Source, write: Callable[[bytes], None]) -> None:
        header = self.header
        with _frames(source, "s16", PCM_RATE) as frames:
            for frame in frames:
                write(header + bytes(frame.planes[0])[: frame.samples * 2])
                header = b""
        if header:
            write(header)


@contextmanager
def _frames(source: Source, sample_format: str, rate: int) -> Iterator[Iterator[AudioFrame]]:
    with open_input(source, "ogg", ["opus"], PROBE_BYTES) as container:
        if not container.streams.audio:
            raise ConversionError("the speech that came is no audio")
        yield resampled(container.decode(audio=0), sample_format, rate)


def wav_header() -> bytes:
    """Return the header of a WAV whose end nobody knows yet."""
    channels, sample_bytes = 1, 2
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        *(b"RIFF", STREAM_SIZE, b"WAVE"),
        *(b"fmt ", 16, 1, channels, PCM_RATE),
        *(PCM_RATE * channels * sample_bytes, channels * sample_bytes, sample_bytes * 8),
        *(b"data", STREAM_SIZE),
    )


# Each frame stands for itself, and nothing at the front speaks of a length.
_MP3 = _Encoded(
    *("mp3", "libmp3lame", "fltp", OPUS_RATE, 96_000),
    codec_options={"reservoir": "0", "compression_level": "7"},
    container_options={"write_xing": "0", "id3v2_version": "0"},
)
# A third of the processor time of the default search, for speech that sounds the same.
_AAC = _Encoded(
    *("adts", "aac", "fltp", OPUS_RATE, 64_000),
    codec_options={"aac_coder": "fast"},
)
# Frames of 20 ms, as Opus's; by itself the encoder takes 96 ms, and writes 8 KiB of padding first.
_FLAC = _Encoded(
    *("flac", "flac", "s16", PCM_RATE),
    codec_options={"frame_size": str(PCM_RATE // 50)},
    container_options={"metadata_header_padding": "0"},
)

FORMATS: Mapping[str, AudioFormat] = {
    audio_format.name: audio_format
    for audio_format in (
        AudioFormat("mp3", "audio/mpeg", _MP3),
        AudioFormat("opus", "audio/ogg", None),
        AudioFormat("aac", "audio/aac", _AAC),
        AudioFormat("flac", "audio/flac", _FLAC),
        AudioFormat("wav", "audio/wav", _Samples(wav_header())),
        AudioFormat("pcm", "audio/pcm", _Samples()),
    )
}
