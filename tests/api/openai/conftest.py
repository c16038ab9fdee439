"""A gateway that speaks OpenAI's API."""

from collections.abc import AsyncIterator

import pytest

from tests.support.backend import ScriptedBackend
from tests.support.gateway import Served, serving


@pytest.fixture
async def openai(backend: ScriptedBackend) -> AsyncIterator[Served]:
    async with serving(backend.url, "--openai") as served:
        yield served
