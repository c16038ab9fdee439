"""Peers that stall, crawl or never end: what is given up, what is held back, what may go on."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.backend import (
    LAST_CHUNK,
    OK_CHUNKED,
    BackendCall,
    ScriptedBackend,
    answer,
    chunk,
)
from tests.support.client import connect
from tests.support.gateway import Served, serving
from tests.support.polling import at_rest, until


@pytest.fixture
async def quick(backend: ScriptedBackend) -> AsyncIterator[Served]:
    """A gateway whose timeouts are a fraction of a second."""
    async with serving(
        backend.url,
        "--client-timeout=300ms",
        "--upstream-timeout=300ms",
        "--max-body-bytes=400000000",
    ) as served:
        yield served


@pytest.mark.parametrize("path", ["/tts", "/stt"])
async def test_it_is_408_when_the_client_stops_sending(
    quick: Served, backend: ScriptedBackend, path: str
) -> None:
    async with await quick.connect() as client:
        client.request("POST", path, {"Content-Length": "100"})
        client.write(b"some of it")
        response = await client.response()

    assert response.status == 408
    assert response.headers["connection"] == "close"
    await quick.settled()
    assert quick.count(path[1:], 408) == 1


async def test_a_reader_that_stalls_is_broken_off(quick: Served, backend: ScriptedBackend) -> None:
    async def script(call: BackendCall) -> None:
        await call.whole_media()
        await call.write(OK_CHUNKED)
        while True:
            await call.write(chunk(b"x" * 8192))

    def open_files() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    backend.script = script
    before = open_files()
    async with await connect(quick.port, receive_buffer=4096) as client:
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        client.request("POST", "/tts", body=b"Hello.")
        call = await backend.calls.get()
        await call.closed.wait()
        await quick.settled()

        # Of the exchange only the client's own end is left, though it has taken nothing.
        await until(open_files, holds=lambda count: count <= before + 1)
    assert quick.count("tts", 499) == 1


async def test_a_dripped_head_is_given_up(quick: Served) -> None:
    async with await quick.connect() as client:
        client.write("POST /tts HTTP/1.1\r\nX-Slow: ")
        async with asyncio.timeout(5):
            while not client.writer.is_closing():
                client.write("y")
                await asyncio.sleep(0.02)  # the drip


async def test_an_idle_connection_is_closed(quick: Served) -> None:
    async with await quick.connect() as client:
        assert await client.closed()


async def test_a_client_that_takes_no_refusals_is_broken_off(quick: Served) -> None:
    async with await connect(quick.port, receive_buffer=4096) as client:
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        for _ in range(20_000):
            client.request("GET", "/tts")

        # By the gateway, or by the kernel when that is sooner (TCP_USER_TIMEOUT).
        await until(lambda: quick.count("tts", 405, "GET"))
        await until(lambda: quick.connections, 20, equals=0)
    assert quick.count("tts", 405, "GET") < 20_000


async def test_an_upload_behind_a_whole_answer_is_not_heaped_up(
    quick: Served, backend: ScriptedBackend
) -> None:
    """The backend has answered, and reads no more; the client sends on, and reads nothing."""

    async def script(call: BackendCall) -> None:
        await call.media()
        call.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await call.write(answer(bytes(500_000)))
        await call.closed.wait()

    backend.script = script
    sent = 0
    async with await connect(quick.port, receive_buffer=4096) as client:
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        client.begin_upload()
        client.chunk(b"first")
        call = await backend.calls.get()
        piece = bytes(65536)
        try:
            while sent < 200_000_000 and not call.closed.is_set():
                client.chunk(piece)
                sent += len(piece)
                await asyncio.wait_for(client.writer.drain(), timeout=5)
        except (ConnectionError, TimeoutError):
            pass
        assert sent < 50_000_000, "the gateway took an upload that nobody wants"
    await quick.settled()


async def test_a_slow_client_holds_the_backend_back_and_gets_every_byte(
    gateway: Served, backend: ScriptedBackend
) -> None:
    sent = 0
    whole = b"".join(b"%07d." % n for n in range(2_000_000))

    async def script(call: BackendCall) -> None:
        nonlocal sent
        await call.whole_media()
        await call.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(whole)}\r\n\r\n".encode())
        while sent < len(whole):
            await call.write(whole[sent : sent + 16384])
            sent += 16384

    backend.script = script
    async with await connect(gateway.port, receive_buffer=65536) as client:
        client.request("POST", "/tts", body=b"Hello.")
        await client.head()
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        assert await at_rest(lambda: sent) < len(whole) / 2, (
            "the backend was let run ahead of its client"
        )

        client.writer.transport.resume_reading()  # type: ignore[attr-defined]
        pieces = []
        while piece := await client.piece():
            pieces.append(piece)

    assert b"".join(pieces) == whole


async def test_an_upload_may_last_longer_than_any_timeout_as_long_as_it_moves(
    quick: Served, backend: ScriptedBackend
) -> None:
    async with await quick.connect() as client:
        client.begin_upload()
        call = await backend.calls.get()
        end = asyncio.get_running_loop().time() + 1.0  # three times either timeout
        while asyncio.get_running_loop().time() < end:
            client.chunk(b"live")
            await asyncio.sleep(0.05)  # the pace of a microphone, not a synchronisation
        client.end_upload()
        response = await client.response()

    assert response.status == 200
    assert call.closed.is_set()


async def test_an_answer_that_moves_keeps_a_silent_upload_alive(
    quick: Served, backend: ScriptedBackend
) -> None:
    async def script(call: BackendCall) -> None:
        await call.media()
        await call.write(OK_CHUNKED)
        for _ in range(20):
            await call.write(chunk(b"line\n"))
            await asyncio.sleep(0.05)  # the pace of speech
        assert await call.media() == b"more"
        assert await call.media() == b""
        await call.write(LAST_CHUNK)

    backend.script = script
    async with await quick.connect() as client:
        client.begin_upload()
        client.chunk(b"audio")
        await client.head()
        for _ in range(20):
            assert await client.piece() == b"line\n"
        client.chunk(b"more")
        client.end_upload()
        assert await client.piece() == b""
