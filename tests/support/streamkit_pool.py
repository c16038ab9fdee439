"""Three backends, each a process, behind HAProxy, and a gateway before it."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from .client import RawClient
from .gateway import Served, serving
from .haproxy import SERVERS, Haproxy, haproxy
from .paths import ROOT
from .steady_load import SteadyLoad
from .streamkit_process import END, PIECES, STREAM, StreamkitProcess, streamkit_process

CONFIG = ROOT / "config" / "haproxy" / "backends.cfg"


@dataclass
class Stream:
    """A long answer under way, read as it comes."""

    by: str
    reading: asyncio.Task[bytes | None]

    async def ended(self) -> bool:
        """Return whether it ended as a whole, with nothing missing; else it broke off visibly."""
        body = await self.reading
        if body is None:
            return False
        assert body.split() == [*(b"%d" % number for number in range(PIECES)), END]
        return True


@dataclass
class StreamkitPool(SteadyLoad):
    """All of it."""

    backends: dict[str, StreamkitProcess]
    proxy: Haproxy
    gateway: Served
    stack: AsyncExitStack

    @property
    def answering(self) -> set[str]:
        return set(self.backends)

    async def connect(self) -> RawClient:
        return await self.gateway.connect()

    async def streams(self, each: int = 2) -> list[Stream]:
        """Begin streams, as many on each backend."""
        return [await self._stream() for _ in range(each * len(self.backends))]

    async def restart(self, name: str) -> None:
        """End a backend, and start it again on the same port."""
        ended = self.backends[name]
        ended.signal(signal.SIGTERM)
        await ended.process.wait()
        started = streamkit_process(name, ended.port)
        self.backends[name] = await self.stack.enter_async_context(started)

    async def _stream(self) -> Stream:
        client = await self.connect()
        self.stack.callback(client.leave)
        client.request("POST", "/tts", body=STREAM)
        await client.head()
        first = await client.piece() or b""
        name, _, rest = first.partition(b" ")
        return Stream(name.decode(), asyncio.create_task(_rest(client, rest)))


async def _rest(client: RawClient, body: bytes) -> bytes | None:
    """Return what comes after the first piece; None where it breaks off."""
    while piece := await client.piece():
        body += piece
    return None if piece is None else body


@asynccontextmanager
async def streamkit_pool(*flags: str, config: Path = CONFIG) -> AsyncIterator[StreamkitPool]:
    """Run all of it, the gateway with flags and HAProxy with a configuration."""
    async with AsyncExitStack() as stack:
        backends = {
            name: await stack.enter_async_context(streamkit_process(name)) for name in SERVERS
        }
        addresses = {f"SKIT_{name.upper()}": one.address for name, one in backends.items()}
        proxy = await stack.enter_async_context(haproxy({}, config, **addresses))
        for name in backends:
            await proxy.until(name, "UP")
        url = f"http://127.0.0.1:{proxy.port}"
        gateway = await stack.enter_async_context(serving(url, "--max-concurrency", "40", *flags))
        yield StreamkitPool(backends, proxy, gateway, stack)
