"""What backends send for speech: real ones' ends, other containers, and what is no whole speech."""

import pytest

from speech_gateway.media.audio_errors import BadAudioError
from speech_gateway.media.backend_audio import NO_AUDIO, NO_SOUND, NOT_WHOLE
from speech_gateway.media.remuxing import remux_to_ogg
from speech_gateway.media.speech_formats import CONVERSIONS as TO_FORMATS
from speech_gateway.media.speech_formats import Convert
from tests.support.audio import (
    TELEPHONY,
    Kind,
    heard,
    opus_speech,
    recorded,
    telephony_as_wav,
)
from tests.support.converting import Pieces, Written
from tests.support.ogg import cut_at_pages, opus_packets
from tests.support.streamkit import (
    as_streamkit,
    recorded_speech,
    streamkit_speech,
    without_sound,
)

CONVERSIONS: dict[str, Convert] = {"opus": remux_to_ogg, **TO_FORMATS}
EXPERIMENTAL = (("strict", "experimental"),)
KINDS = {
    "webm": Kind("webm", "libopus", rate=48_000, layout="stereo"),
    "webm-live": Kind("webm", "libopus", rate=48_000, seekable=False, options=(("live", "1"),)),
    "webm-vorbis": Kind("webm", "vorbis", layout="stereo", codec_options=EXPERIMENTAL),
    "ogg-vorbis": Kind("ogg", "vorbis", layout="stereo", codec_options=EXPERIMENTAL),
    "wav": Kind("wav", "pcm_s16le", rate=24_000),
    "wav-stream": Kind("wav", "pcm_f32le", rate=24_000, seekable=False),
    "mp3": Kind("mp3", "libmp3lame", rate=24_000),
    "flac": Kind("flac", "flac", rate=24_000),
}
PACKETS = [packet for page in opus_packets(recorded_speech())[1:-1] for packet in page][1:]
DAMAGED_PACKET = b"\xff\x03\x00"

each_format = pytest.mark.parametrize("name", CONVERSIONS)


def made(name: str, data: bytes) -> bytes:
    """Return all that data, a whole answer, is converted to."""
    written = Written()
    CONVERSIONS[name](Pieces(data), written)
    return bytes(written.data)


def made_before_failing(name: str, data: bytes) -> tuple[bytes, str]:
    """Return what data is converted to until it fails, and why it does."""
    written = Written()
    with pytest.raises(BadAudioError) as caught:
        CONVERSIONS[name](Pieces(data), written)
    return bytes(written.data), str(caught.value)


def seconds(name: str, data: bytes) -> float:
    """Return how long data lasts, without a last page of which libav says that it is invalid."""
    if name == "pcm":
        return len(data) / 2 / 24_000
    if name == "opus" and opus_packets(data)[-1] == [b""]:
        data = data[: data.rindex(b"OggS")]
    if name in TELEPHONY:
        data = telephony_as_wav(data, name)
    samples, rate = heard(data)
    return len(samples) / rate


@each_format
def test_a_real_server_s_speech_is_whole(name: str) -> None:
    speech = recorded_speech()

    assert seconds(name, made(name, speech)) == pytest.approx(4.8, abs=0.05)
    assert made("opus", speech) == speech


def test_not_a_sample_of_a_real_server_s_speech_is_lost() -> None:
    assert (
        len(made("pcm", recorded_speech())) == (230_400 // 2) * 2
    )  # half the rate, two bytes each


@each_format
def test_an_empty_packet_in_the_middle_loses_nothing(name: str) -> None:
    speech = as_streamkit([*PACKETS[:100], b"", b"", *PACKETS[100:]])

    lasted = seconds(name, made(name, speech)) if name != "opus" else 4.8

    assert lasted == pytest.approx(4.8, abs=0.05)


@each_format
def test_speech_without_sound_fails_before_a_byte_is_written(name: str) -> None:
    assert made_before_failing(name, without_sound()) == (b"", NO_SOUND)


@each_format
@pytest.mark.parametrize(
    "none",
    [
        b"<!doctype html><html><body>Bad gateway</body></html>",
        b'{"error": "no such voice"}',
        b"oh no",
        b"",
        bytes(5000),
    ],
)
def test_what_is_no_audio_fails_before_a_byte_is_written(name: str, none: bytes) -> None:
    assert made_before_failing(name, none) == (b"", NO_AUDIO)


@each_format
@pytest.mark.parametrize("kind", KINDS)
def test_other_containers_are_told_by_their_content(name: str, kind: str) -> None:
    speech = recorded(KINDS[kind], 2.0)

    result = made(name, speech)

    assert seconds(name, result) == pytest.approx(2.0, abs=0.1)
    if name == "opus":
        assert result.startswith(b"OggS")


@pytest.mark.parametrize("name", ["mp3", "aac", "flac", "wav", "pcm"])
def test_a_damaged_packet_is_left_out_and_told_at_the_end(name: str) -> None:
    speech = as_streamkit([*PACKETS[:100], DAMAGED_PACKET, *PACKETS[101:]])

    written, told = made_before_failing(name, speech)

    assert seconds(name, written) == pytest.approx(4.78, abs=0.05)
    assert told == NOT_WHOLE


@pytest.mark.parametrize("name", ["mp3", "aac", "flac", "wav", "pcm"])
def test_a_page_that_libav_leaves_out_in_silence_is_told_at_the_end(name: str) -> None:
    pages = cut_at_pages(recorded_speech())
    pages[100] = pages[100][:-1] + bytes([pages[100][-1] ^ 1])  # its checksum is wrong now

    assert made_before_failing(name, b"".join(pages))[1] == NOT_WHOLE


@each_format
@pytest.mark.parametrize("speech", [streamkit_speech(1.0), opus_speech(1.0)])
@pytest.mark.parametrize("at", ["between pages", "within a page"])
def test_speech_that_is_cut_is_converted_as_far_as_it_came(
    name: str, speech: bytes, at: str
) -> None:
    pages = cut_at_pages(speech)
    cut = b"".join(pages[:27]) + (pages[27][:40] if at == "within a page" else b"")

    written, told = made_before_failing(name, cut)

    assert seconds(name, cut_at_whole_pages(written) if name == "opus" else written) == (
        pytest.approx(0.5, abs=0.06)
    )
    assert told == NOT_WHOLE


def cut_at_whole_pages(data: bytes) -> bytes:
    """Return data without a page of which only the beginning is there."""
    begin = data.rindex(b"OggS")
    table = data[begin + 27 : begin + 27 + data[begin + 26]]
    return data[:begin] if len(data) < begin + 27 + len(table) + sum(table) else data


def test_a_cut_webm_which_has_no_mark_at_its_end_is_what_there_is() -> None:
    speech = recorded(KINDS["webm-live"], 2.0)

    lasted = seconds("pcm", made("pcm", speech[: len(speech) // 2]))

    assert lasted == pytest.approx(1.0, abs=0.1)
