"""The client's machine falls silent: no FIN, no reset, no answer to anything, as with a closed lid.

Within about the client timeout the kernel's probes find out, wherever its request was.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import pytest

from tests.support.backend import (
    OK_CHUNKED,
    BackendCall,
    Script,
    ScriptedBackend,
    chunk,
    says,
    scripted_backend,
)
from tests.support.client import RawClient, connect
from tests.support.metrics_page import sum_of
from tests.support.network import GATEWAY_ADDRESS, MISSING, Machine, Network, two_machines
from tests.support.polling import until
from tests.support.program import serving_program

pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING)

CLIENT_TIMEOUT = 3
"""Seconds; the probes' own unit is a second."""


@dataclass
class Site:
    """A gateway on one machine, which a client on another may call."""

    network: Network
    backend: ScriptedBackend
    port: int

    async def connect(self, machine: Machine) -> RawClient:
        return await connect(self.port, host=GATEWAY_ADDRESS, sock=machine.socket())

    async def sample(self, name: str, **labels: str) -> float:
        async with await self.connect(self.network.gateway) as client:
            return sum_of((await client.ask("GET", "/metrics")).text, name, **labels)

    async def until(self, value: float, name: str, **labels: str) -> None:
        await until(lambda: self.sample(name, **labels), 10 * CLIENT_TIMEOUT, equals=value)

    async def until_counted(self, endpoint: str) -> None:
        """Wait until a disconnect is counted."""
        labels = {"code": "499", "endpoint": endpoint, "method": "POST"}
        await self.until(1, "gateway_requests_total", **labels)

    async def check_departure_is_noticed(self, endpoint: str) -> None:
        began = asyncio.get_running_loop().time()
        await self.until_counted(endpoint)
        # By itself the kernel would try for a quarter of an hour.
        assert asyncio.get_running_loop().time() - began < 5 * CLIENT_TIMEOUT
        await self.until(0, "gateway_inflight_requests", endpoint=endpoint)


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    with two_machines() as network:
        listener = network.gateway.socket()
        listener.bind(("127.0.0.1", 0))
        async with scripted_backend(silent, listener=listener) as backend:
            async with serving_program(
                *("--skit-url", backend.url, "--max-concurrency=1"),
                f"--client-timeout={CLIENT_TIMEOUT}s",
                listen=GATEWAY_ADDRESS,
                before=network.gateway.command,
            ) as run:
                yield Site(network, backend, run.port)


silent = says(then="is silent")
quiet = says(OK_CHUNKED, chunk(b"a line, and nothing more for long\n"), then="is silent")


async def streaming(call: BackendCall) -> None:
    await call.whole_media()
    await call.write(OK_CHUNKED)
    while not call.closed.is_set():
        await call.write(chunk(b"speech, speech, speech\n"))
        await asyncio.sleep(0.02)  # the pace of speech


def speak(client: RawClient) -> str:
    client.request("POST", "/tts", body=b"Hello.")
    return "tts"


def upload(client: RawClient) -> str:
    client.request("POST", "/stt", body=bytes(1024 * 1024))
    return "stt"


REQUESTS = pytest.mark.parametrize("send", [speak, upload])


@REQUESTS
async def test_while_waiting_at_the_gate(site: Site, send: Callable[[RawClient], str]) -> None:
    async with await site.connect(site.network.gateway) as holder:
        speak(holder)
        await site.backend.calls.get()
        async with await site.connect(site.network.client) as client:
            endpoint = send(client)
            await site.until(1, "gateway_waiting_requests", endpoint=endpoint)

            site.network.silence_client()

            await site.until(0, "gateway_waiting_requests", endpoint=endpoint)
            await site.until_counted(endpoint)
            assert site.backend.seen == 1, "who left the queue must not reach the backend"


@REQUESTS
async def test_while_waiting_for_the_backends_headers(
    site: Site, send: Callable[[RawClient], str]
) -> None:
    async with await site.connect(site.network.client) as client:
        endpoint = send(client)
        call = await site.backend.calls.get()
        await call.media_ended.wait()  # silence in the middle of a body is a stalled upload

        site.network.silence_client()

        await site.check_departure_is_noticed(endpoint)
        await call.closed.wait()


@pytest.mark.parametrize("script", [streaming, quiet], ids=["streaming", "quiet"])
@REQUESTS
async def test_mid_stream(
    site: Site,
    send: Callable[[RawClient], str],
    script: Script,
) -> None:
    site.backend.script = script
    async with await site.connect(site.network.client) as client:
        endpoint = send(client)
        await client.head()
        call = await site.backend.calls.get()

        site.network.silence_client()

        await site.check_departure_is_noticed(endpoint)
        await call.closed.wait()
