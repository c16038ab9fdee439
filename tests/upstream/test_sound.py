"""When there is sound in the beginning of an answer, and when there never will be."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_gateway.errors import UpstreamError
from speech_gateway.upstream.first_sound import MAX_HELD_BYTES, FirstSound
from tests.support.audio import Kind, recorded
from tests.support.ogg import cut_at_pages
from tests.support.paths import CASES

SPEECH = CASES.joinpath("streamkit-speech.ogg").read_bytes()
NO_SOUND = CASES.joinpath("streamkit-no-sound.ogg").read_bytes()


def page(*packets: bytes) -> bytes:
    """Return an Ogg page with some packets (RFC 3533, section 6)."""
    table = b"".join(b"\xff" * (len(p) // 255) + bytes([len(p) % 255]) for p in packets)
    head = struct.pack("<4sBBqIIIB", b"OggS", 0, 0, 0, 0, 0, 0, len(table))
    return head + table + b"".join(packets)


def needed(data: bytes, content_type: str | None = "audio/ogg", step: int = 1) -> int:
    """Return how many bytes came before there was sound, step bytes at a time."""
    sound = FirstSound(content_type)
    for at in range(0, len(data), step):
        if sound.feed(data[at : at + step]):
            return len(sound.held)
    sound.end()
    raise AssertionError("an end without sound is an error")


def test_streamkit_s_first_sound_is_on_the_page_of_its_tags() -> None:
    first, second, *_ = cut_at_pages(SPEECH)

    assert needed(SPEECH) == len(first) + len(second)


@pytest.mark.parametrize("codec", ["libopus", "flac"])
def test_the_headers_of_a_codec_are_no_sound(codec: str) -> None:
    pages = cut_at_pages(recorded(Kind("ogg", codec, rate=48_000), 0.5))
    headers = 1

    assert len(b"".join(pages[: headers + 1])) < needed(b"".join(pages)) <= sum(map(len, pages))


@pytest.mark.parametrize(
    "silent",
    [
        b"",
        NO_SOUND,
        page(b"OpusHead") + page(b"OpusTags"),
        page(b"OpusHead") + page(b"OpusTags", b"") + page(b""),
        page(b"\x01vorbis.") + page(b"\x03vorbis", b"\x05vorbis"),
        page(b"\x7fFLAC\x01\x00\x00\x02") + page(b"STREAMINFO") + page(b"more"),
        page(b"OpusHead") + page(b"OpusTags") + page(b"a packet")[:-1],
    ],
)
@pytest.mark.parametrize("step", [1, 1000])
def test_headers_alone_are_no_sound(silent: bytes, step: int) -> None:
    with pytest.raises(UpstreamError, match="no sound"):
        needed(silent, step=step)


def test_tags_over_several_pages_are_no_sound() -> None:
    tags = b"OpusTags" + bytes(255 * 255 - 8)
    begun = struct.pack("<4sBBqIIIB", b"OggS", 0, 0, -1, 0, 0, 0, 255) + b"\xff" * 255 + tags
    silent = page(b"OpusHead") + begun[:40_000]

    with pytest.raises(UpstreamError, match="no sound"):
        needed(silent, step=4096)


def test_headers_without_an_end_are_not_held() -> None:
    endless = page(b"OpusHead") + page(b"") * 10_000

    assert needed(endless, step=1024) <= MAX_HELD_BYTES + 1024


@pytest.mark.parametrize(
    "audio",
    [
        b"\xff\xfb\x90",
        b"RIFF....WAVE",
        b"\x1a\x45\xdf\xa3",
        b"speech",
        b"OggS-speech",
        b"<\0<\0" * 8,
    ],
)
def test_of_other_audio_the_first_bytes_are_sound(audio: bytes) -> None:
    assert needed(audio, step=len(audio)) == len(audio)


@pytest.mark.parametrize(
    "text",
    [
        b"<!DOCTYPE html><title>Welcome",
        b"<html></html>",
        b'{"error": "no such voice"}',
        b"{}",
        b'["\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9"]',
    ],
)
@pytest.mark.parametrize("step", [1, 1000])
def test_text_is_no_audio_whatever_it_is_called(text: bytes, step: int) -> None:
    with pytest.raises(UpstreamError, match="answered text"):
        needed(text, step=step)


def test_a_byte_order_mark_makes_text_no_audio() -> None:
    with pytest.raises(UpstreamError, match="answered text"):
        needed(b"\xef\xbb\xbf \n<html>", step=1000)


@pytest.mark.parametrize("first", [b"\n", b"\xef\xbb\xbf "])
def test_what_may_come_in_front_of_text_is_no_sound_yet(first: bytes) -> None:
    sound = FirstSound("audio/ogg")

    assert not sound.feed(first)
    with pytest.raises(UpstreamError, match="answered text"):
        sound.feed(b"<html>Bad Gateway</html>")


@pytest.mark.parametrize(
    "content_type", ["text/html; charset=utf-8", "application/json", "application/problem+json"]
)
def test_text_is_told_by_its_type_before_it_comes(content_type: str) -> None:
    with pytest.raises(UpstreamError, match="where audio belongs"):
        FirstSound(content_type)


@given(st.lists(st.binary(max_size=300)), st.booleans())
def test_whatever_comes_there_is_sound_or_a_reason(pieces: list[bytes], as_ogg: bool) -> None:
    sound = FirstSound(None)
    try:
        if not any(sound.feed(page(piece) if as_ogg else piece) for piece in pieces):
            sound.end()
    except UpstreamError:
        return
    assert sound.held
