"""README.rst and what it leads to are true: their commands are run here as they stand."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import haproxy
from tests.support.backend import ScriptedBackend
from tests.support.client import connect
from tests.support.documents import OPENAI, OPERATING, README, REALTIME, SIZING
from tests.support.gateway import serving
from tests.support.ogg import seconds_of
from tests.support.paths import ROOT
from tests.support.program import program, serving_program
from tests.support.speech import PAGE_SECONDS, SENTENCES, spoken
from tests.support.whisper_models import make_model

PAGE = 110
"""Bytes that a page of speech has, about."""
SCRIPT = ROOT / "scripts" / "stt.sh"


async def shell(line: str, port: int, folder: Path) -> str:
    return await in_shell(line.replace("localhost:8080", f"localhost:{port}"), folder)


async def in_shell(line: str, folder: Path, **environ: str) -> str:
    process = await asyncio.create_subprocess_shell(
        line,
        cwd=folder,
        env={**os.environ, **environ},
        stdout=asyncio.subprocess.PIPE,
        stdin=asyncio.subprocess.DEVNULL,
    )
    out, _ = await process.communicate()
    assert process.returncode == 0, line
    return out.decode()


@pytest.mark.timeout(120)
async def test_the_first_steps_do_what_they_say(tmp_path: Path) -> None:
    async with serving_program("--skit-url", "embedded") as run:
        await shell(README.command("-o fox.ogg"), run.port, tmp_path)
        heard = await shell(README.command("@fox.ogg"), run.port, tmp_path)
        metrics = await shell(README.command("/metrics"), run.port, tmp_path)

    assert 2.0 < seconds_of((tmp_path / "fox.ogg").read_bytes()) < 3.0
    (line,) = heard.splitlines()
    assert "quick brown fox" in json.loads(line)["text"]
    for endpoint in ("tts", "stt"):
        sample = f'gateway_requests_total{{code="200",endpoint="{endpoint}",method="POST"}} 1.0'
        assert sample in metrics


@pytest.mark.timeout(120)
async def test_curl_prints_the_first_sentence_before_the_last_was_sent() -> None:
    line = README.command("curl -sNT -").partition("| ")[2]
    sentences = [*SENTENCES, SENTENCES[1]]
    speech = spoken("\n".join(sentences))
    async with serving_program("--skit-url", "embedded") as run:
        process = await asyncio.create_subprocess_shell(
            line.replace("localhost:8080", f"localhost:{run.port}"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        first = asyncio.create_task(process.stdout.readline())
        left_at_first = 0
        for start in range(0, len(speech), PAGE):
            process.stdin.write(speech[start : start + PAGE])
            await asyncio.wait([first], timeout=PAGE_SECONDS if not first.done() else 0)
            if first.done():
                left_at_first = left_at_first or len(speech) - start
        process.stdin.close()
        spoken_first = json.loads(await first)["text"]
        rest = await process.stdout.read()
        assert await process.wait() == 0

    assert "quick brown fox" in spoken_first
    assert left_at_first > len(spoken(sentences[-1])), "the last sentence had not begun"
    assert b"weather" in rest


def test_the_microphone_script_is_sound_shell() -> None:
    subprocess.run(["sh", "-n", str(SCRIPT)], check=True)


async def test_the_microphone_script_says_what_it_lacks(tmp_path: Path) -> None:
    (tmp_path / "uname").write_text("#!/bin/sh\necho Linux\n")
    (tmp_path / "uname").chmod(0o755)
    run = subprocess.run(
        ["/bin/sh", str(SCRIPT)],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 1
    assert "ffmpeg is needed" in run.stderr


async def test_openais_clients_are_served_as_it_says(tmp_path: Path) -> None:
    (example,) = OPENAI.code("python")
    assert len(example.splitlines()) == 5
    async with serving_program("--skit-url", "embedded", "--openai") as run:
        (tmp_path / "five.py").write_text(
            example.replace("localhost:8080", f"localhost:{run.port}")
        )
        heard = await shell(f"{sys.executable} -W ignore five.py", run.port, tmp_path)
        await shell(OPENAI.command("-o speech.mp3"), run.port, tmp_path)
        heard_again = await shell(OPENAI.command("file=@speech.mp3"), run.port, tmp_path)

    assert "quick brown fox" in heard
    assert "fox" in json.loads(heard_again)["text"].lower()


async def test_live_speech_is_heard_as_it_says(tmp_path: Path) -> None:
    (example,) = REALTIME.code("python")
    async with serving_program("--skit-url", "embedded", "--openai") as run:
        await shell(REALTIME.command("-o fox.pcm"), run.port, tmp_path)
        (tmp_path / "live.py").write_text(
            example.replace("localhost:8080", f"localhost:{run.port}")
        )
        heard = await shell(f"{sys.executable} -W ignore live.py", run.port, tmp_path)

    assert "quick brown fox" in heard


async def test_streamkit_is_pointed_at_as_it_says(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("s3cret\n")
    name, *flags = README.command("--token-file").split()
    assert name == "speech-gateway"

    flags = [flag.replace("/etc/speech-gateway/token", str(token)) for flag in flags]
    async with program(*flags, "--check-config") as run:
        assert await run.ended() == 0, run.log


async def test_a_larger_model_is_named_as_it_says(tmp_path: Path) -> None:
    name, *flags = README.command("--stt-model").split()
    assert name == "speech-gateway"
    model = str(make_model(tmp_path / "model"))

    flags = [model if flag.startswith("/srv/") else flag for flag in flags]
    async with program("--listen", "127.0.0.1:0", *flags) as run:
        await run.line("listening on")


async def test_a_key_made_as_it_says_lets_its_client_in(
    backend: ScriptedBackend, tmp_path: Path
) -> None:
    make, note = OPERATING.command("key=$("), OPERATING.command(">> keys")
    told = await in_shell(f"{make}; {note}", tmp_path)
    key = told.strip().removeprefix("give the client: ")

    async with serving(backend.url, "--client-keys", str(tmp_path / "keys")) as gateway:
        async with await gateway.connect() as client:
            client.request("POST", "/tts", {"Authorization": f"Bearer {key}"}, b"Hello.")
            assert (await client.response()).status == 200


@pytest.mark.skipif(bool(haproxy.MISSING), reason=haproxy.MISSING)
async def test_haproxys_files_pass_the_checks_that_they_name() -> None:
    await in_shell(OPERATING.command("haproxy -c"), ROOT, HAPROXY_UNPRIVILEGED="1")
    await in_shell(SIZING.command("haproxy -c"), ROOT, HAPROXY_UNPRIVILEGED="1")


async def test_the_engine_runs_alone_as_it_says() -> None:
    python, _, module, *flags = OPERATING.command("speech_gateway.embedded").split()
    assert python == "python"

    flags = [flag.replace(":4545", ":0") for flag in flags]
    async with program(*flags, module=module) as run:
        port = (await run.line(r"the engine serves on http://127.0.0.1:(\d+)"))[1]
        async with await connect(int(port)) as client:
            client.request("GET", "/healthz")
            assert (await client.response()).status == 200
