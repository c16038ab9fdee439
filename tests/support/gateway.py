"""Gateways, started as the program starts them, and what they count."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from speech_gateway.config import settings
from speech_gateway.config.settings import Settings
from speech_gateway.metrics import METRICS
from speech_gateway.server.gateway import Gateway, running

from .client import RawClient, Reachable, connect
from .polling import until


@dataclass
class Served(Reachable):
    """A gateway under test."""

    gateway: Gateway

    @property
    def url(self) -> str:
        return self.gateway.url

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def wyoming_port(self) -> int:
        assert self.gateway.wyoming is not None
        return int(self.gateway.wyoming.place.rpartition(":")[2])

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return self.gateway.listener.connections

    def sample(self, name: str, **labels: str) -> float:
        """Return a metric's value now; 0 when there is no such series."""
        value = self.gateway.app[METRICS].registry.get_sample_value(name, labels)
        return value or 0.0

    def count(self, endpoint: str, code: int, method: str = "POST") -> float:
        return self.sample(
            "gateway_requests_total", endpoint=endpoint, method=method, code=str(code)
        )

    def inflight(self, endpoint: str) -> float:
        return self.sample("gateway_inflight_requests", endpoint=endpoint)

    def waiting(self, endpoint: str) -> float:
        return self.sample("gateway_waiting_requests", endpoint=endpoint)

    async def connect(self) -> RawClient:
        return await connect(self.port)

    async def reload(self, skit_url: str, *flags: str) -> list[str]:
        """Have it serve with other settings; return those that need a restart."""
        return await self.gateway.reload(loaded(skit_url, *flags))

    async def settled(self) -> None:
        """Wait until nothing is under way, as the metrics have it."""
        await until(lambda: (self.inflight("tts"), self.inflight("stt")), equals=(0, 0))


@asynccontextmanager
async def serving(skit_url: str, *flags: str) -> AsyncIterator[Served]:
    """Serve on a free port, in front of skit_url, with flags as on the command line."""
    async with running(loaded(skit_url, *flags)) as gateway:
        yield Served(gateway)


def loaded(skit_url: str, *flags: str) -> Settings:
    """Return the settings of a gateway on a free port, in front of skit_url."""
    argv = ["--listen", "127.0.0.1:0", "--skit-url", skit_url, *flags]
    return settings.load(argv, {})[0]
