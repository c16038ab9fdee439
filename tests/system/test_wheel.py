"""The wheel: built, installed in a clean environment, and started from there."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.client import connect
from tests.support.paths import ROOT


def run(*argv: str | Path) -> None:
    subprocess.run([str(arg) for arg in argv], check=True, cwd="/", capture_output=True)


@pytest.mark.timeout(300)
async def test_the_wheel_serves_from_a_clean_environment(tmp_path: Path) -> None:
    run(sys.executable, "-m", "build", "--wheel", "--outdir", tmp_path / "dist", ROOT)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    run(sys.executable, "-m", "venv", tmp_path / "venv")
    run(tmp_path / "venv/bin/pip", "install", "--quiet", f"{wheel}[embedded]")

    process = await asyncio.create_subprocess_exec(
        str(tmp_path / "venv/bin/speech-gateway"),
        *("--listen", "127.0.0.1:0", "--skit-url", "embedded"),
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"]},
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    greeting = await process.stdout.readuntil(b"/tts")
    try:
        async with await connect(int(greeting.rpartition(b":")[2].partition(b"/")[0])) as client:
            assert (await client.speak()).body.startswith(b"OggS")
    finally:
        process.terminate()
        await process.communicate()
    assert process.returncode == 0
