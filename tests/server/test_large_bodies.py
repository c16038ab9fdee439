"""Bodies of real sizes, at the documented defaults: served to the last byte, or refused so that
the client gets to read why.
"""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from tests.support.audio import silent_wav
from tests.support.backend import ScriptedBackend, hears
from tests.support.client import Response
from tests.support.gateway import Served, serving
from tests.support.openai_api import BEFORE_FILE, BEHIND_FILE, FORM, TRANSCRIPTIONS_PATH

MIB = 1024 * 1024
BODY_LIMIT = MIB
TEXT_LIMIT = 1000
UPLOAD_LIMIT = 25 * MIB

Pieces = Callable[[bytes], Iterator[bytes]]


def at_once(data: bytes) -> Iterator[bytes]:
    yield data


def in_odd_pieces(data: bytes) -> Iterator[bytes]:
    for at in range(0, len(data), 65_521):
        yield data[at : at + 65_521]


async def send(
    gateway: Served,
    path: str,
    content_type: str,
    body: bytes,
    *,
    chunked: bool = False,
    cut: Pieces = at_once,
) -> Response:
    async with asyncio.timeout(50), await gateway.connect() as client:
        framing = (
            {"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": str(len(body))}
        )
        client.request("POST", path, {"Content-Type": content_type, **framing})
        for piece in cut(body):
            (client.chunk if chunked else client.write)(piece)
            await client.writer.drain()
        if chunked:
            client.end_upload()
        return await client.response()


@pytest.mark.parametrize("cut", [at_once, in_odd_pieces])
@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("over", [0, 1])
async def test_audio_of_the_limit_and_one_byte_more(
    gateway: Served, backend: ScriptedBackend, over: int, chunked: bool, cut: Pieces
) -> None:
    audio = b"OggS" + bytes(BODY_LIMIT - 4 + over)

    response = await send(gateway, "/stt", "audio/ogg", audio, chunked=chunked, cut=cut)

    await gateway.settled()
    assert (response.status, response.whole) == ((413, True) if over else (200, True))
    assert gateway.count("stt", response.status) == 1


@pytest.mark.parametrize("character", ["a", "я", "字", "🦊"])
@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("over", [0, 1])
async def test_a_text_of_the_limit_and_one_character_more(
    gateway: Served, over: int, chunked: bool, character: str
) -> None:
    text = (character * (TEXT_LIMIT + over)).encode()

    response = await send(gateway, "/tts", "text/plain", text, chunked=chunked)

    assert (response.status, response.whole) == (413 if over else 200, True)


async def transcribe(gateway: Served, body: bytes, *, chunked: bool) -> Response:
    path, content_type = TRANSCRIPTIONS_PATH, FORM["Content-Type"]
    response = await send(gateway, path, content_type, body, chunked=chunked, cut=in_odd_pieces)
    await gateway.settled()
    return response


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("size", [MIB // 16, MIB // 4, MIB, 2 * MIB + 1, 5 * MIB, UPLOAD_LIMIT])
async def test_a_file_of_any_size_up_to_the_limit_is_transcribed(
    backend: ScriptedBackend, size: int, chunked: bool
) -> None:
    backend.script = hears("heard")
    body = BEFORE_FILE + silent_wav(size) + BEHIND_FILE
    async with serving(backend.url, "--openai") as gateway:
        response = await transcribe(gateway, body, chunked=chunked)

        assert (response.status, response.whole) == (200, True), response.body
        assert gateway.count("stt", 200) == 1


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_file_of_one_byte_more_is_refused(backend: ScriptedBackend, chunked: bool) -> None:
    backend.script = hears("heard")
    body = BEFORE_FILE + silent_wav(UPLOAD_LIMIT) + b"x" + BEHIND_FILE
    async with serving(backend.url, "--openai") as gateway:
        response = await transcribe(gateway, body, chunked=chunked)

        assert (response.status, response.whole) == (413, True)
        assert str(UPLOAD_LIMIT) in response.text


def looks_after_sending(
    port: int, head: str, size: int, bytes_a_second: float | None = None
) -> tuple[int, bytes]:
    """Send a request with size bytes of body, then look; return the status and what came."""
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.settimeout(50)
        sock.sendall(head.encode() + b"Content-Length: %d\r\n\r\n" % size)
        sent, began = 0, time.monotonic()
        while sent < size:
            piece = min(65_536, size - sent)
            sock.sendall(bytes(piece))
            sent += piece
            if bytes_a_second is not None:
                # A pace, not a wait for something to happen.
                time.sleep(max(0.0, began + sent / bytes_a_second - time.monotonic()))
        answer = b""
        while b"\r\n\r\n" not in answer and (piece_read := sock.recv(65_536)):
            answer += piece_read
    return int(answer.split(b" ", 2)[1]), answer


REFUSED = {
    413: "POST /stt HTTP/1.1\r\nHost: a\r\nContent-Type: audio/ogg\r\n",
    415: "POST /stt HTTP/1.1\r\nHost: a\r\nContent-Type: image/png\r\n",
    404: "POST /nowhere HTTP/1.1\r\nHost: a\r\n",
    405: "DELETE /stt HTTP/1.1\r\nHost: a\r\n",
}


@pytest.mark.parametrize("status", REFUSED)
async def test_who_looks_only_after_sending_40_mb_reads_the_refusal(
    gateway: Served, status: int
) -> None:
    sends = [
        asyncio.to_thread(looks_after_sending, gateway.port, REFUSED[status], 40_000_000)
        for _ in range(4)
    ]

    answers = await asyncio.gather(*sends)

    assert [answer[0] for answer in answers] == [status] * 4


async def test_who_sends_slowly_reads_the_refusal_too(gateway: Served) -> None:
    pace = 1_000_000

    status, _ = await asyncio.to_thread(
        looks_after_sending, gateway.port, REFUSED[413], 6_000_000, pace
    )

    assert status == 413


@pytest.fixture
async def with_keys(backend: ScriptedBackend, tmp_path: Path) -> AsyncIterator[Served]:
    keys = tmp_path / "keys"
    keys.write_text("somebody a-key-of-sixteen-bytes\n")
    async with serving(backend.url, "--client-keys", str(keys), "--max-connections=1") as served:
        yield served


async def test_who_has_no_key_reads_the_refusal(with_keys: Served) -> None:
    status, _ = await asyncio.to_thread(
        looks_after_sending, with_keys.port, REFUSED[413], 20_000_000
    )

    assert status == 401


async def test_who_comes_over_the_cap_on_connections_reads_the_refusal(with_keys: Served) -> None:
    async with await with_keys.connect() as first:
        assert (await first.ask("GET", "/healthz")).status == 200

        status, told = await asyncio.to_thread(
            looks_after_sending, with_keys.port, REFUSED[413], 20_000_000
        )

    assert status == 503
    assert b"too many connections" in told


async def test_who_falls_silent_in_a_refused_body_is_let_go(gateway: Served) -> None:
    async with asyncio.timeout(20), await gateway.connect() as client:
        client.request("POST", "/stt", {"Content-Length": "40000000"})
        client.write(bytes(3 * MIB))
        await client.writer.drain()

        assert (await client.response()).status == 413
        assert await client.closed()
