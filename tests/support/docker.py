"""A Docker daemon of a test's own, and what the compose file makes on it."""

import asyncio
import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
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

    folder: Path

    @property
    def host(self) -> str:
        return f"unix://{self.folder}/docker.sock"

    @property
    def config(self) -> Path:
        """The client's folder, which has compose."""
        return self.folder / "config"

    async def try_to(self, *argv: str | Path, cwd: Path = ROOT, **environ: str) -> Ended:
        """Run docker."""
        return await self.shell(shlex.join(["docker", *map(str, argv)]), cwd, **environ)

    async def shell(self, command: str, cwd: Path, **environ: str) -> Ended:
        """Run a command as a user of this daemon types it."""
        process = await asyncio.create_subprocess_exec(
            *("sh", "-c", command),
            cwd=cwd,
            env={
                **os.environ,
                "DOCKER_HOST": self.host,
                "DOCKER_CONFIG": str(self.config),
                **environ,
            },
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        assert process.returncode is not None
        return Ended(process.returncode, output.decode())

    async def run(self, *argv: str | Path, cwd: Path = ROOT, **environ: str) -> str:
        """Run docker, which must succeed."""
        ended = await self.try_to(*argv, cwd=cwd, **environ)
        assert ended.status == 0, f"docker {argv}: {ended.output}"
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
    docker, said = Docker(folder), folder / "dockerd.log"
    (docker.config / "cli-plugins").mkdir(parents=True)
    (docker.config / "cli-plugins" / "docker-compose").symlink_to(os.environ[PROGRAM])
    places = ("data-root", "exec-root", "pidfile")
    with said.open("wb") as log:
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
        assert process.poll() is None, said.read_text()
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
    folder: Path
    port: int
    wyoming_port: int
    prometheus_port: int

    @property
    def environ(self) -> dict[str, str]:
        return {
            "COMPOSE_PROJECT_NAME": f"drill-{self.port}",
            "HTTP_PORT": str(self.port),
            "WYOMING_PORT": str(self.wyoming_port),
            "PROMETHEUS_PORT": str(self.prometheus_port),
            "STACK_NET": self.net,
        }

    @property
    def net(self) -> str:
        return f"10.213.{self.port % 256}"

    async def connect(self) -> RawClient:
        return await connect(self.port)

    async def type(self, command: str) -> str:
        """Type a command in the folder, which must succeed; return what it says."""
        async with asyncio.timeout(UP_TIMEOUT):
            ended = await self.docker.shell(command, self.folder, **self.environ)
        assert ended.status == 0, f"{command}: {ended.output}"
        return ended.output

    async def compose(self, *argv: str) -> str:
        """Run compose, on all services that there are."""
        words = ("compose", "-f", "deploy/compose.yaml", "--profile", "*", *argv)
        return await self.docker.run(*words, cwd=self.folder, **self.environ)

    async def container(self, service: str) -> str:
        return (await self.compose("ps", "--all", "--quiet", service)).strip()

    async def log(self, service: str) -> str:
        return await self.docker.run("logs", await self.container(service))

    async def exit_status(self, service: str) -> int:
        return int(await self.docker.run("wait", await self.container(service)))


@contextmanager
def running_stack(docker: Docker, folder: Path, *commands: str) -> Iterator[Stack]:
    """Type commands in a copy of what compose wants; take all away that they made in the end."""
    shutil.copytree(DEPLOY, folder / "deploy", ignore=shutil.ignore_patterns("secrets"))
    shutil.copytree(ROOT / "config", folder / "config")
    stack = Stack(docker, folder, free_port(), free_port(), free_port())
    try:
        for command in commands:
            asyncio.run(stack.type(command))
        yield stack
    finally:
        asyncio.run(stack.compose("down", "--volumes", "--timeout", "1"))
