"""README.rst is true: its commands are run here as they stand."""

import asyncio
import json
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.ogg import seconds_of
from tests.support.paths import README, ROOT
from tests.support.program import serving_program
from tests.support.speech import spoken

SENTENCES = [
    "The quick brown fox jumps over the lazy dog.",
    "The boy was there when the sun rose.",
    "The weather tomorrow will be cold and dry.",
    "Open the window and let the fresh air in.",
    "The boy was there when the sun rose.",
]
PAGE = 110
PAGE_SECONDS = 0.02
"""About what a page of speech has, and the pace at which a microphone gives them."""
SCRIPT = ROOT / "scripts" / "stt.sh"


def commands() -> Iterator[str]:
    """Yield the README's shell commands, a line each, continued lines joined."""
    for block in re.findall(r"\.\. code-block:: console\n\n((?:    .*\n|\n)+)", README.read_text()):
        joined = block.replace("\\\n", "")
        yield from (match[1] for match in re.finditer(r"^    \$ (.+)$", joined, re.MULTILINE))


def command(with_: str) -> str:
    (found,) = [line for line in commands() if with_ in line]
    return found


async def shell(line: str, port: int, folder: Path) -> str:
    line = line.replace("localhost:8080", f"localhost:{port}")
    process = await asyncio.create_subprocess_shell(
        line, cwd=folder, stdout=asyncio.subprocess.PIPE, stdin=asyncio.subprocess.DEVNULL
    )
    out, _ = await process.communicate()
    assert process.returncode == 0, line
    return out.decode()


@pytest.mark.timeout(120)
async def test_the_first_steps_do_what_they_say(tmp_path: Path) -> None:
    async with serving_program("--skit-url", "embedded") as run:
        await shell(command("-o fox.ogg"), run.port, tmp_path)
        heard = await shell(command("@fox.ogg"), run.port, tmp_path)
        metrics = await shell(command("/metrics"), run.port, tmp_path)

    assert 2.3 < seconds_of((tmp_path / "fox.ogg").read_bytes()) < 2.9
    (line,) = heard.splitlines()
    assert "quick brown fox" in json.loads(line)["text"]
    for endpoint in ("tts", "stt"):
        sample = f'gateway_requests_total{{code="200",endpoint="{endpoint}",method="POST"}} 1.0'
        assert sample in metrics


@pytest.mark.timeout(120)
async def test_curl_prints_the_first_sentence_before_the_last_was_sent() -> None:
    line = command("curl -sNT -").partition("| ")[2]
    speech = spoken(" ".join(SENTENCES))
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
    assert left_at_first > len(spoken(SENTENCES[-1])), "the last sentence had not begun"
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
    block = re.search(r"code-block:: python\n\n((?:    .*\n)+)", README.read_text())
    assert block is not None
    example = textwrap.dedent(block[1])
    assert len(example.splitlines()) == 5
    async with serving_program("--skit-url", "embedded", "--openai") as run:
        (tmp_path / "five.py").write_text(
            example.replace("localhost:8080", f"localhost:{run.port}")
        )
        heard = await shell(f"{sys.executable} -W ignore five.py", run.port, tmp_path)
        await shell(command("-o speech.mp3"), run.port, tmp_path)
        heard_again = await shell(command("file=@speech.mp3"), run.port, tmp_path)

    assert "quick brown fox" in heard
    assert "fox" in json.loads(heard_again)["text"]
