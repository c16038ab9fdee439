"""The load's clients: they send a request, and note when what came."""

import asyncio
import re
import time
from dataclasses import dataclass, field

_STAMP = re.compile(rb"@(\d{19})@")
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)", re.IGNORECASE)
_STAMP_SIZE = 21
_LAST_CHUNK = b"0\r\n\r\n"


@dataclass
class Times:
    """What the clients saw: nanoseconds."""

    first_bytes: list[int] = field(default_factory=list)
    """From the request to the first byte of the answer's body."""
    delays: list[int] = field(default_factory=list)
    """From the backend's write of a piece to its arrival."""


class Connection(asyncio.Protocol):
    """One client's connection, for one exchange after another."""

    def __init__(self, times: Times) -> None:
        self._times = times
        self._transport: asyncio.Transport | None = None
        self._begun = 0
        self._head: bytearray | None = None
        self._awaited: int | None = None
        self._first_byte_seen = False
        self._tail = b""
        self._answered: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(exc or ConnectionError("closed before the answer's end"))

    async def exchange(self, request: bytes) -> None:
        """Send request, and wait for the whole answer."""
        assert self._transport is not None
        self._head, self._awaited = bytearray(), None
        self._first_byte_seen = False
        self._answered = asyncio.get_running_loop().create_future()
        self._begun = time.monotonic_ns()
        self._transport.write(request)
        await self._answered

    def stall(self, request: bytes) -> None:
        """Send request, and read nothing of what comes."""
        assert self._transport is not None
        self._transport.pause_reading()
        self._transport.write(request)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        now = time.monotonic_ns()
        if self._head is not None:
            self._head += data
            head, end, data = bytes(self._head).partition(b"\r\n\r\n")
            if not end:
                return
            if not head.startswith(b"HTTP/1.1 200"):
                raise ConnectionError(f"not served: {head!r}")
            length = _LENGTH.search(head)
            self._awaited = int(length[1]) if length else None
            self._head = None
        if not data:
            return
        if not self._first_byte_seen:
            self._first_byte_seen = True
            self._times.first_bytes.append(now - self._begun)
        self._note(data, now)

    def _note(self, data: bytes, now: int) -> None:
        seen = self._tail + data
        end = 0
        for match in _STAMP.finditer(seen):
            self._times.delays.append(now - int(match[1]))
            end = match.end()
        self._tail = seen[max(end, len(seen) - _STAMP_SIZE + 1) :]
        if self._awaited is None:
            whole = seen.endswith(_LAST_CHUNK)
        else:
            self._awaited -= len(data)
            whole = self._awaited <= 0
        if whole and self._answered is not None:
            self._tail = b""
            self._answered.set_result(None)


async def connect(port: int, times: Times) -> Connection:
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(lambda: Connection(times), "127.0.0.1", port)
    return connection


def request(path: str, order: str, body: bytes) -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: bench\r\nX-Request-ID: {order}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def one_after_another(
    port: int, message: bytes, *, clients: int, each: int, within: float = 0.0, kept: bool = False
) -> Times:
    """Have clients send message each times, their starts spread evenly over within seconds.

    A client stays on its connection when that is to be kept, else each request has its own.
    """
    times = Times()

    async def client(index: int) -> None:
        await asyncio.sleep(within * index / clients)
        connection = await connect(port, times)
        for turn in range(each):
            if turn and not kept:
                connection.close()
                connection = await connect(port, times)
            await connection.exchange(message)
        connection.close()

    await asyncio.gather(*map(client, range(clients)))
    return times


async def paced_requests(
    port: int, message: bytes, *, clients: int, each: int, gap: float
) -> Times:
    """Have clients send message each times, on connections of their own, one every gap seconds."""
    times = Times()
    loop = asyncio.get_running_loop()
    start = loop.time()

    async def client(index: int) -> None:
        for turn in range(each):
            due = start + gap * (turn + index / clients)
            await asyncio.sleep(due - loop.time())
            connection = await connect(port, times)
            await connection.exchange(message)
            connection.close()

    await asyncio.gather(*map(client, range(clients)))
    return times
