"""What Ogg pages tell while they are read on."""

import pytest

from speech_gateway.media.ogg_pages import IS_OGG_OPUS_BYTES, OggPages, is_ogg_opus
from tests.support.audio import Kind, opus_speech, recorded
from tests.support.converting import Pieces
from tests.support.ogg import cut_at_pages, opus_packets
from tests.support.streamkit import ogg_page, recorded_speech, without_sound

FIRST, CONTINUED, LAST = 2, 1, 4


def followed(data: bytes, most: int = 4096) -> OggPages:
    """Return pages that were read to their end, in pieces of at most most bytes."""
    pages = OggPages(Pieces(data, most))
    assert b"".join(iter(lambda: pages.read(most), b"")) == data
    return pages


@pytest.mark.parametrize("most", [1, 7, 26, 28, 4096])
def test_however_it_is_cut_a_real_server_s_speech_is_told_to_be_whole(most: int) -> None:
    pages = followed(recorded_speech(), most)

    assert (pages.streams, pages.packets, pages.ended) == (1, 2 + 240, True)


def test_a_stream_without_sound_has_its_headers() -> None:
    pages = followed(without_sound())

    assert (pages.packets, pages.ended) == (2, True)


@pytest.mark.parametrize("left_out", [1, 100, 27 + 1])
def test_a_stream_that_is_cut_has_not_ended(left_out: int) -> None:
    assert not followed(recorded_speech()[:-left_out]).ended


def test_a_stream_without_its_last_page_has_not_ended() -> None:
    assert not followed(b"".join(cut_at_pages(opus_speech(1.0))[:-1])).ended


def test_what_is_no_page_after_one_has_not_ended() -> None:
    assert not followed(recorded_speech() + b"HTTP/1.1 500 Oh no, and so on").ended


def test_a_packet_over_two_pages_is_one() -> None:
    begun = bytearray(ogg_page(0, -1, [bytes(510)], FIRST))
    begun[26:30] = b"\2\xff\xff"  # its last segment, of none, is on the next page
    rest = ogg_page(1, 960, [b"", b"another"], CONTINUED | LAST)

    pages = followed(bytes(begun) + rest)

    assert (pages.packets, pages.ended) == (2, True)


def test_ogg_opus_is_told_by_its_first_bytes() -> None:
    webm = recorded(Kind("webm", "libopus", rate=48_000), 1.0)
    vorbis = recorded(
        Kind("ogg", "vorbis", layout="stereo", codec_options=(("strict", "experimental"),)), 1.0
    )

    assert opus_packets(recorded_speech())[0][0].startswith(b"OpusHead")
    assert is_ogg_opus(recorded_speech()[:IS_OGG_OPUS_BYTES])
    assert is_ogg_opus(opus_speech(1.0))
    assert not any(map(is_ogg_opus, (webm, vorbis, b"", b"OggS", b"<html>" * 10)))
