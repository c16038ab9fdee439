"""What is measured: the gateway, HAProxy, or nothing at all, before the same backend."""

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.process import free_port, resident, until_it_listens

PROXY_CORE, LOAD_CORE = 0, 1
GATEWAY_FLAGS = (
    *("--max-concurrency", "4000", "--max-connections", "8000", "--max-queue", "4000"),
    *("--max-body-bytes", "1048576"),
)
"""All checks, limits and timeouts are on; there is room for as many streams as can be had."""
HAPROXY_CONFIG = """
global
    nbthread 1
    maxconn 8000
defaults
    mode http
    option http-no-delay
    timeout connect 5s
    timeout client 30s
    timeout server 120s
frontend speech
    bind 127.0.0.1:{port}
    default_backend skit
backend skit
    server skit 127.0.0.1:{backend_port}
"""


@dataclass(frozen=True)
class Peer:
    """A process that answers clients."""

    name: str
    pid: int
    port: int

    def processor_seconds(self) -> float:
        """Return the processor time of all its threads up to now (proc(5), schedstat)."""
        tasks = Path(f"/proc/{self.pid}/task").iterdir()
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9

    def resident(self) -> int:
        """Return its resident bytes."""
        return resident(self.pid)


@asynccontextmanager
async def peers() -> AsyncIterator[list[Peer]]:
    """Run the gateway, HAProxy and the backend until the block ends."""
    async with AsyncExitStack() as stack:
        backend = await started(
            stack, sys.executable, "-m", "tests.bench.backend", core=LOAD_CORE, pipe=True
        )
        assert backend.stdout is not None
        backend_port = int(await backend.stdout.readline())
        yield [
            await _gateway(stack, backend_port),
            await _haproxy(stack, backend_port),
            Peer("alone", backend.pid, backend_port),
        ]


async def _gateway(stack: AsyncExitStack, backend_port: int) -> Peer:
    port = free_port()
    process = await started(
        *(stack, sys.executable, "-m", "speech_gateway", "--listen", f"127.0.0.1:{port}"),
        *("--skit-url", f"http://127.0.0.1:{backend_port}", *GATEWAY_FLAGS),
        core=PROXY_CORE,
    )
    await until_it_listens(port)
    return Peer("gateway", process.pid, port)


async def _haproxy(stack: AsyncExitStack, backend_port: int) -> Peer:
    port = free_port()
    folder = stack.enter_context(tempfile.TemporaryDirectory())
    config = Path(folder) / "haproxy.cfg"
    config.write_text(HAPROXY_CONFIG.format(port=port, backend_port=backend_port))
    process = await started(stack, "haproxy", "-db", "-f", str(config), core=PROXY_CORE)
    await until_it_listens(port)
    return Peer("haproxy", process.pid, port)


async def started(
    stack: AsyncExitStack, *argv: str, core: int, pipe: bool = False
) -> asyncio.subprocess.Process:
    """Return a process on one core, which ends with the stack."""
    log = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - the stack closes it
    process = await asyncio.create_subprocess_exec(
        *argv,
        stdin=asyncio.subprocess.PIPE if pipe else asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE if pipe else log,
        stderr=log,
    )
    os.sched_setaffinity(process.pid, {core % (os.cpu_count() or 1)})
    stack.push_async_callback(_ended, process)
    return process


async def _ended(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
    await process.wait()
