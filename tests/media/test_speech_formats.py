"""Speech in the format that a client asked for: early, whole, and without a seam."""

import math
import struct
from collections.abc import Iterator

import pytest

from speech_gateway.media.audio_errors import BadAudioError
from speech_gateway.media.speech_formats import CONVERSIONS
from speech_gateway.media.workers.conversion import Conversion
from tests.support.audio import (
    LOUDNESS,
    PITCH,
    TELEPHONY,
    heard,
    opus_speech,
    telephony_as_wav,
)
from tests.support.converting import converted, read_until, workers
from tests.support.ogg import cut_at_pages

HEADS = {"mp3": b"\xff\xfb", "aac": b"\xff\xf1", "flac": b"fLaC", "wav": b"RIFF"}
RATES = {"mp3": 48_000, "aac": 48_000, "flac": 24_000, "wav": 24_000, "pcm": 24_000}
RATES |= dict.fromkeys(TELEPHONY, 8_000)
SMALLEST_CLICK = dict.fromkeys(TELEPHONY, 0.05)
"""Telephony's samples are coarse."""
OPUS_HEADERS = 2

each_format = pytest.mark.parametrize("wanted", CONVERSIONS)


async def made(wanted: str, *pieces: bytes) -> bytes:
    async with workers() as pool:
        return await converted(pool, wanted, pieces)


def samples(wanted: str, data: bytes) -> list[float]:
    if wanted == "pcm":
        return [value / 32768 for (value,) in struct.iter_unpack("<h", data)]
    if wanted in TELEPHONY:
        data = telephony_as_wav(data, wanted)
    decoded, rate = heard(data)
    assert rate == RATES[wanted]
    return decoded


@each_format
async def test_the_first_audio_leaves_with_the_first_100_ms(wanted: str) -> None:
    pages = cut_at_pages(opus_speech(1.0))
    async with workers() as pool, Conversion(pool, wanted) as conversion:
        for page in pages[: OPUS_HEADERS + 5]:
            await conversion.feed(page)

        first = await read_until(conversion, lambda made: len(made) >= 100)
    assert first.startswith(HEADS.get(wanted, b""))


@each_format
@pytest.mark.parametrize("seconds", [0.01, 0.5, 1.237, 2.0])
async def test_it_lasts_as_long_as_the_speech(wanted: str, seconds: float) -> None:
    decoded = samples(wanted, await made(wanted, opus_speech(seconds)))

    assert len(decoded) / RATES[wanted] == pytest.approx(seconds, abs=0.05)


@each_format
async def test_however_the_speech_is_cut_the_bytes_are_the_same(wanted: str) -> None:
    speech = opus_speech(0.5)

    whole = await made(wanted, speech)

    assert await made(wanted, *cut_at_pages(speech)) == whole
    assert await made(wanted, *(speech[at : at + 1] for at in range(len(speech)))) == whole


def strays(decoded: list[float], rate: int) -> Iterator[float]:
    """Yield how far each sample is from where a sine's two before it lead."""
    turn = 2 * math.cos(2 * math.pi * PITCH / rate)
    return (
        abs(decoded[i] - (turn * decoded[i - 1] - decoded[i - 2])) for i in range(2, len(decoded))
    )


@each_format
async def test_a_tone_has_no_click_in_it(wanted: str) -> None:
    rate = RATES[wanted]
    decoded = samples(wanted, await made(wanted, *cut_at_pages(opus_speech(2.0))))
    middle = decoded[rate // 5 : -rate // 5]

    assert max(strays(middle, rate)) < SMALLEST_CLICK.get(wanted, 0.002)
    assert max(middle) == pytest.approx(LOUDNESS / 32768, rel=0.1)


@pytest.mark.parametrize(("rate", "click"), [(24_000, 0.01), (8_000, 0.06)])
def test_one_sample_lost_would_be_a_click(rate: int, click: float) -> None:
    tone = [0.25 * math.sin(2 * math.pi * PITCH * i / rate) for i in range(1000)]

    assert max(strays(tone, rate)) < 0.002
    assert max(strays(tone[:500] + tone[501:], rate)) > click


@pytest.mark.parametrize("name", ["flac", "wav", "pcm"])
async def test_what_loses_nothing_is_the_speech_sample_by_sample(name: str) -> None:
    speech = opus_speech(1.0)
    reference, _ = heard(speech)
    decoded = samples(name, await made(name, speech))
    inner = range(1000, len(decoded) - 1000)

    assert max(abs(decoded[i] - reference[2 * i]) for i in inner) < 0.002


@pytest.mark.parametrize("name", ["flac", "wav"])
async def test_there_is_one_header(name: str) -> None:
    data = await made(name, *cut_at_pages(opus_speech(1.0)))

    assert data.count(HEADS[name]) == 1


async def test_a_wav_says_that_its_length_is_not_known() -> None:
    data = await made("wav", opus_speech(0.1))

    assert data[:4] + data[8:16] == b"RIFFWAVEfmt "
    assert struct.unpack_from("<IHHIIHH", data, 16) == (16, 1, 1, 24_000, 48_000, 2, 16)
    assert data[36:40] == b"data"
    assert data[4:8] == data[40:44] == b"\xff" * 4
    assert len(data) == 44 + 4800


@each_format
@pytest.mark.parametrize("garbage", [b"", b"Internal Server Error", bytes(5000)])
async def test_what_is_no_speech_is_a_failure_in_a_sentence(wanted: str, garbage: bytes) -> None:
    with pytest.raises(BadAudioError) as caught:
        await made(wanted, garbage)

    assert "\n" not in str(caught.value)
