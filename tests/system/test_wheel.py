"""The wheel: built, installed in a clean environment, and started from there."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from speech_gateway.service_files.service_tree import ServiceTree
from tests.support import systemd
from tests.support.client import connect
from tests.support.paths import ROOT

NO_PYTHON = systemd.python_missing()


def run(*argv: str | Path) -> None:
    subprocess.run([str(arg) for arg in argv], check=True, cwd="/", capture_output=True)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    dist = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--wheel", "--outdir", dist, ROOT)
    (built,) = dist.glob("*.whl")
    return built


@pytest.mark.timeout(300)
async def test_the_wheel_serves_from_a_clean_environment(wheel: Path, tmp_path: Path) -> None:
    run(sys.executable, "-m", "venv", tmp_path / "venv")
    run(tmp_path / "venv/bin/pip", "install", "--quiet", f"{wheel}[embedded,openai]")

    for name in (
        "man/man1/speech-gateway.1",
        "bash-completion/completions/speech-gateway.bash",
        "zsh/site-functions/_speech-gateway",
        "fish/vendor_completions.d/speech-gateway.fish",
    ):
        assert (tmp_path / "venv/share" / name).is_file(), name
    run(tmp_path / "venv/bin/speech-gateway", "--print-completion", "bash")

    process = await asyncio.create_subprocess_exec(
        str(tmp_path / "venv/bin/speech-gateway"),
        *("--listen", "127.0.0.1:0", "--skit-url", "embedded", "--openai", "--console"),
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"]},
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    greeting = await process.stdout.readuntil(b"/tts")
    try:
        async with await connect(int(greeting.rpartition(b":")[2].partition(b"/")[0])) as client:
            assert (await client.speak()).body.startswith(b"OggS")
            assert (await client.ask("GET", "/")).status == 200
    finally:
        process.terminate()
        await process.communicate()
    assert process.returncode == 0


@pytest.mark.skipif(bool(NO_PYTHON), reason=NO_PYTHON)
@pytest.mark.timeout(300)
def test_the_wheel_makes_a_service_like_that_of_make_install(wheel: Path, tmp_path: Path) -> None:
    prefix = tmp_path / "opt/speech-gateway"
    run(systemd.PYTHON, "-m", "venv", prefix)
    run(prefix / "bin/pip", "install", "--quiet", "--no-compile", wheel)
    from_source = ServiceTree(
        root=tmp_path / "source",
        prefix=Path("/opt/speech-gateway"),
        config=Path("/etc/speech-gateway"),
        units=Path("/etc/systemd/system"),
        share=Path("/opt/speech-gateway/share/speech-gateway"),
    )

    run(prefix / "bin/speech-gateway", "install-service", "--root", tmp_path)
    from_source.install(engine=False)

    written = {
        path.relative_to(from_source.root): path.read_bytes()
        for path in from_source.root.rglob("*")
        if path.is_file()
    }
    assert len(written) >= 9
    for path, content in written.items():
        assert (tmp_path / path).read_bytes() == content, path
