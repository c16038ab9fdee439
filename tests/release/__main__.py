"""What a release is made of: installed into empty environments, each speaks and hears.

``python -m tests.release --dist dist`` tries the source archive and the wheel in environments of
their own, Debian's package in a container of its base, and both images. ``make release-check``
builds them before.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.client import connect
from tests.support.podman import BASE, FULL, SLIM, Podman, gateway_store
from tests.support.process import free_port, until_it_listens
from tests.support.word_errors import word_errors

EXTRAS = "embedded,openai,wyoming"
FOX = "The quick brown fox jumps over the lazy dog."
START_TIMEOUT = 300
"""Seconds; some install first."""


@dataclass(frozen=True)
class Release:
    """The files, and who runs containers."""

    dist: Path
    podman: Podman

    def file(self, ending: str) -> Path:
        (found,) = self.dist.glob(f"speech*{ending}")
        return found.resolve()


async def speaks_and_hears(port: int) -> None:
    """Have a sentence spoken and heard; its words must be the same."""
    async with await connect(port) as client:
        said = await client.ask("POST", "/tts", {}, FOX.encode())
        heard = await client.ask("POST", "/stt", {"Content-Type": "audio/ogg"}, said.body)
    assert (said.status, heard.status) == (200, 200), (said.text, heard.text)
    text = json.loads(heard.body)["text"]
    assert word_errors(FOX, text) == 0, text


@asynccontextmanager
async def process(*argv: str) -> AsyncIterator[None]:
    """Run a program until the block ends; it must end well."""
    started = await asyncio.create_subprocess_exec(*argv)
    try:
        yield
    finally:
        started.terminate()
        status = await started.wait()
    assert status == 0, f"{argv[0]} ended with {status}"


async def installed(file: Path) -> None:
    """Install a wheel or a source archive with pip."""
    with tempfile.TemporaryDirectory() as folder:
        run(sys.executable, "-m", "venv", folder)
        run(f"{folder}/bin/pip", "install", "--quiet", f"{file}[{EXTRAS}]")
        port = free_port()
        flags = ("--skit-url", "embedded", "--listen", f"127.0.0.1:{port}")
        async with process(f"{folder}/bin/speech-gateway", *flags):
            await until_it_listens(port)
            await speaks_and_hears(port)


async def packaged(release: Release) -> None:
    """Install Debian's package into its base."""
    file = release.file(".deb")
    port = free_port()
    script = (
        "apt-get update -qq && "
        "apt-get install -y -qq --no-install-recommends /dist/*.deb >/dev/null && "
        f"exec speech-gateway --skit-url embedded --listen 127.0.0.1:{port}"
    )
    mount = ("--volume", f"{file.parent}:/dist:ro", "--entrypoint", "/bin/sh")
    async with release.podman.container(BASE, "-c", script, flags=mount) as name:
        await until_it_listens(port, START_TIMEOUT)
        await speaks_and_hears(port)
        await release.podman.run("stop", "--time", "40", name)


async def image_alone(release: Release) -> None:
    """Run the full image."""
    wyoming = f"127.0.0.1:{free_port()}"
    async with release.podman.gateway(FULL, GATEWAY_WYOMING_LISTEN=wyoming) as gateway:
        await gateway.until_it_serves()
        await speaks_and_hears(gateway.port)
        assert await gateway.stop() == 0


async def image_before_an_engine(release: Release) -> None:
    """Run the slim image before the full one's engine."""
    port = free_port()
    python = "/opt/speech-gateway/bin/python"
    flags = ("--entrypoint", python)
    argv = ("-m", "speech_gateway.embedded", "--listen", f"127.0.0.1:{port}")
    async with release.podman.container(FULL, *argv, flags=flags):
        await until_it_listens(port, START_TIMEOUT)
        url = f"http://127.0.0.1:{port}"
        async with release.podman.gateway(SLIM, SKIT_URL=url) as gateway:
            await gateway.until_it_serves()
            await speaks_and_hears(gateway.port)
            assert await gateway.stop() == 0


def run(*argv: str) -> None:
    subprocess.run(argv, check=True)


async def main(argv: Sequence[str]) -> None:
    """Try everything, and say so."""
    parser = argparse.ArgumentParser(prog="python -m tests.release")
    parser.add_argument("--dist", type=Path, required=True)
    release = Release(parser.parse_args(argv).dist, gateway_store())
    tried: dict[str, Callable[[], Awaitable[None]]] = {
        "the source archive": lambda: installed(release.file(".tar.gz")),
        "the wheel": lambda: installed(release.file(".whl")),
        "Debian's package": lambda: packaged(release),
        "the full image": lambda: image_alone(release),
        "the slim image": lambda: image_before_an_engine(release),
    }
    for name, attempt in tried.items():
        await attempt()
        print(f"{name} speaks and hears")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
