"""How far an exchange with the backend is: what ends first, and what may follow."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from speech_gateway.errors import UpstreamError, UpstreamTimeoutError
from speech_gateway.timeout_checker import TimeoutChecker
from speech_gateway.upstream.backend_state import SignsOfLife
from speech_gateway.upstream.connection import UpstreamConnection
from speech_gateway.upstream.flow_control import HIGH_WATER

ANSWER = b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno"
ENDLESS = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n"


class Recorded(asyncio.Transport):
    """A transport that leads nowhere, and notes what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.aborted = self.paused = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return self.aborted

    def abort(self) -> None:
        self.aborted = True

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False


@pytest.fixture
async def checker() -> AsyncIterator[TimeoutChecker]:
    checker = TimeoutChecker(0.2)
    yield checker
    checker.stop()


@pytest.fixture
def transport() -> Recorded:
    return Recorded()


@pytest.fixture
async def connection(checker: TimeoutChecker, transport: Recorded) -> UpstreamConnection:
    connection = UpstreamConnection(0.2, checker, SignsOfLife())
    connection.begin(transport)
    connection.send(b"POST / HTTP/1.1\r\n")
    return connection


async def test_an_answer_to_a_whole_request_leaves_the_connection_to_another(
    connection: UpstreamConnection,
) -> None:
    connection.request_sent()
    connection.data_received(ANSWER)

    assert (await connection.head()).status == 404
    assert await connection.read() == b"no"
    assert connection.complete
    assert connection.reusable
    assert not connection.cut_short


async def test_an_answer_that_ends_before_its_request_is_cut_short(
    connection: UpstreamConnection,
) -> None:
    connection.data_received(ANSWER)

    assert connection.cut_short
    assert not connection.reusable


async def test_a_connection_whose_request_went_out_after_its_answer_may_be_used_again(
    connection: UpstreamConnection,
) -> None:
    connection.data_received(ANSWER)
    connection.request_sent()

    assert connection.cut_short
    assert connection.reusable


async def test_a_failure_is_raised_where_the_answer_is_read_and_breaks_the_connection(
    connection: UpstreamConnection, transport: Recorded
) -> None:
    connection.fail(UpstreamError("the upload failed"))

    with pytest.raises(UpstreamError, match="the upload failed"):
        await connection.read()
    assert transport.aborted
    assert not connection.reusable


async def test_an_answer_that_has_ended_cannot_fail_any_more(
    connection: UpstreamConnection,
) -> None:
    connection.request_sent()
    connection.data_received(ANSWER)

    connection.fail(UpstreamError("too late"))

    assert await connection.read() == b"no"


async def test_silence_counts_once_the_request_is_whole(connection: UpstreamConnection) -> None:
    connection.request_sent()

    with pytest.raises(UpstreamTimeoutError):
        await connection.head()


async def test_reading_pauses_while_what_came_is_not_taken(
    connection: UpstreamConnection, transport: Recorded
) -> None:
    connection.request_sent()

    connection.data_received(ENDLESS + b"." * HIGH_WATER)
    assert transport.paused

    assert await connection.read() == b"." * HIGH_WATER
    assert not transport.paused


async def test_a_writer_waits_while_the_buffer_is_full_and_hears_of_a_failure(
    connection: UpstreamConnection,
) -> None:
    connection.pause_writing()
    waiting = asyncio.create_task(connection.drain())
    await asyncio.sleep(0)  # it waits

    connection.fail(UpstreamError("gone"))

    with pytest.raises(UpstreamError, match="gone"):
        await waiting
