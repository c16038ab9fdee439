"""Ogg/Opus as a real StreamKit server writes it; the bundled engine's is tidier.

Serial 0, pre-skip 0, ``OpusTags`` on one page with the first audio packet, one page a packet, and a
packet of zero bytes on the last page. ``tests/cases`` has two answers of a real one.
"""

import struct
from collections.abc import Iterable
from functools import cache

from tests.support.paths import CASES

from .audio import opus_speech
from .ogg import opus_packets

PACKET_SECONDS = 0.02
PACKET_SAMPLES = 960
FIRST, LAST = 2, 4
_HEAD = struct.pack("<8sBBHIhB", b"OpusHead", 1, 1, 0, 48_000, 0, 0)
_TAGS = struct.pack("<8sI9sI", b"OpusTags", 9, b"streamkit", 0)
_CHECKSUM_POLYNOMIAL = 0x04C11DB7


def recorded_speech() -> bytes:
    """Return 4.8 seconds of speech as a real server sent it."""
    return (CASES / "streamkit-speech.ogg").read_bytes()


@cache
def streamkit_speech(seconds: float) -> bytes:
    """Return a tone, seconds long (to 20 ms, at least one packet)."""
    count = max(1, round(seconds / PACKET_SECONDS))
    packets = [packet for page in opus_packets(opus_speech(seconds))[2:] for packet in page]
    return as_streamkit(packets[:count])


def without_sound() -> bytes:
    """Return what a server sends whose voice failed at once: headers and an empty packet."""
    return as_streamkit([])


def as_streamkit(packets: Iterable[bytes]) -> bytes:
    """Return Opus packets of 20 ms in StreamKit's Ogg, with its empty packet at the end."""
    pages = [ogg_page(0, 0, [_HEAD], FIRST)]
    on_page, heard = [_TAGS], 0
    for packet in packets:
        heard += PACKET_SAMPLES
        pages.append(ogg_page(len(pages), heard, [*on_page, packet]))
        on_page = []
    pages.append(ogg_page(len(pages), heard, [*on_page, b""], LAST))
    return b"".join(pages)


def ogg_page(
    number: int, granule: int, packets: list[bytes], flags: int = 0, serial: int = 0
) -> bytes:
    """Return a page of whole packets (RFC 3533)."""
    table = b"".join(
        b"\xff" * (len(packet) // 255) + bytes([len(packet) % 255]) for packet in packets
    )
    head = struct.pack("<4sBBqII", b"OggS", 0, flags, granule, serial, number)
    rest = bytes([len(table)]) + table + b"".join(packets)
    checksum = _checksum(head + bytes(4) + rest)
    return head + struct.pack("<I", checksum) + rest


def _checksum(page: bytes) -> int:
    value = 0
    for byte in page:
        value = (value << 8) & 0xFFFFFFFF ^ _CHECKSUMS[value >> 24 ^ byte]
    return value


def _checksum_of_byte(byte: int) -> int:
    value = byte << 24
    for _ in range(8):
        carried = value >> 31
        value = value << 1 & 0xFFFFFFFF ^ (_CHECKSUM_POLYNOMIAL if carried else 0)
    return value


_CHECKSUMS = [_checksum_of_byte(byte) for byte in range(256)]
