"""Several gateways behind HAProxy, with the configuration that is shipped."""

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from tests.support import haproxy as support
from tests.support import network
from tests.support.backend import (
    LAST_CHUNK,
    OK_CHUNKED,
    BackendCall,
    ScriptedBackend,
    answer_each_piece,
    chunk,
    hears,
)
from tests.support.client import check_answers_come_meanwhile, connect
from tests.support.cluster import Cluster, Node, Stream, cluster
from tests.support.gateway import Served, serving
from tests.support.haproxy import CONFIG, WAIT_TIMEOUT, Haproxy, haproxy
from tests.support.metrics_page import sum_of
from tests.support.polling import until
from tests.support.realtime import COMPLETED, realtime, silence, speech

HEALTH_CHECK = 1.25
"""Seconds until HAProxy knows that a gateway is gone: ``inter`` and ``fastinter`` of the file."""
SLACK = 5.0
"""Seconds for a machine that has other things to do."""
SILENT = 11.0
"""Seconds after which a gateway that is cut off is given up: ``srvtcpka`` of the file."""

pytestmark = pytest.mark.skipif(bool(support.MISSING), reason=support.MISSING)
needs_network = pytest.mark.skipif(bool(network.MISSING), reason=network.MISSING)


# one gateway on loopback


@pytest.fixture
async def proxy(gateway: Served) -> AsyncIterator[Haproxy]:
    async with haproxy({"one": f"127.0.0.1:{gateway.port}"}) as running:
        await running.until("one", "UP")
        yield running


def test_the_configuration_is_right() -> None:
    told = subprocess.run(
        ["haproxy", "-c", "-f", str(CONFIG)],
        env={**os.environ, "HAPROXY_UNPRIVILEGED": "1"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert told.returncode == 0, told.stderr
    assert "WARNING" not in told.stdout + told.stderr


async def test_it_is_told_that_there_are_two_gateways(gateway: Served) -> None:
    async with haproxy({"one": f"127.0.0.1:{gateway.port}"}, GATEWAY_THREE="none") as running:
        assert set(await running.states()) == {"one", "two", "BACKEND"}


async def test_each_piece_passes_as_it_comes(proxy: Haproxy, backend: ScriptedBackend) -> None:
    pieces: asyncio.Queue[bytes] = asyncio.Queue()

    async def script(call: BackendCall) -> None:
        await call.whole_media()
        await call.write(OK_CHUNKED)
        while (piece := await pieces.get()) != b"":
            await call.write(chunk(piece))
        await call.write(LAST_CHUNK)

    backend.script = script
    async with await proxy.connect() as client:
        client.request("POST", "/tts", body=b"Hello.")
        pieces.put_nowait(b"first")
        await client.head()
        for piece in (b"first", b"second", b"third", b""):
            assert await client.piece() == piece
            pieces.put_nowait({b"first": b"second", b"second": b"third"}.get(piece, b""))


async def test_transcripts_come_back_while_the_upload_goes_on(
    proxy: Haproxy, backend: ScriptedBackend
) -> None:
    backend.script = answer_each_piece
    async with await proxy.connect() as client:
        await check_answers_come_meanwhile(client)


async def test_a_client_cannot_say_where_it_comes_from(backend: ScriptedBackend) -> None:
    forged = {
        "X-Forwarded-For": "198.51.100.7",
        "Forwarded": "for=198.51.100.7",
        "X-Request-ID": "seven",
    }
    flags = ("--trusted-hops", "127.0.0.1")  # refuses what has not exactly one address
    async with serving(backend.url, *flags) as gateway:
        async with haproxy({"one": f"127.0.0.1:{gateway.port}"}) as proxy:
            await proxy.until("one", "UP")
            response = await proxy.ask("POST", "/tts", forged, b"Hello.")

    assert (response.status, response.headers["x-request-id"]) == (200, "seven")
    assert backend.calls.get_nowait().headers["x-request-id"] == "seven"


@pytest.mark.parametrize(("path", "status"), [("/readyz", 200), ("/metrics", 404), ("/x", 404)])
async def test_only_speech_leads_inside(proxy: Haproxy, path: str, status: int) -> None:
    assert (await proxy.ask("GET", path)).status == status


async def test_its_metrics_tell_what_it_answered(proxy: Haproxy) -> None:
    async def answered() -> tuple[float, float]:
        async with await connect(proxy.stats_port) as client:
            page = (await client.ask("GET", "/metrics")).text
        return (
            sum_of(page, "haproxy_backend_http_responses_total", proxy="speech", code="2xx"),
            sum_of(page, "haproxy_backend_active_servers", proxy="speech"),
        )

    async with await proxy.connect() as client:
        assert (await client.speak()).status == 200

    await until(answered, equals=(1, 1))


async def test_openais_clients_are_led_inside(backend: ScriptedBackend) -> None:
    async with serving(backend.url, "--openai") as gateway:
        async with haproxy({"one": f"127.0.0.1:{gateway.port}"}) as proxy:
            await proxy.until("one", "UP")
            assert (await proxy.ask("GET", "/v1/models")).status == 200


async def test_somebody_is_heard_live_through_it(backend: ScriptedBackend) -> None:
    backend.script = hears("The quick brown fox.")
    flags = ("--openai", "--trusted-hops", "127.0.0.0/8")
    async with serving(backend.url, *flags) as gateway:
        async with haproxy({"one": f"127.0.0.1:{gateway.port}"}) as proxy:
            await proxy.until("one", "UP")
            async with realtime(proxy) as client:
                await client.append(silence(0.5) + speech() + silence(1.0))
                completed = await client.event(COMPLETED)

    assert completed["transcript"] == "The quick brown fox."


async def test_it_is_not_ready_without_a_gateway() -> None:
    async with haproxy({}) as proxy:
        await proxy.until("one", "DOWN")
        await proxy.until("two", "DOWN")
        await proxy.until("three", "DOWN")
        async with await proxy.connect() as client:
            looked = await client.ask("GET", "/readyz")
            refused = await client.speak()

    assert (looked.status, refused.status) == (503, 503)
    assert refused.text == "no gateway can take this now; try again in a moment\n"
    assert "retry-after" in refused.headers


# three gateways on three machines


@pytest.fixture
async def site() -> AsyncIterator[Cluster]:
    async with cluster() as running:
        for server in running.nodes:
            await running.proxy.until(server, "UP")
        yield running


def split(streams: list[Stream], node: Node) -> tuple[list[Stream], list[Stream]]:
    """Return the streams on a node, and the others."""
    return [s for s in streams if s.node is node], [s for s in streams if s.node is not node]


async def until_it_answers(site: Cluster, node: Node) -> None:
    """Wait until a gateway gets requests, from now on."""
    moment = time.monotonic()
    await until(
        lambda: {asked.by for asked in site.since(moment)},
        WAIT_TIMEOUT,
        holds=lambda answered: node.name in answered,
    )


async def until_noticed(site: Cluster) -> float:
    """Wait until HAProxy knows that two is gone, and many more were asked; return when it knew."""
    await site.proxy.until("two", "DOWN")
    moment = time.monotonic()
    await until(lambda: len(site.since(moment)), WAIT_TIMEOUT, holds=lambda count: count > 50)
    return moment


async def all_whole(site: Cluster, streams: list[Stream]) -> bool:
    for node in site.nodes.values():
        node.release.set()
    async with asyncio.timeout(WAIT_TIMEOUT):
        return all([await stream.ended() for stream in streams])


@needs_network
@pytest.mark.timeout(120)
async def test_a_gateway_that_is_drained_and_started_again_is_not_noticed(site: Cluster) -> None:
    node = site.nodes["two"]
    streams = await site.streams()
    here, elsewhere = split(streams, node)
    async with site.load():
        node.signal(signal.SIGTERM)
        moment = await until_noticed(site)
        assert {asked.by for asked in site.since(moment)} == {"one", "three"}

        node.release.set()
        assert all([await stream.ended() for stream in here])
        assert await node.ended() == 0
        async with AsyncExitStack() as stack:
            await node.start(stack)
            await until_it_answers(site, node)
            assert await all_whole(site, elsewhere)

    assert len(here) == 2
    assert not [asked.failure for asked in site.asked if asked.failure]


@needs_network
@pytest.mark.timeout(120)
async def test_a_gateway_that_is_killed_costs_its_streams_and_no_request(site: Cluster) -> None:
    node = site.nodes["two"]
    here, elsewhere = split(await site.streams(), node)
    async with site.load():
        node.signal(signal.SIGKILL)
        killed = time.monotonic()
        assert not any([await stream.ended() for stream in here])
        noticed = await until_noticed(site) - killed
        assert await all_whole(site, elsewhere)

    assert len(here) == 2
    assert noticed < HEALTH_CHECK + SLACK
    assert not [asked.failure for asked in site.asked if asked.failure]


@needs_network
@pytest.mark.timeout(120)
async def test_a_gateway_that_is_cut_off_costs_its_streams_and_a_moment(site: Cluster) -> None:
    node = site.nodes["two"]
    here, elsewhere = split(await site.streams(), node)
    async with site.load():
        site.lan.unplug(node.address)
        cut_off = time.monotonic()
        moment = await until_noticed(site)
        assert not any([await stream.ended() for stream in here])
        broken_after = time.monotonic() - cut_off
        assert await all_whole(site, elsewhere)
        site.lan.plug(node.address)
        await until_it_answers(site, node)

    failures = [asked for asked in site.asked if asked.failure]
    assert moment - cut_off < HEALTH_CHECK + 2 * SLACK
    assert broken_after < SILENT + SLACK
    assert all(asked.begun < moment for asked in failures)
    assert not failures, failures
