"""A Docker daemon of a test's own, and what the compose file makes on it."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from .client import RawClient, Reachable, connect
from .compose import DEPLOY
from .paths import ROOT
from .podman import Ended, Podman
from .polling import until
from .process import free_port

STANDINS = ROOT / "tests" / "support" / "standins"
PROGRAM = "COMPOSE"
"""The variable that names compose itself; ``make compose-drill`` sets it."""
START_TIMEOUT, STOP_TIMEOUT, UP_TIMEOUT = 30.0, 30.0, 120.0


@dataclass(frozen=True)
class Docker:
    """A running daemon."""

    host: str
    log: Path

    async def try_to(self, *argv: str | Path, program: str = "docker", **environ: str) -> Ended:
        process = await asyncio.create_subprocess_exec(
            program,
            *map(str, argv),
            env={**os.environ, "DOCKER_HOST": self.host, **environ},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        assert process.returncode is not None
        return Ended(process.returncode, output.decode())

    async def run(self, *argv: str | Path, program: str = "docker", **environ: str) -> str:
        ended = await self.try_to(*argv, program=program, **environ)
        assert ended.status == 0, f"{program} {argv}: {ended.output}"
        return ended.output

    async def take(self, podman: Podman, image: str, name: str, folder: Path) -> None:
        """Take an image from podman's store, and give it a name."""
        archive = folder / "image.tar"
        await podman.run("push", "-q", image, f"docker-archive:{archive}:{name}", program="buildah")
        await self.run("load", "--quiet", "--input", archive)
        archive.unlink()


@contextmanager
def dockerd(folder: Path) -> Iterator[Docker]:
    """Run a daemon until the block ends, with all that it has in folder."""
    docker = Docker(f"unix://{folder}/docker.sock", folder / "dockerd.log")
    places = ("data-root", "exec-root", "pidfile")
    with docker.log.open("wb") as log:
        process = subprocess.Popen(
            [
                "dockerd",
                *(word for place in places for word in (f"--{place}", str(folder / place))),
                *("--host", docker.host, "--bridge", "none"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )

    async def answers() -> bool:
        assert process.poll() is None, docker.log.read_text()
        return (await docker.try_to("version")).status == 0

    try:
        asyncio.run(until(answers, START_TIMEOUT))
        yield docker
    finally:
        process.terminate()
        process.wait(STOP_TIMEOUT)


async def build_standins(podman: Podman, docker: Docker, folder: Path, **images: str) -> None:
    """Build a stand-in for each image that cannot be had here, and give it the image's name."""
    for standin, image in images.items():
        file = STANDINS / f"{standin}.Containerfile"
        flags = ("--format", "docker", "--pull-never", "--layers", "--file", file)
        built = f"localhost/standin:{standin}"
        await podman.run("bud", "-q", *flags, "--tag", built, STANDINS, program="buildah")
        await docker.take(podman, built, image, folder)


@dataclass(frozen=True)
class Stack(Reachable):
    """What the compose file makes, from a copy of it."""

    docker: Docker
    deploy: Path
    port: int
    wyoming_port: int
    prometheus_port: int
    profile: str

    async def connect(self) -> RawClient:
        return await connect(self.port)

    async def compose(self, *argv: str) -> str:
        return await self.docker.run(
            *("-f", self.deploy / "compose.yaml", *argv),
            program=os.environ[PROGRAM],
            COMPOSE_PROJECT_NAME=f"drill-{self.port}",
            COMPOSE_PROFILES=self.profile,
            HTTP_PORT=str(self.port),
            WYOMING_PORT=str(self.wyoming_port),
            PROMETHEUS_PORT=str(self.prometheus_port),
            STACK_NET=f"10.213.{self.port % 256}",
        )

    async def container(self, service: str) -> str:
        return (await self.compose("ps", "--all", "--quiet", service)).strip()

    async def log(self, service: str) -> str:
        return await self.docker.run("logs", await self.container(service))

    async def exit_status(self, service: str) -> int:
        found = await self.docker.run("wait", await self.container(service))
        return int(found)


@asynccontextmanager
async def up(
    docker: Docker, folder: Path, *services: str, profile: str = "alone"
) -> AsyncIterator[Stack]:
    """Have a profile, or services of it, come up and be healthy; take all away in the end."""
    shutil.copytree(DEPLOY, folder / "deploy", ignore=shutil.ignore_patterns("secrets"))
    shutil.copytree(ROOT / "config", folder / "config")
    subprocess.run([folder / "deploy" / "make-secrets"], check=True)
    stack = Stack(docker, folder / "deploy", free_port(), free_port(), free_port(), profile)
    flags = ("--detach", "--no-build", "--pull", "never", "--wait", "--wait-timeout", "90")
    try:
        async with asyncio.timeout(UP_TIMEOUT):
            await stack.compose("up", *flags, *services)
        yield stack
    finally:
        await stack.compose("down", "--volumes", "--timeout", "1")
