"""How exchanges end when two things happen at once: what the wire shows, and what is counted."""

import asyncio
import os

import pytest

from tests.support.backend import OK_CHUNKED, BackendCall, ScriptedBackend, chunk
from tests.support.gateway import Served, serving


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


async def test_the_backends_error_stands_though_the_upload_goes_on(
    gateway: Served, backend: ScriptedBackend
) -> None:
    async def script(call: BackendCall) -> None:
        await call.media()
        await call.write(b"HTTP/1.1 429 Oh\r\nContent-Length: 20\r\n\r\nslow down")
        await call.until_closed()

    backend.script = script
    async with await gateway.connect() as client:
        client.begin_upload()
        client.chunk(b"some")
        response = await client.response()

    assert (response.status, response.body) == (429, b"slow down")


@pytest.mark.parametrize("path", ["/tts", "/stt"])
async def test_a_client_of_http_1_0_that_would_stay_is_closed_on_all_the_same(
    gateway: Served, path: str
) -> None:
    async with asyncio.timeout(5):
        response = await gateway.ask(
            "POST", path, {"Connection": "keep-alive"}, b"Hello.", http="1.0"
        )

    assert response.body == b"OggS-speech"


async def test_answers_that_flow_while_they_are_broken_off_end(backend: ScriptedBackend) -> None:
    async def flowing(call: BackendCall) -> None:
        await call.whole_media()
        await call.write(OK_CHUNKED)
        while True:
            await call.write(chunk(b"a piece"))
            await asyncio.sleep(0)

    backend.script = flowing
    async with serving(backend.url, "--max-concurrency=50") as gateway:
        clients = [await gateway.connect() for _ in range(50)]
        for client in clients:
            client.request("POST", "/tts", body=b"Hello.")
            await client.head()

        async with asyncio.timeout(10):
            await gateway.gateway.begin_shutdown()
            await gateway.gateway.drain(0.1, asyncio.Event())

        assert gateway.count("tts", 503) == 50
        for client in clients:
            client.leave()
