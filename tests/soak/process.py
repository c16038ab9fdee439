"""The gateway that is soaked: a process of its own."""

import asyncio
import re
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.support.client import connect
from tests.support.metrics_page import sum_of
from tests.support.process import free_port, resident, until_it_listens

FORBIDDEN = re.compile(r"never retrieved|was destroyed|Traceback|Unhandled|never awaited")


class Gateway:
    """The gateway under load: a process of its own, its log in a file."""

    def __init__(
        self, process: asyncio.subprocess.Process, log: Path, port: int, wyoming_port: int
    ) -> None:
        self._process, self._log, self.port = process, log, port
        self.wyoming_port = wyoming_port

    async def page(self, path: str) -> str:
        async with await connect(self.port) as client:
            return (await client.ask("GET", path)).text

    async def sample(self, name: str) -> float:
        """Return the sum of a metric's series."""
        return sum_of(await self.page("/metrics"), name)

    def open_files(self) -> int:
        return len(list(Path(f"/proc/{self._process.pid}/fd").iterdir()))

    def memory(self) -> int:
        """Return the resident bytes."""
        return resident(self._process.pid)

    async def stopped(self) -> int:
        """Tell it to stop; return its exit status."""
        if self._process.returncode is None:
            self._process.terminate()
        return await self._process.wait()

    def forbidden_lines(self) -> list[str]:
        return [line for line in self._log.read_text().splitlines() if FORBIDDEN.search(line)]


@asynccontextmanager
async def gateway_before(backend_port: int, *flags: str) -> AsyncIterator[Gateway]:
    """Run a gateway until the block ends."""
    port, wyoming_port = free_port(), free_port()
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        with log.open("w") as out:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "speech_gateway", "--listen", f"127.0.0.1:{port}"),
                *("--wyoming-listen", f"127.0.0.1:{wyoming_port}"),
                *("--skit-url", f"http://127.0.0.1:{backend_port}", *flags),
                stderr=out,
            )
        gateway = Gateway(process, log, port, wyoming_port)
        try:
            for each in (port, wyoming_port):
                await until_it_listens(each)
            yield gateway
        finally:
            await gateway.stopped()
