"""The program is told to stop, or runs out of what it needs: who is served, and how it ends."""

import asyncio
import re
import resource
import signal
import sys
from pathlib import Path

import pytest

from tests.support.backend import OK_CHUNKED, BackendCall, ScriptedBackend, answer, chunk, says
from tests.support.client import connect, connect_to_file
from tests.support.polling import until
from tests.support.program import program, serving_program


def script_in_two_halves(backend: ScriptedBackend) -> asyncio.Event:
    release = asyncio.Event()

    async def script(call: BackendCall) -> None:
        await call.whole_media()
        await call.write(OK_CHUNKED + chunk(b"first"))
        await release.wait()
        await call.write(chunk(b"second") + b"0\r\n\r\n")

    backend.script = script
    return release


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_stream_under_way_finishes_whole_when_the_gateway_stops(
    backend: ScriptedBackend, number: signal.Signals
) -> None:
    release = script_in_two_halves(backend)
    async with serving_program("--skit-url", backend.url) as run:
        async with await connect(run.port) as client, await connect(run.port) as late:
            client.request("POST", "/tts", body=b"Hello.")
            await client.head()
            assert await client.piece() == b"first"
            run.signal(number)
            await run.line("stopping")

            assert (await late.ask("GET", "/readyz")).status == 503
            refused = await late.speak(b"Too late.")
            assert (refused.status, "retry-after" in refused.headers) == (503, True)

            release.set()
            assert await client.piece() == b"second"
            assert await client.piece() == b""
        assert await run.ended() == 0


@pytest.mark.parametrize("how", ["at the drain timeout", "at a second signal"])
async def test_an_endless_stream_is_broken_off(backend: ScriptedBackend, how: str) -> None:
    script_in_two_halves(backend)
    timeout = "100ms" if how == "at the drain timeout" else "1h"
    async with serving_program("--skit-url", backend.url, "--drain-timeout", timeout) as run:
        async with await connect(run.port) as client:
            client.request("POST", "/tts", body=b"Hello.")
            await client.head()
            assert await client.piece() == b"first"
            run.signal()
            await run.line("stopping")
            if how == "at a second signal":
                run.signal()

            assert await client.piece() is None
        assert await run.ended() == 0
    assert "ended with 503" in "".join(run.log)


async def test_a_failing_log_fails_no_request(backend: ScriptedBackend, tmp_path: Path) -> None:
    path = tmp_path / "gateway.sock"
    with Path("/dev/full").open("w") as full:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "speech_gateway", "--listen", f"unix:{path}"),
            *("--skit-url", backend.url),
            stderr=full,
        )
    try:
        await until(path.exists, timeout=30)
        client = await connect_to_file(path)
        assert (await client.speak()).body == b"OggS-speech"
        client.leave()
    finally:
        process.terminate()
        assert await process.wait() == 0


async def test_answers_are_not_kept_by_the_drain(backend: ScriptedBackend) -> None:
    backend.script = says(answer(b"short"))
    async with serving_program("--skit-url", backend.url) as run:
        async with await connect(run.port) as idle:
            assert (await idle.speak()).body == b"short"
            run.signal()
            assert await run.ended() == 0
            assert await idle.closed()


async def test_files_are_kept_for_those_who_were_let_in(backend: ScriptedBackend) -> None:
    async with serving_program(
        "--skit-url", backend.url, before=("prlimit", "--nofile=204:204")
    ) as run:
        assert "enough for 26 connections instead of 1000" in "".join(run.log)
        clients = [await connect(run.port) for _ in range(60)]

        for client in clients[:26]:
            client.request("POST", "/tts", body=b"Hello.")
        served = [await client.response() for client in clients[:26]]
        turned_away = [await client.response() for client in clients[26:]]

        assert {response.status for response in served} == {200}
        assert {response.status for response in turned_away} == {503}
        for client in clients:
            client.leave()


async def test_the_limit_on_files_is_raised_where_it_may_be(backend: ScriptedBackend) -> None:
    async with serving_program(
        "--skit-url", backend.url, before=("prlimit", "--nofile=100:4096")
    ) as run:
        limits = Path(f"/proc/{run.process.pid}/limits").read_text()

    assert re.search(r"Max open files +1178 +4096", limits)


async def test_too_few_files_to_serve_stop_the_start() -> None:
    async with program("--listen", "127.0.0.1:0", before=("prlimit", "--nofile=70:70")) as run:
        assert await run.ended() == 1

    assert "LimitNOFILE" in run.log[-1]
    assert "Traceback" not in run.log[-1]


async def test_out_of_files_what_runs_goes_on_and_what_comes_is_served_when_there_are_some(
    backend: ScriptedBackend,
) -> None:
    release = script_in_two_halves(backend)
    async with serving_program("--skit-url", backend.url) as run:
        async with await connect(run.port) as streaming, await connect(run.port) as waiting:
            streaming.request("POST", "/tts", body=b"Hello.")
            await streaming.head()
            await waiting.ask("GET", "/healthz")
            resource.prlimit(run.process.pid, resource.RLIMIT_NOFILE, (3, 4096))

            refused = await waiting.speak(b"No file for the call.")
            unlucky = await connect(run.port)
            unlucky.request("POST", "/tts", body=b"No file for the connection.")
            release.set()
            assert await streaming.piece() == b"first"
            assert await streaming.piece() == b"second"
            assert await streaming.piece() == b""
            resource.prlimit(run.process.pid, resource.RLIMIT_NOFILE, (4096, 4096))

            assert refused.status == 502
            assert (await waiting.speak(b"Hello again.")).whole
            async with await connect(run.port) as new:
                assert (await new.speak(b"Hello too.")).whole
        unlucky.leave()
        run.signal()
        assert await run.ended() == 0
    assert "Traceback" not in "".join(run.log)
