"""Heads of a few bytes that claim much: what libav would make room for is never asked for."""

import struct
import tempfile
from pathlib import Path

import pytest

from speech_gateway.media.mp4 import SLICE, plausible
from tests.support.audio import Kind, recorded
from tests.support.bounded import convert_bounded
from tests.support.containers import (
    BIG_SAMPLES,
    HUGE_TAG,
    SAMPLES,
    aiff,
    aiff_chunk,
    au,
    box,
    caf,
    caf_chunk,
    common,
    data,
    described,
    packets,
    rf64,
    sound,
    wave64,
    wave64_chunk,
    wave_format,
)
from tests.support.paths import CASES

MAX_GROWN = 64 * 1024 * 1024
"""Of the address space: libopus's own, and the 50 MB that libav reads of a packet at once."""
HUGE = 0x7FFFFFFF
AAC = recorded(Kind("adts", "aac"), 1.0)
MP3 = recorded(Kind("mp3", "libmp3lame", options=(("id3v2_version", "0"),)), 1.0)
ALAC = struct.pack(">IBBBBBBHIII", 1 << 24, 0, 16, 40, 10, 14, 1, 255, 0, 0, 8_000)
SOUND = aiff_chunk(b"SSND", sound())

LIES = {
    "aiff-format-size": aiff(aiff_chunk(b"COMM", common(), HUGE), SOUND),
    "aiff-channels": aiff(aiff_chunk(b"COMM", common(channels=0xFFFF)), SOUND),
    "aiff-most-channels": aiff(aiff_chunk(b"COMM", common(channels=64, bits=32)), SOUND),
    "aiff-bits": aiff(aiff_chunk(b"COMM", common(bits=0xFFFF)), SOUND),
    "aiff-frames": aiff(aiff_chunk(b"COMM", common(frames=0xFFFFFFFF)), SOUND),
    "aiff-offset": aiff(aiff_chunk(b"COMM", common()), aiff_chunk(b"SSND", sound(offset=HUGE))),
    "aiff-name": aiff(aiff_chunk(b"NAME", b"", HUGE), aiff_chunk(b"COMM", common()), SOUND),
    "aiff-many-chunks": aiff(aiff_chunk(b"NAME", b"") * 500_000),
    "caf-packets": caf(described(packet_bytes=0), packets(1 << 40, bytes(100)), data()),
    "caf-packets-of-no-size": caf(described(packet_samples=2), packets(1 << 27, b""), data()),
    "caf-packets-negative": caf(described(packet_bytes=0), packets(-1, bytes(100)), data()),
    "caf-packet-sizes": caf(
        described(packet_bytes=0), packets(50, b"\xff\xff\xff\x7f" * 50), data()
    ),
    "caf-packet-bytes": caf(described(b"alaw", packet_bytes=HUGE, packet_samples=2), data()),
    "caf-packet-samples": caf(described(packet_samples=HUGE), data()),
    "caf-channels": caf(described(channels=HUGE), data()),
    "caf-cookie": caf(described(b"aac ", 0, 1024), caf_chunk(b"kuki", b"", 1 << 62), data()),
    "caf-cookie-size": caf(
        described(b"aac ", 0, 1024), caf_chunk(b"kuki", b"\x05\xff\xff\xff\x7f" * 10), data()
    ),
    "caf-alac-frame": caf(
        described(b"alac", 0, 4096), caf_chunk(b"kuki", ALAC), packets(1, b"\x64"), data()
    ),
    "caf-alac-frame-wrapped": caf(
        described(b"alac", 0, 4096),
        caf_chunk(b"kuki", b"\0\0\0\x0cfrmaalac\0\0\0\x24alac\0\0\0\0" + ALAC),
        packets(1, b"\x64"),
        data(),
    ),
    "caf-info": caf(described(), caf_chunk(b"info", bytes(100), 1 << 62), data()),
    "au-annotation": au(HUGE, 3, 1, BIG_SAMPLES, begin=HUGE),
    "au-channels": au(HUGE, 3, HUGE, BIG_SAMPLES),
    "au-most-channels": au(HUGE, 7, 64, BIG_SAMPLES),
    "wave64-format-size": wave64(wave64_chunk(b"fmt ", wave_format(), 1 << 62)),
    "wave64-negative-size": wave64(wave64_chunk(b"fmt ", wave_format(), 0)),
    "wave64-channels": wave64(
        wave64_chunk(b"fmt ", wave_format(0xFFFF)), wave64_chunk(b"data", SAMPLES)
    ),
    "rf64-size": rf64(1 << 63),
    "rf64-channels": rf64(len(SAMPLES), format_=wave_format(0xFFFF)),
    "aac-tag-inside": AAC + HUGE_TAG + bytes(1000),
    "aac-frame-size": AAC[:3] + b"\x53\xff\xff" + AAC[6:],
    "mp3-tag-inside": MP3 + HUGE_TAG + bytes(1000),
}


def table(kind: bytes, count: int, *before: bytes) -> bytes:
    """Return a table of an MP4 that says it has so many entries."""
    return box(kind, bytes(4), *before, struct.pack(">I", count))


SAMPLE_BYTES = bytes(4)
"""Of each, in a table of samples that are equal or not."""
SAID = {
    "many samples": (1, table(b"stsz", 100_000, SAMPLE_BYTES), True),
    "edited once": (1, table(b"stsz", 100_000, SAMPLE_BYTES) + table(b"elst", 2), True),
    "more samples than bytes": (1, table(b"stsz", 1_500_000, SAMPLE_BYTES), False),
    "played 800 times": (1, table(b"stsz", 100_000, SAMPLE_BYTES) + table(b"elst", 800), False),
    "compressed": (1, box(b"cmov", bytes(8)), False),
    "long frames of alac": (1, box(b"alac", bytes(4), struct.pack(">I", 1 << 24)), False),
    "usual frames of alac": (1, box(b"alac", bytes(4), struct.pack(">I", 4096)), True),
    "a text about alac": (1, box(b"name", b"encoded by an alac encoder"), True),
    "in the last of many slices": (3, box(b"cmov", bytes(8)), False),
}


@pytest.mark.parametrize("case", SAID)
def test_what_an_mp4_counts_may_be_in_it(case: str, tmp_path: Path) -> None:
    megabytes, said, expected = SAID[case]
    file = tmp_path / "upload"
    padding = box(b"free", bytes(megabytes * 1024 * 1024))
    file.write_bytes(box(b"ftyp", b"M4A ") + padding + box(b"moov", said) + box(b"mdat", b"..."))

    with file.open("rb") as opened:
        assert plausible(opened) is expected


def metadata(*items: bytes) -> bytes:
    """Return a moov box with texts, where iTunes and FFmpeg have them."""
    handler = box(b"hdlr", bytes(25))
    return box(b"moov", box(b"udta", box(b"meta", bytes(4), handler, box(b"ilst", *items))))


WORDS = b"Mittelstufe, Betrunkene, Costco, Ostschweiz, and how cmov and alac work; stsz, stz2, co64"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (metadata(box(b"\xa9nam", box(b"data", bytes(8), WORDS))), True),
        (metadata(box(b"\xa9nam", b"x"), box(b"covr", box(b"data", bytes(8), WORDS * 100))), True),
        (box(b"moov", box(b"udta", box(b"\xa9cmt", WORDS))), True),
        (metadata(box(b"\xa9nam", b"x")) + box(b"moov", box(b"cmov", bytes(8))), False),
        (metadata(box(b"\xa9nam", b"x"), box(b"trak", box(b"cmov", bytes(8)))), False),
        (metadata(box(b"\xa9nam", WORDS)[:-50]), False),  # a box that is cut is none
        (box(b"udta", box(b"meta", bytes(4), box(b"ilst", box(b"\xa9nam", WORDS)))), False),
    ],
)
def test_words_in_an_mp4s_texts_are_no_tables(said: bytes, expected: bool, tmp_path: Path) -> None:
    file = tmp_path / "upload"
    file.write_bytes(box(b"ftyp", b"M4A ") + said + box(b"mdat", b"..."))

    with file.open("rb") as opened:
        assert plausible(opened) is expected


def test_boxes_in_boxes_without_end_are_refused_or_not_but_judged(tmp_path: Path) -> None:
    nested = box(b"cmov", bytes(8))
    for number in range(2_000):
        nested = box((b"moov", b"trak")[number % 2], nested)
    file = tmp_path / "upload"
    file.write_bytes(nested)

    with file.open("rb") as opened:
        assert not plausible(opened)


def test_edits_count_for_their_own_track(tmp_path: Path) -> None:
    tracks = (table(b"stsz", 56_000, SAMPLE_BYTES) + table(b"elst", 1)) * 8
    file = tmp_path / "upload"
    file.write_bytes(box(b"moov", tracks) + box(b"mdat", bytes(500_000)))

    with file.open("rb") as opened:
        assert plausible(opened)


@pytest.mark.parametrize("at", range(SLICE - 16, SLICE + 2))
def test_a_table_is_found_wherever_a_slice_ends(at: int, tmp_path: Path) -> None:
    file = tmp_path / "upload"
    file.write_bytes(box(b"free", bytes(at - 8)) + box(b"moov", box(b"cmov", bytes(8))))

    with file.open("rb") as opened:
        assert not plausible(opened)


@pytest.mark.parametrize("name", ["mp4-alac-4m", "mp4-alac-16m", "mp4-chunk-table"])
def test_an_mp4_that_claims_much_gets_little(name: str) -> None:
    outcome = convert_bounded(CASES / f"{name}.m4a")

    assert outcome.refusal is not None
    assert outcome.grown < MAX_GROWN


def test_what_real_encoders_write_is_plausible() -> None:
    for kind in (Kind("ipod", "alac"), Kind("mov", "pcm_s16le"), Kind("ipod", "aac")):
        with tempfile.TemporaryFile() as file:
            file.write(recorded(kind, 3.0))
            file.flush()
            assert plausible(file)


@pytest.mark.parametrize("lie", LIES)
def test_a_head_that_claims_much_gets_little(lie: str, tmp_path: Path) -> None:
    file = tmp_path / "upload"
    file.write_bytes(LIES[lie])

    outcome = convert_bounded(file)

    assert outcome.grown < MAX_GROWN
    assert outcome.seconds < 2
