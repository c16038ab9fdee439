"""The program: its start, its pages, its log."""

import asyncio
import os
from importlib.resources import files
from pathlib import Path

import pytest

from speech_gateway import __version__
from speech_gateway.server.service import greeting
from tests.support.backend import ScriptedBackend
from tests.support.client import connect, connect_to_file
from tests.support.polling import until
from tests.support.process import nobody
from tests.support.program import program, serving_program


async def test_right_settings_are_only_checked(tmp_path: Path) -> None:
    async with program("--check-config", "--max-queue", "3") as run:
        assert await run.ended() == 0
    assert "right" in run.log[-1]


def test_what_there_is_to_try_works_on_a_unix_socket_too() -> None:
    told = greeting("unix:/run/gateway.sock", console=True)

    assert told.count("curl -s --unix-socket /run/gateway.sock") == 3
    assert "http://localhost/tts" in told
    assert "browser" not in told


def test_the_page_to_try_is_named_where_there_is_one() -> None:
    url = "http://127.0.0.1:8080"

    assert f"serves on {url}: open that in a browser." in greeting(url, console=True)
    assert "browser" not in greeting(url, console=False)


async def test_a_pipeline_without_newlines_is_warned_of(tmp_path: Path) -> None:
    packaged = files("speech_gateway.pipelines").joinpath("stt.yml").read_text()
    own = tmp_path / "stt.yml"
    own.write_text(packaged.replace("newline_delimited: true", "newline_delimited: false"))
    async with program("--check-config", "--stt-pipeline", str(own)) as run:
        assert await run.ended() == 0
    async with serving_program("--stt-pipeline", str(own)) as serving:
        pass

    for log in (run.log, serving.log):
        assert any("stt-pipeline has a core::json_serialize node without" in line for line in log)


@pytest.mark.parametrize("check", [(), ("--check-config",)])
async def test_wrong_settings_stop_the_start_with_all_problems(check: tuple[str, ...]) -> None:
    async with program(*check, "--max-queue", "x", GATEWAY_LOG_LEVEL="loud") as run:
        assert await run.ended() == 2
    assert "max-queue (from the command line)" in run.log[-1]
    assert "log-level (from the environment's GATEWAY_LOG_LEVEL)" in run.log[-1]
    assert "Traceback" not in run.log[-1]


async def test_the_help_tells_every_setting_once() -> None:
    async with program("--help") as run:
        assert run.process.stdout is not None
        out = (await run.process.stdout.read()).decode()
        assert await run.ended() == 0
    for name in (
        "--listen",
        "GATEWAY_LISTEN",
        "--max-tts-text-size",
        "SKIT_TOKEN_FILE",
        "--config",
        "-listen :8080",
        "An empty value is the default.",
    ):
        assert name in out


@pytest.mark.parametrize("flag", ["--version", "-version"])
async def test_the_version_is_told_whatever_the_settings_are(flag: str) -> None:
    async with program(flag, GATEWAY_MAX_QUEUE="x") as run:
        assert run.process.stdout is not None
        out = (await run.process.stdout.read()).decode()
        assert await run.ended() == 0
    assert out == f"speech-gateway {__version__}\n"


async def test_a_port_that_is_taken_stops_the_start(backend: ScriptedBackend) -> None:
    port = backend.url.rpartition(":")[2]
    async with program("--listen", f"127.0.0.1:{port}") as run:
        assert await run.ended() == 1
    assert "cannot listen" in run.log[-1]
    assert "Traceback" not in run.log[-1]


async def test_what_was_handed_over_must_be_a_listening_socket() -> None:
    words = ("sh", "-c", 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$@" 3</dev/null', "sh")
    async with program("--listen", "127.0.0.1:0", before=words) as run:
        assert await run.ended() == 1

    assert "file descriptor 3 was handed over, but is no listening stream socket" in run.log[-1]


async def test_the_lax_parser_is_refused() -> None:
    async with program("--listen", "127.0.0.1:0", AIOHTTP_NO_EXTENSIONS="1") as run:
        assert await run.ended() == 2  # another start would end like this
    assert "C parser" in run.log[-1]


async def test_it_listens_on_a_unix_socket_and_leaves_none_behind(
    backend: ScriptedBackend, tmp_path: Path
) -> None:
    path = tmp_path / "gateway.sock"
    async with program("--listen", f"unix:{path}", "--skit-url", backend.url) as run:
        await run.line("listening on unix:")
        client = await connect_to_file(path)
        assert (await client.speak()).body == b"OggS-speech"
        run.signal()
        assert await run.ended() == 0
        client.leave()
    assert not path.exists()


SLOW_PLUGIN = """
import asyncio, os, pathlib
class Slow:
    async def setup(self, app): app.on_startup.append(self.wait)
    async def wait(self, app): await asyncio.to_thread(pathlib.Path(os.environ["GATE"]).read_bytes)
"""


async def test_who_connects_as_soon_as_the_file_is_there_is_served(
    backend: ScriptedBackend, tmp_path: Path
) -> None:
    path, gate = tmp_path / "gateway.sock", tmp_path / "gate"
    (tmp_path / "slow_plugin.py").write_text(SLOW_PLUGIN)
    os.mkfifo(gate)
    flags = ("--listen", f"unix:{path}", "--skit-url", backend.url, "--plugin", "slow_plugin:Slow")
    async with program(*flags, PYTHONPATH=str(tmp_path), GATE=str(gate)):
        opened = await asyncio.to_thread(gate.open, "wb")  # as soon as the plugin reads
        with opened:
            assert not path.exists()

        await until(path.exists, timeout=30, every=0.0)
        async with await connect_to_file(path) as client:
            assert (await client.ask("GET", "/healthz")).status == 200


async def test_it_is_ready_as_long_as_the_backend_answers(backend: ScriptedBackend) -> None:
    async with serving_program("--skit-url", backend.url) as run:
        async with await connect(run.port) as client:
            assert (await client.ask("GET", "/readyz")).status == 200
    backend.healthy = False
    async with serving_program("--skit-url", backend.url) as run:
        async with await connect(run.port) as client:
            response = await client.ask("GET", "/readyz")
            assert response.status == 503
            assert "answers 503" in response.text
            assert (await client.ask("GET", "/healthz")).status == 200


async def test_it_is_not_ready_without_a_backend() -> None:
    with nobody() as url:
        async with serving_program("--skit-url", url) as run, await connect(run.port) as client:
            response = await client.ask("GET", "/readyz")
    assert response.status == 503
    assert "cannot be reached" in response.text
    assert "127.0.0.1" not in response.text
