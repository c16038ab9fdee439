"""Uploads that cost who decodes them far more than they weigh; and others, for fuzzing."""

import struct
import zlib
from collections.abc import Callable, Mapping
from functools import cache
from itertools import cycle, islice

from .audio import Kind, recorded
from .containers import box
from .paths import CASES
from .streamkit import ogg_page

MEGABYTE = 1024 * 1024
HOURS_OF_SILENCE = 4 * 3600
FIRST_PAGE = 2
EBML_UNKNOWN = b"\x01\xff\xff\xff\xff\xff\xff\xff"


def case(name: str) -> Callable[[], bytes]:
    return (CASES / name).read_bytes


# MP4


def full_box(kind: bytes, *parts: bytes) -> bytes:
    return box(kind, bytes(4), *parts)


def mp4_of_small_boxes() -> bytes:
    return box(b"ftyp", b"M4A \0\0\0\0") + box(b"free") * (3 * MEGABYTE)


def mp4_with_edits(edits: int = 800, samples: int = 100_000) -> bytes:
    """Return an MP4 whose every edit plays the whole track again."""
    rate = 8_000
    entry = box(b"sowt", bytes(6), struct.pack(">H8xHHIHH", 1, 1, 16, 0, rate, 0))
    edit = struct.pack(">IIHH", samples, 0, 1, 0)
    tables = (
        full_box(b"stsd", struct.pack(">I", 1), entry),
        full_box(b"stts", struct.pack(">III", 1, samples, 1)),
        full_box(b"stsc", struct.pack(">IIII", 1, 1, samples, 1)),
        full_box(b"stsz", struct.pack(">II", 1, samples)),
        full_box(b"stco", struct.pack(">II", 1, 32)),
    )
    media = box(
        b"mdia",
        full_box(b"mdhd", struct.pack(">IIIIHH", 0, 0, rate, samples, 0x55C4, 0)),
        full_box(b"hdlr", struct.pack(">I4s12x", 0, b"soun"), b"\0"),
        box(b"minf", full_box(b"smhd", bytes(4)), box(b"stbl", *tables)),
    )
    header = full_box(b"tkhd", struct.pack(">IIIII60x", 0, 0, 1, 0, samples))
    edited = box(b"edts", full_box(b"elst", struct.pack(">I", edits), edit * edits))
    movie = full_box(b"mvhd", struct.pack(">IIII80x", 0, 0, rate, samples))
    data = box(b"mdat", bytes(samples))
    return (
        box(b"ftyp", b"M4A \0\0\0\0")
        + data
        + box(b"moov", movie, box(b"trak", header, edited, media))
    )


# ID3


def id3(*frames: bytes) -> bytes:
    body = b"".join(frames)
    size = bytes(len(body) >> shift & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\x04\0\0" + size + body


def id3_frame(kind: bytes, body: bytes, flags: int = 0) -> bytes:
    size = bytes(len(body) >> shift & 0x7F for shift in (21, 14, 7, 0))
    return kind + size + struct.pack(">H", flags) + body


def mp3_with_texts() -> bytes:
    texts = b"".join(id3_frame(b"TXXX", b"\3%d\0text" % i) for i in range(50_000))
    return id3(texts) + recorded(MP3, 1.0)


def mp3_with_compressed_pictures() -> bytes:
    picture = zlib.compress(bytes(64 * MEGABYTE), 9)
    body = struct.pack(">I", 0x0FFFFFFF & (64 * MEGABYTE)) + picture
    return id3(id3_frame(b"APIC", body, 0x0009) * 8) + recorded(MP3, 1.0)


MP3 = Kind("mp3", "libmp3lame", options=(("id3v2_version", "0"), ("write_xing", "0")))


def mp3_of_changing_rates() -> bytes:
    """Return an MP3 whose frames have another sample rate each."""
    kinds = [Kind("mp3", "libmp3lame", rate=rate, options=MP3.options) for rate in (44_100, 48_000)]
    frames = [recorded(kind, 0.1)[:400] for kind in kinds]
    return b"".join(islice(cycle(frames), 2_500))


# FLAC (RFC 9639)


def _table(polynomial: int, bits: int) -> list[int]:
    top, mask = 1 << (bits - 1), (1 << bits) - 1
    table = []
    for byte in range(256):
        value = byte << (bits - 8)
        for _ in range(8):
            value = (value << 1 ^ (polynomial if value & top else 0)) & mask
        table.append(value)
    return table


_CRC8, _CRC16 = _table(0x07, 8), _table(0x8005, 16)


def _crc8(data: bytes) -> int:
    value = 0
    for byte in data:
        value = _CRC8[value ^ byte]
    return value


def _crc16(data: bytes) -> int:
    value = 0
    for byte in data:
        value = (value << 8 & 0xFFFF) ^ _CRC16[value >> 8 ^ byte]
    return value


@cache
def flac_frame(number: int, samples: int, rate: int, channels: int = 1) -> bytes:
    """Return a frame of silence."""
    head = b"\xff\xf8" + bytes([7 << 4 | 13, channels - 1 << 4 | 4 << 1, number])
    head += struct.pack(">HH", samples - 1, rate)
    frame = head + bytes([_crc8(head)]) + bytes(3 * channels)
    return frame + struct.pack(">H", _crc16(frame))


def flac(rate: int, *frames: bytes, samples: int = 0, channels: int = 1) -> bytes:
    """Return FLAC that declares a rate and, if known, how many samples it has."""
    packed = rate << 44 | channels - 1 << 41 | 15 << 36 | samples
    info = struct.pack(">HH6x", 16, 65_535) + packed.to_bytes(8) + bytes(16)
    return b"fLaC\x80" + len(info).to_bytes(3) + info + b"".join(frames)


def flac_of_four_hours(declared: bool) -> bytes:
    rate, samples = 4_000, 65_535
    count = HOURS_OF_SILENCE * rate // samples
    frames = (flac_frame(number % 128, samples, rate) for number in range(count))
    return flac(rate, *frames, samples=2 * count * samples if declared else 0)


def flac_of_changing_rates() -> bytes:
    frames = [flac_frame(number, 16, rate) for number in range(128) for rate in (8_000, 48_000)]
    return flac(8_000, *islice(cycle(frames), 80_000))


def flac_of_many_channels() -> bytes:
    """Return ten minutes of eight channels at the highest rate that a frame can tell so."""
    rate, samples = 64_000, 65_535
    count = 600 * rate // samples
    return flac(rate, *(flac_frame(n % 128, samples, rate, 8) for n in range(count)), channels=8)


# Matroska


def element(number: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return number.to_bytes((number.bit_length() + 7) // 8) + b"\x01" + len(body).to_bytes(7) + body


def matroska(encoding: bytes, *blocks: bytes, codec: bytes = b"A_PCM/INT/LIT") -> bytes:
    audio = element(
        0xE1,
        element(0xB5, struct.pack(">f", 8_000)),
        element(0x9F, b"\1"),
        element(0x6264, b"\x10"),
    )
    track = element(
        0xAE,
        *(element(0xD7, b"\1"), element(0x73C5, b"\1"), element(0x83, b"\2")),
        *(element(0x86, codec), audio, encoding),
    )
    simple = b"".join(element(0xA3, block) for block in blocks)
    head = element(0x1A45DFA3, element(0x4282, b"matroska"))
    body = element(0x1654AE6B, track) + element(0x1F43B675, element(0xE7, b"\0"), simple)
    return head + b"\x18\x53\x80\x67" + EBML_UNKNOWN + body


def block(data: bytes, flags: int = 0x80) -> bytes:
    return b"\x81\0\0" + bytes([flags]) + data


def compression(algorithm: int, settings: bytes = b"") -> bytes:
    chosen = element(0x4254, algorithm.to_bytes(1)) if algorithm else element(0x4254, b"\0")
    how = element(0x5034, chosen, element(0x4255, settings) if settings else b"")
    return element(0x6D80, element(0x6240, element(0x5032, b"\1"), how))


def matroska_compressed() -> bytes:
    bomb = block(zlib.compress(bytes(9_000_000), 9))
    return matroska(compression(0), *[bomb] * 50)


def matroska_with_stripped_headers() -> bytes:
    return matroska(compression(3, bytes(MEGABYTE)), *[block(b"ab")] * 2_000)


def matroska_laced() -> bytes:
    fixed_lacing, frames = 0x84, 256
    laced = block(bytes([frames - 1]) + bytes(2 * frames), fixed_lacing)
    return matroska(b"", *[laced] * 4_000)


# Ogg


def ogg_of_many_streams() -> bytes:
    head = b"OpusHead\1\1\0\0\x80\xbb\0\0\0\0\0"
    return b"".join(ogg_page(0, 0, [head], FIRST_PAGE, serial) for serial in range(20_000))


HOSTILE: Mapping[str, Callable[[], bytes]] = {
    "mp4: a frame of 4 million samples": case("mp4-alac-4m.m4a"),
    "mp4: a frame of 16 million samples": case("mp4-alac-16m.m4a"),
    "mp4: a chunk of 2^31 samples": case("mp4-chunk-table.m4a"),
    "mp4: 800 edits": mp4_with_edits,
    "mp4: 3 million boxes": mp4_of_small_boxes,
    "mp3: 50,000 texts": mp3_with_texts,
    "mp3: compressed pictures": mp3_with_compressed_pictures,
    "mp3: another rate each frame": mp3_of_changing_rates,
    "flac: four hours in 14 KB": lambda: flac_of_four_hours(declared=False),
    "flac: eight hours declared": lambda: flac_of_four_hours(declared=True),
    "flac: another rate each frame": flac_of_changing_rates,
    "flac: eight channels": flac_of_many_channels,
    "matroska: compressed": matroska_compressed,
    "matroska: stripped headers": matroska_with_stripped_headers,
    "matroska: laced": matroska_laced,
    "ogg: 20,000 streams": ogg_of_many_streams,
}
