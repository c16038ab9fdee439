"""Moments in which two things happen at once, and peers that do half of what is expected."""

import asyncio
import os
from collections.abc import AsyncIterator

import pytest

from speech_gateway.engine import Engine, EngineError
from tests.support.backend import OK_CHUNKED, BackendCall, ScriptedBackend, answer
from tests.support.client import connect
from tests.support.gateway import Served, serving


@pytest.fixture
async def quick(backend: ScriptedBackend) -> AsyncIterator[Served]:
    """A gateway whose patience is a fraction of a second."""
    async with serving(
        backend.url,
        "--client-timeout=300ms",
        "--upstream-timeout=300ms",
        "--max-body-bytes=400000000",
    ) as served:
        yield served


async def test_a_client_that_leaves_as_the_backends_head_comes_has_left(
    gateway: Served, backend: ScriptedBackend
) -> None:
    heard = asyncio.Event()

    async def script(call: BackendCall) -> None:
        await call.whole_media()
        heard.set()
        await call.until_closed()

    backend.script = script
    for _ in range(20):
        heard.clear()
        client = await gateway.connect()
        client.request("POST", "/tts", body=b"Hello.")
        call = await backend.calls.get()
        await heard.wait()
        # Both in the kernel before the gateway's loop turns again.
        os.write(call.writer.get_extra_info("socket").fileno(), OK_CHUNKED)
        client.leave()
        await call.closed.wait()
        await gateway.settled()

    assert gateway.count("tts", 499) == 20


@pytest.mark.parametrize("path", ["/tts", "/stt"])
async def test_a_client_of_http_1_0_that_would_stay_is_closed_on_all_the_same(
    gateway: Served, path: str
) -> None:
    async with await gateway.connect() as client:
        client.request("POST", path, {"Connection": "keep-alive"}, b"Hello.", version="1.0")
        async with asyncio.timeout(5):
            response = await client.response()

    assert response.body == b"OggS-speech"


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


async def test_the_backends_error_stands_though_the_upload_goes_on(
    quick: Served, backend: ScriptedBackend
) -> None:
    async def script(call: BackendCall) -> None:
        await call.media()
        await call.write(b"HTTP/1.1 429 Oh\r\nContent-Length: 20\r\n\r\nslow down")
        await call.until_closed()

    backend.script = script
    async with await quick.connect() as client:
        client.begin_upload()
        client.chunk(b"some")
        response = await client.response()

    assert (response.status, response.body) == (429, b"slow down")


async def test_a_client_that_takes_no_refusals_is_broken_off(quick: Served) -> None:
    async with await connect(quick.port, receive_buffer=4096) as client:
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        for _ in range(20_000):
            client.request("GET", "/tts")

        async with asyncio.timeout(20):
            while quick.count("tts", 499, "GET") == 0:
                await asyncio.sleep(0.05)  # refusals come and go until the client is given up


async def test_an_engine_that_cannot_be_started_is_said_to_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def no_process(*_args: object, **_options: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    engine = Engine()
    monkeypatch.setattr(asyncio, "create_subprocess_exec", no_process)

    with pytest.raises(EngineError, match="temporarily unavailable"):
        await engine.start()
    await engine.stop()
