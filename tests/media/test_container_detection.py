"""What an upload is, and what libav is not shown of it."""

import struct
import tempfile
from pathlib import Path
from typing import BinaryIO, cast

import pytest

from speech_gateway.media.container_detection import container_of
from speech_gateway.media.peekable import PeekableReader
from speech_gateway.media.upload_to_opus import Spool
from tests.support.converting import Pieces

TAG = b"ID3\x04\0\0\0\0\0\x0a" + b"ten bytes."
FORMAT = b"fmt " + struct.pack("<IHHIIHH", 16, 1, 1, 8000, 16_000, 2, 16)
FRAME = b"\xff\xfb\x90\x44 and so on"


def shown(data: bytes) -> tuple[str | None, bytes]:
    reader = PeekableReader(Pieces(data, most=5))
    return container_of(reader), reader.exactly(1 << 20)


def wav(*chunks: bytes) -> bytes:
    return b"RIFF\xff\xff\xff\xffWAVE" + b"".join(chunks)


def chunk(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("<I", len(body)) + body


@pytest.mark.parametrize(
    ("data", "container"),
    [
        (wav(FORMAT, chunk(b"data", b"")), "wav"),
        (FRAME, "mp3"),
        (b"\0\0\0\x18ftypM4A \0\0\0\0", "mov"),
        (b"\x1a\x45\xdf\xa3 and so on", "matroska"),
        (b"OggS and so on", "ogg"),
        (b"fLaC and so on", "flac"),
        (b"\xff\xf1\x50\x40\x1d\xbf\xfc and so on", "aac"),
        (b"RF64\xff\xff\xff\xffWAVE", "wav"),
        (b"BW64\xff\xff\xff\xffWAVE", "wav"),
        (b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb", "wav"),
        (b".snd and so on", "au"),
        (b"FORM\0\0\0\0AIFF", "aiff"),
        (b"FORM\0\0\0\0AIFC", "aiff"),
        (b"FORM\0\0\0\0ILBM is a picture", None),
        (b"caff\0\1\0\0", "caf"),
        (b"#EXTM3U\nother.wav", None),
        (b"\xff", None),
        (b"", None),
    ],
)
def test_an_upload_is_told_by_its_first_bytes(data: bytes, container: str | None) -> None:
    assert shown(data)[0] == container


@pytest.mark.parametrize(("sound", "container"), [(FRAME, "mp3"), (b"fLaC and so on", "flac")])
def test_tags_in_front_are_left_out(sound: bytes, container: str) -> None:
    assert shown(TAG + TAG + sound) == (container, sound)


def test_of_a_wav_there_is_its_format_and_its_samples() -> None:
    data = wav(
        chunk(b"LIST", b"INFO, of an odd length."),
        b"\0",
        FORMAT,
        chunk(b"fact", b"four"),
        chunk(b"data", b"samples."),
        chunk(b"LIST", b"more"),
    )

    assert shown(data) == ("wav", wav(FORMAT, b"data\xff\xff\xff\xff", b"samples."))


@pytest.mark.parametrize(
    "lie",
    [
        wav(b"LIST\xff\xff\xff\x7f", FORMAT, chunk(b"data", b"samples.")),
        wav(b"fmt \xff\xff\xff\x7f", chunk(b"data", b"samples.")),
        b"ID3\x04\0\0\x7f\x7f\x7f\x7f" + FRAME,
    ],
)
def test_a_size_that_lies_leaves_nothing_to_show(lie: bytes) -> None:
    assert shown(lie)[1] == b""


def test_a_place_before_the_beginning_is_libav_s_affair() -> None:
    with tempfile.TemporaryFile() as file:
        file.write(b"abcdef")
        spool = Spool(file)

        assert spool.seek(-1, 0) < 0
        assert spool.seek(2, 0) == 2
        assert spool.read(2) == b"cd"
        assert spool.failure is None


def test_a_disk_that_cannot_be_read_is_told_from_a_file_s_end() -> None:
    with Path("/dev/null").open("wb", buffering=0) as file:  # for writing only
        spool = Spool(cast(BinaryIO, file))

        assert spool.read(2) == b""
        assert isinstance(spool.failure, OSError)
