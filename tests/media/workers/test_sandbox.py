"""What a worker has, and what it cannot do, whatever it is made to run."""

import logging
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from speech_gateway.media.audio_errors import BROKEN, ConversionFailedError
from speech_gateway.media.workers.conversion import Conversion
from speech_gateway.media.workers.pool import WorkerPool
from tests.support.converting import converted, read_until, rest, workers
from tests.support.media_workers import at_work, fork_servers

JOBS = "tests.support.jobs"
SECRET = "a-token-of-the-gateways"
MAX_FILE = 100_000


@pytest.fixture
async def pool(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[WorkerPool]:
    monkeypatch.setenv("SKIT_TOKEN", SECRET)
    async with workers(JOBS, file_bytes=MAX_FILE) as started:
        yield started


@pytest.fixture
async def worker(pool: WorkerPool) -> AsyncIterator[int]:
    """A worker that is at its job."""
    async with at_work(pool, "hang") as (_, pid):
        yield pid


async def test_a_worker_can_neither_open_nor_reach_nor_start_anything(pool: WorkerPool) -> None:
    assert await converted(pool, "try_to_escape", [b"now"]) == b""


async def test_the_attempts_would_be_seen(caplog: pytest.LogCaptureFixture) -> None:
    async with (
        workers("tests.support.unfiltered_jobs") as pool,
        Conversion(pool, "try_to_escape") as conversion,
    ):
        await conversion.feed(b"now")
        escaped = (await read_until(conversion, lambda made: made.count(b"\n") >= 9)).decode()

    assert "libthere-is-none.so is not installed" in caplog.text
    assert "list a folder" in escaped
    assert "open a file" in escaped
    assert "make memory executable" in escaped
    assert "have more files" not in escaped  # this needs no filter
    assert "know a variable of the environment" not in escaped


async def test_a_worker_has_no_descriptors_but_its_own(worker: int) -> None:
    held = {fd.name: str(fd.readlink()) for fd in Path(f"/proc/{worker}/fd").iterdir()}

    assert [held.pop(standard) for standard in "012"] == ["/dev/null"] * 3
    assert sorted(kind.partition(":")[0] for kind in held.values() if "deleted" not in kind) == [
        "socket"
    ]
    assert len(held) == 2, "a file that has no name, and the link to the gateway"


async def test_the_gateways_environment_is_not_there(worker: int) -> None:
    (server,) = fork_servers()

    for pid in (server, worker):
        assert SECRET not in Path(f"/proc/{pid}/environ").read_text()
        assert SECRET.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()


async def test_a_worker_has_no_privileges_to_gain_and_a_filter(worker: int) -> None:
    status = dict(
        line.split(":\t", 1) for line in Path(f"/proc/{worker}/status").read_text().splitlines()
    )

    assert status["NoNewPrivs"] == "1"
    assert status["Seccomp"] == "2"


async def test_where_memory_is_short_a_worker_is_killed_first(worker: int) -> None:
    assert Path(f"/proc/{worker}/oom_score_adj").read_text() == "1000\n"


async def test_a_worker_leaves_no_core(worker: int) -> None:
    limits = Path(f"/proc/{worker}/limits").read_text()

    (core,) = (line for line in limits.splitlines() if line.startswith("Max core file size"))
    assert core.split()[4:6] == ["0", "0"]


async def test_a_file_on_disk_holds_what_it_may(pool: WorkerPool) -> None:
    kept = os.urandom(MAX_FILE)

    assert await converted(pool, "keep_on_disk", [kept]) == kept


async def test_a_file_on_disk_holds_no_more(
    pool: WorkerPool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)

    async with Conversion(pool, "keep_on_disk") as conversion:
        await conversion.feed(bytes(MAX_FILE + 1))
        await conversion.end()
        with pytest.raises(ConversionFailedError, match=BROKEN):
            await rest(conversion)

    assert "File too large" in caplog.text


async def test_without_a_place_for_files_what_needs_none_is_converted() -> None:
    async with workers("tests.support.diskless_jobs") as pool:
        assert await converted(pool, "shout", [b"a"]) == b"A"
        async with Conversion(pool, "keep_on_disk") as conversion:
            await conversion.feed(b"a")
            with pytest.raises(ConversionFailedError, match=BROKEN):
                await rest(conversion)
