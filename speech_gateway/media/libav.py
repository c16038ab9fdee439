"""libav, as both directions use it: opening, resampling, encoding."""

import errno
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from typing import NoReturn

import av
import av.error
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer

from .peekable import ByteReader

SPEECH_RATE = 16_000
"""Samples a second that recognisers hear, and voice activity detection."""
SAMPLE_BYTES = 2
"""Bytes of a sample in s16."""


class NoOtherFileError(Exception):
    """A file asked for another file to be opened."""


class EncoderError(Exception):
    """Encoding failed: the audio has been decoded, so its file is not at fault."""


def is_out_of_memory(error: Exception) -> bool:
    """Return whether there was not enough memory, as Python or libav tells it."""
    return isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM


def _open_nothing(*_: object) -> NoReturn:
    raise NoOtherFileError


def open_input(
    file: ByteReader, container: str, decoders: Iterable[str], probe_bytes: int
) -> InputContainer:
    """Open file as container, and no other file that it may name."""
    allowed = ",".join(decoders)
    options = {
        "probesize": str(probe_bytes),
        "analyzeduration": "0",
        "format_whitelist": container,
        "codec_whitelist": allowed,
        "protocol_whitelist": "none",
    }
    return av.open(
        file,
        "r",
        format=container,
        container_options=options,
        buffer_size=4096,
        metadata_errors="replace",
        io_open=_open_nothing,
    )


def resampled(frames: Iterable[AudioFrame], sample_format: str, rate: int) -> Iterator[AudioFrame]:
    """Yield frames as mono of one format and rate, without gaps.

    The rate and the channels of the input may change in the middle.
    """
    shape = None
    resampler = AudioResampler(sample_format, "mono", rate)
    for frame in frames:
        came = (frame.format.name, frame.layout.name, frame.sample_rate)
        if shape not in (None, came):
            yield from flushed(resampler)
            resampler = AudioResampler(sample_format, "mono", rate)
        shape = came
        frame.pts = None  # gaps in what came are not heard, and jumps back do no harm
        yield from resampler.resample(frame)
    yield from flushed(resampler)


def flushed(resampler: AudioResampler) -> Iterator[AudioFrame]:
    """Yield the last frames of a resampler."""
    # A resampler with nothing to do passes the None on too.
    return (frame for frame in resampler.resample(None) if frame is not None)


def samples_of(frame: AudioFrame) -> bytes:
    """Return the samples of a frame of s16, mono."""
    return bytes(frame.planes[0])[: frame.samples * SAMPLE_BYTES]


def ogg_options() -> dict[str, str]:
    """Return options of the Ogg muxer, with a random serial number for the stream (RFC 3533).

    libav's own would come from a device, which a worker cannot open.
    """
    return {"fflags": "bitexact", "serial_offset": str(int.from_bytes(os.urandom(4)) & 0x7FFFFFFF)}


class MuxerOutput:
    """The file that a muxer writes to."""

    def __init__(self) -> None:
        self._data = bytearray()

    def write(self, data: bytes) -> int:
        self._data += data
        return len(data)

    def take(self) -> bytes:
        taken = bytes(self._data)
        self._data.clear()
        return taken


@contextmanager
def _own_errors() -> Iterator[None]:
    """Raise libav's errors in encoding as EncoderError; other errors are the input's fault."""
    try:
        yield
    except av.error.FFmpegError as error:
        raise EncoderError(str(error)) from error


class Encoder:
    """Encodes mono frames of one rate into a file that is returned while it is written."""

    def __init__(
        self,
        container: str,
        codec: str,
        *,
        rate: int,
        bit_rate: int | None,
        codec_options: Mapping[str, str],
        container_options: Mapping[str, str],
    ) -> None:
        self._written = MuxerOutput()
        options = {"flush_packets": "1", **container_options}
        if container == "ogg":
            options |= ogg_options()
        with _own_errors():
            self._file = av.open(self._written, "w", format=container, container_options=options)
            stream = self._file.add_stream(
                codec, rate=rate, layout="mono", options=dict(codec_options)
            )
            assert isinstance(stream, AudioStream)
            if bit_rate is not None:
                stream.bit_rate = bit_rate
            stream.codec_context.open()  # before there is audio, which then need not wait
        self._stream = stream
        self._rate = rate
        self.samples = 0

    @property
    def seconds(self) -> float:
        """Seconds of audio encoded so far."""
        return self.samples / self._rate

    def encode(self, frame: AudioFrame) -> bytes:
        """Return the bytes of the file that are ready with frame; raises EncoderError."""
        frame.pts = self.samples
        frame.time_base = Fraction(1, self._rate)
        self.samples += frame.samples
        with _own_errors():
            self._file.mux(self._stream.encode(frame))
        return self._written.take()

    def finish(self) -> bytes:
        """Return the rest of the file; raises EncoderError."""
        with _own_errors():
            self._file.mux(self._stream.encode(None))
            self._file.close()
        return self._written.take()
