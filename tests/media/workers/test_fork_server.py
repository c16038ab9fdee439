"""The server that workers are forked from: kept running, and ended with the gateway."""

import asyncio
import errno
import os
import signal
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from speech_gateway.media.audio_errors import BROKEN, ConversionFailedError
from speech_gateway.media.workers.conversion import Conversion
from speech_gateway.media.workers.fork_server import SPARE_WORKERS
from speech_gateway.media.workers.pool import WorkerPool
from speech_gateway.startup_error import StartupError
from tests.support.converting import SECONDS, converted, rest, workers
from tests.support.media_workers import at_work, busy_workers, fork_servers
from tests.support.polling import until
from tests.support.process import children, is_gone

JOBS = "tests.support.jobs"


@pytest.fixture
async def pool() -> AsyncIterator[WorkerPool]:
    async with workers(JOBS) as started:
        yield started


async def until_gone(*pids: int) -> None:
    await until(lambda: [pid for pid in pids if not is_gone(pid)], SECONDS, equals=[])


async def test_it_keeps_workers_ready(pool: WorkerPool) -> None:
    (server,) = fork_servers()

    assert len(await until(lambda: children(server), holds=lambda c: len(c) == SPARE_WORKERS))


async def test_killed_it_takes_its_workers_with_it_and_is_started_again(
    pool: WorkerPool, caplog: pytest.LogCaptureFixture
) -> None:
    (server,) = fork_servers()
    async with at_work(pool, "hang") as (conversion, worker):
        os.kill(server, signal.SIGKILL)

        with pytest.raises(ConversionFailedError, match=BROKEN):
            await rest(conversion)
        await until_gone(server, worker)
    assert "ended with its server" in caplog.text
    assert await converted(pool, "shout", [b"next"]) == b"NEXT"


async def test_stopped_dead_it_is_killed_and_started_again(
    pool: WorkerPool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("speech_gateway.media.workers.pool.KILL_TIMEOUT", 0.2)
    (server,) = fork_servers()
    async with at_work(pool, "hang") as (conversion, worker):
        os.kill(server, signal.SIGSTOP)
        await conversion.close()

        await until_gone(server, worker)
    assert "is stuck" in caplog.text
    assert await converted(pool, "shout", [b"next"]) == b"NEXT"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_a_signal_to_the_whole_group_does_not_end_it(
    pool: WorkerPool, number: signal.Signals
) -> None:
    (server,) = fork_servers()
    async with at_work(pool, "shout") as (conversion, worker):
        os.kill(server, number)
        os.kill(worker, number)

        await conversion.end()
        assert await rest(conversion) == b"BEGIN"
    assert fork_servers() == [server]


async def test_stopped_nothing_of_it_is_left() -> None:
    async with workers(JOBS) as pool, asyncio.timeout(SECONDS):
        (server,) = fork_servers()
        spares = await until(lambda: children(server), holds=lambda c: len(c) == SPARE_WORKERS)
        async with Conversion(pool, "spin") as conversion:
            await conversion.feed(b"begin")
            (worker,) = await until(busy_workers)

            await pool.stop()

            await until_gone(server, worker, *spares)


async def test_spares_that_are_killed_are_missed_by_nobody(pool: WorkerPool) -> None:
    (server,) = fork_servers()
    for spare in await until(lambda: children(server), holds=lambda c: len(c) == SPARE_WORKERS):
        os.kill(spare, signal.SIGKILL)
        await until_gone(spare)

    assert await converted(pool, "shout", [b"next"]) == b"NEXT"


async def test_jobs_that_cannot_be_loaded_stop_the_start() -> None:
    with pytest.raises(StartupError, match="a process for media did not start"):
        async with workers("tests.support.broken_jobs"):
            pass

    assert fork_servers() == []


async def test_a_server_that_cannot_be_started_stops_the_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.executable", "/there/is/no/python")

    with pytest.raises(StartupError, match="cannot be started: No such file"):
        async with workers(JOBS):
            pass


async def test_while_there_is_no_server_a_conversion_fails_after_a_while(
    pool: WorkerPool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("speech_gateway.media.workers.pool.RESTART_TIMEOUT", 0.1)
    monkeypatch.setattr("sys.executable", "/there/is/no/python")
    (server,) = fork_servers()
    os.kill(server, signal.SIGKILL)
    await until(lambda: "starting it again" in caplog.text)
    await until(lambda: pool._control is None)  # which may be noticed a moment later

    async with Conversion(pool, "shout") as conversion:
        await conversion.feed(b"begin")
        with pytest.raises(ConversionFailedError, match=BROKEN):
            await rest(conversion)

    assert "their server does not run" in caplog.text


async def test_where_no_process_can_be_forked_that_conversion_fails_and_no_other() -> None:
    async with workers("tests.support.forkless_jobs") as pool:
        (server,) = fork_servers()
        made = []
        async with Conversion(pool, "shout") as other:
            await other.feed(b"more")
            for _ in range(6):
                with suppress(ConversionFailedError):
                    made.append(await converted(pool, "shout", [b"a"]))
            await other.end()

            assert await rest(other) == b"MORE"
        assert b"A" in made
        assert fork_servers() == [server]


async def test_out_of_files_when_the_server_dies_it_is_started_again_when_there_are_some(
    pool: WorkerPool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def no_file() -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    (server,) = fork_servers()
    with monkeypatch.context() as patch:
        patch.setattr("speech_gateway.media.workers.messages.pair", no_file)
        os.kill(server, signal.SIGKILL)
        await until(lambda: "Too many open files" in caplog.text)

    assert await converted(pool, "shout", [b"next"]) == b"NEXT"
