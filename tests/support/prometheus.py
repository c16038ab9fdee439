"""A Prometheus as a process of its own, and what it answers."""

import asyncio
import math
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from .polling import until
from .process import free_port

__all__ = ["until"]  # for who waits for what Prometheus answers

MISSING = (
    "" if shutil.which("prometheus") and shutil.which("promtool") else "needs Debian's prometheus"
)
"""Why there can be no Prometheus here; empty where there can be."""
START_TIMEOUT = 30.0
STOP_TIMEOUT = 10.0
LOOK_INTERVAL = 0.1


@dataclass(frozen=True)
class Sample:
    """One series' value now."""

    labels: dict[str, str]
    value: float

    @property
    def sound(self) -> bool:
        """Whether it is a number, and not without end."""
        return math.isfinite(self.value)


@dataclass
class Prometheus:
    """A running one."""

    url: str
    session: aiohttp.ClientSession

    async def get(self, path: str, **params: str) -> Any:
        """Return the data of an answer of the API."""
        async with self.session.get(path, params=params) as response:
            answer = await response.json()
        assert answer["status"] == "success", f"{params}: {answer}"
        return answer["data"]

    async def query(self, expr: str) -> list[Sample]:
        """Return what expr is now."""
        data = await self.get("/api/v1/query", query=expr)
        assert data["resultType"] == "vector", f"{expr} is no vector"
        return [Sample(one["metric"], float(one["value"][1])) for one in data["result"]]


@asynccontextmanager
async def running_prometheus(config: Path, folder: Path, *flags: str) -> AsyncIterator[Prometheus]:
    """Run Prometheus on a free port of loopback, with its storage and its log in folder."""
    url = f"http://127.0.0.1:{free_port()}"
    log = folder / "prometheus.log"
    with log.open("wb") as stderr:
        process = await asyncio.create_subprocess_exec(
            "prometheus",
            f"--config.file={config}",
            f"--storage.tsdb.path={folder / 'prometheus'}",
            f"--web.listen-address={url.removeprefix('http://')}",
            *flags,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=stderr,
            stderr=stderr,
        )
    try:
        async with aiohttp.ClientSession(url) as session:

            async def ready() -> bool:
                assert process.returncode is None, log.read_text()
                try:
                    async with session.get("/-/ready") as response:
                        return response.status == 200
                except aiohttp.ClientConnectionError:
                    return False

            await until(ready, START_TIMEOUT)
            yield Prometheus(url, session)
    finally:
        if process.returncode is None:
            process.terminate()
        try:
            async with asyncio.timeout(STOP_TIMEOUT):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
