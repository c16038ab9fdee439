"""Heads of MPEG audio and ADTS frames lead from one to the next."""

import pytest

from speech_gateway.media.mpeg_audio import HEAD_BYTES, frame_of
from tests.support.audio import Kind, recorded

BARE = (("id3v2_version", "0"), ("write_xing", "0"))
KINDS = {
    "mpeg-1-layer-3": Kind("mp3", "libmp3lame", options=BARE),
    "mpeg-2-layer-3": Kind("mp3", "libmp3lame", rate=24_000, layout="stereo", options=BARE),
    "mpeg-2.5-layer-3": Kind("mp3", "libmp3lame", rate=8_000, options=BARE),
    "mpeg-1-layer-2": Kind("mp2", "mp2", rate=48_000),
    "mpeg-2-layer-2": Kind("mp2", "mp2", rate=16_000),
    "aac": Kind("adts", "aac", layout="stereo"),
}


@pytest.mark.parametrize("name", KINDS)
def test_a_frame_leads_to_the_next(name: str) -> None:
    data = recorded(KINDS[name], 1.0)
    at, kinds = 0, set()

    while at < len(data):
        frame = frame_of(data[at : at + HEAD_BYTES])
        assert frame is not None
        assert frame.size is not None
        kinds.add((frame.container, frame.kind))
        at += frame.size

    assert at == len(data)
    assert len(kinds) == 1
    assert kinds.pop()[0] == ("aac" if name == "aac" else "mp3")


@pytest.mark.parametrize(
    "head",
    [
        b"\xff\xfb\xf0\x44\0\0",  # a bit rate that is none
        b"\xff\xfb\x9c\x44\0\0",  # a sample rate that is none
        b"\xff\xeb\x90\x44\0\0",  # a version that is none
        b"\xff\xf1\x74\0\x1d\0",  # AAC's, of a sample rate that is none
        b"\xff\xf1\x50\0\0\0",  # AAC's, shorter than its own head
        b"\xff\xfb\x90",
        b"",
    ],
)
def test_what_cannot_be_a_frame_is_none(head: bytes) -> None:
    assert frame_of(head) is None


def test_layer_1_counts_in_fours() -> None:
    frame = frame_of(b"\xff\xff\x12\x00\0\0")  # MPEG 1, 32 kbit/s, 44,100 Hz, padded

    assert frame is not None
    assert frame.size == (12 * 32_000 // 44_100 + 1) * 4


def test_the_free_format_does_not_tell_its_size() -> None:
    frame = frame_of(b"\xff\xfb\x00\x44\0\0")

    assert frame is not None
    assert frame.size is None
