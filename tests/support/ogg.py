"""Ogg/Opus, looked at from outside: RFC 3533 (pages) and RFC 7845 (Opus in them)."""

import struct

OPUS_RATE = 48_000


def pages(data: bytes) -> list[tuple[int, bytes, bytes]]:
    """Return each page's granule position, segment table and body."""
    found = []
    at = 0
    while at < len(data):
        assert data[at : at + 4] == b"OggS"
        (granule,) = struct.unpack_from("<q", data, at + 6)
        count = data[at + 26]
        table = data[at + 27 : at + 27 + count]
        body = data[at + 27 + count : at + 27 + count + sum(table)]
        found.append((granule, table, body))
        at += 27 + count + len(body)
    return found


def opus_packets(data: bytes) -> list[list[bytes]]:
    """Return the packets of each page; none may go over a page's end."""
    result = []
    for _, table, body in pages(data):
        packets, size, at = [], 0, 0
        for segment in table:
            size += segment
            if segment < 255:
                packets.append(body[at : at + size])
                at, size = at + size, 0
        assert not size, "a packet goes over its page's end"
        result.append(packets)
    return result


def packet_samples(packet: bytes) -> int:
    """Return how many samples at 48 kHz an Opus packet stands for (RFC 6716, section 3.1)."""
    config, count_code = packet[0] >> 3, packet[0] & 3
    if config < 12:
        frame = (480, 960, 1920, 2880)[config % 4]
    elif config < 16:
        frame = (480, 960)[config % 2]
    else:
        frame = (120, 240, 480, 960)[config % 4]
    return frame * (packet[1] & 0x3F if count_code == 3 else (1, 2, 2)[count_code])


def seconds_of(data: bytes) -> float:
    """Return how long the speech in data lasts."""
    return pages(data)[-1][0] / OPUS_RATE


def cut_at_pages(data: bytes) -> list[bytes]:
    """Return data's pages as they came, headers and all."""
    cut, at = [], 0
    for _, table, body in pages(data):
        size = 27 + len(table) + len(body)
        cut.append(data[at : at + size])
        at += size
    return cut
