"""What tests, soak and benchmark want of a process: a port, a moment, its memory."""

import os
import re
import secrets
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .client import RawClient, connect
from .polling import until

START_TIMEOUT = 30.0


def free_port() -> int:
    """Return a port that nobody has, and that the kernel gives to nobody who wants just any."""
    low = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = low - 1 - secrets.randbelow(low // 2)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


@contextmanager
def nobody() -> Iterator[str]:
    """Keep a port that nobody listens on; yield the URL of the backend that is not there."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"


async def listens(connects: Callable[[], Awaitable[RawClient]]) -> bool:
    """Return whether whoever is connected to is there."""
    try:
        (await connects()).leave()
    except (ConnectionRefusedError, FileNotFoundError):
        return False
    return True


async def until_it_listens(port: int, timeout: float = START_TIMEOUT) -> None:
    await until(lambda: listens(lambda: connect(port)), timeout)


def resident(pid: int, *, peak: bool = False) -> int:
    """Return the process's resident bytes, now or at their most."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.findall(rf"{'VmHWM' if peak else 'VmRSS'}:\s+(\d+)", status)[0]) * 1024


def children(pid: int) -> list[int]:
    """Return the processes that pid has started, and that are there."""
    try:
        return [int(pid) for pid in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def descendants(pid: int) -> list[int]:
    """Return the processes that descend from pid, the children of each behind it."""
    direct = children(pid)
    return direct + [further for child in direct for further in descendants(child)]


def is_gone(pid: int) -> bool:
    """Return whether a process has ended."""
    try:
        return _stat(pid)[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def processor_seconds(pid: int) -> float:
    """Return the processor time that a process has taken."""
    return _seconds(_stat(pid)[11:13])


def ended_processor_seconds(pid: int) -> float:
    """Return the processor time of a process's children that have ended."""
    return _seconds(_stat(pid)[13:15])


def _stat(pid: int) -> list[str]:
    """Return what the kernel tells of a process, from its state on (proc(5), stat)."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _seconds(ticks: list[str]) -> float:
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
