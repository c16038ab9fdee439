"""A gateway that serves Wyoming, before a backend that speaks and hears the same whatever comes."""

from collections.abc import AsyncIterator

import pytest

from tests.support.backend import BackendCall, ScriptedBackend, hears
from tests.support.gateway import Served, serving
from tests.support.speaking_backends import speak_at_once
from tests.support.wyoming import WyomingClient, wyoming

ON = ("--wyoming-listen", "127.0.0.1:0")
HEARD = "The quick brown fox."


async def speak_and_hear(call: BackendCall) -> None:
    """Speak the fox where a text comes, and hear of it in audio."""
    speaks = b"text/plain" in b"".join(call.part_headers)
    await (speak_at_once if speaks else hears(HEARD))(call)


async def silent(call: BackendCall) -> None:
    """Take all there is, and answer nothing."""
    while await call.media():
        pass
    await call.until_closed()


@pytest.fixture
async def gateway(backend: ScriptedBackend) -> AsyncIterator[Served]:
    backend.script = speak_and_hear
    async with serving(backend.url, *ON) as served:
        yield served


@pytest.fixture
async def client(gateway: Served) -> AsyncIterator[WyomingClient]:
    async with wyoming(gateway) as connected:
        yield connected
