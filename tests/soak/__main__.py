"""Run the soak: ``python -m tests.soak --seconds 600``; it exits with 1 for unbalanced books."""

import argparse
import asyncio
import random
import re
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import uvloop

from tests.soak.backend import SoakBackend
from tests.soak.clients import MIX, Books
from tests.support.client import connect

SEED = 20260101
CLIENTS = 150
SLOTS = 20
QUEUE = 80
WARM_UP_REQUESTS = 3000
SETTLE_TIMEOUT = 30.0
MEMORY_BOUND = 64 * 1024 * 1024
"""Bytes that the process may grow by, from after the warm-up to the end."""
FORBIDDEN = re.compile(r"never retrieved|was destroyed|Traceback|Unhandled|never awaited")


class Gateway:
    """The gateway under load: a process of its own, its log in a file."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path, port: int) -> None:
        self._process, self._log, self.port = process, log, port

    async def page(self, path: str) -> str:
        async with await connect(self.port) as client:
            client.request("GET", path)
            return (await client.response()).text

    async def sample(self, name: str) -> float:
        """Return the sum of a metric's series."""
        found = re.findall(rf"^{name}(?:{{.*}})? (\S+)$", await self.page("/metrics"), re.MULTILINE)
        return sum(map(float, found))

    def open_files(self) -> int:
        return len(list(Path(f"/proc/{self._process.pid}/fd").iterdir()))

    def memory(self) -> int:
        """Return the resident bytes."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(re.findall(r"VmRSS:\s+(\d+)", status)[0]) * 1024

    def forbidden_lines(self) -> list[str]:
        return [line for line in self._log.read_text().splitlines() if FORBIDDEN.search(line)]


@asynccontextmanager
async def gateway_before(backend_port: int) -> AsyncIterator[Gateway]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        with log.open("w") as out:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "speech_gateway", "--listen", f"127.0.0.1:{port}"),
                *("--skit-url", f"http://127.0.0.1:{backend_port}", "--log-level", "error"),
                *("--max-concurrency", str(SLOTS), "--max-queue", str(QUEUE)),
                *("--plugin", "tests.soak.plugin:ShowTasks"),
                stderr=out,
            )
        try:
            await _until_it_listens(port)
            yield Gateway(process, log, port)
        finally:
            process.terminate()
            status = await process.wait()
            assert status == 0, log.read_text()


async def _until_it_listens(port: int) -> None:
    async with asyncio.timeout(SETTLE_TIMEOUT):
        while True:
            try:
                (await connect(port)).leave()
            except ConnectionRefusedError:
                await asyncio.sleep(0.05)
            else:
                return


async def load(books: Books, chance: random.Random, *, seconds: float, most: int) -> None:
    """Keep CLIENTS clients busy for seconds, or until most requests were sent."""
    kinds = [kind for _, kind in MIX]
    weights = [weight for weight, _ in MIX]
    end = time.monotonic() + seconds
    numbers = iter(range(books.sent, 100_000_000))

    async def one_after_another() -> None:
        while time.monotonic() < end and books.sent < most:
            kind = chance.choices(kinds, weights)[0]
            number = next(numbers)
            try:
                await kind(books, number)
            except (OSError, EOFError) as error:
                books.wrong.append(f"request {number}: {error!r}")

    await asyncio.gather(*(one_after_another() for _ in range(CLIENTS)))


async def settled(gateway: Gateway) -> None:
    async with asyncio.timeout(SETTLE_TIMEOUT):
        while await gateway.sample("gateway_inflight_requests"):
            await asyncio.sleep(0.05)


def report(what: str, found: float, expected: str, right: bool) -> bool:
    print(f"{'ok  ' if right else 'FAIL'} {what}: {found:,.0f} ({expected})")
    return right


async def soak(seconds: float) -> bool:
    loop = asyncio.get_running_loop()
    books = Books(port=0)
    server = await loop.create_server(lambda: SoakBackend(books.seen), "127.0.0.1", 0, backlog=1024)
    chance = random.Random(SEED)
    async with gateway_before(server.sockets[0].getsockname()[1]) as gateway:
        books.port = gateway.port
        await load(books, chance, seconds=seconds, most=WARM_UP_REQUESTS)
        await settled(gateway)
        files, tasks, memory = gateway.open_files(), await gateway.page("/tasks"), gateway.memory()
        began, before = time.monotonic(), books.sent
        await load(books, chance, seconds=seconds, most=10**9)
        rate = (books.sent - before) / (time.monotonic() - began)
        await settled(gateway)
        right = await balance(gateway, books, files, int(tasks), memory)
    server.close()
    codes = ", ".join(f"{code}: {count:,}" for code, count in sorted(books.codes.items()))
    print(f"{books.sent:,} requests, {rate:,.0f} a second; answers by status: {codes}")
    print("1 passed, 0 failed" if right else "0 passed, 1 failed")
    return right


async def balance(gateway: Gateway, books: Books, files: int, tasks: int, memory: int) -> bool:
    counted = await gateway.sample("gateway_requests_total")
    waiting = await gateway.sample("gateway_waiting_requests")
    inflight = await gateway.sample("gateway_inflight_requests")
    grown = gateway.memory() - memory
    lines = gateway.forbidden_lines()
    for line in [*books.wrong[:10], *lines[:10]]:
        print(f"     {line}")
    return all(
        [
            report("wrong answers", len(books.wrong), "0", not books.wrong),
            report("counted", counted, f"{books.sent:,} sent", counted == books.sent),
            report("in flight", inflight, "0", not inflight),
            report("waiting", waiting, "0", not waiting),
            report(
                "open files", gateway.open_files(), f"{files} before", gateway.open_files() <= files
            ),
            report(
                "tasks",
                int(await gateway.page("/tasks")),
                f"{tasks} before",
                int(await gateway.page("/tasks")) <= tasks,
            ),
            report("memory grown", grown, f"at most {MEMORY_BOUND:,}", grown <= MEMORY_BOUND),
            report("forbidden log lines", len(lines), "0", not lines),
        ]
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    return 0 if uvloop.run(soak(parser.parse_args().seconds)) else 1


if __name__ == "__main__":
    sys.exit(main())
