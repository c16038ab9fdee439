"""Two gateways behind HAProxy, watched by Prometheus, and a backend that can be taken away."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from .backend import Script, ScriptedBackend, answer_ogg, scripted_backend
from .haproxy import Haproxy, haproxy
from .monitoring import RULES, scraping
from .polling import until
from .process import free_port
from .program import serving_program
from .prometheus import Prometheus, running_prometheus

INTERVAL = "500ms"
"""Between two scrapes, and between two looks at the rules; a busy machine fails shorter ones."""
LOOK_TIMEOUT = 30.0
SERVERS = ("one", "two")


@dataclass
class Backend:
    """A backend at an address of its own, there or not."""

    script: Script = answer_ogg
    port: int = field(default_factory=free_port)
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> ScriptedBackend:
        listener = socket.create_server(("127.0.0.1", self.port))
        return await self._stack.enter_async_context(
            scripted_backend(self.script, listener=listener)
        )

    async def kill(self) -> None:
        """Close all that it has; from now on nobody listens there."""
        await self._stack.aclose()


@dataclass
class Watched:
    """All of it."""

    backend: Backend
    proxy: Haproxy
    gateways: list[str]
    prometheus: Prometheus

    async def firing(self, **labels: str) -> set[str]:
        """Return the names of the alerts that fire, of those with labels."""
        wanted = {"alertstate": "firing", **labels}
        samples = await self.prometheus.query("ALERTS")
        return {s.labels["alertname"] for s in samples if wanted.items() <= s.labels.items()}

    async def scraped(self) -> None:
        """Wait until each target has been scraped twice, and HAProxy has both gateways."""
        for server in SERVERS:
            await self.proxy.until(server, "UP")

        async def twice() -> int:
            return len(await self.prometheus.query("count_over_time(up[1m]) >= 2"))

        await until(twice, LOOK_TIMEOUT, equals=len(self.gateways) + 1)

    async def speak(self) -> int:
        """Ask for something short, as a client does; return the status."""
        async with await self.proxy.connect() as client:
            return (await client.speak()).status

    @asynccontextmanager
    async def load(self, pause: float) -> AsyncIterator[None]:
        """Have a client ask for something short, again and again, until the block ends."""

        async def ask() -> None:
            while True:
                await self.speak()
                await asyncio.sleep(pause)  # bounds the load

        asking = asyncio.create_task(ask())
        try:
            yield
        finally:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)


@asynccontextmanager
async def watched(
    folder: Path, *flags: str, rules: Path = RULES, script: Script = answer_ogg
) -> AsyncIterator[Watched]:
    """Run all of it, with flags for the gateways, and storage and logs in folder."""
    backend = Backend(script)
    await backend.start()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(backend.kill)
        settings = ("--skit-url", backend.url, *flags)
        gateways = {}
        for server in SERVERS:
            running = await stack.enter_async_context(serving_program(*settings))
            # a full pipe would stall it
            reading = asyncio.create_task(running.pass_on_log("nobody's"))
            stack.callback(reading.cancel)
            gateways[server] = f"127.0.0.1:{running.port}"
        proxy = await stack.enter_async_context(haproxy(gateways))
        addresses = [*gateways.values()]
        config = scraping(
            folder,
            INTERVAL,
            rules,
            speech_gateway=addresses,
            haproxy=[f"127.0.0.1:{proxy.stats_port}"],
        )
        prometheus = await stack.enter_async_context(running_prometheus(config, folder))
        yield Watched(backend, proxy, addresses, prometheus)
