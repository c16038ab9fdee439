"""Heads of a few bytes that claim much: what libav would make room for is never asked for."""

import struct
from pathlib import Path

import pytest

from tests.support.audio import Kind, recorded
from tests.support.bounded import convert_bounded
from tests.support.containers import (
    BIG_SAMPLES,
    HUGE_TAG,
    SAMPLES,
    aiff,
    aiff_chunk,
    au,
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


@pytest.mark.parametrize("lie", LIES)
def test_a_head_that_claims_much_gets_little(lie: str, tmp_path: Path) -> None:
    file = tmp_path / "upload"
    file.write_bytes(LIES[lie])

    outcome = convert_bounded(file)

    assert outcome.grown < MAX_GROWN
    assert outcome.seconds < 2
