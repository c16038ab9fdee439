"""The compose file runs: the full image alone, and two gateways with who stands around them.

Nothing is pulled: what is not ours is a stand-in of Debian's packages, under the name that it has
there, and StreamKit is the bundled engine. There is none for Grafana, which is left out.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp
import pytest

from tests.support.client import connect
from tests.support.compose import services
from tests.support.docker import Docker, Stack, build_standins, dockerd, running_stack
from tests.support.documents import COMPOSE as DOCUMENT
from tests.support.podman import Podman
from tests.support.polling import until
from tests.support.prometheus import Prometheus
from tests.support.speech import FOX, spoken
from tests.support.word_errors import word_errors
from tests.support.wyoming import WyomingClient

pytestmark = pytest.mark.timeout(300)

STANDINS = ("haproxy", "prometheus", "streamkit")

SEEN_TIMEOUT = 60
"""Seconds until Prometheus, which looks every 15, has seen and judged."""
GATEWAYS = ("gateway-one", "gateway-two")
KEY = "a-key-of-this-drill"
SCRAPED = {"gateway-one:8080": 1.0, "gateway-two:8080": 1.0, "haproxy:8404": 1.0}


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A short path: that of a socket has its bounds."""
    with TemporaryDirectory() as made:
        yield Path(made)


async def take_images(podman: Podman, docker: Docker, folder: Path, *ours: str) -> None:
    for image in ours:
        await docker.take(podman, image, image.removeprefix("localhost/"), folder)
    standins = {name: services()[name]["image"] for name in STANDINS}
    await build_standins(podman, docker, folder, **standins)


@pytest.fixture(scope="module")
def docker(podman: Podman, slim: str, full: str, folder: Path) -> Iterator[Docker]:
    with dockerd(folder) as running:
        asyncio.run(take_images(podman, running, folder, slim, full))
        yield running


async def heard(stack: Stack, speech: bytes) -> str:
    response = await stack.ask("POST", "/stt", {"Content-Type": "audio/ogg"}, speech)
    return str(json.loads(response.body)["text"])


# --- the full image alone


@pytest.fixture
def alone(docker: Docker, tmp_path: Path) -> Iterator[Stack]:
    with running_stack(docker, tmp_path, DOCUMENT.command("compose.yaml up")) as stack:
        yield stack


@pytest.fixture
def keyed(docker: Docker, tmp_path: Path) -> Iterator[Stack]:
    hand_out = f"umask 022 && mkdir deploy/secrets && echo radio {KEY} > deploy/secrets/client-keys"
    command = DOCUMENT.command("compose.keys.yaml")
    with running_stack(docker, tmp_path, hand_out, command) as stack:
        yield stack


async def test_the_full_image_speaks_and_hears_through_its_ports(alone: Stack) -> None:
    speak, hear = (
        DOCUMENT.command(part).replace("localhost:8080", f"localhost:{alone.port}")
        for part in ("-o fox.ogg", "@fox.ogg")
    )
    await alone.type(speak)
    assert word_errors(FOX, json.loads(await alone.type(hear))["text"]) == 0

    async with await connect(alone.wyoming_port) as raw:
        client = WyomingClient(raw)
        await client.send("synthesize", text=FOX)
        await client.event("audio-stop", timeout=SEEN_TIMEOUT)
        assert word_errors(FOX, await client.transcribe(client.samples())) == 0


async def test_clients_need_a_key_where_keys_are_handed_out(keyed: Stack) -> None:
    assert (await keyed.speak()).status == 401
    assert (await keyed.speak(Authorization=f"Bearer {KEY}")).status == 200


async def test_an_upload_under_way_is_heard_to_its_end_when_it_is_stopped(alone: Stack) -> None:
    speech = spoken(FOX)

    async def stopping() -> bool:
        return "stopping: what is under way" in await alone.log("gateway")

    async with await alone.connect() as client:
        client.begin_upload()
        client.chunk(speech[: len(speech) // 2])
        stopped = asyncio.create_task(alone.compose("stop"))
        await until(stopping, SEEN_TIMEOUT)
        client.chunk(speech[len(speech) // 2 :])
        client.end_upload()
        response = await client.response()
        await stopped

    assert (response.status, response.whole) == (200, True)
    assert word_errors(FOX, json.loads(response.body)["text"]) == 0
    assert await alone.exit_status("gateway") == 0


# --- the stack


@pytest.fixture(scope="module")
def stack(docker: Docker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    # HAProxy brings those behind it; without names it would be Grafana, too.
    command = f"{DOCUMENT.command('stack up --detach')} --wait haproxy prometheus"
    secrets = DOCUMENT.command("make-secrets")
    with running_stack(docker, tmp_path_factory.mktemp("stack"), secrets, command) as running:
        yield running


@pytest.fixture
async def prometheus(stack: Stack) -> AsyncIterator[Prometheus]:
    url = f"http://127.0.0.1:{stack.prometheus_port}"
    async with aiohttp.ClientSession(url) as session:
        yield Prometheus(url, session)


async def scraped(prometheus: Prometheus) -> dict[str, float]:
    return {one.labels["instance"]: one.value for one in await prometheus.query("up")}


async def alerts(prometheus: Prometheus) -> set[tuple[str, str]]:
    """Return the alerts there are, each with its state."""
    told = await prometheus.query("ALERTS")
    return {(one.labels["alertname"], one.labels["alertstate"]) for one in told}


@asynccontextmanager
async def load(stack: Stack) -> AsyncIterator[list[int]]:
    """Ask for short texts, one after the other; yield the list that the statuses come into."""
    statuses: list[int] = []

    async def ask() -> None:
        while True:
            statuses.append((await stack.speak()).status)

    task = asyncio.create_task(ask())
    try:
        yield statuses
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_the_stack_speaks_hears_and_is_watched(stack: Stack, prometheus: Prometheus) -> None:
    said = await stack.speak(FOX.encode())
    assert word_errors(FOX, await heard(stack, said.body)) == 0

    await until(lambda: scraped(prometheus), SEEN_TIMEOUT, equals=SCRAPED)
    assert await alerts(prometheus) == set()
    log = await stack.log("gateway-one") + await stack.log("gateway-two")
    assert "client=" in log
    assert f"client={stack.net}.10 " not in log


async def test_a_gateway_that_is_killed_costs_no_request_and_is_told_of(
    stack: Stack, prometheus: Prometheus
) -> None:
    await until(lambda: scraped(prometheus), SEEN_TIMEOUT, equals=SCRAPED)
    async with load(stack) as statuses:
        await until(lambda: len(statuses) > 5, SEEN_TIMEOUT)
        await stack.compose("kill", "gateway-one")
        gone = {**SCRAPED, "gateway-one:8080": 0.0}
        await until(lambda: scraped(prometheus), SEEN_TIMEOUT, equals=gone)
        pending = ("SpeechGatewayDown", "pending")
        await until(lambda: alerts(prometheus), SEEN_TIMEOUT, holds=lambda told: pending in told)
        await stack.compose("up", "--detach", "--no-build", "--wait", "gateway-one")
        await until(lambda: scraped(prometheus), SEEN_TIMEOUT, equals=SCRAPED)
        await until(
            lambda: alerts(prometheus), SEEN_TIMEOUT, holds=lambda told: pending not in told
        )

    assert set(statuses) == {200}


async def test_gateways_are_made_anew_and_no_client_notices(stack: Stack) -> None:
    async with load(stack) as statuses:
        before = [await stack.container(gateway) for gateway in GATEWAYS]
        for gateway in GATEWAYS:
            await stack.type(DOCUMENT.command(gateway))
        after = [await stack.container(gateway) for gateway in GATEWAYS]

    assert not set(before) & set(after)
    assert set(statuses) == {200}
