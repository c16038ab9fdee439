"""A collector, and a gateway that sends its spans there at once."""

from collections.abc import AsyncIterator

import pytest

from tests.support.backend import ScriptedBackend
from tests.support.collector import SOON, Collector, collecting, tracing
from tests.support.gateway import Served


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SOON.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    async with collecting() as collector:
        yield collector


@pytest.fixture
async def gateway(backend: ScriptedBackend, collector: Collector) -> AsyncIterator[Served]:
    async with tracing(backend.url, collector) as gateway:
        yield gateway
