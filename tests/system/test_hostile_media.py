"""Media that was made to hurt costs its own request, and that within bounds that are told.

The bounds are those of the table in docs/security.rst.
"""

import asyncio
import json
import os
import signal
import statistics
from collections.abc import AsyncIterator
from itertools import cycle, islice
from pathlib import Path

import pytest

from tests.support.backend import OK_CHUNKED, BackendCall, ScriptedBackend, chunk, hears
from tests.support.client import RawClient, Response, connect
from tests.support.hostile_media import HOSTILE
from tests.support.media_workers import busy_workers, fork_servers
from tests.support.openai_api import (
    FORM,
    JSON,
    ORDER,
    SPEECH_PATH,
    TRANSCRIPTIONS_PATH,
    error_of,
    form,
    send_form,
)
from tests.support.polling import until
from tests.support.process import ended_processor_seconds, is_gone, resident
from tests.support.program import Program, serving_program
from tests.support.speech import silence
from tests.support.streamkit import streamkit_speech

MAX_MEMORY = 300 * 1024 * 1024
MAX_PROCESSOR_SECONDS = 10
GONE_WITHIN = 0.2
AT_ONCE = 50
TOLD_BY_THE_HEAD = ("flac: eight hours declared",)
"""Refused before the middle."""
MP3_ORDER = json.dumps(ORDER | {"response_format": "mp3"}).encode()


@pytest.fixture
async def gateway(backend: ScriptedBackend) -> AsyncIterator[Program]:
    backend.script = hears("anything")
    flags = ("--openai", "--max-concurrency", str(AT_ONCE))
    async with serving_program("--skit-url", backend.url, *flags) as running:
        yield running


@pytest.fixture
async def idle(backend: ScriptedBackend) -> AsyncIterator[Program]:
    """Another gateway, which gets nothing to do."""
    async with serving_program("--skit-url", backend.url) as running:
        yield running


class Watch:
    """What the workers of a gateway take, and how long it takes to say that it is alive."""

    def __init__(self, gateway: Program, idle: Program) -> None:
        self.memory = 0
        """The most that all workers together held at a time."""
        self.health: list[float] = []
        self.idle: list[float] = []
        """The same, of a gateway that has nothing to do: what the machine makes of it."""
        self._gateway, self._idle = gateway, idle

    async def watch(self) -> None:
        async with (
            await connect(self._gateway.port) as client,
            await connect(self._idle.port) as other,
        ):
            while True:
                self.health.append(await healthz(client))
                self.idle.append(await healthz(other))
                held = sum(resident(worker) for worker in busy_workers(self._gateway.process.pid))
                self.memory = max(self.memory, held)
                await asyncio.sleep(0.02)


async def healthz(client: RawClient) -> float:
    """Return the seconds that the answer took."""
    loop = asyncio.get_running_loop()
    since = loop.time()
    assert (await client.ask("GET", "/healthz")).status == 200
    return loop.time() - since


async def upload(gateway: Program, data: bytes) -> Response:
    async with await connect(gateway.port) as client:
        return await send_form(client, [("file", data)])


def workers(gateway: Program) -> list[int]:
    return busy_workers(gateway.process.pid)


def told_of_the_file(response: Response) -> bool:
    return response.status == 400 and error_of(response)["message"].startswith("file: ")


@pytest.mark.parametrize("name", HOSTILE)
async def test_an_upload_costs_what_is_told_at_most(
    gateway: Program, idle: Program, name: str
) -> None:
    data = HOSTILE[name]()
    (server,) = fork_servers(gateway.process.pid)
    watch = Watch(gateway, idle)
    watching = asyncio.create_task(watch.watch())

    response = await upload(gateway, data)

    watching.cancel()
    assert response.status == 200 or told_of_the_file(response)
    await until(lambda: workers(gateway), timeout=1, equals=[])
    assert watch.memory < MAX_MEMORY
    assert ended_processor_seconds(server) < MAX_PROCESSOR_SECONDS
    assert sorted(watch.health)[len(watch.health) * 9 // 10] < 0.1


@pytest.mark.timeout(400)
async def test_fifty_of_them_at_once_cost_no_more_each(gateway: Program, idle: Program) -> None:
    uploads = {name: make() for name, make in HOSTILE.items()}
    (server,) = fork_servers(gateway.process.pid)
    watch = Watch(gateway, idle)
    watching = asyncio.create_task(watch.watch())

    responses = await asyncio.gather(
        *(upload(gateway, uploads[name]) for name in islice(cycle(uploads), AT_ONCE))
    )

    watching.cancel()
    wrong = [r.text for r in responses if not (r.status == 200 or told_of_the_file(r))]
    assert wrong == []
    await until(lambda: workers(gateway), timeout=1, equals=[])
    assert watch.memory < AT_ONCE * MAX_MEMORY
    assert ended_processor_seconds(server) < AT_ONCE * MAX_PROCESSOR_SECONDS
    assert statistics.median(watch.health) < max(0.1, 2 * statistics.median(watch.idle))
    assert (await upload(gateway, silence(1.0))).status == 200


async def begin(gateway: Program, data: bytes) -> RawClient:
    """Send the first half of a file."""
    body = form([("file", data)])
    client = await connect(gateway.port)
    client.request("POST", TRANSCRIPTIONS_PATH, FORM | {"Content-Length": str(len(body))})
    client.write(body[: len(body) // 2])
    return client


async def leave_in_the_middle(gateway: Program, data: bytes) -> float:
    """Return how many seconds a worker was there after its client had left."""
    client = await begin(gateway, data)
    (worker,) = await until(lambda: workers(gateway))
    loop = asyncio.get_running_loop()
    since = loop.time()
    client.leave(reset=True)
    await until(lambda: is_gone(worker))
    return loop.time() - since


@pytest.mark.parametrize("name", [name for name in HOSTILE if name not in TOLD_BY_THE_HEAD])
async def test_a_client_that_leaves_takes_its_worker_with_it(
    gateway: Program, idle: Program, name: str
) -> None:
    data = HOSTILE[name]()

    took = [await leave_in_the_middle(gateway, data) for _ in range(5)]

    assert statistics.median(took) < GONE_WITHIN


async def test_no_codec_is_in_the_gateways_own_process(gateway: Program) -> None:
    assert (await upload(gateway, silence(1.0))).status == 200

    (server,) = fork_servers(gateway.process.pid)
    assert "libavcodec" in Path(f"/proc/{server}/maps").read_text()
    assert "libavcodec" not in Path(f"/proc/{gateway.process.pid}/maps").read_text()


ENDLESS = HOSTILE["matroska: laced"]()
"""It takes all the processor time that it may."""


@pytest.mark.parametrize("signals", [1, 2])
async def test_sigterm_ends_the_gateway_whatever_a_codec_does(
    backend: ScriptedBackend, signals: int
) -> None:
    drain = "1" if signals == 1 else "600"
    flags = ("--skit-url", backend.url, "--openai", "--drain-timeout", drain)
    async with serving_program(*flags) as gateway:
        (server,) = fork_servers(gateway.process.pid)
        async with await begin(gateway, ENDLESS):
            (worker,) = await until(lambda: workers(gateway))
            async with asyncio.timeout(10):
                gateway.signal(signal.SIGTERM)
                await gateway.line("stopping: ")
                if signals == 2:
                    gateway.signal(signal.SIGTERM)
                assert await gateway.ended() == 0

    assert is_gone(worker)
    assert is_gone(server)


@pytest.mark.parametrize("killed", ["the worker", "the server"])
async def test_what_is_killed_costs_its_own_request_and_is_counted(
    gateway: Program, killed: str
) -> None:
    (server,) = fork_servers(gateway.process.pid)
    async with await begin(gateway, silence(10.0)) as client:
        (worker,) = await until(lambda: workers(gateway))

        os.kill(worker if killed == "the worker" else server, signal.SIGKILL)

        response = await client.response()
    async with await connect(gateway.port) as scraper:
        page = (await scraper.ask("GET", "/metrics")).text
    assert response.status == 500
    assert 'gateway_conversions_total{end="crashed"} 1.0' in page
    assert (await upload(gateway, silence(1.0))).status == 200


async def test_a_worker_that_is_killed_in_an_answer_breaks_that_answer(
    backend: ScriptedBackend, gateway: Program
) -> None:
    async def speak_and_wait(call: BackendCall) -> None:
        speech = streamkit_speech(5.0)
        await call.write(OK_CHUNKED + chunk(speech[: len(speech) // 2]))
        await call.until_closed()

    backend.script = speak_and_wait
    async with await connect(gateway.port) as client:
        client.request("POST", SPEECH_PATH, JSON, MP3_ORDER)
        assert (await client.head())[0] == 200
        (worker,) = workers(gateway)

        os.kill(worker, signal.SIGKILL)

        while piece := await client.piece():
            pass
        assert piece is None


async def test_a_slot_is_given_back_when_its_worker_is_gone(backend: ScriptedBackend) -> None:
    backend.script = hears("anything")
    flags = ("--openai", "--max-concurrency", "1", "--queue-timeout", "0.5s")
    async with serving_program("--skit-url", backend.url, *flags) as gateway:
        (server,) = fork_servers(gateway.process.pid)
        client = await begin(gateway, silence(10.0))
        (worker,) = await until(lambda: workers(gateway))

        os.kill(server, signal.SIGSTOP)  # so that it kills nobody, and tells of no end
        client.leave(reset=True)
        meanwhile = await upload(gateway, silence(1.0))
        os.kill(server, signal.SIGCONT)
        afterwards = await upload(gateway, silence(1.0))

    assert meanwhile.status == 503
    assert afterwards.status == 200
    assert is_gone(worker)
