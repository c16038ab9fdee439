"""A conversion in a thread: fed, read, given up; bounded, and never left behind."""

import asyncio
import errno
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import av.error
import pytest

from speech_gateway.media.audio_errors import BROKEN, BadAudioError, ConversionFailedError
from speech_gateway.media.conversion_thread import (
    DAMAGED,
    INPUT_LIMIT,
    OUTPUT_LIMIT,
    Conversion,
    Convert,
    Source,
)
from tests.support.converting import SECONDS, converted, rest, threads
from tests.support.polling import at_rest, until

Write = Callable[[bytes], None]


def shout(source: Source, write: Write) -> None:
    while piece := source.read(7):
        write(piece.upper())


def flood(source: Source, write: Write) -> None:
    """Write for ever."""
    while True:
        write(bytes(1000))


async def some_turns() -> None:
    """Let the loop do what it would do by now."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_what_is_fed_comes_back_converted() -> None:
    assert await converted(shout, [b"one ", b"two ", b"three"]) == b"ONE TWO THREE"


def test_it_works_on_asyncio_s_own_loop_too() -> None:
    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        assert runner.run(converted(shout, [b"a"] * 1000)) == b"A" * 1000


async def test_output_is_there_before_the_input_ends() -> None:
    async with threads() as pool:
        conversion = Conversion(shout, pool)
        await conversion.feed(b"early")

        assert await conversion.read() == b"EARLY"

        conversion.end()
        assert await conversion.read() == b""
        assert await conversion.read() == b""


async def test_who_feeds_waits_while_the_thread_is_behind() -> None:
    gate = threading.Event()

    def patient(source: Source, write: Write) -> None:
        gate.wait()
        write(b"".join(iter(source.read, b"")))

    async with threads() as pool:
        conversion = Conversion(patient, pool)
        await conversion.feed(bytes(INPUT_LIMIT))
        await conversion.feed(b"x")
        feeding = asyncio.create_task(conversion.feed(b"y"))
        await some_turns()
        waited = not feeding.done()

        gate.set()
        async with asyncio.timeout(20):
            await feeding
        conversion.end()

        assert waited
        assert await rest(conversion) == bytes(INPUT_LIMIT) + b"xy"


async def test_the_thread_waits_while_the_reader_is_behind() -> None:
    part = OUTPUT_LIMIT // 4
    written: list[int] = []

    def gush(source: Source, write: Write) -> None:
        for at in range(8):
            write(bytes(part))
            written.append(at)

    async with threads() as pool:
        conversion = Conversion(gush, pool)
        await until(lambda: len(written), SECONDS, equals=4)

        assert len(await conversion.read()) == OUTPUT_LIMIT
        assert len(await rest(conversion)) == OUTPUT_LIMIT


async def test_one_write_over_the_limit_comes_whole_but_in_parts() -> None:
    async with threads() as pool:
        conversion = Conversion(lambda _, write: write(bytes(OUTPUT_LIMIT * 3)), pool)

        first = await conversion.read()

        assert len(first) <= OUTPUT_LIMIT
        assert len(first) + len(await rest(conversion)) == OUTPUT_LIMIT * 3


async def test_a_cancelled_feed_has_fed_nothing() -> None:
    gate = threading.Event()

    def patient(source: Source, write: Write) -> None:
        gate.wait()
        shout(source, write)

    async with threads() as pool:
        conversion = Conversion(patient, pool)
        await conversion.feed(bytes(INPUT_LIMIT + 1))
        feeding = asyncio.create_task(conversion.feed(b"never"))
        await some_turns()
        feeding.cancel()
        await asyncio.wait([feeding])
        gate.set()
        conversion.end()

        assert await rest(conversion) == bytes(INPUT_LIMIT + 1)


async def test_a_cancelled_read_has_taken_nothing() -> None:
    async with threads() as pool:
        conversion = Conversion(shout, pool)
        reading = asyncio.create_task(conversion.read())
        await some_turns()
        reading.cancel()
        await asyncio.wait([reading])
        await conversion.feed(b"all")
        conversion.end()

        assert await rest(conversion) == b"ALL"


@pytest.mark.parametrize("convert", [shout, flood])
@pytest.mark.parametrize("when", ["at once", "once it waits"])
async def test_given_up_in_the_middle_of_a_read_or_a_write_the_thread_ends(
    convert: Convert, when: str
) -> None:
    done: list[str] = []

    def observed(source: Source, write: Write) -> None:
        def note_and_write(data: bytes) -> None:
            write(data)
            done.append("a write")

        done.append("the start")
        convert(source, note_and_write)

    async with threads() as pool:
        conversion = Conversion(observed, pool)
        if when == "once it waits":
            await until(lambda: done, SECONDS)
            await at_rest(lambda: len(done), pause=0.05)  # for input, or for room

        conversion.close()
        conversion.close()


async def test_given_up_nobody_waits_for_it() -> None:
    gate = threading.Event()
    async with threads() as pool:
        pool.submit(gate.wait)  # the thread does not begin, and has nobody woken
        conversion = Conversion(shout, pool)
        reading = asyncio.create_task(conversion.read())
        await some_turns()

        conversion.close()

        told, _ = await asyncio.wait([reading], timeout=5)
        await conversion.feed(bytes(INPUT_LIMIT * 2))
        await conversion.feed(b"more")
        gate.set()

    assert told
    assert isinstance(reading.exception(), BadAudioError)


async def test_given_up_while_it_waits_for_a_thread_it_never_begins() -> None:
    gate, begun = threading.Event(), threading.Event()

    def begin(source: Source, write: Write) -> None:
        begun.set()

    async with threads() as pool:
        pool.submit(gate.wait)
        conversion = Conversion(begin, pool)
        conversion.close()
        gate.set()

    assert not begun.is_set()


async def test_dropped_by_a_pool_that_shuts_down_its_reader_is_told() -> None:
    gate = threading.Event()
    pool = ThreadPoolExecutor(1)
    pool.submit(gate.wait)
    conversion = Conversion(shout, pool)

    pool.shutdown(wait=False, cancel_futures=True)
    gate.set()

    with pytest.raises(ConversionFailedError):
        await rest(conversion)


async def test_given_up_after_its_end_it_still_has_its_output() -> None:
    async with threads() as pool:
        conversion = Conversion(shout, pool)
        await conversion.feed(b"kept")
        conversion.end()
        await asyncio.get_running_loop().run_in_executor(None, pool.shutdown)

        conversion.close()

        assert await rest(conversion) == b"KEPT"


@pytest.mark.parametrize(
    ("raised", "kind", "told", "logged"),
    [
        (BadAudioError("it is too loud"), BadAudioError, "it is too loud", []),
        (av.error.InvalidDataError(1, "/secret"), BadAudioError, DAMAGED, []),
        (OSError(errno.ENOSPC, "full"), ConversionFailedError, BROKEN, ["full"]),
        (MemoryError("too much"), ConversionFailedError, BROKEN, ["too much"]),
        (KeyError("inside"), ConversionFailedError, BROKEN, ["inside"]),
    ],
)
async def test_a_failure_is_told_in_a_sentence_after_what_there_was(
    caplog: pytest.LogCaptureFixture,
    raised: Exception,
    kind: type[Exception],
    told: str,
    logged: list[str],
) -> None:
    caplog.set_level(logging.ERROR)

    def fail(source: Source, write: Write) -> None:
        write(b"some")
        raise raised

    async with threads() as pool:
        conversion = Conversion(fail, pool)

        assert await conversion.read() == b"some"
        with pytest.raises(kind) as caught:
            await conversion.read()
        await conversion.feed(bytes(INPUT_LIMIT * 2))
        await conversion.feed(b"nobody waits for this")

    assert str(caught.value) == told
    assert len(caplog.records) == len(logged)
    for record, reason in zip(caplog.records, logged, strict=True):
        assert reason in record.getMessage() + (record.exc_text or "")
