"""Containers put together by hand, for what no muxer writes."""

import struct

from .audio import Kind, recorded, tone

SAMPLES = tone(1.0, 8_000)
BIG_SAMPLES = struct.pack(
    f">{len(SAMPLES) // 2}h", *struct.unpack(f"<{len(SAMPLES) // 2}h", SAMPLES)
)
HUGE_TAG = b"ID3\x04\0\0\x7f\x7f\x7f\x7f"
WAVE64_TAIL = bytes.fromhex("f3acd3118cd100c04f8edb8a")
RATE_80_BITS = struct.pack(">HQ", 0x3FFF + 12, 8_000 << 51)


def aiff(*chunks: bytes) -> bytes:
    body = b"AIFF" + b"".join(chunks)
    return b"FORM" + struct.pack(">I", len(body)) + body


def aiff_chunk(kind: bytes, body: bytes, size: int | None = None) -> bytes:
    told = len(body) if size is None else size
    return kind + struct.pack(">I", told) + body + bytes(len(body) % 2)


def common(channels: int = 1, frames: int = 8_000, bits: int = 16) -> bytes:
    return struct.pack(">HIH", channels, frames, bits) + RATE_80_BITS


def sound(samples: bytes = BIG_SAMPLES, offset: int = 0) -> bytes:
    return struct.pack(">II", offset, 0) + bytes(min(offset, 100)) + samples


def caf(*chunks: bytes) -> bytes:
    return b"caff\0\1\0\0" + b"".join(chunks)


def caf_chunk(kind: bytes, body: bytes, size: int | None = None) -> bytes:
    return kind + struct.pack(">q", len(body) if size is None else size) + body


def described(
    codec: bytes = b"lpcm",
    packet_bytes: int = 2,
    packet_samples: int = 1,
    channels: int = 1,
    bits: int = 16,
) -> bytes:
    body = struct.pack(">d4s5I", 8_000.0, codec, 0, packet_bytes, packet_samples, channels, bits)
    return caf_chunk(b"desc", body)


def packets(count: int, table: bytes, samples: int = 0) -> bytes:
    return caf_chunk(b"pakt", struct.pack(">qqii", count, samples, 0, 0) + table)


def data(body: bytes = BIG_SAMPLES, size: int | None = None) -> bytes:
    return caf_chunk(b"data", bytes(4) + body, size)


def caf_with_aac(*, table_last: bool) -> bytes:
    """Return a second of AAC as Apple's tools write it."""
    adts = recorded(Kind("adts", "aac"), 1.0)
    frames, at = [], 0
    while at < len(adts):
        size = (adts[at + 3] & 3) << 11 | adts[at + 4] << 3 | adts[at + 5] >> 5
        frames.append(adts[at + 7 : at + size])
        at += size
    settings = b"\x12\x08"  # AAC-LC, 44,100 Hz, mono
    decoder = b"\x40\x15" + bytes(11) + _descriptor(5, settings)
    cookie = _descriptor(3, bytes(3) + _descriptor(4, decoder))
    sizes = b"".join(bytes([0x80 | len(frame) >> 7, len(frame) & 0x7F]) for frame in frames)
    description = struct.pack(">d4s5I", 44_100.0, b"aac ", 0, 0, 1024, 1, 0)
    table = packets(len(frames), sizes, len(frames) * 1024)
    return caf(
        caf_chunk(b"desc", description),
        caf_chunk(b"kuki", cookie),
        caf_chunk(b"free", bytes(100)),
        *(() if table_last else (table,)),
        data(b"".join(frames)),
        *((table,) if table_last else ()),
    )


def _descriptor(tag: int, body: bytes) -> bytes:
    """Return a descriptor of MPEG-4's, its size in four bytes as Apple's tools write it."""
    return bytes([tag, 0x80, 0x80, 0x80, len(body)]) + body


def au(size: int, encoding: int, channels: int, samples: bytes, begin: int = 24) -> bytes:
    head = struct.pack(">4s5I", b".snd", begin, size, encoding, 8_000, channels)
    return head + bytes(min(begin - 24, 100)) + samples


def wave64(*chunks: bytes) -> bytes:
    head = b"riff" + bytes.fromhex("2e91cf11a5d628db04c10000")
    return head + struct.pack("<Q", 1 << 40) + b"wave" + WAVE64_TAIL + b"".join(chunks)


def wave64_chunk(kind: bytes, body: bytes, size: int | None = None) -> bytes:
    told = len(body) + 24 if size is None else size
    return kind + WAVE64_TAIL + struct.pack("<Q", told) + body + bytes(-len(body) % 8)


def wave_format(channels: int = 1, rate: int = 8_000) -> bytes:
    align = channels * 2 & 0xFFFF
    return struct.pack("<HHIIHH", 1, channels, rate, rate * align & 0xFFFFFFFF, align, 16)


def rf64(data_size: int, *, told: int = 0xFFFFFFFF, format_: bytes | None = None) -> bytes:
    sizes = struct.pack("<4sIQQQI", b"ds64", 28, data_size + 80, data_size, 0, 0)
    body = format_ or wave_format()
    written = b"fmt " + struct.pack("<I", len(body)) + body
    return (
        b"RF64\xff\xff\xff\xffWAVE" + sizes + written + b"data" + struct.pack("<I", told) + SAMPLES
    )


def box(kind: bytes, *parts: bytes) -> bytes:
    """Return a box of an MP4."""
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind) + body
