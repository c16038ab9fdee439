"""The processes of media workers, as the kernel has them."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from speech_gateway.media.workers.conversion import Conversion
from speech_gateway.media.workers.pool import WorkerPool
from speech_gateway.media.workers.worker import ORDERS_FD

from .polling import until
from .process import children


def fork_servers(gateway: int | None = None) -> list[int]:
    """Return the fork servers of a gateway, or of this process."""
    return [pid for pid in children(gateway or os.getpid()) if "fork_server" in _command(pid)]


def busy_workers(gateway: int | None = None) -> list[int]:
    """Return the workers that have an order; the others wait for one."""
    return [
        worker
        for server in fork_servers(gateway)
        for worker in children(server)
        if Path(f"/proc/{worker}/fd/0").exists()
        and not Path(f"/proc/{worker}/fd/{ORDERS_FD}").exists()
    ]


@asynccontextmanager
async def at_work(pool: WorkerPool, job: str) -> AsyncIterator[tuple[Conversion, int]]:
    """Yield a conversion that has begun, the only one, and the process of its worker."""
    async with Conversion(pool, job) as conversion:
        await conversion.feed(b"begin")
        (worker,) = await until(busy_workers)
        yield conversion, worker


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
