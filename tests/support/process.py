"""What tests, soak and benchmark want of a process: a port, a moment, its memory."""

import asyncio
import re
import socket
from pathlib import Path

from .client import connect

START_TIMEOUT = 30.0


def free_port() -> int:
    """Return a port that nobody had a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


async def until_it_listens(port: int) -> None:
    async with asyncio.timeout(START_TIMEOUT):
        while True:
            try:
                (await connect(port)).leave()
            except ConnectionRefusedError:
                await asyncio.sleep(0.05)  # only trying tells
            else:
                return


def resident(pid: int, *, peak: bool = False) -> int:
    """Return the process's resident bytes, now or at their most."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.findall(rf"{'VmHWM' if peak else 'VmRSS'}:\s+(\d+)", status)[0]) * 1024
