"""Audio to send: speech, silence, and the same in other shapes."""

import asyncio
import io
import subprocess
import sys
import time
import wave
from fractions import Fraction
from functools import cache

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream

from speech_gateway.embedded.pipeline_params import SpeakPlan
from speech_gateway.embedded.speaking.synthesis import speak
from speech_gateway.embedded.speaking.voice_choice import Voices
from tests.support.client import RawClient

FOX = "The quick brown fox jumps over the lazy dog."
SENTENCES = (
    FOX,
    "The boy was there when the sun rose.",
    "The weather tomorrow will be cold and dry.",
    "Open the window and let the fresh air in.",
)
PAGE_SECONDS = 0.02
"""What a page of speech lasts, and the pace at which a microphone gives them."""


@cache
def voices() -> Voices:
    """Return those that this process has; espeak-ng allows no second."""
    return Voices()


def speech(text: str, plan: SpeakPlan | None = None) -> bytes:
    """Return text as the bundled engine speaks it."""
    plan = plan or SpeakPlan()
    return b"".join(pages for pages, _ in speak(voices().speaking(text, plan), text, plan))


@cache
def spoken(text: str) -> bytes:
    """Return text as the bundled engine speaks it, without its voices in this process.

    Many tests count threads or memory.
    """
    command = [sys.executable, "-m", "tests.support.speech", text]
    return subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout


def silence(seconds: float) -> bytes:
    """Return Ogg/Opus with nothing in it to hear."""
    return _encode(bytes(int(seconds * 48_000) * 2), 48_000, "mono", 20)


def with_silence(ogg: bytes, seconds: float) -> bytes:
    """Return ogg with seconds of silence behind it, as one stream in pages of 20 ms."""
    samples = samples_of(ogg) + bytes(int(seconds * 48_000) * 2)
    return _encode(samples, 48_000, "mono", 20, {"page_duration": "20000"})


def recording(*sentences: str, pause: float = 1.2, rate: int = 24_000) -> bytes:
    """Return sentences as a microphone gives them, as WAV: silence before, between and behind."""
    quiet = bytes(int(pause * rate) * 2)
    out = io.BytesIO()
    with wave.open(out, "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(rate)
        for sentence in sentences:
            wav.writeframes(quiet + samples_of(spoken(sentence), rate))
        wav.writeframes(quiet)
    return out.getvalue()


def reshaped(ogg: bytes, layout: str, frame_ms: int) -> bytes:
    """Return ogg encoded again, in another channel layout and frame size."""
    return _encode(samples_of(ogg), 48_000, layout, frame_ms)


async def send_live(client: RawClient, pages: list[bytes]) -> None:
    """Send pages at the pace of speech, as chunks of an upload that has begun."""
    begun = time.perf_counter()
    for number, page in enumerate(pages, 1):
        client.chunk(page)
        await asyncio.sleep(max(0.0, begun + number * PAGE_SECONDS - time.perf_counter()))


def samples_of(ogg: bytes, rate: int = 48_000) -> bytes:
    """Return ogg's 16-bit samples, mono."""
    resampler = av.AudioResampler("s16", "mono", rate)
    samples = bytearray()
    with av.open(io.BytesIO(ogg), "r") as container:
        for frame in container.decode(audio=0):
            for part in resampler.resample(frame):
                samples += bytes(part.planes[0])[: part.samples * 2]
    return bytes(samples)


def _encode(
    samples: bytes,
    rate: int,
    layout: str,
    frame_ms: int,
    container_options: dict[str, str] | None = None,
) -> bytes:
    out = io.BytesIO()
    with av.open(out, "w", format="ogg", container_options=container_options or {}) as container:
        options = {"frame_duration": str(frame_ms)}
        stream = container.add_stream("libopus", rate=rate, layout=layout, options=options)
        assert isinstance(stream, AudioStream)
        frame = AudioFrame("s16", "mono", len(samples) // 2)
        frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), 0
        frame.planes[0].update(samples)
        resampler = av.AudioResampler("s16", layout, rate, frame_size=rate * frame_ms // 1000)
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    return out.getvalue()


if __name__ == "__main__":
    sys.stdout.buffer.write(speech(sys.argv[1]))
