"""A backend that hangs is told in seconds, at the defaults: a process that is stopped for real."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from time import perf_counter

import pytest

from tests.bench.backend import order
from tests.support.client import Response
from tests.support.gateway import serving
from tests.support.looks import circuit, problem, ready, until_back
from tests.support.polling import until

SPEECH = {"X-Request-ID": order("whole", 1, 4000, 0)}
FIRST_BYTE_TIMEOUT = 10.0
KNOWN_WITHIN = 20.0
"""Seconds: until the next look (6 at most) and its timeout (3), and those of a second one (4)."""


@pytest.fixture
async def process() -> AsyncIterator[Process]:
    """A backend that is a process of its own; it prints its port."""
    command = (sys.executable, "-m", "tests.bench.backend")
    started = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE)
    try:
        yield started
    finally:
        started.kill()
        await started.communicate()


@pytest.mark.timeout(120)
async def test_a_stopped_backend_is_told_and_its_return_as_well(process: Process) -> None:
    assert process.stdout is not None
    port = int(await process.stdout.readline())
    async with serving(f"http://127.0.0.1:{port}") as gateway, await gateway.connect() as early:
        await until(lambda: ready(gateway), equals=1)
        assert (await gateway.ask("POST", "/tts", SPEECH, b"Hello.")).status == 200

        os.kill(process.pid, signal.SIGSTOP)
        stopped = perf_counter()
        early.request("POST", "/tts", SPEECH, b"Hello.")

        async def early_end() -> tuple[Response, float]:
            return await early.response(), perf_counter() - stopped

        ending = asyncio.create_task(early_end())
        await until(lambda: circuit(gateway), KNOWN_WITHIN, equals=1)

        asked = perf_counter()
        late = await gateway.ask("POST", "/tts", SPEECH, b"Hello.")
        assert (late.status, perf_counter() - asked < 1) == (503, True)
        assert 1 <= int(late.headers["retry-after"]) <= 8
        assert (ready(gateway), problem(gateway, "timeout")) == (0, 1)
        under_way, took = await ending
        assert (under_way.status, "retry-after" in under_way.headers) == (504, True)
        assert took < FIRST_BYTE_TIMEOUT + 2
        assert (await gateway.ask("GET", "/readyz")).status == 503

        os.kill(process.pid, signal.SIGCONT)
        await until_back(gateway)
        assert (await gateway.ask("POST", "/tts", SPEECH, b"Hello.")).status == 200
