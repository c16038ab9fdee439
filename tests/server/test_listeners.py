"""What is listened on: a unix socket's file is there while it is served; nothing tells versions."""

import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from aiohttp import web

from speech_gateway.config.addresses import MAX_SOCKET_PATH, ListenAddress
from speech_gateway.server.listeners import Bounds, Listener, listen
from speech_gateway.startup_error import StartupError
from tests.support.backend import ScriptedBackend
from tests.support.client import connect, connect_to_file
from tests.support.gateway import Served, serving


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as unwound:
        yield unwound


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "gateway.sock"


async def listen_on(path: Path, stack: AsyncExitStack, app: web.Application) -> Listener:
    return await listen(app, ListenAddress(unix_path=path), Bounds(), stack)


async def is_served(path: Path) -> bool:
    async with await connect_to_file(path) as client:
        return (await client.ask("GET", "/")).status == 404


def names(folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir()]


def bound(path: Path) -> socket.socket:
    """Return a socket with path's name; nobody listens on it."""
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(str(path))
    return sock


async def test_the_file_of_a_unix_socket_is_there_only_once_it_is_served(
    path: Path, stack: AsyncExitStack
) -> None:
    app = web.Application()
    seen_at_startup: list[bool] = []

    async def look(_app: web.Application) -> None:
        seen_at_startup.append(path.exists())

    app.on_startup.append(look)

    listener = await listen_on(path, stack, app)

    assert seen_at_startup == [False]
    assert await is_served(path)
    assert listener.urls == [f"unix:{path}"]
    assert names(path.parent) == [path.name]


async def test_a_start_that_fails_leaves_no_file(path: Path) -> None:
    app = web.Application()

    async def fail(_app: web.Application) -> None:
        raise RuntimeError("a plugin's fault")

    app.on_startup.append(fail)

    with pytest.raises(RuntimeError, match="a plugin's fault"):
        async with AsyncExitStack() as stack:
            await listen_on(path, stack, app)

    assert names(path.parent) == []


async def test_a_folder_that_is_gone_when_it_is_served_is_told_of(
    tmp_path: Path, stack: AsyncExitStack
) -> None:
    app = web.Application()
    folder = tmp_path / "folder"
    folder.mkdir()

    async def remove_folder(_app: web.Application) -> None:
        shutil.rmtree(folder)

    app.on_startup.append(remove_folder)

    with pytest.raises(StartupError, match=r"cannot listen on .*: No such file"):
        await listen_on(folder / "gateway.sock", stack, app)


async def test_a_stale_socket_is_replaced(path: Path, stack: AsyncExitStack) -> None:
    bound(path).close()

    await listen_on(path, stack, web.Application())

    assert await is_served(path)
    assert names(path.parent) == [path.name]


async def test_a_socket_that_another_listens_on_is_left_alone(
    path: Path, stack: AsyncExitStack
) -> None:
    with bound(path) as other:
        other.listen()

        with pytest.raises(StartupError, match=r"cannot listen on .*: Address already in use"):
            await listen_on(path, stack, web.Application())

    assert names(path.parent) == [path.name]


async def test_a_socket_whose_queue_is_full_is_not_taken_for_a_stale_one(
    path: Path, stack: AsyncExitStack
) -> None:
    with bound(path) as other, socket.socket(socket.AF_UNIX) as waiting:
        other.listen(0)
        waiting.connect(str(path))

        with pytest.raises(StartupError, match="Address already in use"):
            await listen_on(path, stack, web.Application())


async def test_a_file_that_is_no_socket_is_left_alone(path: Path, stack: AsyncExitStack) -> None:
    path.write_text("precious")

    with pytest.raises(StartupError, match="Address already in use"):
        await listen_on(path, stack, web.Application())

    assert path.read_text() == "precious"


async def test_the_socket_of_another_that_came_meanwhile_is_left_at_the_end(path: Path) -> None:
    async with AsyncExitStack() as stack:
        await listen_on(path, stack, web.Application())
        path.unlink()
        other = bound(path)

    with other:
        assert names(path.parent) == [path.name]


async def test_a_socket_is_removed_at_the_end(path: Path) -> None:
    async with AsyncExitStack() as stack:
        await listen_on(path, stack, web.Application())

    assert names(path.parent) == []


@pytest.mark.parametrize("name", ["s", "gateway.sock"])
async def test_a_path_may_be_as_long_as_the_kernel_has_it(
    tmp_path: Path, stack: AsyncExitStack, name: str
) -> None:
    folder = tmp_path / ("d" * (MAX_SOCKET_PATH - len(f"{tmp_path}//{name}")))
    folder.mkdir()

    await listen_on(folder / name, stack, web.Application())

    assert await is_served(folder / name)


async def test_a_path_that_is_too_long_is_told_of(tmp_path: Path, stack: AsyncExitStack) -> None:
    with pytest.raises(StartupError, match="the path is over the 107 bytes"):
        await listen_on(tmp_path / ("s" * 108), stack, web.Application())


@pytest.fixture
async def two_listeners(backend: ScriptedBackend) -> AsyncIterator[Served]:
    async with serving(backend.url, "--metrics-listen", "127.0.0.1:0") as served:
        yield served


@pytest.mark.parametrize("path", ["/metrics", "/nothing"])
async def test_no_listener_tells_the_versions_of_what_is_inside(
    two_listeners: Served, path: str
) -> None:
    for url in (two_listeners.url, two_listeners.gateway.metrics_url):
        async with await connect(int(url.rpartition(":")[2])) as client:
            response = await client.ask("GET", path)
            assert response.headers["server"] == "speech-gateway"
