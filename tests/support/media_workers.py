"""The processes of media workers, as the kernel has them."""

import os
from pathlib import Path

from speech_gateway.media.workers.worker import ORDERS_FD

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


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
