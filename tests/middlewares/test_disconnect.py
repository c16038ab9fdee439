"""The client leaves: however, wherever, with whatever of its body unsent or unread."""

import asyncio
import socket
import statistics
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import pytest

from speech_gateway.server.listening_sockets import enable_keepalive
from tests.support.backend import OK_CHUNKED, BackendCall, ScriptedBackend, answer_ogg, chunk
from tests.support.client import RawClient
from tests.support.gateway import Served, serving
from tests.support.polling import until

BODY_LIMIT = 1024 * 1024

HOW: dict[str, Callable[[RawClient], None]] = {
    "with a FIN": lambda client: client.leave(),
    "with a reset": lambda client: client.leave(reset=True),
    "by half": lambda client: client.writer.write_eof(),
}


@dataclass(frozen=True)
class Body:
    """A way to send: what the endpoint gets before the client goes."""

    path: str
    send: Callable[[RawClient], None]


def small(client: RawClient) -> None:
    client.request("POST", "/tts", body=b"Hello there.")


def full(client: RawClient) -> None:
    client.request("POST", "/stt", body=bytes(BODY_LIMIT))


def live(client: RawClient) -> None:
    client.begin_upload()
    client.chunk(b"OggS, to be continued")


BODIES = {
    "a small body": Body("/tts", small),
    "a full body": Body("/stt", full),
    "a live upload": Body("/stt", live),
}


async def reading_nothing(call: BackendCall) -> None:
    """Keep the call, unread, until its connection is gone."""
    call.writer.transport.pause_reading()  # type: ignore[attr-defined]
    await asyncio.sleep(0)
    call.writer.transport.resume_reading()  # type: ignore[attr-defined]
    await call.until_closed()


async def streaming(call: BackendCall) -> None:
    await call.write(OK_CHUNKED + chunk(b"a line\n"))
    await call.until_closed()


@pytest.fixture
async def gateway(backend: ScriptedBackend) -> AsyncIterator[Served]:
    flags = ("--max-concurrency=1", f"--max-body-bytes={BODY_LIMIT}")
    async with serving(backend.url, *flags) as served:
        yield served


@pytest.fixture(params=BODIES)
def body(request: pytest.FixtureRequest) -> Body:
    return BODIES[request.param]


@pytest.fixture(params=HOW)
def leave(request: pytest.FixtureRequest) -> Callable[[RawClient], None]:
    return HOW[request.param]


async def check_all_is_as_before(gateway: Served, backend: ScriptedBackend, body: Body) -> None:
    """Check what must hold after any disconnect: counted as 499, nothing kept, the slot free."""
    await gateway.settled()
    assert gateway.count(body.path[1:], 499) == 1
    assert gateway.waiting("tts") + gateway.waiting("stt") == 0
    backend.script = answer_ogg
    assert (await gateway.speak()).status == 200
    await gateway.settled()


async def test_while_waiting_at_the_gate(
    gateway: Served, backend: ScriptedBackend, body: Body, leave: Callable[[RawClient], None]
) -> None:
    backend.script = reading_nothing
    async with await gateway.connect() as holder:
        small(holder)
        await backend.calls.get()
        client = await gateway.connect()
        body.send(client)
        await until(lambda: gateway.waiting(body.path[1:]), equals=1)

        leave(client)

        await until(lambda: gateway.waiting(body.path[1:]), equals=0)
        assert gateway.count(body.path[1:], 499) == 1
        assert backend.seen == 1, "who left the queue must not reach the backend"
        client.leave()


async def test_while_waiting_for_the_backends_headers(
    gateway: Served, backend: ScriptedBackend, body: Body, leave: Callable[[RawClient], None]
) -> None:
    backend.script = reading_nothing
    async with await gateway.connect() as client:
        body.send(client)
        call = await backend.calls.get()

        leave(client)

        await call.closed.wait()
        await check_all_is_as_before(gateway, backend, body)


async def test_mid_stream(
    gateway: Served, backend: ScriptedBackend, body: Body, leave: Callable[[RawClient], None]
) -> None:
    backend.script = streaming
    async with await gateway.connect() as client:
        body.send(client)
        await client.head()
        call = await backend.calls.get()

        leave(client)

        await call.closed.wait()
        await check_all_is_as_before(gateway, backend, body)


async def test_behind_many_pipelined_requests(gateway: Served, backend: ScriptedBackend) -> None:
    backend.script = reading_nothing
    client = await gateway.connect()
    small(client)
    for _ in range(2000):
        client.request("GET", "/healthz")
    call = await backend.calls.get()

    client.leave()

    await call.closed.wait()
    await gateway.settled()
    assert gateway.count("tts", 499) == 1


async def test_the_backends_connection_is_closed_within_100_ms(
    gateway: Served, backend: ScriptedBackend
) -> None:
    backend.script = streaming
    loop = asyncio.get_running_loop()
    took = []
    for _ in range(9):
        client = await gateway.connect()
        small(client)
        await client.head()
        call = await backend.calls.get()
        left = loop.time()
        client.leave()
        await call.closed.wait()
        took.append(loop.time() - left)

    assert statistics.median(took) < 0.1


async def test_no_task_remains_of_many_departures(
    gateway: Served, backend: ScriptedBackend
) -> None:
    backend.script = streaming
    before = len(asyncio.all_tasks())
    for _ in range(20):
        client = await gateway.connect()
        live(client)
        await client.head()
        client.leave()
        await gateway.settled()

    await until(lambda: len(asyncio.all_tasks()), holds=lambda count: count <= before)
    assert gateway.count("stt", 499) == 20


def test_the_kernel_looks_for_clients_that_fell_silent() -> None:
    with socket.socket() as sock:
        enable_keepalive(sock, 12.0)

        def option(name: int) -> int:
            return sock.getsockopt(socket.IPPROTO_TCP, name)

        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        probes = option(socket.TCP_KEEPCNT) * option(socket.TCP_KEEPINTVL)
        assert option(socket.TCP_KEEPIDLE) + probes <= 12
        assert option(socket.TCP_USER_TIMEOUT) == 12_000
