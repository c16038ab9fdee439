"""Audio in any container, made with libav, and what libav hears in one."""

import array
import io
import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from typing import Any

import av
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.packet import Packet

PITCH = 440.0
LOUDNESS = 8000
WAV_HEAD = 44
SILENT_RATE = 192_000


class Unseekable:
    """A file that a muxer cannot go back in."""

    def __init__(self) -> None:
        self.data = bytearray()

    def write(self, data: bytes) -> int:
        self.data += data
        return len(data)


@dataclass(frozen=True)
class Kind:
    """How to make an upload."""

    container: str
    codec: str
    rate: int = 44_100
    layout: str = "mono"
    video: str | None = None
    seekable: bool = True
    options: tuple[tuple[str, str], ...] = field(default=())
    codec_options: tuple[tuple[str, str], ...] = field(default=())


def tone(seconds: float, rate: int) -> bytes:
    """Return 16-bit samples of a sine."""
    step = 2 * math.pi * PITCH / rate
    samples = (int(LOUDNESS * math.sin(step * i)) for i in range(round(seconds * rate)))
    return array.array("h", samples).tobytes()


def wav(samples: bytes, rate: int, channels: int = 1) -> bytes:
    """Return 16-bit samples as a WAV."""
    frame = 2 * channels
    return (
        struct.pack("<4sI4s", b"RIFF", 36 + len(samples), b"WAVE")
        + struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, channels, rate, rate * frame, frame, 16)
        + struct.pack("<4sI", b"data", len(samples))
        + samples
    )


@cache
def silent_wav(size: int) -> bytes:
    """Return a WAV of size bytes, in stereo; 25 MiB are half a minute."""
    return wav(bytes(size - WAV_HEAD), SILENT_RATE, channels=2)


@cache
def recorded(kind: Kind, seconds: float) -> bytes:
    """Return a tone as a file of that kind."""
    out = io.BytesIO() if kind.seekable else Unseekable()
    with av.open(out, "w", format=kind.container, container_options=dict(kind.options)) as file:
        stream = file.add_stream(
            kind.codec, rate=kind.rate, layout=kind.layout, options=dict(kind.codec_options)
        )
        assert isinstance(stream, AudioStream)
        pictures = _pictures(file, kind.video, seconds) if kind.video else iter(())
        sound = _sound(stream, kind, seconds)
        packets: list[Packet[Any]] = [*pictures, *sound]
        for packet in sorted(packets, key=_begins):
            file.mux(packet)
    return out.getvalue() if isinstance(out, io.BytesIO) else bytes(out.data)


def opus_speech(seconds: float) -> bytes:
    """Return a tone as a backend would send it, in pages of 20 ms."""
    pages = (("page_duration", "20000"),)
    return recorded(Kind("ogg", "libopus", rate=48_000, options=pages), seconds)


def silent_film(container: str, codec: str) -> bytes:
    """Return two seconds of pictures."""
    out = io.BytesIO()
    with av.open(out, "w", format=container) as file:
        for packet in _pictures(file, codec, 2.0):
            file.mux(packet)
    return out.getvalue()


def heard(data: bytes, container: str | None = None) -> tuple[list[float], int]:
    """Return the samples that data decodes to, -1 to 1, first channel, and their rate."""
    samples = array.array("f")
    with av.open(io.BytesIO(data), "r", format=container) as file:
        rate = file.streams.audio[0].rate
        resampler = AudioResampler("fltp")
        for frame in file.decode(audio=0):
            for part in resampler.resample(frame):
                samples.frombytes(bytes(part.planes[0])[: part.samples * 4])
    return samples.tolist(), rate


TELEPHONY = {"pcmu": 7, "pcma": 6}
"""Formats of G.711, and what RIFF calls them (WAVE_FORMAT_MULAW and _ALAW)."""


def telephony_as_wav(data: bytes, name: str) -> bytes:
    """Return bare samples of telephony as a WAV."""
    rate = 8_000
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, TELEPHONY[name], 1, rate, rate, 1, 8)
    chunks = form + struct.pack("<4sI", b"data", len(data)) + data
    return struct.pack("<4sI4s", b"RIFF", 4 + len(chunks), b"WAVE") + chunks


def _begins(packet: "Packet[Any]") -> Fraction:
    return (packet.dts or 0) * packet.time_base


def _sound(stream: AudioStream, kind: Kind, seconds: float) -> "Iterator[Packet[Any]]":
    samples = tone(seconds, kind.rate)
    frame = AudioFrame("s16", "mono", len(samples) // 2)
    frame.sample_rate, frame.time_base, frame.pts = kind.rate, Fraction(1, kind.rate), 0
    frame.planes[0].update(samples)
    resampler = AudioResampler(stream.format.name, kind.layout, kind.rate)
    for part in [*resampler.resample(frame), *resampler.resample(None)]:
        yield from stream.encode(part)
    yield from stream.encode(None)


def _pictures(
    file: av.container.OutputContainer, codec: str, seconds: float
) -> "Iterator[Packet[Any]]":
    stream = file.add_stream(codec, rate=25)
    assert isinstance(stream, av.VideoStream)
    stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
    for at in range(int(seconds * 25)):
        picture = av.VideoFrame(64, 64, "yuv420p")
        for plane in picture.planes:  # which hold what was in memory
            plane.update(bytes(plane.buffer_size))
        picture.pts = at
        yield from stream.encode(picture)
    yield from stream.encode(None)
