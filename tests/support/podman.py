"""The images, in a store of the tests' own, and containers of them on the host's network."""

import asyncio
import json
import os
import secrets
import subprocess
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .client import RawClient, Reachable, connect
from .paths import ROOT
from .process import free_port, until_it_listens

BASE = "docker.io/library/debian:bookworm-slim"
SLIM, FULL = "localhost/speech-gateway:slim", "localhost/speech-gateway:full"
STOP_TIMEOUT = 60
STORE = "SPEECH_GATEWAY_CONTAINER_STORE"
"""The variable that names the store; without it, podman's own is taken."""
HARDENED = (
    *("--read-only", "--read-only-tmpfs=false", "--tmpfs", "/tmp:size=64m"),
    *("--cap-drop", "all", "--security-opt", "no-new-privileges"),
    *("--pids-limit", "200"),
)
"""All that an operator can take away."""


@dataclass(frozen=True)
class Ended:
    """How a program ended, and what it said."""

    status: int
    output: str


@dataclass(frozen=True)
class Podman:
    """Podman and buildah with a store of their own."""

    store: Path | None

    @property
    def environ(self) -> dict[str, str]:
        if self.store is None:
            return dict(os.environ)
        return {
            **os.environ,
            "BUILDAH_ISOLATION": "chroot",
            "CONTAINERS_CONF": str(self.store / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(self.store / "storage.conf"),
        }

    async def try_to(self, *argv: str | Path, program: str = "podman") -> Ended:
        """Run podman, or another program with its settings."""
        temporary: tuple[str, ...] = ()
        if program == "podman" and self.store is not None:
            temporary = ("--tmpdir", str(self.store / "tmp"))
        # Not a pipe: what watches a container keeps it open as long as that runs.
        with tempfile.TemporaryFile() as output:
            process = await asyncio.create_subprocess_exec(
                program,
                *temporary,
                *map(str, argv),
                cwd=ROOT,
                env=self.environ,
                stdout=output,
                stderr=output,
            )
            status = await process.wait()
            output.seek(0)
            lines = output.read().decode().splitlines(keepends=True)
        # It would have systemd ask for health, which a test does itself.
        said = "".join(line for line in lines if "unable to get systemd connection" not in line)
        return Ended(status, said)

    async def run(self, *argv: str | Path, program: str = "podman") -> str:
        """Run podman, or another program with its settings, which must succeed."""
        ended = await self.try_to(*argv, program=program)
        assert ended.status == 0, f"{program} {argv}: {ended.output}"
        return ended.output

    def build(self, command: str) -> None:
        """Run a command of the shell's that builds an image, in the project's folder."""
        built = subprocess.run(
            ["/bin/sh", "-c", command],
            cwd=ROOT,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert built.returncode == 0, built.stdout

    async def inspect(self, image: str) -> dict[str, Any]:
        """Return what podman tells of an image."""
        (found,) = json.loads(await self.run("image", "inspect", image))
        return dict(found)

    async def shell(self, image: str, script: str, *flags: str) -> str:
        """Return what a script says inside."""
        entry = ("run", "--rm", "--pull", "missing", *flags, "--entrypoint", "/bin/sh")
        return await self.run(*entry, image, "-c", script)

    @asynccontextmanager
    async def container(
        self, image: str, *argv: str, flags: Sequence[str] = (), network: str = "host"
    ) -> AsyncIterator[str]:
        """Run a container until the block ends; yield its name."""
        name = f"speech-gateway-test-{secrets.token_hex(4)}"
        started = ("run", "--detach", "--pull", "missing", "--network", network, "--name", name)
        try:
            await self.run(*started, *flags, image, *argv)
            yield name
        finally:
            await self.run("rm", "--force", "--time", "0", name)

    @asynccontextmanager
    async def gateway(
        self, image: str, *argv: str, flags: Sequence[str] = (), **environ: str
    ) -> AsyncIterator["GatewayContainer"]:
        """Run a gateway, hardened, until the block ends; at a port of its own unless argv says."""
        port = free_port()
        environ = {"GATEWAY_LISTEN": f"127.0.0.1:{port}", **environ}
        variables = [word for name in environ for word in ("--env", f"{name}={environ[name]}")]
        async with self.container(image, *argv, flags=(*HARDENED, *flags, *variables)) as name:
            yield GatewayContainer(self, name, port)


def gateway_store() -> Podman:
    """Return podman with the store that the environment names."""
    store = os.environ.get(STORE)
    return Podman(Path(store) if store else None)


@dataclass(frozen=True)
class GatewayContainer(Reachable):
    """A gateway that runs in a container."""

    podman: Podman
    name: str
    port: int

    async def connect(self) -> RawClient:
        return await connect(self.port)

    async def until_it_serves(self) -> None:
        await until_it_listens(self.port)

    async def health(self) -> Ended:
        """Have its health checked as the image says."""
        return await self.podman.try_to("healthcheck", "run", self.name)

    async def stop(self) -> int:
        """Have it stopped as podman does; return its exit status."""
        await self.podman.run("stop", "--time", str(STOP_TIMEOUT), self.name)
        return await self.status()

    async def status(self) -> int:
        """Wait for its end; return its exit status."""
        return int(await self.podman.run("wait", self.name))

    async def log(self) -> str:
        return await self.podman.run("logs", self.name)
