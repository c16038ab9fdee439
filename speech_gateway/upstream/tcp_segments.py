"""Writes a text in TCP segments that cut no character."""

import asyncio
import fcntl
import socket
import struct
import sys
from collections.abc import Iterator

MAX_CHARACTER_BYTES = 4
"""Bytes (RFC 3629, section 3)."""
SEGMENT = 1200
"""Bytes that fit in a TCP segment on any usual network: IPv6's minimum MTU of 1,280, less headers.
"""
SIOCOUTQNSD = 0x894B
"""Linux's request for the bytes of a TCP socket that were not sent (linux/sockios.h)."""


def whole_characters(text: bytes) -> Iterator[bytes]:
    """Yield text, which is UTF-8, in pieces that fit in a segment and end with a character."""
    at = 0
    while at < len(text):
        end = min(at + SEGMENT, len(text))
        least = end - MAX_CHARACTER_BYTES
        while least < end < len(text) and text[end] & 0xC0 == 0x80:  # the middle of a character
            end -= 1
        yield text[at:end]
        at = end


def unsent(transport: asyncio.Transport) -> int:
    """Return how many bytes the transport and Linux's TCP have not sent yet (tcp(7)).

    Such bytes would share a segment with what is written now.
    """
    sock = transport.get_extra_info("socket")
    if sock is None or sock.family == socket.AF_UNIX or not sys.platform.startswith("linux"):
        return transport.get_write_buffer_size()
    count = struct.pack("i", 0)
    (in_kernel,) = struct.unpack("i", fcntl.ioctl(sock.fileno(), SIOCOUTQNSD, count))
    return transport.get_write_buffer_size() + int(in_kernel)
