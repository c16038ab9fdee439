"""HAProxy with the configuration that is shipped, as a process of its own."""

import asyncio
import csv
import os
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.paths import ROOT

from .client import RawClient, Reachable, connect
from .network import Machine
from .polling import until
from .process import free_port, listens

CONFIG = ROOT / "config" / "haproxy" / "haproxy.cfg"
MISSING = "" if shutil.which("haproxy") else "needs haproxy"
"""Why it cannot be run here; empty where it can be."""
SERVERS = ("one", "two", "three")
START_TIMEOUT = 30.0
WAIT_TIMEOUT = 30.0


@dataclass(frozen=True)
class Haproxy(Reachable):
    """A running HAProxy."""

    process: asyncio.subprocess.Process
    log: Path
    admin: Path
    port: int
    stats_port: int
    host: str = "127.0.0.1"
    machine: Machine | None = None
    """The one that it runs on; none is this one."""

    async def connect(self, machine: Machine | None = None) -> RawClient:
        """Return a client's connection, from machine or else from HAProxy's own."""
        at = machine or self.machine
        return await connect(self.port, host=self.host, sock=at.socket() if at else None)

    async def states(self) -> dict[str, str]:
        """Return what HAProxy holds of each gateway: ``UP``, ``DOWN``, ``UP 1/2`` and so on."""
        page = await self.stats("/;csv")
        rows = csv.DictReader(page.removeprefix("# ").splitlines())
        return {row["svname"]: row["status"] for row in rows if row["pxname"] == "speech"}

    async def stats(self, path: str) -> str:
        """Return a page of what HAProxy tells of itself."""
        async with await self.connect_to_stats() as client:
            return (await client.ask("GET", path)).text

    async def connect_to_stats(self) -> RawClient:
        return await connect(self.stats_port, sock=self.machine.socket() if self.machine else None)

    async def until(self, server: str, state: str) -> None:
        """Wait until HAProxy holds a gateway to be in a state."""

        async def held() -> str:
            return (await self.states())[server]

        await until(held, WAIT_TIMEOUT, equals=state)

    def command(self, words: str) -> str:
        """Give a command as an operator does, through the admin's socket; return what it says."""
        with socket.socket(socket.AF_UNIX) as admin:
            admin.connect(str(self.admin))
            admin.sendall(f"{words}\n".encode())
            return admin.recv(65536).decode()


@asynccontextmanager
async def haproxy(
    gateways: dict[str, str], config: Path = CONFIG, **environ: str
) -> AsyncIterator[Haproxy]:
    """Run HAProxy on loopback, without any rights, before gateways by their servers' names."""
    port, stats_port = free_port(), free_port()
    # Where there is no gateway, nobody listens.
    addresses = {server: gateways.get(server, f"127.0.0.1:{free_port()}") for server in SERVERS}
    settings = {f"GATEWAY_{server.upper()}": address for server, address in addresses.items()}
    settings |= {"LISTEN": f"127.0.0.1:{port}", "STATS": f"127.0.0.1:{stats_port}"}
    settings |= {"HAPROXY_UNPRIVILEGED": "1", **environ}
    async with _process(config, settings) as (process, log, admin):
        running = Haproxy(process, log, admin, port, stats_port)
        await until_it_serves(running)
        yield running


@asynccontextmanager
async def haproxy_on(machine: Machine, address: str) -> AsyncIterator[Haproxy]:
    """Run HAProxy on machine, with all its defaults: its user, its root, its gateways."""
    async with _process(CONFIG, {}, machine.command) as (process, log, admin):
        running = Haproxy(process, log, admin, 80, 8404, address, machine)
        await until_it_serves(running)
        yield running


async def until_it_serves(running: Haproxy) -> None:
    """Wait until it listens on both ports: it begins with one after the other."""

    async def serves() -> bool:
        assert running.process.returncode is None, running.log.read_text()
        return await listens(running.connect) and await listens(running.connect_to_stats)

    await until(serves, START_TIMEOUT)


@asynccontextmanager
async def _process(
    config: Path, settings: dict[str, str], before: tuple[str, ...] = ()
) -> AsyncIterator[tuple[asyncio.subprocess.Process, Path, Path]]:
    with tempfile.TemporaryDirectory() as folder:
        log, admin = Path(folder, "log"), Path(folder, "admin.sock")
        environ = {"HAPROXY_LOG": "stdout", "HAPROXY_SOCKET": str(admin), **settings}
        with log.open("wb") as out:
            process = await asyncio.create_subprocess_exec(
                *(*before, "haproxy", "-db", "-f", str(config)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out,
                stderr=asyncio.subprocess.STDOUT,
                env={**os.environ, **environ},
            )
        try:
            yield process, log, admin
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
