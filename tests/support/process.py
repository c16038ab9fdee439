"""What tests, soak and benchmark want of a process: a port, a moment, its memory."""

import re
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from .client import RawClient, connect
from .polling import until

START_TIMEOUT = 30.0


def free_port() -> int:
    """Return a port that nobody had a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
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


async def until_it_listens(port: int) -> None:
    await until(lambda: listens(lambda: connect(port)), START_TIMEOUT)


def resident(pid: int, *, peak: bool = False) -> int:
    """Return the process's resident bytes, now or at their most."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.findall(rf"{'VmHWM' if peak else 'VmRSS'}:\s+(\d+)", status)[0]) * 1024
