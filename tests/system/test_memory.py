"""What a request costs in memory, whatever its client and the backend do."""

import pytest

from tests.support.backend import OK_CHUNKED, BackendCall, ScriptedBackend, chunk
from tests.support.client import RawClient, connect
from tests.support.metrics_page import sum_of
from tests.support.polling import at_rest, until
from tests.support.process import resident
from tests.support.program import Program, serving_program

MANY = 100
KIB = 1024
FLAGS = ("--log-level=info", "--client-timeout=60s", "--max-body-bytes=4000000")
UNTRACED = ("env", "-u", "COVERAGE_PROCESS_CONFIG", "-u", "COVERAGE_PROCESS_START")
"""What is measured is the gateway's own memory, not what a tracer keeps."""


async def metric(run: Program, name: str) -> float:
    async with await connect(run.port) as client:
        return sum_of((await client.ask("GET", "/metrics")).text, name)


async def warmed_up(run: Program) -> int:
    for _ in range(50):
        async with await connect(run.port) as client:
            await client.speak()
    return resident(run.process.pid)


async def settled_size(run: Program) -> int:
    """Return the resident bytes once they no longer change."""
    return await at_rest(lambda: resident(run.process.pid))


async def endless(call: BackendCall) -> None:
    await call.media()
    await call.write(OK_CHUNKED)
    while True:
        await call.write(chunk(bytes(16 * KIB)))


async def quiet(call: BackendCall) -> None:
    await call.media()
    await call.write(OK_CHUNKED + chunk(b"a line\n"))
    await call.until_closed()


NESTED = b",".join([b"[]"] * 36_000)
ORDER = b'{"model": "tts-1", "input": "Hello.", "voice": "alloy", "x": [%s]}' % NESTED
"""As long as an order may be, and twenty times as large once it is parsed."""


@pytest.mark.parametrize(
    ("path", "body", "most"),
    [
        ("/tts", b"x" * 1000, 64 * KIB),
        ("/v1/audio/speech", ORDER, 64 * KIB),
        ("/stt", bytes(1_500_000), 1536 * KIB),
    ],
    ids=["a text", "an order in JSON", "an upload of which nothing is read yet"],
)
async def test_one_that_waits_at_the_gate(
    backend: ScriptedBackend, path: str, body: bytes, most: int
) -> None:
    async with serving_program(
        "--skit-url",
        backend.url,
        "--openai",
        "--max-concurrency=1",
        "--max-queue=1000",
        *FLAGS,
        before=UNTRACED,
    ) as run:
        before = await warmed_up(run)
        backend.script = quiet
        clients = [await connect(run.port) for _ in range(MANY + 1)]
        for number, client in enumerate(clients):
            # One after another: the allocator keeps room for all that was read at the same time.
            client.request("POST", path, body=body)
            await until(lambda: metric(run, "gateway_waiting_requests"), 20, equals=number)
        cost = (await settled_size(run) - before) / MANY
        leave(clients)

    assert cost < most, cost / KIB


async def test_one_that_streams(backend: ScriptedBackend) -> None:
    async with serving_program(
        "--skit-url", backend.url, f"--max-concurrency={MANY}", *FLAGS, before=UNTRACED
    ) as run:
        before = await warmed_up(run)
        backend.script = quiet
        clients = [await connect(run.port) for _ in range(MANY)]
        for client in clients:
            client.begin_upload()
            client.chunk(b"OggS" * 100)
        for client in clients:
            await client.head()
        cost = (await settled_size(run) - before) / MANY
        leave(clients)

    assert cost < 96 * KIB, cost / KIB


async def test_one_whose_client_takes_nothing(backend: ScriptedBackend) -> None:
    async with serving_program(
        "--skit-url", backend.url, f"--max-concurrency={MANY}", *FLAGS, before=UNTRACED
    ) as run:
        before = await warmed_up(run)
        backend.script = endless
        clients = [await connect(run.port, receive_buffer=4096) for _ in range(MANY)]
        for client in clients:
            client.writer.transport.pause_reading()  # type: ignore[attr-defined]
            client.request("POST", "/tts", body=b"Hello.")
        await until(lambda: backend.seen, 20, holds=lambda seen: seen >= MANY + 50)
        cost = (await settled_size(run) - before) / MANY
        leave(clients)

    assert cost < 512 * KIB, cost / KIB


def leave(clients: list[RawClient]) -> None:
    for client in clients:
        client.leave(reset=True)
