"""Clients that mean no good, or know no better: what is seen on the wire, and what is counted."""

import asyncio

import pytest

from tests.support.backend import ScriptedBackend
from tests.support.client import connect
from tests.support.gateway import Served, serving
from tests.support.polling import until


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # a TLS hello
        b"GET\r\n\r\n",
        b"POST /tts HTTP/1.1\r\nHost: a\r\nBad Name: x\r\n\r\n",
        b"POST /tts HTTP/1.1\r\nHost: a\r\nA: b\x00c\r\n\r\n",
        b"POST /tts HTTP/9.9\r\nHost: a\r\nContent-Length: 1\r\n\r\nx",
        b"POST /tts HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\nx",
        b"POST /tts HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
        b"POST /tts HTTP/1.1\r\nHost: a\r\n" + b"A: b\r\n" * 1000 + b"\r\n",
        b"POST /tts HTTP/1.1\r\nHost: a\r\nA: " + b"b" * 100_000 + b"\r\n\r\n",
        b"POST /" + b"t" * 100_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    ],
)
async def test_what_is_no_request_is_answered_in_a_line(
    gateway: Served, backend: ScriptedBackend, garbage: bytes
) -> None:
    async with await gateway.connect() as client:
        client.write(garbage)
        response = await client.response()
        assert await client.closed()

    assert response.status == 400
    assert response.text.count("\n") == 1
    assert "aiohttp" not in response.headers["server"]
    assert response.headers["connection"] == "close"
    assert backend.seen == 0


@pytest.mark.parametrize("path", ["/tts", "/stt"])
async def test_a_bad_chunk_late_in_the_body_is_noticed_at_once(
    gateway: Served, backend: ScriptedBackend, path: str
) -> None:
    async with await gateway.connect() as client:
        client.begin_upload(path, **{"Content-Type": ""})
        client.chunk(b"well-formed")
        await until(lambda: gateway.inflight(path[1:]), equals=1)
        if path == "/stt":
            await backend.calls.get()
        client.write(b"zz\r\nnot a chunk\r\n")
        response = await client.response()
        assert await client.closed()
    await gateway.settled()

    assert response.status == 400
    assert "malformed" in response.text
    assert gateway.count(path[1:], 400) == 1


async def test_connections_over_the_cap_are_refused_at_once(backend: ScriptedBackend) -> None:
    async with serving(backend.url, "--max-connections=3") as gateway:
        clients = [await gateway.connect() for _ in range(3)]
        for client in clients:
            assert (await client.ask("GET", "/healthz")).status == 200

        async with await gateway.connect() as one_too_many:
            response = await one_too_many.response()
            assert await one_too_many.closed()
        assert response.status == 503
        assert "too many connections" in response.text
        assert "retry-after" in response.headers

        clients.pop().leave()

        async def served_again() -> bool:
            return (await gateway.ask("GET", "/healthz")).status == 200

        await until(served_again)
        for client in clients:
            client.leave()


async def test_pipelined_requests_are_answered_in_order(gateway: Served) -> None:
    async with await gateway.connect() as client:
        client.request("POST", "/tts", {"X-Request-ID": "one"}, b"Hello.")
        client.request("POST", "/tts", {"X-Request-ID": "two"}, b"")
        client.request("POST", "/tts", {"X-Request-ID": "three"}, b"Hello.")
        responses = [await client.response() for _ in range(3)]

    assert [r.headers["x-request-id"] for r in responses] == ["one", "two", "three"]
    assert [r.status for r in responses] == [200, 400, 200]


async def test_a_gzip_bomb_is_refused_unread(gateway: Served, backend: ScriptedBackend) -> None:
    headers = {"Content-Encoding": "gzip", "Transfer-Encoding": "chunked"}

    assert (await gateway.ask("POST", "/stt", headers)).status == 415
    assert backend.seen == 0


async def test_hundreds_of_idle_connections_starve_nobody(backend: ScriptedBackend) -> None:
    async with serving(backend.url, "--max-connections=2000") as gateway:
        idle = [await connect(gateway.port) for _ in range(400)]
        assert (await gateway.speak()).status == 200
        for client in idle:
            client.leave()


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("POST /tts HTTP/2.0\r\nHost: a\r\nContent-Length: 5", 505),
        ("POST /tts HTTP/0.9\r\nHost: a\r\nContent-Length: 5", 505),
        ("POST /tts HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\nContent-Length: 5", 400),
        ("POST /tts HTTP/1.0\r\nTransfer-Encoding: chunked", 400),
        ("POST /tts HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked", 501),
        ("POST /tts HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity, chunked", 501),
        ("POST /tts HTTP/1.1\r\nHost: a b\r\nContent-Length: 5", 400),
        ("POST /tts HTTP/1.1\r\nHost: u@h\r\nContent-Length: 5", 400),
        ("POST /tts HTTP/1.1\r\nHost: a:x\r\nContent-Length: 5", 400),
        ("POST /tts HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551615", 413),
        ("GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551615", 413),
        ("POST /tts HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5", 400),
        ("POST /tts HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked", 400),
        ("POST /tts HTTP/1.1\r\nContent-Length: 5", 400),
    ],
)
async def test_a_dubious_head_is_refused_and_nothing_behind_it_is_read(
    gateway: Served, backend: ScriptedBackend, head: str, status: int
) -> None:
    async with await gateway.connect() as client:
        client.write(head + "\r\n\r\n")
        response = await client.response()
        client.write("POST /tts HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\nsmuggled")
        async with asyncio.timeout(10):
            assert await client.closed()

    assert response.status == status
    assert response.text.count("\n") == 1
    assert backend.seen == 0


async def test_nothing_is_smuggled_behind_an_offer_to_switch_protocols(
    gateway: Served, backend: ScriptedBackend
) -> None:
    smuggled = "POST /tts HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\nsmuggled"
    async with await gateway.connect() as client:
        client.write(
            "POST /tts HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: foo\r\n"
            "Content-Length: 5\r\n\r\nhello"
            f"POST /tts HTTP/1.1\r\nHost: a\r\nContent-Length: {len(smuggled)}\r\n\r\n"
        )
        response = await client.response()
        client.write(smuggled)
        assert await client.closed()

    assert response.status == 200
    assert response.headers["connection"] == "close"
    assert backend.seen == 1


@pytest.mark.parametrize(
    "flood",
    [
        b"POST /stt HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;" + b"x" * 65536,
        b"\r\n" * 32768,
    ],
)
async def test_endless_framing_is_cut_off(gateway: Served, flood: bytes) -> None:
    sent = 0
    filler = (b"x" if flood.startswith(b"POST") else b"\r\n") * 32768
    async with await gateway.connect() as client:
        client.write(flood)
        try:
            while sent < 50_000_000 and not client.writer.is_closing():
                client.write(filler)
                sent += len(filler)
                await client.writer.drain()
        except ConnectionError:
            pass
    await gateway.settled()

    assert sent < 20_000_000


async def test_more_framing_than_a_head_may_have_is_no_matter_to_a_long_body(
    backend: ScriptedBackend,
) -> None:
    async with serving(backend.url, "--max-body-bytes=30000000") as gateway:
        async with await gateway.connect() as client:
            client.begin_upload("/stt")
            for _ in range(9 * 1024):
                client.chunk(bytes(1024))
                await client.writer.drain()
            client.write(b"1\r\nx\r\n0\r\n\r\n")
            response = await client.response()

    assert (response.status, response.whole) == (200, True)
