"""Raw samples of all usual kinds to Ogg/Opus, while they come."""

import itertools
from itertools import pairwise

import pytest

from speech_gateway.media.audio_errors import BadAudioError
from speech_gateway.media.live.live_messages import (
    MAX_CHANNELS,
    SAMPLE_SIZES,
    Listening,
    Told,
    pack,
    pack_object,
)
from speech_gateway.media.samples_to_opus import encode_samples
from speech_gateway.media.workers.conversion import Conversion
from tests.support.audio import LOUDNESS, PITCH, Kind, heard, recorded
from tests.support.converting import Pieces, Written, read_until, workers

SECONDS = 1.0
PIECE = 999
"""Bytes, which cut samples of every size."""


def raw(codec: str, rate: int, channels: int = 1) -> bytes:
    """Return a tone as samples of a kind, the same on each channel."""
    mono, size = (
        recorded(Kind(codec.removeprefix("pcm_"), codec, rate), SECONDS),
        SAMPLE_SIZES[codec],
    )
    return b"".join(mono[at : at + size] * channels for at in range(0, len(mono), size))


def messages(codec: str, rate: int, channels: int = 1) -> bytes:
    samples = raw(codec, rate, channels)
    pieces = [samples[at : at + PIECE] for at in range(0, len(samples), PIECE)]
    told = pack_object(Told.CONFIGURE, Listening(codec, rate, channels=channels))
    return told + b"".join(pack(Told.AUDIO, piece) for piece in pieces)


def encoded(*told: bytes) -> list[float]:
    written = Written()
    encode_samples(Pieces(b"".join(told), most=5_000), written)
    samples, rate = heard(bytes(written.data))
    assert written.seconds == pytest.approx(len(samples) / rate, abs=0.05)
    return samples


def pitch(samples: list[float]) -> float:
    """Return how often samples rise through zero, in a second of the 48,000 that Opus has."""
    rises = sum(before < 0 <= after for before, after in pairwise(samples))
    return rises / (len(samples) / 48_000)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 48_000])
@pytest.mark.parametrize("codec", ["pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_s32le"])
def test_samples_of_every_kind_keep_their_pitch_and_length(
    codec: str, rate: int, channels: int
) -> None:
    samples = encoded(messages(codec, rate, channels))

    assert len(samples) == pytest.approx(SECONDS * 48_000, rel=0.05)
    assert pitch(samples) == pytest.approx(PITCH, rel=0.03)


@pytest.mark.parametrize("channels", range(1, MAX_CHANNELS + 1))
def test_all_channels_are_heard(channels: int) -> None:
    samples = encoded(messages("pcm_s16le", 16_000, channels))

    assert pitch(samples) == pytest.approx(PITCH, rel=0.03)
    assert max(samples) > 0.3 * LOUDNESS / 32768


def test_samples_may_change_their_kind_in_the_middle() -> None:
    kinds = list(itertools.product(["pcm_u8", "pcm_s32le"], [8_000, 48_000]))

    samples = encoded(*(messages(codec, rate) for codec, rate in kinds))

    assert len(samples) == pytest.approx(len(kinds) * SECONDS * 48_000, rel=0.05)
    assert pitch(samples) == pytest.approx(PITCH, rel=0.03)


@pytest.mark.parametrize(
    "told", [b"", pack_object(Told.CONFIGURE, Listening()), pack(Told.AUDIO, b"\0")]
)
def test_no_samples_are_told(told: bytes) -> None:
    with pytest.raises(BadAudioError, match="there is no audio"):
        encoded(told)


def test_each_kind_is_known_to_libav() -> None:
    for codec in SAMPLE_SIZES:
        if codec not in ("pcm_mulaw", "pcm_alaw"):
            assert len(raw(codec, 8_000)) == SAMPLE_SIZES[codec] * 8_000


async def test_a_worker_returns_the_beginning_before_the_end_has_come() -> None:
    told = messages("pcm_s16le", 16_000)
    async with workers() as pool, Conversion(pool, "samples") as conversion:
        await conversion.feed(told)
        begun = await read_until(conversion, lambda made: len(made) > 1_000)

    assert begun.startswith(b"OggS")
