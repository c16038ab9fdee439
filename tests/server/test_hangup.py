"""What SIGHUP does to the program: it reads its settings again; a terminal's end ends it."""

import asyncio
import os
import signal
import socket
import threading
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from speech_gateway.config.settings import Settings
from speech_gateway.server import reload
from speech_gateway.server.sd_notify import Supervisor
from speech_gateway.tasks import cancel_and_wait
from tests.support.backend import ScriptedBackend, hold
from tests.support.client import connect
from tests.support.gateway import Served
from tests.support.polling import until
from tests.support.program import Program, program, serving_program

WELL = "gateway_config_last_reload_successful"
AT = "gateway_config_last_reload_success_timestamp_seconds"


@dataclass
class Configured:
    """The running program, and its configuration."""

    run: Program
    file: Path

    async def reload(self, text: str, *told: str) -> None:
        """Write the configuration, and have it read; wait for what the log tells."""
        self.file.write_text(text)
        self.run.signal(signal.SIGHUP)
        for line in told:
            await self.run.line(line)

    async def status_of(self, text: bytes) -> int:
        async with await connect(self.run.port) as client:
            return (await client.speak(text)).status

    async def metric(self, name: str) -> float:
        async with await connect(self.run.port) as client:
            page = (await client.ask("GET", "/metrics")).text
        return next(float(line.split()[1]) for line in page.splitlines() if line.startswith(name))


@pytest.fixture
async def configured(backend: ScriptedBackend, tmp_path: Path) -> AsyncIterator[Configured]:
    file = tmp_path / "gateway.yml"
    file.write_text("max-tts-text-size: 10\n")
    async with serving_program("--skit-url", backend.url, "--config", str(file)) as run:
        yield Configured(run, file)


async def test_the_file_is_read_again(configured: Configured) -> None:
    assert await configured.status_of(b"a" * 20) == 413
    began = await configured.metric(AT)

    await configured.reload("max-tts-text-size: 20\n", "reloaded the settings")

    assert await configured.status_of(b"a" * 20) == 200
    assert await configured.metric(WELL) == 1
    assert began < await configured.metric(AT) <= time.time()


async def test_wrong_settings_are_told_all_at_once_and_change_nothing(
    configured: Configured,
) -> None:
    before = await configured.metric(AT)

    await configured.reload(
        "max-tts-text-size: none\nlog-level: loud\nmax-queeu: 3\n",
        "ERROR .* max-queeu .* is no setting",
        "ERROR .* max-tts-text-size .* must be",
        "ERROR .* log-level .* must be",
    )

    assert await until(lambda: configured.metric(WELL), equals=0) == 0
    assert await configured.metric(AT) == before
    assert await configured.status_of(b"a" * 10) == 200
    assert await configured.status_of(b"a" * 11) == 413

    await configured.reload("max-tts-text-size: 20\n", "reloaded the settings")

    assert await configured.metric(WELL) == 1


async def test_the_log_has_the_new_level_and_format(configured: Configured) -> None:
    await configured.reload("log-format: json\nlog-level: debug\n", '"message": "reloaded the')

    await configured.status_of(b"Hello.")

    assert await configured.run.line('"logger": "speech_gateway.middlewares.request_log"')


async def test_a_listener_that_was_changed_is_told(configured: Configured) -> None:
    await configured.reload(
        "metrics-listen: 127.0.0.1:1\nmax-tts-text-size: 20\n",
        "reloaded the settings",
        "WARNING .* changed, and in need of a restart: metrics-listen",
    )

    assert await configured.status_of(b"a" * 20) == 200
    assert await configured.metric(WELL) == 1


async def test_who_is_told_again_and_again_reads_the_last(configured: Configured) -> None:
    for size in range(20, 30):
        await configured.reload(f"max-tts-text-size: {size}\n")

    async def takes_all() -> bool:
        return await configured.status_of(b"a" * 29) == 200

    assert await until(takes_all, equals=True)


async def test_a_drain_is_not_disturbed(configured: Configured, backend: ScriptedBackend) -> None:
    release = hold(backend)
    async with await connect(configured.run.port) as client:
        client.request("POST", "/tts", body=b"Hello.")
        await backend.calls.get()
        configured.run.signal()
        await configured.run.line("stopping")

        configured.run.signal(signal.SIGHUP)
        release.set()

        assert (await client.response()).status == 200
    assert await configured.run.ended() == 0


async def test_a_file_that_nobody_can_read_to_its_end_does_not_keep_it_from_stopping(
    configured: Configured,
) -> None:
    configured.file.unlink()
    os.mkfifo(configured.file)
    configured.run.signal(signal.SIGHUP)
    assert await configured.status_of(b"Hello.") == 200

    configured.run.signal()

    async with asyncio.timeout(20):
        assert await configured.run.ended() == 0


async def test_settings_that_cannot_be_read_in_time_change_nothing(
    gateway: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(reload, "LOAD_TIMEOUT", 0.1)
    read, asked = threading.Event(), asyncio.Event()

    def load() -> Settings:
        read.wait()
        raise AssertionError("nobody waits for it any more")

    asked.set()
    running = asyncio.create_task(reload.Reloader(gateway.gateway, load, Supervisor()).run(asked))
    try:
        await until(lambda: gateway.sample(WELL), equals=0)
        assert "could not be read within 0.1 s" in caplog.text
        assert (await gateway.speak()).status == 200
    finally:
        read.set()
        await cancel_and_wait(running)


@pytest.mark.parametrize("raised", [asyncio.CancelledError, SystemExit])
async def test_whatever_a_plugin_raises_the_next_reload_is_heard(
    gateway: Served, monkeypatch: pytest.MonkeyPatch, raised: type[BaseException]
) -> None:
    asked = asyncio.Event()

    async def fail(_wanted: Settings) -> list[str]:
        raise raised

    served = gateway.gateway
    reloader = reload.Reloader(served, lambda: served.settings, Supervisor())
    running = asyncio.create_task(reloader.run(asked))
    try:
        with monkeypatch.context() as patched:
            patched.setattr(type(served), "reload", lambda _, wanted: fail(wanted))
            asked.set()
            await until(lambda: gateway.sample(WELL), equals=0)
        asked.set()
        await until(lambda: gateway.sample(WELL), equals=1)
    finally:
        await cancel_and_wait(running)


SLOW_PLUGIN = """
import asyncio, os, pathlib
class Slow:
    async def setup(self, app): app.on_startup.append(self.wait)
    async def wait(self, app):
        print("starting", file=__import__("sys").stderr, flush=True)
        await asyncio.to_thread(pathlib.Path(os.environ["GATE"]).read_bytes)
"""


async def test_a_start_is_not_ended_by_it(backend: ScriptedBackend, tmp_path: Path) -> None:
    (tmp_path / "slow_plugin.py").write_text(SLOW_PLUGIN)
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    words = ("--listen", "127.0.0.1:0", "--skit-url", backend.url, "--plugin", "slow_plugin:Slow")
    async with program(*words, PYTHONPATH=str(tmp_path), GATE=str(gate)) as run:
        await run.line("starting")

        run.signal(signal.SIGHUP)
        await asyncio.to_thread(gate.write_bytes, b"")

        await run.line("listening on")
        await run.line("starting")
        await asyncio.to_thread(gate.write_bytes, b"")
        await run.line("reloaded the settings")


async def test_the_service_manager_is_told_of_both_ends(
    backend: ScriptedBackend, tmp_path: Path
) -> None:
    file = tmp_path / "gateway.yml"
    file.write_text("")
    address = tmp_path / "notify.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(address))
        manager.setblocking(False)

        async def told(what: str) -> str:
            async with asyncio.timeout(30):
                while True:
                    message = await asyncio.get_running_loop().sock_recv(manager, 4096)
                    if what in message.decode().splitlines():
                        return message.decode()

        words = ("--skit-url", backend.url, "--config", str(file))
        async with serving_program(*words, NOTIFY_SOCKET=str(address)) as run:
            await told("READY=1")
            file.write_text("max-queue: lots\n")
            run.signal(signal.SIGHUP)

            assert "MONOTONIC_USEC=" in await told("RELOADING=1")
            assert "the last reload failed" in await told("READY=1")

            file.write_text("max-queue: 5\n")
            run.signal(signal.SIGHUP)
            await told("RELOADING=1")
            assert "failed" not in await told("READY=1")


@pytest.mark.parametrize(("before", "ends"), [((), True), (("nohup",), False)])
async def test_the_end_of_its_terminal_ends_it_unless_it_was_started_to_outlive_that(
    backend: ScriptedBackend, before: tuple[str, ...], *, ends: bool
) -> None:
    primary, terminal = os.openpty()
    setsid = ("setsid", "--ctty", *before)
    words = ("--skit-url", backend.url)
    with os.fdopen(terminal):
        async with serving_program(*words, before=setsid, stdin=os.ttyname(terminal)) as run:
            os.close(primary)

            if ends:
                await run.line("stopping")
                assert await run.ended() == 0
            else:
                run.signal(signal.SIGHUP)
                await run.line("reloaded the settings")
