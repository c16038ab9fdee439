"""A conversion by a worker: fed, read, given up; bounded, and never left behind."""

import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator, Callable

import pytest

from speech_gateway.media.audio_errors import (
    BROKEN,
    TOO_COSTLY,
    BadAudioError,
    ConversionFailedError,
)
from speech_gateway.media.workers.conversion import Conversion
from speech_gateway.media.workers.ends import End
from speech_gateway.media.workers.fork_server import SPARE_WORKERS
from speech_gateway.media.workers.pool import WorkerPool
from speech_gateway.timeout_checker import TimeoutChecker
from tests.support.converting import SECONDS, converted, read_until, rest, workers
from tests.support.jobs import TOO_LOUD
from tests.support.media_workers import at_work, busy_workers, fork_servers
from tests.support.polling import at_rest, until
from tests.support.process import children, is_gone, processor_seconds

JOBS = "tests.support.jobs"
MORE_THAN_IS_BUFFERED = bytes(2 * 1024 * 1024)


@pytest.fixture
def ends() -> list[End]:
    """How the conversions of the pool ended."""
    return []


@pytest.fixture
async def pool(ends: list[End]) -> AsyncIterator[WorkerPool]:
    async with workers(JOBS, on_end=ends.append) as started:
        yield started


@pytest.fixture
def impatient(pool: WorkerPool, monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Have workers given up after so many seconds of silence."""

    def set_timeout(seconds: float) -> None:
        monkeypatch.setattr("speech_gateway.media.workers.conversion.STALL_TIMEOUT", seconds)
        pool.stalls = TimeoutChecker(seconds)

    return set_timeout


async def failure(conversion: Conversion) -> Exception:
    """Return what is raised instead of the rest."""
    with pytest.raises((BadAudioError, ConversionFailedError)) as caught:
        await rest(conversion)
    return caught.value


async def test_what_is_fed_comes_back_converted(pool: WorkerPool, ends: list[End]) -> None:
    assert await converted(pool, "shout", [b"one ", b"two ", b"three"]) == b"ONE TWO THREE"
    assert ends == [End.DONE]


def test_it_works_on_asyncio_s_own_loop_too() -> None:
    async def shouted() -> bytes:
        async with workers(JOBS) as pool:
            return await converted(pool, "shout", [b"a"] * 1000)

    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        assert runner.run(shouted()) == b"A" * 1000


async def test_output_is_there_before_the_input_ends(pool: WorkerPool) -> None:
    async with Conversion(pool, "shout") as conversion:
        await conversion.feed(b"early")

        assert await read_until(conversion, lambda made: len(made) == 5) == b"EARLY"

        await conversion.end()
        assert await conversion.read() == b""
        assert await conversion.read() == b""


async def test_no_input_at_all_is_converted_too(pool: WorkerPool) -> None:
    async with Conversion(pool, "swallow") as conversion:
        await conversion.end()

        assert await rest(conversion) == b"0"


async def test_who_feeds_waits_while_the_worker_is_behind(pool: WorkerPool) -> None:
    async with Conversion(pool, "shout") as conversion:
        feeding = asyncio.create_task(conversion.feed(MORE_THAN_IS_BUFFERED))
        waited, _ = await asyncio.wait([feeding], timeout=0.3)

        made = await read_until(conversion, lambda made: len(made) == len(MORE_THAN_IS_BUFFERED))
        await feeding

    assert not waited
    assert made == MORE_THAN_IS_BUFFERED


async def test_the_worker_waits_while_the_reader_is_behind(pool: WorkerPool) -> None:
    async with Conversion(pool, "flood") as conversion:
        await conversion.feed(b"begin")
        await conversion.read()
        (worker,) = await until(busy_workers)
        await at_rest(lambda: processor_seconds(worker), pause=0.1)

        assert await read_until(conversion, lambda made: len(made) > 4_000_000)


async def test_a_cancelled_read_has_taken_nothing(pool: WorkerPool) -> None:
    async with Conversion(pool, "shout") as conversion:
        await conversion.feed(b"")
        reading = asyncio.create_task(conversion.read())
        await asyncio.wait([reading], timeout=0.05)
        reading.cancel()
        await asyncio.wait([reading])
        await conversion.feed(b"all")
        await conversion.end()

        assert await rest(conversion) == b"ALL"


@pytest.mark.parametrize("job", ["shout", "flood", "spin", "hang"])
async def test_given_up_its_worker_is_gone_in_a_moment(
    pool: WorkerPool, ends: list[End], job: str
) -> None:
    loop = asyncio.get_running_loop()
    async with at_work(pool, job) as (conversion, worker):
        since = loop.time()
        await conversion.close()
        took = loop.time() - since

        assert is_gone(worker)
    assert took < 0.2
    assert ends == [End.GIVEN_UP]


async def test_given_up_nobody_waits_for_it(pool: WorkerPool) -> None:
    async with Conversion(pool, "hang") as conversion:
        reading = asyncio.create_task(conversion.read())
        feeding = asyncio.create_task(conversion.feed(MORE_THAN_IS_BUFFERED))
        await asyncio.wait([reading, feeding], timeout=0.1)

        conversion.give_up()

        async with asyncio.timeout(SECONDS):
            await asyncio.wait([reading, feeding])
            await conversion.feed(MORE_THAN_IS_BUFFERED)
    assert isinstance(reading.exception(), BadAudioError)


async def test_given_up_before_it_began_it_takes_no_worker(
    pool: WorkerPool, ends: list[End]
) -> None:
    async with Conversion(pool, "shout") as conversion:
        conversion.give_up()
        await conversion.feed(b"more")
        await conversion.end()

        assert isinstance(await failure(conversion), BadAudioError)
    assert ends == []


@pytest.mark.parametrize(
    ("job", "end", "kind", "told", "logged"),
    [
        ("complain", End.BAD_AUDIO, BadAudioError, TOO_LOUD, ""),
        ("fail", End.FAILED, ConversionFailedError, BROKEN, "(fail) failed: KeyError: 'inside'"),
        ("allocate", End.TOO_COSTLY, BadAudioError, TOO_COSTLY, ""),
        ("spin", End.TOO_COSTLY, BadAudioError, TOO_COSTLY, ""),
        ("crash", End.CRASHED, ConversionFailedError, BROKEN, "(crash) was ended by SIG"),
    ],
)
async def test_a_failure_is_told_in_a_sentence_and_counted(
    pool: WorkerPool,
    ends: list[End],
    caplog: pytest.LogCaptureFixture,
    job: str,
    end: End,
    kind: type[Exception],
    told: str,
    logged: str,
) -> None:
    caplog.set_level(logging.ERROR)

    async with Conversion(pool, job) as conversion:
        await conversion.feed(b"begin")
        raised = await failure(conversion)
        await conversion.feed(MORE_THAN_IS_BUFFERED)

    assert (type(raised), str(raised)) == (kind, told)
    assert ends == [end]
    assert [logged in record.getMessage() for record in caplog.records] == [True] * bool(logged)
    assert await converted(pool, "shout", [b"next"]) == b"NEXT"


async def test_what_was_written_before_a_failure_is_there_with_its_seconds(
    pool: WorkerPool,
) -> None:
    async with Conversion(pool, "complain") as conversion:
        await conversion.feed(b"begin")

        assert await conversion.read() == b"some"
        assert conversion.seconds == 1.5
        assert str(await failure(conversion)) == TOO_LOUD


@pytest.mark.parametrize(
    ("job", "patience", "told", "end"),
    [
        ("hang", 0.2, BROKEN, End.STALLED),
        ("spin", 1.0, TOO_COSTLY, End.TOO_COSTLY),  # it works in silence, which is no hanging
    ],
)
async def test_a_silent_worker_is_given_up_when_it_does_nothing(
    pool: WorkerPool,
    ends: list[End],
    impatient: Callable[[float], None],
    job: str,
    patience: float,
    told: str,
    end: End,
) -> None:
    impatient(patience)

    async with Conversion(pool, job) as conversion:
        await conversion.feed(b"begin")
        await conversion.end()

        assert str(await failure(conversion)) == told
    assert ends == [end]


async def test_a_worker_that_closes_its_end_and_lives_on_costs_nobody_else(
    pool: WorkerPool, ends: list[End]
) -> None:
    async with Conversion(pool, "shout") as other:
        await other.feed(b"more")
        async with Conversion(pool, "close_the_link") as conversion:
            await conversion.feed(b"begin")
            assert str(await failure(conversion)) == BROKEN
        await other.end()

        assert await rest(other) == b"MORE"
    assert ends == [End.CRASHED, End.DONE]


async def test_a_worker_that_says_that_it_is_done_and_is_not_holds_nobody(
    pool: WorkerPool,
) -> None:
    async with asyncio.timeout(SECONDS), Conversion(pool, "pretend") as conversion:
        feeding = asyncio.create_task(conversion.feed(MORE_THAN_IS_BUFFERED))

        assert await rest(conversion) == b""
        await feeding


async def test_a_worker_that_hangs_under_a_server_that_hangs_is_given_up(
    pool: WorkerPool,
    ends: list[End],
    impatient: Callable[[float], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    impatient(0.2)
    monkeypatch.setattr("speech_gateway.media.workers.pool.KILL_TIMEOUT", 0.2)
    (server,) = fork_servers()

    async with Conversion(pool, "hang") as conversion:
        await conversion.feed(b"begin")
        await conversion.end()
        os.kill(server, signal.SIGSTOP)
        assert str(await failure(conversion)) == BROKEN
    assert ends == [End.STALLED]
    assert await converted(pool, "shout", [b"next"]) == b"NEXT"


async def test_given_up_while_its_worker_is_waited_for_it_leaves_none(
    pool: WorkerPool,
) -> None:
    pool._ready.clear()  # as while the server is started again
    async with asyncio.timeout(SECONDS), Conversion(pool, "hang") as conversion:
        feeding = asyncio.create_task(conversion.feed(b"begin"))
        await asyncio.wait([feeding], timeout=0.05)
        conversion.give_up()
        pool._ready.set()
        await feeding

    assert busy_workers() == []
    assert await converted(pool, "shout", [b"next"]) == b"NEXT"


async def test_what_was_never_begun_is_no_conversion(pool: WorkerPool, ends: list[End]) -> None:
    async with Conversion(pool, "shout"):
        pass

    assert ends == []


async def test_a_worker_that_waits_for_input_does_not_hang(
    pool: WorkerPool, impatient: Callable[[float], None]
) -> None:
    impatient(0.1)

    async with Conversion(pool, "shout") as conversion:
        await conversion.feed(b"slow")
        reading = asyncio.create_task(rest(conversion))
        await asyncio.wait([reading], timeout=0.5)  # a client that says nothing for a while
        await conversion.feed(b"ly")
        await conversion.end()

        assert await reading == b"SLOWLY"


async def test_a_worker_that_is_killed_costs_its_own_conversion(
    pool: WorkerPool, caplog: pytest.LogCaptureFixture
) -> None:
    async with Conversion(pool, "shout") as conversion, Conversion(pool, "shout") as other:
        await conversion.feed(b"begin")
        (worker,) = await until(busy_workers)
        await other.feed(b"more")

        os.kill(worker, signal.SIGKILL)

        assert str(await failure(conversion)) == BROKEN
        await other.end()
        assert await rest(other) == b"MORE"
    assert "was ended by SIGKILL" in caplog.text


async def test_what_a_worker_is_told_reaches_it(pool: WorkerPool) -> None:
    conversion = Conversion(pool, "repeat_options", {"speed": 1.5, "speaker_id": 3})
    await conversion.end()

    assert await rest(conversion) == b"{'speed': 1.5, 'speaker_id': 3}"
    await conversion.close()


async def test_fifty_at_once_are_all_converted(pool: WorkerPool) -> None:
    made = await asyncio.gather(
        *(converted(pool, "shout", [f"number {i}".encode()]) for i in range(50))
    )

    assert made == [f"NUMBER {i}".encode() for i in range(50)]


async def test_workers_that_ended_leave_no_process(pool: WorkerPool) -> None:
    await converted(pool, "shout", [b"a"])
    (server,) = fork_servers()

    assert await until(lambda: len(children(server)), SECONDS, equals=SPARE_WORKERS)
