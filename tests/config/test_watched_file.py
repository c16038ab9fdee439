"""A file that changes while the gateway runs: which changes are seen, and when they count."""

import asyncio
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from speech_gateway.config import watched_file
from speech_gateway.config.watched_file import WatchedFile
from tests.support.polling import until


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watched_file, "SETTLE_TIME", 0.01)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "file"
    found.write_text("one")
    return found


def watched(path: Path, parse: Callable[[bytes], str] = bytes.decode) -> WatchedFile[str]:
    return WatchedFile(path, parse, subject="value is", max_bytes=1000, on_change=print)


async def test_a_rewrite_of_the_same_size_time_and_inode_is_seen(path: Path) -> None:
    file = watched(path)
    await file.refresh()
    before = path.stat()

    path.write_text("two")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    after = path.stat()
    assert (after.st_size, after.st_mtime_ns, after.st_ino) == (
        before.st_size,
        before.st_mtime_ns,
        before.st_ino,
    )
    await file.refresh()
    assert file.value == "two"


async def test_a_secret_that_a_kubelet_renews_is_seen(tmp_path: Path) -> None:
    """The file is a link through a link to a folder, and only that one is another then."""
    for folder, value in (("first", "one"), ("second", "two")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "token").write_text(value)
    (tmp_path / "..data").symlink_to("first")
    (tmp_path / "token").symlink_to("..data/token")
    file = watched(tmp_path / "token")
    await file.refresh()

    (tmp_path / "..new").symlink_to("second")
    (tmp_path / "..new").replace(tmp_path / "..data")
    await file.refresh()

    assert file.value == "two"


async def test_a_file_that_took_anothers_place_is_seen(path: Path, tmp_path: Path) -> None:
    file = watched(path)
    await file.refresh()

    (tmp_path / "other").write_text("two")
    (tmp_path / "other").replace(path)
    await file.refresh()

    assert file.value == "two"


async def test_a_file_that_is_being_written_is_waited_for(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bytes] = []

    def parse(data: bytes) -> str:
        seen.append(data)
        return data.decode()

    file = watched(path, parse)
    await file.refresh()
    state, pieces = file._state, ["", "tw", "o thre", "e"]

    def state_between_writes() -> tuple[int, ...]:
        if pieces:  # the first write empties it
            with path.open("w" if len(pieces) == 4 else "a") as writer:
                writer.write(pieces.pop(0))
        return state()

    monkeypatch.setattr(file, "_state", state_between_writes)
    await file.refresh()

    assert seen == [b"one", b"two three"]


async def test_it_is_read_in_a_thread_and_meanwhile_the_old_value_counts(path: Path) -> None:
    go_on, reading = threading.Event(), threading.Event()
    threads: list[threading.Thread] = []

    def parse(data: bytes) -> str:
        threads.append(threading.current_thread())
        if data == b"two":
            reading.set()
            go_on.wait(20)
        return data.decode()

    file = watched(path, parse)
    path.write_text("two")
    refreshing = asyncio.create_task(file.refresh())
    await until(reading.is_set, 20)  # the loop goes on

    assert file.value == "one"
    go_on.set()
    await refreshing
    assert file.value == "two"
    assert threads[-1] is not threading.main_thread()


async def test_a_change_during_a_look_is_seen_by_who_asks_after_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = watched(path)
    await file.refresh()
    go_on, looked, state = threading.Event(), threading.Event(), file._state

    def slow_state() -> tuple[int, ...]:
        found = state()
        looked.set()
        go_on.wait(20)
        return found

    monkeypatch.setattr(file, "_state", slow_state)
    first = asyncio.create_task(file.refresh())
    await asyncio.to_thread(looked.wait, 20)

    path.write_text("two")
    second = asyncio.create_task(file.refresh())
    await asyncio.sleep(0)
    go_on.set()
    await asyncio.gather(first, second)

    assert file.value == "two"


async def test_a_pipe_is_read_once(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writing = asyncio.create_task(asyncio.to_thread(path.write_text, "one"))
    file = await asyncio.to_thread(watched, path)
    await writing

    async with asyncio.timeout(20):
        await file.refresh()

    assert file.value == "one"


async def test_a_file_that_has_become_a_pipe_is_not_read_and_its_old_value_counts(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = watched(path)
    path.unlink()
    os.mkfifo(path)

    try:
        async with asyncio.timeout(5):
            await file.refresh()
    finally:
        with suppress(OSError):  # nobody reads it; who does, waits for a writer
            os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))

    assert file.value == "one"
    assert "is no regular file any more" in caplog.text


async def test_who_leaves_does_not_end_the_look_that_others_wait_for(path: Path) -> None:
    file = watched(path)
    path.write_text("two")
    leaves, stays = asyncio.create_task(file.refresh()), asyncio.create_task(file.refresh())
    await asyncio.sleep(0)

    leaves.cancel()
    await stays

    assert file.value == "two"


def test_a_file_that_is_too_large_is_not_read(path: Path) -> None:
    path.write_bytes(bytes(1001))

    with pytest.raises(OSError, match="too large"):
        watched(path)
