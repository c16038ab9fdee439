"""Another machine of the network finds the gateway, as Home Assistant does, until it stops."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.support.backend import ScriptedBackend
from tests.support.client import connect
from tests.support.gateway import serving
from tests.support.network import (
    CLIENT_ADDRESS,
    GATEWAY_ADDRESS,
    MISSING,
    Machine,
    Network,
    two_machines,
)
from tests.support.polling import until
from tests.support.program import serving_program
from tests.support.wyoming import WyomingClient

ANNOUNCED_TIMEOUT = 20.0
"""Seconds; a name is asked for several times before it is one's own (RFC 6762, section 8)."""


class Browser:
    """Looks for services on a machine."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def told(self) -> dict[str, Any]:
        """Return what it tells next."""
        assert self._process.stdout is not None
        async with asyncio.timeout(ANNOUNCED_TIMEOUT):
            line = await self._process.stdout.readline()
        told: dict[str, Any] = json.loads(line)
        return told


@asynccontextmanager
async def browser(machine: Machine, address: str) -> AsyncIterator[Browser]:
    process = await asyncio.create_subprocess_exec(
        *(*machine.command, sys.executable, "-m", "tests.support.service_browser", address),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        looking = Browser(process)
        assert "looking" in await looking.told()
        yield looking
    finally:
        process.kill()
        await process.communicate()


@pytest.fixture
def network() -> Any:
    with two_machines() as machines:
        yield machines


@pytest.mark.skipif(bool(MISSING), reason=MISSING)
@pytest.mark.parametrize("host", [GATEWAY_ADDRESS, "0.0.0.0"])
async def test_it_is_found_and_served_until_it_stops(network: Network, host: str) -> None:
    backend = "http://127.0.0.1:9"
    flags = ("--skit-url", backend, f"--wyoming-listen={host}:0", "--wyoming-announce=true")
    async with browser(network.client, CLIENT_ADDRESS) as looking:
        async with serving_program(*flags, before=network.gateway.command) as gateway:
            found = await looking.told()
            assert found["found"].startswith("speech-gateway at ")
            assert found["addresses"] == [GATEWAY_ADDRESS]

            raw = await connect(found["port"], host=GATEWAY_ADDRESS, sock=network.client.socket())
            async with raw:
                client = WyomingClient(raw)
                await client.send("describe")
                assert (await client.event()).type == "info"
            gateway.signal()

            assert await looking.told() == {"gone": found["found"]}
            assert await gateway.ended() == 0


@pytest.mark.skipif(bool(MISSING), reason=MISSING)
async def test_two_on_one_machine_are_both_found(network: Network) -> None:
    flags = ("--skit-url=http://127.0.0.1:9", "--wyoming-announce=true")
    listen = f"--wyoming-listen={GATEWAY_ADDRESS}:0"
    async with browser(network.client, CLIENT_ADDRESS) as looking:
        before = network.gateway.command
        async with serving_program(*flags, listen, before=before):
            first = await looking.told()
            async with serving_program(*flags, listen, before=before):
                second = await looking.told()

    assert first["found"] != second["found"]
    assert first["port"] != second["port"]


@pytest.mark.skipif(bool(MISSING), reason=MISSING)
async def test_a_network_that_takes_no_announcement_is_told_and_it_serves(
    network: Network,
) -> None:
    flags = ("--skit-url=http://127.0.0.1:9", "--wyoming-announce=true")
    network.gateway.ip("link", "set", "cable", "down")
    network.gateway.ip("addr", "flush", "dev", "cable")
    async with serving_program(
        *flags, "--wyoming-listen=0.0.0.0:0", before=network.gateway.command
    ) as gateway:
        await gateway.line("Wyoming cannot be announced on the network")
        gateway.signal()
        assert await gateway.ended() == 0


@pytest.mark.skipif(bool(MISSING), reason=MISSING)
async def test_addresses_are_announced_of_the_kind_that_is_listened_on(network: Network) -> None:
    network.gateway.ip("addr", "add", "2001:db8::1/64", "dev", "cable", "nodad")
    flags = ("--skit-url=http://127.0.0.1:9", "--wyoming-announce=true", "--wyoming-listen=[::]:0")
    async with serving_program(*flags, before=network.gateway.command) as gateway:
        announced = await gateway.line(r"Wyoming is announced as .* at (.*)")

    assert announced[1].strip() == "2001:db8::1"


async def test_nothing_is_announced_unless_it_is_asked_for(
    backend: ScriptedBackend, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    async with serving(backend.url, "--wyoming-listen=0.0.0.0:0"):
        await until(lambda: "Wyoming on" in caplog.text)

    assert "announced" not in caplog.text
