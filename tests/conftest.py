"""Fixtures: a loop like the program's, a scripted backend, a gateway before it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
import uvloop

from tests.support.backend import ScriptedBackend, scripted_backend
from tests.support.engine import StandaloneEngine
from tests.support.gateway import Served, serving


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run every test on the program's loop."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(scope="module")
def engine() -> Iterator[StandaloneEngine]:
    """The bundled engine as a process of its own."""
    with StandaloneEngine.started() as started:
        yield started


@pytest.fixture
async def backend() -> AsyncIterator[ScriptedBackend]:
    async with scripted_backend() as scripted:
        yield scripted


@pytest.fixture
async def gateway(backend: ScriptedBackend) -> AsyncIterator[Served]:
    async with serving(backend.url) as served:
        yield served
