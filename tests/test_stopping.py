"""The program is told to stop, or runs out of what it needs: who is served, and how it ends."""

import asyncio
import signal
import sys
from pathlib import Path

import pytest

from tests.support.backend import OK_CHUNKED, BackendCall, ScriptedBackend, answer, chunk
from tests.support.client import RawClient, connect
from tests.support.gateway import eventually
from tests.support.program import serving_program


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

            late.request("GET", "/readyz")
            assert (await late.response()).status == 503
            late.request("POST", "/tts", body=b"Too late.")
            refused = await late.response()
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
        await eventually(path.exists, timeout=30)
        client = RawClient(*await asyncio.open_unix_connection(str(path)))
        client.request("POST", "/tts", body=b"Hello.")
        assert (await client.response()).body == b"OggS-speech"
        client.leave()
    finally:
        process.terminate()
        assert await process.wait() == 0


async def test_answers_are_not_kept_by_the_drain(backend: ScriptedBackend) -> None:
    async def script(call: BackendCall) -> None:
        await call.whole_media()
        await call.write(answer(b"short"))

    backend.script = script
    async with serving_program("--skit-url", backend.url) as run:
        async with await connect(run.port) as idle:
            idle.request("POST", "/tts", body=b"Hello.")
            assert (await idle.response()).body == b"short"
            run.signal()
            assert await run.ended() == 0
            assert await idle.closed()
