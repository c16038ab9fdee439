"""A gateway with the realtime API, before a backend that hears the same in everything."""

from collections.abc import AsyncIterator

import pytest

from tests.support.backend import ScriptedBackend, hears
from tests.support.gateway import Served, serving
from tests.support.realtime import RealtimeClient, realtime

HEARD = "The quick brown fox."


@pytest.fixture
async def gateway(backend: ScriptedBackend) -> AsyncIterator[Served]:
    backend.script = hears(HEARD)
    async with serving(backend.url, "--openai") as served:
        yield served


@pytest.fixture
async def client(gateway: Served) -> AsyncIterator[RealtimeClient]:
    """A client whose session transcribes."""
    async with realtime(gateway) as connected:
        yield connected
