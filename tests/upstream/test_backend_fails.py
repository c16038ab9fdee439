"""The backend fails, early and late: what the client sees, and what is counted."""

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest

from speech_gateway.upstream import health_check
from tests.support.backend import (
    LAST_CHUNK,
    OK_CHUNKED,
    BackendCall,
    ScriptedBackend,
    answer,
    chunk,
    says,
)
from tests.support.client import connect
from tests.support.gateway import Served, serving
from tests.support.ogg import cut_at_pages
from tests.support.paths import CASES
from tests.support.process import nobody, resident
from tests.support.program import serving_program

GIGABYTES = 2
PIECE = b"a piece"
NO_SOUND = (CASES / "streamkit-no-sound.ogg").read_bytes()
SPEECH = (CASES / "streamkit-speech.ogg").read_bytes()
PAGES = cut_at_pages(NO_SOUND)
HTML = b"<html>It works!</html>"
ERROR = b'{"error": "no such voice"}'


@pytest.fixture
async def quick(backend: ScriptedBackend) -> AsyncIterator[Served]:
    """A gateway whose timeouts are a fraction of a second."""
    async with serving(backend.url, "--client-timeout=300ms", "--upstream-timeout=300ms") as served:
        yield served


BEFORE_THE_HEAD = {
    "closes": says(),
    "resets": says(then="resets"),
    "speaks another protocol": says(b"SSH-2.0-OpenSSH_9.2\r\n"),
    "sends half a head": says(b"HTTP/1.1 200 OK\r\nContent-"),
    "sends a control character": says(b"HTTP/1.1 200 OK\r\nA: \x01b\r\nContent-Length: 0\r\n\r\n"),
    "redirects": says(answer(b"", "302 Found")),
    "is not modified": says(b"HTTP/1.1 304 Not Modified\r\n\r\n"),
    "switches protocols": says(
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"
    ),
    "sends a body of unknown length": says(b"HTTP/1.1 200 OK\r\n\r\nabc"),
    "sends an encoded body": says(
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc"
    ),
    "sends two lengths": says(
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc"
    ),
    "makes no sound": says(answer(NO_SOUND)),
    "makes no sound and takes its time": says(OK_CHUNKED, *map(chunk, PAGES), LAST_CHUNK),
    "has an empty body": says(answer(b"")),
    "has no content": says(b"HTTP/1.1 204 No Content\r\n\r\n"),
    "has only a part": says(answer(b"sound", "206 Partial Content")),
    "answers a page": says(answer(HTML, content_type="text/html")),
    "answers a page that it calls audio": says(answer(HTML)),
    "answers an object": says(answer(ERROR, content_type="application/json")),
    "answers an object that it calls audio": says(OK_CHUNKED, chunk(ERROR), LAST_CHUNK),
    "sends an endless head": says(b"HTTP/1.1 200 OK\r\n" + b"A: bcdefgh\r\n" * 20000),
}


@pytest.mark.parametrize("fault", BEFORE_THE_HEAD)
async def test_it_is_502_when_the_backend(
    gateway: Served, backend: ScriptedBackend, fault: str
) -> None:
    backend.script = BEFORE_THE_HEAD[fault]

    response = await gateway.speak()

    assert response.status == 502
    assert response.text.count("\n") == 1
    assert "127.0.0.1" not in response.text
    await gateway.settled()
    assert gateway.count("tts", 502) == 1
    assert gateway.sample("gateway_rejected_total", endpoint="tts", reason="upstream_error") == 1


async def test_it_is_502_when_the_backend_is_not_there() -> None:
    with nobody() as url:
        async with serving(url) as gateway:
            response = await gateway.speak()

    assert response.status == 502
    assert "127.0.0.1" not in response.text


async def test_it_is_not_ready_while_the_backend_is_silent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(health_check, "HEALTH_TIMEOUT", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # the kernel lets in, nobody answers
        async with serving(f"http://127.0.0.1:{silent.getsockname()[1]}") as gateway:
            looked = await gateway.ask("GET", "/readyz")

    assert (looked.status, "does not answer in time" in looked.text) == (503, True)


async def test_it_is_504_when_the_backend_is_silent(
    quick: Served, backend: ScriptedBackend
) -> None:
    backend.script = says(then="is silent")

    response = await quick.speak()

    assert response.status == 504
    await quick.settled()
    assert quick.count("tts", 504) == 1
    assert quick.sample("gateway_rejected_total", endpoint="tts", reason="upstream_error") == 1
    assert quick.sample("gateway_upstream_duration_seconds_count", endpoint="tts") == 0


async def test_it_is_504_when_the_backend_is_silent_behind_its_200(
    quick: Served, backend: ScriptedBackend
) -> None:
    backend.script = says(OK_CHUNKED, then="is silent")

    response = await quick.speak()

    assert response.status == 504
    await quick.settled()
    assert quick.count("tts", 504) == 1
    assert quick.sample("gateway_upstream_duration_seconds_count", endpoint="tts") == 1


AFTER_THE_HEAD = {
    "closes": (says(OK_CHUNKED, chunk(PIECE)), 502),
    "resets": (says(OK_CHUNKED, chunk(PIECE), then="resets"), 502),
    "sends a bad chunk": (says(OK_CHUNKED, chunk(PIECE), b"zz\r\n", then="is silent"), 502),
    "sends less than it declared": (
        says(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + PIECE),
        502,
    ),
    "falls silent": (says(OK_CHUNKED, chunk(PIECE), then="is silent"), 504),
}


@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize("fault", AFTER_THE_HEAD)
async def test_the_answer_is_broken_off_when_the_backend(
    quick: Served, backend: ScriptedBackend, fault: str, version: str
) -> None:
    script, code = AFTER_THE_HEAD[fault]
    backend.script = script

    response = await quick.ask("POST", "/tts", body=b"Hello.", http=version)

    assert response.status == 200
    assert not response.whole, "a cut answer must not pass for a whole one"
    if version == "1.1":
        assert response.body == PIECE
    await quick.settled()
    assert quick.count("tts", code) == 1
    assert quick.count("tts", 200) == 0
    assert quick.sample("gateway_upstream_duration_seconds_count", endpoint="tts") == 1


async def test_it_is_502_when_the_answer_ends_before_the_upload(
    gateway: Served, backend: ScriptedBackend
) -> None:
    """Its pipeline has failed, whatever its status says."""

    async def script(call: BackendCall) -> None:
        await call.media()
        await call.write(answer(b"enough\n", content_type="application/json"))

    backend.script = script
    async with await gateway.connect() as client:
        client.begin_upload()
        client.chunk(b"some")
        response = await client.response()

    assert (response.status, response.whole) == (502, True)
    await gateway.settled()
    assert gateway.count("stt", 502) == 1


async def test_transcripts_that_end_while_the_upload_goes_on_are_broken_off(
    gateway: Served, backend: ScriptedBackend
) -> None:
    async def script(call: BackendCall) -> None:
        await call.media()
        await call.write(OK_CHUNKED + chunk(b"heard\n"))
        await begun.wait()
        await call.write(chunk(b"more\n") + LAST_CHUNK)

    begun = asyncio.Event()
    backend.script = script
    async with await gateway.connect() as client:
        client.begin_upload()
        client.chunk(b"some")
        assert (await client.head())[0] == 200
        pieces = [await client.piece()]
        begun.set()
        while piece := await client.piece():
            pieces.append(piece)

    assert pieces == [b"heard\n", b"more\n"]
    assert piece is None, "a cut answer must not pass for a whole one"
    await gateway.settled()
    assert gateway.count("stt", 502) == 1


@pytest.mark.parametrize("content_type", ["text/html", "application/json"])
async def test_a_page_is_no_transcript(
    gateway: Served, backend: ScriptedBackend, content_type: str
) -> None:
    backend.script = says(answer(HTML, content_type=content_type))

    response = await gateway.ask("POST", "/stt", body=b"OggS")

    assert (response.status, response.whole) == (502, True)
    await gateway.settled()
    assert gateway.count("stt", 502) == 1


async def test_a_page_that_comes_later_than_its_head_is_broken_off(
    gateway: Served, backend: ScriptedBackend
) -> None:
    backend.script = says(OK_CHUNKED, chunk(HTML), LAST_CHUNK)

    try:
        response = await gateway.ask("POST", "/stt", body=b"OggS")
    except asyncio.IncompleteReadError:
        response = None

    assert response is None or response.status == 502 or not response.whole
    await gateway.settled()
    assert gateway.count("stt", 502) == 1


async def test_the_head_waits_for_no_transcript(gateway: Served, backend: ScriptedBackend) -> None:
    async def script(call: BackendCall) -> None:
        await call.media()
        await call.write(OK_CHUNKED)
        await call.closed.wait()

    backend.script = script
    async with await gateway.connect() as client:
        client.begin_upload()
        client.chunk(b"some")

        assert (await client.head())[0] == 200


async def test_the_head_waits_for_the_first_sound_and_no_longer(
    gateway: Served, backend: ScriptedBackend
) -> None:
    async def script(call: BackendCall) -> None:
        await call.whole_media()
        head, tags_and_sound, *_ = cut_at_pages(SPEECH)
        await call.write(OK_CHUNKED + chunk(head))
        await call.write(chunk(tags_and_sound))
        await call.closed.wait()

    backend.script = script
    async with await gateway.connect() as client:
        client.request("POST", "/tts", body=b"Hello.")

        assert (await client.head())[0] == 200
        assert await client.piece()


async def test_an_early_refusal_of_the_backend_is_passed_on(
    gateway: Served, backend: ScriptedBackend
) -> None:
    async def script(call: BackendCall) -> None:
        await call.media()
        await call.write(answer(b"too much", "413 Too Large", "text/plain"))

    backend.script = script
    async with await gateway.connect() as client:
        client.begin_upload()
        client.chunk(b"some")
        response = await client.response()

    assert (response.status, response.body) == (413, b"too much")
    assert response.headers["connection"] == "close"


async def test_a_backend_that_takes_no_more_of_an_upload_is_given_up(
    backend: ScriptedBackend,
) -> None:
    async def script(call: BackendCall) -> None:
        await call.closed.wait()

    backend.script = script
    async with serving(
        backend.url, "--upstream-timeout=300ms", "--max-body-bytes=30000000"
    ) as gateway:
        response = await gateway.ask("POST", "/stt", body=bytes(30_000_000))
        await gateway.settled()
        assert response.status == 504
        assert gateway.count("stt", 504) == 1


async def endless(call: BackendCall) -> None:
    """Write gigabytes, as long as anybody takes them."""
    await call.whole_media()
    await call.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (GIGABYTES << 30))
    piece = bytes(1 << 20)
    for _ in range(GIGABYTES << 10):
        await call.write(piece)


async def test_gigabytes_pass_through_and_none_is_kept(backend: ScriptedBackend) -> None:
    backend.script = endless
    async with serving_program("--skit-url", backend.url) as run:
        async with await connect(run.port) as client:
            client.request("POST", "/tts", body=b"Hello.")
            await client.head()
            received = 0
            while piece := await client.piece():
                received += len(piece)

        peak = resident(run.process.pid, peak=True)
        run.signal()
        assert await run.ended() == 0

    assert received == GIGABYTES << 30
    assert peak < 256 << 20, peak


async def test_of_an_endless_error_no_more_than_4096_bytes_are_passed_back(
    gateway: Served, backend: ScriptedBackend
) -> None:
    async def script(call: BackendCall) -> None:
        await call.whole_media()
        await call.write(b"HTTP/1.1 500 Oh\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            await call.write(chunk(b"no" * 5000))

    backend.script = script
    response = await gateway.speak()
    call = await backend.calls.get()
    await call.closed.wait()

    assert (response.status, len(response.body), response.whole) == (500, 4096, True)
