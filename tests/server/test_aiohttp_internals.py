"""aiohttp's inside is what the gateway expects; where it is not, the start says so."""

import asyncio
import socket
import subprocess
import sys

import pytest
from aiohttp import StreamReader, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.base_protocol import BaseProtocol
from aiohttp.web_protocol import RequestHandler

from speech_gateway.server.aiohttp_internals import check, read_bufsize
from speech_gateway.startup_error import StartupError
from tests.support.backend import BackendCall, ScriptedBackend, answer
from tests.support.gateway import Served, serving
from tests.support.polling import until


async def test_the_inside_of_the_installed_version_is_as_expected() -> None:
    check()


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (RequestHandler, "_messages"),
        (RequestHandler, "_current_request"),
        (RequestHandler, "_payload_parser"),
        (RequestHandler, "force_close"),
    ],
)
async def test_a_name_that_is_gone_is_told(
    monkeypatch: pytest.MonkeyPatch, owner: type, name: str
) -> None:
    monkeypatch.delattr(owner, name)

    with pytest.raises(StartupError, match=rf"\({owner.__name__}\.{name}\)"):
        check()


@pytest.mark.parametrize(
    ("owner", "name", "value"),
    [
        (web.StreamResponse, "_send_headers_immediately", None),
        (web.Response, "_send_headers_immediately", True),
        (RequestHandler, "_handle_request", RequestHandler.data_received),
        (RequestHandler, "data_received", RequestHandler.handle_error),
    ],
)
async def test_what_has_become_something_else_is_told(
    monkeypatch: pytest.MonkeyPatch, owner: type, name: str, value: object
) -> None:
    monkeypatch.setattr(owner, name, value)

    with pytest.raises(StartupError, match="is not one that the gateway can run on"):
        check()


async def test_a_gateway_does_not_start_on_another_inside(
    backend: ScriptedBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(AbstractStreamWriter, "output_size")

    with pytest.raises(StartupError, match="output_size"):
        async with serving(backend.url):
            pass


class Reading(BaseProtocol):
    """A connection that only notes that reading was paused."""

    paused = False

    def pause_reading(self) -> None:
        self.paused = True


def test_the_program_tells_of_a_name_that_cannot_be_imported() -> None:
    code = (
        "import sys, aiohttp.web_protocol as inside; del inside._ErrInfo; "
        "from speech_gateway.__main__ import main; sys.exit(main(['--listen', '127.0.0.1:0']))"
    )

    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False
    )

    assert run.returncode == 2  # another start would end like this
    assert run.stderr.count("\n") == 1
    assert "is not one that the gateway can run on (cannot import name '_ErrInfo'" in run.stderr


async def test_reading_pauses_past_the_read_ahead() -> None:
    loop = asyncio.get_running_loop()
    reading = Reading(loop)
    body = StreamReader(reading, read_bufsize(1000), loop=loop)

    body.feed_data(b"." * 1000)
    assert not reading.paused
    body.feed_data(b".")
    assert reading.paused


async def test_the_head_leaves_with_the_first_bytes(
    gateway: Served, backend: ScriptedBackend
) -> None:
    async def script(call: BackendCall) -> None:
        await call.whole_media()
        await call.write(answer(b"OggS" * 10))

    backend.script = script
    loop = asyncio.get_running_loop()
    with socket.create_connection(("127.0.0.1", gateway.port)) as client:
        client.setblocking(False)
        await loop.sock_sendall(
            client, b"POST /tts HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nHello."
        )
        first_segment = await loop.sock_recv(client, 65536)

    assert first_segment.startswith(b"HTTP/1.1 200 ")
    assert b"OggS" in first_segment


async def test_more_framing_than_body_ends_the_connection(gateway: Served) -> None:
    async with await gateway.connect() as client:
        client.write("POST /stt HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        await until(lambda: gateway.inflight("stt") == 1)
        for _ in range(40):
            client.write(b"1;" + b"x" * 4000 + b"\r\n.\r\n")
        assert await client.closed()
