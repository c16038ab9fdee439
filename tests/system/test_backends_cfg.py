"""Several backends behind HAProxy, with the configuration that is shipped."""

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support import haproxy as support
from tests.support.backend import (
    LAST_CHUNK,
    OK_CHUNKED,
    BackendCall,
    ScriptedBackend,
    answer,
    answer_each_piece,
    chunk,
)
from tests.support.client import check_answers_come_meanwhile
from tests.support.gateway import Served, serving
from tests.support.haproxy import WAIT_TIMEOUT, haproxy
from tests.support.polling import until
from tests.support.streamkit_pool import CONFIG, Stream, StreamkitPool, streamkit_pool

KILLED_IS_NOTICED = 1.25
"""Seconds: ``inter`` and ``fastinter`` of the file."""
HANG_IS_NOTICED = 3.25
"""Seconds: the same, and ``timeout check`` twice."""
SLACK = 5.0
"""Seconds for a machine that has other things to do."""
GIVEN_UP = 6
"""Seconds after which the gateway of a test gives a silent backend up."""
LOST_TO_A_HANG = 4
"""Calls at once, of the six clients': who answers nothing is soon the busiest."""

pytestmark = pytest.mark.skipif(bool(support.MISSING), reason=support.MISSING)


def test_the_configuration_is_right() -> None:
    told = subprocess.run(
        ["haproxy", "-c", "-f", str(CONFIG)],
        env={**os.environ, "HAPROXY_UNPRIVILEGED": "1"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert told.returncode == 0, told.stderr
    assert "WARNING" not in told.stdout + told.stderr


# one backend, scripted


@pytest.fixture
async def behind(backend: ScriptedBackend) -> AsyncIterator[Served]:
    """A gateway that reaches its backend through HAProxy."""
    address = backend.url.removeprefix("http://")
    async with haproxy({}, CONFIG, SKIT_ONE=address) as proxy:
        await proxy.until("one", "UP")
        async with serving(f"http://127.0.0.1:{proxy.port}") as gateway:
            yield gateway


async def test_each_piece_passes_as_it_comes(behind: Served, backend: ScriptedBackend) -> None:
    heard: asyncio.Queue[bytes] = asyncio.Queue()

    async def script(call: BackendCall) -> None:
        await call.whole_media()
        await call.write(OK_CHUNKED)
        for piece in (b"first", b"second", b"third"):
            await call.write(chunk(piece))
            assert await heard.get() == piece
        await call.write(LAST_CHUNK)

    backend.script = script
    async with await behind.connect() as client:
        client.request("POST", "/tts", body=b"Hello.")
        await client.head()
        while piece := await client.piece():
            heard.put_nowait(piece)
    assert piece == b""


async def test_transcripts_come_back_while_the_upload_goes_on(
    behind: Served, backend: ScriptedBackend
) -> None:
    backend.script = answer_each_piece
    async with await behind.connect() as client:
        await check_answers_come_meanwhile(client)


async def test_a_text_whose_backend_is_lost_is_sent_again(
    behind: Served, backend: ScriptedBackend
) -> None:
    async def script(call: BackendCall) -> None:
        await call.whole_media()
        if backend.seen == 1:
            return call.writer.transport.abort()
        return await call.write(answer(b"spoken"))

    backend.script = script
    response = await behind.speak()

    assert (response.status, response.body, backend.seen) == (200, b"spoken", 2)


async def test_a_live_upload_whose_backend_is_lost_is_not_sent_again(
    behind: Served, backend: ScriptedBackend
) -> None:
    async def script(call: BackendCall) -> None:
        await call.media()
        call.writer.transport.abort()

    backend.script = script
    async with await behind.connect() as client:
        client.begin_upload()
        client.chunk(b"one")
        response = await client.response()

    assert (response.status, backend.seen) == (502, 1)


async def test_the_backend_hears_of_a_client_that_leaves(
    behind: Served, backend: ScriptedBackend
) -> None:
    async def script(call: BackendCall) -> None:
        await call.whole_media()
        await call.until_closed()

    backend.script = script
    async with await behind.connect() as client:
        client.request("POST", "/tts", body=b"Hello.")
        call = await backend.calls.get()
        await call.media_ended.wait()
    async with asyncio.timeout(WAIT_TIMEOUT):
        await call.closed.wait()


async def test_a_gateway_is_not_ready_without_a_backend() -> None:
    async with haproxy({}, CONFIG) as proxy:
        for name in ("one", "two", "three"):
            await proxy.until(name, "DOWN")
        async with serving(f"http://127.0.0.1:{proxy.port}") as gateway:
            ready = await gateway.ask("GET", "/readyz")
            refused = await gateway.speak()

    assert (ready.status, refused.status) == (503, 503)
    assert "answers 503" in ready.text
    assert int(refused.headers["retry-after"]) > 0


async def test_haproxy_tells_prometheus(backend: ScriptedBackend) -> None:
    async with haproxy({}, CONFIG, SKIT_ONE=backend.url.removeprefix("http://")) as proxy:
        await proxy.until("one", "UP")
        metrics = await proxy.stats("/metrics")

    assert 'haproxy_server_status{proxy="speech",server="one",state="UP"} 1' in metrics


# three backends, each a process


@pytest.fixture
async def pool() -> AsyncIterator[StreamkitPool]:
    async with streamkit_pool("--upstream-timeout", str(GIVEN_UP)) as running:
        yield running


@pytest.fixture
async def patient_pool(tmp_path: Path) -> AsyncIterator[StreamkitPool]:
    """A pool whose backends may be slow, as they are on a busy machine, and are not lost for it."""
    text = CONFIG.read_text()
    for timeout in ("timeout connect 1s", "timeout check 1s"):
        assert timeout in text
        text = text.replace(timeout, timeout.replace("1s", "10s"))
    config = tmp_path / CONFIG.name
    config.write_text(text)
    async with streamkit_pool("--upstream-timeout", "30", config=config) as running:
        yield running


def split(streams: list[Stream]) -> tuple[list[Stream], list[Stream]]:
    """Return the streams of two, and the others."""
    return [s for s in streams if s.by == "two"], [s for s in streams if s.by != "two"]


async def until_two_is(pool: StreamkitPool, state: str) -> float:
    """Wait until HAProxy holds two to be in a state, and many more were asked; return when."""
    await pool.proxy.until("two", state)
    moment = time.monotonic()
    await until(lambda: len(pool.since(moment)), WAIT_TIMEOUT, holds=lambda count: count > 50)
    return moment


async def until_two_answers(pool: StreamkitPool) -> None:
    moment = time.monotonic()
    await until(
        lambda: {asked.by for asked in pool.since(moment)},
        WAIT_TIMEOUT,
        holds=lambda answered: "two" in answered,
    )


async def test_a_backend_that_is_killed_costs_its_streams_and_no_text(
    patient_pool: StreamkitPool,
) -> None:
    pool = patient_pool
    async with pool.load():
        here, elsewhere = split(await pool.streams())
        killed = time.monotonic()
        pool.backends["two"].signal(signal.SIGKILL)
        assert not any([await stream.ended() for stream in here])
        broken = time.monotonic() - killed
        noticed = await until_two_is(pool, "DOWN") - killed
        assert all([await stream.ended() for stream in elsewhere])

    assert len(here) >= 1
    assert broken < SLACK
    assert noticed < KILLED_IS_NOTICED + SLACK
    assert not pool.failed


async def test_a_backend_that_is_drained_and_started_again_is_not_noticed(
    patient_pool: StreamkitPool,
) -> None:
    pool = patient_pool
    async with pool.load():
        streams = await pool.streams()
        pool.proxy.command("set server speech/two state drain")
        drained = await until_two_is(pool, "DRAIN")
        assert {asked.by for asked in pool.since(drained)} == {"one", "three"}

        assert all([await stream.ended() for stream in streams])
        await pool.restart("two")
        pool.proxy.command("set server speech/two state ready")
        await until_two_answers(pool)

    assert "two" in {stream.by for stream in streams}
    assert not pool.failed


async def test_a_backend_that_hangs_costs_what_it_was_asked_before_it_was_noticed(
    pool: StreamkitPool,
) -> None:
    async with pool.load():
        here, elsewhere = split(await pool.streams())
        stopped = time.monotonic()
        pool.backends["two"].signal(signal.SIGSTOP)
        noticed = await until_two_is(pool, "DOWN")
        assert (await pool.gateway.ask("GET", "/readyz")).status == 200
        assert not any([await stream.ended() for stream in here])
        assert all([await stream.ended() for stream in elsewhere])
        pool.backends["two"].signal(signal.SIGCONT)
        await until_two_answers(pool)

    assert len(here) >= 1
    assert noticed - stopped < HANG_IS_NOTICED + SLACK
    assert all(failed.begun < noticed for failed in pool.failed)
    assert all("504" in failed.failure for failed in pool.failed)
    given_up_before = (noticed - stopped) // GIVEN_UP  # each time, others take their places
    assert len(pool.failed) <= LOST_TO_A_HANG * (1 + given_up_before)
