"""The client's address behind proxies: the real one, or a refusal."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from speech_gateway.config.addresses import parse_address
from tests.support.backend import OK_CHUNKED, BackendCall, ScriptedBackend, chunk
from tests.support.client import connect, connect_to_file
from tests.support.gateway import Served, serving
from tests.support.program import program, serving_program


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.1:80", "192.0.2.1"),
        ("2001:DB8::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:65535", "2001:db8::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::ffff:c000:201", "192.0.2.1"),
        ("[::ffff:192.0.2.1]:80", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::1%eth0"),
    ],
)
def test_an_address_is_found_with_and_without_a_port(text: str, address: str) -> None:
    assert str(parse_address(text)) == address


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "unknown",
            "_hidden",
            "192.0.2",
            "192.0.2.1:",
            ":80",
            "[192.0.2.1]:x",
            "[::1",
            "::1]:80",
        ),
        *(
            "[]",
            "[]:80",
            '"::1"',
            "192.0.2.1:\u0661",
            "192.0.2.1:123456",
            "256.1.1.1:80",
            "1.2.3.4 :80",
        ),
    ],
)
def test_what_is_no_address_is_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"IPv|Octet|octet|address"):
        parse_address(text)


@pytest.fixture
async def behind_proxy(backend: ScriptedBackend) -> AsyncIterator[Served]:
    async with serving(backend.url, "--trusted-hops", "127.0.0.0/8") as served:
        yield served


async def client_of(run_flags: tuple[str, ...], url: str, **headers: str) -> str:
    """Return the client as the log of a gateway with run_flags tells it."""
    async with serving_program("--skit-url", url, *run_flags) as run:
        async with await connect(run.port) as client:
            await client.speak(**headers)
            return (await run.line(r"ended with 200 .* client=(\S+)"))[1]


@pytest.mark.parametrize(
    ("hops", "forwarded", "client"),
    [
        ("127.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("127.0.0.1", "2001:db8::7", "2001:db8::7"),
        ("192.0.2.1,127.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("127.0.0.1;10.0.0.0/8", "198.51.100.7, 10.1.2.3", "198.51.100.7"),
        ("127.0.0.1", "::ffff:198.51.100.7", "198.51.100.7"),
        ("127.0.0.1", "198.51.100.7:49152", "198.51.100.7"),
        ("127.0.0.1", "[2001:db8::7]:49152", "2001:db8::7"),
        ("127.0.0.1;10.0.0.0/8", "198.51.100.7:1, [::ffff:10.1.2.3]:2", "198.51.100.7"),
        ("::ffff:127.0.0.1;::ffff:10.0.0.0/104", "198.51.100.7,10.1.2.3", "198.51.100.7"),
    ],
    ids=[
        *("one proxy", "an IPv6 client", "one of two proxies", "two proxies"),
        *("an IPv4-mapped client", "a port", "a port behind IPv6", "ports and a mapped hop"),
        "mapped hops in the settings",
    ],
)
async def test_the_clients_address_is_the_real_one(
    backend: ScriptedBackend, hops: str, forwarded: str, client: str
) -> None:
    flags = ("--trusted-hops", hops)
    assert await client_of(flags, backend.url, X_Forwarded_For=forwarded) == client


async def test_nobody_is_believed_without_being_told_so(backend: ScriptedBackend) -> None:
    assert await client_of((), backend.url, X_Forwarded_For="198.51.100.7") == "127.0.0.1"


@pytest.mark.parametrize(
    ("hops", "forwarded"),
    [
        ("127.0.0.1", None),
        ("127.0.0.1", "198.51.100.7, 192.0.2.9"),
        ("127.0.0.1", "nobody"),
        ("127.0.0.1", '"[2001:db8::7]:80"'),
        ("127.0.0.1", "198.51.100.7:http"),
        ("192.0.2.1", "198.51.100.7"),
        ("127.0.0.1;10.0.0.0/8", "198.51.100.7, 192.0.2.9"),
    ],
    ids=[
        *("no header", "an entry too many", "no address", "quotes", "no port"),
        *("another peer", "another second hop"),
    ],
)
async def test_who_did_not_come_that_way_is_refused(
    backend: ScriptedBackend, hops: str, forwarded: str | None
) -> None:
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    async with serving(backend.url, "--trusted-hops", hops) as gateway:
        refused = await gateway.speak(**headers)

        assert (refused.status, backend.seen) == (400, 0)
        assert "through its proxy" in refused.text
        assert gateway.count("tts", 400) == 1


async def test_two_headers_are_one_too_many(behind_proxy: Served) -> None:
    async with await behind_proxy.connect() as client:
        client.write(
            "POST /tts HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n"
            "X-Forwarded-For: 198.51.100.7\r\nX-Forwarded-For: 198.51.100.8\r\n\r\na"
        )
        assert (await client.response()).status == 400


async def test_the_proxys_own_questions_need_no_header(behind_proxy: Served) -> None:
    async with await behind_proxy.connect() as client:
        for path in ("/readyz", "/healthz", "/metrics"):
            assert (await client.ask("GET", path)).status == 200


async def test_a_peer_on_a_unix_socket_is_this_machine(
    backend: ScriptedBackend, tmp_path: Path
) -> None:
    path = tmp_path / "gateway.sock"
    flags = ("--listen", f"unix:{path}", "--trusted-hops", "127.0.0.1")
    async with program("--skit-url", backend.url, *flags) as run:
        await run.line("listening on unix:")
        async with await connect_to_file(path) as client:
            await client.speak(X_Forwarded_For="198.51.100.7")
        assert (await run.line(r"ended with 200 .* client=(\S+)"))[1] == "198.51.100.7"


async def test_an_ipv4_proxy_is_known_on_a_socket_for_both(backend: ScriptedBackend) -> None:
    flags = ("--listen", ":0", "--skit-url", backend.url, "--trusted-hops", "127.0.0.1")
    async with program(*flags) as run:
        port = int((await run.line(r"listening on http://localhost:(\d+)"))[1])
        async with await connect(port) as client:
            assert (await client.speak(X_Forwarded_For="198.51.100.7")).status == 200


async def test_a_live_upload_is_still_answered_meanwhile(
    behind_proxy: Served, backend: ScriptedBackend
) -> None:
    async def script(call: BackendCall) -> None:
        await call.media()
        await call.write(OK_CHUNKED + chunk(b"heard\n"))
        await call.whole_media()
        await call.write(b"0\r\n\r\n")

    backend.script = script
    async with await behind_proxy.connect() as client:
        client.begin_upload(**{"X-Forwarded-For": "198.51.100.7"})
        client.chunk(b"OggS")
        await client.head()
        assert await client.piece() == b"heard\n"
        client.end_upload()
        assert await client.piece() == b""
