"""The images, run with all taken away that can be, and what an operator does with them."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from tests.support.backend import ScriptedBackend
from tests.support.client import RawClient, connect
from tests.support.metrics_page import sum_of
from tests.support.network import GATEWAY_ADDRESS, two_machines
from tests.support.podman import HARDENED, GatewayContainer, Podman
from tests.support.polling import until
from tests.support.process import free_port, nobody, until_it_listens
from tests.support.speaking_backends import HeldSpeech
from tests.support.speech import FOX, spoken
from tests.support.word_errors import word_errors
from tests.support.wyoming import WyomingClient

pytestmark = pytest.mark.timeout(600)

HEALTHY, UNHEALTHY = 0, 1
READY_TIMEOUT = 60
WRONG_SETTINGS = 2


async def reached(ask: Callable[[], Awaitable[bool]]) -> bool:
    """Ask, and return False while nobody is there to answer."""
    try:
        return await ask()
    except ConnectionRefusedError:
        return False


async def readiness(gateway: GatewayContainer) -> int:
    return (await gateway.ask("GET", "/readyz")).status


async def pieces_of(client: RawClient) -> AsyncIterator[bytes]:
    """Yield the chunks up to a proper end."""
    while piece := await client.piece():
        yield piece
    assert piece == b""


async def health(gateway: GatewayContainer) -> int:
    return (await gateway.health()).status


async def test_the_full_image_speaks_and_hears_through_both_its_ports(
    podman: Podman, full: str
) -> None:
    """As it is, on a machine of its own: asked from another one, as through published ports."""
    flags = (*HARDENED, "--memory", "1g", "--memory-swap", "1g")
    with two_machines() as network:
        namespace = f"ns:/run/netns/{network.gateway.name}"

        async def port(number: int) -> RawClient:
            return await connect(number, host=GATEWAY_ADDRESS, sock=network.client.socket())

        async def is_ready() -> bool:
            async with await port(8080) as client:
                return (await client.ask("GET", "/readyz")).status == 200

        async with podman.container(full, flags=flags, network=namespace) as name:
            await until(lambda: reached(is_ready), READY_TIMEOUT)

            async with await port(8080) as client:
                said = await client.speak(FOX.encode())
                heard = await client.ask("POST", "/stt", {"Content-Type": "audio/ogg"}, said.body)
                page = await client.ask("GET", "/")
            async with await port(10300) as raw:
                wyoming = WyomingClient(raw)
                await wyoming.send("synthesize", text=FOX)
                await wyoming.event("audio-stop", timeout=READY_TIMEOUT)
                text = await wyoming.transcribe(wyoming.samples())
            log = await podman.run("logs", name)

    assert word_errors(FOX, json.loads(heard.body)["text"]) == 0
    assert word_errors(FOX, text) == 0
    assert page.status == 200
    # The sandbox of codecs is told where a part of it cannot be had.
    assert " WARNING " not in log


async def test_a_stream_under_way_ends_whole_when_it_is_stopped(
    podman: Podman, slim: str, backend: ScriptedBackend
) -> None:
    backend.script = speech = HeldSpeech()
    async with podman.gateway(slim, SKIT_URL=backend.url) as gateway:
        await gateway.until_it_serves()
        async with await gateway.connect() as client:
            client.request("POST", "/tts", body=FOX.encode())
            status, _ = await client.head()
            await podman.run("kill", "--signal", "TERM", gateway.name)
            await until(lambda: readiness(gateway), equals=503)
            speech.go_on.set()
            pieces = [piece async for piece in pieces_of(client)]

        assert (status, b"".join(pieces)) == (200, spoken(FOX))
        assert await gateway.status() == 0


async def test_it_is_stopped_at_once_when_nothing_is_under_way(
    podman: Podman, slim: str, backend: ScriptedBackend
) -> None:
    async with podman.gateway(slim, SKIT_URL=backend.url) as gateway:
        await gateway.until_it_serves()

        assert await gateway.stop() == 0


async def test_it_is_unhealthy_once_its_backend_is_gone(
    podman: Podman, slim: str, backend: ScriptedBackend
) -> None:
    async with podman.gateway(slim, SKIT_URL=backend.url) as gateway:
        await gateway.until_it_serves()
        assert await health(gateway) == HEALTHY

        backend.healthy = False

        await until(lambda: health(gateway), READY_TIMEOUT, equals=UNHEALTHY)


@pytest.mark.parametrize("init", [(), ("--init",)])
async def test_its_health_is_asked_where_its_arguments_have_it_listen(
    podman: Podman, slim: str, backend: ScriptedBackend, init: tuple[str, ...]
) -> None:
    port = free_port()
    arguments = ("--listen", f"127.0.0.1:{port}")
    with nobody() as other:
        async with podman.gateway(
            slim, *arguments, flags=init, SKIT_URL=backend.url, GATEWAY_LISTEN=other[7:]
        ) as gateway:
            await until_it_listens(port)

            assert await health(gateway) == HEALTHY


async def test_its_health_is_asked_where_its_own_file_has_it_listen(
    podman: Podman, slim: str, backend: ScriptedBackend, tmp_path: Path
) -> None:
    (tmp_path / "own.conf").write_text('listen: "unix:/tmp/gateway.sock"\n')
    mount = ("--volume", f"{tmp_path}/own.conf:/own.conf:ro")
    async with podman.gateway(
        slim, "--config=/own.conf", flags=mount, SKIT_URL=backend.url, GATEWAY_LISTEN=""
    ) as gateway:
        await until(lambda: health(gateway), READY_TIMEOUT, equals=HEALTHY)


async def test_its_settings_are_read_again_at_a_signal(
    podman: Podman, slim: str, backend: ScriptedBackend, tmp_path: Path
) -> None:
    (tmp_path / "own.conf").write_text("max-concurrency: 3\n")
    mount = ("--volume", f"{tmp_path}/own.conf:/own.conf:ro")
    async with podman.gateway(
        slim, "--config=/own.conf", flags=mount, SKIT_URL=backend.url
    ) as gateway:
        await gateway.until_it_serves()

        async def slots() -> float:
            return sum_of((await gateway.ask("GET", "/metrics")).text, "gateway_slots")

        assert await slots() == 3
        (tmp_path / "own.conf").write_text("max-concurrency: 5\n")
        await podman.run("kill", "--signal", "HUP", gateway.name)

        await until(slots, equals=5)


async def test_wrong_settings_are_told_all_at_once(podman: Podman, slim: str) -> None:
    ended = await podman.try_to(
        *("run", "--rm", "--pull", "never", slim, "--max-queue", "many", "--max-qeue", "1")
    )

    assert ended.status == WRONG_SETTINGS
    assert ended.output.count("speech-gateway: ") == 2


async def test_a_token_is_read_from_a_secret(
    podman: Podman, slim: str, backend: ScriptedBackend, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("a-token-of-this-test")
    await podman.run("secret", "create", "skit-token", tmp_path / "token")
    try:
        async with podman.gateway(
            slim,
            flags=("--secret", "skit-token,uid=65532,mode=0400", "--tmpfs", "/run/secrets"),
            SKIT_URL=backend.url,
            SKIT_TOKEN_FILE="/run/secrets/skit-token",
        ) as gateway:
            await gateway.until_it_serves()
            assert (await gateway.speak()).status == 200
    finally:
        await podman.run("secret", "rm", "skit-token")

    call = backend.calls.get_nowait()
    assert call.headers["authorization"] == "Bearer a-token-of-this-test"
