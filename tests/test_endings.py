"""How exchanges end by their client's doing: what the wire shows, and what is counted."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.backend import (
    LAST_CHUNK,
    OK_CHUNKED,
    BackendCall,
    ScriptedBackend,
    chunk,
    says,
)
from tests.support.client import connect
from tests.support.gateway import Served, eventually, serving


@pytest.fixture
async def quick(backend: ScriptedBackend) -> AsyncIterator[Served]:
    """A gateway whose patience is a fraction of a second."""
    async with serving(backend.url, "--client-timeout=300ms", "--upstream-timeout=300ms") as served:
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
        await eventually(lambda: open_files() <= before + 1)
    assert quick.count("tts", 499) == 1


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("path", ["/tts", "/stt"])
async def test_a_client_that_leaves_mid_stream_ends_the_call(
    gateway: Served, backend: ScriptedBackend, path: str, reset: bool
) -> None:
    backend.script = says(OK_CHUNKED, chunk(b"a line\n"), then="is silent")
    client = await gateway.connect()
    client.request("POST", path, body=b"Hello.")
    await client.head()
    call = await backend.calls.get()

    client.leave(reset=reset)

    await call.closed.wait()
    await gateway.settled()
    assert gateway.count(path[1:], 499) == 1


async def test_a_client_that_leaves_in_the_middle_of_its_upload_ends_the_call(
    gateway: Served, backend: ScriptedBackend
) -> None:
    async def script(call: BackendCall) -> None:
        await call.media()
        await call.until_closed()

    backend.script = script
    client = await gateway.connect()
    client.begin_upload()
    client.chunk(b"some")
    call = await backend.calls.get()

    client.leave()

    await call.closed.wait()
    await gateway.settled()
    assert gateway.count("stt", 499) == 1


async def test_a_client_with_a_body_unread_is_missed_at_the_gate(
    backend: ScriptedBackend,
) -> None:
    async with serving(backend.url, "--max-concurrency=1", "--max-body-bytes=8000000") as gateway:
        backend.script = says(then="is silent")
        first = await gateway.connect()
        first.request("POST", "/tts", body=b"x")
        await backend.calls.get()
        second = await gateway.connect()
        second.request("POST", "/stt", body=b"y" * 8_000_000)
        while gateway.waiting("stt") == 0:
            await asyncio.sleep(0)

        second.leave(reset=True)

        while gateway.waiting("stt") == 1:
            await asyncio.sleep(0)
        assert gateway.count("stt", 499) == 1
        assert backend.seen == 1
        first.leave()


async def test_a_client_that_goes_with_the_last_byte_was_sent_all_of_it(
    gateway: Served, backend: ScriptedBackend
) -> None:
    for _ in range(50):
        async with await gateway.connect() as client:
            client.request("POST", "/stt", body=b"audio")
            await client.head()
            while await client.piece():
                pass
            client.leave(reset=True)
    await gateway.settled()

    assert gateway.count("stt", 200) == 50


async def test_an_upload_that_fails_behind_the_backends_head_breaks_the_answer(
    backend: ScriptedBackend,
) -> None:
    async def script(call: BackendCall) -> None:
        await call.media()
        await call.write(OK_CHUNKED + chunk(b"one\n"))
        while await call.media():
            pass

    backend.script = script
    async with serving(backend.url, "--max-body-bytes=100") as gateway:
        async with await gateway.connect() as client:
            client.begin_upload()
            client.chunk(b"x" * 60)
            await client.head()
            assert await client.piece() == b"one\n"
            client.chunk(b"x" * 60)
            assert await client.piece() is None
        await gateway.settled()

        assert gateway.count("stt", 413) == 1
        assert gateway.sample("gateway_rejected_total", endpoint="stt", reason="too_large") == 1


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
        before = -1
        while sent != before:
            before = sent
            await asyncio.sleep(0.2)  # nothing to wait for when nothing moves
        assert sent < len(whole) / 2, "the backend was let run ahead of its client"

        client.writer.transport.resume_reading()  # type: ignore[attr-defined]
        pieces = []
        while piece := await client.piece():
            pieces.append(piece)

    assert b"".join(pieces) == whole


async def test_nothing_is_asked_for_of_a_body_that_is_refused(gateway: Served) -> None:
    async with await gateway.connect() as client:
        client.request(
            "POST",
            "/stt",
            {"Expect": "100-continue", "Content-Type": "image/png", "Content-Length": "10"},
        )
        status, headers = await client.head()

    assert status == 415
    assert headers["connection"] == "close"


@pytest.mark.parametrize("path", ["/tts", "/stt"])
async def test_a_body_that_is_wanted_is_asked_for(gateway: Served, path: str) -> None:
    async with await gateway.connect() as client:
        client.request("POST", path, {"Expect": "100-continue", "Content-Length": "5"})
        assert (await client.head())[0] == 100
        client.write(b"Hello")
        assert (await client.response()).status == 200


async def test_a_refused_body_is_never_read_as_the_next_request(gateway: Served) -> None:
    smuggled = b"POST /tts HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx"
    async with await gateway.connect() as client:
        client.request("POST", "/stt", {"Content-Type": "image/png", "Content-Length": "5000"})
        client.write(smuggled)
        assert (await client.response()).status == 415
        client.writer.write_eof()
        assert await client.closed()

    assert gateway.count("tts", 200) == 0
