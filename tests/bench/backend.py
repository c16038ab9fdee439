"""A backend that costs little: the request's id says what it answers.

``python -m tests.bench.backend`` prints its port, and serves until standard input ends.
"""

import asyncio
import re
import sys
import time

import uvloop

from tests.support.backend import chunk

_HEAD_END = b"\r\n\r\n"
_ORDER = re.compile(rb"x-request-id: ([a-z]+)\.(\d+)\.(\d+)\.(\d+)", re.IGNORECASE)
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)", re.IGNORECASE)
_LAST_CHUNK = b"0\r\n\r\n"
_CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nTransfer-Encoding: chunked\r\n\r\n"
LINE = b'{"Transcription":{"text":"the quick brown fox","segments":[],"language":"en"}}\n'
STAMP = b"@%019d@"
"""What each piece begins with: the monotonic clock's nanoseconds as it was written."""


def order(kind: str, count: int, size: int, gap_ms: int) -> str:
    """Return the request id that asks for count pieces of size bytes, one each gap_ms."""
    return f"{kind}.{count}.{size}.{gap_ms}"


class BenchBackend(asyncio.Protocol):
    """One connection, kept for the next request where the proxy wants that."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._head = bytearray()
        self._awaited: int | None = None
        """Bytes of the body still to come; None for chunks."""
        self._end = b""
        self._speech_request: tuple[bytes, int, int, int] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._endless = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def connection_lost(self, _exc: Exception | None) -> None:
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        if self._speech_request is None:
            self._head += data
            if _HEAD_END not in self._head:
                return
            if self._head.startswith(b"GET "):
                self._tell_its_health()
                return
            data = self._begin()
        if self._awaited is None:
            self._end = (self._end + data)[-len(_LAST_CHUNK) :]  # it may come in two
            whole = self._end == _LAST_CHUNK
        else:
            self._awaited -= len(data)
            whole = self._awaited <= 0
        if whole:
            self._answer()

    def resume_writing(self) -> None:
        if self._endless:
            self._flood()

    def _tell_its_health(self) -> None:
        assert self._transport is not None
        self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        self._head.clear()

    def _begin(self) -> bytes:
        """Take note of the request; return what of its body came with its head."""
        head, _, rest = bytes(self._head).partition(_HEAD_END)
        self._head.clear()
        asked = _ORDER.search(head)
        assert asked, head
        length = _LENGTH.search(head)
        self._speech_request = (asked[1], int(asked[2]), int(asked[3]), int(asked[4]))
        self._awaited = int(length[1]) if length else None
        return rest

    def _answer(self) -> None:
        assert self._speech_request is not None
        assert self._transport is not None
        kind, count, size, gap_ms = self._speech_request
        self._speech_request = None
        if kind == b"whole":
            head = b"HTTP/1.1 200 OK\r\nContent-Type: audio/ogg\r\nContent-Length: %d\r\n\r\n"
            self._transport.write(head % size + bytes(size))
        elif kind == b"lines":
            lines = _CHUNKED % b"application/json" + chunk(LINE) * count + _LAST_CHUNK
            self._transport.write(lines)
        elif kind == b"endless":
            self._endless = True
            self._transport.write(_CHUNKED % b"audio/ogg")
            self._flood()
        else:
            self._transport.write(_CHUNKED % b"audio/ogg")
            self._piece(self._loop.time(), count, b"." * (size - 21), gap_ms / 1000)

    def _piece(self, due: float, left: int, filler: bytes, gap: float) -> None:
        """Write a piece now, and have the next one written when it is due."""
        if self._transport is None:
            return
        piece = chunk(STAMP % time.monotonic_ns() + filler)
        if left > 1:
            self._transport.write(piece)
            args = (due + gap, left - 1, filler, gap)
            self._timer = self._loop.call_at(due + gap, self._piece, *args)
        else:
            self._transport.write(piece + _LAST_CHUNK)

    def _flood(self) -> None:
        while (transport := self._transport) is not None and not transport.is_closing():
            if transport.get_write_buffer_size():
                return
            transport.write(chunk(bytes(32768)))


async def main() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(BenchBackend, "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    uvloop.run(main())
